//! A lossy path to a viewer is repaired from the track's cache, by RTX.

use std::time::Duration;

use crate::sfu::testing::world::World;

#[test]
fn one_in_ten_lost_and_everything_arrives() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(2);
    for viewer in &viewers {
        let peer = world.downs.get_mut(viewer).expect("a viewer");
        peer.nacks = true;
    }
    world.downs.get_mut(&viewers[1]).expect("a viewer").loss_percent = 10;
    for frame in 0..300 {
        world.send_frame(&mut source, 1 + frame % 5, frame % 100 == 99);
        world.run(Duration::from_millis(30));
    }
    // The very last packet may be lost, and nobody would know.
    world.downs.get_mut(&viewers[1]).expect("a viewer").loss_percent = 0;
    world.send_frame(&mut source, 1, false);
    world.run(Duration::from_millis(100));
    for viewer in &viewers {
        assert!(world.has_all(*viewer, &source, 0), "{viewer}");
    }
    let repaired = |index: usize| world.downs[&viewers[index]].video().expect("video").n_repaired;
    assert_eq!(repaired(0), 0, "who lost nothing gets nothing twice");
    assert!(repaired(1) > 50, "{}", repaired(1));
    assert!(world.ups[&source.member].n_plis <= 1, "loss downstream is no reason for keyframes");
}
