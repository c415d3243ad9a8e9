//! PURE. Redundant audio (RFC 2198): where in a packet the newest sound lies, and who speaks of it in SDP.
//!
//! Opus sent as RED has the packets before it in it again, so that a viewer on a lossy path misses
//! nothing. It goes as it came to viewers that have RED; the others get its primary block, which is an
//! Opus packet like any other.
//!
//! ```text
//!   1 | type 7 | time offset 14 | length 10     a redundant block, any number of them
//!   0 | type 7                                  the primary block, to the packet's end
//!   redundant data ... | primary data
//! ```

use bytes::Bytes;

/// The payload type of Opus in our offers, and so in every RED packet that leaves us.
pub const OPUS: u8 = 111;
/// Redundant blocks of one packet. Browsers send one, and nine at most.
const MAX_BLOCKS: usize = 16;
/// F: another header follows.
const MORE: u8 = 0x80;

/// Reads a RED payload whose blocks are to be of payload type `opus`: the payload with its blocks
/// under [`OPUS`], and where its primary block begins. `None` if a block is of another type or longer
/// than the packet, or the primary block is empty.
pub fn open(payload: Bytes, opus: u8) -> Option<(Bytes, u16)> {
    let mut headers = 0;
    let mut redundant = 0;
    for _ in 0..=MAX_BLOCKS {
        let (first, rest) = payload.get(headers..)?.split_first()?;
        if first & !MORE != opus {
            return None;
        }
        if first & MORE == 0 {
            let primary = headers + 1 + redundant;
            let is_there = primary < payload.len();
            let at = u16::try_from(primary).ok().filter(|_| is_there)?;
            let payload = if opus == OPUS { payload } else { renamed(&payload, headers) };
            return Some((payload, at));
        }
        let [_, high, low, ..] = *rest else { return None };
        redundant += usize::from(u16::from_be_bytes([high & 0x03, low]));
        headers += 4;
    }
    None
}

/// The same with [`OPUS`] in every header; that of the primary block is at `last`.
fn renamed(payload: &[u8], last: usize) -> Bytes {
    let mut renamed = payload.to_vec();
    for header in renamed.iter_mut().take(last + 1).step_by(4) {
        *header = *header & MORE | OPUS;
    }
    renamed.into()
}

/// Whether a payload type of this `rtpmap` and `fmtp` is RED of Opus under `opus`, and nothing else.
pub fn is_of_opus(rtpmap: &str, fmtp: &str, opus: u8) -> bool {
    let is_opus = |word: &str| word.trim().parse() == Ok(opus);
    rtpmap.trim().eq_ignore_ascii_case("red/48000/2") && fmtp.split('/').all(is_opus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sfu::testing::random::Random;

    /// Redundant blocks of these lengths, then a primary one.
    fn packet(opus: u8, redundant: &[usize], primary: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        for (place, length) in redundant.iter().enumerate() {
            let offset = 960 * (redundant.len() - place) as u32;
            let word = u32::from(opus | MORE) << 24 | offset << 10 | *length as u32;
            packet.extend(word.to_be_bytes());
        }
        packet.push(opus);
        for length in redundant {
            packet.extend(vec![0xee; *length]);
        }
        packet.extend(primary);
        packet
    }

    #[test]
    fn the_primary_block_is_found_and_all_else_refused() {
        let good: [(u8, &[usize]); 5] =
            [(OPUS, &[]), (OPUS, &[80]), (OPUS, &[0, 1023]), (96, &[3]), (127, &[1; 16])];
        for (opus, redundant) in good {
            let bytes = packet(opus, redundant, b"newest");
            let (opened, at) = open(bytes.clone().into(), opus).expect("a good packet");
            assert_eq!(&opened[usize::from(at)..], b"newest");
            assert_eq!(opened, packet(OPUS, redundant, b"newest"), "{redundant:?}");
            assert_eq!(open(bytes.into(), opus ^ 1), None, "of another type");
        }
        let bad: [(&str, Vec<u8>); 6] = [
            ("empty", vec![]),
            ("no primary data", packet(OPUS, &[5], b"")),
            ("no data at all", vec![OPUS]),
            ("one of the blocks is of another type", {
                let mut bytes = packet(OPUS, &[2, 2], b"newest");
                bytes[4] = MORE | 13;
                bytes
            }),
            ("too many blocks", packet(OPUS, &[1; 17], b"newest")),
            ("a block longer than the packet", {
                let mut bytes = packet(OPUS, &[2], b"newest");
                bytes[3] = 9;
                bytes
            }),
        ];
        for (what, bytes) in bad {
            assert_eq!(open(bytes.into(), OPUS), None, "{what}");
        }
        let whole = packet(OPUS, &[2, 2], b"x");
        for length in 0..whole.len() {
            assert_eq!(open(whole[..length].to_vec().into(), OPUS), None, "cut at {length}");
        }
    }

    #[test]
    fn noise_is_refused_or_has_a_primary_block() {
        let mut random = Random::new(21);
        let mut n_good = 0;
        for _ in 0..50_000 {
            let length = random.below(40) as usize;
            let mut bytes = random.bytes(length);
            // Half of the headers are of the right type.
            for place in (0..bytes.len()).step_by(4) {
                if random.below(4) > 0 {
                    bytes[place] = bytes[place] & MORE | OPUS;
                    bytes.get_mut(place + 2).into_iter().for_each(|high| *high &= 0xfc);
                    bytes.get_mut(place + 3).into_iter().for_each(|low| *low &= 0x0f);
                }
            }
            if let Some((opened, at)) = open(bytes.into(), OPUS) {
                assert!(usize::from(at) < opened.len());
                n_good += 1;
            }
        }
        assert!(n_good > 1000, "{n_good}");
    }

    #[test]
    fn red_of_opus_alone_is_known_in_sdp() {
        let cases = [
            ("red/48000/2", "111/111", true),
            ("RED/48000/2", "111/111/111", true),
            ("red/48000/2", "111", true),
            ("red/48000/2", "", false),
            ("red/48000/2", "111/112", false),
            ("red/48000/2", "111/", false),
            ("red/8000", "111/111", false),
            ("red/90000", "111/111", false),
            ("opus/48000/2", "111/111", false),
        ];
        for (rtpmap, fmtp, expected) in cases {
            assert_eq!(is_of_opus(rtpmap, fmtp, OPUS), expected, "{rtpmap} {fmtp}");
        }
    }
}
