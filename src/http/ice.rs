//! STUN and TURN servers for whoever joins, publishes, watches or asks: how they have reached the box
//! decides what they are told, and a session is told anew before its passwords expire.

use std::{future::pending, net::IpAddr, sync::Arc};

use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderValue},
};
use tokio::{sync::watch, time::Instant};

use super::{
    House,
    handler::Ask,
    reply::{self, Reply},
};
use crate::{
    config::Settings,
    protocol::{ErrorCode, IceServer},
    seams::turn::{Asker, Handout},
};

/// How a client has reached the box: by the same host it finds the TURN server, whatever maps ports or
/// tunnels lie between.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    host: String,
    https: Option<u16>,
    from: IpAddr,
}

impl Reach {
    /// As a request tells.
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        let peer = ask.visit.peer.to_canonical();
        // A proxy that speaks HTTP for others carries nothing else to this port.
        let by_proxy = ask.settings.http.trusted_proxies.iter().any(|net| net.contains(&peer));
        let https = (!by_proxy).then(|| ask.host.port.unwrap_or(443));
        Self { host: ask.host.host.clone(), https, from: ask.visitor.whence.ip() }
    }

    /// What is handed out to somebody of this name; quotas count by it.
    fn hand_out(&self, house: &House, name: String) -> Handout {
        let asker = Asker { name, host: self.host.clone(), https: self.https };
        house.turn.as_ref().map(|turn| turn.hand_out(&asker)).unwrap_or_default()
    }

    /// For somebody without a seat.
    fn for_program(&self, house: &House) -> Handout {
        self.hand_out(house, self.from.to_string())
    }
}

/// `/api/v1/ice-servers`, as `RTCConfiguration.iceServers`.
pub(super) fn servers(ask: &Ask<'_>) -> Reply {
    reply::json(&Reach::of(ask).for_program(&ask.visit.house).servers)
}

/// `/api/v1/turn`: TURN-REST's answer (draft-uberti-behave-turn-rest).
pub(super) fn turn(ask: &Ask<'_>) -> Reply {
    let Some(pass) = Reach::of(ask).for_program(&ask.visit.house).own else {
        let detail = "this box relays nothing: turn.relay_ports (or what the workers leave of \
                      media.ports) has no port, or no way leads to turn.listen";
        return reply::problem(StatusCode::NOT_FOUND, ErrorCode::NotFound, detail);
    };
    reply::json(&serde_json::json!({
        "username": pass.username,
        "password": pass.password,
        "ttl": pass.ttl.as_secs(),
        "uris": pass.uris,
    }))
}

/// Puts a `Link` for each server into the answer to a new session of WHIP or WHEP (RFC 9725, 4.6).
pub(super) fn link(reply: &mut Reply, house: &House, reach: &Reach) {
    append(reply.headers_mut(), &reach.for_program(house).servers);
}

fn append(headers: &mut HeaderMap, servers: &[IceServer]) {
    for server in servers {
        let of_turn = match (&server.username, &server.credential) {
            (Some(username), Some(credential)) => format!(
                "; username={}; credential={}; credential-type=\"password\"",
                quoted(username),
                quoted(credential)
            ),
            _ => String::new(),
        };
        for url in &server.urls {
            let line = format!("<{url}>; rel=\"ice-server\"{of_turn}");
            // What a header cannot hold is another program's user name: there is no way to tell it.
            if let Ok(mut value) = HeaderValue::from_str(&line) {
                value.set_sensitive(true);
                headers.append(header::LINK, value);
            }
        }
    }
}

/// A quoted string (RFC 9110, 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// When a session is told of its servers anew: before a password expires, and when the owner has
/// changed something about them.
pub(super) struct Renewal {
    reach: Reach,
    settings: watch::Receiver<Arc<Settings>>,
    /// Of the last that was told; none before the first.
    told: Option<(Arc<Settings>, Option<Instant>)>,
}

impl Renewal {
    pub(super) fn new(reach: Reach, settings: watch::Receiver<Arc<Settings>>) -> Self {
        Self { reach, settings, told: None }
    }

    /// What to tell a member now.
    pub(super) fn servers(&mut self, house: &House, name: String) -> Vec<IceServer> {
        let handout = self.reach.hand_out(house, name);
        let due = handout.renew_after.map(|after| Instant::now() + after);
        self.told = Some((self.settings.borrow_and_update().clone(), due));
        handout.servers
    }

    /// Returns when it has to be told again.
    pub(super) async fn due(&mut self) {
        let Some((told, due)) = &self.told else { return pending().await };
        let expiring = async {
            match due {
                Some(due) => tokio::time::sleep_until(*due).await,
                None => pending().await,
            }
        };
        let changed = async {
            let other = |new: &Arc<Settings>| (&new.ice, &new.turn) != (&told.ice, &told.turn);
            if self.settings.wait_for(other).await.is_err() {
                // The house is closing, and says so by other means.
                pending::<()>().await;
            }
        };
        tokio::select! {
            () = expiring => {}
            () = changed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_what_a_quoted_string_can() {
        let server = |username: &str| IceServer {
            urls: vec!["turn:a.example".into(), "turns:a.example:443?transport=tcp".into()],
            username: Some(username.into()),
            credential: Some("p\"a\\ss".into()),
        };
        let stun =
            IceServer { urls: vec!["stun:b.example".into()], username: None, credential: None };
        let mut headers = HeaderMap::new();
        append(&mut headers, &[server("ann"), stun, server("a\nb")]);
        let lines = headers.get_all(header::LINK).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().expect("text")).collect();
        let rest = r#"; rel="ice-server"; username="ann"; credential="p\"a\\ss"; credential-type="password""#;
        let expected = [
            format!("<turn:a.example>{rest}"),
            format!("<turns:a.example:443?transport=tcp>{rest}"),
            "<stun:b.example>; rel=\"ice-server\"".to_owned(),
        ];
        assert_eq!(lines, expected);
    }
}
