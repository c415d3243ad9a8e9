//! A published track in its room: its layers, what they cost, and what came of them in this wake-up.
//!
//! A track that comes in one encoding has the layer 0 alone. Who watches which layer is `viewer`'s
//! affair.

use std::time::{Duration, Instant};

use super::{
    demand::Demand,
    meter::{Meter, SURE_TICKS},
    quality::{Quality, Seen},
    speech::is_voice,
};
use crate::sfu::{
    media::{
        packet::{Codec, Packet},
        payload,
        track::SourceTrack,
    },
    path::{Layer, MAX_LAYERS},
    relay::pipe::{Description, Lane},
};

/// A layer of which nothing came for so long does not come: no keyframe is asked of it again and
/// again, and nobody is given it.
const SENDS: Duration = Duration::from_secs(1);
/// A layer of which nothing came for so long, and so many frames of others meanwhile, was given up by
/// the publisher's browser, without a word, since its path has become narrow: viewers go over to
/// another. (An encoder that is late with everything gives nothing up.)
const GIVEN_UP: (Duration, u8) = (Duration::from_millis(400), 5);
/// What a packet has beside its payload on the way to a viewer: IP, UDP, RTP with an extension, tag.
const BESIDE: u32 = 28 + 20 + 16;
/// The best layer's height where nobody says.
const USUAL_HEIGHT: u16 = 720;

/// A published track in its room.
pub(crate) struct Published {
    /// What it is, and the packets of its first layer.
    pub(super) track: SourceTrack,
    others: Vec<SourceTrack>,
    meters: [Meter; MAX_LAYERS],
    quality: Quality,
    /// Of sound that comes redundantly: the same without that.
    plain: Meter,
    /// What its publisher is told to send.
    pub(super) demand: Demand,
    /// Only the loudest of these are forwarded.
    pub(super) is_voice: bool,
    /// It is none of the loudest now.
    pub(super) is_left_out: bool,
    /// Its packets of this wake-up follow some that were left out.
    pub(super) resumes: bool,
    /// Its number between workers.
    pub(super) lane: Lane,
    /// What it costs, where another worker has to say that.
    told: Option<Box<Description>>,
    /// The connection that brings it, as the room numbers them.
    pub(super) publisher: usize,
    /// Layers and indices of packets that came in this wake-up.
    pub(super) fresh: Vec<(u8, u64)>,
    /// As the viewers' tables have it.
    pub(super) codec: Option<Codec>,
    /// When it changed last from one to another.
    pub(super) codec_changed: Option<Instant>,
    /// The earliest entry in the worker's timers.
    pub(super) scheduled: Option<Instant>,
}

impl Published {
    pub(crate) fn new(lane: Lane, track: SourceTrack) -> Self {
        Self {
            is_voice: is_voice(&track),
            is_left_out: false,
            resumes: false,
            lane,
            told: None,
            track,
            others: Vec::new(),
            meters: [Meter::default(); MAX_LAYERS],
            quality: Quality::default(),
            plain: Meter::default(),
            demand: Demand::default(),
            publisher: 0,
            fresh: Vec::new(),
            codec: None,
            codec_changed: None,
            scheduled: None,
        }
    }

    /// A layer's packets and keyframes; `None` before its first packet.
    pub(crate) fn layer(&self, layer: u8) -> Option<&SourceTrack> {
        match usize::from(layer).checked_sub(1) {
            None => Some(&self.track),
            Some(place) => self.others.get(place),
        }
    }

    /// See [`Self::layer`].
    pub(crate) fn layer_mut(&mut self, layer: u8) -> Option<&mut SourceTrack> {
        match usize::from(layer).checked_sub(1) {
            None => Some(&mut self.track),
            Some(place) => self.others.get_mut(place),
        }
    }

    /// Another worker has this track, and this one the layers that it needs of it.
    pub(crate) fn mirror(&mut self, told: Description) {
        self.reach(usize::from(told.last_layer));
        self.quality.learn(
            told.layers.map(|Layer { height, bps }| Seen {
                height,
                bps: Some(bps).filter(|bps| *bps > 1),
            }),
        );
        self.told = Some(Box::new(told));
    }

    /// Another worker says what there is to know of it.
    pub(super) fn is_mirror(&self) -> bool {
        self.told.is_some()
    }

    /// Layers up to this one have a place.
    fn reach(&mut self, layer: usize) {
        while self.others.len() < layer {
            let Self { track, .. } = self;
            let layer = SourceTrack::new(track.id().clone(), track.kind(), track.source());
            self.others.push(layer);
        }
    }

