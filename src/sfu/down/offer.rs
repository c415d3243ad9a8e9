//! Writes the offer of a viewer's connection (RFC 8829, RFC 8839, RFC 8842, RFC 8843).
//!
//! PURE. One section a line: bundled, sendonly, one codec, with its RTX. Transport attributes are
//! written once, for the session. SSRCs are told because lines share payload types and no header
//! extension says to which section a packet belongs.

use std::fmt::Write;

use super::table::Line;
use crate::{
    ids::Mid,
    sfu::{
        link::credentials::IceCredentials,
        media::{
            packet::Codec,
            red,
            sdp::{TRANSPORT_CC, TRANSPORT_CC_ID, answer::Answered},
        },
    },
};

/// What an offer says beside its lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfferParts<'a> {
    pub(crate) session_id: u64,
    pub(crate) revision: u32,
    pub(crate) local: &'a IceCredentials,
    pub(crate) fingerprint: &'a [u8; 32],
    /// Attribute values: `candidate:…`.
    pub(crate) candidates: &'a [String],
    pub(crate) cname: &'a str,
    /// `active` or `passive`, in an answer.
    pub(crate) setup: &'static str,
}

/// Payload type and RTX payload type that we offer.
fn payload_types(codec: Codec) -> (u8, Option<u8>) {
    match codec {
        Codec::Opus => (red::OPUS, None),
        Codec::Vp8 => (96, Some(97)),
        Codec::H264 => (102, Some(103)),
        Codec::Vp9 => (98, Some(99)),
        Codec::Av1 => (45, Some(46)),
        Codec::H265 => (49, Some(50)),
    }
}

/// The payload type of RED (RFC 2198) that we offer beside Opus.
const RED: u8 = 63;

fn media(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "audio",
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 | Codec::H265 => "video",
    }
}

/// Writes an offer of these lines, each of which has its mid and says in `offered` whether it sends.
pub(crate) fn write(parts: OfferParts<'_>, lines: &[Line]) -> String {
    let mut sdp = String::with_capacity(512 + 640 * lines.len());
    // Writing to a String cannot fail.
    let _ = write_session(&mut sdp, parts, lines);
    let mut transport = Some(parts.candidates);
    for line in lines {
        let Some(mid) = &line.mid else { continue };
        // The candidates belong to the first section of the bundle, and count for all.
        let candidates = if line.answered == Answered::Refused { None } else { transport.take() };
        let _ = write_line(&mut sdp, parts.cname, line, mid, candidates);
    }
    sdp
}

