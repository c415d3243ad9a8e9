//! PURE. What a stranger is told who asks whether this port is reached: STUN's plain Binding (RFC 8489,
//! 12). Doctors ask it, the box's own and those of people outside.
//!
//! Nobody is sent more than they sent, since whoever writes another's address into the head of a
//! datagram has us send to that one: a question that is shorter than its answer gets none. Checks of ICE
//! carry a user name, and are their connection's.

use std::net::SocketAddr;

use crate::stun::{
    Integrity, Kind, Message, Method, Writer,
    attribute::{USERNAME, XOR_MAPPED_ADDRESS},
};

/// A question is no longer than that; a datagram of this size is whole on every path.
const MAX_QUESTION: usize = 512;

/// The answer to a question of somebody unknown, if it is one that gets an answer.
pub(crate) fn greet(from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
    let question = Some(datagram).filter(|datagram| datagram.len() <= MAX_QUESTION)?;
    let question = Message::parse(question).ok()?;
    let is_plain = question.kind() == Kind::request(Method::BINDING)
        && question.fingerprint() == Some(true)
        && !question.has(USERNAME)
        && question.not_understood(&[]).next().is_none();
    if !is_plain {
        return None;
    }
    let mut answer = Vec::with_capacity(64);
    let kind = Kind::success(Method::BINDING);
    let mut writer = Writer::new(&mut answer, kind, question.transaction_id());
    writer.put_xor_address(XOR_MAPPED_ADDRESS, from);
    writer.finish(Integrity::None).ok()?;
    (answer.len() <= datagram.len()).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::attribute::{AttributeType, PRIORITY, SOFTWARE};

    fn question(
        kind: Kind,
        attributes: &[(AttributeType, &[u8])],
        has_fingerprint: bool,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, kind, [7; 12]);
        for (kind, value) in attributes {
            writer.put(*kind, value);
        }
        let finished = match has_fingerprint {
            true => writer.finish(Integrity::None),
            false => writer.finish_bare(Integrity::None),
        };
        finished.expect("short");
        bytes
    }

    #[test]
    fn only_a_plain_question_is_answered_and_never_at_length() {
        let from: SocketAddr = "192.0.2.1:5000".parse().expect("an address");
        let far: SocketAddr = "[2001:db8::1]:5000".parse().expect("an address");
        let binding = Kind::request(Method::BINDING);
        let padded = |len: usize| question(binding, &[(SOFTWARE, &vec![b'x'; len])], true);
        let good = padded(64);
        for from in [from, far] {
            let answer = greet(from, &good).expect("an answer");
            let message = Message::parse(&answer).expect("a message");
            assert_eq!(message.xor_address(XOR_MAPPED_ADDRESS), Some(from));
            assert_eq!(message.transaction_id(), [7; 12]);
        }
        // IPv4's answer has 40 bytes, IPv6's 52.
        assert!(greet(from, &padded(8)).is_some() && greet(from, &padded(4)).is_none());
        assert!(greet(far, &padded(16)).is_none() && greet(far, &padded(20)).is_some());
        let text = [b'x'; 64];
        let refused = [
            ("a check", question(binding, &[(USERNAME, b"a:b"), (SOFTWARE, &text)], true)),
            ("no fingerprint", question(binding, &[(SOFTWARE, &text)], false)),
            ("not understood", question(binding, &[(PRIORITY, &[0; 4]), (SOFTWARE, &text)], true)),
            ("an answer", question(Kind::success(Method::BINDING), &[(SOFTWARE, &text)], true)),
            ("TURN", question(Kind::request(Method::ALLOCATE), &[(SOFTWARE, &text)], true)),
            ("too long", padded(600)),
            ("cut", good[..good.len() - 4].to_vec()),
        ];
        for (what, bytes) in refused {
            assert!(greet(from, &bytes).is_none(), "{what}");
        }
    }
}
