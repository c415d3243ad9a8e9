//! RTCP of one viewer (RFC 3550 6): what it reports and asks for, and our sender reports.
//!
//! Feedback: NACK (RFC 4585 6.2.1), PLI (6.3.1), FIR (RFC 5104 4.3.1), receiver reports, REMB,
//! transport-wide arrivals (`path` reads those). It opens and seals nothing, and unknown packets are
//! stepped over.

use crate::sfu::{
    path::{Report, TransportFeedback},
    wire::rtcp::{
        CNAME, FIR, NACK, PAYLOAD_FEEDBACK, PLI, Packet, RECEIVER_REPORT, SENDER_REPORT,
        SOURCE_DESCRIPTION, TRANSPORT_FEEDBACK, packets, word,
    },
};

const TRANSPORT_CC: u8 = 15;
/// Application layer feedback, of which REMB is one (draft-alvestrand-rmcat-remb-03 2.2).
const APPLICATION: u8 = 15;
const REMB: &[u8] = b"REMB";

/// One thing that a viewer said. SSRCs are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feedback<'a> {
    /// How a stream arrives.
    Report { ssrc: u32, report: Report },
    /// `sequence` is missing, and `sequence + 1 + n` for each bit n of `following`.
    Nack { ssrc: u32, sequence: u16, following: u16 },
    /// PLI or FIR.
    KeyframeWanted { ssrc: u32 },
    /// So many bits a second is all that the client thinks its path carries.
    Remb { bps: u64 },
    /// Which packets of the whole connection arrived when.
    Arrivals(TransportFeedback<'a>),
}

/// Reads a compound packet (decrypted) and passes on what it holds. Stops at what is malformed.
pub(crate) fn parse<'a>(compound: &'a [u8], mut pass: impl FnMut(Feedback<'a>)) {
    for Packet { packet_type, count, bytes: packet } in packets(compound) {
        match (packet_type, count) {
            (SENDER_REPORT, _) => parse_reports(packet, 28, count, &mut pass),
            (RECEIVER_REPORT, _) => parse_reports(packet, 8, count, &mut pass),
            (TRANSPORT_FEEDBACK, NACK) => {
                let Some(ssrc) = word(packet, 8) else { continue };
                for entry in packet[12..].chunks_exact(4) {
                    let sequence = u16::from_be_bytes([entry[0], entry[1]]);
                    let following = u16::from_be_bytes([entry[2], entry[3]]);
                    pass(Feedback::Nack { ssrc, sequence, following });
                }
            }
            (TRANSPORT_FEEDBACK, TRANSPORT_CC) => {
                if let Some(feedback) = TransportFeedback::parse(packet) {
                    pass(Feedback::Arrivals(feedback));
                }
            }
            (PAYLOAD_FEEDBACK, PLI) => {
                if let Some(ssrc) = word(packet, 8) {
                    pass(Feedback::KeyframeWanted { ssrc });
                }
            }
            (PAYLOAD_FEEDBACK, FIR) => {
                for entry in packet.get(12..).unwrap_or_default().chunks_exact(8) {
                    let ssrc = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
                    pass(Feedback::KeyframeWanted { ssrc });
                }
            }
            (PAYLOAD_FEEDBACK, APPLICATION) => {
                // Six bits of exponent, eighteen of mantissa, behind the number of SSRCs.
                if let Some(value) = word(packet, 16)
                    && packet.get(12..16) == Some(REMB)
                {
                    let mantissa = u64::from(value & 0x3_ffff);
                    let bps = mantissa.saturating_mul(1 << (value >> 18 & 0x3f));
                    pass(Feedback::Remb { bps });
                }
            }
            _ => {}
        }
    }
}

fn parse_reports<'a>(packet: &[u8], from: usize, count: u8, pass: &mut impl FnMut(Feedback<'a>)) {
    let blocks = packet.get(from..).unwrap_or_default().chunks_exact(24);
    for block in blocks.take(count.into()) {
        let at = |at| word(block, at).unwrap_or_default();
        let report = Report {
            fraction_lost: block[4],
            // 24 bits with a sign.
            total_lost: (at(4) << 8) as i32 >> 8,
            highest: at(8),
            jitter: at(12),
            last_sender_report: at(16),
            delay: at(20),
        };
        pass(Feedback::Report { ssrc: at(0), report });
    }
}

/// A sender report's contents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SenderReport<'a> {
    pub(crate) ssrc: u32,
    pub(crate) ntp: u64,
    pub(crate) rtp_timestamp: u32,
    pub(crate) n_packets: u32,
    pub(crate) n_octets: u32,
    /// At most 255 bytes.
    pub(crate) cname: &'a str,
}

