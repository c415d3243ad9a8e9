//! PURE. Pictures of H.264 and H.265 that begin without their parameter sets get them.
//!
//! Some publishers tell their parameter sets in the offer alone (`sprop-parameter-sets`, RFC 6184 8.1;
//! RFC 7798 7.1), others once at the beginning. A viewer who comes later could decode nothing of that.
//! So a packet with the newest known sets is put before such a picture, and the sequence numbers behind
//! it move on by one; those of packets that come late, and of what is sent again, move as they would have.
//!
//! Only where it is certain that the picture's packets begin with that one: the one before it has come, and
//! is of another picture. What is lost is asked for again, and what was in it counts.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::sfu::media::{
    packet::Codec,
    payload::nal::{self, Kind},
};

/// What goes into one packet over any path.
const MAX_BYTES: usize = 1100;
/// Sets of one stream that are kept.
const MAX_SETS: usize = 16;
/// Insertions that are remembered, for packets that come late: more than a cache's time of keyframes.
const MAX_INSERTED: usize = 32;

/// The picture that came last.
#[derive(Debug, Clone, Copy)]
struct Picture {
    timestamp: u32,
    /// Its packets have come from the first on.
    is_whole: bool,
    has_sets: bool,
}

/// A packet's own place, and what goes before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) sequence: u16,
    /// Sequence number and payload of a packet with parameter sets.
    pub(super) before: Option<(u16, Bytes)>,
}

/// The parameter sets of one encoding, and how far they have moved its sequence numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct ParameterSets {
    ssrc: Option<u32>,
    /// What comes of it still is late, and stays as it is.
    former_ssrc: Option<u32>,
    codec: Option<Codec>,
    sets: Vec<Bytes>,
    /// The picture that `sets` are of; unset for those of the offer.
    sets_of: Option<u32>,
    highest: u64,
    picture: Option<Picture>,
    /// Index before which something was inserted, and how much in all from there on. The oldest first.
    inserted: VecDeque<(u64, u64)>,
}

impl ParameterSets {
    /// Takes those of an offer, until others come.
    pub(super) fn offer(&mut self, codec: Codec, sets: &[Bytes]) {
        if self.sets_of.is_none() && !sets.is_empty() {
            (self.codec, self.sets) = (Some(codec), sets.to_vec());
        }
    }

    /// Packets of this codec, or of this stream, are looked at.
    pub(super) fn concern(&self, codec: Codec) -> bool {
        matches!(codec, Codec::H264 | Codec::H265) || !self.inserted.is_empty()
    }

    /// A packet has come; `payload` is without what RTX puts before it.
    pub(super) fn place(
        &mut self,
        codec: Codec,
        (ssrc, sequence, timestamp): (u32, u16, u32),
        payload: &[u8],
    ) -> Placed {
        if self.former_ssrc == Some(ssrc) {
            return Placed { sequence, before: None };
        }
        if self.ssrc != Some(ssrc) {
            self.former_ssrc = self.ssrc.replace(ssrc);
            // Above 0, so that what comes late has a place.
            self.highest = u64::from(sequence) + (1 << 16);
            self.picture = None;
            self.inserted.clear();
            return self.look(codec, self.highest, (timestamp, true), payload);
        }
        let ahead = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        let Some(index) = self.highest.checked_add_signed(ahead) else {
            return Placed { sequence, before: None };
        };
        if index <= self.highest {
            self.remember(codec, timestamp, payload);
            return Placed { sequence: self.moved(index), before: None };
        }
        let is_next = index == self.highest + 1;
        self.highest = index;
        self.look(codec, index, (timestamp, is_next), payload)
    }

    fn look(
        &mut self,
        codec: Codec,
        index: u64,
        (timestamp, is_next): (u32, bool),
        payload: &[u8],
    ) -> Placed {
        let begins = self.remember(codec, timestamp, payload);
        let picture = match &mut self.picture {
            Some(picture) if picture.timestamp == timestamp => {
                picture.is_whole &= is_next;
                picture
            }
            picture => picture.insert(Picture { timestamp, is_whole: is_next, has_sets: false }),
        };
        picture.has_sets |= self.sets_of == Some(timestamp);
        let lacks_sets = begins && picture.is_whole && !picture.has_sets;
        if !lacks_sets || self.sets.is_empty() || self.codec != Some(codec) {
            return Placed { sequence: self.moved(index), before: None };
        }
        picture.has_sets = true;
        let sequence = self.moved(index);
        let n_inserted = self.inserted.back().map_or(0, |(_, n_inserted)| *n_inserted);
        if self.inserted.len() == MAX_INSERTED {
            self.inserted.pop_front();
        }
        self.inserted.push_back((index, n_inserted + 1));
        let sets = nal::aggregate(codec, &self.sets).into();
        Placed { sequence: sequence.wrapping_add(1), before: Some((sequence, sets)) }
    }

    /// Keeps the parameter sets of a payload. True if decoding can begin with it.
    fn remember(&mut self, codec: Codec, timestamp: u32, payload: &[u8]) -> bool {
        let mut begins = false;
        nal::units(codec, payload, |kind, unit| match (kind, unit) {
            (Kind::Begin, _) => begins = true,
            (Kind::Sequence | Kind::Other, Some(unit)) => {
                // Sets that come by themselves replace those that are known; a lone one of a picture
                // comes beside them.
                let is_new = self.codec != Some(codec)
                    || kind == Kind::Sequence && self.sets_of != Some(timestamp);
                if is_new {
                    self.sets.clear();
                }
                if is_new || kind == Kind::Sequence {
                    self.sets_of = Some(timestamp);
                }
                self.codec = Some(codec);
                let n_bytes: usize = self.sets.iter().map(Bytes::len).sum();
                let fits = n_bytes + unit.len() <= MAX_BYTES && self.sets.len() < MAX_SETS;
                if fits && !self.sets.iter().any(|known| known == unit) {
                    self.sets.push(Bytes::copy_from_slice(unit));
                }
            }
            _ => {}
        });
        begins
    }

    /// The sequence number of an index.
    fn moved(&self, index: u64) -> u16 {
        let before = self.inserted.iter().rev().find(|(at, _)| *at <= index);
        let oldest = self.inserted.front().map_or(0, |(_, n_inserted)| n_inserted - 1);
        let n_inserted = before.map_or(oldest, |(_, n_inserted)| *n_inserted);
        index.wrapping_add(n_inserted) as u16
    }
}

#[cfg(test)]
mod tests;
