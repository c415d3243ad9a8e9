//! Writes our answer to the offer of a client that receives (RFC 9429 5.3, RFC 8839, 8842, 9143).
//!
//! PURE. One bundled ICE-lite transport. Payload types and parameters are the offer's.
//! A section that is taken may name several codecs: which of them comes is decided packet by packet,
//! so that another track can take the section without another negotiation, which WHEP does not have.
//! Of header extensions only the transport-wide numbers are sent (draft-holmer-rmcat-transport-wide-cc-
//! extensions-01), under the client's number for it; no other is accepted.

use std::fmt::Write;

use super::{
    offer::{OfferParts, write_fingerprint},
    table::Line,
};
use crate::{
    seams::media::SfuError,
    sfu::media::sdp::{
        TRANSPORT_CC,
        codecs::OfferedCodec,
        offer::{Accepted, Offer, Section},
    },
};

/// Writes the answer; `lines` belong to the sections that are taken, in their order.
pub(crate) fn write(parts: OfferParts<'_>, offer: &Offer, lines: &[Line]) -> String {
    let mut sdp = String::with_capacity(512 + 640 * offer.sections.len());
    // Writing to a String cannot fail.
    let _ = write_to(&mut sdp, parts, offer, lines);
    sdp
}

fn write_to(
    sdp: &mut String,
    parts: OfferParts<'_>,
    offer: &Offer,
    lines: &[Line],
) -> std::fmt::Result {
    let OfferParts { session_id, revision, candidates, .. } = parts;
    write!(sdp, "v=0\r\no=- {session_id} {revision} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")?;
    if offer.has_bundle {
        sdp.push_str("a=group:BUNDLE");
        for section in offer.sections.iter().filter(|section| section.accepted.is_some()) {
            write!(sdp, " {}", section.mid)?;
        }
        sdp.push_str("\r\n");
    }
    sdp.push_str("a=msid-semantic: WMS *\r\na=ice-lite\r\n");
    let mut lines = lines.iter();
    let mut candidates = Some(candidates);
    for section in &offer.sections {
        let Section { media, protocol, formats, mid, .. } = section;
        match section.accepted.as_ref().and_then(|taken| Some((taken, lines.next()?))) {
            Some((taken, line)) => {
                write_taken(sdp, parts, section, taken, line)?;
                // They belong to the first section of the bundle, and count for all.
                if let Some(candidates) = candidates.take() {
                    for candidate in candidates {
                        write!(sdp, "a={candidate}\r\n")?;
                    }
                    sdp.push_str("a=end-of-candidates\r\n");
                }
            }
            None => {
                write!(sdp, "m={media} 0 {protocol} {formats}\r\nc=IN IP4 0.0.0.0\r\n")?;
                write!(sdp, "a=mid:{mid}\r\na=inactive\r\n")?;
            }
        }
    }
    Ok(())
}

fn write_taken(
    sdp: &mut String,
    parts: OfferParts<'_>,
    section: &Section,
    taken: &Accepted,
    line: &Line,
) -> std::fmt::Result {
    write!(sdp, "m={} 9 {}", section.media, section.protocol)?;
    for codec in &taken.codecs {
        write!(sdp, " {}", codec.payload_type)?;
        let others = codec.rtx.into_iter().chain(codec.red);
        others.into_iter().try_for_each(|other| write!(sdp, " {other}"))?;
    }
    sdp.push_str("\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n");
    // In each section: some clients look for them nowhere else.
    write!(sdp, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", parts.local.ufrag, parts.local.pwd)?;
    write_fingerprint(sdp, parts.fingerprint)?;
    write!(sdp, "a=setup:{}\r\na=mid:{}\r\n", parts.setup, section.mid)?;
    sdp.push_str("a=sendonly\r\na=rtcp-mux\r\n");
    if taken.reduced_size {
        sdp.push_str("a=rtcp-rsize\r\n");
    }
    let transport_cc = taken.codecs.iter().find_map(|codec| codec.numbers);
    if let Some(id) = transport_cc {
        write!(sdp, "a=extmap:{id} {TRANSPORT_CC}\r\n")?;
    }
    for codec in &taken.codecs {
        let (number, name, rate) =
            (codec.payload_type, codec.codec.name(), codec.codec.clock_rate());
        let channels = if name == "opus" { "/2" } else { "" };
        write!(sdp, "a=rtpmap:{number} {name}/{rate}{channels}\r\n")?;
        for feedback in feedback(codec) {
            write!(sdp, "a=rtcp-fb:{number} {feedback}\r\n")?;
        }
        if let Some(fmtp) = &codec.fmtp {
            write!(sdp, "a=fmtp:{number} {fmtp}\r\n")?;
        }
        if let Some(red) = codec.red {
            write!(
                sdp,
                "a=rtpmap:{red} red/{rate}{channels}\r\na=fmtp:{red} {number}/{number}\r\n"
            )?;
        }
        if let Some(rtx) = codec.rtx {
            write!(sdp, "a=rtpmap:{rtx} rtx/{rate}\r\na=fmtp:{rtx} apt={number}\r\n")?;
        }
    }
    let (ssrc, rtx_ssrc, cname) = (line.media.ssrc, line.rtx_ssrc, parts.cname);
    let has_rtx = taken.codecs.iter().any(|codec| codec.rtx.is_some());
    // Sound and picture are played in step: one stream.
    write!(sdp, "a=msid:parlor parlor-{}\r\n", section.mid)?;
    if has_rtx {
        write!(sdp, "a=ssrc-group:FID {ssrc} {rtx_ssrc}\r\n")?;
    }
    write!(sdp, "a=ssrc:{ssrc} cname:{cname}\r\n")?;
    if has_rtx {
        write!(sdp, "a=ssrc:{rtx_ssrc} cname:{cname}\r\n")?;
    }
    Ok(())
}

/// What of the client's feedback is understood. Where it tells nothing better of its path, that is REMB.
fn feedback(codec: &OfferedCodec) -> impl Iterator<Item = &'static str> {
    let known = [
        (codec.nack, "nack"),
        (codec.pli, "nack pli"),
        (codec.fir, "ccm fir"),
        (codec.numbers.is_some(), "transport-cc"),
        (codec.numbers.is_none() && codec.remb, "goog-remb"),
    ];
    known.into_iter().filter(|(offered, _)| *offered).map(|(_, what)| what)
}

/// Why no section of a viewer's offer is taken.
pub(crate) fn nothing_to_send(offer: &Offer) -> SfuError {
    let why = offer.refusal().unwrap_or_else(|| {
        "it has no section in which parlor could send: one that receives (recvonly or sendrecv) opus, \
         VP8, H264 (packetization-mode=1), VP9, AV1 or H265 over UDP/TLS/RTP/SAVPF"
            .to_owned()
    });
    SfuError::SdpUnacceptable(why)
}

#[cfg(test)]
mod tests;
