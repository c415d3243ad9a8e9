//! PURE. Reads a publisher's offer: what of it parlor can take, and why the rest cannot be taken.
//!
//! Owns the reading of SDP (RFC 8866, with RFC 9429, 9143, 8839, 8842) as far as a receiver of
//! Opus, VP8, H.264, VP9, AV1 and H.265 needs it. It writes no answer (`answer` does) and keeps no state. Unknown
//! lines are passed over; a broken line that matters is named in the error.

use crate::{ids::Mid, protocol::MediaKind, seams::media::SfuError, sfu::media::packet::Codec};

/// More than any client has: a browser reuses the m-sections of stopped tracks.
pub(super) const MAX_SECTIONS: usize = 64;
/// The signaling accepts 128 KiB.
const MAX_BYTES: usize = 256 * 1024;
/// Declared sources of one section; simulcast with RTX has six.
const MAX_SOURCES: usize = 16;

/// What an offer says, as far as it matters here.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// Of the first section that is taken; unset if none is.
    pub(crate) transport: Option<Transport>,
    pub(super) extmap_allow_mixed: bool,
    /// In the offer's order, which is the answer's.
    pub(crate) sections: Vec<Section>,
}

/// The client's end of ICE and DTLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(super) ufrag: String,
    pub(super) pwd: String,
    /// SHA-256 of the client's certificate: upper-case hex pairs with colons.
    pub(crate) fingerprint: String,
}

/// One m-section.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// `audio`, `video` or what else it says.
    pub(super) media: String,
    pub(super) proto: String,
    pub(super) formats: String,
    pub(crate) mid: Mid,
    /// Unset: the section is refused.
    pub(crate) accepted: Option<Accepted>,
}

/// What is taken of an m-section.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) kind: MediaKind,
    /// The client sends (sendrecv or sendonly).
    pub(crate) sends: bool,
    pub(super) reduced_size: bool,
    /// In the offer's order; at least one.
    pub(crate) codecs: Vec<OfferedCodec>,
    pub(crate) extensions: Vec<(u8, Extension)>,
    /// Declared SSRCs, each with that of its retransmissions.
    pub(crate) sources: Vec<(u32, Option<u32>)>,
    /// Layers of simulcast (RFC 8853), the lowest first; empty where there is one encoding.
    pub(super) rids: Vec<String>,
}

/// A codec under its payload type.
#[derive(Debug, Clone)]
pub(crate) struct OfferedCodec {
    pub(crate) payload_type: u8,
    pub(crate) codec: Codec,
    /// Payload type of its retransmissions (RFC 4588).
    pub(crate) rtx: Option<u8>,
    /// Payload type of RED (RFC 2198) of this codec and nothing else.
    pub(super) red: Option<u8>,
    pub(super) fmtp: Option<String>,
    pub(crate) nack: bool,
    pub(crate) pli: bool,
    pub(crate) fir: bool,
    pub(crate) transport_cc: bool,
}

/// Header extensions that are understood (RFC 8285).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// RFC 9143 section 15.
    Mid,
    /// RFC 6464.
    AudioLevel,
    /// Arrival feedback for the sender's estimate of bandwidth.
    TransportCc,
    /// Names a layer (RFC 8852).
    Rid,
    /// Names the layer that a retransmission is of (RFC 8852).
    RepairedRid,
}

impl Extension {
    const ALL: [Self; 5] =
        [Self::Mid, Self::AudioLevel, Self::TransportCc, Self::Rid, Self::RepairedRid];

    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
        }
    }
}

/// The lines of one part of an SDP: the session's, or one m-section's.
struct Part<'a> {
    /// `audio 9 UDP/TLS/RTP/SAVPF 111`; empty for the session.
    m_line: &'a str,
    /// After `a=`: name and value.
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Part<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of `a=name:PT value`.
    fn of_payload_type(&self, name: &str, payload_type: &str) -> Option<&'a str> {
        self.values(name)
            .filter_map(|value| value.split_once(' '))
            .find(|(of, _)| *of == payload_type)
            .map(|(_, value)| value.trim())
    }
}

fn invalid(message: impl Into<String>) -> SfuError {
    SfuError::SdpInvalid(message.into())
}

fn unacceptable(message: impl Into<String>) -> SfuError {
    SfuError::SdpUnacceptable(message.into())
}

