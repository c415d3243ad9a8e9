//! What comes from a publisher: told apart by its first byte (RFC 7983), checked, opened.
//!
//! Only a valid STUN check opens the way for an address; only what is authentic counts as life.

use std::{net::SocketAddr, time::Instant};

use super::{Keyed, Phase, Uplink, rtcp, shared};
use crate::{
    sfu::{
        link::{
            dtls::Progress,
            ice::Checked,
            srtp::{Inbound, MAX_OVERHEAD, Refusal, Srtp},
        },
        wire::{rtp::Header, transmit::Transmit},
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
        from: SocketAddr,
        data: &[u8],
        out: &mut dyn Transmit,
    ) {
        if matches!(self.phase, Phase::Closed) || self.transport.is_none() {
            return;
        }
        // RFC 7983.
        let was_taken = match data.first() {
            Some(0..=3) => self.take_check(from, data, out),
            Some(_) if !self.ice.is_valid(from) => false,
            Some(20..=63) => self.take_dtls(now, from, data, out),
            Some(128..=191) => {
                // RFC 5761 section 4.
                let is_rtcp = matches!(data.get(1), Some(192..=223));
                if is_rtcp { self.take_rtcp(now, data) } else { self.take_rtp(now, data) }
            }
            _ => false,
        };
        if was_taken {
            self.reach.hear(now);
            if self.media.has_writes() {
                self.flush(out);
            }
        } else {
            metrics().datagrams_bad.inc();
        }
    }

    fn take_check(&mut self, from: SocketAddr, data: &[u8], out: &mut dyn Transmit) -> bool {
        self.ice.handle(from, data, self.shared.dtls.crypto(), out) == Checked::Valid
    }

    fn take_dtls(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
        out: &mut dyn Transmit,
    ) -> bool {
        match self.dtls.handle(now, data, |datagram| out.transmit(from, datagram)) {
            Progress::Ignored => return false,
            Progress::Going => {}
            Progress::Completed => match self.keyed() {
                Ok(keyed) => self.phase = Phase::Connected(Box::new(keyed)),
                Err(reason) => self.fail(reason),
            },
            Progress::Closed => self.phase = Phase::Closed,
            Progress::Failed(reason) => self.fail(&reason),
        }
        true
    }

    fn keyed(&self) -> Result<Keyed, &'static str> {
        let keys = self.dtls.keys().ok_or("the client has no SRTP profile or no certificate")?;
        let expected = self.transport.as_ref().map(|transport| &*transport.fingerprint);
        if expected != Some(&*shared::hex(&keys.fingerprint)) {
            return Err("the client's certificate is not the one its offer names");
        }
        let srtp = Srtp::new(keys.profile, &keys.keying);
        let inbound = Inbound::new(keys.profile, &keys.keying);
        let (srtp, inbound) =
            srtp.zip(inbound).ok_or("the keying material has the wrong length")?;
        Ok(Keyed { srtp, inbound })
    }

    fn fail(&mut self, reason: &str) {
        tracing::info!(ufrag = self.local_ufrag(), reason, "a publisher's connection has failed");
        self.phase = Phase::Closed;
    }

    /// The hot path.
    #[inline]
    fn take_rtp(&mut self, now: Instant, data: &[u8]) -> bool {
        let Phase::Connected(keyed) = &mut self.phase else { return false };
        let header = Header::parse(data).filter(|_| data.len() <= MAX_RTP);
        let Some(header) = header else {
            metrics().packets_malformed.inc();
            return false;
        };
        match keyed.inbound.open(header.ssrc, header.sequence, header.length, data) {
            Ok(opened) => {
                self.media.take_rtp(now, &header, opened.index, opened.payload);
                self.media.report_early(now);
                true
            }
            Err(refusal) => {
                let counter = match refusal {
                    Refusal::Malformed => &metrics().packets_malformed,
                    Refusal::Replayed => &metrics().packets_replayed,
                    Refusal::Forged => &metrics().packets_forged,
                    Refusal::Crowded => &metrics().packets_stray,
                };
                counter.inc();
                false
            }
        }
    }

    fn take_rtcp(&mut self, now: Instant, data: &[u8]) -> bool {
        let Phase::Connected(keyed) = &mut self.phase else { return false };
        let mut buffer = [0; MAX_RTCP];
        let Some(compound) = keyed.srtp.open_rtcp(data, &mut buffer) else { return false };
        self.media.take_rtcp(now, compound);
        true
    }

    /// Seals and sends what the media has to say.
    pub(super) fn flush(&mut self, out: &mut dyn Transmit) {
        while let Some(compound) = self.media.poll_write() {
            let (Phase::Connected(keyed), Some(remote)) = (&mut self.phase, self.ice.remote())
            else {
                continue;
            };
            let mut buffer = [0; MAX_RTCP + MAX_OVERHEAD];
            let Some(room) = buffer.get_mut(..compound.len()) else { continue };
            room.copy_from_slice(&compound);
            if let Some(length) = keyed.srtp.seal_rtcp(rtcp::OWN_SSRC, compound.len(), &mut buffer)
            {
                out.transmit(remote, &buffer[..length]);
            }
        }
    }
}
