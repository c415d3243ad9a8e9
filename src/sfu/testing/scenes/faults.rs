//! A panic costs who caused it, or a room, and no one else.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    ids::MemberId,
    protocol::{PublishTrack, TrackSource},
    seams::media::{Desired, Path, SfuError, UpWant},
    sfu::{
        router::guard::fault,
        testing::world::{ROOM, World},
    },
};

/// Viewers get what is sent from now on.
fn goes_on(world: &mut World, viewers: &[MemberId], publisher: &mut super::super::world::Source) {
    let n_before: Vec<usize> = viewers.iter().map(|viewer| n_payloads(world, *viewer)).collect();
    world.send_frame(publisher, 3, false);
    world.run(Duration::from_millis(50));
    for (viewer, n_before) in viewers.iter().zip(n_before) {
        assert_eq!(n_payloads(world, *viewer), n_before + 3, "{viewer}");
    }
}

fn n_payloads(world: &World, viewer: MemberId) -> usize {
    world.downs[&viewer].video().map_or(0, |video| video.payloads.len())
}

#[test]
fn an_offer_that_makes_us_panic_ends_its_own_connection_alone() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(2);
    let member = MemberId(9);
    let peer = world.another_peer(9);
    let track = PublishTrack { mid: "0".parse().expect("a mid"), source: TrackSource::Camera };
    let mut up = UpWant {
        generation: 1,
        revision: 1,
        offer: peer.client.offer(&[("0", "VP8", 77)]).into(),
        tracks: Arc::new([track]),
    };
    for revision in 1..3 {
        // The first offer, and a later one of a new connection.
        up.generation = revision;
        fault::plant("offer");
        world.wants.insert(member, Desired { up: Some(up.clone()), down: None });
        world.apply(member);
        world.step();
        assert!(!fault::is_planted(), "it was read");
        let seen = world.seen[&member].up.clone().expect("an up");
        assert_eq!((seen.generation, seen.path), (revision, Path::Closed));
        assert!(matches!(seen.answer, Err(SfuError::Internal(_))), "{:?}", seen.answer);
        goes_on(&mut world, &viewers, &mut source);
    }
    // And the next one is answered.
    up.generation = 3;
    world.wants.insert(member, Desired { up: Some(up), down: None });
    world.apply(member);
    world.step();
    assert!(world.seen[&member].up.as_ref().is_some_and(|up| up.answer.is_ok()));
}

#[test]
fn who_has_failed_is_not_sent_to_any_more() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(2);
    let address = world.downs[&viewers[0]].address;
    let second = world.publisher(2);
    for viewer in &viewers {
        let down = world.wants.get_mut(viewer).and_then(|want| want.down.as_mut());
        down.expect("a wanted down").watch.insert(second.member);
        world.apply(*viewer);
    }
    let mut second = second;
    world.send_frame(&mut second, 2, true);
    // The answer of the first of the two that is offered the second picture.
    fault::plant("answer");
    world.run(Duration::from_millis(200));
    assert!(!fault::is_planted(), "an answer was read");
    let failed = world.seen[&viewers[0]].down.clone().expect("a down");
    assert_eq!(failed.path, Path::Closed);
    assert!(matches!(failed.fault, Some(SfuError::Internal(_))));
    world.wire.ways.clear();
    goes_on(&mut world, &viewers[1..], &mut source);
    world.run(Duration::from_secs(3));
    let n_to_it = world.wire.ways.iter().filter(|(to, _)| *to == address).count();
    assert_eq!(n_to_it, 0, "nothing goes to whom nobody is behind");
    assert_eq!(world.seen[&viewers[0]].down.as_ref().map(|down| down.path), Some(Path::Closed));
}

#[test]
fn a_room_that_makes_us_panic_falls_alone_and_can_be_opened_again() {
    let mut world = World::new();
    let (_, viewers) = world.with_viewers(2);
    let other = ROOM + 1;
    world.core.open_room(world.now, other, 4);
    let n_timers = world.core.n_timers();
    world.wire.ways.clear();
    fault::plant("flush");
    world.core.flush(world.now, &mut world.wire);
    assert!(!fault::is_planted());
    // All three clients hear that at once, and need not find out by silence.
    let told: BTreeSet<SocketAddr> = world.wire.ways.iter().map(|(to, _)| *to).collect();
    let all = world.ups.values().chain(world.downs.values()).map(|peer| peer.address);
    assert_eq!(told, all.collect());
    assert_eq!(world.core.take_fallen(), [ROOM]);
    assert!(world.core.take_fallen().is_empty());
    assert_eq!(world.core.n_connections(), 0);
    // Whatever still comes for it, or is due, is nobody's.
    let peer = &world.downs[&viewers[0]];
    world.core.handle_datagram(world.now, peer.address.into(), &[0x80; 40]);
    world.core.handle_timeout(world.now + Duration::from_secs(60));
    assert!(world.core.n_timers() < n_timers, "the other room's alone");
    // The other room, and this one anew, take wishes.
    let want = world.wants[&viewers[0]].clone();
    for room in [other, ROOM] {
        if room == ROOM {
            world.core.open_room(world.now, ROOM, 4);
        }
        world.core.apply(world.now, room, viewers[0], Some(want.clone()));
        let news = world.core.take_news();
        assert!(news.iter().any(|(of, member, _)| (*of, *member) == (room, viewers[0])));
    }
    assert_eq!(world.core.n_connections(), 2);
}
