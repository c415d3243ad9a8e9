//! A picture in three layers: each viewer gets what its path and its tile can use, and no other
//! viewer notices.

use std::time::Duration;

use crate::{
    ids::MemberId,
    protocol::TileSize,
    sfu::testing::{
        link::{Link, Teller},
        world::{STEP, World},
    },
};

/// SSRCs of the layers, the lowest first, and what they cost.
const SSRCS: [u32; 4] = [501, 502, 503, 504];
const BPS: [usize; 4] = [150_000, 500_000, 1_500_000, 2_500_000];
const FRAME: Duration = Duration::from_millis(30);
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

/// A member that publishes its camera in three layers, or in four.
pub(super) struct Layered {
    pub(super) member: MemberId,
    n: u32,
    sequences: [u16; 4],
    /// Their names, the lowest first.
    rids: &'static [&'static str],
    /// The offer names the highest first.
    is_reversed: bool,
    /// It sends what is wanted alone, as a page does, and begins each layer with a keyframe.
    pub(super) obeys: bool,
    /// What it sends.
    pub(super) on: Vec<bool>,
}

impl Layered {
    pub(super) fn new(world: &mut World) -> Self {
        Self::with(world, &["q", "h", "f"], false)
    }

    /// As OBS offers.
    fn reversed(world: &mut World) -> Self {
        Self::with(world, &["2", "1", "0"], true)
    }

    /// As OBS does where four are set.
    fn four(world: &mut World) -> Self {
        Self::with(world, &["3", "2", "1", "0"], true)
    }

    fn with(world: &mut World, rids: &'static [&'static str], is_reversed: bool) -> Self {
        let source = world.publisher_with(1, |offer| {
            let mut names = rids.to_vec();
            if is_reversed {
                names.reverse();
            }
            let each: String = names.iter().map(|name| format!("a=rid:{name} send\r\n")).collect();
            let all = names.join(";");
            let lines = format!("a=extmap:10 {RID}\r\n{each}a=simulcast:send {all}\r\n");
            let end = offer.find("a=ssrc:").expect("an SSRC was declared");
            offer[..end].to_owned() + &lines
        });
        Self {
            member: source.member,
            n: 0,
            sequences: [10, 20_000, 65_000, 400],
            rids,
            is_reversed,
            obeys: false,
            on: vec![true; rids.len()],
        }
    }

    /// Takes over what the box wants. Which layers begin by that.
    fn obey(&mut self, world: &World) -> Vec<bool> {
        let up = world.seen[&self.member].up.as_ref().expect("an up");
        let wanted = up.layers.values().next();
        let n = self.on.len();
        let is_wanted = |layer: usize| {
            let number = if self.is_reversed { n - 1 - layer } else { layer };
            wanted.is_none_or(|wanted| wanted.get(number).copied().unwrap_or(true))
        };
        let before = std::mem::replace(&mut self.on, (0..n).map(is_wanted).collect());
        self.on.iter().zip(before).map(|(now, before)| *now && !before).collect()
    }

    /// One frame of each layer; a keyframe where that was asked for.
    fn send(&mut self, world: &mut World) {
        let begins = if self.obeys { self.obey(world) } else { vec![false; self.on.len()] };
        let peer = world.ups.get_mut(&self.member).expect("the publisher is there");
        let asked = std::mem::take(&mut peer.plis);
        for (layer, rid) in self.rids.iter().enumerate() {
            if !self.on[layer] {
                continue;
            }
            let is_key = self.n == 0 || begins[layer] || asked.contains(&SSRCS[layer]);
            let frame = BPS[layer] * FRAME.as_millis() as usize / 8000 * if is_key { 4 } else { 1 };
            let n_packets = frame.div_ceil(1100).max(1);
            for index in 0..n_packets {
                self.sequences[layer] = self.sequences[layer].wrapping_add(1);
                let last = index + 1 == n_packets;
                let mut packet = vec![0x90, 96 | if last { 0x80 } else { 0 }];
                packet.extend(self.sequences[layer].to_be_bytes());
                packet.extend((self.n * 2700 + 7 * layer as u32).to_be_bytes());
                packet.extend(SSRCS[layer].to_be_bytes());
                packet.extend([0xbe, 0xde, 0, 1, 10 << 4, rid.as_bytes()[0], 0, 0]);
                let picture = self.n as u16 + 1000 * layer as u16;
                let first = if index == 0 { 0x90 } else { 0x80 };
                packet.extend([first, 0x80, (picture >> 8) as u8 | 0x80, picture as u8]);
                packet.extend([u8::from(!is_key), layer as u8]);
                packet.resize(20 + (frame / n_packets).max(8), 0);
                peer.client.send_rtp(&packet);
            }
        }
        self.n += 1;
    }
}

