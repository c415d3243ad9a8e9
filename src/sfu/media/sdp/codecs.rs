//! PURE. Which payload types of an m-section parlor forwards.
//!
//! Opus (RFC 7587), VP8 (RFC 7741), H.264 (RFC 6184), VP9 (RFC 9628), AV1 and H.265 (RFC 7798) in their
//! usual profiles, Opus also as RED (RFC 2198), each with its retransmissions (RFC 4588) and feedback
//! (RFC 4585, 5104). At most one payload type a codec is taken, so that the choice among them is ours.
//!
//! Of H.264 what all can decode comes first: the constrained baseline, then the baseline, main and high.
//! Which of them a publisher sends is passed on as it is; receivers decode by what is in the stream.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;

use super::{MLine, Part, offer::Side, parameter, payload_type};
use crate::{
    protocol::MediaKind,
    sfu::media::{packet::Codec, payload::nal, red},
};

/// Parameter sets of one codec that are read.
const MAX_SETS: usize = 8;
/// Formats of a refused section that are named.
const MAX_NAMED: usize = 6;

/// A codec under its payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferedCodec {
    pub(crate) payload_type: u8,
    pub(crate) codec: Codec,
    /// Payload type of its retransmissions (RFC 4588).
    pub(crate) rtx: Option<u8>,
    /// Payload type of RED (RFC 2198) of this codec and nothing else.
    pub(crate) red: Option<u8>,
    /// The parameters that we answer with.
    pub(crate) fmtp: Option<String>,
    pub(crate) nack: bool,
    pub(crate) pli: bool,
    pub(crate) fir: bool,
    pub(crate) transport_cc: bool,
    /// It tells of arrivals by transport-wide numbers: the number of their header extension, 1 to 14.
    pub(crate) numbers: Option<u8>,
    /// `goog-remb`: it tells what its path carries.
    pub(crate) remb: bool,
    /// Parameter sets that stand in the offer, and perhaps nowhere else.
    pub(crate) parameter_sets: Vec<Bytes>,
}

/// The codecs that are taken, in the offer's order; where there is none, why.
pub(super) fn read(
    kind: MediaKind,
    part: &Part<'_>,
    m_line: &MLine<'_>,
    side: Side,
) -> Result<Vec<OfferedCodec>, String> {
    let mut best: Vec<(Codec, u8, &str)> = Vec::new();
    for format in m_line.formats().filter(|format| payload_type(format).is_some()) {
        let Some((codec, rank)) = recognize(kind, part, format, side) else { continue };
        match best.iter_mut().find(|(known, ..)| *known == codec) {
            Some((_, known, _)) if *known >= rank => {}
            Some(known) => *known = (codec, rank, format),
            None => best.push((codec, rank, format)),
        }
    }
    if best.is_empty() {
        return Err(nothing_in_common(kind, part, m_line, side));
    }
    let described = best.into_iter().map(|(codec, _, format)| {
        let payload_type = payload_type(format).unwrap_or_default();
        describe(part, m_line, (format, payload_type), codec, side)
    });
    Ok(described.collect())
}

fn nothing_in_common(kind: MediaKind, part: &Part<'_>, m_line: &MLine<'_>, side: Side) -> String {
    let is_named = |b: u8| b.is_ascii_alphanumeric() || b"-_./=;, ".contains(&b);
    let named = m_line.formats().filter_map(|format| {
        let name = part.of_payload_type("rtpmap", format)?;
        let fmtp = part.of_payload_type("fmtp", format).unwrap_or_default();
        let wanted = ["profile-level-id", "packetization-mode", "profile-id", "profile"];
        let parameters =
            wanted.into_iter().filter_map(|key| Some(format!(" {key}={}", parameter(fmtp, key)?)));
        let name: String = name
            .chars()
            .chain(parameters.flat_map(|p| p.chars().collect::<Vec<_>>()))
            .take(60)
            .collect();
        Some(name).filter(|name| name.bytes().all(is_named))
    });
    let named: Vec<String> = named.take(MAX_NAMED).collect();
    let offered = match named.is_empty() {
        true => "no codec with an a=rtpmap".to_owned(),
        false => named.join(", "),
    };
    let wanted = match (kind, side) {
        (MediaKind::Audio, _) => "opus/48000/2",
        (MediaKind::Video, Side::Publisher) => {
            "VP8, H264 (baseline, main or high, packetization-mode 0 or 1), VP9 (profile 0), AV1 \
             (profile 0) or H265 (main)"
        }
        (MediaKind::Video, Side::Viewer) => {
            "VP8, H264 (baseline, main or high, packetization-mode 1), VP9 (profile 0), AV1 \
             (profile 0) or H265 (main)"
        }
    };
    format!("it offers {offered}; {wanted} is needed")
}

/// The codec of a payload type, and how welcome this variant of it is.
fn recognize(kind: MediaKind, part: &Part<'_>, format: &str, side: Side) -> Option<(Codec, u8)> {
    let mut rtpmap = part.of_payload_type("rtpmap", format)?.split('/');
    let (name, clock) = (rtpmap.next()?, rtpmap.next()?);
    let is = |wanted: &Codec| {
        name.eq_ignore_ascii_case(wanted.name()) && clock.parse() == Ok(wanted.clock_rate())
    };
    let codec = match kind {
        MediaKind::Audio => Some(Codec::Opus).filter(is)?,
        MediaKind::Video => Codec::VIDEO.into_iter().find(|codec| is(codec))?,
    };
    if codec == Codec::H264 {
        return Some((codec, h264(part, format, side)?));
    }
    codec.is_usual(|key| part.parameter(format, key)).then_some((codec, 0))
}

