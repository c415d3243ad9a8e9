//! Sound that is sent as RED comes as RED to who has it, and as plain Opus to the others.

use std::time::Duration;

use super::layers::{Layered, SECOND, Watcher, play_with};
use crate::{
    ids::MemberId,
    protocol::TrackSource,
    sfu::testing::{link::Link, peer::Stream, world::World},
    telemetry::metrics::metrics,
};

pub(super) const RED: u8 = 63;

/// A microphone that sends RED, with Opus under a payload type of its choice.
pub(super) struct Microphone {
    pub(super) member: MemberId,
    ssrc: u32,
    sequence: u16,
}

impl Microphone {
    pub(super) fn new(world: &mut World, number: u16, opus: u8) -> Self {
        let source = world.publisher_of(number, ("opus", TrackSource::Microphone), |offer| {
            let red = format!("a=rtpmap:63 red/48000/2\r\na=fmtp:63 {opus}/{opus}\r\na=ssrc:");
            offer
                .replace("SAVPF 111", "SAVPF 111 63")
                .replace("a=ssrc:", &red)
                .replace(":111 ", &format!(":{opus} "))
                .replace("SAVPF 111", &format!("SAVPF {opus}"))
        });
        let answer = world.seen[&source.member].up.as_ref().expect("an up").answer.clone();
        let first = format!("SAVPF 63 {opus}\r\n");
        assert!(answer.is_ok_and(|answer| answer.contains(&first)), "what stands first is sent");
        Self { member: source.member, ssrc: source.ssrc, sequence: 65_530 }
    }

    pub(super) fn send(&mut self, world: &mut World, payload_type: u8, payload: &[u8]) {
        self.push(world, payload_type, payload);
        world.run(Duration::from_millis(20));
    }

    fn push(&mut self, world: &mut World, payload_type: u8, payload: &[u8]) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 960).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        world.ups.get_mut(&self.member).expect("a publisher").client.send_rtp(&packet);
    }
}

/// `former` and `newest` in one packet, 20 ms apart.
pub(super) fn redundant(opus: u8, former: &[u8], newest: &[u8]) -> Vec<u8> {
    let head = u32::from(opus | 0x80) << 24 | 960 << 10 | former.len() as u32;
    [&head.to_be_bytes()[..], &[opus], former, newest].concat()
}

fn stream(world: &World, viewer: MemberId) -> Option<&Stream> {
    world.downs[&viewer].streams.values().next()
}

fn payloads(world: &World, viewer: MemberId) -> Vec<Vec<u8>> {
    stream(world, viewer).map_or(Vec::new(), |stream| stream.payloads.values().cloned().collect())
}

#[test]
fn red_goes_to_who_has_it_and_its_primary_block_to_the_others() {
    for opus in [111, 96] {
        let mut world = World::new();
        let mut microphone = Microphone::new(&mut world, 1, opus);
        let [has, lacks] = [100, 101].map(|number| world.viewer(number, &[microphone.member]));
        world.downs.get_mut(&lacks).expect("a viewer").answers =
            |answer| answer.replace("SAVPF 111 63", "SAVPF 111");
        microphone.send(&mut world, opus, b"first");
        world.until("viewers are connected", |world| {
            world.downs.values().all(|peer| peer.client.connected())
        });
        world.run(Duration::from_millis(100));

        microphone.send(&mut world, RED, &redundant(opus, b"one", b"two"));
        microphone.send(&mut world, RED, &redundant(opus, b"two", b"three"));
        // A browser sends what does not fit RED plainly in between.
        microphone.send(&mut world, opus, b"four");
        microphone.send(&mut world, RED, &redundant(opus, b"", b"five"));
        let red = |former: &[u8], newest: &[u8]| redundant(111, former, newest);
        let expected =
            [red(b"one", b"two"), red(b"two", b"three"), b"four".to_vec(), red(b"", b"five")];
        assert_eq!(payloads(&world, has), expected, "{opus}");
        assert_eq!(payloads(&world, lacks), [&b"two"[..], b"three", b"four", b"five"], "{opus}");
        let n_red = [has, lacks].map(|viewer| stream(&world, viewer).map(|stream| stream.n_red));
        assert_eq!(n_red, [Some(3), Some(0)]);
    }
}

