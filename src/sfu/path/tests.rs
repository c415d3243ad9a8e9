//! Whole control loops over a simulated path, in virtual time: what a viewer gets, and when.

use std::collections::VecDeque;

use super::*;

mod silence;

/// One-way delays: to the viewer, and back.
const DELAY_US: u64 = 20_000;
/// A browser tells of arrivals this often.
const FEEDBACK_US: u64 = 100_000;
/// What the layers of one picture cost.
const LAYERS: [u32; 3] = [150_000, 500_000, 1_500_000];
const AUDIO_BPS: u32 = 40_000;

/// A path that carries so many bits a second and holds so many bytes.
struct Path {
    bps: f64,
    queue_bytes: f64,
    loss: f64,
    jitter_us: u64,
    /// A token bucket lets this many bytes pass at once.
    burst_bytes: f64,
    tokens: f64,
    refilled_us: u64,
    free_at_us: f64,
    random: u64,
}

impl Path {
    fn new(bps: f64, seed: u64) -> Self {
        Self {
            bps,
            queue_bytes: 60_000.0,
            loss: 0.0,
            jitter_us: 2_000,
            burst_bytes: 0.0,
            tokens: 0.0,
            refilled_us: 0,
            free_at_us: 0.0,
            random: seed,
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % n
    }

    /// When a packet arrives; `None`: it does not.
    fn carry(&mut self, now_us: u64, len: usize) -> Option<u64> {
        let refill = (now_us - self.refilled_us) as f64 * self.bps / 8e6;
        self.tokens = (self.tokens + refill).min(self.burst_bytes);
        self.refilled_us = now_us;
        let lost = self.loss > 0.0 && (self.below(10_000) as f64) < self.loss * 10_000.0;
        let jitter_us = if self.jitter_us == 0 { 0 } else { self.below(self.jitter_us) };
        if self.tokens >= len as f64 {
            self.tokens -= len as f64;
            return (!lost).then_some(now_us + DELAY_US + jitter_us);
        }
        let begin = self.free_at_us.max(now_us as f64);
        if (begin - now_us as f64) * self.bps / 8e6 > self.queue_bytes {
            return None;
        }
        self.free_at_us = begin + len as f64 * 8e6 / self.bps;
        (!lost).then_some(self.free_at_us as u64 + DELAY_US + jitter_us)
    }
}

/// A viewer of one picture with three layers.
struct Viewer {
    epoch: Instant,
    now_us: u64,
    estimator: Estimator,
    allocator: Allocator,
    path: Path,
    tiles: Vec<Tile>,
    arrivals: VecDeque<(u16, Option<u64>)>,
    /// Feedback on its way: when it comes, and what it says.
    feedback: VecDeque<(u64, Vec<u8>)>,
    told_us: u64,
    worst_queue_us: u64,
    n_changes: usize,
    n_lost: usize,
    audio_bps: u32,
    can_pad: bool,
    /// Bytes, and those of padding.
    n_sent: usize,
    n_padding: usize,
    /// Nothing that the browser tells comes here.
    deaf: bool,
    /// Layers are chosen.
    chooses: bool,
}

impl Viewer {
    fn new(path: Path) -> Self {
        let epoch = Instant::now() + Duration::from_secs(3600);
        let layer = |bps, height| Layer { bps, height };
        let tile = Tile {
            width: 1280,
            height: 720,
            visible: true,
            layers: [
                layer(LAYERS[0], 180),
                layer(LAYERS[1], 360),
                layer(LAYERS[2], 720),
                Layer::default(),
            ],
            current: None,
        };
        Self {
            epoch,
            now_us: 0,
            estimator: Estimator::new(epoch),
            allocator: Allocator::default(),
            path,
            tiles: vec![tile],
            arrivals: VecDeque::new(),
            feedback: VecDeque::new(),
            told_us: 0,
            worst_queue_us: 0,
            n_changes: 0,
            n_lost: 0,
            audio_bps: AUDIO_BPS,
            can_pad: true,
            n_sent: 0,
            n_padding: 0,
            deaf: false,
            chooses: true,
        }
    }

    fn now(&self) -> Instant {
        self.epoch + Duration::from_micros(self.now_us)
    }

    fn layer(&self) -> Option<u8> {
        self.tiles[0].current
    }

    fn send(&mut self, bytes: usize) {
        let mut left = bytes;
        self.n_sent += bytes;
        while left > 0 {
            let len = left.min(1200);
            left -= len;
            let sequence = self.estimator.sent(self.now(), len);
            let arrival = self.path.carry(self.now_us, len + BELOW);
            if let Some(at) = arrival {
                self.worst_queue_us = self.worst_queue_us.max(at - self.now_us - DELAY_US);
            }
            self.n_lost += usize::from(arrival.is_none());
            self.arrivals.push_back((sequence, arrival));
        }
    }

