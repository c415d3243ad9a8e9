//! A published track: its newest packets, its keyframe state, and when to ask for a keyframe.
//!
//! Owns the cache that answers NACKs and starts late viewers, the index that orders packets over
//! sequence wraps and changes of SSRC, and the coalescing of keyframe requests.
//! It does not know where packets come from nor who takes them: a recorder or another box comes by
//! the same doors as a viewer.

use std::time::{Duration, Instant};

use super::packet::{Codec, Packet};
use crate::{
    ids::TrackId,
    protocol::{MediaKind, TrackSource},
};

/// Packets that a track keeps: about one second of 1080p video, twenty of speech.
pub const CACHE_PACKETS: usize = 1024;

/// A late viewer is started from a cached keyframe that is at most this old. What followed it comes
/// in one burst: at 1.5 Mbit/s 2.5 s are under 500 KB, and decoders catch up with that in a fraction
/// of the time that a new keyframe would take to come over a slow uplink.
pub const START_FRESH: Duration = Duration::from_millis(2500);

/// Keyframe requests to a publisher are at least this far apart.
pub const KEYFRAME_GAP: Duration = Duration::from_millis(500);

/// A request that no keyframe follows is repeated (the RTCP packet may be lost), each time after
/// twice the time, this often. Then somebody has to ask again.
const KEYFRAME_REPEATS: u32 = 4;

/// Indices left free between two sources: room for packets of the new one that come reordered
/// before its first.
const SOURCE_GAP: u64 = 16;

/// One SSRC's part of the index.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    highest_sequence: u16,
    lowest_index: u64,
    highest_index: u64,
}

/// Where a packet belongs.
enum Place {
    Newest(u64),
    Late(u64),
    TooOld,
}

impl Source {
    fn place(&self, sequence: u16) -> Place {
        let ahead = sequence.wrapping_sub(self.highest_sequence);
        if (1..0x8000).contains(&ahead) {
            return Place::Newest(self.highest_index + u64::from(ahead));
        }
        let behind = u64::from(self.highest_sequence.wrapping_sub(sequence));
        match self.highest_index.checked_sub(behind) {
            Some(index) if behind < CACHE_PACKETS as u64 && index >= self.lowest_index => {
                Place::Late(index)
            }
            _ => Place::TooOld,
        }
    }
}

/// The newest keyframe.
#[derive(Debug, Clone, Copy)]
struct Keyframe {
    index: u64,
    ssrc: u32,
    codec: Codec,
    timestamp: u32,
    arrived: Instant,
}

/// When a keyframe was asked for, and when to ask again.
#[derive(Debug, Default)]
struct KeyframeWish {
    asked: Option<Instant>,
    due: Option<Instant>,
    repeats: u32,
}

/// A published track and its newest packets.
#[derive(Debug)]
pub struct SourceTrack {
    id: TrackId,
    kind: MediaKind,
    source: TrackSource,
    codec: Option<Codec>,
    /// Packet of index `i` at `i % CACHE_PACKETS`; empty until the first packet.
    ring: Vec<Option<(u64, Packet)>>,
    current: Option<Source>,
    former: Option<Source>,
    keyframe: Option<Keyframe>,
    wish: KeyframeWish,
    report: Option<(u64, u32)>,
}

impl SourceTrack {
    /// A track of which nothing has come yet.
    pub fn new(id: TrackId, kind: MediaKind, source: TrackSource) -> Self {
        Self {
            id,
            kind,
            source,
            codec: None,
            ring: Vec::new(),
            current: None,
            former: None,
            keyframe: None,
            wish: KeyframeWish::default(),
            report: None,
        }
    }

    /// Its name.
    pub fn id(&self) -> &TrackId {
        &self.id
    }

    /// Sound or picture.
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// What it shows.
    pub fn source(&self) -> TrackSource {
        self.source
    }

    /// What the newest packet was coded with; `None` before the first.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// It is older than the newest of its source, or its source was left before.
    pub fn is_straggler(&self, packet: &Packet) -> bool {
        let sources = [self.current, self.former];
        let source = sources.into_iter().flatten().find(|source| source.ssrc == packet.ssrc);
        source.is_some_and(|source| !matches!(source.place(packet.sequence), Place::Newest(_)))
    }

    /// Takes a packet in and gives its index: the source's sequence number without its wraps,
    /// growing over changes of SSRC. `None` for a duplicate and for what is older than the cache.
    pub fn push(&mut self, packet: Packet) -> Option<u64> {
        let index = self.index_for(&packet)?;
        if self.ring.is_empty() {
            self.ring.resize_with(CACHE_PACKETS, || None);
        }
        let slot = (index % CACHE_PACKETS as u64) as usize;
        if self.ring[slot].as_ref().is_some_and(|(held, _)| *held >= index) {
            return None;
        }
        if self.newest_index() == Some(index) {
            // A straggler may be of the codec that the publisher has left.
            self.codec = Some(packet.codec);
        }
        if packet.keyframe {
            self.note_keyframe(index, &packet);
        }
        self.ring[slot] = Some((index, packet));
        Some(index)
    }

