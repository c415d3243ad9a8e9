//! The box's ports and what answers there, asked as any client would; and servers of others that clients
//! are told of.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use super::{
    Ground,
    gather::{FAR, PATIENCE},
    verdicts::{self, Holder, Relay, Service, Tried},
};
use crate::{
    probe::{self, Fault, Framing, Link, User, Way, binding},
    seams::report::{Check, Verdict},
    telemetry::port_holder,
    turn::{credential, others},
};
use futures_util::future::{BoxFuture, FutureExt as _, join_all};

/// How long the doctor's own passwords for TURN are good.
const CREDENTIAL_LASTS: Duration = Duration::from_secs(60);

/// What is asked at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Connect,
    Datagram,
    Stream(Framing),
}

type Asking<'a> = BoxFuture<'a, Vec<Check>>;

pub(super) async fn all(ground: &Ground, own: &[IpAddr]) -> Vec<Check> {
    let mut asking: Vec<Asking<'_>> = Vec::new();
    for (nth, address) in ground.places.https.iter().enumerate() {
        let service = Service { key: "http.listen", protocol: "tcp", port: address.port() };
        let at = reached_at(address.ip(), own);
        asking.push(ask(numbered("https", nth), service, at, Question::Connect).boxed());
    }
    for (nth, port) in ground.places.media.iter().enumerate() {
        let udp = Service { key: "media.ports", protocol: "udp", port: *port };
        asking.push(ask(numbered("media-udp", nth), udp, own.to_vec(), Question::Datagram).boxed());
        if ground.settings.media.tcp {
            let tcp = Service { protocol: "tcp", ..udp };
            let question = Question::Stream(Framing::Media);
            asking.push(ask(numbered("media-tcp", nth), tcp, own.to_vec(), question).boxed());
        }
    }
    for (nth, address) in ground.places.turn.iter().enumerate() {
        let udp = Service { key: "turn.listen", protocol: "udp", port: address.port() };
        let tcp = Service { protocol: "tcp", ..udp };
        let at = reached_at(address.ip(), own);
        asking.push(ask(numbered("stun-udp", nth), udp, at.clone(), Question::Datagram).boxed());
        let question = Question::Stream(Framing::Stun);
        asking.push(ask(numbered("stun-tcp", nth), tcp, at, question).boxed());
    }
    asking.push(relays(ground).boxed());
    asking.push(outside(ground).boxed());
    join_all(asking).await.into_iter().flatten().collect()
}

/// `NAME`, and `NAME-2` for the second of its kind.
fn numbered(name: &str, nth: usize) -> String {
    if nth == 0 { name.to_owned() } else { format!("{name}-{}", nth + 1) }
}

/// Where something that listens there is reached.
fn reached_at(listening: IpAddr, own: &[IpAddr]) -> Vec<IpAddr> {
    match listening {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            own.iter().copied().filter(IpAddr::is_ipv4).collect()
        }
        ip if ip.is_unspecified() => own.to_vec(),
        ip => vec![ip],
    }
}

/// Who has a port, and whether it answers.
async fn ask(id: String, service: Service, at: Vec<IpAddr>, question: Question) -> Vec<Check> {
    let started = Instant::now();
    let held = tokio::task::spawn_blocking(move || holder(service)).await;
    let holder = held.unwrap_or(Holder::Unnamed);
    let took = started.elapsed();
    let tried = join_all(at.into_iter().map(|ip| async move {
        let to = SocketAddr::new(ip, service.port);
        (to, question.put(to).await.map_err(|fault| fault.to_string()))
    }));
    let tried: Vec<Tried> = tried.await;
    let answers = tried.iter().any(|(_, outcome)| outcome.is_ok());
    let holder = match holder {
        // Another user's processes are not named; who speaks our protocol there is us.
        Holder::Unnamed | Holder::Nobody if answers && question != Question::Connect => {
            Holder::Ours("parlor".into())
        }
        holder => holder,
    };
    let port = verdicts::port(service, &holder).named(format!("port-{id}"), took);
    // A free port does not answer, and that has been said.
    if holder == Holder::Nobody {
        return vec![port];
    }
    let answered = verdicts::answers(service, &tried);
    // https is answered for by what it says (`https`).
    match question {
        Question::Connect if answered.ok == Some(true) => vec![port],
        Question::Connect => {
            vec![port, answered.named(format!("{id}-addresses"), started.elapsed())]
        }
        _ => vec![port, answered.named(id, started.elapsed())],
    }
}

