//! Wishes become connections, and the same wish twice changes nothing.

use std::time::Duration;

use crate::{
    ids::MemberId,
    seams::media::{Path, SfuError, UpWant},
    sfu::testing::world::World,
};

#[test]
fn the_same_wish_twice_changes_nothing() {
    let mut world = World::new();
    let (source, viewers) = world.with_viewers(2);
    world.run(Duration::from_millis(200));
    let (seen, n_news) = (world.seen.clone(), world.n_news);
    for _ in 0..3 {
        for member in viewers.iter().chain([&source.member]) {
            world.apply(*member);
            world.run(Duration::from_millis(50));
        }
    }
    assert_eq!((world.seen.clone(), world.n_news), (seen, n_news));
}

#[test]
fn who_leaves_is_gone_from_the_tables_and_hears_a_goodbye() {
    let mut world = World::new();
    let (source, viewers) = world.with_viewers(1);
    let second = world.publisher(2);
    let down = world.wants.get_mut(&viewers[0]).and_then(|want| want.down.as_mut());
    down.expect("a wanted down").watch.insert(second.member);
    world.apply(viewers[0]);
    let mut second = second;
    world.send_frame(&mut second, 2, true);
    let viewer = viewers[0];
    let shown = move |world: &World| -> Vec<_> {
        let down = world.seen[&viewer].down.as_ref().expect("a down");
        down.mids.iter().map(|(_, shown)| shown.member).collect()
    };
    world.until("both are shown", |world| shown(world).len() == 2);
    world.until("both are seen", |world| world.downs[&viewer].streams.len() == 2);

    world.wants.remove(&source.member);
    world.apply(source.member);
    world.run(Duration::from_millis(100));
    assert_eq!(shown(&world), [second.member]);
    assert!(world.ups[&source.member].closed, "close_notify");
    world.wants.get_mut(&viewer).expect("a viewer").down = None;
    world.apply(viewer);
    world.step();
    assert!(world.downs[&viewer].closed);
    assert_eq!(world.seen[&viewer].down, None);
}

#[test]
fn a_new_generation_is_a_new_connection_and_the_track_stays() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(1);
    let offers = |world: &World| world.seen[&viewers[0]].down.as_ref().map(|down| down.revision);
    let before = offers(&world);
    let again = world.another_peer(3);
    let mut want = world.wants[&source.member].up.clone().expect("a wanted up");
    want.generation = 2;
    want.offer = again.client.offer(&[("0", "VP8", 77)]).into();
    source.restart(77);
    world.wants.get_mut(&source.member).expect("a publisher").up = Some(want);
    world.ups.insert(source.member, again);
    world.apply(source.member);
    world.step();
    let seen = world.seen[&source.member].up.clone().expect("an up");
    assert_eq!((seen.generation, seen.path, seen.tracks.len()), (2, Path::New, 1));
    let peer = world.ups.get_mut(&source.member).expect("a publisher");
    peer.client.take_answer(&seen.answer.expect("an answer"));
    let publisher = source.member;
    world.until("the new connection is there", |world| {
        world.ups[&publisher].client.connected()
            && world.seen[&publisher].up.as_ref().is_some_and(|up| up.path == Path::Connected)
    });
    world.send_frame(&mut source, 2, true);
    world.run(Duration::from_millis(50));
    assert!(world.has_all(viewers[0], &source, 0));
    assert_eq!(offers(&world), before, "the viewer was not bothered");
}

#[test]
fn a_bad_offer_is_told_and_a_good_one_after_it_works() {
    let mut world = World::new();
    let member = MemberId(5);
    let up = UpWant {
        generation: 1,
        revision: 1,
        offer: "not sdp at all".into(),
        tracks: std::sync::Arc::new([]),
    };
    world.wants.entry(member).or_default().up = Some(up);
    world.apply(member);
    world.step();
    let answer = world.seen[&member].up.as_ref().expect("an up").answer.clone();
    assert!(matches!(answer, Err(SfuError::SdpInvalid(_) | SfuError::SdpUnacceptable(_))));
    world.wants.remove(&member);
    world.apply(member);
    world.publisher(5);
}

#[test]
fn who_does_not_come_through_hears_of_an_address_that_came_up_and_nobody_else() {
    let mut world = World::new();
    let (source, viewers) = world.with_viewers(1);
    let late = world.viewer(200, &[source.member]);
    world.until("there is an offer", |world| {
        let down = world.seen.get(&late).and_then(|seen| seen.down.as_ref());
        down.is_some_and(|down| down.offer.is_some())
    });
    let is_stale =
        |world: &World, member| world.seen[member].down.as_ref().is_some_and(|down| down.is_stale);
    let lines = ["198.51.100.7", "198.51.100.8"]
        .map(|host| format!("candidate:1 1 udp 2130706431 {host} 10000 typ host"));
    let own = "198.51.100.7:10000".parse().expect("one");
    world.core.set_candidates([lines[0].clone()].into(), own);
    world.step();
    assert!(is_stale(&world, &late) && !is_stale(&world, &viewers[0]));
    assert!(!world.seen[&source.member].up.as_ref().is_some_and(|up| up.is_stale));
}

#[test]
fn new_addresses_are_in_the_next_offers_and_a_closed_room_says_goodbye() {
    let mut world = World::new();
    let (source, viewers) = world.with_viewers(1);
    let line = "candidate:1 1 udp 2130706431 198.51.100.7 10000 typ host";
    world.core.set_candidates([line.to_owned()].into(), "198.51.100.7:10000".parse().expect("one"));
    let late = world.viewer(200, &[source.member]);
    world.until("there is an offer", |world| {
        let down = world.seen.get(&late).and_then(|seen| seen.down.as_ref());
        down.is_some_and(|down| down.offer.is_some())
    });
    let offer = world.seen[&late].down.as_ref().and_then(|down| down.offer.clone());
    assert!(offer.is_some_and(|offer| offer.contains(line)));

    world.close_room();
    world.step();
    assert!(world.downs[&viewers[0]].closed && world.ups[&source.member].closed);
    assert_eq!(world.core.n_connections(), 0);
}
