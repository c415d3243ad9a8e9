//! Nobody waits for anybody: silent viewers, stalled links and garbage are felt by no one else.

use std::time::Duration;

use crate::{
    seams::media::Path,
    sfu::testing::world::{STEP, World},
    telemetry::metrics::metrics,
};

#[test]
fn a_silent_viewer_and_a_stalled_link_delay_nobody() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(4);
    let (silent, stalled, others) = (viewers[0], viewers[1], &viewers[2..]);
    world.downs.get_mut(&silent).expect("a viewer").mute = true;
    let stalled_address = world.downs[&stalled].address;
    world.wire.failing.insert(stalled_address);
    let n_plis = world.ups[&source.member].n_plis;
    for _ in 0..100 {
        world.send_frame(&mut source, 3, false);
        world.wake();
        for viewer in others.iter().chain([&silent]) {
            let address = world.downs[viewer].address;
            let large = |(to, datagram): &&(_, Vec<u8>)| *to == address && datagram.len() > 1000;
            let n_packets = world.wire.datagrams.iter().filter(large).count();
            assert_eq!(n_packets, 3, "in the very wake-up that brought them");
        }
        world.step();
        world.run(Duration::from_millis(30) - STEP);
    }
    for viewer in others {
        assert!(world.has_all(*viewer, &source, 0), "{viewer}");
    }
    let asked = world.ups[&source.member].n_plis - n_plis;
    assert!(asked <= 6, "a bad link costs the others few keyframes: {asked}");

    world.wire.failing.clear();
    let n_before = world.downs[&stalled].video().map_or(0, |video| video.payloads.len());
    let first = source.sent.len();
    world.send_frame(&mut source, 4, true);
    world.run(Duration::from_millis(20));
    let video = world.downs[&stalled].video().expect("video");
    assert_eq!(video.payloads.len(), n_before + 4, "it goes on with the keyframe");
    assert!(video.payloads.values().rev().take(4).rev().eq(&source.sent[first..]));
}

#[test]
fn a_viewer_that_died_is_quiet_then_closed() {
    let mut world = World::new();
    let (_, viewers) = world.with_viewers(1);
    let path = |world: &World| world.seen[&viewers[0]].down.as_ref().map(|down| down.path);
    assert_eq!(path(&world), Some(Path::Connected));
    world.downs.get_mut(&viewers[0]).expect("a viewer").mute = true;
    world.run(Duration::from_millis(4900));
    assert_eq!(path(&world), Some(Path::Quiet), "within 5 s");
    world.downs.get_mut(&viewers[0]).expect("a viewer").mute = false;
    world.run(Duration::from_millis(2500));
    assert_eq!(path(&world), Some(Path::Connected), "it came back by itself");
    world.downs.get_mut(&viewers[0]).expect("a viewer").mute = true;
    world.run(Duration::from_secs(32));
    assert_eq!(path(&world), Some(Path::Closed));
}

#[test]
fn garbage_is_dropped_and_counted_and_felt_by_no_one() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(2);
    let stranger = "192.0.2.66:6".parse().expect("an address");
    let before = metrics().datagrams_bad.get();
    let known = world.downs[&viewers[0]].address;
    let publisher = world.ups[&source.member].address;
    let mut n_strange = 0;
    let mut random = 88172645463325252_u64;
    for round in 0..2000_usize {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut datagram: Vec<u8> =
            (0..round % 200).map(|at| (random >> (at % 57)) as u8).collect();
        let first = [0, 1, 20, 22, 23, 63, 100, 128, 144, 200, 255][round % 11];
        if let Some(byte) = datagram.first_mut() {
            *byte = first;
        }
        let now = world.now;
        for from in [stranger, known, publisher] {
            world.core.handle_datagram(now, from.into(), &datagram);
        }
        n_strange += 1;
        if round % 100 == 0 {
            world.send_frame(&mut source, 2, false);
            world.run(Duration::from_millis(30));
        }
    }
    assert!(metrics().datagrams_bad.get() - before >= n_strange, "all of the stranger's");
    world.run(Duration::from_millis(50));
    for viewer in viewers {
        assert!(world.has_all(viewer, &source, 0), "{viewer}");
        let path = world.seen[&viewer].down.as_ref().map(|down| down.path);
        assert_eq!(path, Some(Path::Connected));
    }
}

#[test]
fn where_the_socket_takes_no_more_it_is_not_always_the_same_who_lose() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(8);
    world.run(Duration::from_millis(100));
    let n_before: Vec<usize> = viewers.iter().map(|viewer| n_payloads(&world, *viewer)).collect();
    // Half of them can be sent to in each wake-up.
    world.wire.takes = Some(4);
    for _ in 0..64 {
        // Each picture can be shown by itself: who lost the one before takes it.
        world.send_frame(&mut source, 3, true);
        world.run(Duration::from_millis(30));
    }
    for (viewer, n_before) in viewers.iter().zip(n_before) {
        let n_got = (n_payloads(&world, *viewer) - n_before) / 3;
        assert!((16..=48).contains(&n_got), "{viewer} has got {n_got} of 64");
    }
}

fn n_payloads(world: &World, viewer: crate::ids::MemberId) -> usize {
    world.downs[&viewer].video().map_or(0, |video| video.payloads.len())
}