    /// 10 ms.
    fn step(&mut self) {
        self.now_us += 10_000;
        if self.now_us.is_multiple_of(20_000) && self.audio_bps > 0 {
            self.send(self.audio_bps as usize / 8 / 50 - BELOW);
        }
        if self.now_us.is_multiple_of(30_000) && !self.estimator.is_full(self.now()) {
            for n in 0..self.tiles.len() {
                let tile = self.tiles[n];
                let bps = tile.current.map_or(0, |layer| tile.layers[usize::from(layer)].bps);
                // Frames differ in size, and every 100th is a keyframe.
                let size = bps as usize * 30 / 8000;
                let varied = size / 2 + self.path.below(size.max(1) as u64) as usize;
                let is_key = self.now_us.is_multiple_of(3_000_000);
                self.send(if is_key { size * 5 } else { varied });
            }
        }
        let padding = self.estimator.padding(self.now());
        if padding > 0 && self.can_pad {
            self.n_padding += padding;
            self.send(padding);
        }
        self.report();
        while self.feedback.front().is_some_and(|(at, _)| *at <= self.now_us) {
            let (_, packet) = self.feedback.pop_front().expect("there is one");
            if self.deaf {
                continue;
            }
            let feedback = TransportFeedback::parse(&packet).expect("it is well formed");
            self.estimator.feedback(self.now(), &feedback);
        }
        if self.now_us.is_multiple_of(250_000) && self.chooses {
            self.allocate();
        }
    }

    /// The browser's side: tells of what came, in order, gaps included.
    fn report(&mut self) {
        if self.now_us < self.told_us + FEEDBACK_US {
            return;
        }
        let came = |arrival: &Option<u64>| arrival.is_some_and(|at| at <= self.now_us);
        let n = self.arrivals.iter().rposition(|(_, at)| came(at)).map_or(0, |last| last + 1);
        if n == 0 {
            return;
        }
        self.told_us = self.now_us;
        let told: Vec<_> = self.arrivals.drain(..n).collect();
        for part in told.chunks(200) {
            let first = part.iter().filter_map(|(_, at)| *at).next().unwrap_or(self.now_us);
            let reference = first / 64_000;
            let after = |at: u64| at as i64 - reference as i64 * 64_000;
            let arrivals: Vec<Option<i64>> =
                part.iter().map(|(_, at)| at.filter(|at| *at <= self.now_us).map(after)).collect();
            let packet = feedback::tests::write(part[0].0, reference as u32, &arrivals);
            self.feedback.push_back((self.now_us + DELAY_US, packet));
        }
    }

