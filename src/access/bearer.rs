//! PURE. Tokens that only this box can make: invites, and the local URL's.
//!
//! An invite's token is its id and a MAC over it, base64url (RFC 4648, 5): what it is for and how long
//! it is good is in the store, where it can be voided. The local token is a MAC over its purpose: it
//! stays the same over restarts, so that a bookmark goes on working.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::store::InviteId;

const ID_LEN: usize = 8;

/// Half of SHA-256's length (RFC 2104, 5): 128 bits.
const MAC_LEN: usize = 16;

/// The keys of all tokens. Never shown.
pub struct Keys {
    invites: hmac::Key,
    local: hmac::Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Keys {
    /// From a secret of the data folder that is for this purpose alone.
    pub fn new(secret: [u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let derived = |label: &str| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, label.as_bytes()).as_ref())
        };
        Self { invites: derived("parlor invite"), local: derived("parlor local") }
    }

    fn mac(&self, id: [u8; ID_LEN]) -> [u8; MAC_LEN] {
        let whole = hmac::sign(&self.invites, &id);
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&whole.as_ref()[..MAC_LEN]);
        mac
    }

    /// The token of an invite: 32 characters.
    pub fn invite(&self, id: InviteId) -> String {
        let mut bytes = [0; ID_LEN + MAC_LEN];
        bytes[..ID_LEN].copy_from_slice(&id.to_bytes());
        bytes[ID_LEN..].copy_from_slice(&self.mac(id.to_bytes()));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The invite of a token, if this box made it.
    pub fn read_invite(&self, token: &str) -> Option<InviteId> {
        let mut bytes = [0; ID_LEN + MAC_LEN];
        let n_bytes = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        let (id, mac) = bytes.split_first_chunk::<ID_LEN>()?;
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(mac, &self.mac(*id)).is_ok();
        (same && n_bytes == bytes.len()).then(|| InviteId::from_bytes(*id))
    }

    /// The token of the local URL, for whoever is at the box.
    pub fn local(&self) -> String {
        let mac = hmac::sign(&self.local, b"url");
        URL_SAFE_NO_PAD.encode(&mac.as_ref()[..MAC_LEN])
    }

    /// Whether this is the local URL's token.
    pub fn is_local(&self, token: &str) -> bool {
        let own = self.local();
        aws_lc_rs::constant_time::verify_slices_are_equal(own.as_bytes(), token.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_changed_in_a_token_is_noticed() {
        let keys = Keys::new([7; 32]);
        let id = InviteId::new(u64::MAX);
        let token = keys.invite(id);
        assert_eq!((token.len(), keys.read_invite(&token)), (32, Some(id)));
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(keys.read_invite(&changed), None, "at {index}");
        }
        let long = token.repeat(2);
        for garbage in ["", "A", &token[..31], &long, "\u{1f3e0}", "===="] {
            assert_eq!(keys.read_invite(garbage), None, "{garbage}");
        }
        assert_eq!(Keys::new([8; 32]).read_invite(&token), None, "another box");
    }

    #[test]
    fn the_local_token_is_one_box_s_and_no_invite() {
        let (keys, other) = (Keys::new([7; 32]), Keys::new([8; 32]));
        assert!(keys.is_local(&keys.local()) && !keys.is_local(&other.local()));
        assert!(!keys.is_local("") && keys.read_invite(&keys.local()).is_none());
        assert!(!format!("{keys:?}").contains('7'));
    }
}
