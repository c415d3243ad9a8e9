//! A room on two workers in one memory: what viewers of the second one get, and what crosses.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::layers::{Layered, SECOND, Watcher, play, show};
use crate::{
    ids::MemberId,
    seams::media::{Desired, Observed, Path},
    sfu::{
        down::DownShared,
        relay::pipe::{MAX_WAITING, Pipe},
        testing::world::{ROOM, SPOKEN, Source, Wire, World},
        up::UpShared,
        wire::{bell::Bell, candidates::host_candidates},
        worker::core::WorkerCore,
    },
};

const PART: u64 = 8;
const PORT: u16 = 10_001;

/// The room's second worker.
pub(crate) struct Annex {
    core: WorkerCore,
    pipe: Arc<Pipe>,
    /// Members from this number on receive by it.
    first: u64,
    /// It does not come to do anything.
    is_late: bool,
}

impl Annex {
    pub(crate) fn has(&self, member: MemberId) -> bool {
        member.0 >= self.first
    }

    pub(crate) fn core_of(&mut self, viewer: MemberId) -> Option<&mut WorkerCore> {
        self.has(viewer).then_some(&mut self.core)
    }

    /// Takes what is this worker's out of a wish.
    pub(crate) fn apply(&mut self, now: Instant, member: MemberId, want: Option<&mut Desired>) {
        let down = want.map(|want| Desired { up: None, down: want.down.take() });
        self.core.apply(now, PART, member, down);
    }

    pub(crate) fn wake(&mut self, now: Instant, wire: &mut Wire) {
        if self.is_late {
            return;
        }
        if self.core.poll_timeout().is_some_and(|due| due <= now) {
            self.core.handle_timeout(now);
        }
        self.core.flush(now, wire);
    }

    pub(crate) fn news(&mut self) -> impl Iterator<Item = (MemberId, Observed)> {
        self.core.take_news().into_iter().map(|(room, member, observed)| {
            assert_eq!(room, PART);
            (member, observed)
        })
    }
}

impl World {
    /// A world whose members from 150 on receive by a second worker.
    pub(super) fn split() -> Self {
        let mut world = Self::new();
        let candidates = host_candidates(&crate::seams::Addresses::loopback(), PORT, false, SPOKEN);
        let local = std::net::SocketAddr::from(([127, 0, 0, 1], PORT));
        let up = UpShared::new().expect("a certificate");
        let down = DownShared::new().expect("a certificate");
        let mut core = WorkerCore::new(up, down, candidates.into(), local, [8; 32]);
        let bell = || Arc::new(Bell::new().expect("a bell"));
        let pipe = Arc::new(Pipe::new(bell(), bell()));
        core.open_annex(world.now, PART, Arc::clone(&pipe));
        world.core.link(ROOM, Arc::clone(&pipe));
        world.annex = Some(Annex { core, pipe, first: 150, is_late: false });
        world
    }

    fn late(&mut self, is_late: bool) {
        self.annex.as_mut().expect("an annex").is_late = is_late;
    }

    fn is_connected(&self, viewer: MemberId) -> bool {
        let down = self.seen.get(&viewer).and_then(|seen| seen.down.as_ref());
        down.is_some_and(|down| down.path == Path::Connected)
    }

    fn n_packets(&self, viewer: MemberId) -> usize {
        self.downs[&viewer].video().map_or(0, |video| video.payloads.len())
    }

    fn n_plis(&self, source: &Source) -> usize {
        self.ups[&source.member].n_plis
    }

    /// A publisher and a viewer on the second worker that has its first keyframe.
    fn with_one_elsewhere(&mut self) -> (Source, MemberId) {
        let mut source = self.publisher(1);
        let viewer = self.viewer(200, &[source.member]);
        self.send_frame(&mut source, 3, true);
        self.until("the keyframe crosses", |world| world.n_packets(viewer) == 3);
        (source, viewer)
    }

