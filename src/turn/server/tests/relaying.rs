//! Data both ways: permissions, channels, lifetimes, relays that meet inside.

use super::*;

const PEER: &str = "198.51.100.77:7000";

#[test]
fn only_a_permitted_peer_gets_through_and_for_its_time() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let told = house.allocate(&client);
    assert_eq!(told.ip(), ip("203.0.113.7"));
    house.send(&client, PEER, b"early", &[]);
    house.peer_says(told, PEER, b"early");
    assert_eq!((house.world.relayed.len(), house.server.counts().dropped), (0, 2));
    assert_eq!(house.permit(&client, PEER), 0);
    house.send(&client, PEER, b"ping", &[]);
    house.send(&client, PEER, b"whole", &[(attribute::DONT_FRAGMENT, &[])]);
    house.send(&client, PEER, b"odd", &[(AttributeType(0x7fff), &[])]);
    let relay = house.relay_at(told);
    let expected = [
        (relay, socket(PEER), b"ping".to_vec(), false),
        (relay, socket(PEER), b"whole".to_vec(), true),
    ];
    assert_eq!(house.world.relayed, expected);
    house.world.sent.clear();
    // Another port of the same peer is the same peer.
    house.peer_says(told, "198.51.100.77:9", b"pong");
    house.peer_says(told, "198.51.100.78:9", b"stranger");
    let [(to, bytes)] = &house.world.sent[..] else { panic!("one message") };
    let message = Message::parse(bytes).expect("a Data indication");
    assert_eq!((*to, message.kind()), (client, Kind::indication(Method::DATA)));
    assert_eq!(message.find(attribute::DATA), Some(&b"pong"[..]));
    assert_eq!(message.xor_address(attribute::XOR_PEER_ADDRESS), Some(socket("198.51.100.77:9")));
    house.wait(301);
    house.send(&client, PEER, b"late", &[]);
    assert_eq!(house.world.relayed.len(), 2);
}

#[test]
fn a_channel_carries_both_ways_and_has_one_peer() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let told = house.allocate(&client);
    for (number, peer, expected) in [
        (0x4001, PEER, 0),
        (0x4001, PEER, 0),
        (0x4001, "198.51.100.78:1", 400),
        (0x4002, PEER, 400),
        (0x3fff, "198.51.100.79:1", 400),
        (0x8000, "198.51.100.79:1", 400),
        (0x7fff, "198.51.100.79:1", 0),
        (0x4003, "192.168.1.77:1", 403),
        (0x4003, "127.0.0.1:1", 403),
        (0x4003, "203.0.113.7:8172", 403),
        (0x4003, "203.0.113.7:10000", 0),
        (0x4004, "[2001:db8:9::1]:1", 443),
    ] {
        assert_eq!(house.bind(&client, number, peer), expected, "{number:#x} {peer}");
    }
    let mut world = std::mem::take(&mut house.world);
    world.sent.clear();
    for bytes in [&[0x40, 1, 0, 3, 1, 2, 3][..], &[0x40, 1, 0, 3, 1, 2, 3, 0], &[0x40, 9, 0, 1, 1]]
    {
        house.server.handle(house.now, &client, bytes, &mut world);
    }
    let payloads: Vec<_> =
        world.relayed.iter().map(|(_, to, payload, _)| (*to, &payload[..])).collect();
    assert_eq!(payloads, [(socket(PEER), &[1, 2, 3][..]); 2]);
    let relay = *world.open.keys().next().expect("a relay");
    house.server.handle_peer(house.now.instant, relay, socket(PEER), &[9; 5], &mut world);
    assert_eq!(world.sent, [(client, vec![0x40, 1, 0, 5, 9, 9, 9, 9, 9])]);
    house.wait(299);
    house.server.handle_peer(house.now.instant, relay, socket(PEER), &[9; 5], &mut world);
    assert_eq!(world.sent.len(), 2);
    house.wait(250);
    house.server.handle_peer(house.now.instant, relay, socket(PEER), &[9; 5], &mut world);
    assert_eq!(world.sent.len(), 2, "the channel lives, its permission does not");
    house.world = world;
    assert_eq!(told.port(), house.world.open[&relay].1.port());
}

#[test]
fn over_a_stream_channel_data_is_padded() {
    let mut house = house(rules());
    let client = stream(1);
    let told = house.allocate(&client);
    assert_eq!(house.bind(&client, 0x4000, PEER), 0);
    house.world.sent.clear();
    for len in 0..5_u8 {
        house.peer_says(told, PEER, &vec![7; usize::from(len)]);
        let (_, bytes) = house.world.sent.last().expect("data");
        assert_eq!((bytes.len(), bytes[3]), (4 + usize::from(len).next_multiple_of(4), len));
    }
}

#[test]
fn two_relays_of_ours_meet_inside_under_the_names_they_were_told_by() {
    let mut house = house(rules());
    let (a, b) = (udp("198.51.100.1:5"), udp("198.51.100.2:5"));
    let (relay_a, relay_b) = (house.allocate(&a), house.allocate(&b));
    assert_eq!(house.bind(&a, 0x4000, &relay_b.to_string()), 0);
    house.world.sent.clear();
    let to_b = [0x40, 0, 0, 1, 42];
    house.server.handle(house.now, &a, &to_b, &mut house.world);
    assert!(house.world.sent.is_empty(), "b has not permitted it");
    assert_eq!(house.bind(&b, 0x4abc, &relay_a.to_string()), 0);
    house.world.sent.clear();
    house.server.handle(house.now, &a, &to_b, &mut house.world);
    assert_eq!(house.world.sent, [(b, vec![0x4a, 0xbc, 0, 1, 42])]);
    assert!(house.world.relayed.is_empty(), "nothing has left the house");
    // A port of ours that is no relay is nobody's.
    house.send(&a, "203.0.113.7:10099", b"x", &[]);
    assert!(house.world.relayed.is_empty());
}

