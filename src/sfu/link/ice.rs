//! ICE-lite (RFC 8445 2.5, 7.3): answers the client's checks, and makes sure that it is where they came
//! from.
//!
//! Owns the credentials, and with [`pairs`] the ways to the client. It gathers nothing. STUN is
//! `crate::stun`'s (RFC 8489).
//!
//! # Departure: a lite agent that sends checks
//! A lite agent only answers, and so sends media to wherever one check has come from. This one asks
//! back by the way that media is to take, and goes on asking (RFC 7675); a client's full agent answers
//! (RFC 8445 7.3).

use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};

use super::credentials::IceCredentials;
use crate::{
    sfu::wire::{
        demux::TAG,
        transmit::{Route, Transmit},
    },
    stun::{
        Class, Integrity, Kind, Message, Method, TransactionId, Writer,
        attribute::{
            AttributeType, ICE_CONTROLLED, PRIORITY, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS,
        },
    },
};

pub(crate) mod pairs;

use pairs::Pairs;

/// Longest message that is looked at. A browser's check has about 110 bytes.
const MAX_MESSAGE: usize = 1280;
/// What a check is allowed for in [`Pairs::may_send`]: header, user name, priority, role, integrity,
/// fingerprint.
const CHECK_LEN: usize = 160;
/// A peer-reflexive candidate's, of the only component (RFC 8445 5.1.2.1).
const PRIORITY_OF_CHECK: u32 = 110 << 24 | 0xffff << 8 | 255;
const ROLE_CONFLICT: u16 = 487;
const UNKNOWN_ATTRIBUTE: u16 = 420;

/// What a STUN datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// A check by one who knows the password: the client lives.
    Valid,
    /// The answer to a check of ours: the client is there.
    Answered,
    /// Well-formed and authentic, but answered with an error.
    Refused,
    /// Anything else. Nothing was answered.
    Ignored,
}

/// The lite agent of one connection.
#[derive(Debug)]
pub(crate) struct Ice {
    local: IceCredentials,
    /// Those before an ICE restart.
    former: Option<IceCredentials>,
    /// The client's, as soon as they are known.
    remote: Option<IceCredentials>,
    secret: Secret,
    n_checks: u64,
    pub(crate) pairs: Pairs,
}

