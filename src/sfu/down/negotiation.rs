//! Offer and answer of one viewer: which track is on which m-line, and when that is offered.
//!
//! PURE. One offer is in flight; what changes meanwhile is offered after its answer. Changes of
//! [`COLLECT`] are taken together, but for the first offer, which goes at once. Showing another track
//! on a line that exists needs no offer.
//!
//! ```text
//!  show() -> lines change -> dirty since -- 20 ms --> offer in flight -- answer --> settled
//!                               ^                        | show()                     |
//!                               +--- after the answer ---+                            |
//!                               +-----------------------------------------------------+
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{Context, SHA256};

use super::{
    ShownTrack, Slot,
    offer::{self, OfferParts},
    table::{FIRST_SEQUENCES, Line, Live, Origin},
};
use crate::{
    ids::{Mid, TrackId},
    protocol::Shown,
    seams::media::SfuError,
    sfu::{
        link::{credentials::IceCredentials, transport::Remote},
        media::{
            packet::Codec,
            sdp::{
                MAX_SECTIONS,
                answer::{self, Answered},
                transport::Transport,
            },
        },
    },
};
mod client;

/// Changes within this time go into one offer: a member's tracks come one after the other.
const COLLECT: Duration = Duration::from_millis(20);
/// M-lines of one viewer: 60 members with camera and microphone, and an SDP of 80 KB.
pub(crate) const MAX_LINES: usize = MAX_SECTIONS;

/// The m-lines of a viewer and the state of their negotiation.
#[derive(Debug)]
pub(crate) struct Negotiation {
    lines: Vec<Line>,
    random: Random,
    session_id: u64,
    cname: Box<str>,
    /// When what has changed is to be offered, at the earliest.
    dirty: Option<Instant>,
    in_flight: bool,
    revision: u32,
    offer: Option<Arc<str>>,
    /// The client's end: the certificate and the role of the first answer that accepted something, the
    /// credentials of the newest.
    client: Option<Transport>,
    /// The client has offered: its sections are the lines.
    is_client_made: bool,
}

/// What stays the same from offer to offer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local<'a> {
    pub(crate) credentials: &'a IceCredentials,
    pub(crate) fingerprint: &'a [u8; 32],
    pub(crate) candidates: &'a [String],
    /// Our `a=setup`, where we answer.
    pub(crate) setup: &'static str,
}

