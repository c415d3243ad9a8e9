//! PURE. The units of H.264 and H.265 in packets (RFC 6184 section 5, RFC 7798 section 4.4), and what
//! their parameter sets say of the picture's size (ITU-T H.264 7.3.2.1, H.265 7.3.2.2).

use super::bits::Bits;
use crate::sfu::media::packet::Codec;

/// Kinds of units, as far as they matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Parameters of sequences, the picture's size among them, and of the whole video.
    Sequence,
    /// Parameters of pictures.
    Other,
    /// Decoding can begin with this picture.
    Begin,
    /// All else.
    Rest,
}

fn kind(codec: Codec, first: u8) -> Kind {
    match codec {
        Codec::H264 => match first & 0x1f {
            5 => Kind::Begin,
            7 => Kind::Sequence,
            8 => Kind::Other,
            _ => Kind::Rest,
        },
        Codec::H265 => match first >> 1 & 0x3f {
            16..=21 => Kind::Begin,
            32 | 33 => Kind::Sequence,
            34 => Kind::Other,
            _ => Kind::Rest,
        },
        _ => Kind::Rest,
    }
}

/// The kind of a whole unit.
pub(crate) fn kind_of(codec: Codec, unit: &[u8]) -> Kind {
    unit.first().map_or(Kind::Rest, |first| kind(codec, *first))
}

/// Calls `each` with the units that a payload holds whole, and with the kind alone of one that only
/// begins in it.
pub(crate) fn units<'a>(
    codec: Codec,
    payload: &'a [u8],
    mut each: impl FnMut(Kind, Option<&'a [u8]>),
) {
    let (aggregate, fragment, n_head) = match codec {
        Codec::H264 => (24, 28, 1),
        Codec::H265 => (48, 49, 2),
        _ => return,
    };
    let Some((head, rest)) = payload.split_at_checked(n_head) else { return };
    let packet_type = match codec {
        Codec::H264 => head[0] & 0x1f,
        _ => head[0] >> 1 & 0x3f,
    };
    if packet_type == aggregate {
        let mut rest = rest;
        while let [high, low, units @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((unit, behind)) = units.split_at_checked(length) else { return };
            each(kind_of(codec, unit), Some(unit));
            rest = behind;
        }
    } else if packet_type == fragment {
        // The unit's type stands where the second header has it; H.265 has it one bit higher up.
        let Some(header) = rest.first().filter(|header| **header & 0x80 != 0) else { return };
        let unit_type = match codec {
            Codec::H264 => header & 0x1f,
            _ => (header & 0x3f) << 1,
        };
        each(kind(codec, unit_type), None);
    } else {
        each(kind_of(codec, payload), Some(payload));
    }
}

/// One packet's payload with these units.
pub(crate) fn aggregate(codec: Codec, units: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut payload = match codec {
        // STAP-A; such units are needed by all others (NRI 3).
        Codec::H264 => vec![0x60 | 24],
        _ => vec![48 << 1, 1],
    };
    for unit in units {
        let unit = unit.as_ref();
        let Ok(length) = u16::try_from(unit.len()) else { continue };
        payload.extend(length.to_be_bytes());
        payload.extend(unit);
    }
    payload
}

/// How many lines the pictures have whose sequence parameters this payload holds.
pub(super) fn height(codec: Codec, payload: &[u8]) -> Option<u16> {
    let mut found = None;
    units(codec, payload, |kind, unit| {
        if let (Kind::Sequence, Some(unit)) = (kind, unit) {
            found = match codec {
                Codec::H264 => h264_height(unit).or(found),
                _ => h265_height(unit).or(found),
            };
        }
    });
    found.and_then(|lines| u16::try_from(lines).ok()).filter(|lines| *lines > 0)
}

fn h264_height(unit: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(unit.get(1..)?);
    let profile = bits.take(8)?;
    bits.skip(16)?;
    bits.golomb()?;
    let mut chroma = 1;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
        if bits.take(1)? == 1 {
            for nth in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.take(1)? == 1 {
                    skip_scaling_list(&mut bits, if nth < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.skip(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.skip(1)?;
    bits.golomb()?;
    let n_units = bits.golomb()?.checked_add(1)?;
    let frame_only = bits.take(1)?;
    if frame_only == 0 {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let cut = match bits.take(1)? {
        0 => 0,
        _ => {
            bits.golomb()?;
            bits.golomb()?;
            bits.golomb()?.checked_add(bits.golomb()?)?
        }
    };
    let per_field = 2 - frame_only;
    let per_line = per_field * if chroma == 1 { 2 } else { 1 };
    n_units.checked_mul(16 * per_field)?.checked_sub(cut.checked_mul(per_line)?)
}

fn skip_scaling_list(bits: &mut Bits<'_>, n: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..n {
        if next != 0 {
            next = (last + bits.signed_golomb()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn h265_height(unit: &[u8]) -> Option<u32> {
    // Of the video there is no size.
    let mut bits = Bits::new(unit.get(2..).filter(|_| unit[0] >> 1 & 0x3f == 33)?);
    bits.skip(4)?;
    let n_sub_layers = bits.take(3)?;
    bits.skip(1 + 96)?;
    let mut has = Vec::new();
    for _ in 0..n_sub_layers {
        has.push((bits.take(1)?, bits.take(1)?));
    }
    if n_sub_layers > 0 {
        bits.skip(2 * (8 - n_sub_layers as usize))?;
    }
    for (profile, level) in has {
        bits.skip(88 * profile as usize + 8 * level as usize)?;
    }
    bits.golomb()?;
    let chroma = bits.golomb()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    bits.golomb()?;
    let lines = bits.golomb()?;
    let cut = match bits.take(1)? {
        0 => 0,
        _ => {
            bits.golomb()?;
            bits.golomb()?;
            bits.golomb()?.checked_add(bits.golomb()?)?
        }
    };
    lines.checked_sub(cut.checked_mul(if chroma == 1 { 2 } else { 1 })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
    }

    /// Written by x264 and x265.
    #[test]
    fn sizes_are_read_of_real_parameter_sets() {
        let cases = SETS;
        for (codec, hex, lines) in cases {
            let unit = bytes(hex);
            assert_eq!(height(*codec, &unit), Some(*lines), "{hex}");
            let packet = aggregate(*codec, &[&unit[..], &[0x68][..]]);
            assert_eq!(height(*codec, &packet), Some(*lines), "in an aggregate");
            for length in 0..unit.len() {
                height(*codec, &unit[..length]);
            }
        }
    }

    const SETS: &[(Codec, &str, u16)] = &[
        (Codec::H264, "6742c016d900a02ff970110000030001000003000a0f162e48", 360),
        (Codec::H264, "674d4028eca03c0113f2e022000003000200000300141e30632c", 1080),
        (Codec::H264, "67640015acd941b1fe4f0110000003001000000300a0f162d960", 240),
        // Interlaced, with scaling lists, of another encoder with lines cut off.
        (Codec::H264, "67640028acd94078044fde022000000300200000030143e2c5b2c0", 1080),
        (Codec::H264, "6764001facd9405005bb0110000003001000000300a0f1831960", 720),
        (Codec::H264, "6742c0168c680a02f79b0101e1108d40", 358),
        (
            Codec::H265,
            "420101016000000300900000030000030078a003c08010e596566924caf016808000000300800000030284",
            1080,
        ),
        (
            Codec::H265,
            "42010101600000030090000003000003003fa00502016965959a4932bc05a020000003002000000300a1",
            360,
        ),
    ];
}
