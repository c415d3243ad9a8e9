//! PURE. Reads RTP headers as they come from the network (RFC 3550 5.1, RFC 8285).
//!
//! The header is in clear under SRTP and is read before anything is known to be authentic, so every
//! length is checked against the datagram, and what has no honest use is refused. It writes nothing.

/// Extensions of one packet in bytes. Browsers send under 100; all one-byte extensions that there
/// can be make 238.
const MAX_EXTENSIONS: usize = 512;
/// Profiles of RFC 8285 4.2 and 4.3; the low four bits of the second are the application's.
const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;

/// A packet's header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    /// Bytes of all of it: contributing sources and extensions too.
    pub(crate) length: usize,
    /// The payload ends in padding.
    pub(crate) is_padded: bool,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    profile: u16,
    elements: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads the header of `packet`. `None` if it is cut off, of another version, or carries an
    /// unreasonable amount of extensions.
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<12>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut length = 12 + 4 * usize::from(fixed[0] & 0x0f);
        let mut profile = 0;
        let mut elements: &[u8] = &[];
        if fixed[0] & 0x10 != 0 {
            let head = packet.get(length..length + 4)?;
            profile = u16::from_be_bytes([head[0], head[1]]);
            let size = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            if size > MAX_EXTENSIONS {
                return None;
            }
            length += 4;
            elements = packet.get(length..length + size)?;
            length += size;
        }
        (length <= packet.len()).then_some(Self {
            length,
            is_padded: fixed[0] & 0x20 != 0,
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            profile,
            elements,
        })
    }

    /// Identifiers and values of its extensions, up to the first that is cut off. An unknown
    /// profile has none.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.elements;
        let is_one_byte = self.profile == ONE_BYTE;
        let is_known = is_one_byte || self.profile & 0xfff0 == TWO_BYTE;
        std::iter::from_fn(move || {
            // Zeroes between elements are padding.
            while let [0, after @ ..] = rest {
                rest = after;
            }
            let (id, length, after) = match *rest {
                // Identifier 15 ends it (RFC 8285 4.2).
                [head, ref after @ ..] if is_one_byte && head >> 4 != 15 => {
                    (head >> 4, usize::from(head & 0x0f) + 1, after)
                }
                [id, length, ref after @ ..] if is_known && !is_one_byte => {
                    (id, usize::from(length), after)
                }
                _ => return None,
            };
            let value;
            (value, rest) = after.split_at_checked(length)?;
            Some((id, value))
        })
    }

    /// The value of extension `id`.
    pub(crate) fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions().find(|(known, _)| *known == id).map(|(_, value)| value)
    }

    /// Bytes of `payload` without its padding. `None` if it claims more padding than there is, or
    /// none though it should have some.
    pub(crate) fn without_padding(&self, payload: &[u8]) -> Option<usize> {
        if !self.is_padded {
            return Some(payload.len());
        }
        let padding = usize::from(*payload.last()?);
        payload.len().checked_sub(padding).filter(|_| padding != 0)
    }
}

#[cfg(test)]
mod tests {
    use rtc::{
        rtp,
        shared::marshal::{Marshal, Unmarshal},
    };

    use super::*;
    use crate::sfu::testing::random::Random;

