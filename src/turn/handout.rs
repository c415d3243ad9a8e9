//! What clients are told of servers: our own with a password for a time, and those of others that the
//! owner has named.
//!
//! PURE: settings and the time in, servers out.

use std::time::Duration;

use super::credential::{Credential, mint, uris};
use crate::{
    config::{self, Secret, Settings},
    protocol::IceServer,
    seams::turn::{Asker, Handout, Pass},
};

/// How long a password of ours serves. A browser needs it when it looks for ways; what it has got by
/// then it keeps.
const OWN_TTL: Duration = Duration::from_secs(3_600);

/// What somebody gets; `secret` is the box's own, `port` where TURN listens.
pub(super) fn hand_out(
    settings: &Settings,
    secret: &Secret,
    port: Option<u16>,
    asker: &Asker,
    unix: Duration,
) -> Handout {
    let own = own(settings, secret, port, asker, unix);
    let others = others(settings, &asker.name, unix);
    let own_server = own.as_ref().map(|pass| IceServer {
        urls: pass.uris.clone(),
        username: Some(pass.username.clone()),
        credential: Some(pass.password.clone()),
    });
    let timed = settings.ice.servers.iter().filter(|server| server.secret.is_some());
    let ttls = timed.map(|server| server.expiry).chain(own.as_ref().map(|pass| pass.ttl));
    Handout {
        renew_after: ttls.min().map(|ttl| ttl / 2),
        servers: own_server.into_iter().chain(others).collect(),
        own,
    }
}

fn own(
    settings: &Settings,
    secret: &Secret,
    port: Option<u16>,
    asker: &Asker,
    unix: Duration,
) -> Option<Pass> {
    // Without ports there are no relays.
    settings.turn.relay_ports.as_ref()?;
    let uris = uris(&asker.host, port, asker.https);
    if uris.is_empty() {
        return None;
    }
    let secret = settings.turn.static_auth_secret.as_ref().unwrap_or(secret);
    let Credential { username, password, ttl } = mint(secret, &asker.name, OWN_TTL, unix);
    Some(Pass { username, password, ttl, uris })
}

/// The servers of others, as somebody of this name is told of them.
pub fn others(settings: &Settings, name: &str, unix: Duration) -> Vec<IceServer> {
    settings.ice.servers.iter().map(|server| other(server, name, unix)).collect()
}

fn other(server: &config::IceServer, name: &str, unix: Duration) -> IceServer {
    let urls = server.urls.clone();
    let name = if server.username.is_empty() { name } else { &server.username };
    let (username, credential) = match (&server.secret, &server.credential) {
        (Some(secret), _) => {
            let minted = mint(secret, name, server.expiry, unix);
            (Some(minted.username), Some(minted.password))
        }
        (None, Some(fixed)) => (Some(server.username.clone()), Some(fixed.reveal().to_owned())),
        (None, None) => (None, None),
    };
    IceServer { urls, username, credential }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NoFiles, Sources};

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn settings() -> Settings {
        let sources = Sources { data: Some("/srv/parlor".into()), ..Sources::default() };
        sources.understand([], &NoFiles).expect("defaults are right").settings
    }

    fn handed_out(settings: &Settings, port: Option<u16>, https: Option<u16>) -> Handout {
        let asker = Asker { name: "ann".into(), host: "box.example".into(), https };
        hand_out(settings, &Secret::new("own"), port, &asker, NOW)
    }

    fn expected(secret: &str) -> Credential {
        mint(&Secret::new(secret), "ann", OWN_TTL, NOW)
    }

    #[test]
    fn our_own_server_comes_first_by_every_way_that_there_is() {
        let mut settings = settings();
        let handout = handed_out(&settings, Some(3478), Some(443));
        let [server] = &handout.servers[..] else { panic!("one server: {handout:?}") };
        let urls = [
            "turn:box.example:3478?transport=udp",
            "turn:box.example:3478?transport=tcp",
            "turns:box.example:443?transport=tcp",
        ];
        assert_eq!(server.urls, urls);
        let minted = expected("own");
        assert_eq!(server.username, Some(minted.username));
        assert_eq!(server.credential, Some(minted.password));
        assert_eq!(handout.renew_after, Some(OWN_TTL / 2));
        let pass = handout.own.expect("it relays");
        assert_eq!((&pass.uris, pass.ttl), (&server.urls, OWN_TTL));
        assert!(!format!("{pass:?}").contains(&pass.password));
        settings.turn.static_auth_secret = Some(Secret::new("north"));
        let pass = handed_out(&settings, None, Some(443)).own.expect("by TLS alone");
        assert_eq!((pass.password, pass.uris.len()), (expected("north").password, 1));
        assert_eq!(handed_out(&settings, None, None), Handout::default(), "no way to it");
        settings.turn.relay_ports = None;
        assert_eq!(handed_out(&settings, Some(1), Some(1)), Handout::default(), "no ports");
    }

    #[test]
    fn servers_of_others_have_what_they_need() {
        let mut settings = settings();
        settings.turn.relay_ports = None;
        let server = |url: &str, username: &str, credential: Option<&str>, secret: Option<&str>| {
            config::IceServer {
                urls: vec![url.into()],
                username: username.into(),
                credential: credential.map(Secret::new),
                secret: secret.map(Secret::new),
                expiry: Duration::from_secs(600),
            }
        };
        settings.ice.servers = vec![
            server("stun:a.example", "", None, None),
            server("turn:b.example", "bob", Some("pear"), None),
        ];
        let handout = handed_out(&settings, None, None);
        assert_eq!(handout.renew_after, None, "nothing expires");
        let told = |server: &IceServer| (server.username.clone(), server.credential.clone());
        assert_eq!(told(&handout.servers[0]), (None, None));
        assert_eq!(told(&handout.servers[1]), (Some("bob".into()), Some("pear".into())));
        for (username, name) in [("", "ann"), ("house", "house")] {
            settings.ice.servers = vec![server("turn:c.example", username, None, Some("north"))];
            let handout = handed_out(&settings, None, None);
            let minted = mint(&Secret::new("north"), name, Duration::from_secs(600), NOW);
            assert_eq!(told(&handout.servers[0]), (Some(minted.username), Some(minted.password)));
            assert_eq!(handout.renew_after, Some(Duration::from_secs(300)));
        }
    }
}
