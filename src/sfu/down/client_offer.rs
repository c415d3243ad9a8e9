//! Reads the offer of a client that wants to receive (WHEP: draft-ietf-wish-whep, RFC 9429, 9143).
//!
//! PURE. The other way to a viewer's table: here the client has made the sections, with its own
//! payload types, and we fill those in which it wants sound or a picture. What it offers beyond that
//! is refused section by section; an offer of which nothing can be taken is refused with a sentence.

use std::io::Cursor;

use rtc::sdp::{MediaDescription, SessionDescription};

use super::{
    answer::{
        MAX_SDP, formats, of_format, parameters, read_fingerprint, red_of, rtpmap, transport_cc_id,
        value, values,
    },
    negotiation::MAX_LINES,
};
use crate::{ids::Mid, protocol::MediaKind, seams::media::SfuError, sfu::media::packet::Codec};

/// What an offer says, as far as it matters here.
#[derive(Debug)]
pub(crate) struct ClientOffer {
    pub(crate) transport: Transport,
    /// In the offer's order, which is the answer's.
    pub(crate) sections: Vec<Section>,
    pub(crate) has_bundle: bool,
}

/// The client's end of ICE and DTLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    /// SHA-256 of its certificate.
    pub(crate) fingerprint: [u8; 32],
}

/// One m-section.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) media: String,
    pub(crate) protocol: String,
    /// The payload types as they stood.
    pub(crate) formats: String,
    pub(crate) mid: Mid,
    /// `None`: the section is refused.
    pub(crate) taken: Option<Taken>,
}

/// What is taken of a section.
#[derive(Debug)]
pub(crate) struct Taken {
    /// At least one, each codec once, as the client prefers them.
    pub(crate) codecs: Vec<Receivable>,
    pub(crate) reduced_size: bool,
}

/// A codec that the client can receive in a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receivable {
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    /// Of its retransmissions (RFC 4588).
    pub(crate) rtx_payload_type: Option<u8>,
    /// Of RED (RFC 2198), where its blocks are as ours.
    pub(crate) red_payload_type: Option<u8>,
    pub(crate) fmtp: Option<String>,
    /// Of `nack`, `nack pli` and `ccm fir`, those that it knows; and `goog-remb`, where it tells nothing
    /// better of its path.
    pub(crate) feedback: Vec<&'static str>,
    /// It tells of arrivals by transport-wide numbers: the number of their header extension.
    pub(crate) transport_cc: Option<u8>,
}

fn unacceptable(text: impl Into<String>) -> SfuError {
    SfuError::SdpUnacceptable(text.into())
}

/// Reads an offer.
///
/// # Errors
/// `SdpInvalid` if it is no SDP; `SdpUnacceptable` with what is missing if nothing can come of it.
pub(crate) fn read(sdp: &str) -> Result<ClientOffer, SfuError> {
    if sdp.len() > MAX_SDP {
        return Err(SfuError::SdpInvalid(format!("it has more than {MAX_SDP} bytes")));
    }
    let session = SessionDescription::unmarshal(&mut Cursor::new(sdp))
        .map_err(|error| SfuError::SdpInvalid(error.to_string()))?;
    let descriptions = &session.media_descriptions;
    if descriptions.len() > MAX_LINES {
        let n_sections = descriptions.len();
        let text = format!("it has {n_sections} m-sections; at most {MAX_LINES} are read");
        return Err(unacceptable(text));
    }
    let bundle: Option<Vec<&str>> = session
        .attributes
        .iter()
        .filter(|attribute| attribute.key == "group")
        .find_map(|attribute| attribute.value.as_deref()?.strip_prefix("BUNDLE"))
        .map(|mids| mids.split_whitespace().collect());
    let mut sections: Vec<Section> = Vec::with_capacity(descriptions.len());
    for (index, description) in descriptions.iter().enumerate() {
        let section = read_section(index, description, bundle.as_deref())?;
        if sections.iter().any(|other| other.mid == section.mid) {
            return Err(unacceptable("two of its sections have the same a=mid"));
        }
        sections.push(section);
    }
    if bundle.is_none() {
        // There would be a transport for each section: the first is taken.
        let taken = sections.iter_mut().filter(|section| section.taken.is_some());
        taken.skip(1).for_each(|section| section.taken = None);
    }
    let first = sections.iter().position(|section| section.taken.is_some());
    let Some(first) = first else {
        return Err(unacceptable(
            "it has no section in which parlor could send: one that receives (recvonly or \
             sendrecv) opus, VP8, H264 (packetization-mode=1), VP9, AV1 or H265 over \
             UDP/TLS/RTP/SAVPF",
        ));
    };
    let transport = read_transport(&session, &descriptions[first])?;
    Ok(ClientOffer { transport, sections, has_bundle: bundle.is_some() })
}

