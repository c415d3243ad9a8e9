//! What comes from a publisher: opened, and given to the media.
//!
//! Only what is authentic counts as life.

use std::time::Instant;

use super::{Uplink, rtcp};
use crate::{
    sfu::{
        link::{
            srtp::{MAX_OVERHEAD, Refusal},
            transport::Arrival,
        },
        wire::{
            rtp::Header,
            transmit::{Route, Transmit},
        },
    },
    telemetry::metrics::metrics,
};

/// Longest RTCP datagram, in and out.
const MAX_RTCP: usize = 1500;
/// Longest RTP datagram that is opened: what no path of today carries whole is refused.
const MAX_RTP: usize = 9000;

impl Uplink {
    /// Takes a datagram in, whatever it is; what is not this connection's is dropped.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: impl Into<Route>,
        data: &[u8],
        out: &mut dyn Transmit,
    ) {
        let from = from.into();
        let arrival = match &self.transport {
            Some(_) => self.link.handle(now, from, data, out),
            // Without an offer nobody is known who could be there.
            None => Arrival::Refused,
        };
        let was_taken = match arrival {
            Arrival::Rtp => self.take_rtp(now, data),
            Arrival::Rtcp => self.take_rtcp(now, from, data),
            Arrival::Done => true,
            Arrival::Refused => false,
        };
        if !was_taken {
            self.n_ignored += 1;
            metrics().datagrams_bad.inc();
        } else if self.media.has_writes() {
            self.flush(out);
        }
    }

    /// The hot path.
    #[inline]
    fn take_rtp(&mut self, now: Instant, data: &[u8]) -> bool {
        let keyed = self.link.keyed();
        let Some(inbound) = keyed.and_then(|keyed| keyed.inbound.as_deref_mut()) else {
            return false;
        };
        let header = Header::parse(data).filter(|_| data.len() <= MAX_RTP);
        let Some(header) = header else {
            metrics().packets_malformed.inc();
            return false;
        };
        match inbound.open(header.ssrc, header.sequence, header.length, data) {
            Ok(opened) => {
                self.link.heard(now);
                self.media.take_rtp(now, &header, opened.index, opened.payload);
                self.media.report_early(now);
                true
            }
            Err(refusal) => {
                let counter = match refusal {
                    Refusal::Malformed => &metrics().packets_malformed,
                    Refusal::Replayed => &metrics().packets_replayed,
                    Refusal::Forged => &metrics().packets_forged,
                };
                counter.inc();
                false
            }
        }
    }

    fn take_rtcp(&mut self, now: Instant, from: Route, data: &[u8]) -> bool {
        let Some(keyed) = self.link.keyed() else { return false };
        let mut buffer = [0; MAX_RTCP];
        let Some(compound) = keyed.srtp.open_rtcp(data, &mut buffer) else { return false };
        self.media.take_rtcp(now, compound);
        self.link.heard_by(now, from);
        true
    }

    /// Seals and sends what the media has to say.
    pub(super) fn flush(&mut self, out: &mut dyn Transmit) {
        while let Some(compound) = self.media.poll_write() {
            let Some(route) = self.link.route() else { continue };
            let Some(keyed) = self.link.keyed() else { continue };
            let mut buffer = [0; MAX_RTCP + MAX_OVERHEAD];
            let Some(room) = buffer.get_mut(..compound.len()) else { continue };
            room.copy_from_slice(&compound);
            let sealed = keyed.srtp.seal_rtcp(rtcp::OWN_SSRC, compound.len(), &mut buffer);
            if let Some(length) = sealed {
                out.transmit(route, &buffer[..length]);
            }
        }
    }
}
