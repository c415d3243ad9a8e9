//! One viewer's view of a track: whatever comes in whatever order, and wherever it switches, what goes
//! out has numbers that never repeat and keep the order, and what is asked for again is what went out.
//! Whichever codec the track has: one begins with a keyframe where the publisher goes over to it.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::Input;
use crate::{
    ids::{MemberId, TrackId},
    protocol::{MediaKind, TrackSource},
    sfu::media::{
        forward::{Forwarded, Forwarder, WINDOW},
        packet::{Codec, Packet},
        payload::begins_keyframe,
        red,
        track::SourceTrack,
    },
};

const N_LAYERS: u8 = 3;
const CODECS: [Codec; 6] =
    [Codec::Vp8, Codec::H264, Codec::Opus, Codec::Vp9, Codec::Av1, Codec::H265];

/// Under which number something went out.
#[derive(Debug, Clone, Copy)]
struct Sent {
    layer: u8,
    index: u64,
    codec: Codec,
    header: Forwarded,
}

struct World {
    forwarder: Forwarder,
    layers: Vec<SourceTrack>,
    /// What the publisher sends; it may go over to another.
    codec: Codec,
    /// Of the newest that went out.
    codec_out: Codec,
    now: Instant,
    /// Newest sequence number that each layer's publisher has used, and its source.
    sequences: [(u32, u16); N_LAYERS as usize],
    /// By number without wraps.
    sent: HashMap<u64, Sent>,
    /// Of this track: each layer's indices with their numbers.
    order: [BTreeMap<u64, u64>; N_LAYERS as usize],
    highest: Option<u64>,
    /// The next new packet of a picture must begin a keyframe.
    is_cut: bool,
}

fn codec(choice: u8) -> Codec {
    CODECS[usize::from(choice) % CODECS.len()]
}

fn layers() -> Vec<SourceTrack> {
    let id = TrackId { member: MemberId(1), mid: "1".parse().expect("a mid") };
    let track = |_| SourceTrack::new(id.clone(), MediaKind::Video, TrackSource::Screen);
    (0..N_LAYERS).map(track).collect()
}

/// Packets of three layers through their caches to one viewer.
pub fn rewrite(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let setup = input.byte();
    let first_sequence = input.word() & 0x1fff;
    let codec = codec(setup);
    let mut world = World {
        forwarder: Forwarder::new(first_sequence, 90_000),
        layers: layers(),
        codec,
        codec_out: codec,
        now: Instant::now() + Duration::from_secs(3600),
        sequences: [(1, 65_500), (2, 10), (3, 1000)],
        sent: HashMap::new(),
        order: Default::default(),
        highest: None,
        is_cut: true,
    };
    while !input.is_empty() {
        let kind = input.byte();
        match kind & 15 {
            0..=7 => world.arrive(kind & 3, &mut input),
            8 => {
                let target = (input.byte() % (N_LAYERS + 1)).checked_sub(1);
                world.is_cut |= target.is_none();
                world.forwarder.set_target(target);
            }
            9 => {
                world.is_cut = true;
                world.forwarder.skip_to_keyframe();
            }
            10 => world.change_track(&mut input),
            11 => world.ask(input.word()),
            12 => world.start(kind >> 4),
            13 => world.repeat(kind >> 4, input.word()),
            15 if kind & 0x10 != 0 => world.forwarder.begin_with(kind >> 5),
            _ => world.now += Duration::from_millis(input.byte().into()),
        }
    }
}

impl World {
    /// A packet of a layer: a step of its sequence number, perhaps of a new source.
    fn arrive(&mut self, layer: u8, input: &mut Input<'_>) {
        let layer = layer % N_LAYERS;
        let flags = input.byte();
        let step = match flags & 7 {
            0..=4 => 1,
            5 => i16::from(input.byte() as i8),
            6 => 2,
            _ => input.word() as i16,
        };
        let (ssrc, newest) = &mut self.sequences[usize::from(layer)];
        match flags & 0x88 {
            0x88 => *ssrc += 100,
            // Back to a former one, or something of it comes late.
            0x08 => *ssrc = ssrc.saturating_sub(100),
            _ => {}
        }
        let sequence = newest.wrapping_add_signed(step);
        if step > 0 {
            *newest = sequence;
        }
        let ssrc = *ssrc;
        let (payload, red) = self.payload(flags & 0x10 != 0, input);
        let packet = Packet {
            ssrc,
            layer,
            sequence,
            // Frames have two packets.
            timestamp: u32::from(sequence / 2).wrapping_mul(3000),
            marker: flags & 0x40 != 0,
            codec: self.codec,
            keyframe: flags & 0x20 != 0 && self.codec != Codec::Opus
                || begins_keyframe(self.codec, &payload),
            audio_level: None,
            red,
            arrived: self.now,
            payload,
        };
        if let Some(index) = self.layers[usize::from(layer)].push(packet.clone()) {
            self.forward(index, &packet);
        }
    }

    /// What comes may be of another codec than before, or RED if it is sound.
    fn payload(&mut self, is_other: bool, input: &mut Input<'_>) -> (Bytes, Option<u16>) {
        if is_other && self.codec != Codec::Opus {
            self.codec = Codec::VIDEO[usize::from(input.byte()) % Codec::VIDEO.len()];
        }
        let payload = Bytes::copy_from_slice(input.chunk());
        if is_other
            && self.codec == Codec::Opus
            && let Some((payload, primary)) = red::open(payload.clone(), red::OPUS)
        {
            return (payload, Some(primary));
        }
        (payload, None)
    }