#[test]
fn media_of_our_own_is_reached_and_answers_by_the_announced_name() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let told = house.allocate(&client);
    assert_eq!(house.permit(&client, "203.0.113.7:10000"), 0);
    house.send(&client, "203.0.113.7:10000", b"check", &[]);
    assert_eq!(house.world.relayed[0].1, socket("192.168.1.5:10000"));
    house.world.sent.clear();
    house.peer_says(told, "192.168.1.5:10000", b"answer");
    let (_, bytes) = &house.world.sent[0];
    let peer = Message::parse(bytes).expect("data").xor_address(attribute::XOR_PEER_ADDRESS);
    assert_eq!(peer, Some(socket("203.0.113.7:10000")));
}

#[test]
fn an_allocation_lives_as_long_as_it_is_refreshed() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    assert_eq!(house.ann(&client, Method::REFRESH, &[]).code, 437);
    house.allocate(&client);
    assert_eq!(house.ann(&client, Method::ALLOCATE, &[UDP]).code, 437);
    for (asked, given) in [(60_u32, 600), (700, 700), (9_999, 3_600), (600, 600)] {
        let answer =
            house.ann(&client, Method::REFRESH, &[(attribute::LIFETIME, &asked.to_be_bytes())]);
        assert_eq!((answer.code, answer.message().u32(attribute::LIFETIME)), (0, Some(given)));
    }
    let asked: Attributes<'_> = &[UDP, (attribute::LIFETIME, &3_600_u32.to_be_bytes())];
    let answer = house.ann(&stream(1), Method::ALLOCATE, asked);
    assert_eq!(answer.message().u32(attribute::LIFETIME), Some(600), "silence there is an end");
    house.server.stream_closed(&stream(1), &mut house.world);
    assert_eq!(house.signed(&client, ("bob", "pear"), Method::REFRESH, &[]).code, 441);
    assert_eq!(house.signed(&client, ("bob", "pear"), Method::CREATE_PERMISSION, &[]).code, 441);
    assert_eq!(house.ann(&client, Method::CREATE_PERMISSION, &[]).code, 400);
    house.wait(599);
    assert_eq!(house.server.n_allocations(), 1);
    house.wait(1);
    assert_eq!((house.server.n_allocations(), house.world.open.len()), (0, 0));
    assert_eq!(house.server.poll_timeout(), None);
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    let nonce = house.nonce(&client);
    let bytes = sign([9; 12], &nonce, ("ann", "apple"), Method::ALLOCATE, &[UDP]);
    let first = house.raw(&client, &bytes).expect("an answer").relayed();
    house.wait(2);
    let again = house.raw(&client, &bytes).expect("an answer");
    assert_eq!((again.relayed(), again.message().u32(attribute::LIFETIME)), (first, Some(598)));
    assert_eq!(house.world.open.len(), 1);
}

#[test]
fn families_are_had_singly_and_both() {
    let families: [(Attributes<'_>, u16, usize); 6] = [
        (&[UDP, (attribute::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0])], 0, 1),
        (&[UDP, (attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])], 0, 1),
        (&[UDP, (attribute::REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0])], 440, 0),
        (&[UDP, (attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])], 0, 2),
        (&[UDP, (attribute::ADDITIONAL_ADDRESS_FAMILY, &[1, 0, 0, 0])], 400, 0),
        (
            &[
                UDP,
                (attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]),
                (attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]),
            ],
            400,
            0,
        ),
    ];
    let mut house = house(rules());
    for (port, (attributes, code, n_relays)) in families.into_iter().enumerate() {
        let client = udp(&format!("198.51.100.1:{}", port + 1));
        let answer = house.ann(&client, Method::ALLOCATE, attributes);
        assert_eq!((answer.code, answer.relayed().len()), (code, n_relays), "{attributes:?}");
    }
    let both = udp("198.51.100.1:4");
    assert_eq!(house.permit(&both, "[2001:db8:9::1]:1"), 0);
    assert_eq!(house.permit(&both, "[2001:db8:5::5]:22"), 403);
    let v6 = (attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0][..]);
    let end: Attributes<'_> = &[(attribute::LIFETIME, &[0; 4]), v6];
    assert_eq!(house.ann(&both, Method::REFRESH, end).code, 0);
    assert_eq!(house.ann(&both, Method::REFRESH, &[v6]).code, 443, "that half has ended");
    assert_eq!(house.ann(&both, Method::REFRESH, &[]).code, 0, "the other lives");
    let mut without = rules();
    without.policy.own.retain(|own| own.bound.is_ipv4());
    let mut house = super::house(without);
    let answer = house.ann(&both, Method::ALLOCATE, families[3].0);
    assert_eq!((answer.code, answer.relayed().len()), (0, 1));
    assert_eq!(answer.message().find(attribute::ADDRESS_ERROR_CODE), Some(&[2, 0, 4, 40][..]));
}

#[test]
fn new_rules_hold_for_what_lives() {
    let mut house = house(rules());
    let client = udp("198.51.100.1:5");
    house.allocate(&client);
    assert_eq!(house.bind(&client, 0x4000, PEER), 0);
    let mut stricter = rules();
    stricter.policy.denied =
        vec![crate::config::IpRange { first: ip("198.51.100.77"), last: ip("198.51.100.77") }];
    house.set_rules(stricter);
    house.send(&client, PEER, b"x", &[]);
    house.server.handle(house.now, &client, &[0x40, 0, 0, 0], &mut house.world);
    assert!(house.world.relayed.is_empty());
}
