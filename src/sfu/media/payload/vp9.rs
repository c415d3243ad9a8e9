//! PURE. VP9's payload descriptor (RFC 9628 section 4.2).

/// Bits of its first byte.
const HAS_PICTURE_ID: u8 = 0x80;
const IS_PREDICTED: u8 = 0x40;
const HAS_LAYER: u8 = 0x20;
const IS_FLEXIBLE: u8 = 0x10;
const BEGINS_FRAME: u8 = 0x08;
const HAS_STRUCTURE: u8 = 0x02;

/// The first packet of a frame that needs no other picture, in the lowest of the spatial layers.
/// Another layer of the same picture is predicted from that one, whatever its descriptor says.
pub(super) fn begins_keyframe(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    if first & IS_PREDICTED != 0 || first & BEGINS_FRAME == 0 {
        return Some(false);
    }
    if first & HAS_LAYER == 0 {
        return Some(true);
    }
    let layer = *payload.get(1 + picture_id_len(payload)?)?;
    Some((layer >> 1) & 0x07 == 0)
}

fn picture_id_len(payload: &[u8]) -> Option<usize> {
    let [first, second, ..] = *payload else { return None };
    Some(match (first & HAS_PICTURE_ID, second & 0x80) {
        (0, _) => 0,
        (_, 0) => 1,
        _ => 2,
    })
}

/// The lines of the largest layer, of a keyframe that tells its structure.
pub(super) fn height(payload: &[u8]) -> Option<u16> {
    let first = *payload.first()?;
    if first & HAS_STRUCTURE == 0 || !begins_keyframe(payload)? {
        return None;
    }
    let mut at = 1 + picture_id_len(payload)?;
    if first & HAS_LAYER != 0 {
        // What is not flexible counts its lowest temporal layer as well. Reference indices, which
        // flexible mode has, are not there: the frame is not predicted.
        at += if first & IS_FLEXIBLE != 0 { 1 } else { 2 };
    }
    let structure = *payload.get(at)?;
    let n_layers = usize::from(structure >> 5) + 1;
    if structure & 0x10 == 0 {
        return None;
    }
    let sizes = payload.get(at + 1..at + 1 + 4 * n_layers)?;
    let heights = sizes.chunks_exact(4).map(|size| u16::from_be_bytes([size[2], size[3]]));
    heights.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_are_told_from_other_packets() {
        let cases: &[(&[u8], Option<bool>, &str)] = &[
            (&[], None, "empty"),
            (&[0x08, 0x82], Some(true), "no picture id"),
            (&[0x88, 0x05, 0x82], Some(true), "a short picture id"),
            (&[0x8a, 0x81, 0x05, 0x82], Some(true), "a long one, with structure"),
            (&[0x80, 0x81, 0x05, 0x82], Some(false), "not the frame's first packet"),
            (&[0xc8, 0x81, 0x05, 0x82], Some(false), "predicted"),
            (&[0xa8, 0x81, 0x05, 0x00, 0x07], Some(true), "the lowest spatial layer"),
            (&[0xa8, 0x81, 0x05, 0x03, 0x07], Some(false), "the next, predicted from that"),
            (&[0xa8, 0x05, 0x04, 0x07], Some(false), "the third, a short picture id"),
            (&[0x28, 0x20, 0x07], Some(true), "layers without picture id: temporal 1, spatial 0"),
            (&[0xb8, 0x81, 0x05, 0x00], Some(true), "flexible"),
            (&[0xa8, 0x81, 0x05], None, "cut off before the layer"),
            (&[0xa8], None, "cut off"),
        ];
        for (payload, expected, what) in cases {
            assert_eq!(begins_keyframe(payload), *expected, "{what}");
        }
    }

    #[test]
    fn the_structure_tells_the_lines_of_the_largest_layer() {
        let one = [0x8a, 0x81, 0x05, 0x18, 0x02, 0x80, 0x01, 0x68, 0x01, 0x04, 0x01];
        assert_eq!(height(&one), Some(360));
        let three = [
            0xaa, 0x81, 0x05, 0x00, 0x01, 0x50, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68,
            0x05, 0x00, 0x02, 0xd0,
        ];
        assert_eq!(height(&three), Some(720));
        for length in 0..three.len() {
            assert_eq!(height(&three[..length]), None, "{length} bytes of it");
        }
        assert_eq!(height(&[0x8a, 0x81, 0x05, 0x00, 1, 2, 3, 4]), None, "no sizes in it");
    }
}
