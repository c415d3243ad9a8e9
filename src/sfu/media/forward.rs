//! PURE. One track for one viewer: which packet goes out, and under which header.
//!
//! Owns the viewer's continuity: sequence numbers that never repeat, an order that is kept, gaps of
//! the publisher that stay gaps (so that a viewer's NACK reaches as far as the cache), a clock that
//! goes on over a change of source, and video that begins with a keyframe. Of a picture that comes in
//! several layers one goes out at a time: another is begun with a keyframe of it, and until that
//! comes the former goes on, so that a switch is not seen.
//! It does not store packets (`track` does), does not choose SSRC, payload type or extensions
//! (`down` does), and does not ask who stands behind source or viewer.
//!
//! ```text
//!  index of the source   ... 41 42 [44 45 46 ...        | new SSRC: 71 72 ...
//!  segments                         base 44 -> 500       | base 71 -> 503 (the highest + 1)
//!  sequence going out               500 501 502          | 503 504
//! ```
//! RTP: RFC 3550 section 5.1. Picture numbers of VP8: RFC 7741 section 4.2 (`vp8`).

use std::{collections::VecDeque, time::Instant};

use segment::Segment;
pub use vp8::Head;
use vp8::Numbers;

use super::packet::{Codec, Packet};

mod segment;
mod vp8;

/// How many indices behind the highest a packet may still go out, or out again: the cache's size.
pub const WINDOW: u64 = 1024;

/// Segments remembered for late packets and NACKs; older ones are nearly always out of the window.
const MAX_SEGMENTS: usize = 8;

/// What of the header differs from viewer to viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// The viewer's sequence number.
    pub sequence: u16,
    /// The viewer's timestamp, in ticks of the codec's clock.
    pub timestamp: u32,
    /// As it came, but that sound is marked where it begins or goes on.
    pub marker: bool,
}

/// The newest packet that went out: where a new source goes on from.
#[derive(Debug, Clone, Copy)]
struct Newest {
    out: u64,
    timestamp: u32,
    arrived: Instant,
    pictures: Option<Numbers>,
}

/// The state of one track at one viewer.
#[derive(Debug, Clone)]
pub struct Forwarder {
    first_sequence: u16,
    first_timestamp: u32,
    /// Oldest first.
    segments: VecDeque<Segment>,
    newest: Option<Newest>,
    /// Highest index that was let out; `sent` is a bitmap of the [`WINDOW`] indices up to it.
    highest_index: u64,
    sent: [u64; (WINDOW / 64) as usize],
    /// The layer that goes out, and whose indices these are.
    layer: u8,
    /// Where that layer, or its codec, was begun: of what it sent before, nothing is remembered.
    layer_begins: u64,
    /// The layer that is to go out; `None`: nothing is.
    target: Option<u8>,
    /// Of the newest packet that was looked at; unset before the first of a track.
    codec: Option<Codec>,
    /// The next new packet opens a segment.
    cut: bool,
    /// Video waits for its keyframe; unset until the first packet tells whether this is video.
    waiting: bool,
    /// Of these layers, a bit for each, a keyframe will do to begin with.
    stopgaps: u8,
}

impl Forwarder {
    /// `first_sequence` should be random below 2^13, so that the roll-over counter of a new SRTP
    /// stream is not in doubt when its first packets are lost (RFC 3711 section 3.3.1).
    pub fn new(first_sequence: u16, first_timestamp: u32) -> Self {
        Self {
            first_sequence,
            first_timestamp,
            segments: VecDeque::with_capacity(2),
            newest: None,
            highest_index: 0,
            sent: [0; (WINDOW / 64) as usize],
            layer: 0,
            layer_begins: 0,
            target: Some(0),
            codec: None,
            cut: true,
            waiting: true,
            stopgaps: 0,
        }
    }

    /// From which layer packets are to go out: from its next keyframe on. `None`: nothing goes out
    /// until a layer is named again, and then from a keyframe.
    pub fn set_target(&mut self, target: Option<u8>) {
        if target.is_none() && self.target.is_some() {
            self.skip_to_keyframe();
        }
        self.target = target;
    }

    /// Where nothing goes out, the keyframe of one of these layers may come before the target's: a bit
    /// for each.
    pub fn begin_with(&mut self, layers: u8) {
        self.stopgaps = layers;
    }

    /// Of those of [`Self::begin_with`] the others will not do any more: the target has changed.
    pub fn keep_stopgaps(&mut self, layers: u8) {
        self.stopgaps &= layers;
    }

    /// Packets of this layer may go out, now or after a keyframe.
    #[inline]
    pub fn takes(&self, layer: u8) -> bool {
        layer == self.layer || Some(layer) == self.target || self.waiting && self.may_begin(layer)
    }

    /// Whether a keyframe of this layer may be what begins.
    #[inline]
    fn may_begin(&self, layer: u8) -> bool {
        Some(layer) == self.target || self.target.is_some() && self.stopgaps >> layer & 1 == 1
    }

