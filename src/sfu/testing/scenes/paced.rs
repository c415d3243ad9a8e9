//! What a path cannot take at once is spread over time: late starts and keyframes, in order, and nothing
//! of it stays behind.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    ids::MemberId,
    seams::media::Path,
    sfu::testing::{
        link::{Link, Teller},
        world::{STEP, Source, World},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(30);
const VIEWER: u16 = 150;

/// A viewer behind a narrow path that it has been measured on, and who publishes what it watches.
struct Narrow {
    world: World,
    source: Source,
    viewer: MemberId,
    teller: Teller,
    address: SocketAddr,
}

impl Narrow {
    /// A path of so many bits a second, with a queue of so many milliseconds.
    fn new(bps: f64, queue_ms: f64) -> Self {
        let mut world = World::new();
        let source = world.publisher(1);
        let viewer = world.viewer(VIEWER, &[source.member]);
        let address = world.downs[&viewer].address;
        let teller = Teller::new(world.now);
        let mut link = Link::new(bps);
        link.queue_len = (bps * queue_ms / 8000.0) as usize;
        world.links.insert(address, link);
        let mut narrow = Self { world, source, viewer, teller, address };
        narrow.send(1, true);
        // More than the path carries, until that is known; then little.
        let n_packets = (1.4 * bps * FRAME.as_secs_f64() / 8000.0) as usize;
        (0..100).for_each(|_| narrow.send(n_packets, false));
        (0..100).for_each(|n| narrow.send(1, n == 0));
        narrow.link().n_dropped = 0;
        narrow.link().longest = Duration::ZERO;
        narrow
    }

    fn link(&mut self) -> &mut Link {
        self.world.links.get_mut(&self.address).expect("a link")
    }

    fn step(&mut self) {
        let peer = self.world.downs.get_mut(&self.viewer).expect("a viewer");
        if peer.client.connected() {
            self.teller.tell(self.world.now, peer);
        }
        self.world.step();
    }

    fn run(&mut self, duration: Duration) {
        (0..duration.as_millis() / STEP.as_millis()).for_each(|_| self.step());
    }

    /// A frame, and the time until the next.
    fn send(&mut self, n_packets: usize, keyframe: bool) {
        let peer = self.world.ups.get_mut(&self.source.member).expect("a publisher");
        let is_asked = !std::mem::take(&mut peer.plis).is_empty();
        let keyframe = keyframe || is_asked;
        self.world.send_frame(&mut self.source, n_packets, keyframe);
        self.run(FRAME);
    }

    fn n_payloads(&self) -> usize {
        self.world.downs[&self.viewer].video().map_or(0, |video| video.payloads.len())
    }

    /// How long until the viewer has so many payloads.
    fn until_payloads(&mut self, n_payloads: usize, began: Instant) -> Duration {
        while self.n_payloads() < n_payloads {
            let (n, n_dropped) = (self.n_payloads(), self.link().n_dropped);
            let is_late = self.world.now >= began + 5 * SECOND;
            assert!(!is_late, "{n} of {n_payloads}, {n_dropped} lost in the queue");
            self.step();
        }
        self.world.now - began
    }
}

#[test]
fn a_large_keyframe_is_spread_and_what_follows_waits_behind_it() {
    // 1 Mb/s with a queue of 100 ms: a keyframe of 150 KB is twelve times that.
    let mut narrow = Narrow::new(1e6, 100.0);
    let (first, before) = (narrow.source.sent.len(), narrow.n_payloads());
    let began = narrow.world.now;
    narrow.send(150, true);
    for _ in 0..30 {
        narrow.send(1, false);
    }
    let took = narrow.until_payloads(before + 180, began);
    assert_eq!(narrow.link().n_dropped, 0);
    assert!((1250..2400).contains(&took.as_millis()), "{took:?}");
    let video = narrow.world.downs[&narrow.viewer].video().expect("a picture");
    let came: Vec<_> = video.payloads.values().rev().take(180).rev().collect();
    assert!(came.into_iter().eq(&narrow.source.sent[first..]), "in order, and whole");
    // All has caught up: what comes now is not kept back.
    narrow.run(SECOND);
    narrow.link().longest = Duration::ZERO;
    let before = narrow.n_payloads();
    narrow.world.send_frame(&mut narrow.source, 2, false);
    narrow.run(STEP * 6);
    assert_eq!(narrow.n_payloads(), before + 2);
}

/// The first watches a second publisher, whose keyframe and frames after it are in the cache.
fn start_another(narrow: &mut Narrow, n_packets: usize) -> Source {
    let mut other = narrow.world.publisher(2);
    narrow.world.send_frame(&mut other, n_packets - 20, true);
    for _ in 0..20 {
        narrow.world.send_frame(&mut other, 1, false);
        narrow.run(FRAME);
    }
    narrow.run(2 * SECOND - 20 * FRAME);
    let down = narrow.world.wants.get_mut(&narrow.viewer).and_then(|want| want.down.as_mut());
    down.expect("a wanted down").watch = [other.member].into();
    narrow.world.apply(narrow.viewer);
    other
}

#[test]
fn a_start_over_a_narrow_path_loses_nothing_and_takes_the_time_it_must() {
    // 2 Mb/s with a queue of 50 ms, 12 KB; the start is 80 KB.
    let mut narrow = Narrow::new(2e6, 50.0);
    let before = narrow.n_payloads();
    let mut other = start_another(&mut narrow, 80);
    let began = narrow.world.now;
    narrow.run(FRAME);
    for _ in 0..10 {
        narrow.world.send_frame(&mut other, 1, false);
        narrow.run(FRAME);
    }
    let took = narrow.until_payloads(before + 90, began);
    assert_eq!(narrow.link().n_dropped, 0);
    assert!((300..650).contains(&took.as_millis()), "{took:?}");
    let video = narrow.world.downs[&narrow.viewer].video().expect("a picture");
    let came: Vec<_> = video.payloads.values().rev().take(90).rev().collect();
    assert!(came.into_iter().eq(&other.sent), "the start, then what came meanwhile");
}

#[test]
fn a_start_that_would_take_too_long_waits_for_a_new_keyframe() {
    let mut narrow = Narrow::new(2e6, 50.0);
    let other = start_another(&mut narrow, 400);
    narrow.run(10 * STEP);
    assert!(narrow.world.ups[&other.member].n_plis > 0, "asked for");
}

#[test]
fn a_viewer_that_leaves_in_the_middle_leaves_nothing_behind() {
    let mut narrow = Narrow::new(1e6, 60.0);
    narrow.send(150, true);
    narrow.world.wants.remove(&narrow.viewer);
    narrow.world.apply(narrow.viewer);
    narrow.world.step();
    narrow.world.wire.datagrams.clear();
    let (mut n_woken, mut n_sent) = (0, 0);
    for _ in 0..200 {
        let now = narrow.world.now;
        n_woken += usize::from(narrow.world.core.poll_timeout().is_some_and(|due| due <= now));
        narrow.world.wake();
        let to_viewer = |(to, _): &&(SocketAddr, Vec<u8>)| *to == narrow.address;
        n_sent += narrow.world.wire.datagrams.iter().filter(to_viewer).count();
        narrow.world.wire.datagrams.clear();
        narrow.world.now += STEP;
    }
    assert_eq!(n_sent, 0);
    assert!(n_woken <= 30, "woken {n_woken} times in a second");
}

#[test]
fn on_loopback_a_start_is_one_flush() {
    let mut world = World::new();
    let (mut source, _) = world.with_viewers(1);
    world.send_frame(&mut source, 300, true);
    world.step();
    let late = world.viewer(200, &[source.member]);
    let address = SocketAddr::from(([127, 0, 0, 1], 45_000));
    world.downs.get_mut(&late).expect("a viewer").address = address;
    let mut most = 0;
    for _ in 0..400 {
        world.wake();
        let large =
            |(to, datagram): &&(SocketAddr, Vec<u8>)| *to == address && datagram.len() > 900;
        most = most.max(world.wire.datagrams.iter().filter(large).count());
        world.step();
    }
    let down = world.seen[&late].down.as_ref().expect("a down");
    assert_eq!((down.path, most), (Path::Connected, 300));
}

/// About 700 kb/s over 1 Mb/s, of which for half a second only so much is left. How many packets are kept
/// back from half a second later on: the most, and after three seconds.
fn kept_back(dip_bps: f64) -> (usize, usize) {
    let mut narrow = Narrow::new(1e6, 250.0);
    let steady = |narrow: &mut Narrow, n_frames: usize| {
        (0..n_frames).for_each(|n| narrow.send(2 + n % 2, false));
    };
    steady(&mut narrow, 100);
    let behind = |narrow: &Narrow| narrow.source.sent.len() - narrow.n_payloads();
    let never_came = behind(&narrow);
    narrow.link().bps = dip_bps;
    steady(&mut narrow, 16);
    narrow.link().bps = 1e6;
    steady(&mut narrow, 20);
    let mut most = 0;
    for _ in 0..50 {
        steady(&mut narrow, 2);
        most = most.max(behind(&narrow) - never_came);
    }
    assert_eq!(narrow.link().n_dropped, 0);
    (most, behind(&narrow) - never_came)
}

#[test]
fn what_was_chosen_is_not_kept_back_where_the_estimate_dips_a_little() {
    assert_eq!(kept_back(650e3), (0, 0));
}

#[test]
fn what_waits_after_a_dip_finds_out_that_it_is_over() {
    let (most, later) = kept_back(500e3);
    assert!(most <= 45 && later <= 10, "{most} packets, later {later}");
}
