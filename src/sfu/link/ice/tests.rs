use std::{net::SocketAddr, time::Duration};

use super::*;
use crate::stun::attribute;

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: format!("{name}ufrag").into(), pwd: format!("{name}password").into() }
}

fn way(port: u16) -> Route {
    SocketAddr::from(([192, 0, 2, 7], port)).into()
}

struct Fixture {
    ice: Ice,
    now: Instant,
}

/// What was sent, and by which ways.
#[derive(Default)]
struct Sent(Vec<(Route, Vec<u8>)>);

impl Transmit for Sent {
    fn transmit(&mut self, to: Route, datagram: &[u8]) {
        self.0.push((to, datagram.to_vec()));
    }
}

type Attributes<'a> = &'a [(AttributeType, &'a [u8])];

impl Fixture {
    fn new() -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        Self { ice: Ice::new(credentials("our"), [3; 32]), now }
    }

    fn handle(&mut self, port: u16, data: &[u8]) -> (Checked, Vec<(Route, Vec<u8>)>) {
        let mut out = Sent::default();
        (self.ice.handle(self.now, way(port), data, &mut out), out.0)
    }
}

fn request(user: &str, password: &str, extra: Attributes<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::request(Method::BINDING), [9; 12]);
    writer.put(USERNAME, user.as_bytes());
    extra.iter().for_each(|(kind, value)| {
        writer.put(*kind, value);
    });
    writer.finish(Integrity::Sha1(password.as_bytes())).unwrap();
    out
}

fn reply<'a>(datagram: &'a [u8], password: &str) -> Message<'a> {
    let reply = Message::parse(datagram).unwrap();
    assert_eq!(reply.fingerprint(), Some(true));
    assert!(reply.signed_by(password.as_bytes()));
    reply
}

#[test]
fn a_check_is_answered_to_where_it_came_from() {
    let mut fixture = Fixture::new();
    let check = request("ourufrag:theirs", "ourpassword", &[(PRIORITY, &[0; 4])]);
    let (checked, out) = fixture.handle(1, &check);
    assert_eq!((checked, out.len(), out[0].0), (Checked::Valid, 1, way(1)));
    let reply = reply(&out[0].1, "ourpassword");
    assert_eq!(reply.kind(), Kind::success(Method::BINDING));
    assert_eq!(reply.xor_address(XOR_MAPPED_ADDRESS), Some(way(1).peer.address));
    assert_eq!(reply.transaction_id(), [9; 12]);
    assert_eq!(fixture.ice.pairs.towards(), Some(way(1)), "the first valid one");
    fixture.handle(2, &check);
    assert_eq!(fixture.ice.pairs.towards(), Some(way(1)), "not nominated");
    let nomination = request("ourufrag:theirs", "ourpassword", &[(USE_CANDIDATE, &[])]);
    fixture.handle(2, &nomination);
    assert_eq!(fixture.ice.pairs.towards(), Some(way(2)));
}

