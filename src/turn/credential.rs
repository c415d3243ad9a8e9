//! Who may use the relay: users with a password, and time-limited passwords (TURN-REST).
//!
//! TURN-REST (draft-uberti-behave-turn-rest, coturn's `use-auth-secret`): the user name is
//! `EXPIRY:NAME`, EXPIRY in seconds since 1970, and the password is base64 of HMAC-SHA1 of that user
//! name with a secret that the server and whoever mints share. Nothing has to be looked up or kept.
//!
//! PURE: time is an argument.

use std::{collections::HashMap, fmt, net::Ipv6Addr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::config::Secret;

/// The longest time for which a password is minted: coturn's own users ask for a day.
pub const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A user name and a password that serve for a time.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `EXPIRY:NAME`
    pub username: String,
    /// Base64.
    pub password: String,
    /// For how long.
    pub ttl: Duration,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Mints one, `unix` after 1970.
pub fn mint(secret: &Secret, name: &str, ttl: Duration, unix: Duration) -> Credential {
    let ttl = ttl.min(MAX_TTL);
    let username = format!("{}:{name}", unix.saturating_add(ttl).as_secs());
    let password = password(secret, &username);
    Credential { username, password, ttl }
}

/// Where a browser finds the server that it knows as `host` (a name or an address, as in its URL): UDP
/// first, then what gets through where UDP does not. A port that is `None` does not listen.
pub fn uris(host: &str, turn: Option<u16>, https: Option<u16>) -> Vec<String> {
    let host = match host.parse::<Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => host.to_owned(),
    };
    let plain = turn.into_iter().flat_map(|port| {
        ["udp", "tcp"].map(|transport| format!("turn:{host}:{port}?transport={transport}"))
    });
    let tls = https.map(|port| format!("turns:{host}:{port}?transport=tcp"));
    plain.chain(tls).collect()
}

fn password(secret: &Secret, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.reveal().as_bytes());
    STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

/// Everybody who is known.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    users: HashMap<String, Secret>,
    secret: Option<Secret>,
}

/// One who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// What their requests are signed with.
    pub(crate) password: Secret,
    /// Whose quota it counts against: the name without its time.
    pub(crate) account: Arc<str>,
    /// The password's time is over. Whoever has an allocation keeps it: a call may outlast it.
    pub(crate) is_expired: bool,
}

impl Credentials {
    /// Users by name, and the secret of time-limited passwords.
    pub fn new(users: impl IntoIterator<Item = (String, Secret)>, secret: Option<Secret>) -> Self {
        Self { users: users.into_iter().collect(), secret }
    }

    /// Who that is; `None` for nobody.
    pub(crate) fn find(&self, username: &str, unix: Duration) -> Option<Known> {
        if let Some(password) = self.users.get(username) {
            let account = username.into();
            return Some(Known { password: password.clone(), account, is_expired: false });
        }
        let secret = self.secret.as_ref()?;
        let (expiry, name) = timed(username)?;
        Some(Known {
            password: Secret::new(password(secret, username)),
            account: name.into(),
            is_expired: expiry <= unix.as_secs(),
        })
    }
}

/// `EXPIRY:NAME`, `NAME:EXPIRY` or `EXPIRY`, as coturn takes them.
fn timed(username: &str) -> Option<(u64, &str)> {
    let seconds = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let Some((head, tail)) = username.split_once(':') else {
        return Some((seconds(username)?, ""));
    };
    match seconds(head) {
        Some(expiry) => Some((expiry, tail)),
        None => Some((seconds(tail)?, head)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn credentials() -> Credentials {
        let users = [("ann".to_owned(), Secret::new("apple"))];
        Credentials::new(users, Some(Secret::new("north")))
    }

    #[test]
    fn what_is_minted_is_known_until_it_expires() {
        let minted = mint(&Secret::new("north"), "bob:b", Duration::from_secs(60), NOW);
        assert_eq!(minted.username, "1000060:bob:b");
        // $ printf %s 1000060:bob:b | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(minted.password, "SclWjzUVoxtZKwW/eV7vC+m9v/E=");
        for (after_s, is_expired) in [(0, false), (59, false), (60, true), (1_000, true)] {
            let at = NOW + Duration::from_secs(after_s);
            let known = credentials().find(&minted.username, at).expect("it is ours");
            assert_eq!(known.is_expired, is_expired, "{after_s}");
            assert_eq!(known.password.reveal(), minted.password);
            assert_eq!(&*known.account, "bob:b");
        }
        assert!(!format!("{minted:?}").contains(&minted.password));
    }

    #[test]
    fn names_are_read_as_coturn_reads_them() {
        for (username, account) in [
            ("ann", Some("ann")),
            ("1000060:x", Some("x")),
            ("x:1000060", Some("x")),
            ("1000060", Some("")),
            ("bob", None),
            ("bob:x", None),
            ("", None),
            (":", None),
            ("+1000060:x", None),
            ("99999999999999999999999:x", None),
        ] {
            let found = credentials().find(username, NOW).map(|known| known.account);
            assert_eq!(found.as_deref(), account, "{username}");
        }
        let without = Credentials::new([], None);
        assert_eq!(without.find("1000060:x", NOW), None);
    }

    #[test]
    fn a_browser_is_told_every_way_in() {
        let all = [
            "turn:box:3478?transport=udp",
            "turn:box:3478?transport=tcp",
            "turns:box:8172?transport=tcp",
        ];
        assert_eq!(uris("box", Some(3478), Some(8172)), all);
        assert_eq!(uris("2001:db8::5", None, Some(443)), ["turns:[2001:db8::5]:443?transport=tcp"]);
        assert!(uris("[2001:db8::5]", Some(1), None)[0].starts_with("turn:[2001:db8::5]:1?"));
    }

    #[test]
    fn nobody_mints_for_ever() {
        let minted = mint(&Secret::new("north"), "x", Duration::MAX, NOW);
        assert_eq!(minted.ttl, MAX_TTL);
    }
}