/// A viewer and what it has of the picture.
pub(super) struct Watcher {
    pub(super) member: MemberId,
    pub(super) teller: Teller,
}

impl Watcher {
    pub(super) fn new(world: &mut World, number: u16, publisher: MemberId) -> Self {
        Self::of(world, number, &[publisher])
    }

    pub(super) fn of(world: &mut World, number: u16, publishers: &[MemberId]) -> Self {
        let member = world.viewer(number, publishers);
        Self { member, teller: Teller::new(world.now) }
    }

    /// The layer of the newest packet.
    pub(super) fn layer(&self, world: &World) -> Option<u8> {
        let video = world.downs[&self.member].video()?;
        video.payloads.values().next_back().map(|payload| payload[5])
    }

    /// Layers one after the other.
    pub(super) fn layers(&self, world: &World) -> Vec<u8> {
        let Some(video) = world.downs[&self.member].video() else { return Vec::new() };
        let mut layers: Vec<u8> = video.payloads.values().map(|payload| payload[5]).collect();
        layers.dedup();
        layers
    }

    /// Pictures follow each other by one, whatever layer they are of.
    pub(super) fn assert_continuous(&self, world: &World) {
        let video = world.downs[&self.member].video().expect("a picture");
        let number = |payload: &[u8]| u16::from_be_bytes([payload[2] & 0x7f, payload[3]]);
        let mut former: Option<u16> = None;
        for payload in video.payloads.values() {
            let own = number(payload);
            assert!(former.is_none_or(|former| own == former || own == former + 1), "{own}");
            former = Some(own);
        }
    }

    pub(super) fn has_picture_since(&self, world: &World, n: usize) -> bool {
        world.downs[&self.member].video().is_some_and(|video| video.payloads.len() > n)
    }
}

/// Frames for so long, or until `done`. How long that took.
pub(super) fn play(
    world: &mut World,
    source: &mut Layered,
    viewers: &mut [Watcher],
    limit: Duration,
    done: impl Fn(&World, &[Watcher]) -> bool,
) -> Option<Duration> {
    play_with(world, source, viewers, limit, |_| {}, done)
}

/// The same, and `others` send with each frame.
pub(super) fn play_with(
    world: &mut World,
    source: &mut Layered,
    viewers: &mut [Watcher],
    limit: Duration,
    mut others: impl FnMut(&mut World),
    done: impl Fn(&World, &[Watcher]) -> bool,
) -> Option<Duration> {
    let began = world.now;
    while world.now < began + limit {
        source.send(world);
        others(world);
        for _ in 0..FRAME.as_millis() / STEP.as_millis() {
            for viewer in viewers.iter_mut() {
                let peer = world.downs.get_mut(&viewer.member).expect("a viewer");
                if peer.client.connected() {
                    viewer.teller.tell(world.now, peer);
                }
            }
            world.step();
        }
        if done(world, viewers) {
            return Some(world.now - began);
        }
    }
    None
}