impl Offer {
    /// Reads an offer. `SdpInvalid` if it is no SDP, `SdpUnacceptable` with what is missing if
    /// nothing could come of it.
    pub(crate) fn parse(sdp: &str) -> Result<Self, SfuError> {
        let (session, parts) = split(sdp)?;
        let bundle: Option<Vec<&str>> = session
            .values("group")
            .find_map(|group| group.strip_prefix("BUNDLE"))
            .map(|mids| mids.split_whitespace().collect());
        let mut sections = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            sections.push(read_section(index, part, bundle.as_deref())?);
        }
        one_transport(&mut sections, bundle.is_some());
        let is_unique = |section: &Section| {
            sections.iter().filter(|other| other.mid == section.mid).count() == 1
        };
        if !sections.iter().all(is_unique) {
            return Err(unacceptable("two of its sections have the same a=mid"));
        }
        let first = sections.iter().position(|section| section.accepted.is_some());
        let transport = first.map(|index| read_transport(&parts[index], &session)).transpose()?;
        let extmap_allow_mixed = session.has("extmap-allow-mixed");
        Ok(Self { transport, extmap_allow_mixed, sections })
    }
}

/// Attributes of the transport stand in the section or before all of them.
fn read_transport(part: &Part<'_>, session: &Part<'_>) -> Result<Transport, SfuError> {
    let find = |name| part.value(name).or_else(|| session.value(name));
    check_setup(find("setup"))?;
    Ok(Transport {
        ufrag: credential(find("ice-ufrag"), "a=ice-ufrag", 4)?,
        pwd: credential(find("ice-pwd"), "a=ice-pwd", 22)?,
        fingerprint: fingerprint(part.values("fingerprint"), session.values("fingerprint"))?,
    })
}

fn split(sdp: &str) -> Result<(Part<'_>, Vec<Part<'_>>), SfuError> {
    if sdp.len() > MAX_BYTES {
        return Err(invalid(format!("it has {} bytes; at most {MAX_BYTES} are read", sdp.len())));
    }
    let mut lines = sdp.lines().map(str::trim_end).filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(invalid("its first line is not v=0"));
    }
    let mut session = Part { m_line: "", attributes: Vec::new() };
    let mut parts: Vec<Part<'_>> = Vec::new();
    for line in lines {
        let Some((kind, value)) = line.split_once('=') else {
            let shown: String = line.chars().take(40).collect();
            return Err(invalid(format!("the line {shown:?} is not of the form x=value")));
        };
        match kind {
            "m" if parts.len() == MAX_SECTIONS => {
                let message = format!("it has more than {MAX_SECTIONS} m-sections");
                return Err(unacceptable(message));
            }
            "m" => parts.push(Part { m_line: value, attributes: Vec::new() }),
            "a" => {
                let attribute = value.split_once(':').unwrap_or((value, ""));
                parts.last_mut().unwrap_or(&mut session).attributes.push(attribute);
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        return Err(unacceptable("it has no m-section"));
    }
    Ok((session, parts))
}

fn read_section(
    index: usize,
    part: &Part<'_>,
    bundle: Option<&[&str]>,
) -> Result<Section, SfuError> {
    // An answer repeats it, and a lone carriage return would be a line of its own to some readers.
    if part.m_line.contains(char::is_control) {
        return Err(invalid(format!("m-section {} has a control character", index + 1)));
    }
    let mut words = part.m_line.splitn(4, ' ');
    let (Some(media), Some(port), Some(proto), Some(formats)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid(format!("m={} is not: media port protocol formats", part.m_line)));
    };
    let port = port.split('/').next().unwrap_or(port);
    let port: u16 =
        port.parse().map_err(|_| invalid(format!("m={}: the port is no number", part.m_line)))?;
    let mid = part
        .value("mid")
        .ok_or_else(|| unacceptable(format!("section {} ({media}) has no a=mid", index + 1)))?;
    let in_bundle = bundle.is_none_or(|mids| mids.contains(&mid));
    // Port 0 is a stopped section, unless the section only exists in its bundle (RFC 9143 6).
    let is_live = port != 0 || (part.has("bundle-only") && bundle.is_some());
    let is_rtp = proto.contains("RTP/SAVP");
    let kind = match media {
        "audio" => Some(MediaKind::Audio),
        "video" => Some(MediaKind::Video),
        _ => None,
    };
    let accepted = match kind {
        Some(kind) if is_live && in_bundle && is_rtp => accept(kind, part, formats)?,
        _ => None,
    };
    Ok(Section {
        media: media.to_owned(),
        proto: proto.to_owned(),
        formats: formats.to_owned(),
        mid: mid.parse().map_err(|error| invalid(format!("a=mid:{mid}: {error}")))?,
        accepted,
    })
}