#[test]
fn who_does_not_know_the_password_gets_no_answer() {
    let mut fixture = Fixture::new();
    let good = request("ourufrag:theirs", "ourpassword", &[]);
    let mut cases = vec![
        ("user", request("otherone:theirs", "ourpassword", &[])),
        ("longer user", request("ourufragx:theirs", "ourpassword", &[])),
        ("password", request("ourufrag:theirs", "otherpassword", &[])),
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
    assert_eq!(fixture.ice.pairs.towards(), None);
    assert_eq!(fixture.handle(1, &good).0, Checked::Valid);
}

#[test]
fn after_a_restart_both_credentials_are_good_each_with_its_own_password() {
    let mut fixture = Fixture::new();
    fixture.ice.restart(credentials("new"));
    let checks = [
        ("ourufrag:theirs", "ourpassword", Checked::Valid),
        ("newufrag:theirs", "newpassword", Checked::Valid),
        ("newufrag:theirs", "ourpassword", Checked::Ignored),
    ];
    for (user, password, expected) in checks {
        let (checked, out) = fixture.handle(1, &request(user, password, &[]));
        assert_eq!(checked, expected, "{user} {password}");
        let Some((_, datagram)) = out.first() else { continue };
        reply(datagram, password);
    }
}

#[test]
fn errors_are_those_of_a_lite_agent() {
    let mut fixture = Fixture::new();
    let cases: [(AttributeType, &[u8], u16); 2] =
        [(ICE_CONTROLLED, &[1; 8], 487), (AttributeType(0x7777), &[1], 420)];
    for (attribute, value, code) in cases {
        let (checked, out) =
            fixture.handle(1, &request("ourufrag:theirs", "ourpassword", &[(attribute, value)]));
        assert_eq!((checked, out.len()), (Checked::Refused, 1));
        let reply = reply(&out[0].1, "ourpassword");
        assert_eq!(reply.kind(), Kind::error(Method::BINDING));
        assert_eq!(reply.error_code().map(|(code, _)| code), Some(code));
    }
    assert_eq!(fixture.ice.pairs.towards(), None);
}

/// The answer of a client's full agent to a check of ours.
fn answered(check: &[u8], password: &str) -> Vec<u8> {
    let check = reply(check, "theirpassword");
    assert_eq!(check.kind(), Kind::request(Method::BINDING));
    assert_eq!(check.text(USERNAME), Some("theirufrag:ourufrag"));
    assert!(check.has(ICE_CONTROLLED) && check.has(PRIORITY));
    let mut out = Vec::new();
    let id = check.transaction_id();
    assert_eq!(id[..TAG], *b"ourufrag".first_chunk::<TAG>().unwrap());
    let mut writer = Writer::new(&mut out, Kind::success(Method::BINDING), id);
    writer.put_xor_address(attribute::XOR_MAPPED_ADDRESS, way(10).peer.address);
    writer.finish(Integrity::Sha1(password.as_bytes())).unwrap();
    out
}

#[test]
fn the_client_is_where_it_answers_from_and_nowhere_else() {
    let mut fixture = Fixture::new();
    fixture.ice.set_remote(credentials("their"));
    let nomination = request("ourufrag:theirs", "ourpassword", &[(USE_CANDIDATE, &[])]);
    let (_, out) = fixture.handle(1, &nomination);
    assert_eq!((out.len(), out[1].0), (2, way(1)), "an answer, and a question");
    let check = &out[1].1;
    let mut blind = answered(check, "theirpassword");
    blind[19] ^= 1;
    let cases = [
        ("from elsewhere", 2, answered(check, "theirpassword")),
        ("by another", 1, answered(check, "otherpassword")),
        ("who guesses the number", 1, blind),
    ];
    for (name, port, datagram) in cases {
        assert_eq!(fixture.handle(port, &datagram), (Checked::Ignored, Vec::new()), "{name}");
        assert_eq!(fixture.ice.pairs.route(), None, "{name}");
    }
    let answer = answered(check, "theirpassword");
    assert_eq!(fixture.handle(1, &answer), (Checked::Answered, Vec::new()));
    assert_eq!(fixture.ice.pairs.route(), Some(way(1)));
    assert_eq!(fixture.handle(1, &answer).0, Checked::Ignored, "once");
}

#[test]
fn every_check_of_ours_has_a_number_of_its_own() {
    let numbers = |secret: [u8; 32]| {
        let mut ice = Ice::new(credentials("our"), secret);
        ice.set_remote(credentials("their"));
        let now = Instant::now() + Duration::from_secs(3600);
        let mut numbers = Vec::new();
        for port in 1..5 {
            let mut out = Sent::default();
            let nomination = request("ourufrag:theirs", "ourpassword", &[(USE_CANDIDATE, &[])]);
            ice.handle(now, way(port), &nomination, &mut out);
            numbers.push(reply(&out.0[1].1, "theirpassword").transaction_id());
        }
        numbers
    };
    let mut all = [numbers([1; 32]), numbers([2; 32])].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 8);
}