    fn play_frames(&mut self, source: &mut Source, n_frames: usize) {
        for _ in 0..n_frames {
            self.send_frame(source, 2, false);
            self.run(Duration::from_millis(30));
        }
    }
}

#[test]
fn viewers_of_both_workers_get_every_payload_and_the_publishers_clock() {
    let mut world = World::split();
    let (mut source, elsewhere) = world.with_one_elsewhere();
    let home = world.viewer(100, &[source.member]);
    world.until("the other connects", |world| world.is_connected(home));
    world.send_frame(&mut source, 3, true);
    for frame in 0..60 {
        world.send_frame(&mut source, 1 + frame % 7, false);
        if frame % 20 == 0 {
            world.send_report(&source);
        }
        world.run(Duration::from_millis(30));
    }
    assert!(world.has_all(elsewhere, &source, 0));
    assert!(world.n_packets(home) > 60);
    assert!(world.downs[&elsewhere].n_sender_reports >= 1);
    let down = world.seen[&elsewhere].down.as_ref().expect("a down");
    assert_eq!((down.mids.len(), down.mids[0].1.member), (1, source.member));
}

#[test]
fn a_late_viewer_elsewhere_begins_with_the_cached_keyframe_and_asks_nobody() {
    let mut world = World::split();
    let (mut source, _) = world.with_viewers(1);
    world.play_frames(&mut source, 10);
    world.send_frame(&mut source, 5, true);
    let first = source.sent.len() - 5;
    world.send_frame(&mut source, 2, false);
    world.step();
    let n_plis = world.n_plis(&source);
    for number in [200, 201] {
        let late = world.viewer(number, &[source.member]);
        world.until("the late viewer connects", |world| world.is_connected(late));
        world.step();
        assert!(world.has_all(late, &source, first), "{number}: no new packet was needed");
    }
    assert_eq!(world.n_plis(&source), n_plis);
}

#[test]
fn what_a_viewer_lost_comes_from_its_own_worker() {
    let mut world = World::split();
    let (mut source, viewer) = world.with_one_elsewhere();
    let peer = world.downs.get_mut(&viewer).expect("a viewer");
    (peer.loss_percent, peer.nacks) = (20, true);
    world.play_frames(&mut source, 40);
    // The home knows neither this viewer nor its NACKs; only what is handed over once is there.
    let peer = world.downs.get_mut(&viewer).expect("a viewer");
    peer.loss_percent = 0;
    world.run(Duration::from_millis(500));
    world.play_frames(&mut source, 1);
    world.until("all is repaired", |world| world.has_all(viewer, &source, 0));
    let n_repaired = world.downs[&viewer].video().expect("a picture").n_repaired;
    assert!(n_repaired > 5, "{n_repaired}");
}

#[test]
fn a_plea_from_elsewhere_reaches_the_publisher_and_pleas_of_both_workers_are_one() {
    let mut world = World::split();
    let (mut source, elsewhere) = world.with_one_elsewhere();
    let home = world.viewer(100, &[source.member]);
    world.until("the other connects", |world| world.is_connected(home));
    world.send_frame(&mut source, 2, true);
    world.run(3 * SECOND);
    let before = world.n_plis(&source);
    world.downs.get_mut(&elsewhere).expect("a viewer").send_pli();
    world.run(Duration::from_millis(20));
    assert_eq!(world.n_plis(&source), before + 1, "at once");
    world.downs.get_mut(&home).expect("a viewer").send_pli();
    world.downs.get_mut(&elsewhere).expect("a viewer").send_pli();
    world.run(Duration::from_millis(300));
    assert_eq!(world.n_plis(&source), before + 1, "coalesced");
    world.send_frame(&mut source, 2, true);
    world.run(5 * SECOND);
    assert_eq!(world.n_plis(&source), before + 1, "and the keyframe ends it for both");
}

