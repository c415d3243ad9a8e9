//! Answers a client's connectivity checks: ICE-lite (RFC 8445 section 2.5, RFC 8489).
//!
//! Every check is answered at once, whether it nominates or not, and the newest nomination counts,
//! so that a client which moves to another network takes its connection along. It sends no checks
//! of its own and keeps no state.

use std::{net::SocketAddr, sync::Arc};

use rtc::{
    crypto::RTCCryptoProvider,
    stun::{
        attributes::{ATTR_ICE_CONTROLLED, ATTR_USE_CANDIDATE, ATTR_USERNAME},
        error_code::CODE_ROLE_CONFLICT,
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter},
        xoraddr::XorMappedAddress,
    },
};

use crate::sfu::credentials::IceCredentials;

/// What came of a STUN datagram.
#[derive(Debug)]
pub(super) struct Checked {
    /// What to send back to where it came from.
    pub(super) response: Vec<u8>,
    /// The check was in order: who sent it holds the connection's password.
    pub(super) is_valid: bool,
    /// The client wants this path.
    pub(super) nominates: bool,
}

/// Answers `datagram` if it is a check under `local`'s credentials; whatever else it is gets no
/// answer.
pub(super) fn check(
    crypto: &Arc<dyn RTCCryptoProvider>,
    local: &IceCredentials,
    from: SocketAddr,
    datagram: &[u8],
) -> Option<Checked> {
    let mut request = Message::new();
    request.unmarshal_binary(datagram).ok()?;
    if request.typ != BINDING_REQUEST || !names(&request, local) {
        return None;
    }
    MessageIntegrity::check(&mut request, local.pwd.as_bytes(), crypto.crypto()).ok()?;
    // We are lite, so the client controls; one that thinks otherwise is told (section 7.3.1.1).
    let is_valid = !request.contains(ATTR_ICE_CONTROLLED);
    let response = if is_valid {
        let mapped = XorMappedAddress { ip: from.ip(), port: from.port() };
        respond(crypto, local, &request, BINDING_SUCCESS, Box::new(mapped))
    } else {
        respond(crypto, local, &request, BINDING_ERROR, Box::new(CODE_ROLE_CONFLICT))
    };
    let nominates = is_valid && request.contains(ATTR_USE_CANDIDATE);
    Some(Checked { response: response?, is_valid, nominates })
}

/// USERNAME is our fragment, a colon, theirs (section 7.2.2).
fn names(request: &Message, local: &IceCredentials) -> bool {
    request.get(ATTR_USERNAME).is_ok_and(|name| {
        name.strip_prefix(local.ufrag.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'))
    })
}

fn respond(
    crypto: &Arc<dyn RTCCryptoProvider>,
    local: &IceCredentials,
    request: &Message,
    kind: MessageType,
    attribute: Box<dyn Setter>,
) -> Option<Vec<u8>> {
    let mut response = Message::new();
    let password = local.pwd.to_string();
    let built = response.build(&[
        Box::new(request.transaction_id),
        Box::new(kind),
        attribute,
        Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            password,
            crypto.crypto(),
        )),
        Box::new(FINGERPRINT),
    ]);
    built.ok().map(|()| response.raw)
}