/// The viewer's tile of the member 1 has this height now; 0 is hidden.
pub(super) fn show(world: &mut World, viewer: MemberId, height: u16) {
    let (width, visible) = (height / 9 * 16, height > 0);
    let tile = TileSize { member: MemberId(1), track: None, width, height, visible };
    let down = world.wants.get_mut(&viewer).and_then(|want| want.down.as_mut());
    down.expect("a viewer").tiles = [tile].into();
    world.apply(viewer);
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_narrow_path_gets_the_low_layer_and_a_wide_one_the_high_and_nobody_else_notices() {
    let mut world = World::new();
    let mut source = Layered::new(&mut world);
    let mut viewers = [110, 111].map(|n| Watcher::new(&mut world, n, source.member));
    let all_high = |world: &World, viewers: &[Watcher]| {
        viewers.iter().all(|viewer| viewer.layer(world) == Some(2))
    };
    let high = play(&mut world, &mut source, &mut viewers, 10 * SECOND, all_high);
    assert!(high.is_some(), "both begin with the best");
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);

    let address = world.downs[&viewers[0].member].address;
    world.links.insert(address, Link::new(300_000.0));
    let low = play(&mut world, &mut source, &mut viewers, 10 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(0)
    });
    assert!(low.is_some_and(|took| took <= 5 * SECOND), "low after {low:?}");
    play(&mut world, &mut source, &mut viewers, 10 * SECOND, |_, _| false);
    for _ in 0..15 {
        let n = world.downs[&viewers[0].member].video().map_or(0, |video| video.payloads.len());
        play(&mut world, &mut source, &mut viewers, SECOND, |_, _| false);
        assert!(viewers[0].has_picture_since(&world, n), "no second without a picture");
    }
    let queued = world.links.get_mut(&address).map(|link| link.longest);
    assert!(queued.is_some_and(|queued| queued <= 2 * SECOND), "{queued:?}");

    if let Some(link) = world.links.get_mut(&address) {
        link.bps = 50e6;
    }
    let high = play(&mut world, &mut source, &mut viewers, 30 * SECOND, all_high);
    assert!(high.is_some_and(|took| took <= 15 * SECOND), "high after {high:?}");
    play(&mut world, &mut source, &mut viewers, SECOND, |_, _| false);
    let other = viewers[1].layers(&world);
    assert!(other == [2] || other == [0, 2], "the other viewer's picture: {other:?}");
    viewers[1].assert_continuous(&world);
}

#[test]
fn what_a_narrow_path_has_shown_is_nothing_known_of_the_next() {
    let mut world = World::new();
    let mut source = Layered::new(&mut world);
    let mut viewers = [Watcher::new(&mut world, 110, source.member)];
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    let address = world.downs[&viewers[0].member].address;
    world.links.insert(address, Link::new(300_000.0));
    let is_low = |world: &World, viewers: &[Watcher]| viewers[0].layer(world) == Some(0);
    let low = play(&mut world, &mut source, &mut viewers, 10 * SECOND, is_low);
    assert!(low.is_some(), "the path is narrow");
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    let peer = world.downs.get_mut(&viewers[0].member).expect("a viewer");
    peer.address = ([198, 51, 100, 7], 40_000).into();
    let high = play(&mut world, &mut source, &mut viewers, 30 * SECOND, |world, viewers| {
        viewers[0].layer(world) == Some(2)
    });
    // It may be two seconds to the client's next check, by which it is known to have gone over.
    assert!(high.is_some_and(|took| took <= 3 * SECOND), "high after {high:?}");
}

