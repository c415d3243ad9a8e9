//! What lives long does not grow: ten thousand turns leave as much behind as one.

use std::time::Duration;

use crate::sfu::testing::world::{STEP, World};

#[test]
fn who_comes_and_goes_leaves_no_entry_behind() {
    let mut world = World::new();
    let (source, _) = world.with_viewers(1);
    let n_timers = world.core.n_timers();
    for turn in 0..10_000_u32 {
        // One after the other, as fast as they can be told of.
        let number = 2000 + turn % 50;
        let viewer = crate::ids::MemberId(number.into());
        let mut want = world.wants[&crate::ids::MemberId(100)].clone();
        let down = want.down.as_mut().expect("a wanted down");
        (down.generation, down.answer) = (turn, None);
        // Each has a time to connect.
        want.up = world.wants[&source.member].up.clone();
        world.core.apply(world.now, crate::sfu::testing::world::ROOM, viewer, Some(want));
        world.core.flush(world.now, &mut world.wire);
        assert!(world.core.n_timers() > n_timers, "turn {turn}");
        world.core.apply(world.now, crate::sfu::testing::world::ROOM, viewer, None);
        world.now += Duration::from_millis(1);
        assert!(world.core.n_timers() <= n_timers + 2, "turn {turn}: {}", world.core.n_timers());
        world.wire.datagrams.clear();
        world.wire.ways.clear();
    }
    assert_eq!(world.seen[&source.member].up.as_ref().map(|up| up.tracks.len()), Some(1));
}

#[test]
fn what_a_viewer_asks_for_that_nothing_can_be_sent_to_is_not_kept() {
    let mut world = World::new();
    let (source, viewers) = world.with_viewers(1);
    let peer = world.downs.get_mut(&viewers[0]).expect("a viewer");
    // It goes on checking, which keeps it, but does not say any more that it wants media there.
    peer.client.answers_checks = false;
    let ssrc = peer.sections[0].ssrc;
    world.run(Duration::from_secs(36));
    for turn in 0..10_000_u32 {
        let mut nack = vec![0x81, 205, 0, 3, 0, 0, 0, 9];
        nack.extend(ssrc.to_be_bytes());
        nack.extend(turn.to_be_bytes());
        let peer = world.downs.get_mut(&viewers[0]).expect("a viewer");
        peer.client.send_rtcp(&nack);
        world.wake();
        world.now += STEP;
        assert_eq!(world.core.n_waiting(), 0, "turn {turn}");
    }
    world.wire.ways.clear();
    let mut source = source;
    world.send_frame(&mut source, 1, true);
    world.wake();
    let address = world.downs[&viewers[0]].address;
    let n_large = world.wire.datagrams.iter().filter(|(to, d)| *to == address && d.len() > 500);
    assert_eq!(n_large.count(), 0, "nothing is sent to who does not want it");
}
