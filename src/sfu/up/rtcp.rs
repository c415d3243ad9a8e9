//! PURE. RTCP of a publisher's connection: its sender reports, and what we answer.
//!
//! Receiver reports (RFC 3550 6.4.2), NACK (RFC 4585 6.2.1), PLI (6.3.1), FIR (RFC 5104 4.3.1).
//! It opens and seals nothing; unknown packets are stepped over.

use super::reception::Block;
use crate::sfu::wire::rtcp::{
    CNAME, FIR, NACK, PAYLOAD_FEEDBACK, PLI, RECEIVER_REPORT, SENDER_REPORT, SOURCE_DESCRIPTION,
    TRANSPORT_FEEDBACK, packets, word,
};

/// SSRC of what we say ourselves: a receiver has no stream, any number will do (RFC 3550 8).
pub(super) const OWN_SSRC: u32 = 1;
/// Blocks of one receiver report.
pub(super) const MAX_BLOCKS: usize = 31;

/// A sender report's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    pub(super) ssrc: u32,
    /// NTP time, 64 bit.
    pub(super) ntp: u64,
    /// The RTP time that belongs to it.
    pub(super) rtp_timestamp: u32,
}

/// Passes on the sender reports of a compound packet. Stops at what is malformed.
pub(crate) fn sender_reports(compound: &[u8], mut pass: impl FnMut(Clocks)) {
    for packet in packets(compound).filter(|packet| packet.packet_type == SENDER_REPORT) {
        let word = |at| word(packet.bytes, at);
        if let (Some(ssrc), Some(high), Some(low), Some(rtp_timestamp)) =
            (word(4), word(8), word(12), word(16))
        {
            pass(Clocks { ssrc, ntp: u64::from(high) << 32 | u64::from(low), rtp_timestamp });
        }
    }
}

/// Writes one packet: header with its length, then the body.
fn write(out: &mut Vec<u8>, count: u8, packet_type: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend([0x80 | count, packet_type, 0, 0]);
    body(out);
    out.resize(begin + (out.len() - begin).next_multiple_of(4), 0);
    let words = ((out.len() - begin) / 4 - 1) as u16;
    out[begin + 2..begin + 4].copy_from_slice(&words.to_be_bytes());
}

/// A receiver report of at most [`MAX_BLOCKS`].
pub(super) fn write_report(out: &mut Vec<u8>, blocks: &[(u32, Block)]) {
    let blocks = &blocks[..blocks.len().min(MAX_BLOCKS)];
    write(out, blocks.len() as u8, RECEIVER_REPORT, |out| {
        out.extend(OWN_SSRC.to_be_bytes());
        for (ssrc, block) in blocks {
            out.extend(ssrc.to_be_bytes());
            out.push(block.fraction_lost);
            out.extend(&block.total_lost.to_be_bytes()[1..]);
            let words = [block.highest, block.jitter, block.last_sender_report, block.delay];
            words.iter().for_each(|word| out.extend(word.to_be_bytes()));
        }
    });
}

/// Who we are: a compound packet must have it (RFC 3550 6.1). `cname` has at most 255 bytes.
pub(super) fn write_description(out: &mut Vec<u8>, cname: &str) {
    write(out, 1, SOURCE_DESCRIPTION, |out| {
        out.extend(OWN_SSRC.to_be_bytes());
        let cname = &cname.as_bytes()[..cname.len().min(255)];
        out.extend([CNAME, cname.len() as u8]);
        out.extend(cname);
        // At least one zero ends the list.
        out.push(0);
    });
}

/// Asks for packets again; the numbers should be ascending, or the message grows.
pub(crate) fn write_nack(out: &mut Vec<u8>, ssrc: u32, sequences: &[u16]) {
    write(out, NACK, TRANSPORT_FEEDBACK, |out| {
        out.extend(OWN_SSRC.to_be_bytes());
        out.extend(ssrc.to_be_bytes());
        let mut rest = sequences;
        while let [first, others @ ..] = rest {
            let mut following = 0_u16;
            rest = others;
            while let [next, others @ ..] = rest {
                let ahead = next.wrapping_sub(*first);
                if !(1..=16).contains(&ahead) {
                    break;
                }
                following |= 1 << (ahead - 1);
                rest = others;
            }
            out.extend(first.to_be_bytes());
            out.extend(following.to_be_bytes());
        }
    });
}

