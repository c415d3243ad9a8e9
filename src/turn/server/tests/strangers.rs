//! Who is let in, by which code the others are refused, and how little strangers get.

use super::*;

#[test]
fn a_binding_tells_where_one_is_and_needs_no_password() {
    let mut house = house(rules());
    for remote in ["198.51.100.1:5", "[2001:db8:9::1]:6"] {
        let answer = house.plain(&udp(remote), Method::BINDING, &[]).expect("an answer");
        let seen = answer.message().xor_address(attribute::XOR_MAPPED_ADDRESS);
        assert_eq!((answer.code, seen), (0, Some(socket(remote))));
    }
    let answer =
        house.plain(&udp("198.51.100.1:5"), Method::BINDING, &[(AttributeType(3), &[0; 4])]);
    let answer = answer.expect("an answer");
    let unknown: Vec<_> = answer.message().unknown_attributes().collect();
    assert_eq!((answer.code, unknown), (420, vec![AttributeType(3)]));
}

#[test]
fn each_fault_of_a_request_has_its_code() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let nonce = house.nonce(&client);
    let other = house.nonce(&udp("198.51.100.2:5"));
    let expired = minted("x", 0, house.now);
    let good = minted("x", 60, house.now);
    let ann = ("ann", "apple");
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    let cases: [(&[u8], (&str, &str), Attributes<'_>, u16); 11] = [
        (&nonce, ("ann", "pear"), &[UDP], 401),
        (&nonce, ("eve", "apple"), &[UDP], 401),
        (&nonce, (&expired.username, &expired.password), &[UDP], 401),
        (&nonce, (&good.username, &expired.password), &[UDP], 401),
        (&other, ann, &[UDP], 438),
        (b"obMatJos2gAAA", ann, &[UDP], 438),
        (&nonce, ann, &[UDP, (AttributeType(0x7fff), &[])], 420),
        (&nonce, ann, &[], 400),
        (&nonce, ann, &[TCP], 400),
        (&nonce, ann, &[(attribute::REQUESTED_TRANSPORT, &[132, 0, 0, 0])], 442),
        (&nonce, (&good.username, &good.password), &[UDP], 0),
    ];
    for (nonce, who, attributes, expected) in cases {
        let bytes = sign(house.next_id(), nonce, who, Method::ALLOCATE, attributes);
        let answer = house.raw(&client, &bytes).expect("an answer");
        assert_eq!(answer.code, expected, "{who:?} {attributes:?}");
        let challenged = answer.message().has(attribute::NONCE);
        assert_eq!(challenged, matches!(expected, 401 | 438), "{expected}");
    }
    let without_nonce = {
        let mut bytes = Vec::new();
        let id = house.next_id();
        let mut writer = Writer::new(&mut bytes, Kind::request(Method::ALLOCATE), id);
        writer.put(attribute::USERNAME, b"ann");
        writer.finish(Integrity::Sha1(b"x")).expect("short");
        bytes
    };
    assert_eq!(house.raw(&client, &without_nonce).expect("an answer").code, 400);
}

#[test]
fn a_nonce_ages_and_the_next_is_in_the_refusal() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let nonce = house.nonce(&client);
    house.wait(601);
    let bytes = sign(house.next_id(), &nonce, ("ann", "apple"), Method::ALLOCATE, &[UDP]);
    let answer = house.raw(&client, &bytes).expect("an answer");
    assert_eq!(answer.code, 438);
    let nonce = answer.message().find(attribute::NONCE).expect("a nonce").to_vec();
    let bytes = sign(house.next_id(), &nonce, ("ann", "apple"), Method::ALLOCATE, &[UDP]);
    assert_eq!(house.raw(&client, &bytes).expect("an answer").code, 0);
}

