//! What is sent to a viewer, packet by packet: RTP, RTX and sender reports.
//!
//! The hot path. A slot is an index, nothing is hashed, nothing is allocated.

use std::time::Instant;

use super::{
    Downlink, Report, Slot,
    rtcp::SenderReport,
    table::{Line, Live},
};
use crate::sfu::{
    link::srtp::{MAX_OVERHEAD, RTP_HEADER},
    media::forward::Forwarded,
    path::Estimator,
};

/// The original sequence number before an RTX payload (RFC 4588 4).
const OSN: usize = 2;
/// Longest payload that is sealed: what a datagram holds.
const MAX_PAYLOAD: usize = 65_000;
/// The longest head that is put before a payload beside the OSN.
pub(crate) const MAX_HEAD: usize = 8;
/// One header extension of two bytes (RFC 8285 4.2), padded to a word, behind its own header.
const EXTENSION: usize = 8;
/// A whole header at most.
const MAX_HEADER: usize = RTP_HEADER + EXTENSION;
/// The most that the padding's length byte can say (RFC 3550 5.1).
const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    padding[254] = 255;
    padding
};
const PADDING_FLAG: u8 = 0x20;

/// The header extension of a packet: its negotiated number, and the transport-wide number it carries.
type TransportNumber = (u8, u16);

