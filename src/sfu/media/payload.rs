//! PURE. Does an RTP payload begin a keyframe?
//!
//! VP8 (RFC 7741) and H.264 (RFC 6184) are read here, younger codecs in files of their own. Reads a
//! few bytes and trusts none of them; it does not depacketize.

use super::packet::Codec;

mod av1;
mod bits;
mod h265;
pub(crate) mod nal;
mod vp9;

/// H.264 NAL unit types (ITU-T H.264 table 7-1) and packet types (RFC 6184 section 5.2).
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const PACKET_STAP_A: u8 = 24;
const PACKET_FU_A: u8 = 28;

/// True on the packet that begins a keyframe. Audio has none.
pub fn begins_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => false,
        Codec::Vp8 => vp8_begins_keyframe(payload).unwrap_or(false),
        Codec::H264 => h264_begins_keyframe(payload).unwrap_or(false),
        Codec::Vp9 => vp9::begins_keyframe(payload).unwrap_or(false),
        Codec::Av1 => av1::begins_keyframe(payload).unwrap_or(false),
        Codec::H265 => h265::begins_keyframe(payload).unwrap_or(false),
    }
}

/// Where the picture begins behind the descriptor of a frame's first packet (RFC 7741 section 4.2:
/// S=1 and PID=0). `None`: another packet, or cut off.
fn vp8_frame(payload: &[u8]) -> Option<&[u8]> {
    let first = *payload.first()?;
    if first & 0x10 == 0 || first & 0x07 != 0 {
        return None;
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        let extension = *payload.get(at)?;
        at += 1;
        if extension & 0x80 != 0 {
            let long_picture_id = *payload.get(at)? & 0x80 != 0;
            at += if long_picture_id { 2 } else { 1 };
        }
        if extension & 0x40 != 0 {
            at += 1;
        }
        if extension & 0x30 != 0 {
            at += 1;
        }
    }
    payload.get(at..)
}

/// A frame's payload header has bit P, which is 0 in a keyframe (RFC 7741 section 4.3).
fn vp8_begins_keyframe(payload: &[u8]) -> Option<bool> {
    Some(vp8_frame(payload)?.first()? & 0x01 == 0)
}

/// How many lines a picture has whose keyframe this packet begins, where the packet says so (VP8: RFC
/// 6386 section 9.1).
pub fn height(codec: Codec, payload: &[u8]) -> Option<u16> {
    match codec {
        Codec::Vp8 => match vp8_frame(payload)? {
            [first, _, _, 0x9d, 0x01, 0x2a, _, _, low, high, ..] if first & 0x01 == 0 => {
                Some(u16::from_le_bytes([*low, *high]) & 0x3fff)
            }
            _ => None,
        },
        Codec::Vp9 => vp9::height(payload),
        Codec::Av1 => av1::height(payload),
        Codec::H264 | Codec::H265 => nal::height(codec, payload),
        Codec::Opus => None,
    }
}

/// A single SPS or IDR, an aggregate that holds one, or the first fragment of one.
fn h264_begins_keyframe(payload: &[u8]) -> Option<bool> {
    let begins = |nal_type: u8| nal_type == NAL_IDR || nal_type == NAL_SPS;
    match payload.first()? & 0x1f {
        PACKET_STAP_A => {
            let mut rest = &payload[1..];
            while let [high, low, unit @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if begins(unit.first()? & 0x1f) {
                    return Some(true);
                }
                rest = unit.get(length..)?;
            }
            Some(false)
        }
        PACKET_FU_A => {
            let header = *payload.get(1)?;
            Some(header & 0x80 != 0 && begins(header & 0x1f))
        }
        nal_type => Some(begins(nal_type)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_are_told_from_other_packets() {
        let cases: &[(Codec, &[u8], bool, &str)] = &[
            (Codec::Opus, &[0x10, 0x00], false, "audio"),
            (Codec::Vp8, &[], false, "empty"),
            (Codec::Vp8, &[0x10], false, "descriptor alone"),
            (Codec::Vp8, &[0x10, 0x00], true, "short descriptor, P=0"),
            (Codec::Vp8, &[0x10, 0x01], false, "short descriptor, P=1"),
            (Codec::Vp8, &[0x00, 0x00], false, "S=0"),
            (Codec::Vp8, &[0x11, 0x00], false, "PID=1"),
            (Codec::Vp8, &[0x90, 0x80, 0x81, 0x02, 0x00], true, "15-bit picture id"),
            (Codec::Vp8, &[0x90, 0x80, 0x81, 0x00, 0x01], false, "15-bit picture id, P=1"),
            (Codec::Vp8, &[0x90, 0x80, 0x01, 0x00], true, "7-bit picture id"),
            (Codec::Vp8, &[0x90, 0xf0, 0x81, 0x02, 0x03, 0x20, 0x00], true, "I, L, T and K"),
            (Codec::Vp8, &[0x90, 0xf0, 0x81, 0x02, 0x03, 0x20], false, "cut off"),
            (Codec::Vp8, &[0x90, 0x80], false, "cut off in the extension"),
            (Codec::H264, &[], false, "empty"),
            (Codec::H264, &[0x67, 0x42], true, "SPS"),
            (Codec::H264, &[0x68, 0x42], false, "PPS"),
            (Codec::H264, &[0x65, 0x88], true, "IDR"),
            (Codec::H264, &[0x41, 0x9a], false, "another slice"),
            (Codec::H264, &[0x7c, 0x85, 0x88], true, "FU-A start of an IDR"),
            (Codec::H264, &[0x7c, 0x05, 0x88], false, "FU-A middle of an IDR"),
            (Codec::H264, &[0x7c, 0x81, 0x88], false, "FU-A start of another slice"),
            (Codec::H264, &[0x7c], false, "FU-A cut off"),
            (Codec::H264, &[0x78, 0, 1, 0x67, 0, 1, 0x68], true, "STAP-A with SPS first"),
            (Codec::H264, &[0x78, 0, 1, 0x09, 0, 2, 0x67, 0x42], true, "STAP-A with SPS second"),
            (Codec::H264, &[0x78, 0, 1, 0x09, 0, 1, 0x41], false, "STAP-A without"),
            (Codec::H264, &[0x78, 0, 9, 0x09], false, "STAP-A that lies about its length"),
            (Codec::H264, &[0x78, 0, 0], false, "STAP-A with nothing"),
            (Codec::H264, &[0x78], false, "STAP-A cut off"),
        ];
        for (codec, payload, expected, what) in cases {
            assert_eq!(begins_keyframe(*codec, payload), *expected, "{codec:?}: {what}");
        }
    }

    #[test]
    fn a_vp8_keyframe_tells_its_height() {
        let keyframe = [0x90, 0x80, 1, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x40, 7];
        assert_eq!(height(Codec::Vp8, &keyframe), Some(180));
        assert_eq!(height(Codec::H264, &keyframe), None);
        for length in 0..12 {
            assert_eq!(height(Codec::Vp8, &keyframe[..length]), None);
        }
    }

    #[test]
    fn no_payload_makes_it_panic() {
        for codec in Codec::VIDEO.into_iter().chain([Codec::Opus]) {
            for first in 0..=255_u8 {
                for second in 0..=255_u8 {
                    for payload in [
                        &[first, second][..],
                        &[first, second, second, first],
                        &[first, 0x0b, second, first, second, first, second, first],
                    ] {
                        begins_keyframe(codec, payload);
                        height(codec, payload);
                    }
                }
            }
        }
    }
}
