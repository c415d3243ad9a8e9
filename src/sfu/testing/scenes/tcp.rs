//! Members by TCP: a stream that is stuck, one that is left for UDP and taken up again, one that ends,
//! and a stranger's.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use crate::{
    ids::MemberId,
    seams::media::Path,
    sfu::{
        testing::{
            stream::Stream,
            world::{STEP, World},
        },
        wire::transmit::{Peer, Protocol, Route, StreamId},
    },
};

const FRAME: Duration = Duration::from_millis(30);

/// This member's `down` goes on by a new connection.
fn take_up(world: &mut World, member: MemberId, nth: u32) -> Peer {
    let id = StreamId { slot: nth, nth };
    let peer = world.downs.get_mut(&member).expect("a viewer");
    peer.stream = Some(id);
    world.wire.streams.insert(id, Stream::new(peer.address));
    Peer { protocol: Protocol::Tcp(id), address: peer.address }
}

/// A publisher, and two viewers that have seen its keyframe: the first by TCP.
fn by_tcp() -> (World, crate::sfu::testing::world::Source, Vec<MemberId>, Peer) {
    let mut world = World::new();
    let mut source = world.publisher(1);
    let viewers: Vec<MemberId> =
        [100, 101].map(|number| world.viewer(number, &[source.member])).into();
    let stream = take_up(&mut world, viewers[0], 1);
    world.send_frame(&mut source, 3, true);
    let all = viewers.clone();
    world.until("both get the keyframe", |world| {
        let has_three = |member| n_payloads(world, member) == 3;
        all.iter().copied().all(has_three)
    });
    let way = world.wire.ways.iter().any(|(to, _)| *to == stream.address);
    assert!(way && !world.wire.datagrams.iter().any(|(to, _)| *to == stream.address));
    (world, source, viewers, stream)
}

fn n_payloads(world: &World, viewer: MemberId) -> usize {
    world.downs[&viewer].video().map_or(0, |video| video.payloads.len())
}

#[test]
fn a_stream_that_is_stuck_holds_little_and_goes_on_with_a_keyframe() {
    let (mut world, mut source, viewers, stream) = by_tcp();
    let id = stream.stream().expect("a stream");
    let n_asked = world.ups[&source.member].n_plis;
    world.wire.streams.get_mut(&id).expect("it is open").takes = 0;
    // Three seconds at 3 Mbit/s: four times what may be held.
    for _ in 0..100 {
        world.send_frame(&mut source, 12, false);
        world.run(FRAME);
    }
    assert!(world.has_all(viewers[1], &source, 0), "the other has all");
    let n_asked = world.ups[&source.member].n_plis - n_asked;
    assert!(n_asked <= 6, "and few keyframes more: {n_asked}");
    assert_eq!(world.seen[&viewers[0]].down.as_ref().map(|down| down.path), Some(Path::Connected));

    world.wire.streams.get_mut(&id).expect("it is open").takes = usize::MAX;
    world.run(Duration::from_millis(50));
    let n_before = n_payloads(&world, viewers[0]);
    assert!(n_before < 300, "what was late was not sent: {n_before}");
    for _ in 0..10 {
        world.send_frame(&mut source, 2, false);
        world.run(FRAME);
    }
    assert_eq!(n_payloads(&world, viewers[0]), n_before, "nothing that could not be shown");
    let first = source.sent.len();
    world.send_frame(&mut source, 4, true);
    world.send_frame(&mut source, 4, false);
    world.run(Duration::from_millis(50));
    let video = world.downs[&viewers[0]].video().expect("video");
    assert!(video.payloads.values().skip(n_before).eq(&source.sent[first..]));
    assert!(world.has_all(viewers[1], &source, 0));
}

#[test]
fn a_narrow_stream_keeps_its_delay_short() {
    let (mut world, mut source, viewers, stream) = by_tcp();
    let id = stream.stream().expect("a stream");
    // A quarter of what is sent.
    world.wire.streams.get_mut(&id).expect("it is open").takes = 500;
    for n in 0..300 {
        world.send_frame(&mut source, 12, n % 30 == 0);
        world.run(FRAME);
    }
    let n_got = n_payloads(&world, viewers[0]);
    assert!(n_got > 300, "some pictures come: {n_got}");
    let newest = world.downs[&viewers[0]].video().and_then(|video| video.payloads.values().last());
    let newest =
        newest.map(|payload| u32::from_be_bytes([payload[2], payload[3], payload[4], payload[5]]));
    let behind = source.sent.len() as u32 - newest.expect("a picture");
    // Two seconds: what may lie here, and what the path has.
    assert!(behind < 67 * 12, "{behind} packets behind");
    assert!(world.has_all(viewers[1], &source, 0));
}

