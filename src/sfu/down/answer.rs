//! Reads the answer to a viewer's offer (RFC 8829 5.10, RFC 8122, RFC 5763).
//!
//! PURE. Takes out what the viewer's side needs: which sections are accepted, by which payload
//! types, and the certificate's fingerprint. What it must refuse it refuses with a sentence.

use std::io::Cursor;

use rtc::sdp::{MediaDescription, SessionDescription, description::common::Attribute};

use super::{
    offer::{TRANSPORT_CC, TRANSPORT_CC_ID},
    table::Answered,
};
use crate::{
    seams::media::SfuError,
    sfu::{
        link::credentials::IceCredentials,
        media::{packet::Codec, red},
    },
};

/// An answer longer than this is not looked at (contract: SDP 128 KiB).
pub(super) const MAX_SDP: usize = 128 * 1024;
/// Payload types of one section that are looked at: there are no more. Each is looked for among all
/// attributes, and 128 KiB may be full of both.
const MAX_FORMATS: usize = 128;

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// One a line of the offer, in its order.
    pub(crate) lines: Vec<Answered>,
    /// SHA-256 of the client's certificate. `None`: everything was refused.
    pub(crate) fingerprint: Option<[u8; 32]>,
    /// The client's, for checks of ours.
    pub(crate) credentials: Option<IceCredentials>,
}

/// Reads an answer to an offer whose sections had these mids and codecs.
pub(crate) fn read(sdp: &str, offered: &[(String, Codec)]) -> Result<Answer, SfuError> {
    if sdp.len() > MAX_SDP {
        return Err(SfuError::SdpInvalid(format!("it has more than {MAX_SDP} bytes")));
    }
    let session = SessionDescription::unmarshal(&mut Cursor::new(sdp))
        .map_err(|error| SfuError::SdpInvalid(error.to_string()))?;
    let sections = &session.media_descriptions;
    if sections.len() != offered.len() {
        let (got, wanted) = (sections.len(), offered.len());
        let text = format!("it has {got} sections where the offer has {wanted}");
        return Err(SfuError::SdpUnacceptable(text));
    }
    let lines = Vec::with_capacity(sections.len());
    let mut answer = Answer { lines, fingerprint: None, credentials: None };
    for (section, (mid, codec)) in sections.iter().zip(offered) {
        let theirs = value(&section.attributes, "mid");
        // A refused section may have lost its mid.
        if theirs.map_or(section.media_name.port.value != 0, |theirs| theirs != mid) {
            let text = format!("section {mid} of the offer is answered by {theirs:?}");
            return Err(SfuError::SdpUnacceptable(text));
        }
        let answered = read_section(&session, section, *codec);
        if answered != Answered::Refused && answer.fingerprint.is_none() {
            answer.fingerprint = Some(read_transport(&session, section)?);
            let value = |key| values(&session, section, key).next();
            answer.credentials = value("ice-ufrag")
                .zip(value("ice-pwd"))
                .map(|(ufrag, pwd)| IceCredentials { ufrag: ufrag.into(), pwd: pwd.into() });
        }
        answer.lines.push(answered);
    }
    Ok(answer)
}

pub(super) fn value<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_deref()
}

/// The values of an attribute of the section, or where it has none, of the session.
pub(super) fn values<'a>(
    session: &'a SessionDescription,
    section: &'a MediaDescription,
    key: &'a str,
) -> impl Iterator<Item = &'a str> {
    let own = section.attributes.iter().any(|attribute| attribute.key == key);
    let attributes = if own { &section.attributes } else { &session.attributes };
    attributes.iter().filter(move |a| a.key == key).filter_map(|a| a.value.as_deref())
}

/// The payload types of a section.
pub(super) fn formats(section: &MediaDescription) -> &[String] {
    let formats = &section.media_name.formats;
    &formats[..formats.len().min(MAX_FORMATS)]
}

fn read_section(
    session: &SessionDescription,
    section: &MediaDescription,
    codec: Codec,
) -> Answered {
    let payload_type = formats(section)
        .iter()
        .find(|format| is_codec(section, format, codec))
        .and_then(|format| format.parse().ok().filter(|number: &u8| *number < 128));
    let Some(payload_type) = payload_type.filter(|_| section.media_name.port.value != 0) else {
        return Answered::Refused;
    };
    let has = |key: &str| {
        let named = |attributes: &[Attribute]| attributes.iter().any(|a| a.key == key);
        named(&section.attributes) || named(&session.attributes)
    };
    if has("inactive") || has("sendonly") {
        return Answered::Inactive;
    }
    let apt = format!("apt={payload_type}");
    let rtx_payload_type = formats(section).iter().find_map(|format| {
        let is_rtx = rtpmap(section, format)?.to_ascii_lowercase().starts_with("rtx/");
        let ours = parameters(section, format).any(|parameter| parameter == apt);
        (is_rtx && ours).then(|| format.parse().ok().filter(|number: &u8| *number < 128))?
    });
    let red_payload_type = red_of(section, codec, payload_type);
    let has_transport_cc = transport_cc_id(section) == Some(TRANSPORT_CC_ID);
    let transport_cc = has_transport_cc.then_some(TRANSPORT_CC_ID);
    Answered::Accepted { payload_type, rtx_payload_type, red_payload_type, transport_cc }
}