    /// The layer that goes out.
    pub fn layer(&self) -> u8 {
        self.layer
    }

    /// See [`Self::set_target`].
    pub fn target(&self) -> Option<u8> {
        self.target
    }

    /// The header for this viewer, or `None` for a duplicate, for what is too old, and for video
    /// that still waits for its keyframe.
    ///
    /// `index` is the packet's index in the track's cache. A reordered packet keeps its place, and
    /// a gap stays a gap up to [`WINDOW`]; a longer one, and a new SSRC, are a new source: the
    /// sequence goes on by 1, the timestamp by the time that has passed.
    pub fn forward(&mut self, index: u64, packet: &Packet) -> Option<Forwarded> {
        let target = self.target?;
        if packet.layer != self.layer {
            let is_next = packet.layer == target || self.waiting && self.may_begin(packet.layer);
            if !is_next || !(packet.keyframe || packet.codec == Codec::Opus) {
                return None;
            }
            self.take_layer(packet.layer, index);
        } else if self.waiting && !self.may_begin(self.layer) {
            // Nothing of this layer goes out any more: the next keyframe is to be the other's.
            return None;
        }
        if self.codec != Some(packet.codec) && !self.goes_over(index, packet.codec) {
            return None;
        }
        let begins = self.segments.is_empty() && index >= self.layer_begins;
        let fresh = begins || index > self.highest_index;
        let segment = if fresh { self.advance(index, packet)? } else { self.late(index, packet)? };
        let header = segment.header(index, packet);
        let (word, bit) = place(index);
        self.sent[word] |= bit;
        if fresh {
            let out = segment.out(index);
            let former = self.newest.and_then(|newest| newest.pictures);
            let pictures = match packet.codec {
                Codec::Vp8 => vp8::read(&packet.payload).map(|own| own.plus(segment.pictures)),
                _ => None,
            };
            self.newest = Some(Newest {
                out,
                timestamp: header.timestamp,
                arrived: packet.arrived,
                pictures: pictures.or(former),
            });
        }
        Some(header)
    }

    /// The layer of which a keyframe is needed to go on, or to go over to it: ask the track for one.
    pub fn wants_keyframe(&self) -> Option<u8> {
        self.target.filter(|target| self.waiting || *target != self.layer)
    }

    /// What stands in place of the first bytes of a packet's payload for this viewer: nothing, or
    /// a VP8 descriptor whose picture numbers go on over changes of source.
    #[inline]
    pub fn head(&self, index: u64, packet: &Packet) -> Head {
        let of = |segment: &&Segment| segment.holds(packet.layer, index);
        match self.segments.iter().rev().find(of) {
            Some(Segment { pictures, .. }) if *pictures != Numbers::default() => {
                vp8::head(&packet.payload, *pictures)
            }
            _ => Head::default(),
        }
    }

    /// The layer and the index in its cache of what went out under `sequence`, for a NACK. The header
    /// it went out under is [`Self::again`]'s. `None`: never sent, or too old.
    pub fn index_of(&self, sequence: u16) -> Option<(u8, u64)> {
        let newest = self.newest?.out;
        let out = newest.checked_sub(u64::from((newest as u16).wrapping_sub(sequence)))?;
        let segment = self
            .segments
            .iter()
            .rev()
            .find(|s| (s.first_out..=s.out(s.last_index)).contains(&out))?;
        let index = segment.first_index + (out - segment.first_out);
        // A layer that was taken again may have begun with what went out before, under new numbers.
        let newest = self.segments.iter().rev().find(|s| s.holds(segment.layer, index))?;
        if newest.out(index) != out {
            return None;
        }
        self.was_sent(segment.layer, index).then_some((segment.layer, index))
    }

    /// The header under which the packet of `index` went out before.
    pub fn again(&self, index: u64, packet: &Packet) -> Option<Forwarded> {
        let segment = self.segments.iter().rev().find(|s| s.holds(packet.layer, index))?;
        let is_of_it = (segment.ssrc, self.codec) == (packet.ssrc, Some(packet.codec));
        (is_of_it && self.was_sent(packet.layer, index)).then(|| segment.header(index, packet))
    }

    /// After a batch was dropped: video goes on with the next keyframe, audio at once. What is
    /// left out leaves no gap.
    pub fn skip_to_keyframe(&mut self) {
        self.cut = true;
        self.waiting = true;
        self.stopgaps = 0;
    }

    /// From here on the packets are another track's, whose indices have nothing to do with the
    /// former's. Sequence and clock go on; what went out before cannot be asked for again.
    pub fn change_track(&mut self) {
        self.segments.clear();
        self.codec = None;
        self.layer_begins = 0;
        self.sent = [0; (WINDOW / 64) as usize];
        self.skip_to_keyframe();
    }

    /// The viewer's RTP time that belongs to the source's, for sender reports. `None` before the
    /// first packet.
    pub fn rtp_timestamp_at(&self, source_timestamp: u32) -> Option<u32> {
        let segment = self.segments.back()?;
        Some(source_timestamp.wrapping_add(segment.timestamp_offset))
    }