    fn one_byte(elements: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 0];
        packet[15] = (elements.len() / 4) as u8;
        packet.extend(elements);
        packet
    }

    #[test]
    fn what_the_library_writes_is_read() {
        let mut header = rtp::header::Header {
            version: 2,
            marker: true,
            payload_type: 111,
            sequence_number: 65_535,
            timestamp: 0x0102_0304,
            ssrc: 0xfffe_fdfc,
            csrc: vec![5, 6],
            ..Default::default()
        };
        header.set_extension(3, vec![0xaa].into()).unwrap();
        header.set_extension(14, vec![1; 16].into()).unwrap();
        let bytes = header.marshal().unwrap();
        let read = Header::parse(&bytes).unwrap();
        assert_eq!((read.length, read.marker, read.payload_type), (bytes.len(), true, 111));
        assert_eq!((read.sequence, read.timestamp, read.ssrc), (65_535, 0x0102_0304, 0xfffe_fdfc));
        assert_eq!(read.extension(3), Some(&[0xaa][..]));
        assert_eq!(read.extension(14), Some(&[1; 16][..]));
        assert_eq!(read.extension(4), None);
        for length in 0..bytes.len() {
            assert!(Header::parse(&bytes[..length]).is_none(), "cut at {length}");
        }
    }

    #[test]
    fn extensions_end_where_they_lie() {
        let read = |elements: &[u8]| {
            let packet = one_byte(elements);
            let header = Header::parse(&packet).unwrap();
            header.extensions().map(|(id, value)| (id, value.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(read(&[0x10, 7, 0x21, 8]), [(1, vec![7])], "the second is cut off");
        assert_eq!(read(&[0, 0x10, 7, 0]), [(1, vec![7])]);
        assert_eq!(read(&[0xf0, 7, 0x10, 8]), [], "15 ends it");
        assert_eq!(read(&[0; 8]), []);
        let mut packet = one_byte(&[1, 0, 2, 2, 9, 9, 3, 4]);
        packet[12..14].copy_from_slice(&[0x10, 0x05]);
        let header = Header::parse(&packet).unwrap();
        let all: Vec<_> = header.extensions().collect();
        assert_eq!(all, [(1, &[][..]), (2, &[9, 9][..])], "two-byte headers");
        packet[12..14].copy_from_slice(&[0x12, 0x34]);
        assert_eq!(Header::parse(&packet).unwrap().extensions().count(), 0, "another profile");
    }

    #[test]
    fn more_extensions_than_anybody_needs_are_refused() {
        let mut bomb = one_byte(&[0; 1200]);
        bomb[14..16].copy_from_slice(&300_u16.to_be_bytes());
        assert!(Header::parse(&bomb).is_none());
        bomb[14..16].copy_from_slice(&[0, 128]);
        assert!(Header::parse(&bomb).is_some());
    }

    #[test]
    fn padding_is_no_longer_than_the_payload() {
        let mut packet = one_byte(&[]);
        let cases: [(&[u8], Option<usize>); 5] = [
            (&[9, 9, 1], Some(2)),
            (&[0, 0, 3], Some(0)),
            (&[4], None),
            (&[9, 0], None),
            (&[], None),
        ];
        for (payload, expected) in cases {
            packet[0] = 0xb0;
            assert_eq!(Header::parse(&packet).unwrap().without_padding(payload), expected);
            packet[0] = 0x90;
            let plain = Header::parse(&packet).unwrap();
            assert_eq!(plain.without_padding(payload), Some(payload.len()));
        }
    }

    /// Whatever comes: no panic, and where the library reads the same packet, the same is read.
    #[test]
    fn noise_is_read_as_the_library_reads_it() {
        let mut random = Random::new(11);
        let mut n_both = 0;
        for _ in 0..20_000 {
            let length = random.below(60) as usize;
            let mut bytes = random.bytes(length);
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | *first & 0x33;
            }
            if bytes.len() > 16 {
                bytes[12..15].copy_from_slice(&[0xbe, 0xde, 0]);
                bytes[15] &= 7;
            }
            let Some(ours) = Header::parse(&bytes) else { continue };
            ours.extensions().for_each(drop);
            let Ok(theirs) = rtp::header::Header::unmarshal(&mut &bytes[..]) else { continue };
            n_both += 1;
            assert_eq!((ours.sequence, ours.ssrc), (theirs.sequence_number, theirs.ssrc));
            assert_eq!((ours.payload_type, ours.marker), (theirs.payload_type, theirs.marker));
        }
        assert!(n_both > 1000, "{n_both}");
    }
}