#[test]
fn each_viewer_elsewhere_has_the_layer_it_can_use_and_only_those_cross() {
    let mut world = World::split();
    let mut source = Layered::new(&mut world);
    let mut viewers = vec![
        Watcher::new(&mut world, 200, source.member),
        Watcher::new(&mut world, 201, source.member),
    ];
    let best = play(&mut world, &mut source, &mut viewers, 10 * SECOND, |world, viewers| {
        viewers.iter().all(|viewer| viewer.layer(world) == Some(2))
    });
    assert!(best.is_some(), "the best");
    show(&mut world, viewers[0].member, 170);
    let small = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(0)
    });
    assert!(small.is_some(), "a small tile has the small picture");
    assert_eq!(viewers[1].layer(&world), Some(2), "the other notices nothing");
    assert_eq!(crossing(&world), [true, false, true, false]);
    show(&mut world, viewers[0].member, 720);
    let large = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(2)
    });
    assert!(large.is_some(), "and back");
    viewers.iter().for_each(|viewer| viewer.assert_continuous(&world));
    play(&mut world, &mut source, &mut viewers, SECOND, |_, _| false);
    assert_eq!(crossing(&world), [false, false, true, false]);
}

/// Layers of packets that went over with the newest batches; the annex sleeps meanwhile.
fn crossing(world: &World) -> [bool; 4] {
    world.core.watched_elsewhere(ROOM).into_iter().next().expect("a track is watched")
}

#[test]
fn a_layer_that_only_the_second_worker_needs_is_not_turned_off() {
    let mut world = World::split();
    let mut source = Layered::new(&mut world);
    source.obeys = true;
    let mut viewers = [Watcher::new(&mut world, 200, source.member)];
    play(&mut world, &mut source, &mut viewers, 10 * SECOND, |_, _| false);
    let told = |world: &World| -> Vec<bool> {
        let up = world.seen[&MemberId(1)].up.as_ref().expect("an up");
        up.layers.values().next().cloned().unwrap_or_default()
    };
    assert_eq!(told(&world), [true, false, true], "the middle one is");
    assert_eq!(viewers[0].layer(&world), Some(2));
    let small = |world: &World, viewers: &[Watcher]| viewers[0].layer(world) == Some(1);
    show(&mut world, viewers[0].member, 340);
    let took = play(&mut world, &mut source, &mut viewers, 3 * SECOND, small);
    assert!(took.is_some(), "and it wakes when somebody there needs it");
    viewers[0].assert_continuous(&world);
}

#[test]
fn nothing_crosses_while_nobody_there_watches() {
    let mut world = World::split();
    let (mut source, _) = world.with_viewers(1);
    let other = world.publisher(2);
    let elsewhere = world.viewer(200, &[other.member]);
    world.run(SECOND);
    world.late(true);
    world.play_frames(&mut source, 10);
    assert_eq!(world.waiting(), 0);
    world.late(false);
    let down = world.wants.get_mut(&elsewhere).and_then(|want| want.down.as_mut());
    down.expect("a wanted down").watch = [source.member].into();
    world.apply(elsewhere);
    world.send_frame(&mut source, 2, true);
    world.until("it watches", |world| world.n_packets(elsewhere) > 0);
    world.late(true);
    world.play_frames(&mut source, 10);
    assert_eq!(world.waiting(), 20);
    world.late(false);
    world.wants.remove(&elsewhere);
    world.apply(elsewhere);
    world.run(SECOND);
    world.late(true);
    world.play_frames(&mut source, 10);
    assert_eq!(world.waiting(), 0, "the last viewer has left");
}

impl World {
    /// Packets that wait for the second worker.
    fn waiting(&self) -> usize {
        self.annex.as_ref().expect("an annex").pipe.n_waiting()
    }
}