fn with_sha256(house: &mut House, client: &Client, offered: &[u8], chosen: &[u8]) -> Answer {
    let (nonce, id, mut bytes) = (house.nonce(client), house.next_id(), Vec::new());
    let mut writer = Writer::new(&mut bytes, Kind::request(Method::ALLOCATE), id);
    writer.put(UDP.0, UDP.1);
    credentials(&mut writer, &nonce, "ann");
    writer.put(attribute::PASSWORD_ALGORITHMS, offered);
    writer.put(attribute::PASSWORD_ALGORITHM, chosen);
    let key = LongTermKey::new(PasswordAlgorithm::Sha256, b"ann", "parlor", b"apple");
    writer.finish(Integrity::Sha256(key.as_bytes())).expect("short");
    let answer = house.raw(client, &bytes).expect("an answer");
    if answer.code == 0 {
        assert!(answer.message().has_sha256() && !answer.message().has_sha1());
        assert!(answer.message().signed_by(key.as_bytes()));
    }
    answer
}

#[test]
fn sha256_is_offered_and_cannot_be_struck_out_on_the_way() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let challenge = house.plain(&client, Method::ALLOCATE, &[UDP]).expect("a challenge");
    let offered = challenge.message().find(attribute::PASSWORD_ALGORITHMS).map(<[u8]>::to_vec);
    let offered = offered.expect("algorithms");
    let sha256 = PasswordAlgorithm::Sha256.bytes();
    assert_eq!(offered, [sha256, PasswordAlgorithm::Md5.bytes()].concat());
    let bad = with_sha256(&mut house, &client, &offered[4..], &sha256);
    assert_eq!(bad.code, 400, "not what was offered");
    assert_eq!(with_sha256(&mut house, &client, &offered, &[0, 9, 0, 0]).code, 400);
    assert_eq!(with_sha256(&mut house, &client, &offered, &sha256).code, 0);
}

#[test]
fn a_flood_of_strangers_gets_no_more_than_it_sent_and_a_stream_is_no_stranger() {
    let mut house = house(rules());
    let (mut sent, mut got) = (0, 0);
    for port in 1..10_000 {
        let client = udp(&format!("198.51.100.1:{port}"));
        let answer = house.plain(&client, Method::ALLOCATE, &[UDP]);
        sent += 28;
        got += answer.map_or(0, |answer| answer.len());
    }
    assert!(got <= sent + 4_096, "{got} for {sent}");
    assert!(house.server.counts().unanswered > 0);
    assert!(house.plain(&udp("198.51.100.2:1"), Method::ALLOCATE, &[UDP]).is_some(), "another");
    for _ in 0..200 {
        assert!(house.plain(&stream(1), Method::ALLOCATE, &[UDP]).is_some());
    }
}

#[test]
fn what_is_no_message_of_ours_is_not_answered() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let mut broken = Vec::new();
    let writer = Writer::new(&mut broken, Kind::request(Method::BINDING), [1; 12]);
    writer.finish(Integrity::None).expect("short");
    *broken.last_mut().expect("bytes") ^= 1;
    let response = {
        let mut bytes = Vec::new();
        let writer = Writer::new(&mut bytes, Kind::success(Method::BINDING), [1; 12]);
        writer.finish(Integrity::None).expect("short");
        bytes
    };
    for bytes in
        [&broken[..], &response, &[], &[0], &[0x40, 0, 0], &[0x40, 0, 0, 9, 1], &[0xff; 30]]
    {
        assert!(house.raw(&client, bytes).is_none(), "{bytes:?}");
    }
    assert!(house.plain(&client, Method::new(0x7ff), &[]).is_none());
}

#[test]
fn a_call_outlasts_its_password() {
    let mut house = house(rules());
    let (client, other) = (udp("198.51.100.1:5"), udp("198.51.100.1:6"));
    let minted = minted("x", 60, house.now);
    let who = (&*minted.username, &*minted.password);
    assert_eq!(house.signed(&client, who, Method::ALLOCATE, &[UDP]).code, 0);
    house.wait(300);
    assert_eq!(house.signed(&client, who, Method::REFRESH, &[]).code, 0);
    assert_eq!(house.signed(&other, who, Method::ALLOCATE, &[UDP]).code, 401);
    let ended = house.signed(&client, who, Method::REFRESH, &[(attribute::LIFETIME, &[0; 4])]);
    assert_eq!(ended.code, 0);
    assert_eq!(house.signed(&client, who, Method::ALLOCATE, &[UDP]).code, 401);
}
