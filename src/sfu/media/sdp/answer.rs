//! PURE. Reads the answer to a viewer's offer (RFC 9429 5.10, RFC 8122, RFC 5763).
//!
//! Takes out what the viewer's side needs: which sections are accepted, by which payload types, and the
//! other end of the transport. What it must refuse it refuses with a sentence.

use super::{
    Direction, MLine, Part, TRANSPORT_CC_ID, payload_type, split,
    transport::{self, Transport},
    unacceptable,
};
use crate::{
    seams::media::SfuError,
    sfu::{
        link::dtls::Setup,
        media::{packet::Codec, red},
    },
};

/// What the client has said to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Nothing yet.
    NotYet,
    /// It can not show this codec; the line is of no use any more.
    Refused,
    /// It is there but not received on.
    Inactive,
    /// By these payload types; RTX (RFC 4588) only where the client has it.
    Accepted {
        payload_type: u8,
        rtx_payload_type: Option<u8>,
        /// RED (RFC 2198), whose blocks have the payload type that ours have.
        red_payload_type: Option<u8>,
        /// The number of the header extension of transport-wide numbers, 1 to 14, where the client
        /// takes it.
        transport_cc: Option<u8>,
    },
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// One a line of the offer, in its order.
    pub(crate) lines: Vec<Answered>,
    /// The client's end. `None`: everything was refused.
    pub(crate) transport: Option<Transport>,
}

/// Reads an answer to an offer whose sections had these mids and codecs.
pub(crate) fn read(sdp: &str, offered: &[(String, Codec)]) -> Result<Answer, SfuError> {
    let (session, sections) = split(sdp)?;
    if sections.len() != offered.len() {
        let (got, wanted) = (sections.len(), offered.len());
        let text = format!("it has {got} sections where the offer has {wanted}");
        return Err(unacceptable(text));
    }
    let mut answer = Answer { lines: Vec::with_capacity(sections.len()), transport: None };
    for (index, (section, (mid, codec))) in sections.iter().zip(offered).enumerate() {
        let m_line = MLine::read(index, section)?;
        let theirs = section.value("mid").map(str::trim);
        // A refused section may have lost its mid.
        if theirs.map_or(m_line.port != 0, |theirs| theirs != mid) {
            let text = format!("section {mid} of the offer is answered by {theirs:?}");
            return Err(unacceptable(text));
        }
        let answered = read_section(&session, section, &m_line, *codec);
        if answered != Answered::Refused && answer.transport.is_none() {
            answer.transport = Some(read_transport(section, &session)?);
        }
        answer.lines.push(answered);
    }
    Ok(answer)
}

/// An answer must be `active` or `passive` (RFC 8842 5.3).
fn read_transport(section: &Part<'_>, session: &Part<'_>) -> Result<Transport, SfuError> {
    let transport = transport::read(section, session)?;
    if transport.setup == Setup::Either {
        return Err(unacceptable("a=setup:actpass; an answer is active or passive"));
    }
    Ok(transport)
}

fn read_section(
    session: &Part<'_>,
    section: &Part<'_>,
    m_line: &MLine<'_>,
    codec: Codec,
) -> Answered {
    let own = m_line.formats().find(|format| is_codec(section, format, codec));
    let own = own.and_then(payload_type).filter(|_| m_line.port != 0);
    let Some(own) = own else { return Answered::Refused };
    if !Direction::read(section, session).receives {
        return Answered::Inactive;
    }
    let is_rtx = |format: &&str| {
        let map = section.of_payload_type("rtpmap", format).unwrap_or_default();
        let apt = section.parameter(format, "apt").and_then(payload_type);
        map.to_ascii_lowercase().starts_with("rtx/") && apt == Some(own)
    };
    let may_be_red = codec == Codec::Opus && own == red::OPUS;
    let is_red = |format: &&str| {
        let rtpmap = section.of_payload_type("rtpmap", format).unwrap_or_default();
        let fmtp = section.of_payload_type("fmtp", format).unwrap_or_default();
        may_be_red && red::is_of_opus(rtpmap, fmtp, own)
    };
    let red = m_line.formats().find(is_red).and_then(payload_type);
    Answered::Accepted {
        payload_type: own,
        rtx_payload_type: m_line.formats().find(is_rtx).and_then(payload_type),
        red_payload_type: red.filter(|red| *red != own),
        transport_cc: section.transport_cc_id().filter(|id| *id == TRANSPORT_CC_ID),
    }
}

fn is_codec(section: &Part<'_>, format: &str, codec: Codec) -> bool {
    let Some(map) = section.of_payload_type("rtpmap", format) else { return false };
    let mut parts = map.split('/');
    let name = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(codec.name()));
    let rate = parts.next().is_some_and(|rate| rate.parse() == Ok(codec.clock_rate()));
    // Mode 0 has no fragmentation units; we forward what was made for mode 1 (RFC 6184 6.2).
    let mode = codec != Codec::H264 || section.parameter(format, "packetization-mode") == Some("1");
    name && rate && mode
}

#[cfg(test)]
mod tests;