    /// A publisher that goes over to another codec begins anew, as another track would: what the
    /// viewer has of the former it can ask for no more, under the payload type that counts now. False
    /// for a straggler of the former.
    fn goes_over(&mut self, index: u64, codec: Codec) -> bool {
        if self.codec.is_some() {
            if index <= self.highest_index {
                return false;
            }
            // What has gone out does not go out again.
            let begins = self.highest_index + 1;
            self.change_track();
            self.layer_begins = begins;
        }
        self.codec = Some(codec);
        true
    }

    fn take_layer(&mut self, layer: u8, index: u64) {
        self.layer = layer;
        self.sent = [0; (WINDOW / 64) as usize];
        self.highest_index = index.saturating_sub(1);
        self.layer_begins = index;
        self.cut = true;
        self.stopgaps = 0;
    }

    /// Lets a packet out that is newer than all before it.
    fn advance(&mut self, index: u64, packet: &Packet) -> Option<Segment> {
        let goes_on = self.segments.back().is_some_and(|segment| {
            !self.cut
                && (segment.ssrc, segment.layer) == (packet.ssrc, packet.layer)
                && index - self.highest_index <= WINDOW
        });
        if !goes_on {
            let is_video = packet.codec != Codec::Opus;
            self.cut = true;
            self.waiting = is_video && !packet.keyframe;
            if self.waiting {
                return None;
            }
            self.open_segment(index, packet);
        }
        self.clear_between(index);
        self.highest_index = index;
        let segment = self.segments.back_mut()?;
        segment.last_index = index;
        Some(*segment)
    }

    /// Lets a packet out that comes after newer ones, in the place that it has kept.
    fn late(&mut self, index: u64, packet: &Packet) -> Option<Segment> {
        let is_unknown = index < self.layer_begins || self.highest_index - index >= WINDOW;
        if is_unknown || self.was_sent(packet.layer, index) {
            return None;
        }
        let segment = self.segments.iter().rev().find(|s| s.holds(packet.layer, index))?;
        (segment.ssrc == packet.ssrc).then_some(*segment)
    }

    fn open_segment(&mut self, index: u64, packet: &Packet) {
        let (out, timestamp) = match self.newest {
            None => (u64::from(self.first_sequence), self.first_timestamp),
            Some(newest) => {
                let same_source = self.segments.back().is_some_and(|s| s.ssrc == packet.ssrc);
                let timestamp = match self.segments.back() {
                    Some(segment) if same_source => {
                        packet.timestamp.wrapping_add(segment.timestamp_offset)
                    }
                    _ => newest.timestamp.wrapping_add(elapsed_ticks(newest.arrived, packet)),
                };
                (newest.out + 1, timestamp)
            }
        };
        if self.segments.len() == MAX_SEGMENTS {
            self.segments.pop_front();
        }
        self.segments.push_back(Segment {
            ssrc: packet.ssrc,
            layer: packet.layer,
            first_index: index,
            last_index: index,
            first_out: out,
            timestamp_offset: timestamp.wrapping_sub(packet.timestamp),
            pictures: self.picture_offset(packet),
        });
        self.cut = false;
    }

    /// What is to be added to a new source's picture numbers, so that its first picture is the one
    /// after the newest.
    fn picture_offset(&self, packet: &Packet) -> Numbers {
        let former = self.newest.and_then(|newest| newest.pictures);
        let is_vp8 = packet.codec == Codec::Vp8;
        match (former, vp8::read(&packet.payload).filter(|_| is_vp8)) {
            (Some(former), Some(own)) => former.next().minus(own),
            _ => Numbers::default(),
        }
    }

    /// Moves the bitmap's window on: what lies between the old highest and `index` was not sent.
    fn clear_between(&mut self, index: u64) {
        if index.saturating_sub(self.highest_index) >= WINDOW {
            self.sent = [0; (WINDOW / 64) as usize];
            return;
        }
        for skipped in self.highest_index + 1..=index {
            let (word, bit) = place(skipped);
            self.sent[word] &= !bit;
        }
    }

    fn was_sent(&self, layer: u8, index: u64) -> bool {
        if layer != self.layer {
            // Its bitmap is gone. What the viewer lacks of it and the cache has is its to have.
            return true;
        }
        let (word, bit) = place(index);
        index <= self.highest_index
            && self.highest_index - index < WINDOW
            && self.sent[word] & bit != 0
    }
}

fn place(index: u64) -> (usize, u64) {
    let slot = index % WINDOW;
    ((slot / 64) as usize, 1 << (slot % 64))
}

/// Time since `since` in ticks of the packet's codec; at least one, so that two frames of two
/// sources never share a timestamp.
fn elapsed_ticks(since: Instant, packet: &Packet) -> u32 {
    let elapsed = packet.arrived.saturating_duration_since(since);
    let ticks = elapsed.as_micros() * u128::from(packet.codec.clock_rate()) / 1_000_000;
    (ticks as u32).max(1)
}

#[cfg(test)]
mod tests;