fn has(description: &MediaDescription, key: &str) -> bool {
    description.attributes.iter().any(|attribute| attribute.key == key)
}

fn read_section(
    index: usize,
    description: &MediaDescription,
    bundle: Option<&[&str]>,
) -> Result<Section, SfuError> {
    let name = &description.media_name;
    let (protocol, formats) = (name.protos.join("/"), name.formats.join(" "));
    // An answer repeats them, and a lone carriage return would be a line of its own to some readers.
    if [&name.media, &protocol, &formats].iter().any(|text| text.contains(char::is_control)) {
        let text = format!("m-section {} has a control character", index + 1);
        return Err(SfuError::SdpInvalid(text));
    }
    let mid = value(&description.attributes, "mid").ok_or_else(|| {
        unacceptable(format!("section {} ({}) has no a=mid", index + 1, name.media))
    })?;
    let in_bundle = bundle.is_none_or(|mids| mids.contains(&mid));
    // Port 0 is a stopped section, unless the section only exists in its bundle (RFC 9143 6).
    let is_live = name.port.value != 0 || (has(description, "bundle-only") && bundle.is_some());
    let receives = !has(description, "sendonly") && !has(description, "inactive");
    let kind = match &*name.media {
        "audio" => Some(MediaKind::Audio),
        "video" => Some(MediaKind::Video),
        _ => None,
    };
    let taken = match kind {
        Some(kind) if is_live && in_bundle && receives && protocol.contains("RTP/SAVP") => {
            take(kind, description)?
        }
        _ => None,
    };
    Ok(Section {
        media: name.media.clone(),
        protocol,
        formats,
        mid: mid.parse().map_err(|error| {
            SfuError::SdpInvalid(format!("a=mid of section {}: {error}", index + 1))
        })?,
        taken,
    })
}

fn take(kind: MediaKind, description: &MediaDescription) -> Result<Option<Taken>, SfuError> {
    let wanted: &[Codec] = match kind {
        MediaKind::Audio => &[Codec::Opus],
        MediaKind::Video => &Codec::VIDEO,
    };
    let formats = formats(description);
    let best = |codec: &Codec| {
        let ranked = formats
            .iter()
            .enumerate()
            .filter_map(|(position, format)| Some((rank(description, format, *codec)?, position)));
        // Of equals the first.
        let (_, position) = ranked.max_by_key(|(rank, position)| (*rank, usize::MAX - position))?;
        Some((position, describe(description, &formats[position], *codec)?))
    };
    let mut codecs: Vec<(usize, Receivable)> = wanted.iter().filter_map(best).collect();
    if codecs.is_empty() {
        return Ok(None);
    }
    if !has(description, "rtcp-mux") {
        return Err(unacceptable("a=rtcp-mux is missing; parlor sends RTP and RTCP by one port"));
    }
    codecs.sort_by_key(|(position, _)| *position);
    Ok(Some(Taken {
        codecs: codecs.into_iter().map(|(_, codec)| codec).collect(),
        reduced_size: has(description, "rtcp-rsize"),
    }))
}