fn write_session(sdp: &mut String, parts: OfferParts<'_>, lines: &[Line]) -> std::fmt::Result {
    let OfferParts { session_id, revision, local, fingerprint, .. } = parts;
    write!(sdp, "v=0\r\no=- {session_id} {revision} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n")?;
    sdp.push_str("a=group:BUNDLE");
    for line in lines.iter().filter(|line| line.answered != Answered::Refused) {
        if let Some(mid) = &line.mid {
            write!(sdp, " {mid}")?;
        }
    }
    sdp.push_str("\r\na=msid-semantic: WMS *\r\na=ice-lite\r\n");
    write!(sdp, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", local.ufrag, local.pwd)?;
    write_fingerprint(sdp, fingerprint)?;
    sdp.push_str("a=setup:actpass\r\n");
    Ok(())
}

/// A certificate's SHA-256 (RFC 8122 5), a line of its own.
pub(super) fn write_fingerprint(sdp: &mut String, fingerprint: &[u8; 32]) -> std::fmt::Result {
    sdp.push_str("a=fingerprint:sha-256 ");
    for (n, byte) in fingerprint.iter().enumerate() {
        write!(sdp, "{}{byte:02X}", if n == 0 { "" } else { ":" })?;
    }
    sdp.push_str("\r\n");
    Ok(())
}

fn write_line(
    sdp: &mut String,
    cname: &str,
    line: &Line,
    mid: &Mid,
    candidates: Option<&[String]>,
) -> std::fmt::Result {
    let codec = line.codec;
    let (payload_type, rtx) = payload_types(codec);
    let refused = line.answered == Answered::Refused;
    write!(sdp, "m={} {} UDP/TLS/RTP/SAVPF", media(codec), if refused { 0 } else { 9 })?;
    write!(sdp, " {payload_type}")?;
    rtx.map_or(Ok(()), |rtx| write!(sdp, " {rtx}"))?;
    if codec == Codec::Opus {
        write!(sdp, " {RED}")?;
    }
    sdp.push_str("\r\nc=IN IP4 0.0.0.0\r\n");
    write!(sdp, "a=mid:{mid}\r\n")?;
    let sends = line.offered == Some(true) && !refused;
    sdp.push_str(if sends { "a=sendonly\r\n" } else { "a=inactive\r\n" });
    write!(sdp, "a=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n")?;
    sdp.push_str("a=rtcp-mux\r\na=rtcp-rsize\r\n");
    write_codec(sdp, codec, payload_type, rtx)?;
    if sends {
        let (ssrc, rtx_ssrc) = (line.media.ssrc, line.rtx_ssrc);
        if let Some(shown) = &line.shown {
            // Sound and picture of one member are played in step: one stream.
            write!(sdp, "a=msid:{} {}\r\n", shown.member, shown.track)?;
        }
        if rtx.is_some() {
            write!(sdp, "a=ssrc-group:FID {ssrc} {rtx_ssrc}\r\n")?;
        }
        write!(sdp, "a=ssrc:{ssrc} cname:{cname}\r\n")?;
        if rtx.is_some() {
            write!(sdp, "a=ssrc:{rtx_ssrc} cname:{cname}\r\n")?;
        }
    }
    for candidate in candidates.unwrap_or_default() {
        write!(sdp, "a={candidate}\r\n")?;
    }
    if candidates.is_some() {
        sdp.push_str("a=end-of-candidates\r\n");
    }
    Ok(())
}

fn write_codec(
    sdp: &mut String,
    codec: Codec,
    payload_type: u8,
    rtx: Option<u8>,
) -> std::fmt::Result {
    let (name, rate) = (codec.name(), codec.clock_rate());
    let channels = if codec == Codec::Opus { "/2" } else { "" };
    write!(sdp, "a=rtpmap:{payload_type} {name}/{rate}{channels}\r\n")?;
    let parameters = match codec {
        // Some of those who are shown send two channels, and a line shows one after the other.
        Codec::Opus => "minptime=10;sprop-stereo=1;stereo=1;useinbandfec=1",
        Codec::Vp8 => "",
        Codec::H264 => "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        Codec::Vp9 => "profile-id=0",
        // Chromium compares all three, and knows the default level alone.
        Codec::Av1 => "level-idx=5;profile=0;tier=0",
        // Level 5.1, which cameras of 4K have; receivers do not hold it against us.
        Codec::H265 => "level-id=153;profile-id=1;tier-flag=0;tx-mode=SRST",
    };
    if codec == Codec::Opus {
        write!(sdp, "a=fmtp:{payload_type} {parameters}\r\na=rtpmap:{RED} red/{rate}/2\r\n")?;
        write!(sdp, "a=fmtp:{RED} {payload_type}/{payload_type}\r\n")?;
    } else if !parameters.is_empty() {
        write!(sdp, "a=fmtp:{payload_type} {parameters}\r\n")?;
    }
    write!(sdp, "a=rtcp-fb:{payload_type} transport-cc\r\n")?;
    if let Some(rtx) = rtx {
        for feedback in ["nack", "nack pli", "ccm fir"] {
            write!(sdp, "a=rtcp-fb:{payload_type} {feedback}\r\n")?;
        }
        write!(sdp, "a=rtpmap:{rtx} rtx/{rate}\r\na=fmtp:{rtx} apt={payload_type}\r\n")?;
    }
    Ok(())
}
