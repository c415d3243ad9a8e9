//! A table that the client has made (WHEP): its sections are the lines, and stay.
//!
//! PURE. Nothing is ever offered here. A line takes any track whose codec its section can receive,
//! one after the other; the payload type follows the track.

use std::time::Instant;

use super::{Local, Negotiation};
use crate::{
    seams::media::SfuError,
    sfu::{
        down::{ShownTrack, client_answer, offer::OfferParts, table::Line},
        media::{
            packet::Codec,
            sdp::{answer::Answered, codecs::OfferedCodec, offer::Offer, transport::Transport},
        },
    },
};

fn accepted(receivable: &OfferedCodec) -> Answered {
    Answered::Accepted {
        transport_cc: receivable.numbers,
        payload_type: receivable.payload_type,
        rtx_payload_type: receivable.rtx,
        red_payload_type: receivable.red,
    }
}

impl Negotiation {
    /// Answers a client's offer, the first or a later one with the same sections. `published` are the
    /// codecs of what it watches, as far as known: they come first in the answer.
    ///
    /// # Errors
    /// `SdpUnacceptable` if it can receive none of these codecs, or if a later offer differs in more
    /// than its transport. Nothing is changed then.
    pub(crate) fn answer_client(
        &mut self,
        now: Instant,
        mut offer: Offer,
        transport: &Transport,
        published: &[Codec],
        local: Local<'_>,
    ) -> Result<String, SfuError> {
        for taken in offer.sections.iter_mut().filter_map(|section| section.accepted.as_mut()) {
            taken.codecs.sort_by_key(|codec| !published.contains(&codec.codec));
        }
        let lines: Vec<Line> = offer
            .sections
            .iter()
            .filter_map(|section| {
                let taken = section.accepted.as_ref()?;
                let mut line = Line::new(taken.codecs.first()?.codec, self.origin(), now);
                line.mid = Some(section.mid.clone());
                line.offered = Some(true);
                line.answered = accepted(taken.codecs.first()?);
                line.receivable = taken.codecs.clone();
                Some(line)
            })
            .collect();
        let receives = |codec: &Codec| lines.iter().any(|line| line.receivable(*codec).is_some());
        if !published.is_empty() && !published.iter().any(receives) {
            let names: Vec<&str> = published.iter().map(|codec| codec.name()).collect();
            let text =
                format!("what is published is {}, which it does not receive", names.join(", "));
            return Err(SfuError::SdpUnacceptable(text));
        }
        if self.is_client_made {
            let same = |(ours, theirs): (&Line, &Line)| {
                let has = |codec: &OfferedCodec| ours.receivable.contains(codec);
                ours.mid == theirs.mid && theirs.receivable.iter().all(has)
            };
            if lines.len() != self.lines.len() || !self.lines.iter().zip(&lines).all(same) {
                let text = "its sections are not those of before; that needs a new session";
                return Err(SfuError::SdpUnacceptable(text.to_owned()));
            }
        } else {
            self.lines = lines;
            self.is_client_made = true;
            self.client = Some(transport.clone());
        }
        self.revision += 1;
        let parts = OfferParts {
            session_id: self.session_id,
            revision: self.revision,
            local: local.credentials,
            fingerprint: local.fingerprint,
            candidates: local.candidates,
            cname: &self.cname,
            setup: local.setup,
        };
        Ok(client_answer::write(parts, &offer, &self.lines))
    }

    /// Brings the client's lines to the desired table, in order of importance; what finds no line is
    /// not shown. True if [`Self::mids`] has changed.
    pub(super) fn fill(&mut self, tracks: &[ShownTrack]) -> bool {
        let before = self.mids();
        for line in &mut self.lines {
            let shown = line.shown.take();
            let still = shown
                .and_then(|shown| tracks.iter().find(|track| track.shown.track == shown.track));
            if let Some(track) = still {
                line.take(track);
            }
        }
        for track in tracks {
            let is_here = |line: &Line| {
                line.shown.as_ref().is_some_and(|shown| shown.track == track.shown.track)
            };
            if self.lines.iter().any(is_here) {
                continue;
            }
            let is_free =
                |line: &&mut Line| line.shown.is_none() && line.receivable(track.codec).is_some();
            if let Some(line) = self.lines.iter_mut().find(is_free) {
                line.take(track);
            }
        }
        self.mids() != before
    }
}

impl Line {
    fn receivable(&self, codec: Codec) -> Option<&OfferedCodec> {
        self.receivable.iter().find(|receivable| receivable.codec == codec)
    }

    /// Shows this track, if it can be received.
    fn take(&mut self, track: &ShownTrack) {
        let Some(answered) = self.receivable(track.codec).map(accepted) else { return };
        self.codec = track.codec;
        self.answered = answered;
        self.shown = Some(track.shown.clone());
    }
}
