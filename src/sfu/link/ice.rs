//! ICE-lite (RFC 8445 2.5, 7.3): answers the browser's checks and learns where it is.
//!
//! Owns the addresses that have proven to know our password, and which of them media goes to. It
//! sends no checks of its own and gathers nothing. STUN is RFC 8489, by the library's codec.

use std::net::SocketAddr;

use rtc::{
    crypto::RTCCrypto,
    stun::{
        attributes::{
            ATTR_ERROR_CODE, ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY,
            ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_PRIORITY, ATTR_UNKNOWN_ATTRIBUTES,
            ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
        },
        error_code::{CODE_ROLE_CONFLICT, CODE_UNKNOWN_ATTRIBUTE, ErrorCode},
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{
            BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, MESSAGE_HEADER_SIZE, Message, Setter,
        },
        xoraddr::XorMappedAddress,
    },
};

use super::credentials::IceCredentials;
use crate::sfu::wire::transmit::Transmit;

/// Addresses of one client that are remembered: Wi-Fi, mobile, VPN, each by IPv4 and IPv6, and spare.
const MAX_VALID: usize = 8;
/// Longest request that is looked at. A browser's has about 110 bytes.
const MAX_REQUEST: usize = 1280;

/// What a STUN datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// A check by one who knows the password: the client lives.
    Valid,
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
    /// The newest is last.
    valid: Vec<SocketAddr>,
    remote: Option<SocketAddr>,
}

impl Ice {
    pub(crate) fn new(local: IceCredentials) -> Self {
        Self { local, former: None, valid: Vec::new(), remote: None }
    }

    /// New credentials for an ICE restart. The former stay good: the client keeps its old path
    /// alive by them until the new one stands (RFC 8445 2.4).
    pub(crate) fn restart(&mut self, local: IceCredentials) {
        self.former = Some(std::mem::replace(&mut self.local, local));
    }

    pub(crate) fn local(&self) -> &IceCredentials {
        &self.local
    }

    /// Where media goes: the first valid address, later the one the client nominates or uses.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Whether checks from this address have succeeded.
    pub(crate) fn is_valid(&self, address: SocketAddr) -> bool {
        self.valid.contains(&address)
    }

    /// The client has authenticated itself from this address: what it uses is what it has chosen.
    pub(crate) fn used(&mut self, address: SocketAddr) {
        if self.is_valid(address) {
            self.remote = Some(address);
        }
    }

    /// A datagram that looks like STUN.
    pub(crate) fn handle(
        &mut self,
        from: SocketAddr,
        data: &[u8],
        crypto: &dyn RTCCrypto,
        out: &mut dyn Transmit,
    ) -> Checked {
        let Some((request, password)) = self.authentic(data, crypto) else {
            return Checked::Ignored;
        };
        let (reply, checked) = if request.contains(ATTR_ICE_CONTROLLED) {
            // A lite agent is always the controlled one (RFC 8445 6.1.1): the client must change.
            (error(&request, CODE_ROLE_CONFLICT, &[]), Checked::Refused)
        } else if let unknown @ [_, ..] = &*unknown_attributes(&request) {
            (error(&request, CODE_UNKNOWN_ATTRIBUTE, unknown), Checked::Refused)
        } else {
            (success(&request, from), Checked::Valid)
        };
        let reply = reply.and_then(|reply| sign(reply, password, crypto));
        if checked == Checked::Valid {
            self.learn(from, request.contains(ATTR_USE_CANDIDATE));
        }
        if let Some(reply) = reply {
            out.transmit(from, &reply.raw);
        }
        checked
    }

    /// Parses a binding request whose fingerprint, user name and integrity are right; with the
    /// password that it was made with.
    fn authentic(&self, data: &[u8], crypto: &dyn RTCCrypto) -> Option<(Message, &str)> {
        if data.len() > MAX_REQUEST {
            return None;
        }
        let mut request = Message::new();
        request.unmarshal_binary(data).ok()?;
        // Nothing may follow the message, and the fingerprint comes last (RFC 8489 14.7).
        let whole = data.len() == MESSAGE_HEADER_SIZE + request.length as usize;
        let last = request.attributes.0.last()?.typ;
        if request.typ != BINDING_REQUEST || !whole || last != ATTR_FINGERPRINT {
            return None;
        }
        FINGERPRINT.check(&request).ok()?;
        let username = request.get(ATTR_USERNAME).ok()?;
        let ours = username.split(|byte| *byte == b':').next()?;
        let mut known = [Some(&self.local), self.former.as_ref()].into_iter().flatten();
        let password = &known.find(|known| known.ufrag.as_bytes() == ours)?.pwd;
        // Compares in constant time.
        MessageIntegrity::check(&mut request, password.as_bytes(), crypto).ok()?;
        Some((request, password))
    }

