//! What comes from a viewer: checked, and turned into events.
//!
//! Only what is authentic counts as life.

use std::time::Instant;

use super::{
    DownEvent, Downlink,
    rtcp::{self, Feedback},
};
use crate::{
    sfu::{
        link::transport::Arrival,
        wire::transmit::{Route, Transmit},
    },
    telemetry::metrics::metrics,
};

/// Longest RTCP datagram that is opened.
const MAX_RTCP: usize = 1500;
/// Packets that one datagram may ask for again. A browser asks for a few; without a bound, 1.5 KB
/// could make us send 7 MB.
const MAX_NACKED: usize = 512;

impl Downlink {
    /// A datagram came by a way, found to be ours by its ufrag or its address.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: impl Into<Route>,
        data: &[u8],
        out: &mut dyn Transmit,
    ) {
        self.clock = now;
        let from = from.into();
        let taken = match self.link.handle(now, from, data, out) {
            Arrival::Done => true,
            Arrival::Rtcp => self.handle_rtcp(now, from, data),
            // RTP has no business here, we only send it.
            Arrival::Rtp | Arrival::Refused => false,
        };
        self.note_link();
        if !taken {
            self.n_ignored += 1;
            metrics().datagrams_bad.inc();
        }
    }

    fn handle_rtcp(&mut self, now: Instant, from: Route, data: &[u8]) -> bool {
        let Some(keyed) = self.link.keyed() else { return false };
        let mut buffer = [0; MAX_RTCP];
        let Some(compound) = keyed.srtp.open_rtcp(data, &mut buffer) else { return false };
        self.link.heard_by(now, from);
        let mut nacked = 0;
        rtcp::parse(compound, |feedback| self.handle_feedback(feedback, &mut nacked));
        if let Some(estimator) = &mut self.estimator {
            estimator.reported_all(self.clock);
        }
        true
    }

    fn handle_feedback(&mut self, feedback: Feedback<'_>, nacked: &mut usize) {
        match feedback {
            Feedback::Arrivals(feedback) => {
                if let Some(estimator) = &mut self.estimator {
                    estimator.feedback(self.clock, &feedback);
                }
            }
            Feedback::Report { ssrc, report } => {
                let Some(slot) = self.negotiation.slot_of(ssrc) else { return };
                let Some(line) = self.negotiation.line_mut(slot) else { return };
                line.report = Some(report);
                if let Some(estimator) = &mut self.estimator {
                    estimator.reported(self.clock, slot, line.sent(), report);
                }
            }
            Feedback::Remb { bps } => {
                if let Some(estimator) = &mut self.estimator {
                    estimator.remb(self.clock, bps as f64);
                }
            }
            Feedback::KeyframeWanted { ssrc } => {
                if let Some(slot) = self.negotiation.slot_of(ssrc) {
                    self.push(DownEvent::KeyframeWanted(slot));
                }
            }
            Feedback::Nack { ssrc, sequence, following } => {
                let Some(slot) = self.negotiation.slot_of(ssrc) else { return };
                let others = (0..16u16).filter(|bit| following >> bit & 1 == 1);
                let others = others.map(|bit| sequence.wrapping_add(bit + 1));
                let missing = std::iter::once(sequence).chain(others).take(MAX_NACKED - *nacked);
                if let Some(DownEvent::Nack(last, sequences)) = self.events.back_mut()
                    && *last == slot
                    && *nacked > 0
                {
                    let before = sequences.len();
                    sequences.extend(missing);
                    *nacked += sequences.len() - before;
                } else {
                    let sequences: Vec<u16> = missing.collect();
                    *nacked += sequences.len();
                    if !sequences.is_empty() {
                        self.push(DownEvent::Nack(slot, sequences));
                    }
                }
            }
        }
    }
}
