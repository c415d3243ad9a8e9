//! PURE. H.265's payload header, aggregation and fragmentation (RFC 7798 section 4.4).
//!
//! Decoding order numbers, which only streams have that are not in order, are not read.

/// NAL unit types (ITU-T H.265 table 7-1): pictures at which decoding can begin, and the parameter
/// sets that stand before them.
const RANDOM_ACCESS: std::ops::RangeInclusive<u8> = 16..=21;
const VPS: u8 = 32;
const SPS: u8 = 33;
/// Packet types.
const AGGREGATION: u8 = 48;
const FRAGMENT: u8 = 49;

/// A parameter set or such a picture alone, an aggregate that holds one, or its first fragment.
pub(super) fn begins_keyframe(payload: &[u8]) -> Option<bool> {
    let begins = |kind: u8| RANDOM_ACCESS.contains(&kind) || kind == VPS || kind == SPS;
    let kind = |first: u8| (first >> 1) & 0x3f;
    let [first, _, rest @ ..] = payload else { return None };
    match kind(*first) {
        AGGREGATION => {
            let mut rest = rest;
            while let [high, low, unit @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if begins(kind(*unit.first()?)) {
                    return Some(true);
                }
                rest = unit.get(length..)?;
            }
            Some(false)
        }
        FRAGMENT => {
            let header = *rest.first()?;
            Some(header & 0x80 != 0 && begins(header & 0x3f))
        }
        kind => Some(begins(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_are_told_from_other_packets() {
        let cases: &[(&[u8], Option<bool>, &str)] = &[
            (&[], None, "empty"),
            (&[0x40, 0x01, 0x0c], Some(true), "VPS"),
            (&[0x42, 0x01, 0x01], Some(true), "SPS"),
            (&[0x44, 0x01, 0xc1], Some(false), "PPS alone"),
            (&[0x26, 0x01, 0xaf], Some(true), "IDR_W_RADL"),
            (&[0x28, 0x01, 0xaf], Some(true), "IDR_N_LP"),
            (&[0x2a, 0x01, 0xaf], Some(true), "CRA"),
            (&[0x20, 0x01, 0xaf], Some(true), "BLA"),
            (&[0x02, 0x01, 0xd0], Some(false), "TRAIL_R"),
            (&[0x62, 0x01, 0x93, 0xaf], Some(true), "the first fragment of an IDR"),
            (&[0x62, 0x01, 0x13, 0xaf], Some(false), "another of it"),
            (&[0x62, 0x01, 0x81, 0xaf], Some(false), "the first of another picture"),
            (&[0x62, 0x01], None, "a fragment, cut off"),
            (&[0x60, 0x01, 0, 2, 0x46, 0x01, 0, 3, 0x40, 0x01, 0x0c], Some(true), "AUD, then VPS"),
            (&[0x60, 0x01, 0, 2, 0x46, 0x01, 0, 2, 0x02, 0x01], Some(false), "without"),
            (&[0x60, 0x01, 0, 9, 0x46, 0x01], None, "an aggregate that lies about a length"),
            (&[0x60, 0x01], Some(false), "an aggregate of nothing"),
        ];
        for (payload, expected, what) in cases {
            assert_eq!(begins_keyframe(payload), *expected, "{what}");
        }
    }
}
