//! The server's numbers of the day (RFC 8489 9.2, 14.10): no state, a MAC tells ours from others'.
//!
//! ```text
//!  obMatJos2 | gAAA          | base64url of: seconds since start (4) | HMAC-SHA256 cut to 11
//!  cookie      features: the                 of those and the client's IP
//!              first bit says that
//!              algorithms of passwords are offered
//! ```
//!
//! A number serves one IP of a client, all its ports and protocols: a browser asks over several at
//! once. It ages: whoever has seen it on the way may use it for no longer than [`LIFETIME`].
//!
//! PURE: seconds are an argument.

use std::{net::IpAddr, time::Duration};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// As coturn's `stale-nonce`; RFC 8656 section 5 asks for an hour at most.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// RFC 8489 9.2: what follows are security features, 24 bits of them in base64.
const COOKIE: &str = "obMatJos2";
/// Password algorithms, and no anonymous user names: those of time-limited credentials cannot be
/// found by their hash.
const FEATURES: &str = "gAAA";
const SECONDS_LEN: usize = 4;
const TAG_LEN: usize = 11;

/// Makes and knows them.
pub(crate) struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    /// With a key that is new at each start.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// One for a client, `at` after the start.
    pub(crate) fn make(&self, client: IpAddr, at: Duration) -> String {
        let seconds = (at.as_secs() as u32).to_be_bytes();
        let mut bytes = [0; SECONDS_LEN + TAG_LEN];
        bytes[..SECONDS_LEN].copy_from_slice(&seconds);
        bytes[SECONDS_LEN..].copy_from_slice(&self.tag(client, seconds));
        format!("{COOKIE}{FEATURES}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Whether it is ours, for this client, and not too old.
    pub(crate) fn is_fresh(&self, nonce: &[u8], client: IpAddr, at: Duration) -> bool {
        let head = [COOKIE.as_bytes(), FEATURES.as_bytes()].concat();
        let Some(rest) = nonce.strip_prefix(&head[..]) else { return false };
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(rest) else { return false };
        let Ok(bytes) = <[u8; SECONDS_LEN + TAG_LEN]>::try_from(bytes) else { return false };
        let [a, b, c, d, tag @ ..] = bytes;
        let made = Duration::from_secs(u64::from(u32::from_be_bytes([a, b, c, d])));
        let ours = verify_slices_are_equal(&tag, &self.tag(client, [a, b, c, d])).is_ok();
        ours && at.checked_sub(made).is_some_and(|age| age < LIFETIME)
    }

    fn tag(&self, client: IpAddr, seconds: [u8; SECONDS_LEN]) -> [u8; TAG_LEN] {
        let ip = match client.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&seconds);
        context.update(&ip.octets());
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_LEN]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_serves_its_client_for_its_time() {
        let nonces = Nonces::new(&[1; 32]);
        let (me, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let made = Duration::from_secs(1_000);
        let nonce = nonces.make(me, made);
        assert!(nonce.len() <= 36, "it is in every answer to a stranger: {nonce}");
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        for (client, at, fresh) in [
            (me, made, true),
            (mapped, made, true),
            (me, made + LIFETIME - Duration::from_secs(1), true),
            (me, made + LIFETIME, false),
            (me, made - Duration::from_secs(1), false),
            (other, made, false),
        ] {
            assert_eq!(nonces.is_fresh(nonce.as_bytes(), client, at), fresh, "{client} {at:?}");
        }
        assert!(!Nonces::new(&[2; 32]).is_fresh(nonce.as_bytes(), me, made), "another start's");
        for at in 0..nonce.len() {
            let mut forged = nonce.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            // The last digit of base64 has no bits to spare here: 15 bytes are 20 digits.
            assert!(!nonces.is_fresh(&forged, me, made), "digit {at}");
            assert!(!nonces.is_fresh(&forged[..at], me, made), "cut at {at}");
        }
    }
}
