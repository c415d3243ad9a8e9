//! Answers: to those who are known, signed; to strangers, short and not beyond what they may get.

use std::net::SocketAddr;

use super::{
    Server,
    auth::{Caller, Stranger, algorithms},
};
use crate::{
    stun::{
        Class, Integrity, Kind, Message, Method, Writer,
        attribute::{
            self, ALTERNATE_SERVER, AttributeType, NONCE, PASSWORD_ALGORITHMS, REALM, SOFTWARE,
            XOR_MAPPED_ADDRESS,
        },
    },
    turn::{
        outlet::{Client, Outlet, Via},
        server::Now,
    },
};

/// A request or an indication, by whom and when.
pub(super) struct Ask<'a> {
    pub(super) now: Now,
    pub(super) client: &'a Client,
    pub(super) message: Message<'a>,
}

/// A refusal (RFC 8656 18, RFC 8489 14.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    /// Where to ask instead (300).
    alternate: Option<SocketAddr>,
}

impl Refusal {
    pub(super) fn instead(alternate: SocketAddr) -> Self {
        Self { code: 300, alternate: Some(alternate) }
    }
}

impl From<u16> for Refusal {
    fn from(code: u16) -> Self {
        Self { code, alternate: None }
    }
}

/// What must be understood and is.
const KNOWN: [AttributeType; 16] = [
    attribute::USERNAME,
    attribute::REALM,
    attribute::NONCE,
    attribute::PASSWORD_ALGORITHM,
    attribute::MESSAGE_INTEGRITY,
    attribute::MESSAGE_INTEGRITY_SHA256,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::XOR_PEER_ADDRESS,
    attribute::DATA,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::EVEN_PORT,
    attribute::REQUESTED_TRANSPORT,
    attribute::DONT_FRAGMENT,
    attribute::RESERVATION_TOKEN,
    attribute::CONNECTION_ID,
];

/// The words of RFC 8489 and RFC 8656.
const fn reason(code: u16) -> &'static str {
    match code {
        300 => "Try Alternate",
        400 => "Bad Request",
        401 => "Unauthenticated",
        403 => "Forbidden",
        420 => "Unknown Attribute",
        437 => "Allocation Mismatch",
        438 => "Stale Nonce",
        440 => "Address Family not Supported",
        441 => "Wrong Credentials",
        442 => "Unsupported Transport Protocol",
        443 => "Peer Address Family Mismatch",
        446 => "Connection Already Exists",
        447 => "Connection Timeout or Failure",
        486 => "Allocation Quota Reached",
        508 => "Insufficient Capacity",
        _ => "",
    }
}

impl Server {
    /// True if the client's stream carries something else from here on.
    pub(super) fn request(&mut self, ask: &Ask<'_>, out: &mut impl Outlet) -> bool {
        let method = ask.message.kind().method;
        if !ask.client.is_stream() {
            let len = ask.message.bytes().len();
            self.sources.asked(ask.client.remote.ip(), len, ask.now.instant);
        }
        if method == Method::BINDING {
            self.binding(ask, out);
            return false;
        }
        if !(Method::ALLOCATE.number()..=Method::CONNECTION_BIND.number())
            .contains(&method.number())
        {
            self.counts.bad += 1;
            return false;
        }
        let caller = match self.authenticate(ask) {
            Ok(caller) => caller,
            Err(stranger) => {
                self.challenge(ask, stranger, out);
                return false;
            }
        };
        match ask.client.via {
            Via::Udp(_) => self.sources.proven(ask.client.remote.ip(), ask.now.instant),
            Via::Stream(stream) => out.known(stream),
        }
        let done = if ask.message.not_understood(&KNOWN).next().is_some() {
            Err(420.into())
        } else {
            match method {
                Method::ALLOCATE => self.allocate(ask, &caller, out),
                Method::REFRESH => self.refresh(ask, &caller, out),
                Method::CREATE_PERMISSION => self.create_permission(ask, &caller, out),
                Method::CHANNEL_BIND => self.channel_bind(ask, &caller, out),
                Method::CONNECT => self.connect(ask, &caller, out),
                Method::CONNECTION_BIND => self.connection_bind(ask, &caller, out),
                _ => Err(400.into()),
            }
        };
        if let Err(refusal) = done {
            self.refuse(ask, Some(&caller), refusal, out);
            return false;
        }
        method == Method::CONNECTION_BIND
    }

    fn binding(&mut self, ask: &Ask<'_>, out: &mut impl Outlet) {
        if ask.message.not_understood(&KNOWN).next().is_some() {
            return self.refuse(ask, None, 420.into(), out);
        }
        let remote = ask.client.remote;
        self.answer(ask, None, Class::Success, out, |answer| {
            answer.put_xor_address(XOR_MAPPED_ADDRESS, remote);
        });
    }

    fn challenge(&mut self, ask: &Ask<'_>, stranger: Stranger, out: &mut impl Outlet) {
        let Stranger::Challenge(code) = stranger else {
            return self.refuse(ask, None, 400.into(), out);
        };
        self.counts.refused += 1;
        let (rules, nonce) = (self.rules.clone(), self.nonce(ask));
        self.answer(ask, None, Class::Error, out, |answer| {
            answer.put_error(code, reason(code));
            answer.put(REALM, rules.realm.as_bytes());
            answer.put(NONCE, nonce.as_bytes());
            answer.put(PASSWORD_ALGORITHMS, &algorithms());
        });
    }

    pub(super) fn refuse(
        &mut self,
        ask: &Ask<'_>,
        caller: Option<&Caller>,
        refusal: Refusal,
        out: &mut impl Outlet,
    ) {
        self.counts.refused += 1;
        self.answer(ask, caller, Class::Error, out, |answer| {
            answer.put_error(refusal.code, reason(refusal.code));
            if refusal.code == 420 {
                answer.put_unknown(ask.message.not_understood(&KNOWN));
            }
            if let Some(alternate) = refusal.alternate {
                answer.put_address(ALTERNATE_SERVER, alternate);
            }
        });
    }

    /// Writes an answer and sends it, if it may go.
    pub(super) fn answer(
        &mut self,
        ask: &Ask<'_>,
        caller: Option<&Caller>,
        class: Class,
        out: &mut impl Outlet,
        fill: impl FnOnce(&mut Writer<'_>),
    ) {
        self.scratch.clear();
        let kind = Kind { method: ask.message.kind().method, class };
        let mut writer = Writer::new(&mut self.scratch, kind, ask.message.transaction_id());
        fill(&mut writer);
        if caller.is_some() {
            writer.put(SOFTWARE, b"parlor");
        }
        let integrity = caller.map_or(Integrity::None, Caller::integrity);
        let written = match ask.message.fingerprint() {
            Some(_) => writer.finish(integrity),
            None => writer.finish_bare(integrity),
        };
        let len = written.expect("an answer of ours is short");
        let source = ask.client.remote.ip();
        let is_stranger = caller.is_none() && !ask.client.is_stream();
        if is_stranger && !self.sources.may_answer(source, len, ask.now.instant) {
            self.counts.unanswered += 1;
            return;
        }
        out.to_client(ask.client, false, &[&self.scratch]);
    }
}
