//! What comes from a viewer: told apart by its first byte (RFC 7983), checked, turned into events.
//!
//! Only a valid STUN check opens the way for an address; only what is authentic counts as life.

use std::{net::SocketAddr, time::Instant};

use super::{
    DownEvent, Downlink, Phase,
    rtcp::{self, Feedback},
};
use crate::{
    sfu::{
        link::{dtls::Progress, ice::Checked, srtp::Srtp},
        wire::transmit::Transmit,
    },
    telemetry::metrics::metrics,
};

/// Longest RTCP datagram that is opened.
const MAX_RTCP: usize = 1500;
/// Packets that one datagram may ask for again. A browser asks for a few; without a bound, 1.5 KB
/// could make us send 7 MB.
const MAX_NACKED: usize = 512;

impl Downlink {
    /// A datagram came from `from`, found to be ours by its ufrag or its address.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
        out: &mut dyn Transmit,
    ) {
        self.clock = now;
        // RFC 7983.
        let taken = match data.first() {
            _ if matches!(self.phase, Phase::Closed) => false,
            Some(0..=3) => self.handle_stun(now, from, data, out),
            Some(_) if !self.ice.is_valid(from) => false,
            Some(20..=63) => self.handle_dtls(now, from, data, out),
            Some(128..=191) => self.handle_rtcp(now, from, data),
            _ => false,
        };
        if !taken {
            self.n_ignored += 1;
            metrics().datagrams_bad.inc();
        }
    }

    fn handle_stun(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
        out: &mut dyn Transmit,
    ) -> bool {
        let checked = self.ice.handle(from, data, self.shared.crypto(), out);
        if checked == Checked::Valid {
            self.heard_at = now;
        }
        checked != Checked::Ignored
    }

    fn handle_dtls(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
        out: &mut dyn Transmit,
    ) -> bool {
        let progress = self.dtls.handle(now, data, |datagram| out.transmit(from, datagram));
        match progress {
            Progress::Ignored => return false,
            Progress::Going => {}
            // The last flight is out by now: media that came before it would be thrown away.
            Progress::Completed => {
                self.ice.used(from);
                match self.dtls.keys() {
                    Some(keys) => {
                        self.phase = Phase::Keyed(Box::new(keys));
                        // A refusal is in `closed_because`.
                        let _ = self.connect(now);
                    }
                    None => self.fail("the client has no SRTP profile or no certificate"),
                }
            }
            Progress::Closed => self.end(),
            Progress::Failed(reason) => self.fail(&reason),
        }
        true
    }

    /// Becomes connected if there are both keys and the fingerprint that vouches for them.
    pub(super) fn connect(&mut self, now: Instant) -> Result<(), String> {
        let (Phase::Keyed(keys), Some(expected)) = (&self.phase, self.negotiation.fingerprint())
        else {
            return Ok(());
        };
        let refusal = if keys.fingerprint != *expected {
            "the client's certificate is not the one its answer names"
        } else if let Some(srtp) = Srtp::new(keys.profile, &keys.keying) {
            self.phase = Phase::Connected(Box::new(srtp));
            self.heard_at = now;
            self.push(DownEvent::Connected);
            return Ok(());
        } else {
            "the keying material has the wrong length"
        };
        self.fail(refusal);
        Err(refusal.to_owned())
    }

    fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, data: &[u8]) -> bool {
        let Phase::Connected(srtp) = &mut self.phase else { return false };
        // RFC 5761 4: RTP has no business here, we only send it.
        if !matches!(data.get(1), Some(192..=223)) {
            return false;
        }
        let mut buffer = [0; MAX_RTCP];
        let Some(compound) = srtp.open_rtcp(data, &mut buffer) else { return false };
        self.heard_at = now;
        self.ice.used(from);
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
