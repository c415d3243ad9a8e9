//! PURE. RTCP packets of a compound one after the other (RFC 3550 6.1), for both directions.
//!
//! What is in them is `up`'s and `down`'s affair; so is opening and sealing.

pub(crate) const SENDER_REPORT: u8 = 200;
pub(crate) const RECEIVER_REPORT: u8 = 201;
pub(crate) const SOURCE_DESCRIPTION: u8 = 202;
pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;
/// Formats of transport feedback (RFC 4585 6.2).
pub(crate) const NACK: u8 = 1;
/// Formats of payload-specific feedback (RFC 4585 6.3, RFC 5104 4.3.1).
pub(crate) const PLI: u8 = 1;
pub(crate) const FIR: u8 = 4;
/// An item of a source description.
pub(crate) const CNAME: u8 = 1;

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) packet_type: u8,
    /// How many blocks there are, or the format.
    pub(crate) count: u8,
    /// With its header.
    pub(crate) bytes: &'a [u8],
}

/// The packets of a compound (in clear). It ends at what is malformed.
pub(crate) fn packets(mut compound: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    std::iter::from_fn(move || {
        let [first, packet_type, high, low, ..] = *compound else { return None };
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if first >> 6 != 2 || length > compound.len() {
            return None;
        }
        let (bytes, rest) = compound.split_at(length);
        compound = rest;
        Some(Packet { packet_type, count: first & 31, bytes })
    })
}

/// The 32 bits at a place.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_in_order_up_to_what_is_malformed() {
        let report = [0x81, 201, 0, 1, 0, 0, 0, 9];
        let pli = [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 5];
        let all = [&report[..], &pli].concat();
        let types = |compound: &[u8]| -> Vec<(u8, u8, usize)> {
            packets(compound).map(|p| (p.packet_type, p.count, p.bytes.len())).collect()
        };
        assert_eq!(types(&all), [(201, 1, 8), (206, 1, 12)]);
        assert_eq!(types(&all[..all.len() - 1]), [(201, 1, 8)], "cut short");
        assert_eq!(types(&[&report[..], &[0x41, 206, 0, 0]].concat()), [(201, 1, 8)], "version 1");
        assert_eq!(types(&[]), []);
        assert_eq!((word(&report, 4), word(&report, 5)), (Some(9), None));
    }
}
