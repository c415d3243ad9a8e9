//! Random clients: whatever they ask, nothing leaks and nothing is counted twice.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;

fn step(house: &mut House, random: &mut StdRng, relays: &mut Vec<SocketAddr>) {
    let client = match random.random_range(0..8_u64) {
        id @ 0..4 => udp(&format!("198.51.100.{}:5", 1 + id)),
        id => stream(id),
    };
    let who = if random.random_bool(0.8) { ("ann", "apple") } else { ("bob", "pear") };
    let number = 0x4000 + random.random_range(0..6_u16);
    let peer = match relays.last() {
        Some(told) if random.random_bool(0.3) => told.to_string(),
        _ => format!("198.51.100.{}:7000", random.random_range(70..74)),
    };
    match random.random_range(0..11) {
        0..=2 => {
            let both = (attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0][..]);
            let next = (attribute::EVEN_PORT, &[0x80][..]);
            let mobile = (attribute::MOBILITY_TICKET, &[][..]);
            let choices =
                [vec![UDP], vec![UDP, both], vec![UDP, next], vec![TCP], vec![UDP, mobile]];
            let choice = &choices[random.random_range(0..choices.len())];
            relays.extend(
                house
                    .signed(&client, who, Method::ALLOCATE, choice)
                    .relayed()
                    .iter()
                    .map(|told| socket(told)),
            );
        }
        3 => {
            let lifetime = [0, 600_u32, 3_600][random.random_range(0..3)].to_be_bytes();
            house.signed(&client, who, Method::REFRESH, &[(attribute::LIFETIME, &lifetime)]);
        }
        4 => drop(house.permit(&client, &peer)),
        5 => drop(house.bind(&client, number, &peer)),
        6 => house.send(&client, &peer, b"data", &[]),
        7 => {
            let [high, low] = number.to_be_bytes();
            house.server.handle(house.now, &client, &[high, low, 0, 0], &mut house.world);
        }
        8 => drop(house.with_peer(&client, Method::CONNECT, &peer, None)),
        9 => house.server.stream_closed(&client, &mut house.world),
        _ => house.wait(random.random_range(0..400)),
    }
}

#[test]
fn whatever_is_asked_nothing_leaks() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut house = house(Rules { user_quota: 5, total_quota: 6, ..rules() });
        let mut relays = Vec::new();
        for _ in 0..120 {
            step(&mut house, &mut random, &mut relays);
            let server = &house.server;
            assert!(server.allocations.len() <= 6, "seed {seed}");
            assert_eq!(server.by_client.len(), server.allocations.len());
            assert_eq!(server.accounts.values().sum::<u32>() as usize, server.allocations.len());
            assert_eq!(server.relays.len(), house.world.open.len());
            assert_eq!(server.by_port.len(), server.relays.len());
            let of_allocations: usize =
                server.allocations.iter().map(|(_, allocation)| allocation.relays.len()).sum();
            assert_eq!(of_allocations + server.reservations.len(), server.relays.len());
            house.world.sent.clear();
            house.world.relayed.clear();
        }
        house.wait(4_000);
        let server = &house.server;
        assert_eq!((server.allocations.len(), house.world.open.len()), (0, 0), "seed {seed}");
        let left = (server.by_ticket.len(), server.by_port.len(), server.accounts.len());
        assert_eq!((left, server.poll_timeout()), ((0, 0, 0), None), "seed {seed}");
    }
}