fn accept(kind: MediaKind, part: &Part<'_>, formats: &str) -> Result<Option<Accepted>, SfuError> {
    let codecs = codecs::read(kind, part, formats);
    if codecs.is_empty() {
        return Ok(None);
    }
    if !part.has("rtcp-mux") {
        return Err(unacceptable(
            "a=rtcp-mux is missing; parlor receives RTP and RTCP on one port",
        ));
    }
    let extensions = part
        .values("extmap")
        .filter_map(|value| {
            let (id, rest) = value.split_once(' ')?;
            let id = id.split('/').next()?.parse().ok().filter(|id| *id != 0)?;
            let uri = rest.split(' ').next()?;
            let extension = Extension::ALL.into_iter().find(|known| known.uri() == uri)?;
            Some((id, extension))
        })
        .collect();
    Ok(Some(Accepted {
        kind,
        sends: !part.has("recvonly") && !part.has("inactive"),
        reduced_size: part.has("rtcp-rsize"),
        codecs,
        extensions,
        sources: sources(part),
        rids: simulcast::rids(part),
    }))
}

/// The SSRCs of `a=ssrc`, without those that are another's retransmissions (RFC 5576).
fn sources(part: &Part<'_>) -> Vec<(u32, Option<u32>)> {
    let pairs: Vec<(u32, u32)> = part
        .values("ssrc-group")
        .filter_map(|group| {
            let mut words = group.strip_prefix("FID ")?.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect();
    let mut sources: Vec<(u32, Option<u32>)> = Vec::new();
    for value in part.values("ssrc") {
        let Ok(ssrc) = value.split(' ').next().unwrap_or(value).parse::<u32>() else { continue };
        let is_rtx = pairs.iter().any(|(_, rtx)| *rtx == ssrc);
        let is_known = sources.iter().any(|(known, _)| *known == ssrc);
        if !is_rtx && !is_known && sources.len() < MAX_SOURCES {
            let rtx = pairs.iter().find(|(primary, _)| *primary == ssrc).map(|(_, rtx)| *rtx);
            sources.push((ssrc, rtx));
        }
    }
    sources
}

/// Without BUNDLE there is a transport for each section: the first is taken.
fn one_transport(sections: &mut [Section], has_bundle: bool) {
    if has_bundle {
        return;
    }
    let accepted = sections.iter_mut().filter(|section| section.accepted.is_some());
    accepted.skip(1).for_each(|section| section.accepted = None);
}

/// We are the DTLS server, always (RFC 8842 section 5.2 lets the answerer choose).
fn check_setup(setup: Option<&str>) -> Result<(), SfuError> {
    match setup {
        None | Some("actpass" | "active") => Ok(()),
        Some(other) => {
            let shown: String = other.chars().take(20).collect();
            Err(unacceptable(format!("a=setup:{shown} is offered; actpass or active is needed")))
        }
    }
}

fn credential(value: Option<&str>, name: &str, least: usize) -> Result<String, SfuError> {
    let value = value.ok_or_else(|| unacceptable(format!("{name} is missing")))?;
    let ice_char = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    // Browsers keep to ice-char; some libraries also use these.
    let tolerated = |c: char| ice_char(c) || "-_=#.".contains(c);
    if !(least..=256).contains(&value.len()) || !value.chars().all(tolerated) {
        return Err(unacceptable(format!("{name} is not {least} to 256 characters of ICE")));
    }
    Ok(value.to_owned())
}

fn fingerprint<'a>(
    section: impl Iterator<Item = &'a str>,
    session: impl Iterator<Item = &'a str>,
) -> Result<String, SfuError> {
    let mut any = false;
    for value in section.chain(session) {
        any = true;
        let Some((hash, hex)) = value.split_once(' ') else { continue };
        let is_hex = hex.len() == 95
            && hex
                .split(':')
                .all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if hash.eq_ignore_ascii_case("sha-256") && is_hex {
            return Ok(hex.to_ascii_uppercase());
        }
    }
    let message = if any {
        "none of its a=fingerprint lines is a whole sha-256"
    } else {
        "a=fingerprint is missing"
    };
    Err(unacceptable(message))
}

mod codecs;
mod simulcast;
#[cfg(test)]
mod tests;
