//! What is sent to a viewer, packet by packet: RTP, RTX and sender reports.
//!
//! The hot path. A slot is an index, nothing is hashed, nothing is allocated.

use std::time::Instant;

use super::{
    Downlink, Phase, Report, Slot,
    rtcp::SenderReport,
    srtp::{MAX_OVERHEAD, RTP_HEADER},
};
use crate::sfu::forward::Forwarded;

/// The original sequence number before an RTX payload (RFC 4588 4).
const OSN: usize = 2;
/// Longest payload that is sealed: what a datagram holds.
const MAX_PAYLOAD: usize = 65_000;
/// Stack for one RTX payload: a path's MTU, rounded up.
const MAX_RTX: usize = 2048;

/// A fixed header (RFC 3550 5.1): version 2, no padding, no extension, no CSRC.
#[inline]
fn write_header(out: &mut [u8], payload_type: u8, header: Forwarded, ssrc: u32) -> Option<()> {
    let out = out.first_chunk_mut::<RTP_HEADER>()?;
    out[0] = 0x80;
    out[1] = payload_type | u8::from(header.marker) << 7;
    out[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    out[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
    Some(())
}

impl Downlink {
    /// Sequence number and timestamp with which a track is to begin on this slot: random (below
    /// 2^13) where nothing was sealed yet, else what continues the stream at `now`.
    pub fn first_numbers(&self, slot: Slot, now: Instant) -> Option<(u16, u32)> {
        Some(self.negotiation.line(slot)?.first_numbers(now))
    }

    /// Seals one RTP packet into `out` (at least payload + 64 bytes); returns the bytes written.
    /// Payload type and SSRC are the slot's. `None`: not connected, not accepted, or a sequence
    /// number that was sealed before or is over 960 behind: one key never seals two packets under
    /// one number.
    #[inline]
    pub fn seal_rtp(
        &mut self,
        slot: Slot,
        header: Forwarded,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let Phase::Connected(srtp) = &self.phase else { return None };
        let line = self.negotiation.line_mut(slot)?;
        let (payload_type, _) = line.live()?;
        if payload.len() > MAX_PAYLOAD || out.len() < RTP_HEADER + payload.len() + MAX_OVERHEAD {
            return None;
        }
        let index = line.claim(header, payload.len())?;
        let ssrc = line.media.ssrc;
        write_header(out, payload_type, header, ssrc)?;
        srtp.seal_rtp(ssrc, index, payload, out)
    }

    /// The same packet again by RTX (RFC 4588): own SSRC and sequence number, the original one
    /// before the payload. `None` as for [`Downlink::seal_rtp`], or if the client has no RTX.
    pub fn seal_rtx(
        &mut self,
        slot: Slot,
        header: Forwarded,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let Phase::Connected(srtp) = &self.phase else { return None };
        let line = self.negotiation.line_mut(slot)?;
        let (_, payload_type) = line.live()?;
        let length = OSN + payload.len();
        if out.len() < RTP_HEADER + length + MAX_OVERHEAD {
            return None;
        }
        let mut plain = [0; MAX_RTX];
        let plain = plain.get_mut(..length)?;
        plain[..OSN].copy_from_slice(&header.sequence.to_be_bytes());
        plain[OSN..].copy_from_slice(payload);
        let index = line.claim_rtx();
        let header = Forwarded { sequence: index as u16, ..header };
        write_header(out, payload_type?, header, line.rtx_ssrc)?;
        srtp.seal_rtp(line.rtx_ssrc, index, plain, out)
    }

    /// A sender report for this slot (at least 128 bytes); `ntp` (64 bit) and `rtp_timestamp`
    /// belong together. Its counts are of what was sealed.
    pub fn seal_sender_report(
        &mut self,
        slot: Slot,
        ntp: u64,
        rtp_timestamp: u32,
        out: &mut [u8],
    ) -> Option<usize> {
        let Phase::Connected(srtp) = &mut self.phase else { return None };
        let line = self.negotiation.line(slot)?;
        line.live()?;
        let report = SenderReport {
            ssrc: line.media.ssrc,
            ntp,
            rtp_timestamp,
            n_packets: line.n_packets,
            n_octets: line.n_octets,
            cname: self.negotiation.cname(),
        };
        let length = report.write(out)?;
        srtp.seal_rtcp(report.ssrc, length, out)
    }

    /// How this slot's stream arrives, as far as the viewer has told.
    pub fn report(&self, slot: Slot) -> Option<Report> {
        self.negotiation.line(slot)?.report
    }
}