    /// The numbers of the layers of which something came.
    pub(crate) fn layer_numbers(&self) -> std::ops::RangeInclusive<u8> {
        0..=self.others.len() as u8
    }

    /// Takes a packet in. `None` for a duplicate and for what is too old: browsers send packets of the
    /// lowest layer again and again to probe their path, and that is not what the layer costs.
    pub(crate) fn push(&mut self, now: Instant, packet: Packet) -> Option<u64> {
        let place = usize::from(packet.layer);
        let meter = self.meters.get(place)?;
        let bytes = packet.payload.len() as u32 + BESIDE;
        let height = match packet.keyframe {
            true => payload::height(packet.codec, &packet.payload).unwrap_or(meter.height),
            false => meter.height,
        };
        self.reach(place);
        let ends_frame = packet.marker;
        let plain_bytes = bytes.saturating_sub(packet.red.unwrap_or(0).into());
        let index = self.layer_mut(packet.layer)?.push(packet)?;
        if ends_frame {
            let others = self.meters.iter_mut().enumerate().filter(|(other, _)| *other != place);
            others.for_each(|(_, meter)| meter.n_others = meter.n_others.saturating_add(1));
        }
        let meter = self.meters.get_mut(place)?;
        meter.heard = Some(now);
        meter.n_others = 0;
        let is_news = std::mem::replace(&mut meter.height, height) != height;
        meter.bytes = meter.bytes.saturating_add(bytes);
        self.plain.bytes = self.plain.bytes.saturating_add(plain_bytes);
        if is_news {
            self.learn();
        }
        Some(index)
    }

    /// What has come says which layer is better than which.
    fn learn(&mut self) {
        if self.told.is_some() {
            return;
        }
        let seen = self.meters.map(|meter| Seen {
            height: meter.height,
            bps: (meter.n_ticks >= SURE_TICKS).then(|| meter.bps()),
        });
        self.quality.learn(seen);
    }

    /// Which of its layers is better than which.
    pub(crate) fn quality(&self) -> Quality {
        self.quality
    }

    /// The best of which something ever came.
    pub(crate) fn top(&self) -> u8 {
        self.quality.layer(*self.layer_numbers().end())
    }

