//! A viewer whose client sends receiver reports and nothing better: it too gets what its path takes.

use std::time::Duration;

use super::layers::{Layered, SECOND, Watcher, play};
use crate::sfu::testing::{
    link::{Link, Reporter},
    world::World,
};

/// The first of two viewers only reports, every so often; the other tells of arrivals.
fn two_viewers(every: Duration) -> (World, Layered, [Watcher; 2]) {
    let mut world = World::new();
    let mut source = Layered::new(&mut world);
    let mut viewers = [120, 121].map(|n| Watcher::new(&mut world, n, source.member));
    let peer = world.downs.get_mut(&viewers[0].member).expect("a viewer");
    // Neither the numbers' extension nor retransmissions.
    peer.answers =
        |answer| answer.replace("a=extmap:3 ", "a=extmap:4 ").replace("SAVPF 96 97", "SAVPF 96");
    viewers[0].teller.reporter = Some(Reporter::new(world.now, every));
    let high = play(&mut world, &mut source, &mut viewers, 10 * SECOND, |world, viewers| {
        viewers.iter().all(|viewer| viewer.layer(world) == Some(2))
    });
    assert!(high.is_some(), "both begin with the best");
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    (world, source, viewers)
}

/// Seconds of so many in which the viewer had this layer at their end, and changes of it.
fn watch(
    world: &mut World,
    source: &mut Layered,
    viewers: &mut [Watcher; 2],
    seconds: usize,
    layer: u8,
) -> (usize, usize) {
    let (mut n_had, mut n_changes, mut former) = (0, 0, viewers[0].layer(world));
    for _ in 0..seconds {
        play(world, source, viewers, SECOND, |_, _| false);
        let has = viewers[0].layer(world);
        n_had += usize::from(has == Some(layer));
        n_changes += usize::from(has != former);
        former = has;
    }
    (n_had, n_changes)
}

#[test]
fn a_client_that_only_reports_falls_with_its_path_and_comes_back_and_nobody_else_notices() {
    // A router's queue of a quarter second, and one of nearly two.
    for queue_len in [9_400, 60_000] {
        falls_and_comes_back(queue_len);
    }
}

fn falls_and_comes_back(queue_len: usize) {
    let (mut world, mut source, mut viewers) = two_viewers(SECOND);
    let address = world.downs[&viewers[0].member].address;
    let mut link = Link::new(300_000.0);
    link.queue_len = queue_len;
    world.links.insert(address, link);
    let low = play(&mut world, &mut source, &mut viewers, 10 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(0)
    });
    assert!(low.is_some_and(|took| took <= 5 * SECOND), "low after {low:?}");
    // Trials become rare: of two minutes few seconds are lost to them.
    watch(&mut world, &mut source, &mut viewers, 5, 0);
    let (n_low, n_changes) = watch(&mut world, &mut source, &mut viewers, 120, 0);
    assert!(n_low >= 105 && n_changes <= 10, "{n_low} of 120 s, {n_changes} changes");

    world.links.get_mut(&address).expect("a link").bps = 50e6;
    let high = play(&mut world, &mut source, &mut viewers, 120 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(2)
    });
    assert!(high.is_some_and(|took| took <= 80 * SECOND), "high after {high:?}");
    let (n_high, _) = watch(&mut world, &mut source, &mut viewers, 30, 2);
    assert_eq!(n_high, 30);
    viewers[1].assert_continuous(&world);
    let other = viewers[1].layers(&world);
    assert!(other == [2] || other == [0, 2], "the other viewer's picture: {other:?}");
}

#[test]
fn a_short_dip_is_over_soon() {
    let (mut world, mut source, mut viewers) = two_viewers(SECOND);
    let address = world.downs[&viewers[0].member].address;
    world.links.insert(address, Link::new(300_000.0));
    play(&mut world, &mut source, &mut viewers, 6 * SECOND, |_, _| false);
    world.links.get_mut(&address).expect("a link").bps = 50e6;
    let high = play(&mut world, &mut source, &mut viewers, 60 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(2)
    });
    assert!(high.is_some_and(|took| took <= 25 * SECOND), "high after {high:?}");
}

#[test]
fn who_reports_every_five_seconds_falls_within_ten() {
    let (mut world, mut source, mut viewers) = two_viewers(5 * SECOND);
    let address = world.downs[&viewers[0].member].address;
    world.links.insert(address, Link::new(300_000.0));
    let low = play(&mut world, &mut source, &mut viewers, 20 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(0)
    });
    assert!(low.is_some_and(|took| took <= 10 * SECOND), "low after {low:?}");
}

#[test]
fn a_loss_of_one_in_fifty_changes_nothing() {
    let (mut world, mut source, mut viewers) = two_viewers(SECOND);
    world.downs.get_mut(&viewers[0].member).expect("a viewer").loss_percent = 2;
    let (n_high, n_changes) = watch(&mut world, &mut source, &mut viewers, 60, 2);
    assert_eq!((n_high, n_changes), (60, 0));
}
