//! A stretch of one source in what goes out to a viewer.

use super::{Forwarded, vp8::Numbers};
use crate::sfu::media::packet::{Codec, Packet};

/// A stretch of one source in which index and outgoing sequence run in parallel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) ssrc: u32,
    pub(super) layer: u8,
    pub(super) first_index: u64,
    pub(super) last_index: u64,
    /// Outgoing sequence of `first_index`, with its roll-overs.
    pub(super) first_out: u64,
    /// What is added to the source's timestamp.
    pub(super) timestamp_offset: u32,
    /// What is added to the source's picture numbers.
    pub(super) pictures: Numbers,
}

impl Segment {
    pub(super) fn holds(&self, layer: u8, index: u64) -> bool {
        self.layer == layer && (self.first_index..=self.last_index).contains(&index)
    }

    pub(super) fn out(&self, index: u64) -> u64 {
        self.first_out + (index - self.first_index)
    }

    pub(super) fn header(&self, index: u64, packet: &Packet) -> Forwarded {
        Forwarded {
            sequence: self.out(index) as u16,
            timestamp: packet.timestamp.wrapping_add(self.timestamp_offset),
            marker: packet.marker || self.begins_talk(index, packet),
        }
    }

    /// Sound that comes after none was sent is marked (RFC 3551 section 4.1).
    fn begins_talk(&self, index: u64, packet: &Packet) -> bool {
        packet.codec == Codec::Opus && index == self.first_index
    }
}
