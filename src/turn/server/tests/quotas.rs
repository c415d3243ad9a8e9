//! What there is only so much of: ports, quotas, bytes a second; and what is kept for later.

use super::*;

fn client(port: u16) -> Client {
    udp(&format!("198.51.100.1:{port}"))
}

#[test]
fn quotas_count_a_user_by_name_and_end_with_the_allocation() {
    let mut house = house(Rules { user_quota: 2, total_quota: 3, ..rules() });
    let (first, second) = (minted("x", 60, house.now), minted("x", 61, house.now));
    let ask = |house: &mut House, port, minted: &credential::Credential| {
        let who = (&*minted.username, &*minted.password);
        house.signed(&client(port), who, Method::ALLOCATE, &[UDP]).code
    };
    assert_eq!(ask(&mut house, 1, &first), 0);
    assert_eq!(ask(&mut house, 2, &second), 0);
    assert_eq!(ask(&mut house, 3, &second), 486, "two names of one user");
    assert_eq!(house.ann(&client(4), Method::ALLOCATE, &[UDP]).code, 0);
    assert_eq!(house.ann(&client(5), Method::ALLOCATE, &[UDP]).code, 486, "three of all");
    house.ann(&client(4), Method::REFRESH, &[(attribute::LIFETIME, &[0; 4])]);
    assert_eq!(house.ann(&client(5), Method::ALLOCATE, &[UDP]).code, 0);
}

#[test]
fn a_full_house_names_another_of_the_clients_family() {
    let alternate = vec![socket("[2001:db8:a::1]:3478"), socket("203.0.113.99:3478")];
    let one = Some(10_001..=10_001);
    let mut house = house(Rules { alternate, relay_ports: one, ..rules() });
    house.allocate(&client(1));
    let answer = house.ann(&client(2), Method::ALLOCATE, &[UDP]);
    let told = answer.message().find(attribute::ALTERNATE_SERVER).and_then(attribute::address);
    assert_eq!((answer.code, told), (300, Some(socket("203.0.113.99:3478"))));
    house.set_rules(Rules { relay_ports: Some(10_001..=10_001), ..rules() });
    assert_eq!(house.ann(&client(2), Method::ALLOCATE, &[UDP]).code, 508);
    house.set_rules(Rules { relay_ports: None, ..rules() });
    assert_eq!(house.ann(&client(2), Method::ALLOCATE, &[UDP]).code, 508);
    assert_eq!(house.world.open.len(), 1);
}

#[test]
fn who_uses_no_port_makes_room_for_who_needs_one() {
    let mut house = house(Rules { relay_ports: Some(10_001..=10_002), ..rules() });
    let peer = "198.51.100.77:7000";
    let told = house.allocate(&client(1));
    house.allocate(&client(2));
    assert_eq!(house.permit(&client(1), peer), 0);
    assert_eq!(house.permit(&client(2), peer), 0);
    house.wait(20);
    house.peer_says(told, peer, b"still here");
    house.wait(9);
    let asks = |house: &mut House, port| house.ann(&client(port), Method::ALLOCATE, &[UDP]).code;
    assert_eq!(asks(&mut house, 3), 508, "both have been used a moment ago");
    house.wait(1);
    assert_eq!(asks(&mut house, 3), 0, "one has been silent for 30 s");
    assert_eq!(house.ann(&client(1), Method::REFRESH, &[]).code, 0);
    assert_eq!(house.ann(&client(2), Method::REFRESH, &[]).code, 437);
    assert_eq!((asks(&mut house, 4), house.world.open.len()), (508, 2));
}

#[test]
fn one_source_does_not_have_all_ports() {
    let mut house = house(Rules { relay_ports: Some(10_001..=10_004), ..rules() });
    let greedy: Vec<Client> = (1..=4).map(client).collect();
    for one in &greedy {
        house.allocate(one);
        assert_eq!(house.permit(one, "198.51.100.77:7000"), 0);
        house.send(one, "198.51.100.77:7000", b"in use", &[]);
        house.wait(1);
    }
    let asks = |house: &mut House, from: &str| house.ann(&udp(from), Method::ALLOCATE, &[UDP]).code;
    assert_eq!(
        asks(&mut house, "198.51.100.1:9"),
        508,
        "it has them all, and takes none from itself"
    );
    assert_eq!(asks(&mut house, "198.51.100.2:1"), 0);
    assert_eq!(asks(&mut house, "198.51.100.2:2"), 0);
    assert_eq!(asks(&mut house, "198.51.100.2:3"), 508, "each has two");
    let codes: Vec<u16> =
        greedy.iter().map(|one| house.ann(one, Method::REFRESH, &[]).code).collect();
    assert_eq!(codes, [437, 437, 0, 0], "what was silent for longest makes room");
}

#[test]
fn who_wants_a_relay_of_another_kind_ends_nobodys() {
    let mut house = house(Rules { relay_ports: Some(10_001..=10_001), ..rules() });
    house.allocate(&client(1));
    assert_eq!(house.ann(&stream(1), Method::ALLOCATE, &[TCP]).code, 0);
    house.wait(31);
    assert_eq!(house.ann(&stream(2), Method::ALLOCATE, &[TCP]).code, 508);
    assert_eq!(house.ann(&client(1), Method::REFRESH, &[]).code, 0);
}