/// A header of version 2 without CSRC (RFC 3550 5.1), with the transport-wide number where that was
/// negotiated. Returns its length.
#[inline]
fn write_header(
    out: &mut [u8],
    payload_type: u8,
    header: Forwarded,
    ssrc: u32,
    transport_number: Option<TransportNumber>,
) -> Option<usize> {
    let out = out.first_chunk_mut::<MAX_HEADER>()?;
    out[0] = 0x80;
    out[1] = payload_type | u8::from(header.marker) << 7;
    out[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    out[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let Some((id, number)) = transport_number else { return Some(RTP_HEADER) };
    out[0] |= 0x10;
    let [high, low] = number.to_be_bytes();
    // One element of two bytes: its length is written less one.
    out[12..].copy_from_slice(&[0xbe, 0xde, 0, 1, id << 4 | 1, high, low, 0]);
    Some(MAX_HEADER)
}

/// The number of a packet with so long a payload.
#[inline]
fn number(
    estimator: Option<&mut Estimator>,
    live: Live,
    now: Instant,
    payload_len: usize,
) -> Option<TransportNumber> {
    let len = MAX_HEADER + payload_len + MAX_OVERHEAD;
    Some((live.transport_cc?, estimator?.sent(now, len)))
}

impl Downlink {
    /// Sequence number and timestamp with which a track is to begin on this slot: random (below
    /// 2^13) where nothing was sealed yet, else what continues the stream at `now`.
    pub fn first_numbers(&self, slot: Slot, now: Instant) -> Option<(u16, u32)> {
        Some(self.negotiation.line(slot)?.first_numbers(now))
    }

    /// Seals one RTP packet of `head` and `payload` into `out` (at least payload + 64 bytes, `head`
    /// at most `MAX_HEAD`); returns the bytes written. Payload type and SSRC are the slot's.
    /// `None`: not connected, not accepted, or a sequence number that was sealed before or is over
    /// 960 behind: one key never seals two packets under one number.
    #[inline]
    pub fn seal_rtp(
        &mut self,
        slot: Slot,
        header: Forwarded,
        head: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        self.seal(slot, header, (head, payload), |live| Some(live.payload_type), out)
    }

    /// Seals a packet of RED (RFC 2198), whose primary block begins at `primary`, like
    /// [`Downlink::seal_rtp`]: whole for a client that has RED, unless [`Downlink::set_sound_plain`] says
    /// otherwise; else that block alone.
    pub fn seal_red(
        &mut self,
        slot: Slot,
        header: Forwarded,
        payload: &[u8],
        primary: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        if !self.is_sound_plain && self.takes_red(slot) {
            return self.seal(slot, header, (&[], payload), |live| live.red_payload_type, out);
        }
        self.seal_rtp(slot, header, &[], payload.get(primary..)?, out)
    }

    /// The client takes RED on this slot.
    pub fn takes_red(&self, slot: Slot) -> bool {
        let live = self.negotiation.line(slot).and_then(Line::live);
        live.is_some_and(|live| live.red_payload_type.is_some())
    }

    /// Whether RED goes out whole from here on, or its primary block alone. Both are negotiated, so a
    /// packet may come as the one and the next as the other.
    pub fn set_sound_plain(&mut self, is_plain: bool) {
        self.is_sound_plain = is_plain;
    }

    #[inline]
    fn seal(
        &mut self,
        slot: Slot,
        header: Forwarded,
        (head, payload): (&[u8], &[u8]),
        payload_type: impl FnOnce(Live) -> Option<u8>,
        out: &mut [u8],
    ) -> Option<usize> {
        let srtp = &self.link.keyed()?.srtp;
        let line = self.negotiation.line_mut(slot)?;
        let live = line.live()?;
        let payload_type = payload_type(live)?;
        let length = head.len() + payload.len();
        if length > MAX_PAYLOAD || out.len() < MAX_HEADER + length + MAX_OVERHEAD {
            return None;
        }
        let index = line.claim(header, length)?;
        let ssrc = line.media.ssrc;
        let number = number(self.estimator.as_deref_mut(), live, self.clock, length);
        let header_len = write_header(out, payload_type, header, ssrc, number)?;
        srtp.seal_rtp((ssrc, index), header_len, head, payload, out)
    }

    /// The same packet again by RTX (RFC 4588): own SSRC and sequence number, the original one
    /// before the payload. `None` as for [`Downlink::seal_rtp`], or if the client has no RTX.
    pub fn seal_rtx(
        &mut self,
        slot: Slot,
        header: Forwarded,
        head: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let srtp = &self.link.keyed()?.srtp;
        let line = self.negotiation.line_mut(slot)?;
        let live = line.live()?;
        let payload_type = live.rtx_payload_type?;
        let mut whole_head = [0; OSN + MAX_HEAD];
        let whole_head = whole_head.get_mut(..OSN + head.len())?;
        whole_head[..OSN].copy_from_slice(&header.sequence.to_be_bytes());
        whole_head[OSN..].copy_from_slice(head);
        let length = whole_head.len() + payload.len();
        if length > MAX_PAYLOAD || out.len() < MAX_HEADER + length + MAX_OVERHEAD {
            return None;
        }
        let index = line.claim_rtx();
        let ssrc = line.rtx_ssrc;
        let header = Forwarded { sequence: index as u16, ..header };
        let number = number(self.estimator.as_deref_mut(), live, self.clock, length);
        let header_len = write_header(out, payload_type, header, ssrc, number)?;
        srtp.seal_rtp((ssrc, index), header_len, whole_head, payload, out)
    }

    /// A packet of nothing but padding, to find out what the path carries (at least 320 bytes).
    /// It goes with the retransmissions, where it disturbs nobody's sequence. `None`: there is no
    /// such stream.
    pub fn seal_padding(&mut self, out: &mut [u8]) -> Option<usize> {
        let srtp = &self.link.keyed()?.srtp;
        let slot = self.negotiation.padding_slot()?;
        let line = self.negotiation.line_mut(slot)?;
        let live = line.live()?;
        let payload_type = live.rtx_payload_type?;
        if out.len() < MAX_HEADER + PADDING.len() + MAX_OVERHEAD {
            return None;
        }
        let index = line.claim_rtx();
        let ssrc = line.rtx_ssrc;
        let timestamp = line.last_timestamp.unwrap_or_default();
        let header = Forwarded { sequence: index as u16, timestamp, marker: false };
        let number = number(self.estimator.as_deref_mut(), live, self.clock, PADDING.len());
        let header_len = write_header(out, payload_type, header, ssrc, number)?;
        out[0] |= PADDING_FLAG;
        srtp.seal_rtp((ssrc, index), header_len, &[], &PADDING, out)
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
        let srtp = &mut self.link.keyed()?.srtp;
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
        if let Some(estimator) = &mut self.estimator {
            estimator.sender_report(self.clock, slot, ntp, line.n_packets);
        }
        srtp.seal_rtcp(report.ssrc, length, out)
    }

    /// How this slot's stream arrives, as far as the viewer has told.
    pub fn report(&self, slot: Slot) -> Option<Report> {
        self.negotiation.line(slot)?.report
    }
}