/// How welcome a variant of H.264 is.
///
/// A publisher may be of mode 0, single NAL units: mode 1 has those too. A viewer of mode 0 could not
/// read what was made for mode 1 (RFC 6184 6.2, 6.3). Interleaved mode 2 is nobody's.
///
/// # Departure from RFC 6184 8.1
/// There no mode is mode 0. GStreamer's players say none, and take fragmentation units: refused, they
/// would see nothing. Who does mean mode 0 says so, as browsers do.
fn h264(part: &Part<'_>, format: &str, side: Side) -> Option<u8> {
    let mode = part.parameter(format, "packetization-mode");
    let is_mode_1 = match (mode, side) {
        (Some("1"), _) => true,
        (None, _) | (Some("0"), Side::Publisher) => false,
        _ => return None,
    };
    if mode.is_none() && side == Side::Viewer {
        return Some(0);
    }
    // RFC 6184 8.1; without it, it is baseline. constraint_set1 makes that the constrained one.
    let profile = part.parameter(format, "profile-level-id").unwrap_or("42000a");
    let idc = u8::from_str_radix(profile.get(..2)?, 16).ok()?;
    let constraints = u8::from_str_radix(profile.get(2..4)?, 16).ok()?;
    let rank = match idc {
        0x42 if constraints & 0x40 != 0 => 3,
        0x42 => 2,
        0x4d | 0x64 => 1,
        _ => return None,
    };
    Some(2 * rank + u8::from(is_mode_1))
}

fn describe(
    part: &Part<'_>,
    m_line: &MLine<'_>,
    (format, own): (&str, u8),
    codec: Codec,
    side: Side,
) -> OfferedCodec {
    let is_rtx = |other: &&str| {
        let name = part.of_payload_type("rtpmap", other).and_then(|map| map.split('/').next());
        name.is_some_and(|name| name.eq_ignore_ascii_case("rtx"))
            && part.parameter(other, "apt") == Some(format)
    };
    // What goes to a viewer has blocks of the payload type that all our packets have.
    let may_be_red = codec == Codec::Opus && (side == Side::Publisher || own == red::OPUS);
    let is_red = |other: &&str| {
        let rtpmap = part.of_payload_type("rtpmap", other).unwrap_or("");
        let fmtp = part.of_payload_type("fmtp", other).unwrap_or("");
        may_be_red && red::is_of_opus(rtpmap, fmtp, own)
    };
    let feedback = |wanted: &str| {
        part.values("rtcp-fb").any(|value| {
            value.split_once(' ').is_some_and(|(of, what)| {
                (of == format || of == "*") && what.trim().eq_ignore_ascii_case(wanted)
            })
        })
    };
    let offered = part.of_payload_type("fmtp", format);
    OfferedCodec {
        payload_type: own,
        codec,
        rtx: m_line.formats().find(is_rtx).and_then(payload_type),
        red: m_line.formats().find(is_red).and_then(payload_type).filter(|red| *red != own),
        fmtp: match side {
            Side::Publisher => received(offered, codec),
            Side::Viewer => {
                offered.filter(|fmtp| !fmtp.contains(char::is_control)).map(str::to_owned)
            }
        },
        nack: feedback("nack"),
        pli: feedback("nack pli"),
        fir: feedback("ccm fir"),
        transport_cc: feedback("transport-cc"),
        numbers: part.transport_cc_id().filter(|_| feedback("transport-cc")),
        remb: feedback("goog-remb"),
        parameter_sets: parameter_sets(part, format, codec),
    }
}

/// `sprop-parameter-sets` (RFC 6184 8.1), `sprop-vps`, `-sps` and `-pps` (RFC 7798 7.1).
fn parameter_sets(part: &Part<'_>, format: &str, codec: Codec) -> Vec<Bytes> {
    let names: &[&str] = match codec {
        Codec::H264 => &["sprop-parameter-sets"],
        Codec::H265 => &["sprop-vps", "sprop-sps", "sprop-pps"],
        _ => &[],
    };
    let texts = names.iter().filter_map(|name| part.parameter(format, name));
    let units = texts.flat_map(|text| text.split(',')).filter_map(|text| {
        let unit = STANDARD_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()?;
        (nal::kind_of(codec, &unit) != nal::Kind::Rest).then(|| Bytes::from(unit))
    });
    units.take(MAX_SETS).collect()
}

/// The parameters that we answer a publisher with. Those of Opus tell what its receivers can use (RFC
/// 7587 section 6.1), and viewers can use in-band FEC whether or not the publisher can.
fn received(offered: Option<&str>, codec: Codec) -> Option<String> {
    let mirrored = offered.and_then(mirrored);
    if codec != Codec::Opus {
        return mirrored;
    }
    let kept = mirrored.unwrap_or_default();
    let others =
        kept.split(';').filter(|pair| !pair.is_empty() && !pair.starts_with("useinbandfec"));
    // Whoever says that it sends two channels is told that both are wanted (RFC 7587 7.1).
    let has = |name| offered.and_then(|offered| parameter(offered, name)) == Some("1");
    let stereo = has("sprop-stereo") && !has("stereo");
    let added = stereo.then_some("stereo=1").into_iter().chain(["useinbandfec=1"]);
    Some(others.chain(added).collect::<Vec<_>>().join(";"))
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