#[test]
fn layers_follow_the_tiles_and_a_hidden_tile_costs_nothing() {
    let mut world = World::new();
    let mut source = Layered::new(&mut world);
    let mut viewers = [110, 111].map(|n| Watcher::new(&mut world, n, source.member));
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    let viewer = viewers[0].member;
    for (height, layer) in [(160, 0), (360, 1), (1080, 2), (170, 0), (720, 2)] {
        show(&mut world, viewer, height);
        let took = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
            viewers[0].layer(world) == Some(layer)
        });
        assert!(took.is_some_and(|took| took <= 3 * SECOND), "{height}: {took:?}");
        play(&mut world, &mut source, &mut viewers, SECOND, |_, _| false);
    }
    viewers[0].assert_continuous(&world);

    show(&mut world, viewer, 0);
    play(&mut world, &mut source, &mut viewers, SECOND, |_, _| false);
    let n = world.downs[&viewer].video().map_or(0, |video| video.payloads.len());
    play(&mut world, &mut source, &mut viewers, 2 * SECOND, |_, _| false);
    let n_later = world.downs[&viewer].video().map_or(0, |video| video.payloads.len());
    assert_eq!(n, n_later, "hidden");
    show(&mut world, viewer, 720);
    let took = play(&mut world, &mut source, &mut viewers, 3 * SECOND, |world, viewers| {
        viewers[0].has_picture_since(world, n_later)
    });
    assert!(took.is_some_and(|took| took < SECOND), "it is back at once: {took:?}");
    viewers[0].assert_continuous(&world);
    assert_eq!(viewers[1].layers(&world).last(), Some(&2));
}

/// OBS names its largest layer first: a full-size tile got the smallest.
#[test]
fn what_comes_says_which_layer_is_better_and_not_its_place_in_the_offer() {
    for obeys in [false, true] {
        let mut world = World::new();
        let mut source = Layered::reversed(&mut world);
        source.obeys = obeys;
        let mut viewers = [110, 111].map(|n| Watcher::new(&mut world, n, source.member));
        play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
        show(&mut world, viewers[1].member, 160);
        for (height, layer) in [(1080, 2), (330, 1), (160, 0), (720, 2)] {
            show(&mut world, viewers[0].member, height);
            let took = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
                viewers[0].layer(world) == Some(layer)
            });
            let seen = (obeys, source.on.clone(), viewers[0].layers(&world));
            assert!(took.is_some_and(|took| took <= 3 * SECOND), "{height}: {took:?} {seen:?}");
            play(&mut world, &mut source, &mut viewers, 8 * SECOND, |_, _| false);
            assert_eq!(viewers[0].layer(&world), Some(layer), "{height}: it stays so");
        }
        assert_eq!(viewers[1].layer(&world), Some(0));
        viewers[0].assert_continuous(&world);
        // Of what nobody shows only the lowest may be missed least.
        assert!(!obeys || source.on == [true, false, true], "{:?}", source.on);
    }
}

/// OBS stops if it has offered four and the answer takes fewer.
#[test]
fn four_layers_are_taken_and_each_is_shown_where_it_fits() {
    let mut world = World::new();
    let mut source = Layered::four(&mut world);
    let answer = world.seen[&source.member].up.as_ref().expect("an up").answer.clone();
    let answer = answer.expect("an answer");
    for rid in source.rids {
        assert!(answer.contains(&format!("a=rid:{rid} recv")), "{rid}: {answer}");
    }
    assert!(answer.contains("a=simulcast:recv 0;1;2;3"), "{answer}");
    let mut viewers = [110, 111].map(|n| Watcher::new(&mut world, n, source.member));
    play(&mut world, &mut source, &mut viewers, 3 * SECOND, |_, _| false);
    show(&mut world, viewers[1].member, 80);
    for (height, layer) in [(1080, 3), (330, 2), (160, 1), (80, 0), (720, 3)] {
        show(&mut world, viewers[0].member, height);
        let took = play(&mut world, &mut source, &mut viewers, 5 * SECOND, |world, viewers| {
            viewers[0].layer(world) == Some(layer)
        });
        let seen = viewers[0].layers(&world);
        assert!(took.is_some_and(|took| took <= 3 * SECOND), "{height}: {took:?} {seen:?}");
        play(&mut world, &mut source, &mut viewers, 4 * SECOND, |_, _| false);
    }
    assert_eq!(viewers[1].layer(&world), Some(0));
    viewers[0].assert_continuous(&world);
}
