//! Who asks: long-term credentials (RFC 8489 9.2.4).

use std::{net::IpAddr, sync::Arc};

use super::{Server, answer::Ask};
use crate::stun::{
    Integrity, Message,
    attribute::{NONCE, PASSWORD_ALGORITHM, PASSWORD_ALGORITHMS, REALM, USERNAME},
    credential::{LongTermKey, PasswordAlgorithm},
};

/// What is offered, the best first.
pub(super) const ALGORITHMS: [PasswordAlgorithm; 2] =
    [PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5];

/// Whoever has signed a request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) username: Arc<str>,
    pub(super) account: Arc<str>,
    key: LongTermKey,
    is_sha256: bool,
}

impl Caller {
    /// How their answers are signed: as they have asked (9.2.4).
    pub(super) fn integrity(&self) -> Integrity<'_> {
        match self.is_sha256 {
            true => Integrity::Sha256(self.key.as_bytes()),
            false => Integrity::Sha1(self.key.as_bytes()),
        }
    }
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    /// 401 or 438: with a realm and a nonce they may try again.
    Challenge(u16),
    /// It makes no sense: 400.
    Bad,
}

pub(super) fn algorithms() -> [u8; 8] {
    let [best, other] = ALGORITHMS.map(PasswordAlgorithm::bytes);
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&best);
    bytes[4..].copy_from_slice(&other);
    bytes
}

impl Server {
    pub(super) fn authenticate(&self, ask: &Ask<'_>) -> Result<Caller, Stranger> {
        const UNKNOWN: Stranger = Stranger::Challenge(401);
        let message = &ask.message;
        if !message.has_sha1() && !message.has_sha256() {
            return Err(UNKNOWN);
        }
        let (Some(username), Some(realm), Some(nonce)) =
            (message.text(USERNAME), message.text(REALM), message.find(NONCE))
        else {
            return Err(Stranger::Bad);
        };
        let at = ask.now.instant.saturating_duration_since(self.started);
        if !self.nonces.is_fresh(nonce, ask.client.remote.ip(), at) {
            return Err(Stranger::Challenge(438));
        }
        if realm != self.rules.realm {
            return Err(UNKNOWN);
        }
        let algorithm = algorithm(message).ok_or(Stranger::Bad)?;
        let known = self.rules.credentials.find(username, ask.now.unix).ok_or(UNKNOWN)?;
        if known.is_expired && !self.stays(ask, username) {
            return Err(UNKNOWN);
        }
        let password = known.password.reveal().as_bytes();
        let key = LongTermKey::new(algorithm, username.as_bytes(), realm, password);
        if !message.signed_by(key.as_bytes()) {
            return Err(UNKNOWN);
        }
        let is_sha256 = message.has_sha256();
        Ok(Caller { username: username.into(), account: known.account, key, is_sha256 })
    }

    /// Whether the client has an allocation that was made under this name.
    fn stays(&self, ask: &Ask<'_>, username: &str) -> bool {
        let found = self.by_client.get(ask.client).copied().or_else(|| self.ticketed(ask));
        found.is_some_and(|id| &*self.allocations[id].username == username)
    }

    pub(super) fn nonce(&self, ask: &Ask<'_>) -> String {
        let client: IpAddr = ask.client.remote.ip();
        self.nonces.make(client, ask.now.instant.saturating_duration_since(self.started))
    }
}

/// Every nonce of ours offers algorithms, so a client that knows them says back what it was offered:
/// whoever on the way has struck out the better one is found out.
fn algorithm(message: &Message<'_>) -> Option<PasswordAlgorithm> {
    match (message.find(PASSWORD_ALGORITHMS), message.find(PASSWORD_ALGORITHM)) {
        (None, None) => Some(PasswordAlgorithm::Md5),
        (Some(offered), Some(chosen)) if offered == algorithms() => {
            PasswordAlgorithm::parse(chosen)
        }
        _ => None,
    }
}