    fn forward(&mut self, index: u64, packet: &Packet) {
        let former = self.forwarder.layer();
        let Some(header) = self.forwarder.forward(index, packet) else { return };
        assert_eq!(packet.layer, self.forwarder.layer());
        if packet.layer != former {
            // It begins anew, perhaps with a keyframe that the viewer had before.
            self.order[usize::from(packet.layer)].clear();
        }
        let layer = usize::from(packet.layer);
        let out = match self.highest {
            None => u64::from(header.sequence),
            Some(highest) => {
                let ahead = header.sequence.wrapping_sub(highest as u16) as i16;
                highest.checked_add_signed(ahead.into()).expect("not before the first")
            }
        };
        let is_new = self.highest.is_none_or(|highest| out > highest);
        assert!(self.forwarder.takes(packet.layer));
        if is_new {
            let clock = self.forwarder.rtp_timestamp_at(packet.timestamp);
            assert_eq!(clock, Some(header.timestamp), "what reports are made of");
            let wanted = self.forwarder.wants_keyframe();
            assert!(wanted.is_none_or(|wanted| wanted != packet.layer), "it has begun");
            let step = self.highest.map_or(1, |highest| out - highest);
            assert!(step <= WINDOW, "a gap of {step}");
            let is_begun = packet.keyframe || packet.codec == Codec::Opus;
            self.is_cut |= packet.codec != self.codec_out;
            assert!(!self.is_cut || (is_begun && step == 1), "it goes on without a keyframe");
            self.is_cut = false;
            self.codec_out = packet.codec;
            self.highest = Some(out);
        }
        assert_eq!(packet.codec, self.codec_out, "a straggler of the former codec");
        let sent = Sent { layer: packet.layer, index, codec: packet.codec, header };
        let former = self.sent.insert(out, sent);
        assert!(former.is_none(), "number {out} twice: {former:?}, {sent:?}");
        let order = &mut self.order[layer];
        assert!(order.insert(index, out).is_none(), "packet {index} of layer {layer} twice");
        let before = order.range(..index).next_back();
        let after = order.range(index + 1..).next();
        assert!(before.is_none_or(|(_, number)| *number < out), "the order changes");
        assert!(after.is_none_or(|(_, number)| *number > out), "the order changes");

        assert_eq!(self.forwarder.index_of(header.sequence), Some((packet.layer, index)));
        assert_eq!(self.forwarder.again(index, packet), Some(header));
        let head = self.forwarder.head(index, packet);
        assert!(head.bytes().is_empty() || packet.codec == Codec::Vp8, "a head of another codec");
        assert!(head.bytes().len() <= 5 && head.bytes().len() <= packet.payload.len());
        assert_eq!(head.rest(&packet.payload), &packet.payload[head.bytes().len()..]);
        if let [first, extension, ..] = head.bytes() {
            assert_eq!([*first, *extension], packet.payload[..2], "flags of the descriptor");
        }
    }

    /// A NACK of the viewer, so far behind the newest.
    fn ask(&mut self, behind: u16) {
        let Some(highest) = self.highest else { return };
        let sequence = (highest as u16).wrapping_sub(behind);
        let Some((layer, index)) = self.forwarder.index_of(sequence) else { return };
        let number = highest.checked_sub(behind.into()).expect("not before the first");
        match self.sent.get(&number) {
            Some(sent) => {
                assert_eq!((sent.layer, sent.index), (layer, index), "{number}");
                assert_eq!(sent.codec, self.codec_out, "{number} is of the former codec");
            }
            // What a former layer's gap would have held, the viewer may have.
            None => assert_ne!(layer, self.forwarder.layer(), "{number} was never sent"),
        }
        let Some(packet) = self.layers[usize::from(layer)].packet(index) else { return };
        let Some(header) = self.forwarder.again(index, packet) else { return };
        assert_eq!(header.sequence, sequence);
        assert_eq!(packet.codec, self.codec_out, "the payload type is another by now");
        if let Some(sent) = self.sent.get(&number) {
            assert_eq!(header, sent.header, "it went out otherwise");
        }
    }

    /// The cache's last keyframe and what followed it, as a switch of layers brings it.
    fn start(&mut self, layer: u8) {
        let track = &self.layers[usize::from(layer % N_LAYERS)];
        let Some(start) = track.start(self.now) else { return };
        let packets: Vec<(u64, Packet)> = start.map(|(index, p)| (index, p.clone())).collect();
        for (index, packet) in packets {
            self.forward(index, &packet);
        }
    }

    /// A packet of the cache once more.
    fn repeat(&mut self, layer: u8, behind: u16) {
        let layer = usize::from(layer % N_LAYERS);
        let Some((newest, _)) = self.order[layer].last_key_value() else { return };
        let Some(index) = newest.checked_sub(behind.into()) else { return };
        if let Some(packet) = self.layers[layer].packet(index).cloned() {
            self.forward(index, &packet);
        }
    }

    /// Another track takes the viewer's line.
    fn change_track(&mut self, input: &mut Input<'_>) {
        self.layers = layers();
        self.order = Default::default();
        self.sequences.iter_mut().for_each(|(ssrc, _)| *ssrc += 7);
        self.codec = codec(input.byte());
        self.is_cut = true;
        self.forwarder.change_track();
    }
}
