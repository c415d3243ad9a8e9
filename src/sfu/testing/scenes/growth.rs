//! What lives long does not grow: ten thousand turns leave as much behind as one.

use std::time::Duration;

use crate::sfu::testing::world::World;

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
        world.core.apply(world.now, crate::sfu::testing::world::ROOM, viewer, Some(want));
        world.core.flush(world.now, &mut world.wire);
        world.core.apply(world.now, crate::sfu::testing::world::ROOM, viewer, None);
        world.now += Duration::from_millis(1);
        assert!(world.core.n_timers() <= n_timers + 2, "turn {turn}: {}", world.core.n_timers());
        world.wire.datagrams.clear();
        world.wire.ways.clear();
    }
    assert_eq!(world.seen[&source.member].up.as_ref().map(|up| up.tracks.len()), Some(1));
}