    /// Every quarter of a second.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.plain.tick(self.sends(now, 0));
        for layer in self.layer_numbers() {
            let (sends, sleeps) = (self.sends(now, layer), self.sleeps(now, layer));
            if let Some(meter) = self.meters.get_mut(usize::from(layer)) {
                meter.heard = meter.heard.filter(|_| !sleeps);
                meter.tick(sends);
            }
        }
        self.learn();
    }

    /// Which layers are needed now. True if the publisher is to be told something new.
    pub(crate) fn ask(&mut self, now: Instant, needed: [bool; MAX_LAYERS]) -> bool {
        let comes =
            std::array::from_fn(|layer| self.sends(now, layer as u8).then(|| self.rate(layer)));
        self.demand.update(now, needed, comes)
    }

    /// What a layer that comes costs, bits a second.
    fn rate(&self, layer: usize) -> u32 {
        let meter = &self.meters[layer];
        let before = self.demand.rate_before(layer as u8);
        // One that has just begun again costs what it did.
        if meter.n_ticks < SURE_TICKS && before > 0 { before } else { meter.bps() }
    }

    /// The next packet of this layer is its first, or the first after a pause that we asked for.
    pub(crate) fn begins(&self, layer: u8) -> bool {
        self.meters.get(usize::from(layer)).is_some_and(|meter| meter.heard.is_none())
    }

    /// It does not come because nobody needed it; its publisher has to hear of the need first.
    pub(crate) fn sleeps(&self, now: Instant, layer: u8) -> bool {
        !self.sends(now, layer) && self.demand.could_be_had(now, layer).is_some()
    }

    /// Something of this layer came lately.
    pub(crate) fn sends(&self, now: Instant, layer: u8) -> bool {
        if let Some(told) = &self.told {
            return told.sends.get(usize::from(layer)) == Some(&true);
        }
        let Some(meter) = self.meters.get(usize::from(layer)) else { return false };
        let Some(heard) = meter.heard else { return false };
        let is_given_up = now >= heard + GIVEN_UP.0 && meter.n_others >= GIVEN_UP.1;
        now < heard + SENDS && !is_given_up
    }

    /// The best layer that comes.
    pub(crate) fn best(&self, now: Instant) -> Option<u8> {
        self.quality.down_from(self.top()).find(|layer| self.sends(now, *layer))
    }

    /// What the layers cost and how high they are, those included that come if they are asked for.
    /// While nothing comes (the camera is off), the lowest is there at no cost, so that it goes to
    /// its viewers when it comes again.
    pub(crate) fn layers(&self, now: Instant) -> [Layer; MAX_LAYERS] {
        if let Some(told) = &self.told {
            return told.layers;
        }
        let mut layers = [Layer::default(); MAX_LAYERS];
        for number in self.layer_numbers() {
            let place = usize::from(number);
            let (Some(meter), Some(layer)) = (self.meters.get(place), layers.get_mut(place)) else {
                continue;
            };
            let usual = if self.others.is_empty() {
                0
            } else {
                USUAL_HEIGHT >> self.others.len().saturating_sub(self.quality.rank(number).into())
            };
            layer.height = if meter.height == 0 { usual } else { meter.height };
            layer.bps = match self.demand.could_be_had(now, number) {
                _ if self.sends(now, number) => self.rate(place),
                Some(bps) => bps,
                None => 0,
            };
        }
        if layers.iter().all(|layer| layer.bps == 0) {
            layers[usize::from(self.quality.layer(0))].bps = 1;
        }
        layers
    }

    /// What all of it costs, for sound.
    pub(crate) fn bps(&self) -> u32 {
        if let Some(told) = &self.told {
            return told.bps;
        }
        if self.is_left_out { 0 } else { self.meters[0].bps() }
    }

    /// The same without redundancy.
    pub(crate) fn plain_bps(&self) -> u32 {
        if let Some(told) = &self.told {
            return told.plain_bps;
        }
        if self.is_left_out { 0 } else { self.plain.bps() }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        ids::{MemberId, TrackId},
        protocol::{MediaKind, TrackSource},
    };

    fn published() -> Published {
        let id = TrackId { member: MemberId(1), mid: "0".parse().expect("a mid") };
        Published::new(1, SourceTrack::new(id, MediaKind::Video, TrackSource::Camera))
    }

    /// 1000 bytes on the wire.
    fn packet(now: Instant, layer: u8, sequence: u16) -> Packet {
        Packet {
            ssrc: 5 + u32::from(layer),
            layer,
            sequence,
            timestamp: u32::from(sequence) * 4500,
            marker: true,
            codec: Codec::Vp8,
            keyframe: sequence == 0,
            audio_level: None,
            red: None,
            arrived: now,
            payload: Bytes::from(vec![0x10; 1000 - BESIDE as usize]),
        }
    }

    #[test]
    fn what_comes_again_costs_nothing() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut published = published();
        for n in 0..40_u16 {
            let now = start + Duration::from_millis(50) * u32::from(n);
            let packet = packet(now, 0, n);
            let indices: Vec<_> = (0..5).map(|_| published.push(now, packet.clone())).collect();
            assert!(indices[0].is_some() && indices[1..].iter().all(Option::is_none));
            if n % 5 == 4 {
                published.tick(now);
            }
        }
        let end = start + Duration::from_secs(2);
        assert_eq!(published.layers(end)[0].bps, 160_000);
        assert!(published.sends(end, 0) && !published.sends(end + SENDS, 0));
    }

    #[test]
    fn redundant_sound_costs_less_without_that() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut published = published();
        for n in 0..40_u16 {
            let now = start + Duration::from_millis(50) * u32::from(n);
            // One packet in two has 400 bytes before its primary block.
            let red = n.is_multiple_of(2).then_some(400);
            published.push(now, Packet { codec: Codec::Opus, red, ..packet(now, 0, n) });
            if n % 5 == 4 {
                published.tick(now);
            }
        }
        assert_eq!((published.bps(), published.plain_bps()), (160_000, 128_000));
    }

    #[test]
    fn a_layer_that_is_given_up_is_known_soon_and_comes_back_at_its_own_rate() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut published = published();
        for n in 0..80_u16 {
            let now = start + Duration::from_millis(50) * u32::from(n);
            published.push(now, packet(now, 0, n));
            // The upper layer is silent from 2 s to 3 s.
            if !(40..60).contains(&n) {
                published.push(now, packet(now, 1, n));
            }
            let sends = !(47..60).contains(&n);
            assert_eq!(published.sends(now, 1), sends, "{n}");
            if n % 5 == 4 {
                published.tick(now);
            }
        }
        let end = start + Duration::from_secs(4);
        assert_eq!(published.layers(end).map(|layer| layer.bps), [160_000, 160_000, 0, 0]);
    }
}