/// The payload type of RED in a section whose Opus has the payload type that is in our RED packets.
pub(super) fn red_of(section: &MediaDescription, codec: Codec, opus: u8) -> Option<u8> {
    let is_ours = codec == Codec::Opus && opus == red::OPUS;
    let mut formats = formats(section).iter().filter(|_| is_ours);
    let found = formats.find(|format| {
        let rtpmap = rtpmap(section, format).unwrap_or_default();
        let fmtp = of_format(section, "fmtp", format).unwrap_or_default();
        red::is_of_opus(rtpmap, fmtp, opus)
    });
    found?.parse().ok().filter(|number: &u8| *number < 128 && *number != opus)
}

fn is_codec(section: &MediaDescription, format: &str, codec: Codec) -> bool {
    let Some(map) = rtpmap(section, format) else { return false };
    let mut parts = map.split('/');
    let name = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(codec.name()));
    let rate = parts.next().is_some_and(|rate| rate.parse() == Ok(codec.clock_rate()));
    // Mode 0 has no fragmentation units; we forward what was made for mode 1 (RFC 6184 6.2).
    let mode = codec != Codec::H264
        || parameters(section, format).any(|parameter| parameter == "packetization-mode=1");
    name && rate && mode
}

/// The number of the extension with transport-wide numbers (RFC 8285 5), where there is one that fits
/// the one-byte header: 1 to 14.
pub(super) fn transport_cc_id(section: &MediaDescription) -> Option<u8> {
    section.attributes.iter().filter(|attribute| attribute.key == "extmap").find_map(|map| {
        let mut words = map.value.as_deref()?.split_whitespace();
        // The number may carry a direction.
        let id: u8 = words.next()?.split('/').next()?.parse().ok()?;
        (words.next() == Some(TRANSPORT_CC) && (1..=14).contains(&id)).then_some(id)
    })
}

/// `VP8/90000` of `a=rtpmap:96 VP8/90000`.
pub(super) fn rtpmap<'a>(section: &'a MediaDescription, format: &str) -> Option<&'a str> {
    of_format(section, "rtpmap", format)
}

pub(super) fn parameters<'a>(
    section: &'a MediaDescription,
    format: &str,
) -> impl Iterator<Item = &'a str> {
    of_format(section, "fmtp", format).unwrap_or_default().split(';').map(str::trim)
}

pub(super) fn of_format<'a>(
    section: &'a MediaDescription,
    key: &str,
    format: &str,
) -> Option<&'a str> {
    let values = section.attributes.iter().filter(|attribute| attribute.key == key);
    let split = values.filter_map(|attribute| attribute.value.as_deref()?.split_once(' '));
    split.filter(|(number, _)| *number == format).map(|(_, rest)| rest.trim()).next()
}

fn read_transport(
    session: &SessionDescription,
    section: &MediaDescription,
) -> Result<[u8; 32], SfuError> {
    // An answer must be `active` or `passive` (RFC 8842 5.3). We are a server of DTLS only.
    if let Some(setup) = values(session, section, "setup").next()
        && setup != "active"
    {
        let text = format!("a=setup:{setup}; parlor answers DTLS, so it must be active");
        return Err(SfuError::SdpUnacceptable(text));
    }
    for key in ["ice-ufrag", "ice-pwd"] {
        if values(session, section, key).next().is_none() {
            return Err(SfuError::SdpUnacceptable(format!("a={key} is missing")));
        }
    }
    values(session, section, "fingerprint").find_map(read_fingerprint).ok_or_else(|| {
        SfuError::SdpUnacceptable("a=fingerprint with sha-256 is missing".to_owned())
    })
}

/// `sha-256 AB:CD:…` (RFC 8122 5).
pub(super) fn read_fingerprint(value: &str) -> Option<[u8; 32]> {
    let (hash, digits) = value.split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let mut fingerprint = [0; 32];
    let mut pairs = digits.trim().split(':');
    for byte in &mut fingerprint {
        let pair = pairs.next().filter(|pair| pair.len() == 2)?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(fingerprint)
}

#[cfg(test)]
mod tests;