/// How well a payload type fits what is forwarded of this codec; `None`: not at all.
fn rank(description: &MediaDescription, format: &str, codec: Codec) -> Option<u8> {
    let mut parts = rtpmap(description, format)?.split('/');
    let name = parts.next()?.eq_ignore_ascii_case(codec.name());
    let rate = parts.next()?.parse() == Ok(codec.clock_rate());
    if !name || !rate {
        return None;
    }
    let parameter = |key: &str| {
        let mut pairs = parameters(description, format).filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    if codec != Codec::H264 {
        return codec.is_usual(parameter).then_some(0);
    }
    // Mode 0 has no fragmentation units; we forward what was made for mode 1 (RFC 6184 6.2).
    //
    // # Departure from RFC 6184 8.1
    // There no mode is mode 0. GStreamer's players say none, and take fragmentation units: refused,
    // they would see nothing. Who does mean mode 0 says so, as browsers do.
    match parameter("packetization-mode") {
        Some("1") => {}
        None => return Some(0),
        Some(_) => return None,
    }
    // RFC 6184 8.1; without it, it is baseline. We forward constrained baseline, which decoders of
    // the main and high profiles can show as well; constraint_set1 says "constrained".
    let profile = parameter("profile-level-id").unwrap_or("42000a");
    let idc = u8::from_str_radix(profile.get(..2)?, 16).ok()?;
    let constraints = u8::from_str_radix(profile.get(2..4)?, 16).ok()?;
    match idc {
        0x42 => Some(if constraints & 0x40 != 0 { 3 } else { 2 }),
        0x4d | 0x64 => Some(1),
        _ => None,
    }
}

fn payload_type(format: &str) -> Option<u8> {
    format.parse().ok().filter(|number: &u8| *number < 128)
}

fn describe(description: &MediaDescription, format: &str, codec: Codec) -> Option<Receivable> {
    let apt = format!("apt={format}");
    let rtx_payload_type = formats(description).iter().find_map(|other| {
        let is_rtx = rtpmap(description, other)?.to_ascii_lowercase().starts_with("rtx/");
        let ours = parameters(description, other).any(|parameter| parameter == apt);
        (is_rtx && ours).then(|| payload_type(other))?
    });
    let offers = |what: &str| {
        let values = description.attributes.iter().filter(|a| a.key == "rtcp-fb");
        values.filter_map(|a| a.value.as_deref()?.split_once(' ')).any(|(of, feedback)| {
            (of == format || of == "*") && feedback.trim().eq_ignore_ascii_case(what)
        })
    };
    let transport_cc = transport_cc_id(description).filter(|_| offers("transport-cc"));
    let remb = transport_cc.is_none().then_some("goog-remb");
    let known = ["nack", "nack pli", "ccm fir"].into_iter().chain(remb);
    let payload_type = payload_type(format)?;
    Some(Receivable {
        codec,
        payload_type,
        red_payload_type: red_of(description, codec, payload_type),
        rtx_payload_type,
        fmtp: of_format(description, "fmtp", format)
            .filter(|fmtp| !fmtp.contains(char::is_control))
            .map(str::to_owned),
        feedback: known.filter(|what| offers(what)).collect(),
        transport_cc,
    })
}

fn read_transport(
    session: &SessionDescription,
    description: &MediaDescription,
) -> Result<Transport, SfuError> {
    let find = |key| values(session, description, key).next();
    // We are the server of DTLS, always (RFC 8842 5.3 lets the answerer choose).
    if let Some(setup) = find("setup")
        && setup != "actpass"
        && setup != "active"
    {
        let shown: String = setup.chars().take(20).collect();
        let text = format!("a=setup:{shown} is offered; actpass or active is needed");
        return Err(unacceptable(text));
    }
    let credential = |key: &'static str, least: usize| {
        let value = find(key).ok_or_else(|| unacceptable(format!("a={key} is missing")))?;
        let fits =
            (least..=256).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
        let text = || unacceptable(format!("a={key} is not {least} to 256 characters of ICE"));
        fits.then(|| value.to_owned()).ok_or_else(text)
    };
    let fingerprint = values(session, description, "fingerprint")
        .find_map(read_fingerprint)
        .ok_or_else(|| unacceptable("a=fingerprint with sha-256 is missing"))?;
    Ok(Transport {
        ufrag: credential("ice-ufrag", 4)?,
        pwd: credential("ice-pwd", 22)?,
        fingerprint,
    })
}

#[cfg(test)]
mod tests;