/// What numbers of checks are made of. It stays out of logs.
struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Ice {
    /// Nobody else knows `secret`, which may be that of other connections as well.
    pub(crate) fn new(local: IceCredentials, secret: [u8; 32]) -> Self {
        Self {
            local,
            former: None,
            remote: None,
            secret: Secret(secret),
            n_checks: 0,
            pairs: Pairs::default(),
        }
    }

    /// New credentials for an ICE restart. The former stay good: the client keeps its old path
    /// alive by them until the new one stands (RFC 8445 2.4).
    pub(crate) fn restart(&mut self, local: IceCredentials) {
        self.former = Some(std::mem::replace(&mut self.local, local));
    }

    pub(crate) fn local(&self) -> &IceCredentials {
        &self.local
    }

    /// The client's credentials, by its newest description.
    pub(crate) fn set_remote(&mut self, remote: IceCredentials) {
        self.pairs.can_ask = !remote.ufrag.is_empty();
        self.remote = Some(remote);
    }

    /// A datagram that looks like STUN.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        from: Route,
        data: &[u8],
        out: &mut dyn Transmit,
    ) -> Checked {
        // ICE has a fingerprint in each of its messages (RFC 8445 7.1, 7.3).
        let message = Some(data).filter(|data| data.len() <= MAX_MESSAGE).map(Message::parse);
        let Some(Ok(message)) = message.filter(|message| {
            message.as_ref().is_ok_and(|message| message.fingerprint() == Some(true))
        }) else {
            return Checked::Ignored;
        };
        if message.kind().method != Method::BINDING {
            return Checked::Ignored;
        }
        match message.kind().class {
            Class::Request => self.handle_check(now, from, &message, out),
            Class::Success | Class::Error => self.handle_answer(now, from, &message),
            Class::Indication => Checked::Ignored,
        }
    }

    fn handle_check(
        &mut self,
        now: Instant,
        from: Route,
        request: &Message<'_>,
        out: &mut dyn Transmit,
    ) -> Checked {
        const KNOWN: [AttributeType; 3] = [USERNAME, PRIORITY, USE_CANDIDATE];
        let Some(password) = self.password_of(request) else { return Checked::Ignored };
        let mut reply = Vec::with_capacity(128);
        let mut unknown = request.not_understood(&KNOWN).peekable();
        let checked = if request.has(ICE_CONTROLLED) {
            // A lite agent is always the controlled one (RFC 8445 6.1.1): the client must change.
            let mut writer = answer(&mut reply, Class::Error, request);
            writer.put_error(ROLE_CONFLICT, "");
            finish(writer, request, password);
            Checked::Refused
        } else if unknown.peek().is_some() {
            let mut writer = answer(&mut reply, Class::Error, request);
            writer.put_error(UNKNOWN_ATTRIBUTE, "").put_unknown(unknown);
            finish(writer, request, password);
            Checked::Refused
        } else {
            let mut writer = answer(&mut reply, Class::Success, request);
            writer.put_xor_address(XOR_MAPPED_ADDRESS, from.peer.address);
            finish(writer, request, password);
            Checked::Valid
        };
        out.transmit(from, &reply);
        if checked == Checked::Valid {
            self.pairs.heard(now, from, request.bytes().len());
            self.pairs.may_send(from, reply.len());
            if request.has(USE_CANDIDATE) {
                self.pairs.nominate(now, from);
            }
            self.ask(now, out);
        }
        checked
    }

    /// The password that a request was made with, if it is one of ours.
    fn password_of(&self, request: &Message<'_>) -> Option<&str> {
        let ours = request.find(USERNAME)?.split(|byte| *byte == b':').next()?;
        let mut known = [Some(&self.local), self.former.as_ref()].into_iter().flatten();
        let password = &*known.find(|known| known.ufrag.as_bytes() == ours)?.pwd;
        // Compares in constant time.
        request.signed_by(password.as_bytes()).then_some(password)
    }

    /// A refusal comes from where the client is just as well.
    fn handle_answer(&mut self, now: Instant, from: Route, answer: &Message<'_>) -> Checked {
        let is_ours = self.pairs.asked(from) == Some(&answer.transaction_id());
        let signed = |remote: &IceCredentials| answer.signed_by(remote.pwd.as_bytes());
        if !is_ours || !self.remote.as_ref().is_some_and(signed) {
            return Checked::Ignored;
        }
        self.pairs.answered(now, from);
        Checked::Answered
    }

    /// Sends a check that is due. False if none is.
    fn ask(&mut self, now: Instant, out: &mut dyn Transmit) -> bool {
        let Some(remote) = &self.remote else { return false };
        let number = || {
            let counted = self.n_checks.to_be_bytes();
            let ufrag = self.local.ufrag.as_bytes();
            let hash = digest(&SHA256, &[&self.secret.0[..], ufrag, &counted].concat());
            let mut number: TransactionId = [0; 12];
            number.copy_from_slice(&hash.as_ref()[..12]);
            // The other 56 bits nobody can guess who has not got the check.
            let tag = ufrag.len().min(TAG);
            number[..tag].copy_from_slice(&ufrag[..tag]);
            number
        };
        let Some((route, number)) = self.pairs.ask(now, CHECK_LEN, number) else { return false };
        self.n_checks += 1;
        let mut check = Vec::with_capacity(CHECK_LEN);
        let mut writer = Writer::new(&mut check, Kind::request(Method::BINDING), number);
        writer.put(USERNAME, format!("{}:{}", remote.ufrag, self.local.ufrag).as_bytes());
        writer.put_u32(PRIORITY, PRIORITY_OF_CHECK);
        // Nobody's tie is broken by it: the client knows that we are lite.
        writer.put_u64(ICE_CONTROLLED, 1);
        if writer.finish(Integrity::Sha1(remote.pwd.as_bytes())).is_ok() {
            out.transmit(route, &check);
        }
        true
    }

    /// Forgets ways that are not proven any more, and asks.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.pairs.handle_timeout(now);
        while self.ask(now, out) {}
    }
}

fn answer<'b>(out: &'b mut Vec<u8>, class: Class, request: &Message<'_>) -> Writer<'b> {
    let kind = Kind { method: Method::BINDING, class };
    Writer::new(out, kind, request.transaction_id())
}

/// Signs an answer as its request was.
fn finish(writer: Writer<'_>, request: &Message<'_>, password: &str) {
    let password = password.as_bytes();
    let integrity = match request.has_sha256() {
        true => Integrity::Sha256(password),
        false => Integrity::Sha1(password),
    };
    // What we put in fits.
    let _ = writer.finish(integrity);
}

#[cfg(test)]
mod tests;
