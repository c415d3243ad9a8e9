//! Resume tokens: a place in a room, vouched for by this box.
//!
//! A token is `2.CLAIMS.MAC`, both parts base64url (RFC 4648, 5) without padding: the claims as JSON,
//! and an HMAC-SHA256 (RFC 2104) over all before the second point. Its key lies in the data folder, so
//! that a token outlives a `kill -9`. It is no session: it proves one sitting (its epoch) of one run of
//! the box, for [`TOKEN_LIFE`]. In that run the room knows whether the sitting is still the newest; a
//! token of an earlier run is good for [`RETURN_LIFE`] after the start of this one, since what was left
//! or ended before is not remembered.

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
    config::{Role, Secret},
    ids::{MemberId, Nickname, RoomName},
};

/// How long a token is good for. Each `joined` brings a new one.
pub const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after a start tokens of earlier runs are good: places are kept for 30 s, and browsers need
/// some time to notice that the box is back.
pub const RETURN_LIFE: Duration = Duration::from_secs(2 * 60);

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
    /// Which sitting.
    pub epoch: u32,
    /// Minted by this run of the box. Minting sets it.
    pub this_run: bool,
}

/// The claims as they are written.
#[derive(Serialize, Deserialize)]
struct Written {
    room: RoomName,
    member: MemberId,
    name: Nickname,
    role: u8,
    epoch: u32,
    /// Which run of the box.
    run: u64,
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
pub struct TokenKey {
    key: hmac::Key,
    /// What keys for other purposes are derived from.
    secret: [u8; KEY_LEN],
    /// No other run has it.
    run: u64,
    started: SystemTime,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(***)")
    }
}

/// What time-limited TURN passwords are minted with where the settings name no secret: from `turn.key`
/// in the data folder, made when it is first asked for.
///
/// # Errors
/// The file can neither be read nor made.
pub fn turn_secret(data_dir: &Path) -> Result<Secret, TrustError> {
    secret_bytes(&data_dir.join("turn.key")).map(|bytes| Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The same, where it is there and may be read; none is made.
pub fn turn_secret_of(data_dir: &Path) -> Option<Secret> {
    let bytes = files::read(&data_dir.join("turn.key")).ok()??;
    (bytes.len() == KEY_LEN).then(|| Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The bytes of a key file, made where there is none.
fn secret_bytes(path: &Path) -> Result<[u8; KEY_LEN], TrustError> {
    if let Some(bytes) = files::read(path)?
        && let Ok(secret) = <[u8; KEY_LEN]>::try_from(bytes)
    {
        return Ok(secret);
    }
    let mut secret = [0; KEY_LEN];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|_| TrustError::Making("no random numbers".into()))?;
    files::write(path, SECRET, &secret)?;
    Ok(secret)
}

impl TokenKey {
    /// From `token.key` in the data folder, made at the first start.
    pub(super) fn open(data_dir: &Path, now: SystemTime) -> Result<Self, TrustError> {
        let secret = secret_bytes(&data_dir.join("token.key"))?;
        Ok(Self::new(secret, rand::random(), now))
    }

    /// From 32 secret bytes, for the run of this number that began then.
    pub fn new(secret: [u8; KEY_LEN], run: u64, started: SystemTime) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), secret, run, started }
    }

    /// A key for another purpose, which says nothing about this one (HKDF-Expand's first block, RFC
    /// 5869 2.3).
    pub fn derive(&self, purpose: &str) -> [u8; KEY_LEN] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let block = hmac::sign(&key, format!("parlor key: {purpose}\x01").as_bytes());
        block.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// A token for a place, good until [`TOKEN_LIFE`] after `now`.
    pub fn mint(&self, claims: &PlaceClaims, now: SystemTime) -> String {
        let written = Written {
            room: claims.room.clone(),
            member: claims.member,
            name: claims.name.clone(),
            role: claims.role as u8,
            epoch: claims.epoch,
            run: self.run,
            until: seconds(now).saturating_add(TOKEN_LIFE.as_secs()),
        };
        let json = serde_json::to_vec(&written).expect("names and numbers are JSON");
        let mut token = format!("2.{}", URL_SAFE_NO_PAD.encode(json));
        let mac = hmac::sign(&self.key, token.as_bytes());
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
        hmac::verify(&self.key, signed.as_bytes(), &mac).map_err(|_| TokenError::Forged)?;
        let claims = signed.strip_prefix("2.").ok_or(TokenError::Forged)?;
        let json = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Forged)?;
        let written: Written = serde_json::from_slice(&json).map_err(|_| TokenError::Forged)?;
        if written.until <= seconds(now) {
            return Err(TokenError::Expired);
        }
        let this_run = written.run == self.run;
        if !this_run && now.duration_since(self.started).is_ok_and(|up| up > RETURN_LIFE) {
            return Err(TokenError::Expired);
        }
        let role = [Role::Guest, Role::User, Role::Owner]
            .into_iter()
            .find(|&role| role as u8 == written.role)
            .ok_or(TokenError::Forged)?;
        let Written { room, member, name, epoch, .. } = written;
        Ok(PlaceClaims { room, member, name, role, epoch, this_run })
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
            epoch: 3,
            this_run: true,
        }
    }

    #[test]
    fn a_token_proves_its_place_for_a_day_to_the_box_that_made_it() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let key = TokenKey::new([7; 32], 1, now);
        let token = key.mint(&claims(), now);
        assert_eq!(key.verify(&token, now), Ok(claims()));
        let before_end = now + TOKEN_LIFE - Duration::from_secs(1);
        assert_eq!(key.verify(&token, before_end), Ok(claims()));
        assert_eq!(key.verify(&token, now + TOKEN_LIFE), Err(TokenError::Expired));
        let other = TokenKey::new([8; 32], 1, now);
        assert_eq!(other.verify(&token, now), Err(TokenError::Forged));
    }

    #[test]
    fn whatever_is_changed_in_a_token_is_noticed() {
        let key = TokenKey::new([7; 32], 1, UNIX_EPOCH);
        let token = key.mint(&claims(), UNIX_EPOCH);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(key.verify(&changed, UNIX_EPOCH), Err(TokenError::Forged), "at {index}");
        }
        let long = "a.".repeat(MAX_TOKEN_LEN);
        for garbage in
            ["", ".", "2.", "2..", "2.e30.", "\u{1f3e0}", &long, &token[..token.len() - 1]]
        {
            assert_eq!(key.verify(garbage, UNIX_EPOCH), Err(TokenError::Forged), "{garbage}");
        }
    }

    #[test]
    fn the_key_outlives_the_process() {
        let folder = crate::trust::tests::folder();
        let open = || TokenKey::open(folder.path(), UNIX_EPOCH).expect("a key");
        let token = open().mint(&claims(), UNIX_EPOCH);
        let again = open();
        let earlier = PlaceClaims { this_run: false, ..claims() };
        assert_eq!(again.verify(&token, UNIX_EPOCH), Ok(earlier.clone()));
        assert_eq!(again.verify(&token, UNIX_EPOCH + RETURN_LIFE), Ok(earlier));
        let later = UNIX_EPOCH + RETURN_LIFE + Duration::from_secs(1);
        assert_eq!(again.verify(&token, later), Err(TokenError::Expired));
        let own = again.mint(&claims(), later);
        assert_eq!(again.verify(&own, later), Ok(claims()));
        std::fs::write(folder.path().join("token.key"), "short").expect("writable");
        let renewed = open();
        assert_eq!(renewed.verify(&token, UNIX_EPOCH), Err(TokenError::Forged));
    }
}