impl Negotiation {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut random = Random { seed, count: 0 };
        // RFC 8829 5.2.1: 63 bits. RFC 7022: a cname tells nothing.
        let session_id = u64::from(random.next() >> 1) << 32 | u64::from(random.next());
        let cname = format!("{:08x}{:08x}", random.next(), random.next()).into();
        Self {
            lines: Vec::new(),
            random,
            session_id,
            cname,
            dirty: None,
            in_flight: false,
            revision: 0,
            offer: None,
            client: None,
            is_client_made: false,
        }
    }

    /// Brings the lines to the desired table, in order of importance. True if [`Self::mids`] has
    /// changed.
    pub(crate) fn show(&mut self, now: Instant, tracks: &[ShownTrack]) -> bool {
        if self.is_client_made {
            return self.fill(tracks);
        }
        let before = self.mids();
        for line in &mut self.lines {
            let wanted = line.shown.take().and_then(|shown| {
                let same = |track: &&ShownTrack| {
                    track.shown.track == shown.track && track.codec == line.codec
                };
                tracks.iter().find(same)
            });
            line.shown = wanted.map(|track| track.shown.clone());
        }
        for track in tracks {
            self.place(now, track);
        }
        // A line that was never offered and is not needed any more leaves no trace.
        self.lines.retain(|line| line.offered.is_some() || line.shown.is_some());
        if self.is_offer_needed() {
            // Who has just come and finds tracks is not kept waiting for more.
            let wait = if self.revision == 0 { Duration::ZERO } else { COLLECT };
            self.dirty.get_or_insert(now + wait);
        }
        self.mids() != before
    }

    fn place(&mut self, now: Instant, track: &ShownTrack) {
        let same_track =
            |line: &Line| line.shown.as_ref().is_some_and(|shown| shown.track == track.shown.track);
        if self.lines.iter().any(same_track) || self.is_refused(track.codec) {
            return;
        }
        let is_free = |line: &&mut Line| {
            line.codec == track.codec && line.shown.is_none() && line.answered != Answered::Refused
        };
        // Best a line that the client already receives on: that one needs no offer.
        let free = self.lines.iter_mut().filter(is_free).max_by_key(|line| line.offered);
        if let Some(line) = free {
            line.shown = Some(track.shown.clone());
        } else if self.lines.len() < MAX_LINES {
            let mut line = Line::new(track.codec, self.origin(), now);
            line.shown = Some(track.shown.clone());
            self.lines.push(line);
        }
    }

    /// The client has refused this codec, and has never accepted it.
    fn is_refused(&self, codec: Codec) -> bool {
        let mut refused = false;
        for line in self.lines.iter().filter(|line| line.codec == codec) {
            match line.answered {
                Answered::Refused => refused = true,
                Answered::Accepted { .. } | Answered::Inactive => return false,
                Answered::NotYet => {}
            }
        }
        refused
    }

    fn origin(&mut self) -> Origin {
        let mut ssrc = || loop {
            // 0 is not forbidden, but has surprised receivers.
            let ssrc = self.random.next();
            let used = |line: &Line| line.media.ssrc == ssrc || line.rtx_ssrc == ssrc;
            if ssrc != 0 && !self.lines.iter().any(used) {
                return ssrc;
            }
        };
        let (ssrc, rtx_ssrc) = (ssrc(), ssrc());
        let mut sequence = || self.random.next() as u16 % FIRST_SEQUENCES;
        let (first_sequence, first_rtx_sequence) = (sequence(), sequence());
        let first_timestamp = self.random.next();
        Origin { ssrc, rtx_ssrc, first_sequence, first_rtx_sequence, first_timestamp }
    }

    fn is_offer_needed(&self) -> bool {
        self.lines.iter().any(|line| line.offered != Some(line.is_wanted()))
    }

    /// When [`Self::advance`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.dirty.filter(|_| !self.in_flight)
    }

    /// Makes the next offer if it is time. True if there is a new one.
    pub(crate) fn advance(&mut self, now: Instant, local: Local<'_>) -> bool {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return false;
        }
        self.dirty = None;
        if !self.is_offer_needed() {
            return false;
        }
        for (slot, line) in self.lines.iter_mut().enumerate() {
            line.offered = Some(line.is_wanted());
            // Digits only: always a token.
            line.mid = line.mid.take().or_else(|| slot.to_string().parse().ok());
        }
        self.revision += 1;
        self.in_flight = true;
        let parts = OfferParts {
            session_id: self.session_id,
            revision: self.revision,
            local: local.credentials,
            fingerprint: local.fingerprint,
            candidates: local.candidates,
            cname: &self.cname,
            setup: local.setup,
        };
        self.offer = Some(offer::write(parts, &self.lines).into());
        true
    }

    /// The answer to the offer in flight. True if [`Self::mids`] has changed: something was
    /// refused. An answer that is refused itself leaves the offer in flight.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        revision: u32,
        sdp: &str,
    ) -> Result<bool, SfuError> {
        if !self.in_flight || revision != self.revision {
            return Err(SfuError::OfferUnknown(revision));
        }
        // All lines have been offered, but for those that came since: they are the last.
        let offered: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| Some((line.mid.as_ref()?.to_string(), line.codec)))
            .collect();
        let answer = answer::read(sdp, &offered)?;
        if let (Some(known), Some(client)) = (&self.client, &answer.transport) {
            let text = if known.fingerprint != client.fingerprint {
                "another certificate than before: that needs a new connection"
            } else if known.setup != client.setup {
                "another a=setup than before: that needs a new connection"
            } else {
                ""
            };
            if !text.is_empty() {
                return Err(SfuError::SdpUnacceptable(text.to_owned()));
            }
        }
        let before = self.mids();
        self.client = answer.transport.or(self.client.take());
        for (line, answered) in self.lines.iter_mut().zip(answer.lines) {
            // Once refused, a line stays so: its offers have port 0.
            if line.answered != Answered::Refused {
                line.answered = answered;
            }
            if line.answered == Answered::Refused {
                line.shown = None;
                line.offered = Some(false);
            }
        }
        self.in_flight = false;
        if self.is_offer_needed() {
            self.dirty.get_or_insert(now);
        }
        Ok(self.mids() != before)
    }

    /// The newest offer and its revision.
    pub(crate) fn offer(&self) -> Option<(u32, Arc<str>)> {
        Some((self.revision, self.offer.clone()?))
    }

    /// What the lines show that the newest offer sends on.
    pub(crate) fn mids(&self) -> Vec<(Mid, Shown)> {
        let told = |line: &&Line| line.offered == Some(true);
        let lines = self.lines.iter().filter(told);
        lines.filter_map(|line| Some((line.mid.clone()?, line.shown.clone()?))).collect()
    }

    /// A line with retransmissions on which packets may be sent: padding goes there.
    pub(crate) fn padding_slot(&self) -> Option<Slot> {
        let pads = |live: Live| live.transport_cc.is_some() && live.rtx_payload_type.is_some();
        self.lines.iter().position(|line| line.live().is_some_and(pads))
    }

    /// The line on which packets of this track may be sent.
    pub(crate) fn slot(&self, track: &TrackId) -> Option<Slot> {
        self.lines.iter().position(|line| {
            line.shown.as_ref().is_some_and(|shown| shown.track == *track) && line.live().is_some()
        })
    }

    /// A line is to show this track, and may still.
    pub(crate) fn expects(&self, track: &TrackId) -> bool {
        let may =
            |line: &Line| matches!(line.answered, Answered::NotYet | Answered::Accepted { .. });
        let shows = |line: &Line| line.shown.as_ref().is_some_and(|shown| shown.track == *track);
        self.lines.iter().any(|line| may(line) && shows(line))
    }

    pub(crate) fn line(&self, slot: Slot) -> Option<&Line> {
        self.lines.get(slot)
    }

    #[inline]
    pub(crate) fn line_mut(&mut self, slot: Slot) -> Option<&mut Line> {
        self.lines.get_mut(slot)
    }

    /// The slot of a media SSRC.
    pub(crate) fn slot_of(&self, ssrc: u32) -> Option<Slot> {
        self.lines.iter().position(|line| line.media.ssrc == ssrc)
    }

    /// The client's end.
    pub(crate) fn remote(&self) -> Option<Remote> {
        self.client.as_ref().map(Transport::remote)
    }

    pub(crate) fn cname(&self) -> &str {
        &self.cname
    }
}

/// Random words out of one seed: SHA-256 of seed and count.
#[derive(Debug)]
struct Random {
    seed: [u8; 32],
    count: u32,
}

impl Random {
    fn next(&mut self) -> u32 {
        let mut context = Context::new(&SHA256);
        context.update(&self.seed);
        context.update(&self.count.to_be_bytes());
        self.count += 1;
        let digest = context.finish();
        digest.as_ref().iter().take(4).fold(0, |word, byte| word << 8 | u32::from(*byte))
    }
}

#[cfg(test)]
pub(crate) mod tests;