fn holder(service: Service) -> Holder {
    let own = format!("parlor (process {})", std::process::id());
    if let Some(who) = port_holder(service.protocol, service.port) {
        return match who.starts_with("parlor ") || who.ends_with(own.trim_start_matches("parlor")) {
            true => Holder::Ours(who),
            false => Holder::Other(who),
        };
    }
    let any = (Ipv4Addr::UNSPECIFIED, service.port);
    let is_free = match service.protocol {
        "udp" => std::net::UdpSocket::bind(any).is_ok(),
        _ => std::net::TcpListener::bind(any).is_ok(),
    };
    if is_free { Holder::Nobody } else { Holder::Unnamed }
}

impl Question {
    async fn put(self, to: SocketAddr) -> Result<Duration, Fault> {
        let started = Instant::now();
        match self {
            Self::Connect => {
                Link::tcp(to, Framing::Stun, PATIENCE).await?;
                Ok(started.elapsed())
            }
            Self::Datagram => Ok(binding(&mut Link::udp(to).await?, PATIENCE).await?.1),
            Self::Stream(framing) => {
                let mut link = Link::tcp(to, framing, PATIENCE).await?;
                binding(&mut link, PATIENCE).await?;
                Ok(started.elapsed())
            }
        }
    }
}

/// The box's own relays, by each way to them.
async fn relays(ground: &Ground) -> Vec<Check> {
    let settings = &ground.settings;
    let secret = settings.turn.static_auth_secret.as_ref().or(ground.secret.as_ref());
    let skip = match (&settings.turn.relay_ports, secret) {
        (None, _) => Some("turn.relay_ports has no port"),
        (_, None) => Some("turn.key in the data folder cannot be read; run this as parlor's user"),
        _ => None,
    };
    let (Some(secret), None) = (secret, skip) else {
        return vec![Verdict::skipped(skip.unwrap_or_default()).named("turn", Duration::ZERO)];
    };
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let minted = credential::mint(secret, "doctor", CREDENTIAL_LASTS, unix);
    let user = User { name: minted.username, password: minted.password };
    let mut ways: Vec<(&str, Way)> = Vec::new();
    if let Some(turn) = ground.places.turn.first() {
        let at = SocketAddr::new(near(turn.ip()), turn.port());
        ways.push(("turn-udp", Way::Udp(at)));
        ways.push(("turn-tcp", Way::Tcp(at)));
        ways.push(("turn-tls", Way::tls(at)));
    }
    if let Some(https) = ground.places.https.first() {
        let at = SocketAddr::new(near(https.ip()), https.port());
        ways.push(("turn-https", Way::tls(at)));
    }
    let user = &user;
    let asked = ways.into_iter().map(|(id, way)| async move {
        let started = Instant::now();
        let outcome = try_relay(&way, user, PATIENCE, true).await;
        verdicts::relay(&way.to_string(), &outcome, true).named(id, started.elapsed())
    });
    join_all(asked).await
}

fn near(listening: IpAddr) -> IpAddr {
    if listening.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { listening }
}

/// Has relays opened; with `loops` two of them, and something sent from one to the other.
async fn try_relay(way: &Way, user: &User, patience: Duration, loops: bool) -> Relay {
    let trying = async {
        let link = way.link(patience).await?;
        let other = if loops { Some(way.link(patience).await?) } else { None };
        probe::relay(link, other, user, patience).await
    };
    match trying.await {
        Ok(done) if done.carries == Some(true) => Relay::Loops(done.relay, done.took),
        Ok(done) if done.carries == Some(false) => Relay::Lost(done.relay),
        Ok(done) => Relay::Given(done.relay, done.took),
        Err(Fault::Refused(code)) => Relay::Refused(code),
        Err(fault) => Relay::Failed(fault.to_string()),
    }
}

/// Servers of others, by the passwords that clients would get.
async fn outside(ground: &Ground) -> Vec<Check> {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let servers = others(&ground.settings, "doctor", unix);
    let mut asking = Vec::new();
    for (nth, server) in servers.iter().enumerate() {
        let user = match (&server.username, &server.credential) {
            (Some(name), Some(password)) => {
                Some(User { name: name.clone(), password: password.clone() })
            }
            _ => None,
        };
        for url in &server.urls {
            asking.push(one_outside(numbered("ice-server", nth), url, user.clone()));
        }
    }
    join_all(asking).await
}

async fn one_outside(id: String, url: &str, user: Option<User>) -> Check {
    let started = Instant::now();
    let asked = async {
        let way = Way::of_url(url).await?;
        match user.filter(|_| url.starts_with("turn")) {
            Some(user) => Ok(try_relay(&way, &user, FAR, false).await),
            None => {
                let (seen, took) = binding(&mut way.link(FAR).await?, FAR).await?;
                Ok(Relay::Given(seen, took))
            }
        }
    };
    let outcome = asked.await.unwrap_or_else(|fault: Fault| Relay::Failed(fault.to_string()));
    verdicts::relay(url, &outcome, false).named(id, started.elapsed())
}
