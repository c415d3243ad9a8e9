//! PURE. Reads a client's offer: what of it parlor can take, and why the rest cannot be taken.
//!
//! Owns the reading of offers (RFC 9429, 9143, 8839, 8842) as far as a receiver or a sender of Opus, VP8,
//! H.264, VP9, AV1 and H.265 needs it. It writes no answer and keeps no state.

use super::{
    Direction, MLine, Part,
    codecs::{self, OfferedCodec},
    invalid, simulcast, split,
    transport::{self, Transport},
    unacceptable,
};
use crate::{ids::Mid, protocol::MediaKind, seams::media::SfuError};

/// Declared sources of one section; simulcast with RTX has eight.
const MAX_SOURCES: usize = 16;

/// Refused sections that are named.
const MAX_NAMED: usize = 3;

/// What the client wants of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// It sends.
    Publisher,
    /// It receives.
    Viewer,
}

/// What an offer says, as far as it matters here.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// Of the first section that is taken; unset if none is.
    pub(crate) transport: Option<Transport>,
    pub(crate) has_bundle: bool,
    pub(crate) extmap_allow_mixed: bool,
    /// In the offer's order, which is the answer's.
    pub(crate) sections: Vec<Section>,
}

/// One m-section.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// `audio`, `video` or what else it says.
    pub(crate) media: String,
    pub(crate) protocol: String,
    pub(crate) formats: String,
    /// Where it has none, its place.
    pub(crate) mid: Mid,
    /// Unset: the section is refused.
    pub(crate) accepted: Option<Accepted>,
    /// Why sound or a picture that is meant to go this way cannot be taken.
    pub(crate) refusal: Option<String>,
}

/// What is taken of an m-section.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) kind: MediaKind,
    /// The client sends (sendrecv or sendonly).
    pub(crate) sends: bool,
    pub(crate) reduced_size: bool,
    /// In the offer's order; at least one.
    pub(crate) codecs: Vec<OfferedCodec>,
    pub(crate) extensions: Vec<(u8, Extension)>,
    /// Declared SSRCs, each with that of its retransmissions.
    pub(crate) sources: Vec<(u32, Option<u32>)>,
    /// Layers of simulcast (RFC 8853), in the offer's order, which says nothing of their quality; empty
    /// where there is one encoding.
    pub(crate) rids: Vec<String>,
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
            Self::TransportCc => super::TRANSPORT_CC,
        }
    }
}

impl Offer {
    /// Reads an offer. `SdpInvalid` if it is no SDP, `SdpUnacceptable` with what is missing if
    /// nothing could come of it.
    pub(crate) fn read(sdp: &str, side: Side) -> Result<Self, SfuError> {
        let (session, parts) = split(sdp)?;
        if parts.is_empty() {
            return Err(unacceptable("it has no m-section"));
        }
        let bundle: Option<Vec<&str>> = session
            .values("group")
            .find_map(|group| group.strip_prefix("BUNDLE"))
            .map(|mids| mids.split_whitespace().collect());
        let mut sections: Vec<Section> = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let section = read_section(index, part, (&session, bundle.as_deref()), side)?;
            if sections.iter().any(|other| other.mid == section.mid) {
                return Err(unacceptable("two of its sections have the same a=mid"));
            }
            sections.push(section);
        }
        if bundle.is_none() {
            one_transport(&mut sections);
        }
        let first = sections.iter().position(|section| section.accepted.is_some());
        let transport = first.map(|index| transport::read(&parts[index], &session)).transpose()?;
        let extmap_allow_mixed = session.has("extmap-allow-mixed");
        Ok(Self { transport, has_bundle: bundle.is_some(), extmap_allow_mixed, sections })
    }

    /// Why sound or a picture that is meant to go the client's way cannot be taken: the first such
    /// sections, and what would be right.
    pub(crate) fn refusal(&self) -> Option<String> {
        let refused = self.sections.iter().enumerate().filter_map(|(index, section)| {
            let why = section.refusal.as_ref()?;
            Some(format!("section {} (m={}) cannot be taken: {why}", index + 1, section.media))
        });
        let named: Vec<String> = refused.take(MAX_NAMED).collect();
        (!named.is_empty()).then(|| named.join("; "))
    }
}

fn read_section(
    index: usize,
    part: &Part<'_>,
    (session, bundle): (&Part<'_>, Option<&[&str]>),
    side: Side,
) -> Result<Section, SfuError> {
    let m_line = MLine::read(index, part)?;
    let own = part.value("mid").map(str::trim);
    if own.is_none() && bundle.is_some() {
        let text = format!("section {} ({}) has no a=mid", index + 1, m_line.media);
        return Err(unacceptable(text));
    }
    let place = index.to_string();
    let mid = own.unwrap_or(&place);
    let mut section = Section {
        media: m_line.media.to_owned(),
        protocol: m_line.protocol.to_owned(),
        formats: m_line.formats.to_owned(),
        mid: mid.parse().map_err(|error| invalid(format!("a=mid:{mid}: {error}")))?,
        accepted: None,
        refusal: None,
    };
    let kind = match m_line.media {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => return Ok(section),
    };
    // Port 0 is a stopped section, unless the section only exists in its bundle (RFC 9143 6).
    let is_live = m_line.port != 0 || (part.has("bundle-only") && bundle.is_some());
    let direction = Direction::read(part, session);
    let is_meant = match side {
        Side::Publisher => direction.sends,
        Side::Viewer => direction.receives,
    };
    // A publisher's section that does not send now may do so later.
    if !is_live || (side == Side::Viewer && !is_meant) {
        return Ok(section);
    }
    let taken = if !m_line.protocol.contains("RTP/SAVP") {
        Err(format!("it is over {}; UDP/TLS/RTP/SAVPF is needed", m_line.protocol))
    } else if bundle.is_some_and(|mids| !mids.contains(&mid)) {
        Err(format!("{mid} is not in a=group:BUNDLE, and there is one transport for all"))
    } else {
        codecs::read(kind, part, &m_line, side)
    };
    match taken {
        Ok(codecs) => section.accepted = Some(accept(kind, part, codecs, direction)?),
        Err(why) => section.refusal = Some(why).filter(|_| is_meant),
    }
    Ok(section)
}

fn accept(
    kind: MediaKind,
    part: &Part<'_>,
    codecs: Vec<OfferedCodec>,
    direction: Direction,
) -> Result<Accepted, SfuError> {
    if !part.has("rtcp-mux") {
        return Err(unacceptable("a=rtcp-mux is missing; parlor has one port for RTP and RTCP"));
    }
    let extensions = part.values("extmap").filter_map(|value| {
        let (id, rest) = value.split_once(' ')?;
        let id = id.split('/').next()?.parse().ok().filter(|id| *id != 0)?;
        let uri = rest.split(' ').next()?;
        let extension = Extension::ALL.into_iter().find(|known| known.uri() == uri)?;
        Some((id, extension))
    });
    Ok(Accepted {
        kind,
        sends: direction.sends,
        reduced_size: part.has("rtcp-rsize"),
        codecs,
        extensions: extensions.collect(),
        sources: sources(part),
        rids: simulcast::rids(part),
    })
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
fn one_transport(sections: &mut [Section]) {
    let accepted = sections.iter_mut().filter(|section| section.accepted.is_some());
    for section in accepted.skip(1) {
        let sends = section.accepted.take().is_some_and(|accepted| accepted.sends);
        let why = "it has a transport of its own; a=group:BUNDLE with all mids is needed";
        section.refusal = sends.then(|| why.to_owned());
    }
}

#[cfg(test)]
mod tests;
