//! A published track in its room: its layers, what they cost, and what came of them in this wake-up.
//!
//! A track that comes in one encoding has the layer 0 alone. Who watches which layer is `viewer`'s
//! affair.

use std::time::{Duration, Instant};

use super::{demand::Demand, speech::is_voice};
use crate::sfu::{
    bandwidth::{Layer, MAX_LAYERS},
    packet::{Codec, Packet},
    payload,
    track::SourceTrack,
};

/// A layer of which nothing came for so long does not come: no keyframe is asked of it again and
/// again, and nobody is given it.
const SENDS: Duration = Duration::from_secs(1);
/// What a packet has beside its payload on the way to a viewer: IP, UDP, RTP with an extension, tag.
const BESIDE: u32 = 28 + 20 + 16;
/// Ticks (of a quarter second) that a rate is taken over: a keyframe must not look like a rate.
const RATE_TICKS: usize = 8;
const TICKS_A_SECOND: u32 = 4;
/// After so many a rate is one.
const SURE_TICKS: usize = 3;
/// The best layer's height where nobody says.
const USUAL_HEIGHT: u16 = 720;

/// How much of one layer comes.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    heard: Option<Instant>,
    height: u16,
    ticks: [u32; RATE_TICKS],
    n_ticks: usize,
    bytes: u32,
}

impl Meter {
    fn tick(&mut self) {
        self.ticks.rotate_right(1);
        self.ticks[0] = std::mem::take(&mut self.bytes);
        // What came before the first whole tick is not a rate.
        self.n_ticks = (self.n_ticks + usize::from(self.heard.is_some())).min(RATE_TICKS);
    }

    /// Bits a second; at least 1, which stands for "comes, but nobody knows how much".
    fn bps(&self) -> u32 {
        let bytes: u32 = self.ticks.iter().take(self.n_ticks).sum();
        let n_ticks = self.n_ticks.max(1) as u32;
        (bytes / n_ticks).saturating_mul(8 * TICKS_A_SECOND).max(1)
    }
}

/// A published track in its room.
pub(crate) struct Published {
    /// What it is, and the packets of its lowest layer.
    pub(crate) track: SourceTrack,
    higher: Vec<SourceTrack>,
    meters: [Meter; MAX_LAYERS],
    /// What its publisher is told to send.
    pub(crate) demand: Demand,
    /// Only the loudest of these are forwarded.
    pub(crate) is_voice: bool,
    /// It is none of the loudest now.
    pub(crate) is_left_out: bool,
    /// The connection that brings it, as the room numbers them.
    pub(crate) publisher: usize,
    /// Layers and indices of packets that came in this wake-up.
    pub(crate) fresh: Vec<(u8, u64)>,
    /// As the viewers' tables have it.
    pub(crate) codec: Option<Codec>,
    /// The earliest entry in the worker's timers.
    pub(crate) scheduled: Option<Instant>,
}

impl Published {
    pub(crate) fn new(track: SourceTrack) -> Self {
        Self {
            is_voice: is_voice(&track),
            is_left_out: false,
            track,
            higher: Vec::new(),
            meters: [Meter::default(); MAX_LAYERS],
            demand: Demand::default(),
            publisher: 0,
            fresh: Vec::new(),
            codec: None,
            scheduled: None,
        }
    }

    /// A layer's packets and keyframes; `None` before its first packet.
    pub(crate) fn layer(&self, layer: u8) -> Option<&SourceTrack> {
        match usize::from(layer).checked_sub(1) {
            None => Some(&self.track),
            Some(place) => self.higher.get(place),
        }
    }

    /// See [`Self::layer`].
    pub(crate) fn layer_mut(&mut self, layer: u8) -> Option<&mut SourceTrack> {
        match usize::from(layer).checked_sub(1) {
            None => Some(&mut self.track),
            Some(place) => self.higher.get_mut(place),
        }
    }

    /// The numbers of the layers of which something came.
    pub(crate) fn layer_numbers(&self) -> std::ops::RangeInclusive<u8> {
        0..=self.higher.len() as u8
    }

    /// Takes a packet in. `None` for a duplicate and for what is too old.
    pub(crate) fn push(&mut self, now: Instant, packet: Packet) -> Option<u64> {
        let meter = self.meters.get_mut(usize::from(packet.layer))?;
        meter.heard = Some(now);
        meter.bytes = meter.bytes.saturating_add(packet.payload.len() as u32 + BESIDE);
        if packet.keyframe {
            meter.height = payload::height(packet.codec, &packet.payload).unwrap_or(meter.height);
        }
        while self.higher.len() < usize::from(packet.layer) {
            let Self { track, .. } = self;
            let layer = SourceTrack::new(track.id().clone(), track.kind(), track.source());
            self.higher.push(layer);
        }
        self.layer_mut(packet.layer)?.push(packet)
    }

    /// Every quarter of a second.
    pub(crate) fn tick(&mut self, now: Instant) {
        for (layer, meter) in self.meters.iter_mut().enumerate() {
            let is_silent = meter.heard.is_some_and(|heard| now >= heard + SENDS);
            if is_silent && self.demand.could_be_had(now, layer as u8).is_some() {
                // The pause is not a part of its rate.
                *meter = Meter { height: meter.height, ..Meter::default() };
            }
            meter.tick();
        }
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
        let heard = self.meters.get(usize::from(layer)).and_then(|meter| meter.heard);
        heard.is_some_and(|heard| now < heard + SENDS)
    }

    /// What the layers cost and how high they are, those included that come if they are asked for.
    /// While nothing comes (the camera is off), the lowest is there at no cost, so that it goes to
    /// its viewers when it comes again.
    pub(crate) fn layers(&self, now: Instant) -> [Layer; MAX_LAYERS] {
        let mut layers = [Layer::default(); MAX_LAYERS];
        for number in self.layer_numbers() {
            let place = usize::from(number);
            let (Some(meter), Some(layer)) = (self.meters.get(place), layers.get_mut(place)) else {
                continue;
            };
            let usual = if self.higher.is_empty() {
                0
            } else {
                USUAL_HEIGHT >> (self.higher.len() - place)
            };
            layer.height = if meter.height == 0 { usual } else { meter.height };
            layer.bps = match self.demand.could_be_had(now, number) {
                _ if self.sends(now, number) => self.rate(place),
                Some(bps) => bps,
                None => 0,
            };
        }
        if layers.iter().all(|layer| layer.bps == 0) {
            layers[0].bps = 1;
        }
        layers
    }

    /// What all of it costs, for sound.
    pub(crate) fn bps(&self) -> u32 {
        if self.is_left_out { 0 } else { self.meters[0].bps() }
    }
}
