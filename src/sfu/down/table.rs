//! One m-line of a viewer: what it shows, what was negotiated for it, and its packet numbers.
//!
//! A line lives as long as its connection, and so does its SSRC: another track that takes the line
//! goes on with its numbers. [`Numbers`] makes sure that no index is sealed twice under one SSRC and
//! key, whatever the caller does (RFC 3711 9.1: with AES-GCM that would give the key away).

use std::time::Instant;

use crate::{
    ids::Mid,
    protocol::Shown,
    sfu::{
        link::window::Window,
        media::{
            forward::Forwarded,
            packet::Codec,
            sdp::{answer::Answered, codecs::OfferedCodec},
        },
        path::{Report, Sent},
    },
};

/// A stream's first number is below this, so that both ends begin with a roll-over counter of 0.
pub(crate) const FIRST_SEQUENCES: u16 = 1 << 13;

/// The packet indexes (RFC 3711 3.3.1: roll-over counter and sequence number) used of one SSRC.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) ssrc: u32,
    used: Window,
}

impl Numbers {
    pub(crate) fn new(ssrc: u32) -> Self {
        Self { ssrc, used: Window::default() }
    }

    /// The index of a sequence number that was never claimed before, or `None`.
    #[inline]
    pub(crate) fn claim(&mut self, sequence: u16) -> Option<u64> {
        let index = self.used.index_of(sequence)?;
        self.used.take(index).then_some(index)
    }

    /// The number after the newest.
    fn next(&self) -> Option<u16> {
        self.used.newest().map(|newest| (newest as u16).wrapping_add(1))
    }
}

/// What packets of a line look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    pub(crate) payload_type: u8,
    pub(crate) rtx_payload_type: Option<u8>,
    pub(crate) red_payload_type: Option<u8>,
    pub(crate) transport_cc: Option<u8>,
}

/// What a line needs to begin with; all of it random.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: u32,
    pub(crate) first_sequence: u16,
    pub(crate) first_rtx_sequence: u16,
    pub(crate) first_timestamp: u32,
}

/// One m-line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) codec: Codec,
    /// Its index as text, from its first offer on.
    pub(crate) mid: Option<Mid>,
    /// The track it shows. `None`: free for another of its codec.
    pub(crate) shown: Option<Shown>,
    /// Whether the newest offer sends on it. `None`: never offered.
    pub(crate) offered: Option<bool>,
    pub(crate) answered: Answered,
    /// Where the client has made the section: what it can receive there.
    pub(crate) receivable: Vec<OfferedCodec>,
    pub(crate) media: Numbers,
    pub(crate) rtx_ssrc: u32,
    next_rtx_index: u64,
    first_sequence: u16,
    /// When the line began, and the timestamp that stands for it.
    anchor: (Instant, u32),
    pub(crate) last_timestamp: Option<u32>,
    pub(crate) n_packets: u32,
    pub(crate) n_octets: u32,
    pub(crate) report: Option<Report>,
}

impl Line {
    pub(crate) fn new(codec: Codec, origin: Origin, now: Instant) -> Self {
        Self {
            codec,
            mid: None,
            shown: None,
            offered: None,
            answered: Answered::NotYet,
            receivable: Vec::new(),
            media: Numbers::new(origin.ssrc),
            rtx_ssrc: origin.rtx_ssrc,
            next_rtx_index: u64::from(origin.first_rtx_sequence),
            first_sequence: origin.first_sequence,
            anchor: (now, origin.first_timestamp),
            last_timestamp: None,
            n_packets: 0,
            n_octets: 0,
            report: None,
        }
    }

    /// What the next offer should say: whether it sends. A line that sent once goes on to say so
    /// while it shows nothing: Chromium leaves the picture of a section dark that was inactive and
    /// comes back with the SSRC it had.
    pub(crate) fn is_wanted(&self) -> bool {
        let sends = self.shown.is_some() || self.offered == Some(true);
        sends && self.answered != Answered::Refused
    }

    /// What was negotiated, while packets may be sent on it.
    #[inline]
    pub(crate) fn live(&self) -> Option<Live> {
        match (self.answered, self.offered, &self.shown) {
            (
                Answered::Accepted {
                    payload_type,
                    rtx_payload_type,
                    red_payload_type,
                    transport_cc,
                },
                Some(true),
                Some(_),
            ) => Some(Live { payload_type, rtx_payload_type, red_payload_type, transport_cc }),
            _ => None,
        }
    }

