//! A viewer that goes on from another of its addresses.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::sfu::testing::world::World;

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
