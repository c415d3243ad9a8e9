//! A publisher encodes what somebody needs: off after a while, on at once, and nobody waits longer
//! for a picture by that.

use std::time::Duration;

use super::layers::{Layered, SECOND, Watcher, play, show};
use crate::{ids::MemberId, seams::media::Path, sfu::testing::world::World};

/// A publisher that does as it is told, watched by so many.
fn obedient(n_viewers: u16) -> (World, Layered, Vec<Watcher>) {
    let mut world = World::new();
    let mut source = Layered::new(&mut world);
    source.obeys = true;
    let viewers = (0..n_viewers).map(|n| Watcher::new(&mut world, 110 + n, source.member));
    let viewers = viewers.collect();
    (world, source, viewers)
}

/// What the publisher is told of its picture's layers.
fn told(world: &World) -> Option<&[bool]> {
    let up = world.seen[&MemberId(1)].up.as_ref().expect("an up");
    up.layers.values().next().map(Vec::as_slice)
}

fn n_packets(world: &World, viewer: &Watcher) -> usize {
    world.downs[&viewer.member].video().map_or(0, |video| video.payloads.len())
}

#[test]
fn a_hidden_tile_turns_all_layers_off_and_a_shown_one_what_it_needs_on_at_once() {
    let (mut world, mut source, mut viewers) = obedient(1);
    let viewer = viewers[0].member;
    let best = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(2)
    });
    assert!(best.is_some());
    play(&mut world, &mut source, &mut viewers, 8 * SECOND, |_, _| false);
    assert_eq!(told(&world), Some(&[true, false, true][..]), "nobody needs the middle one");

    show(&mut world, viewer, 0);
    let off = play(&mut world, &mut source, &mut viewers, 10 * SECOND, |world, _| {
        told(world) == Some(&[false; 3])
    });
    assert!(off.is_some_and(|took| took >= 4 * SECOND && took <= 6 * SECOND), "off: {off:?}");
    play(&mut world, &mut source, &mut viewers, 60 * SECOND, |_, _| false);
    assert_eq!(told(&world), Some(&[false; 3][..]), "and it stays so");
    let up = world.seen[&MemberId(1)].up.as_ref().expect("an up");
    assert_eq!((up.path, up.tracks.len()), (Path::Connected, 1), "it is not lost by that");

    let (n, plis) = (n_packets(&world, &viewers[0]), world.ups[&MemberId(1)].n_plis);
    show(&mut world, viewer, 720);
    world.wake();
    assert_eq!(told(&world), Some(&[true, false, true][..]), "on in the same flush");
    let back = play(&mut world, &mut source, &mut viewers, 3 * SECOND, |world, viewers| {
        viewers[0].has_picture_since(world, n)
    });
    assert!(back.is_some_and(|took| took <= SECOND / 10), "the picture is back: {back:?}");
    assert_eq!(viewers[0].layer(&world), Some(2), "the best one");
    assert_eq!(world.ups[&MemberId(1)].n_plis, plis, "it began with its keyframe, unasked");
    viewers[0].assert_continuous(&world);
}

#[test]
fn a_small_tile_stops_the_upper_layers_and_a_large_one_brings_the_best_back() {
    let (mut world, mut source, mut viewers) = obedient(1);
    let viewer = viewers[0].member;
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    show(&mut world, viewer, 170);
    let off = play(&mut world, &mut source, &mut viewers, 15 * SECOND, |world, _| {
        told(world) == Some(&[true, false, false])
    });
    assert!(off.is_some_and(|took| took >= 4 * SECOND), "upper layers are off: {off:?}");
    play(&mut world, &mut source, &mut viewers, 5 * SECOND, |_, _| false);
    for (height, layer) in [(360, 1), (720, 2)] {
        let n = n_packets(&world, &viewers[0]);
        show(&mut world, viewer, height);
        let large = play(&mut world, &mut source, &mut viewers, 3 * SECOND, |world, viewers| {
            viewers[0].layer(world) == Some(layer)
        });
        assert!(large.is_some_and(|took| took <= SECOND / 5), "{height} lines: {large:?}");
        assert!(n_packets(&world, &viewers[0]) > n);
    }
    viewers[0].assert_continuous(&world);
}

#[test]
fn while_a_layer_wakes_the_lower_one_goes_on() {
    let (mut world, mut source, mut viewers) = obedient(1);
    let viewer = viewers[0].member;
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    show(&mut world, viewer, 170);
    play(&mut world, &mut source, &mut viewers, 10 * SECOND, |_, _| false);
    assert_eq!(source.on, [true, false, false]);
    // Its word does not reach the publisher, or its path does not carry the layer.
    source.obeys = false;
    show(&mut world, viewer, 720);
    for _ in 0..20 {
        let n = n_packets(&world, &viewers[0]);
        play(&mut world, &mut source, &mut viewers, SECOND / 2, |_, _| false);
        assert!(n_packets(&world, &viewers[0]) > n, "a picture all the time");
    }
    assert_eq!(told(&world), None, "all that could be had was asked for, and nothing is flapping");
    source.on = vec![true; 3];
    let large = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(2)
    });
    assert!(large.is_some_and(|took| took <= SECOND), "it comes after all: {large:?}");
    viewers[0].assert_continuous(&world);
}

