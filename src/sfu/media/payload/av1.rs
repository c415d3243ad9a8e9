//! PURE. AV1's aggregation header ("RTP Payload Format For AV1" section 4.4) and what of a sequence
//! header is needed ("AV1 Bitstream & Decoding Process Specification" section 5.5).

/// Bits of the aggregation header.
const CONTINUES: u8 = 0x80;
const BEGINS_SEQUENCE: u8 = 0x08;
const SEQUENCE_HEADER: u8 = 1;

/// The first packet of a coded video sequence: the header says so, or what it holds.
pub(super) fn begins_keyframe(payload: &[u8]) -> Option<bool> {
    let header = *payload.first()?;
    if header & CONTINUES != 0 {
        return Some(false);
    }
    Some(header & BEGINS_SEQUENCE != 0 || sequence_header(payload).is_some())
}

/// What follows the header of the first unit, if that is a sequence header.
fn sequence_header(payload: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = payload.split_first()?;
    let n_elements = (header >> 4) & 0x03;
    if n_elements != 1 {
        // Only the last element of a counted number goes without its length.
        rest = after_length(rest)?;
    }
    let (unit, mut rest) = rest.split_first()?;
    if (unit >> 3) & 0x0f != SEQUENCE_HEADER {
        return None;
    }
    if unit & 0x04 != 0 {
        rest = rest.get(1..)?;
    }
    if unit & 0x02 != 0 {
        rest = after_length(rest)?;
    }
    Some(rest)
}

/// Behind a leb128 number, whose value does not matter.
fn after_length(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().take(8).position(|byte| byte & 0x80 == 0)?;
    bytes.get(last + 1..)
}

/// The most lines that a frame of the sequence has.
pub(super) fn height(payload: &[u8]) -> Option<u16> {
    if payload.first()? & CONTINUES != 0 {
        return None;
    }
    let mut bits = Bits { bytes: sequence_header(payload)?, at: 0 };
    let (_profile, _still, is_reduced) = (bits.take(3)?, bits.take(1)?, bits.take(1)?);
    if is_reduced == 1 {
        bits.take(5)?;
    } else {
        // Whoever tells frame rates in the stream has more before the size than is worth reading.
        let (has_timing, has_delay, n_points) = (bits.take(1)?, bits.take(1)?, bits.take(5)?);
        if has_timing == 1 {
            return None;
        }
        for _ in 0..=n_points {
            bits.take(12)?;
            if bits.take(5)? > 7 {
                bits.take(1)?;
            }
            if has_delay == 1 && bits.take(1)? == 1 {
                bits.take(4)?;
            }
        }
    }
    let (n_width, n_height) = (bits.take(4)? + 1, bits.take(4)? + 1);
    bits.take(n_width)?;
    u16::try_from(bits.take(n_height)? + 1).ok()
}

/// Reads bits, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// At most 16.
    fn take(&mut self, n: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Profile 0, one operating point of level 5, 640 by 360 in 10 and 9 bits.
    fn sequence() -> Vec<u8> {
        let bits = concat!(
            "000",
            "0",
            "0",
            "0",
            "0",
            "00000",
            "000000000000",
            "00101",
            "1001",
            "1000",
            "1001111111",
            "101100111",
            "0000000",
        );
        let bytes = bits.as_bytes().chunks(8).map(|byte| {
            byte.iter().enumerate().fold(0, |sum, (n, bit)| sum | (bit - b'0') << (7 - n))
        });
        bytes.collect()
    }

    #[test]
    fn keyframes_are_told_from_other_packets() {
        let cases: &[(&[u8], Option<bool>, &str)] = &[
            (&[], None, "empty"),
            (&[0x18, 0x0a, 0x00], Some(true), "a new sequence"),
            (&[0x10, 0x0a, 0x00], Some(true), "not said, but it holds a sequence header"),
            (&[0x20, 0x0b, 0x0a, 0x00], Some(true), "the first of two"),
            (&[0x10, 0x32, 0x00], Some(false), "a frame"),
            (&[0x98, 0x0a, 0x00], Some(false), "the rest of a unit"),
            (&[0x10], Some(false), "cut off"),
            (
                &[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                Some(false),
                "no length",
            ),
        ];
        for (payload, expected, what) in cases {
            assert_eq!(begins_keyframe(payload), *expected, "{what}");
        }
    }

    #[test]
    fn a_sequence_header_tells_the_lines() {
        for start in [&[0x18_u8, 0x08][..], &[0x18, 0x0a, 0x0b], &[0x28, 0x0c, 0x0a, 0x0b]] {
            let payload = [start, &sequence()].concat();
            assert_eq!(height(&payload), Some(360), "{start:?}");
            for length in 0..start.len() + 6 {
                assert_eq!(height(&payload[..length]), None, "{length} bytes of it");
            }
        }
        assert_eq!(height(&[0x10, 0x32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None, "a frame");
    }
}
