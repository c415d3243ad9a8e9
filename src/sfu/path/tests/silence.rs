//! Paths that fall silent, and more than the start looked for before it is sent.

use super::*;

impl Viewer {
    /// Every so often: what was sent since, and the layer then, over so many steps.
    fn watch(&mut self, n_steps: u64, every: u64) -> Vec<(usize, Option<u8>)> {
        let mut seen = Vec::new();
        for _ in 0..n_steps {
            let before = self.n_sent;
            for _ in 0..every {
                self.step();
            }
            seen.push((self.n_sent - before, self.layer()));
        }
        seen
    }
}

#[test]
fn a_path_that_falls_silent_is_sent_less_and_less_and_begins_again_at_once() {
    // All is lost, or only what comes back.
    for loses in [true, false] {
        let mut viewer = Viewer::new(Path::new(20e6, 1));
        viewer.run(10);
        assert_eq!(viewer.layer(), Some(2));
        (viewer.deaf, viewer.path.loss) = (true, if loses { 1.0 } else { 0.0 });
        let seconds = viewer.watch(10, 100);
        let bytes: Vec<usize> = seconds.iter().map(|(bytes, _)| *bytes).collect();
        assert!(bytes[0] > 150_000, "a second is nothing yet: {bytes:?}");
        assert!(bytes.windows(2).all(|pair| pair[1] <= pair[0]), "{bytes:?}");
        let rest: usize = bytes[3..].iter().sum();
        assert!(rest < 60_000, "{bytes:?}");
        assert_eq!(viewer.layer(), None, "sound is all that is left");
        assert!(bytes[9] >= 3_000, "but that goes on: {bytes:?}");

        (viewer.deaf, viewer.path.loss) = (false, 0.0);
        let high = viewer.until(20, |viewer| viewer.layer() == Some(2));
        assert!(high.is_some_and(|s| s <= 3.0), "high after {high:?} s");
        let before = viewer.n_changes;
        viewer.run(30);
        assert_eq!(viewer.n_changes, before);
    }
}

#[test]
fn a_second_of_silence_changes_nothing() {
    for deaf_steps in [50, 90] {
        let mut viewer = Viewer::new(Path::new(20e6, 2));
        viewer.run(10);
        let before = viewer.n_changes;
        viewer.deaf = true;
        viewer.watch(1, deaf_steps);
        viewer.deaf = false;
        viewer.run(10);
        assert_eq!((viewer.layer(), viewer.n_changes), (Some(2), before), "{deaf_steps}");
        assert!(!viewer.estimator.is_measured());
    }
}

#[test]
fn what_is_under_way_is_bounded_whatever_is_chosen_to_be_sent() {
    let mut viewer = Viewer::new(Path::new(20e6, 3));
    viewer.run(10);
    (viewer.deaf, viewer.audio_bps) = (true, 0);
    // Nobody chooses layers anew, or asks for the rate: what goes out is bounded all the same.
    viewer.chooses = false;
    let seconds = viewer.watch(8, 100);
    let all: usize = seconds.iter().map(|(bytes, _)| bytes).sum();
    // 6 Mbit/s for a second and a round trip, and what a trial now and then takes.
    assert!((500_000..1_100_000).contains(&all), "{seconds:?}");
    assert!(seconds[7].0 > 0, "something goes out, that something may come back: {seconds:?}");
}

#[test]
fn where_nothing_is_sent_nothing_is_to_be_told() {
    let mut viewer = Viewer::new(Path::new(20e6, 4));
    viewer.run(5);
    viewer.audio_bps = 0;
    viewer.tiles[0].visible = false;
    viewer.run(1);
    assert_eq!(viewer.layer(), None);
    viewer.run(60);
    assert!(!viewer.estimator.is_measured(), "{}", viewer.estimator.bps());
    viewer.tiles[0].visible = true;
    viewer.run(1);
    assert_eq!(viewer.layer(), Some(2));
}

#[test]
fn more_than_the_start_is_looked_for_before_pictures_pay_for_it() {
    // Eight pictures: 12 Mbit/s.
    let eight = |bps, seed| {
        let mut viewer = Viewer::new(Path::new(bps, seed));
        viewer.tiles = vec![viewer.tiles[0]; 8];
        // All keyframes come at once here.
        viewer.path.queue_bytes = 500_000.0;
        viewer
    };
    for seed in 1..=4 {
        let mut viewer = eight(100e6, seed);
        let all = |viewer: &Viewer| viewer.tiles.iter().all(|tile| tile.current == Some(2));
        let high = viewer.until(20, all);
        assert!(high.is_some_and(|s| s <= 4.0), "all after {high:?} s, seed {seed}");
        assert!(!viewer.estimator.is_measured(), "without any sign of congestion");
        assert!(viewer.n_padding > 50_000, "{} bytes of padding", viewer.n_padding);

        let mut viewer = eight(8e6, seed);
        let mut n_falls = 0;
        for _ in 0..20 * 100 {
            let before: Vec<Option<u8>> = viewer.tiles.iter().map(|tile| tile.current).collect();
            viewer.step();
            n_falls +=
                viewer.tiles.iter().zip(before).filter(|(tile, was)| tile.current < *was).count();
        }
        assert!(n_falls <= 5, "seed {seed}: {n_falls} pictures fell");
    }
}

#[test]
fn of_a_new_path_nothing_is_known_whatever_is_still_told_of_the_former() {
    let mut viewer = Viewer::new(Path::new(300_000.0, 5));
    viewer.run(20);
    assert_eq!((viewer.layer(), viewer.estimator.is_measured()), (Some(0), true));
    viewer.watch(1, 5);
    viewer.estimator.begin_anew(viewer.now());
    assert!(!viewer.estimator.is_measured() && viewer.estimator.bps() >= START_BPS);
    // What was under way by the former path is lost with it, and the client says so.
    assert!(viewer.arrivals.len() > 3);
    viewer.arrivals.iter_mut().for_each(|(_, arrival)| *arrival = None);
    viewer.path = Path::new(20e6, 6);
    let high = viewer.until(5, |viewer| viewer.layer() == Some(2));
    assert!(high.is_some_and(|s| s <= 0.5), "high after {high:?} s");
    viewer.run(10);
    assert_eq!((viewer.layer(), viewer.estimator.is_measured()), (Some(2), false));
}