    fn allocate(&mut self) {
        self.estimator.look(self.now());
        let budget = Budget {
            bps: self.estimator.bps(),
            is_measured: self.estimator.is_measured(),
            audio_bps: f64::from(self.audio_bps),
        };
        let now = self.now();
        let allocation = self.allocator.allocate(now, budget, &self.tiles);
        self.estimator.want(now, allocation.wanted_bps, self.can_pad);
        for (tile, layer) in self.tiles.iter_mut().zip(&allocation.layers) {
            self.n_changes += usize::from(tile.current != *layer);
            tile.current = *layer;
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 100 {
            self.step();
        }
    }

    /// Seconds until `done`, at most `limit`.
    fn until(&mut self, limit: u64, done: impl Fn(&Self) -> bool) -> Option<f64> {
        let began = self.now_us;
        for _ in 0..limit * 100 {
            self.step();
            if done(self) {
                return Some((self.now_us - began) as f64 / 1e6);
            }
        }
        None
    }
}

#[test]
fn an_open_path_has_the_best_layer_from_the_first_moment_and_keeps_it() {
    for bps in [5e6, 1e9] {
        let mut viewer = Viewer::new(Path::new(bps, 1));
        viewer.run(1);
        assert_eq!(viewer.layer(), Some(2), "{bps}");
        viewer.run(60);
        assert_eq!((viewer.layer(), viewer.n_changes), (Some(2), 1), "{bps}");
    }
}

#[test]
fn a_limit_brings_the_low_layer_within_five_seconds_and_its_end_the_high_one_within_fifteen() {
    for (seed, burst_bytes) in [(1, 0.0), (2, 0.0), (3, 2_000.0), (4, 16_000.0), (5, 32_000.0)] {
        let mut viewer = Viewer::new(Path::new(20e6, seed));
        viewer.path.burst_bytes = burst_bytes;
        viewer.run(10);
        viewer.path.bps = 300_000.0;
        let low = viewer.until(10, |viewer| viewer.layer() == Some(0));
        assert!(low.is_some_and(|s| s <= 5.0), "low after {low:?} s, seed {seed}");
        viewer.run(5);
        viewer.worst_queue_us = 0;
        let before = viewer.n_changes;
        viewer.run(30);
        assert!(viewer.layer().is_some(), "there is a picture, seed {seed}");
        let (n, worst) = (viewer.n_changes - before, viewer.worst_queue_us);
        assert!(n <= 8 && worst < 1_500_000, "seed {seed}: {n} changes, {worst} us queued");
        viewer.path.bps = 20e6;
        let high = viewer.until(30, |viewer| viewer.layer() == Some(2));
        assert!(high.is_some_and(|s| s <= 15.0), "high after {high:?} s, seed {seed}");
    }
}

#[test]
fn a_path_just_above_a_layer_keeps_it() {
    for (bps, expected) in [(800_000.0, 1), (300_000.0, 0), (2_500_000.0, 2)] {
        let mut viewer = Viewer::new(Path::new(bps, 7));
        viewer.run(30);
        let before = viewer.n_changes;
        let mut n_expected = 0;
        for _ in 0..60 {
            viewer.run(1);
            n_expected += usize::from(viewer.layer() == Some(expected));
        }
        let n = viewer.n_changes - before;
        assert!(n_expected >= 50 && n <= 8, "{bps}: {n_expected} of 60 s, {n} changes");
    }
}

#[test]
fn some_loss_without_a_queue_changes_nothing() {
    let mut viewer = Viewer::new(Path::new(20e6, 9));
    viewer.path.loss = 0.05;
    viewer.run(60);
    assert_eq!(viewer.layer(), Some(2), "{:?}", viewer.estimator.bps());
}

#[test]
fn a_routers_short_queue_leaves_the_low_layer_alone() {
    for seed in 1..=8 {
        let mut viewer = Viewer::new(Path::new(20e6, seed));
        viewer.audio_bps = 90_000;
        viewer.run(10);
        viewer.path.bps = 300_000.0;
        // A quarter of a second.
        viewer.path.queue_bytes = 9_400.0;
        let low = viewer.until(10, |viewer| viewer.layer() == Some(0));
        assert!(low.is_some_and(|s| s <= 5.0), "low after {low:?} s, seed {seed}");
        viewer.run(3);
        let (before, n_lost) = (viewer.n_changes, viewer.n_lost);
        viewer.run(40);
        let (n_changes, n_lost) = (viewer.n_changes - before, viewer.n_lost - n_lost);
        assert_eq!((viewer.layer(), n_changes), (Some(0), 0), "seed {seed}");
        assert!(n_lost < 40, "seed {seed}: {n_lost} packets lost to probes and keyframes");
    }
}

#[test]
fn a_path_that_loses_one_in_twenty_is_found_to_be_wide() {
    for seed in 1..=8 {
        let mut viewer = Viewer::new(Path::new(300_000.0, seed));
        viewer.run(15);
        viewer.path.bps = 20e6;
        viewer.path.loss = 0.05;
        let high = viewer.until(40, |viewer| viewer.layer() == Some(2));
        assert!(high.is_some_and(|s| s <= 25.0), "high after {high:?} s, seed {seed}");
        let before = viewer.n_changes;
        viewer.run(60);
        assert_eq!(viewer.n_changes, before, "seed {seed}: {}", viewer.estimator.bps());
    }
}

#[test]
fn without_padding_a_wider_path_is_found_by_trying() {
    let mut viewer = Viewer::new(Path::new(300_000.0, 3));
    viewer.can_pad = false;
    viewer.run(20);
    let before = viewer.n_changes;
    viewer.run(60);
    let n_tries = viewer.n_changes - before;
    assert!(n_tries <= 12, "{n_tries} changes in a minute of a narrow path");
    viewer.path.bps = 20e6;
    let high = viewer.until(60, |viewer| viewer.layer() == Some(2));
    assert!(high.is_some_and(|s| s <= 45.0), "high after {high:?} s");
}

#[test]
fn heavy_loss_is_a_limit() {
    let mut viewer = Viewer::new(Path::new(400_000.0, 9));
    viewer.path.queue_bytes = 3_000.0;
    viewer.run(15);
    assert_eq!(viewer.layer(), Some(0), "{:?}", viewer.estimator.bps());
}

#[test]
fn padding_is_sent_only_while_something_is_wanted() {
    let mut viewer = Viewer::new(Path::new(300_000.0, 1));
    viewer.run(20);
    viewer.tiles[0].visible = false;
    viewer.run(3);
    assert_eq!(viewer.layer(), None);
    for _ in 0..1000 {
        viewer.step();
        assert_eq!(viewer.estimator.padding(viewer.now()), 0);
    }
}
