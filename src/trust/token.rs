//! Resume tokens: a place in a room, vouched for by this box.
//!
//! A token is `1.CLAIMS.MAC`, both parts base64url (RFC 4648, 5) without padding: the claims as JSON,
//! and an HMAC-SHA256 (RFC 2104) over all before the second point. Its key lies in the data folder, so
//! that a token outlives a `kill -9`. It is no session: it proves a place, for [`TOKEN_LIFE`].

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    TrustError,
    files::{self, SECRET},
};
use crate::{
    config::Role,
    ids::{MemberId, Nickname, RoomName},
};

/// How long a token is good for. Each `joined` brings a new one.
pub const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest text that is looked at: two names of 64 characters, escaped, and the rest.
const MAX_TOKEN_LEN: usize = 4096;

const KEY_LEN: usize = 32;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceClaims {
    /// The room of the place.
    pub room: RoomName,
    /// Whose place.
    pub member: MemberId,
    /// What it was called.
    pub name: Nickname,
    /// What it may do.
    pub role: Role,
}

/// The claims as they are written.
#[derive(Serialize, Deserialize)]
struct Written {
    room: RoomName,
    member: MemberId,
    name: Nickname,
    role: u8,
    /// Seconds since 1970.
    until: u64,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not made by this box, or changed since.
    #[error("the token was not made by this box")]
    Forged,
    /// Older than [`TOKEN_LIFE`].
    #[error("the token has expired")]
    Expired,
}

/// Makes and verifies tokens. Never shown.
pub struct TokenKey(hmac::Key);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(***)")
    }
}

impl TokenKey {
    /// From `token.key` in the data folder, made at the first start.
    pub(super) fn open(data_dir: &Path) -> Result<Self, TrustError> {
        let path = data_dir.join("token.key");
        if let Some(bytes) = files::read(&path)?
            && let Ok(secret) = <[u8; KEY_LEN]>::try_from(bytes)
        {
            return Ok(Self::new(secret));
        }
        let mut secret = [0; KEY_LEN];
        aws_lc_rs::rand::fill(&mut secret)
            .map_err(|_| TrustError::Making("no random numbers".into()))?;
        files::write(&path, SECRET, &secret)?;
        Ok(Self::new(secret))
    }

    /// From 32 secret bytes.
    pub fn new(secret: [u8; KEY_LEN]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// A token for a place, good until [`TOKEN_LIFE`] after `now`.
    pub fn mint(&self, claims: &PlaceClaims, now: SystemTime) -> String {
        let written = Written {
            room: claims.room.clone(),
            member: claims.member,
            name: claims.name.clone(),
            role: claims.role as u8,
            until: seconds(now).saturating_add(TOKEN_LIFE.as_secs()),
        };
        let json = serde_json::to_vec(&written).expect("names and numbers are JSON");
        let mut token = format!("1.{}", URL_SAFE_NO_PAD.encode(json));
        let mac = hmac::sign(&self.0, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut token);
        token
    }

    /// What a token says, if this box made it. The comparison takes the same time whatever is wrong.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<PlaceClaims, TokenError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenError::Forged);
        }
        let (signed, mac) = token.rsplit_once('.').ok_or(TokenError::Forged)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| TokenError::Forged)?;
        hmac::verify(&self.0, signed.as_bytes(), &mac).map_err(|_| TokenError::Forged)?;
        let claims = signed.strip_prefix("1.").ok_or(TokenError::Forged)?;
        let json = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Forged)?;
        let written: Written = serde_json::from_slice(&json).map_err(|_| TokenError::Forged)?;
        if written.until <= seconds(now) {
            return Err(TokenError::Expired);
        }
        let role = [Role::Guest, Role::User, Role::Owner]
            .into_iter()
            .find(|&role| role as u8 == written.role)
            .ok_or(TokenError::Forged)?;
        let Written { room, member, name, .. } = written;
        Ok(PlaceClaims { room, member, name, role })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> PlaceClaims {
        PlaceClaims {
            room: RoomName::parse("Küche").expect("a name"),
            member: MemberId(42),
            name: Nickname::parse("Ada \"the\" first").expect("a name"),
            role: Role::User,
        }
    }

    #[test]
    fn a_token_proves_its_place_for_a_day_to_the_box_that_made_it() {
        let key = TokenKey::new([7; 32]);
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let token = key.mint(&claims(), now);
        assert_eq!(key.verify(&token, now), Ok(claims()));
        let before_end = now + TOKEN_LIFE - Duration::from_secs(1);
        assert_eq!(key.verify(&token, before_end), Ok(claims()));
        assert_eq!(key.verify(&token, now + TOKEN_LIFE), Err(TokenError::Expired));
        let other = TokenKey::new([8; 32]);
        assert_eq!(other.verify(&token, now), Err(TokenError::Forged));
    }

    #[test]
    fn whatever_is_changed_in_a_token_is_noticed() {
        let key = TokenKey::new([7; 32]);
        let token = key.mint(&claims(), UNIX_EPOCH);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(key.verify(&changed, UNIX_EPOCH), Err(TokenError::Forged), "at {index}");
        }
        let long = "a.".repeat(MAX_TOKEN_LEN);
        for garbage in
            ["", ".", "1.", "1..", "1.e30.", "\u{1f3e0}", &long, &token[..token.len() - 1]]
        {
            assert_eq!(key.verify(garbage, UNIX_EPOCH), Err(TokenError::Forged), "{garbage}");
        }
    }

    #[test]
    fn the_key_outlives_the_process() {
        let folder = crate::trust::tests::folder();
        let token = TokenKey::open(folder.path()).expect("a key").mint(&claims(), UNIX_EPOCH);
        let again = TokenKey::open(folder.path()).expect("the key");
        assert_eq!(again.verify(&token, UNIX_EPOCH), Ok(claims()));
        std::fs::write(folder.path().join("token.key"), "short").expect("writable");
        let renewed = TokenKey::open(folder.path()).expect("a new key");
        assert_eq!(renewed.verify(&token, UNIX_EPOCH), Err(TokenError::Forged));
    }
}