/// Where the viewer's next frame goes: to its address by UDP, by a stream.
fn ways(
    world: &mut World,
    source: &mut crate::sfu::testing::world::Source,
    viewer: MemberId,
) -> BTreeSet<bool> {
    let n_before = n_payloads(world, viewer);
    let address = world.downs[&viewer].address;
    world.send_frame(source, 3, false);
    world.wake();
    let by_udp = world.wire.datagrams.iter();
    let n_by_udp = by_udp.filter(|(to, datagram)| *to == address && datagram.len() > 900).count();
    world.step();
    world.run(Duration::from_millis(20));
    assert_eq!(n_payloads(world, viewer) - n_before, 3, "all of it came");
    BTreeSet::from([n_by_udp == 0])
}

#[test]
fn media_goes_as_the_client_nominates_from_tcp_to_udp_and_back() {
    let (mut world, mut source, viewers, stream) = by_tcp();
    let viewer = viewers[0];
    let by_stream = BTreeSet::from([true]);
    let by_udp = BTreeSet::from([false]);
    assert_eq!(ways(&mut world, &mut source, viewer), by_stream);
    // UDP answers by now: the client's checks nominate it.
    world.downs.get_mut(&viewer).expect("a viewer").stream = None;
    world.run(Duration::from_secs(6));
    assert_eq!(ways(&mut world, &mut source, viewer), by_udp);
    // What is left of the stream, and its end, are nothing to the path that stands.
    world.core.peer_gone(world.now, stream);
    assert_eq!(ways(&mut world, &mut source, viewer), by_udp);
    take_up(&mut world, viewer, 2);
    world.run(Duration::from_secs(6));
    assert_eq!(ways(&mut world, &mut source, viewer), by_stream);
    assert!(world.has_all(viewer, &source, 0) && world.has_all(viewers[1], &source, 0));
}

#[test]
fn a_stream_that_ends_is_left_at_once_for_the_way_that_stands() {
    let (mut world, mut source, viewers, stream) = by_tcp();
    let viewer = viewers[0];
    // Both ways are proven, and the stream is nominated last.
    world.downs.get_mut(&viewer).expect("a viewer").stream = None;
    world.run(Duration::from_secs(6));
    world.downs.get_mut(&viewer).expect("a viewer").stream = stream.stream();
    world.run(Duration::from_secs(6));
    assert_eq!(ways(&mut world, &mut source, viewer), BTreeSet::from([true]));
    world.core.peer_gone(world.now, stream);
    world.wire.streams.clear();
    world.downs.get_mut(&viewer).expect("a viewer").stream = None;
    assert_eq!(ways(&mut world, &mut source, viewer), BTreeSet::from([false]));
    assert!(!world.core.knows(stream));
}

#[test]
fn a_strangers_stream_is_sent_no_media_and_its_end_ends_nothing() {
    let (mut world, mut source, viewers, _) = by_tcp();
    let viewer = viewers[1];
    let peer = world.downs.get_mut(&viewer).expect("a viewer");
    // A check that was overheard, sent by a connection of the listener's own.
    let check = loop {
        peer.client.out.clear();
        peer.client.tick(world.now);
        if let Some(check) = peer.client.out.pop() {
            break check;
        }
        world.now += STEP;
    };
    let stranger = SocketAddr::from(([203, 0, 113, 9], 53));
    let id = StreamId { slot: 9, nth: 9 };
    let from = Peer { protocol: Protocol::Tcp(id), address: stranger };
    world.wire.streams.insert(id, Stream::new(stranger));
    world.core.handle_datagram(world.now, Route { peer: from, local: None }, &check);
    for n in 0..50 {
        world.send_frame(&mut source, 3, n % 20 == 0);
        world.run(FRAME);
    }
    assert!(world.has_all(viewer, &source, 0));
    world.core.peer_gone(world.now, from);
    world.send_frame(&mut source, 3, false);
    world.run(FRAME);
    assert!(world.has_all(viewer, &source, 0));
    let path = world.seen[&viewer].down.as_ref().map(|down| down.path);
    assert_eq!(path, Some(Path::Connected));
}
