//! Members that go on from another of their addresses, and what is made of that.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::{
    ids::MemberId,
    sfu::testing::world::{STEP, World},
};

/// An empty receiver report (RFC 3550 6.4.2).
const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

#[test]
fn media_leaves_from_the_address_that_the_viewer_uses_now() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(1);
    let v4 = (world.downs[&viewers[0]].address, IpAddr::from(Ipv4Addr::new(192, 0, 2, 7)));
    let v6_address = SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9), 40_000));
    let v6 = (v6_address, IpAddr::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 7)));
    // Checks succeed on both paths; the older family is the last one that was nominated.
    for (address, local) in [v6, v4] {
        let peer = world.downs.get_mut(&viewers[0]).expect("a viewer");
        (peer.address, peer.local) = (address, Some(local));
        world.run(Duration::from_secs(6));
    }
    let way_of_a_frame = |world: &mut World, source: &mut _| {
        world.wire.ways.clear();
        world.send_frame(source, 1, false);
        world.wake();
        let mut ways = world.wire.ways.iter();
        ways.rfind(|(to, _)| *to == v4.0 || *to == v6.0).copied()
    };
    assert_eq!(way_of_a_frame(&mut world, &mut source), Some((v4.0, Some(v4.1))));
    world.step();
    // It goes on by a packet, not by a check.
    let peer = world.downs.get_mut(&viewers[0]).expect("a viewer");
    (peer.address, peer.local) = (v6.0, Some(v6.1));
    peer.client.send_rtcp(&RECEIVER_REPORT);
    world.wake();
    assert_eq!(way_of_a_frame(&mut world, &mut source), Some((v6.0, Some(v6.1))));
}

/// The check that the viewer's client would send next, which nominates.
fn nomination(world: &mut World, viewer: MemberId) -> Vec<u8> {
    let peer = world.downs.get_mut(&viewer).expect("a viewer");
    loop {
        peer.client.out.clear();
        peer.client.tick(world.now);
        if let Some(check) = peer.client.out.pop() {
            return check;
        }
        world.now += STEP;
    }
}

#[test]
fn media_never_goes_where_nobody_has_answered() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(1);
    let check = nomination(&mut world, viewers[0]);
    let victim = SocketAddr::from(([203, 0, 113, 9], 53));
    world.core.handle_datagram(world.now, victim.into(), &check);
    let mut n_to_victim = 0;
    for n in 0..200 {
        world.send_frame(&mut source, 5, n % 20 == 0);
        world.wake();
        let to_victim = world.wire.datagrams.iter().filter(|(to, _)| *to == victim);
        n_to_victim += to_victim.map(|(_, datagram)| datagram.len()).sum::<usize>();
        for _ in 0..10 {
            world.step();
        }
    }
    assert!(n_to_victim > 0 && n_to_victim <= 3 * check.len(), "{n_to_victim} for {}", check.len());
    assert!(world.has_all(viewers[0], &source, 0), "and the viewer has it all");
}

#[test]
fn media_follows_a_viewer_within_a_round_trip() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(1);
    let narrow = world.downs[&viewers[0]].address;
    let wide = SocketAddr::from(([198, 51, 100, 7], 40_000));
    let check = nomination(&mut world, viewers[0]);
    world.downs.get_mut(&viewers[0]).expect("a viewer").address = wide;
    world.core.handle_datagram(world.now, wide.into(), &check);
    let to = |world: &mut World, source: &mut _| {
        world.wire.ways.clear();
        world.send_frame(source, 1, false);
        world.wake();
        let ways: Vec<SocketAddr> = world.wire.ways.iter().map(|(to, _)| *to).collect();
        world.step();
        (ways.contains(&narrow), ways.contains(&wide))
    };
    assert_eq!(to(&mut world, &mut source), (true, true), "media, and the question");
    // The answer is under way.
    assert_eq!(to(&mut world, &mut source), (false, true));
}

#[test]
fn who_goes_by_an_address_that_the_box_loses_begins_anew_at_once_and_nobody_else() {
    let mut world = World::new();
    let list = |hosts: &[&str]| -> std::sync::Arc<[String]> {
        let line = |host: &&str| format!("candidate:1 1 udp 2130706431 {host} 10000 typ host");
        hosts.iter().map(line).collect()
    };
    let own = "192.0.2.7:10000".parse().expect("one");
    world.core.set_candidates(list(&["192.0.2.7", "192.0.2.8"]), own);
    let (source, viewers) = world.with_viewers(2);
    for (viewer, last) in viewers.iter().zip([7, 8]) {
        let peer = world.downs.get_mut(viewer).expect("a viewer");
        peer.local = Some(IpAddr::from([192, 0, 2, last]));
    }
    world.ups.get_mut(&source.member).expect("a publisher").local = Some([192, 0, 2, 7].into());
    world.run(Duration::from_secs(6));
    world.core.set_candidates(list(&["192.0.2.8"]), own);
    world.step();
    let is_stale =
        |world: &World, member| world.seen[member].down.as_ref().is_some_and(|down| down.is_stale);
    assert!(is_stale(&world, &viewers[0]) && !is_stale(&world, &viewers[1]));
    assert!(world.seen[&source.member].up.as_ref().is_some_and(|up| up.is_stale));
}