#[test]
fn one_who_is_alone_sends_nothing_and_whoever_comes_has_the_best_picture_at_once() {
    let (mut world, mut source, mut viewers) = obedient(0);
    let off = play(&mut world, &mut source, &mut viewers, 10 * SECOND, |world, _| {
        told(world) == Some(&[false; 3])
    });
    assert!(off.is_some_and(|took| took >= 4 * SECOND), "off: {off:?}");
    play(&mut world, &mut source, &mut viewers, 30 * SECOND, |_, _| false);

    viewers.push(Watcher::new(&mut world, 120, source.member));
    world.step();
    assert_eq!(told(&world), Some(&[true, false, true][..]), "before it has connected");
    let first = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
        viewers[0].layer(world).is_some()
    });
    let connected = world.downs[&viewers[0].member].client.connected();
    assert!(connected && first.is_some_and(|took| took <= SECOND / 2), "{first:?}");
    assert_eq!(viewers[0].layer(&world), Some(2));

    // Whoever never answers keeps nobody encoding.
    world.downs.get_mut(&viewers[0].member).expect("a viewer").mute = true;
    let gone = viewers.remove(0).member;
    world.wants.remove(&gone);
    world.apply(gone);
    let silent = world.viewer(121, &[source.member]);
    world.downs.remove(&silent);
    let off = play(&mut world, &mut source, &mut viewers, 30 * SECOND, |world, _| {
        told(world) == Some(&[false; 3])
    });
    assert!(off.is_some_and(|took| took >= 10 * SECOND), "off again: {off:?}");
}

#[test]
fn a_camera_that_is_off_by_choice_comes_back_with_all_that_is_needed() {
    let (mut world, mut source, mut viewers) = obedient(1);
    play(&mut world, &mut source, &mut viewers, 10 * SECOND, |_, _| false);
    let off = std::mem::replace(&mut source.on, vec![false; 3]);
    source.obeys = false;
    play(&mut world, &mut source, &mut viewers, 20 * SECOND, |_, _| false);
    let n = n_packets(&world, &viewers[0]);
    assert_eq!(off, [true, false, true]);
    source.obeys = true;
    let back = play(&mut world, &mut source, &mut viewers, 3 * SECOND, |world, viewers| {
        viewers[0].has_picture_since(world, n)
    });
    assert!(back.is_some_and(|took| took <= Duration::from_millis(400)), "back: {back:?}");
    let best = play(&mut world, &mut source, &mut viewers, 3 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(2)
    });
    assert!(best.is_some(), "and the best of it");
    viewers[0].assert_continuous(&world);
}

#[test]
fn whoever_comes_while_the_best_layer_wakes_has_a_lower_one_until_then() {
    let (mut world, mut source, mut viewers) = obedient(1);
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    show(&mut world, viewers[0].member, 170);
    play(&mut world, &mut source, &mut viewers, 10 * SECOND, |_, _| false);
    assert_eq!(source.on, [true, false, false]);
    // The word that the best one is needed takes its time to the publisher.
    source.obeys = false;
    viewers.push(Watcher::new(&mut world, 120, source.member));
    let first = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
        viewers[1].layer(world).is_some()
    });
    assert!(first.is_some_and(|took| took <= SECOND / 4), "a picture at once: {first:?}");
    assert_eq!(viewers[1].layer(&world), Some(0));
    source.obeys = true;
    let best = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
        viewers[1].layer(world) == Some(2)
    });
    assert!(best.is_some_and(|took| took <= SECOND / 5), "then the best: {best:?}");
    viewers[1].assert_continuous(&world);
}

#[test]
fn the_keyframe_for_a_late_viewer_is_fetched_while_it_answers() {
    let mut world = World::new();
    let (mut source, _) = world.with_viewers(1);
    for _ in 0..300 {
        world.send_frame(&mut source, 2, false);
        world.run(Duration::from_millis(33));
    }
    let member = source.member;
    let n_plis = |world: &World| world.ups[&member].n_plis;
    let before = n_plis(&world);
    let late = world.viewer(140, &[member]);
    world.step();
    world.step();
    assert!(!world.downs[&late].client.connected());
    assert_eq!(n_plis(&world), before + 1, "asked for with the offer");
    // Another who comes now finds one that is fresh enough.
    world.send_frame(&mut source, 3, true);
    world.step();
    world.viewer(141, &[member]);
    world.step();
    world.step();
    assert_eq!(n_plis(&world), before + 1);
}

/// Cameras send one size alone.
#[test]
fn a_picture_of_one_size_rests_while_nobody_needs_it_and_whoever_comes_has_it_at_once() {
    let mut world = World::new();
    let mut source = world.publisher(1);
    let mut n = 0;
    let mut frames = |world: &mut World, time: Duration| {
        let end = world.now + time;
        while world.now < end {
            let begins = told(world).is_none() && n == 0;
            n = if told(world).is_none() { n + 1 } else { 0 };
            if n > 0 {
                world.send_frame(&mut source, 2, begins);
            }
            world.run(Duration::from_millis(30));
        }
        (source.member, source.sent.len())
    };
    let (member, _) = frames(&mut world, 4 * SECOND);
    assert_eq!(told(&world), None, "a few seconds are nothing");
    let (_, n_before) = frames(&mut world, 4 * SECOND);
    assert_eq!(told(&world), Some(&[false][..]));
    let (_, n_after) = frames(&mut world, 60 * SECOND);
    assert_eq!((told(&world), n_after), (Some(&[false][..]), n_before), "and it stays so");

    let n_plis = world.ups[&member].n_plis;
    let viewer = world.viewer(110, &[member]);
    world.step();
    assert_eq!(told(&world), None, "before the viewer has connected");
    frames(&mut world, SECOND / 2);
    let video = world.downs[&viewer].video().expect("a picture");
    assert!(!video.payloads.is_empty() && video.missing(1).is_empty());
    assert_eq!(world.ups[&member].n_plis, n_plis, "it began with its keyframe, unasked");
}
