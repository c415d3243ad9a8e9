//! From publisher to viewers: payloads intact, late viewers at once, keyframes when they are needed.

use std::time::Duration;

use crate::{seams::media::Path, sfu::testing::world::World};

#[test]
fn every_viewer_gets_every_payload_as_it_was() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(2);
    for frame in 0..60 {
        world.send_frame(&mut source, 1 + frame % 7, false);
        if frame % 20 == 0 {
            world.send_report(&source);
        }
        world.run(Duration::from_millis(30));
    }
    for viewer in viewers {
        assert!(world.has_all(viewer, &source, 0), "{viewer}");
        assert!(world.downs[&viewer].n_sender_reports >= 1);
        let down = world.seen[&viewer].down.as_ref().expect("a down");
        assert_eq!((down.path, down.mids.len()), (Path::Connected, 1));
        assert_eq!(down.mids[0].1.member, source.member);
    }
    let tracks = &world.seen[&source.member].up.as_ref().expect("an up").tracks;
    assert_eq!(tracks[0].codec.as_deref(), Some("VP8"));
}

#[test]
fn a_late_viewer_begins_with_the_cached_keyframe_and_asks_nobody() {
    let mut world = World::new();
    let (mut source, _) = world.with_viewers(1);
    for _ in 0..10 {
        world.send_frame(&mut source, 2, false);
        world.run(Duration::from_millis(30));
    }
    world.send_frame(&mut source, 5, true);
    let first = source.sent.len() - 5;
    world.send_frame(&mut source, 2, false);
    world.step();
    let n_plis = world.ups[&source.member].n_plis;
    let late = world.viewer(200, &[source.member]);
    world.until("the late viewer connects", |world| {
        let down = world.seen.get(&late).and_then(|seen| seen.down.as_ref());
        down.is_some_and(|down| down.path == Path::Connected)
    });
    world.step();
    assert!(world.has_all(late, &source, first), "no new packet was needed");
    assert_eq!(world.ups[&source.member].n_plis, n_plis);
}

#[test]
fn a_late_viewer_without_a_fresh_keyframe_has_one_asked_for() {
    let mut world = World::new();
    let (mut source, _) = world.with_viewers(1);
    for _ in 0..120 {
        world.send_frame(&mut source, 2, false);
        world.run(Duration::from_millis(30));
    }
    let n_plis = world.ups[&source.member].n_plis;
    let late = world.viewer(200, &[source.member]);
    let publisher = source.member;
    world.until("the publisher is asked", |world| world.ups[&publisher].n_plis > n_plis);
    world.send_frame(&mut source, 1, false);
    world.step();
    assert!(world.downs[&late].video().is_none(), "nothing that cannot be decoded");
    let first = source.sent.len();
    world.send_frame(&mut source, 4, true);
    world.run(Duration::from_millis(20));
    assert!(world.has_all(late, &source, first));
}

#[test]
fn a_plea_reaches_the_publisher_and_the_next_waits_its_turn() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(2);
    world.run(Duration::from_secs(1));
    let asked = |world: &World| world.ups[&source.member].n_plis;
    let before = asked(&world);
    world.downs.get_mut(&viewers[0]).expect("a viewer").send_pli();
    world.run(Duration::from_millis(20));
    assert_eq!(asked(&world), before + 1, "at once");
    world.downs.get_mut(&viewers[1]).expect("a viewer").send_pli();
    world.run(Duration::from_millis(400));
    assert_eq!(asked(&world), before + 1, "coalesced");
    world.run(Duration::from_millis(200));
    assert_eq!(asked(&world), before + 2, "but not forgotten: no keyframe has come");
    world.send_frame(&mut source, 2, true);
    world.run(Duration::from_secs(5));
    assert_eq!(world.ups[&source.member].n_plis, before + 2, "and the keyframe ends it");
}