    fn learn(&mut self, from: SocketAddr, nominated: bool) {
        self.valid.retain(|address| *address != from);
        if self.valid.len() == MAX_VALID {
            self.valid.remove(0);
        }
        self.valid.push(from);
        if nominated || self.remote.is_none() {
            self.remote = Some(from);
        }
    }
}

fn success(request: &Message, from: SocketAddr) -> Option<Message> {
    let mapped = XorMappedAddress { ip: from.ip().to_canonical(), port: from.port() };
    let mut reply = Message::new();
    reply
        .build(&[Box::new(BINDING_SUCCESS), Box::new(request.transaction_id), Box::new(mapped)])
        .ok()?;
    Some(reply)
}

fn error(request: &Message, code: ErrorCode, unknown: &[AttrType]) -> Option<Message> {
    let mut reply = Message::new();
    reply.build(&[Box::new(BINDING_ERROR), Box::new(request.transaction_id)]).ok()?;
    // Class and number; the reason phrase may be empty (RFC 8489 14.8).
    reply.add(ATTR_ERROR_CODE, &[0, 0, (code.0 / 100) as u8, (code.0 % 100) as u8]);
    if !unknown.is_empty() {
        let types: Vec<u8> = unknown.iter().flat_map(|typ| typ.0.to_be_bytes()).collect();
        reply.add(ATTR_UNKNOWN_ATTRIBUTES, &types);
    }
    Some(reply)
}

fn sign(mut reply: Message, password: &str, crypto: &dyn RTCCrypto) -> Option<Message> {
    MessageIntegrity::new_raw_integrity_with_provider(password.as_bytes(), crypto)
        .add_to(&mut reply)
        .ok()?;
    FINGERPRINT.add_to(&mut reply).ok()?;
    Some(reply)
}

/// Attributes that must be understood (below 0x8000) and are not.
fn unknown_attributes(request: &Message) -> Vec<AttrType> {
    const KNOWN: [AttrType; 5] = [
        ATTR_USERNAME,
        ATTR_MESSAGE_INTEGRITY,
        ATTR_MESSAGE_INTEGRITY_SHA256,
        ATTR_PRIORITY,
        ATTR_USE_CANDIDATE,
    ];
    let types = request.attributes.0.iter().map(|attribute| attribute.typ);
    types.filter(|typ| typ.required() && !KNOWN.contains(typ)).take(8).collect()
}

#[cfg(test)]
mod tests {
    use rtc::{
        crypto::{RTCCryptoProvider, default_provider},
        stun::message::{CLASS_ERROR_RESPONSE, TransactionId},
    };

    use super::*;