#[test]
fn a_batch_that_does_not_fit_is_dropped_and_the_next_keyframe_mends_it() {
    let mut world = World::split();
    let (mut source, elsewhere) = world.with_one_elsewhere();
    let home = world.viewer(100, &[source.member]);
    // On loopback, where nothing is paced: what is sent here is beyond any path.
    let address = ([127, 0, 0, 1], 41_000).into();
    world.downs.get_mut(&home).expect("a viewer").address = address;
    world.until("the other connects", |world| world.is_connected(home));
    world.send_frame(&mut source, 2, true);
    world.run(Duration::from_millis(50));
    let at_home = world.n_packets(home);
    world.late(true);
    while world.waiting() + 100 < MAX_WAITING {
        world.send_frame(&mut source, 100, false);
        world.step();
    }
    for _ in 0..5 {
        world.send_frame(&mut source, 100, false);
        world.step();
    }
    assert!(world.waiting() <= MAX_WAITING, "bounded");
    assert!(world.n_packets(home) > at_home + MAX_WAITING, "the home goes on as if nothing was");
    let n_plis = world.n_plis(&source);
    world.late(false);
    world.run(Duration::from_millis(20));
    assert_eq!(world.n_plis(&source), n_plis + 1, "a keyframe is asked for");
    let before = world.n_packets(elsewhere);
    world.send_frame(&mut source, 2, false);
    world.run(Duration::from_millis(20));
    assert_eq!(world.n_packets(elsewhere), before, "nothing that cannot be decoded");
    world.send_frame(&mut source, 3, true);
    world.send_frame(&mut source, 2, false);
    world.run(Duration::from_millis(50));
    assert_eq!(world.n_packets(elsewhere), before + 5);
    let video = world.downs[&elsewhere].video().expect("a picture");
    assert!(video.missing(1).is_empty(), "and no hole to be asked for");
}

#[test]
fn a_track_that_ends_is_gone_there_and_a_publisher_that_comes_back_goes_on() {
    let mut world = World::split();
    let (mut source, elsewhere) = world.with_one_elsewhere();
    world.play_frames(&mut source, 3);
    let again = world.another_peer(3);
    let mut want = world.wants[&source.member].up.clone().expect("a wanted up");
    want.generation = 2;
    want.offer = again.client.offer(&[("0", "VP8", 77)]).into();
    source.restart(77);
    world.wants.get_mut(&source.member).expect("a publisher").up = Some(want);
    world.ups.insert(source.member, again);
    world.apply(source.member);
    world.step();
    let answer = world.seen[&source.member].up.clone().expect("an up").answer;
    let publisher = source.member;
    let peer = world.ups.get_mut(&publisher).expect("a publisher");
    peer.client.take_answer(&answer.expect("an answer"));
    world.until("it is back", |world| world.ups[&publisher].client.connected());
    world.run(Duration::from_millis(50));
    let revision = world.seen[&elsewhere].down.as_ref().expect("a down").revision;
    world.send_frame(&mut source, 2, true);
    world.play_frames(&mut source, 3);
    assert!(world.has_all(elsewhere, &source, 0));

    let shown = |world: &World| world.seen[&elsewhere].down.as_ref().expect("a down").mids.len();
    assert_eq!(shown(&world), 1);
    world.wants.remove(&publisher);
    world.apply(publisher);
    world.run(Duration::from_millis(100));
    assert_eq!(shown(&world), 0, "it has ended");
    assert!(world.is_connected(elsewhere));
    let after = world.seen[&elsewhere].down.as_ref().expect("a down").revision;
    assert!(after <= revision + 1, "{revision} {after}");
}

#[test]
fn a_room_whose_second_worker_is_closed_forgets_it() {
    let mut world = World::split();
    let (mut source, elsewhere) = world.with_one_elsewhere();
    let mut annex = world.annex.take().expect("an annex");
    annex.pipe.close();
    annex.core.close_room(world.now, PART);
    annex.wake(world.now, &mut world.wire);
    world.wants.remove(&elsewhere);
    world.step();
    assert!(world.downs[&elsewhere].closed, "its viewer hears a goodbye");
    world.downs.remove(&elsewhere);
    world.play_frames(&mut source, 20);
    assert_eq!(annex.pipe.n_waiting(), 0);
    assert!(world.core.watched_elsewhere(ROOM).is_empty());
}