#[test]
fn a_port_is_kept_no_longer_than_whoever_asked_for_it_stays() {
    let mut house = house(Rules { relay_ports: Some(10_002..=10_003), ..rules() });
    let and_next = (attribute::EVEN_PORT, &[0x80][..]);
    for _ in 0..10_000 {
        assert_eq!(house.ann(&client(1), Method::ALLOCATE, &[UDP, and_next]).code, 0);
        house.ann(&client(1), Method::REFRESH, &[(attribute::LIFETIME, &[0; 4])]);
        assert_eq!((house.world.open.len(), house.server.poll_timeout()), (0, None));
    }
}

#[test]
fn an_even_port_and_the_next_one_kept_for_its_token() {
    let mut house = house(rules());
    house.world.foreign = (10_001..=10_100).filter(|port| port % 8 == 3).collect();
    let even = (attribute::EVEN_PORT, &[0][..]);
    let and_next = (attribute::EVEN_PORT, &[0x80][..]);
    let answer = house.ann(&client(1), Method::ALLOCATE, &[UDP, even]);
    assert!(
        answer.relay().port().is_multiple_of(2)
            && !answer.message().has(attribute::RESERVATION_TOKEN)
    );
    let answer = house.ann(&client(2), Method::ALLOCATE, &[UDP, and_next]);
    let (first, token) =
        (answer.relay().port(), answer.message().find(attribute::RESERVATION_TOKEN));
    let token = (attribute::RESERVATION_TOKEN, &token.expect("a token").to_vec()[..]);
    assert_eq!(first % 2, 0);
    assert_eq!(house.ann(&client(3), Method::ALLOCATE, &[UDP, token, even]).code, 400);
    let answer = house.ann(&client(3), Method::ALLOCATE, &[UDP, token]);
    assert_eq!((answer.code, answer.relay().port()), (0, first + 1));
    assert_eq!(house.ann(&client(4), Method::ALLOCATE, &[UDP, token]).code, 508, "used");
    let n_open = house.world.open.len();
    house.ann(&client(5), Method::ALLOCATE, &[UDP, and_next]);
    assert_eq!(house.world.open.len(), n_open + 2);
    house.wait(31);
    assert_eq!(house.world.open.len(), n_open + 1, "nobody came for it");
}

#[test]
fn caps_hold_both_ways_for_one_and_for_all() {
    let mut house = house(Rules { max_bps: 10_000, bps_capacity: 15_000, ..rules() });
    let peer = "198.51.100.77:7000";
    let told: Vec<_> = [1, 2]
        .map(|port| {
            let told = house.allocate(&client(port));
            assert_eq!(house.permit(&client(port), peer), 0);
            told
        })
        .into();
    for port in [1, 2] {
        (0..20).for_each(|_| house.send(&client(port), peer, &[0; 1_000], &[]));
    }
    assert_eq!(house.world.relayed.len(), 15, "ten of one, five of the other");
    house.world.sent.clear();
    for told in told {
        (0..20).for_each(|_| house.peer_says(told, peer, &[0; 1_000]));
    }
    assert_eq!(house.world.sent.len(), 15, "the other way has its own");
    house.wait(1);
    (0..20).for_each(|_| house.send(&client(1), peer, &[0; 1_000], &[]));
    assert_eq!(house.world.relayed.len(), 25);
}

#[test]
fn a_client_that_moves_keeps_its_allocation() {
    let mut house = house(rules());
    let (old, new, third) = (client(1), udp("198.51.100.9:9"), udp("198.51.100.10:9"));
    let mobile = (attribute::MOBILITY_TICKET, &[][..]);
    let answer = house.ann(&old, Method::ALLOCATE, &[UDP, mobile]);
    let told = answer.relay();
    let ticket = answer.message().find(attribute::MOBILITY_TICKET).expect("a ticket").to_vec();
    // coturn's client takes it for a text that a zero ends.
    assert!(ticket.iter().all(u8::is_ascii_graphic), "{ticket:?}");
    assert_eq!(house.permit(&old, "198.51.100.77:1"), 0);
    let show = |ticket: &[u8]| vec![(attribute::MOBILITY_TICKET, ticket.to_vec())];
    let refresh = |house: &mut House, from: &Client, ticket: &[u8], user| {
        let shown = show(ticket);
        let shown: Vec<_> = shown.iter().map(|(kind, value)| (*kind, &value[..])).collect();
        house.signed(from, user, Method::REFRESH, &shown)
    };
    assert_eq!(refresh(&mut house, &new, &[1; 16], ("ann", "apple")).code, 437);
    assert_eq!(refresh(&mut house, &new, &ticket, ("bob", "pear")).code, 441);
    let answer = refresh(&mut house, &new, &ticket, ("ann", "apple"));
    assert_eq!(answer.code, 0);
    let next = answer.message().find(attribute::MOBILITY_TICKET).expect("a ticket").to_vec();
    house.world.sent.clear();
    house.peer_says(told, "198.51.100.77:1", b"here?");
    assert_eq!(house.world.sent[0].0, new);
    assert_eq!(house.ann(&old, Method::REFRESH, &[]).code, 437);
    // The answer with the next ticket may have been lost: the one before serves once more.
    assert_eq!(refresh(&mut house, &third, &ticket, ("ann", "apple")).code, 0);
    assert_eq!(refresh(&mut house, &old, &ticket, ("ann", "apple")).code, 437, "used up");
    assert_eq!(refresh(&mut house, &old, &next, ("ann", "apple")).code, 0);
    assert_eq!(house.server.n_allocations(), 1);
    let other = client(7);
    house.allocate(&other);
    assert_eq!(house.ann(&other, Method::ALLOCATE, &[UDP, mobile]).code, 437);
}