    struct Fixture {
        ice: Ice,
        provider: std::sync::Arc<dyn RTCCryptoProvider>,
    }

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 7], port).into()
    }

    impl Fixture {
        fn new() -> Self {
            let ice =
                Ice::new(IceCredentials { ufrag: "ourufrag".into(), pwd: "ourpassword".into() });
            Self { ice, provider: default_provider().unwrap() }
        }

        fn request(&self, user: &str, password: &str, extra: &[(AttrType, &[u8])]) -> Vec<u8> {
            let mut request = Message::new();
            request.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId([9; 12]))]).unwrap();
            request.add(ATTR_USERNAME, user.as_bytes());
            extra.iter().for_each(|(typ, value)| request.add(*typ, value));
            let crypto = self.provider.crypto();
            MessageIntegrity::new_raw_integrity_with_provider(password, crypto)
                .add_to(&mut request)
                .unwrap();
            FINGERPRINT.add_to(&mut request).unwrap();
            request.raw
        }

        fn handle(&mut self, port: u16, data: &[u8]) -> (Checked, Vec<(SocketAddr, Vec<u8>)>) {
            let mut out = Vec::new();
            let crypto = self.provider.crypto();
            (self.ice.handle(address(port), data, crypto, &mut out), out)
        }

        fn reply(&self, datagram: &[u8]) -> Message {
            let mut reply = Message::new();
            reply.unmarshal_binary(datagram).unwrap();
            FINGERPRINT.check(&reply).unwrap();
            MessageIntegrity::check(&mut reply, b"ourpassword", self.provider.crypto()).unwrap();
            reply
        }
    }

    #[test]
    fn a_check_is_answered_to_where_it_came_from_and_nomination_moves_the_path() {
        let mut fixture = Fixture::new();
        let check = fixture.request("ourufrag:theirs", "ourpassword", &[(ATTR_PRIORITY, &[0; 4])]);
        let (checked, out) = fixture.handle(1, &check);
        assert_eq!((checked, out[0].0), (Checked::Valid, address(1)));
        let reply = fixture.reply(&out[0].1);
        let mut mapped = XorMappedAddress::default();
        rtc::stun::message::Getter::get_from(&mut mapped, &reply).unwrap();
        assert_eq!((mapped.ip, mapped.port), (address(1).ip(), 1));
        assert_eq!(reply.transaction_id, TransactionId([9; 12]));
        assert_eq!(fixture.ice.remote(), Some(address(1)), "the first valid one");

        fixture.handle(2, &check);
        assert_eq!(fixture.ice.remote(), Some(address(1)), "not nominated");
        let nomination =
            fixture.request("ourufrag:theirs", "ourpassword", &[(ATTR_USE_CANDIDATE, &[])]);
        fixture.handle(2, &nomination);
        assert_eq!(fixture.ice.remote(), Some(address(2)));
        fixture.ice.used(address(9));
        assert_eq!(fixture.ice.remote(), Some(address(2)), "never checked");
        fixture.ice.used(address(1));
        assert_eq!(fixture.ice.remote(), Some(address(1)));
        for port in 0..100 {
            fixture.handle(port, &check);
        }
        assert_eq!(fixture.ice.valid.len(), MAX_VALID);
    }

    #[test]
    fn who_does_not_know_the_password_gets_no_answer() {
        let mut fixture = Fixture::new();
        let good = fixture.request("ourufrag:theirs", "ourpassword", &[]);
        let mut cases = vec![
            ("user", fixture.request("otherone:theirs", "ourpassword", &[])),
            ("longer user", fixture.request("ourufragx:theirs", "ourpassword", &[])),
            ("password", fixture.request("ourufrag:theirs", "otherpassword", &[])),
            ("trailing byte", [&good[..], &[0]].concat()),
            ("empty", Vec::new()),
        ];
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            cases.push(("changed", changed));
            cases.push(("cut", good[..at].to_vec()));
        }
        for (name, datagram) in cases {
            let (checked, out) = fixture.handle(1, &datagram);
            assert_eq!((checked, out.len()), (Checked::Ignored, 0), "{name}");
        }
        assert_eq!(fixture.ice.remote(), None);
        assert_eq!(fixture.handle(1, &good).0, Checked::Valid);
    }

    #[test]
    fn after_a_restart_both_credentials_are_good_each_with_its_own_password() {
        let mut fixture = Fixture::new();
        fixture.ice.restart(IceCredentials { ufrag: "newufrag".into(), pwd: "newpassword".into() });
        let checks = [
            ("ourufrag:theirs", "ourpassword", Checked::Valid),
            ("newufrag:theirs", "newpassword", Checked::Valid),
            ("newufrag:theirs", "ourpassword", Checked::Ignored),
        ];
        for (user, password, expected) in checks {
            let check = fixture.request(user, password, &[]);
            let (checked, out) = fixture.handle(1, &check);
            assert_eq!(checked, expected, "{user} {password}");
            let Some((_, reply)) = out.first() else { continue };
            let mut parsed = Message::new();
            parsed.unmarshal_binary(reply).unwrap();
            let crypto = fixture.provider.crypto();
            MessageIntegrity::check(&mut parsed, password.as_bytes(), crypto).unwrap();
        }
    }

    #[test]
    fn errors_are_those_of_a_lite_agent() {
        let mut fixture = Fixture::new();
        let cases: [(AttrType, &[u8], [u8; 2]); 2] =
            [(ATTR_ICE_CONTROLLED, &[1; 8], [4, 87]), (AttrType(0x7777), &[1], [4, 20])];
        for (attribute, value, code) in cases {
            let request = fixture.request("ourufrag:theirs", "ourpassword", &[(attribute, value)]);
            let (checked, out) = fixture.handle(1, &request);
            assert_eq!(checked, Checked::Refused);
            let reply = fixture.reply(&out[0].1);
            assert_eq!(reply.typ.class, CLASS_ERROR_RESPONSE);
            assert_eq!(reply.get(ATTR_ERROR_CODE).unwrap()[2..4], code);
        }
        assert_eq!(fixture.ice.remote(), None);
    }
}
