//! Sound that is sent as RED comes as RED to who has it, and as plain Opus to the others.

use std::time::Duration;

use super::{peer::Stream, world::World};
use crate::{ids::MemberId, protocol::TrackSource, telemetry::metrics::metrics};

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
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 960).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        world.ups.get_mut(&self.member).expect("a publisher").client.send_rtp(&packet);
        world.run(Duration::from_millis(20));
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