impl SenderReport<'_> {
    /// Writes SR and SDES (RFC 3550 6.1: a compound has both). `None` if `out` is too small.
    pub(crate) fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut fixed = [0; 28];
        fixed[..4].copy_from_slice(&[0x80, SENDER_REPORT, 0, 6]);
        fixed[4..8].copy_from_slice(&self.ssrc.to_be_bytes());
        fixed[8..16].copy_from_slice(&self.ntp.to_be_bytes());
        fixed[16..20].copy_from_slice(&self.rtp_timestamp.to_be_bytes());
        fixed[20..24].copy_from_slice(&self.n_packets.to_be_bytes());
        fixed[24..28].copy_from_slice(&self.n_octets.to_be_bytes());
        out.get_mut(..28)?.copy_from_slice(&fixed);

        let cname = self.cname.as_bytes();
        // Header, SSRC, item, and at least one zero that ends the chunk, to a whole word.
        let length = (4 + 4 + 2 + cname.len() + 1).next_multiple_of(4);
        let description = out.get_mut(28..28 + length)?;
        description.fill(0);
        description[..2].copy_from_slice(&[0x81, SOURCE_DESCRIPTION]);
        description[2..4].copy_from_slice(&((length / 4 - 1) as u16).to_be_bytes());
        description[4..8].copy_from_slice(&self.ssrc.to_be_bytes());
        description[8..10].copy_from_slice(&[CNAME, u8::try_from(cname.len()).ok()?]);
        description[10..10 + cname.len()].copy_from_slice(cname);
        Some(28 + length)
    }
}

#[cfg(test)]
mod tests {
    use rtc::{
        rtcp::{
            packet::unmarshal, sender_report::SenderReport as Theirs,
            source_description::SourceDescription,
        },
        shared::marshal::Marshal,
    };

    use super::*;

    fn parsed(compound: &[u8]) -> Vec<Feedback<'_>> {
        let mut feedback = Vec::new();
        parse(compound, |item| feedback.push(item));
        feedback
    }

    #[test]
    fn what_the_library_writes_is_read() {
        use rtc::rtcp::{
            payload_feedbacks::{
                full_intra_request::{FirEntry, FullIntraRequest},
                picture_loss_indication::PictureLossIndication,
                receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate,
            },
            receiver_report::ReceiverReport,
            reception_report::ReceptionReport,
            transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack},
        };
        let block = ReceptionReport {
            ssrc: 10,
            fraction_lost: 64,
            total_lost: 5,
            last_sequence_number: 0x0001_0203,
            jitter: 33,
            last_sender_report: 7,
            delay: 9,
        };
        let report = ReceiverReport { ssrc: 1, reports: vec![block], ..Default::default() };
        let nack = TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc: 10,
            nacks: vec![NackPair { packet_id: 5, lost_packets: 3 }],
        };
        let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc: 11 };
        let fir = FullIntraRequest {
            sender_ssrc: 1,
            media_ssrc: 0,
            fir: vec![FirEntry { ssrc: 12, sequence_number: 1 }],
        };
        let remb = ReceiverEstimatedMaximumBitrate {
            sender_ssrc: 1,
            bitrate: 300_000.0,
            ssrcs: vec![10, 11],
        };
        let compound = [
            report.marshal().unwrap(),
            nack.marshal().unwrap(),
            pli.marshal().unwrap(),
            fir.marshal().unwrap(),
            remb.marshal().unwrap(),
        ]
        .concat();
        let report = Report {
            fraction_lost: 64,
            total_lost: 5,
            highest: 0x0001_0203,
            jitter: 33,
            last_sender_report: 7,
            delay: 9,
        };
        let expected = [
            Feedback::Report { ssrc: 10, report },
            Feedback::Nack { ssrc: 10, sequence: 5, following: 3 },
            Feedback::KeyframeWanted { ssrc: 11 },
            Feedback::KeyframeWanted { ssrc: 12 },
            Feedback::Remb { bps: 300_000 },
        ];
        assert_eq!(parsed(&compound), expected);
        for length in 0..compound.len() {
            assert!(parsed(&compound[..length]).len() < expected.len());
        }
    }

    #[test]
    fn the_library_reads_our_sender_report() {
        let report = SenderReport {
            ssrc: 3,
            ntp: 0x0123_4567_89ab_cdef,
            rtp_timestamp: 90_000,
            n_packets: 4,
            n_octets: 500,
            cname: "abc",
        };
        let mut out = [0xff; 100];
        let length = report.write(&mut out).unwrap();
        let packets = unmarshal(&mut &out[..length]).unwrap();
        let theirs = packets[0].as_any().downcast_ref::<Theirs>().unwrap();
        assert_eq!((theirs.ssrc, theirs.ntp_time), (3, 0x0123_4567_89ab_cdef));
        assert_eq!((theirs.rtp_time, theirs.packet_count, theirs.octet_count), (90_000, 4, 500));
        let description = packets[1].as_any().downcast_ref::<SourceDescription>().unwrap();
        assert_eq!(description.chunks[0].source, 3);
        assert_eq!(&description.chunks[0].items[0].text[..], b"abc");
        assert_eq!(report.write(&mut [0; 30]), None);
    }

    #[test]
    fn a_negative_loss_keeps_its_sign() {
        let mut packet = vec![0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0xff, 0xff, 0xfe];
        packet.resize(32, 0);
        let [Feedback::Report { report, .. }] = parsed(&packet)[..] else { panic!("a report") };
        assert_eq!(report.total_lost, -2);
    }
}
