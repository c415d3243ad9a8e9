//! Questions of STUN that need no password (RFC 8489).

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::link::{Fault, Link};
use crate::stun::{
    Class, Integrity, Kind, Message, Method, TransactionId, Writer,
    attribute::{SOFTWARE, XOR_MAPPED_ADDRESS},
};

/// So much that the question is no shorter than any answer: a media port answers no other to strangers.
const PADDING: &[u8] = b"parlor, which asks whether this port is reached; 64 bytes of text";

/// A number that nobody can guess.
pub(super) fn transaction_id() -> TransactionId {
    rand::random()
}

/// Asks a server where we are, seen from there: the address and how long it took.
///
/// # Errors
/// See [`Fault`].
pub async fn binding(link: &mut Link, patience: Duration) -> Result<(SocketAddr, Duration), Fault> {
    let started = Instant::now();
    let id = transaction_id();
    let mut question = Vec::new();
    let mut writer = Writer::new(&mut question, Kind::request(Method::BINDING), id);
    writer.put(SOFTWARE, PADDING);
    // What we put in fits.
    let _ = writer.finish(Integrity::None);
    let answer = link.ask(&question, patience, |bytes| answer_to(&id, bytes)).await?;
    let message = Message::parse(&answer).map_err(|_| Fault::Strange("no STUN"))?;
    if message.kind().class == Class::Error {
        return Err(Fault::Refused(message.error_code().map_or(0, |(code, _)| code)));
    }
    let mapped = message.xor_address(XOR_MAPPED_ADDRESS);
    let address = mapped.ok_or(Fault::Strange("an answer without an address"))?;
    Ok((address, started.elapsed()))
}

/// The message, if it is the answer to this question.
pub(super) fn answer_to(id: &TransactionId, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let message = Message::parse(&bytes).ok()?;
    let is_answer = matches!(message.kind().class, Class::Success | Class::Error);
    (is_answer && message.transaction_id() == *id).then_some(bytes)
}