/// Asks for a keyframe.
pub(super) fn write_pli(out: &mut Vec<u8>, ssrc: u32) {
    write(out, PLI, PAYLOAD_FEEDBACK, |out| {
        out.extend(OWN_SSRC.to_be_bytes());
        out.extend(ssrc.to_be_bytes());
    });
}

/// The same in the older form; `number` counts the requests.
pub(super) fn write_fir(out: &mut Vec<u8>, ssrc: u32, number: u8) {
    write(out, FIR, PAYLOAD_FEEDBACK, |out| {
        out.extend(OWN_SSRC.to_be_bytes());
        out.extend(0_u32.to_be_bytes());
        out.extend(ssrc.to_be_bytes());
        out.extend([number, 0, 0, 0]);
    });
}

#[cfg(test)]
mod tests {
    use rtc::{
        rtcp::{
            packet::unmarshal,
            payload_feedbacks::{
                full_intra_request::FullIntraRequest,
                picture_loss_indication::PictureLossIndication,
            },
            receiver_report::ReceiverReport,
            sender_report::SenderReport,
            source_description::SourceDescription,
            transport_feedbacks::transport_layer_nack::TransportLayerNack,
        },
        shared::marshal::Marshal,
    };

    use super::*;

    #[test]
    fn the_library_reads_what_is_written() {
        let block = Block {
            fraction_lost: 3,
            total_lost: 70_000,
            highest: 65_540,
            jitter: 12,
            last_sender_report: 99,
            delay: 7,
        };
        let mut compound = Vec::new();
        write_report(&mut compound, &[(10, block), (11, Block::default())]);
        write_description(&mut compound, "cname");
        write_nack(&mut compound, 10, &[65_534, 65_535, 14, 15, 400]);
        write_pli(&mut compound, 11);
        write_fir(&mut compound, 12, 5);
        let packets = unmarshal(&mut &compound[..]).unwrap();
        assert_eq!(packets.len(), 5);
        let report = packets[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
        let first = &report.reports[0];
        assert_eq!((report.ssrc, report.reports.len()), (OWN_SSRC, 2));
        assert_eq!((first.ssrc, first.fraction_lost, first.total_lost), (10, 3, 70_000));
        assert_eq!((first.last_sequence_number, first.jitter), (65_540, 12));
        assert_eq!((first.last_sender_report, first.delay), (99, 7));
        let description = packets[1].as_any().downcast_ref::<SourceDescription>().unwrap();
        assert_eq!(&description.chunks[0].items[0].text[..], b"cname");
        let nack = packets[2].as_any().downcast_ref::<TransportLayerNack>().unwrap();
        let asked: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
        assert_eq!((nack.media_ssrc, asked), (10, vec![65_534, 65_535, 14, 15, 400]));
        assert_eq!(nack.nacks.len(), 3, "14 is sixteen after 65534, 15 is not");
        let pli = packets[3].as_any().downcast_ref::<PictureLossIndication>().unwrap();
        assert_eq!(pli.media_ssrc, 11);
        let fir = packets[4].as_any().downcast_ref::<FullIntraRequest>().unwrap();
        assert_eq!((fir.fir[0].ssrc, fir.fir[0].sequence_number), (12, 5));
    }

    #[test]
    fn sender_reports_are_found_in_a_compound_and_cuts_end_it() {
        let report = SenderReport {
            ssrc: 5,
            ntp_time: 0x0102_0304_0506_0708,
            rtp_time: 90_000,
            ..Default::default()
        };
        let mut compound = Vec::new();
        write_description(&mut compound, "somebody");
        compound.extend(report.marshal().unwrap());
        let read = |bytes: &[u8]| {
            let mut found = Vec::new();
            sender_reports(bytes, |clocks| found.push(clocks));
            found
        };
        let expected = Clocks { ssrc: 5, ntp: 0x0102_0304_0506_0708, rtp_timestamp: 90_000 };
        assert_eq!(read(&compound), [expected]);
        for length in 0..compound.len() {
            assert_eq!(read(&compound[..length]), [], "cut at {length}");
        }
        // A report that is too short to be one.
        assert_eq!(read(&[0x80, SENDER_REPORT, 0, 1, 0, 0, 0, 5]), []);
    }
}
