//! PURE. Which payload types of an m-section parlor forwards.
//!
//! Opus (RFC 7587), VP8 (RFC 7741), H.264 in its baseline profiles with packetization mode 1
//! (RFC 6184), VP9 (RFC 9628), AV1 and H.265 (RFC 7798) in their usual profiles, Opus also as RED
//! (RFC 2198), each with its retransmissions (RFC 4588) and feedback (RFC 4585, 5104). At most one
//! payload type a codec is taken, so that the publisher's choice among them is ours.

use super::{OfferedCodec, Part};
use crate::{
    protocol::MediaKind,
    sfu::media::{packet::Codec, red},
};

/// Payload types of one section; static and dynamic together are 128.
const MAX_FORMATS: usize = 128;

/// The codecs that are taken, in the offer's order.
pub(super) fn read(kind: MediaKind, part: &Part<'_>, formats: &str) -> Vec<OfferedCodec> {
    let formats: Vec<&str> = formats.split_whitespace().take(MAX_FORMATS).collect();
    let mut taken: Vec<(OfferedCodec, u8)> = Vec::new();
    for format in &formats {
        let Some((codec, rank)) = recognize(kind, part, format) else { continue };
        let Ok(payload_type) = format.parse::<u8>() else { continue };
        if payload_type > 127 {
            continue;
        }
        match taken.iter_mut().find(|(known, _)| known.codec == codec) {
            Some((_, known_rank)) if *known_rank >= rank => {}
            Some(known) => *known = (describe(part, &formats, format, payload_type, codec), rank),
            None => {
                taken.push((describe(part, &formats, format, payload_type, codec), rank));
            }
        }
    }
    taken.into_iter().map(|(codec, _)| codec).collect()
}

/// The codec of a payload type, and how welcome this variant of it is.
fn recognize(kind: MediaKind, part: &Part<'_>, format: &str) -> Option<(Codec, u8)> {
    let mut rtpmap = part.of_payload_type("rtpmap", format)?.split('/');
    let (name, clock) = (rtpmap.next()?, rtpmap.next()?);
    let is = |wanted: Codec| {
        name.eq_ignore_ascii_case(wanted.name()) && clock == wanted.clock_rate().to_string()
    };
    match kind {
        MediaKind::Audio if is(Codec::Opus) => Some((Codec::Opus, 0)),
        MediaKind::Video if is(Codec::H264) => {
            let fmtp = part.of_payload_type("fmtp", format).unwrap_or("");
            if parameter(fmtp, "packetization-mode") != Some("1") {
                return None;
            }
            // RFC 6184 section 8.1; without it, it is baseline.
            let profile = parameter(fmtp, "profile-level-id").unwrap_or("42000a");
            let idc = u8::from_str_radix(profile.get(..2)?, 16).ok()?;
            let constraints = u8::from_str_radix(profile.get(2..4)?, 16).ok()?;
            // constraint_set1 makes baseline the constrained baseline that all can decode.
            (idc == 0x42).then_some((Codec::H264, u8::from(constraints & 0x40 != 0)))
        }
        MediaKind::Video => {
            let codec = Codec::VIDEO.into_iter().find(|codec| is(*codec))?;
            let fmtp = part.of_payload_type("fmtp", format).unwrap_or("");
            codec.is_usual(|key| parameter(fmtp, key)).then_some((codec, 0))
        }
        MediaKind::Audio => None,
    }
}

fn describe(
    part: &Part<'_>,
    formats: &[&str],
    format: &str,
    payload_type: u8,
    codec: Codec,
) -> OfferedCodec {
    let is_rtx = |other: &&&str| {
        let name = part.of_payload_type("rtpmap", other).and_then(|map| map.split('/').next());
        let fmtp = part.of_payload_type("fmtp", other).unwrap_or("");
        name.is_some_and(|name| name.eq_ignore_ascii_case("rtx"))
            && parameter(fmtp, "apt") == Some(format)
    };
    let rtx = formats.iter().find(is_rtx).and_then(|other| other.parse::<u8>().ok());
    let is_red = |other: &&&str| {
        let rtpmap = part.of_payload_type("rtpmap", other).unwrap_or("");
        let fmtp = part.of_payload_type("fmtp", other).unwrap_or("");
        codec == Codec::Opus && red::is_of_opus(rtpmap, fmtp, payload_type)
    };
    let red = formats.iter().find(is_red).and_then(|other| other.parse::<u8>().ok());
    let feedback = |wanted: &str| {
        part.values("rtcp-fb").any(|value| {
            value.split_once(' ').is_some_and(|(of, what)| {
                (of == format || of == "*") && what.trim().eq_ignore_ascii_case(wanted)
            })
        })
    };
    OfferedCodec {
        payload_type,
        codec,
        rtx: rtx.filter(|rtx| *rtx <= 127),
        red: red.filter(|red| *red <= 127 && *red != payload_type),
        fmtp: fmtp(part, format, codec),
        nack: feedback("nack"),
        pli: feedback("nack pli"),
        fir: feedback("ccm fir"),
        transport_cc: feedback("transport-cc"),
    }
}

/// The parameters that we answer with. Those of Opus tell what its receivers can use (RFC 7587 section
/// 6.1), and viewers can use in-band FEC whether or not the publisher can.
fn fmtp(part: &Part<'_>, format: &str, codec: Codec) -> Option<String> {
    let mirrored = part.of_payload_type("fmtp", format).and_then(mirrored);
    if codec != Codec::Opus {
        return mirrored;
    }
    let kept = mirrored.unwrap_or_default();
    let others =
        kept.split(';').filter(|pair| !pair.is_empty() && !pair.starts_with("useinbandfec"));
    Some(others.chain(["useinbandfec=1"]).collect::<Vec<_>>().join(";"))
}

/// What of the sender's parameters is true of a receiver too.
fn mirrored(fmtp: &str) -> Option<String> {
    const KEPT: [&str; 14] = [
        "level-asymmetry-allowed",
        "packetization-mode",
        "profile-level-id",
        "minptime",
        "useinbandfec",
        "usedtx",
        "stereo",
        "profile-id",
        "tier-flag",
        "level-id",
        "tx-mode",
        "profile",
        "level-idx",
        "tier",
    ];
    let kept: Vec<&str> = fmtp
        .split(';')
        .map(str::trim)
        .filter(|pair| {
            let is_plain =
                pair.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=-".contains(&byte));
            let name = pair.split('=').next().unwrap_or(pair);
            is_plain && KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name))
        })
        .collect();
    (!kept.is_empty()).then(|| kept.join(";"))
}

fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