    /// Claims the index of one packet and counts it.
    #[inline]
    pub(crate) fn claim(&mut self, header: Forwarded, payload_len: usize) -> Option<u64> {
        let index = self.media.claim(header.sequence)?;
        self.last_timestamp = Some(header.timestamp);
        self.n_packets = self.n_packets.wrapping_add(1);
        self.n_octets = self.n_octets.wrapping_add(payload_len as u32);
        Some(index)
    }

    /// How much has gone out.
    pub(crate) fn sent(&self) -> Sent {
        Sent { n_packets: self.n_packets, n_octets: self.n_octets }
    }

    /// The next index of the RTX stream: no two packets have the same.
    pub(crate) fn claim_rtx(&mut self) -> u64 {
        self.next_rtx_index += 1;
        self.next_rtx_index - 1
    }

    /// With which numbers a track begins on this line at `now`. Timestamps go on by elapsed time
    /// since the line began, and never back.
    pub(crate) fn first_numbers(&self, now: Instant) -> (u16, u32) {
        let (began_at, began_with) = self.anchor;
        let elapsed = now.saturating_duration_since(began_at).as_nanos();
        let ticks = elapsed * u128::from(self.codec.clock_rate()) / 1_000_000_000;
        let timestamp = began_with.wrapping_add(ticks as u32);
        let timestamp = match self.last_timestamp {
            Some(last) if (timestamp.wrapping_sub(last) as i32) <= 0 => last.wrapping_add(1),
            _ => timestamp,
        };
        (self.media.next().unwrap_or(self.first_sequence), timestamp)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use super::*;
    use crate::sfu::testing::random::Random;

    fn line(now: Instant) -> Line {
        let origin = Origin {
            ssrc: 1,
            rtx_ssrc: 2,
            first_sequence: 100,
            first_rtx_sequence: 200,
            first_timestamp: u32::MAX - 10,
        };
        Line::new(Codec::Vp8, origin, now)
    }

    #[test]
    fn no_index_is_claimed_twice_and_each_is_the_nearest() {
        let mut random = Random::new(5);
        let mut stream = Numbers::new(1);
        let mut claimed = HashSet::new();
        let mut position = 8_000u64;
        let mut n_refused = 0;
        for _ in 0..300_000 {
            position += random.below(3);
            let jump = if random.below(1000) == 0 { random.below(3000) } else { 0 };
            position += jump;
            let sent = (position - random.below(1200).min(position)) & !(random.below(2) * 7);
            match stream.claim(sent as u16) {
                Some(index) => {
                    assert_eq!(index, sent);
                    assert!(claimed.insert(index), "{index} twice");
                }
                None => n_refused += 1,
            }
        }
        assert!(position > 3 * 65_536, "it rolled over");
        assert!(n_refused > 0 && claimed.len() > 10_000);
    }

    #[test]
    fn what_is_before_the_first_of_all_or_too_old_is_refused() {
        let mut stream = Numbers::new(1);
        assert_eq!(stream.claim(5), Some(5));
        assert_eq!(stream.claim(65_535), None, "would be a roll-over counter of -1");
        assert_eq!(stream.claim(4), Some(4));
        assert_eq!(stream.claim(4), None);
        assert_eq!(stream.claim(5), None);
        assert_eq!(stream.claim(2000), Some(2000));
        assert_eq!(stream.claim(6), None, "too old");
        assert_eq!(stream.claim(1100), Some(1100));
        assert_eq!(stream.claim(1100), None);
    }

    #[test]
    fn a_track_goes_on_where_the_one_before_it_stopped() {
        let now = Instant::now();
        let mut line = line(now);
        assert_eq!(line.first_numbers(now), (100, u32::MAX - 10));
        let second = now + Duration::from_secs(1);
        assert_eq!(line.first_numbers(second), (100, 89_989), "it wraps");
        let header = Forwarded { sequence: 65_535, timestamp: 80_000, marker: false };
        assert!(line.claim(header, 10).is_some());
        assert_eq!(line.first_numbers(second), (0, 89_989));
        let header = Forwarded { sequence: 0, timestamp: 99_000, marker: false };
        assert_eq!(line.claim(header, 10), Some(65_536));
        assert_eq!(line.first_numbers(second), (1, 99_001), "never back");
        assert_eq!((line.n_packets, line.n_octets), (2, 20));
        assert_eq!((line.claim_rtx(), line.claim_rtx()), (200, 201));
    }
}
