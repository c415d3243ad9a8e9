//! `parlor probe URL`: each way to a box, one after the other, as a client would go.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    https::Client,
    link::Fault,
    media::{self, By},
    socket,
    turn::{User, relay},
    url::Url,
    verdicts,
    way::Way,
};
use crate::{
    protocol::IceServer,
    seams::report::{Check, Report},
};

/// For each step but media, which has its own time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries all of it: half a minute where much is closed.
pub async fn probe(url: Url) -> Report {
    let mut client = Client::new(url, PATIENCE);
    let mut checks = Vec::new();
    let started = Instant::now();
    let answer = client.get("/healthz").await;
    let outcome = answer.as_ref().map(|answer| answer.status).map_err(Fault::to_string);
    let is_there = outcome == Ok(200);
    checks.push(verdicts::https(outcome).named("https", started.elapsed()));
    if let Ok(answer) = &answer {
        let distrust = answer.shown.distrust.as_deref();
        checks.push(verdicts::certificate(distrust).named("certificate", answer.took));
    }
    if !is_there {
        return checks.into();
    }
    let started = Instant::now();
    let who = who(&mut client).await;
    checks.push(verdicts::session(&who).named("session", started.elapsed()));
    if who == "stranger" {
        return checks.into();
    }
    let started = Instant::now();
    let welcomed = socket::welcomed(&client).await.map_err(|fault| fault.to_string());
    checks.push(verdicts::socket(welcomed).named("ws", started.elapsed()));
    let servers = servers(&mut client).await;
    checks.extend(relays(servers.first()).await);
    checks.extend(paths(&mut client, servers).await);
    checks.into()
}

/// Who the box says one is, after the URL's token has been used.
async fn who(client: &mut Client) -> String {
    if let Some(token) = client.url.token.clone() {
        let body = serde_json::json!({ token.kind: token.secret }).to_string();
        // Whether it was good, the next answer says.
        let _ = client.post("/api/v1/session", ("application/json", &body)).await;
    }
    let answer = client.get("/api/v1/session").await.ok();
    let told: Option<Value> = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok());
    let who = told.and_then(|told| told["who"].as_str().map(str::to_owned));
    who.unwrap_or_else(|| "stranger".to_owned())
}

async fn servers(client: &mut Client) -> Vec<IceServer> {
    let answer = client.get("/api/v1/ice-servers").await.ok();
    answer.and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or_default()
}

/// The box's own relay, by each way that it tells of.
async fn relays(server: Option<&IceServer>) -> Vec<Check> {
    let Some(IceServer { urls, username: Some(name), credential: Some(password) }) = server else {
        return Vec::new();
    };
    let user = User { name: name.clone(), password: password.clone() };
    let mut checks = Vec::new();
    for url in urls {
        let started = Instant::now();
        let trying = async {
            let way = Way::of_url(url).await?;
            let (one, other) = (way.link(PATIENCE).await?, way.link(PATIENCE).await?);
            relay(one, Some(other), &user, PATIENCE).await
        };
        let outcome = trying.await.map(|done| done.carries).map_err(|fault| fault.to_string());
        let id = match (url.starts_with("turns:"), url.contains("transport=tcp")) {
            (true, _) => "turns",
            (false, true) => "turn-tcp",
            (false, false) => "turn-udp",
        };
        checks.push(verdicts::relay(url, outcome).named(id, started.elapsed()));
    }
    checks
}

async fn paths(client: &mut Client, servers: Vec<IceServer>) -> Vec<Check> {
    let has_relay = servers.iter().any(|server| server.credential.is_some());
    let relay = has_relay.then_some(("media-relay", By::Relay(servers)));
    let ways = [("media-udp", By::Udp), ("media-tcp", By::Tcp)].into_iter().chain(relay);
    let (mut trials, mut times) = (Vec::new(), Vec::new());
    for (id, by) in ways {
        let started = Instant::now();
        let trial = media::try_media(client, &by).await.map_err(|fault| fault.to_string());
        trials.push((id, trial));
        times.push(started.elapsed());
    }
    let told = verdicts::media(&trials).into_iter().zip(times);
    told.map(|((id, verdict), took)| verdict.named(id, took)).collect()
}