    /// The newest packet's index; `None` before the first.
    pub fn newest_index(&self) -> Option<u64> {
        self.current.map(|current| current.highest_index)
    }

    /// The packet of `index`, while the cache has it.
    pub fn packet(&self, index: u64) -> Option<&Packet> {
        match self.ring.get((index % CACHE_PACKETS as u64) as usize)? {
            Some((held, packet)) if *held == index => Some(packet),
            _ => None,
        }
    }

    /// The last keyframe and what followed it, oldest first, to start a late viewer with at once:
    /// if nothing of it is missing, it is of the codec that comes now, and at most [`START_FRESH`]
    /// old. Audio needs no start.
    pub fn start(&self, now: Instant) -> Option<impl Iterator<Item = (u64, &Packet)>> {
        let keyframe = self.keyframe?;
        let current = self.current?;
        let is_fresh = now.saturating_duration_since(keyframe.arrived) <= START_FRESH;
        let is_current = (keyframe.ssrc, Some(keyframe.codec)) == (current.ssrc, self.codec);
        if !is_fresh || !is_current {
            return None;
        }
        let indices = keyframe.index..=current.highest_index;
        let is_whole = indices.clone().all(|index| self.packet(index).is_some());
        is_whole.then(|| indices.filter_map(|index| Some((index, self.packet(index)?))))
    }

    /// Somebody cannot go on without a keyframe. True when it is to be asked for now; a request
    /// within [`KEYFRAME_GAP`] of the last one is remembered, see [`Self::keyframe_due`].
    pub fn want_keyframe(&mut self, now: Instant) -> bool {
        self.wish.repeats = 0;
        match self.wish.asked {
            Some(asked) if now < asked + KEYFRAME_GAP => {
                let due = asked + KEYFRAME_GAP;
                self.wish.due = Some(self.wish.due.map_or(due, |earlier| earlier.min(due)));
                false
            }
            _ => {
                self.wish.asked = Some(now);
                self.wish.due = Some(now + KEYFRAME_GAP);
                true
            }
        }
    }

    /// True when a remembered request, or the repetition of an unanswered one, is to be sent now.
    pub fn keyframe_due(&mut self, now: Instant) -> bool {
        if self.wish.due.is_none_or(|due| now < due) {
            return false;
        }
        self.wish.repeats += 1;
        self.wish.asked = Some(now);
        let wait = KEYFRAME_GAP * 2_u32.pow(self.wish.repeats);
        self.wish.due = (self.wish.repeats < KEYFRAME_REPEATS).then(|| now + wait);
        true
    }

    /// When to call [`Self::keyframe_due`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wish.due
    }

    /// A sender report of the publisher: an NTP time (64 bit, RFC 5905) and the RTP time that
    /// belongs to it.
    pub fn sender_report(&mut self, ntp: u64, rtp_timestamp: u32) {
        self.report = Some((ntp, rtp_timestamp));
    }

    /// The newest pair of [`Self::sender_report`] that belongs to the current source.
    pub fn ntp_and_rtp(&self) -> Option<(u64, u32)> {
        self.report
    }

    fn index_for(&mut self, packet: &Packet) -> Option<u64> {
        let Some(current) = &mut self.current else {
            self.begin_source(packet, SOURCE_GAP);
            return Some(SOURCE_GAP);
        };
        if packet.ssrc == current.ssrc {
            return match current.place(packet.sequence) {
                Place::Newest(index) => {
                    current.highest_index = index;
                    current.highest_sequence = packet.sequence;
                    Some(index)
                }
                Place::Late(index) => Some(index),
                Place::TooOld => None,
            };
        }
        if let Some(former) = self.former.filter(|former| former.ssrc == packet.ssrc) {
            match former.place(packet.sequence) {
                Place::Late(index) => return Some(index),
                Place::TooOld => return None,
                Place::Newest(_) => {}
            }
        }
        let index = current.highest_index + 1 + SOURCE_GAP;
        self.begin_source(packet, index);
        Some(index)
    }

    fn begin_source(&mut self, packet: &Packet, index: u64) {
        self.former = self.current.replace(Source {
            ssrc: packet.ssrc,
            highest_sequence: packet.sequence,
            lowest_index: index - SOURCE_GAP,
            highest_index: index,
        });
        self.report = None;
    }

    /// The first packet of a keyframe; an H.264 one has several that could be (SPS, PPS, IDR), and
    /// the earliest counts, in whatever order they came.
    fn note_keyframe(&mut self, index: u64, packet: &Packet) {
        self.wish.due = None;
        self.wish.repeats = 0;
        match &mut self.keyframe {
            Some(known) if known.ssrc == packet.ssrc && known.timestamp == packet.timestamp => {
                known.index = known.index.min(index);
            }
            Some(known) if known.index > index => {}
            known => {
                *known = Some(Keyframe {
                    index,
                    ssrc: packet.ssrc,
                    codec: packet.codec,
                    timestamp: packet.timestamp,
                    arrived: packet.arrived,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
