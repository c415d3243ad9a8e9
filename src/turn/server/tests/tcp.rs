//! Connections with peers (RFC 6062).

use super::*;

const PEER: &str = "198.51.100.77:7000";

/// An allocation for TCP over stream 1, and its address.
fn allocated() -> (House, SocketAddr) {
    let mut house = house(rules());
    let answer = house.ann(&stream(1), Method::ALLOCATE, &[TCP]);
    assert_eq!(answer.code, 0);
    let told = answer.relay();
    (house, told)
}

fn bind(house: &mut House, stream_id: u64, id: ConnectionId) -> u16 {
    let id = id.0.to_be_bytes();
    house.ann(&stream(stream_id), Method::CONNECTION_BIND, &[(attribute::CONNECTION_ID, &id)]).code
}

fn connect(house: &mut House, peer: &str) -> u16 {
    house.with_peer(&stream(1), Method::CONNECT, peer, None)
}

#[test]
fn a_connection_is_made_and_given_to_the_stream_that_comes_for_it() {
    let (mut house, told) = allocated();
    // 1 is no answer: it comes with the outcome.
    assert_eq!(connect(&mut house, PEER), 1);
    let &[(id, at, to)] = &house.world.connects[..] else { panic!("one") };
    assert_eq!((at.port(), to), (told.port(), socket(PEER)));
    assert_eq!(connect(&mut house, PEER), 446);
    assert_eq!(bind(&mut house, 2, id), 400, "it is not there yet");
    house.world.sent.clear();
    house.server.connected(house.now, id, true, &mut house.world);
    let (client, bytes) = &house.world.sent[0];
    let message = Message::parse(bytes).expect("an answer");
    assert_eq!((*client, message.kind()), (stream(1), Kind::success(Method::CONNECT)));
    assert_eq!(message.u32(attribute::CONNECTION_ID), Some(id.0));
    assert_eq!(
        house
            .signed(
                &stream(2),
                ("bob", "pear"),
                Method::CONNECTION_BIND,
                &[(attribute::CONNECTION_ID, &id.0.to_be_bytes())]
            )
            .code,
        441
    );
    house.world.spliced.clear();
    assert_eq!(bind(&mut house, 1, id), 400, "the stream that controls");
    assert_eq!(bind(&mut house, 2, id), 0);
    assert_eq!(bind(&mut house, 3, id), 400, "taken");
    // The nonce's question is a Refresh, which makes no stream wait.
    let expected = [(StreamId(1), None), (StreamId(2), Some(id)), (StreamId(3), None)];
    assert_eq!(house.world.spliced, expected);
    house.server.disconnected(id);
    assert_eq!(connect(&mut house, PEER), 1);
}

#[test]
fn what_cannot_be_connected_is_told() {
    let (mut house, _) = allocated();
    assert_eq!(connect(&mut house, "192.168.1.7:22"), 403);
    assert_eq!(connect(&mut house, "203.0.113.7:8172"), 403);
    assert_eq!(connect(&mut house, "[2001:db8:9::1]:1"), 443);
    assert_eq!(connect(&mut house, PEER), 1);
    let (id, ..) = house.world.connects[0];
    house.world.sent.clear();
    house.server.connected(house.now, id, false, &mut house.world);
    let answer = Message::parse(&house.world.sent[0].1).expect("an answer");
    assert_eq!(answer.error_code().map(|(code, _)| code), Some(447));
    assert_eq!(connect(&mut house, PEER), 1, "it may be tried again");
    let over_udp = udp("198.51.100.1:5");
    house.allocate(&over_udp);
    assert_eq!(house.with_peer(&over_udp, Method::CONNECT, PEER, None), 403);
}

#[test]
fn a_peer_that_comes_is_announced_where_it_is_permitted() {
    let (mut house, told) = allocated();
    let relay = house.relay_at(told);
    let accepted =
        |house: &mut House| house.server.accepted(house.now, relay, socket(PEER), &mut house.world);
    assert_eq!(accepted(&mut house), None);
    assert_eq!(house.permit(&stream(1), PEER), 0);
    house.world.sent.clear();
    let id = accepted(&mut house).expect("permitted");
    let told = Message::parse(&house.world.sent[0].1).expect("an indication");
    assert_eq!(told.kind(), Kind::indication(Method::CONNECTION_ATTEMPT));
    assert_eq!(told.u32(attribute::CONNECTION_ID), Some(id.0));
    assert_eq!(told.xor_address(attribute::XOR_PEER_ADDRESS), Some(socket(PEER)));
    house.wait(29);
    assert!(house.world.hung_up.is_empty());
    house.wait(1);
    assert_eq!(house.world.hung_up, [id]);
    assert_eq!(bind(&mut house, 2, id), 400);
}

#[test]
fn who_has_shown_a_password_is_known_by_the_stream_and_nobody_else() {
    let mut house = house(rules());
    house.plain(&stream(1), Method::BINDING, &[]).expect("an answer");
    house.plain(&stream(1), Method::ALLOCATE, &[TCP]).expect("a challenge");
    let wrong = house.signed(&stream(1), ("ann", "pear"), Method::ALLOCATE, &[TCP]);
    assert_eq!((wrong.code, house.world.known.len()), (401, 0));
    assert_eq!(house.ann(&stream(2), Method::ALLOCATE, &[TCP]).code, 0);
    assert_eq!(house.world.known, [StreamId(2)].into());
}

#[test]
fn connections_with_peers_that_new_rules_refuse_end() {
    let (mut house, told) = allocated();
    let relay = house.relay_at(told);
    let refused = "198.51.100.78:1";
    for peer in [PEER, refused] {
        assert_eq!(connect(&mut house, peer), 1);
    }
    let &[(stays, ..), (ends, ..)] = &house.world.connects[..] else { panic!("two") };
    assert_eq!(house.permit(&stream(1), refused), 0);
    let waits =
        house.server.accepted(house.now, relay, socket("198.51.100.78:2"), &mut house.world);
    let waits = waits.expect("permitted");
    house.server.connected(house.now, stays, true, &mut house.world);
    assert_eq!(bind(&mut house, 2, stays), 0);
    let mut stricter = rules();
    let ip = socket(refused).ip();
    stricter.policy.denied = vec![crate::config::IpRange { first: ip, last: ip }];
    house.set_rules(stricter);
    house.world.hung_up.sort();
    let mut expected = [ends, waits];
    expected.sort();
    assert_eq!(house.world.hung_up, expected);
    assert_eq!((bind(&mut house, 3, waits), connect(&mut house, refused)), (400, 403));
    assert_eq!(connect(&mut house, PEER), 446, "that one goes on");
}

#[test]
fn with_its_stream_the_allocation_ends_and_what_hangs_on_it() {
    let (mut house, told) = allocated();
    let relay = house.relay_at(told);
    assert_eq!(house.permit(&stream(1), PEER), 0);
    house.server.accepted(house.now, relay, socket(PEER), &mut house.world).expect("permitted");
    assert_eq!(connect(&mut house, "198.51.100.78:1"), 1);
    let (pending, ..) = house.world.connects[0];
    house.server.stream_closed(&stream(2), &mut house.world);
    assert_eq!(house.server.n_allocations(), 1, "another's");
    house.server.stream_closed(&stream(1), &mut house.world);
    assert_eq!((house.server.n_allocations(), house.world.open.len()), (0, 0));
    assert_eq!(house.server.poll_timeout(), None);
    house.server.connected(house.now, pending, true, &mut house.world);
    assert_eq!(house.world.hung_up, [pending], "made too late");
}