#[test]
fn broken_red_is_counted_and_nothing_else_comes_of_it() {
    let mut world = World::new();
    let mut microphone = Microphone::new(&mut world, 1, 111);
    let viewer = world.viewer(100, &[microphone.member]);
    microphone.send(&mut world, 111, b"first");
    world.until("the viewer is connected", |world| world.downs[&viewer].client.connected());
    world.run(Duration::from_millis(100));
    let good = redundant(111, b"one", b"two");
    let before = metrics().packets_malformed.get();
    for length in 1..=8 {
        microphone.send(&mut world, RED, &good[..length]);
    }
    microphone.send(&mut world, RED, &redundant(110, b"one", b"two"));
    assert!(metrics().packets_malformed.get() >= before + 9);
    assert!(payloads(&world, viewer).is_empty());
    microphone.send(&mut world, RED, &good);
    assert_eq!(payloads(&world, viewer), [good]);
}

/// A room with a voice, a picture in three layers, and a viewer each of a narrow and a wide path.
struct Weak {
    world: World,
    microphone: Microphone,
    source: Layered,
    viewers: [Watcher; 2],
    n_frames: usize,
}

impl Weak {
    fn new(bps: f64) -> Self {
        let mut world = World::new();
        let source = Layered::new(&mut world);
        let microphone = Microphone::new(&mut world, 2, 111);
        let publishers = [source.member, microphone.member];
        let viewers = [130, 131].map(|number| Watcher::of(&mut world, number, &publishers));
        let mut weak = Self { world, microphone, source, viewers, n_frames: 0 };
        weak.play(3);
        weak.world.links.insert(weak.world.downs[&weak.viewers[0].member].address, Link::new(bps));
        weak
    }

    /// So many seconds; how many packets of sound come meanwhile, and how many of them are RED.
    fn play(&mut self, seconds: u32) -> [(usize, usize); 2] {
        let Self { world, microphone, source, viewers, n_frames } = self;
        let tally = |world: &World, viewers: &[Watcher; 2]| {
            viewers.each_ref().map(|viewer| {
                let peer = &world.downs[&viewer.member];
                let sound = peer.sections.iter().find(|section| !section.video);
                let stream = sound.and_then(|section| peer.streams.get(&section.ssrc));
                stream.map_or((0, 0), |stream| (stream.payloads.len(), stream.n_red))
            })
        };
        let before = tally(world, viewers);
        let payload = redundant(111, &[1; 80], &[2; 80]);
        let voice = |world: &mut World| {
            // A packet every 20 ms, a frame every 30.
            *n_frames += 1;
            (0..1 + *n_frames % 2).for_each(|_| microphone.push(world, RED, &payload));
        };
        play_with(world, source, viewers, seconds * SECOND, voice, |_, _| false);
        let after = tally(world, viewers);
        std::array::from_fn(|n| (after[n].0 - before[n].0, after[n].1 - before[n].1))
    }

    fn link(&mut self) -> &mut Link {
        let address = self.world.downs[&self.viewers[0].member].address;
        self.world.links.get_mut(&address).expect("a link")
    }
}

#[test]
fn a_narrow_path_gets_the_voice_once_and_twice_again_when_it_is_wide() {
    let mut weak = Weak::new(300_000.0);
    weak.play(10);
    let [narrow, wide] = weak.play(20);
    assert!(narrow.0 >= 990 && narrow.1 == 0, "{narrow:?}: all of the voice, none of it twice");
    assert!(wide.0 >= 990 && wide.0 == wide.1, "{wide:?}: the other viewer has it as it comes");
    assert_eq!(weak.viewers[0].layer(&weak.world), Some(0));
    weak.link().bps = 50e6;
    weak.play(30);
    let [lifted, _] = weak.play(5);
    assert!(lifted.0 >= 245 && lifted.0 == lifted.1, "{lifted:?}");
    assert_eq!(weak.viewers[0].layer(&weak.world), Some(2));
}

#[test]
fn a_lossy_path_with_some_room_keeps_it_most_of_the_time() {
    // Several paths, as which packets are lost is chance: the loss that is seen goes up and down.
    let [mut heard, mut redundant] = [0, 0];
    for bps in [450e3, 500e3, 550e3, 600e3] {
        let mut weak = Weak::new(bps);
        weak.play(10);
        let [narrow, _] = weak.play(5);
        assert_eq!(narrow.1, 0, "without loss it would not");
        let viewer = weak.viewers[0].member;
        weak.world.downs.get_mut(&viewer).expect("a viewer").loss_percent = 8;
        weak.play(15);
        let [lossy, _] = weak.play(20);
        heard += lossy.0;
        redundant += lossy.1;
    }
    assert!(heard >= 4 * 850 && redundant > heard / 2, "{heard} {redundant}");
}
