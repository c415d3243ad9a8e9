//! PURE. What a session description says (RFC 8866), read once for all who bring one: a publisher's
//! offer, a viewer's offer (WHEP), a viewer's answer.
//!
//! Lenient: only `m=` and `a=` lines are looked at, in whatever order they come and whatever is missing
//! beside them; a broken line that matters is named in the error. Nothing is written here.
//!
//! `offer` says what of an offer can be taken (`codecs`, `simulcast`), `answer` what a client took of
//! ours, `transport` where the other end of ICE and DTLS is.

pub(crate) mod answer;
pub(crate) mod codecs;
pub(crate) mod offer;
mod simulcast;
pub(crate) mod transport;

use crate::seams::media::SfuError;

/// More than any client has: a browser reuses the m-sections of stopped tracks.
pub(crate) const MAX_SECTIONS: usize = 120;
/// The signaling accepts 128 KiB, and so does HTTP unless the configuration says more.
const MAX_BYTES: usize = 256 * 1024;
/// Payload types of one section; static and dynamic together are 128. Each is looked for among all
/// attributes, and an SDP may be full of both.
const MAX_FORMATS: usize = 128;

/// Transport-wide sequence numbers
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2).
pub(crate) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Its number in every section that we offer, and so in every packet.
pub(crate) const TRANSPORT_CC_ID: u8 = 3;

fn invalid(message: impl Into<String>) -> SfuError {
    SfuError::SdpInvalid(message.into())
}

fn unacceptable(message: impl Into<String>) -> SfuError {
    SfuError::SdpUnacceptable(message.into())
}

/// The lines of one part of an SDP: the session's, or one m-section's.
#[derive(Debug, Default)]
pub(crate) struct Part<'a> {
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
            .filter_map(|value| value.trim_start().split_once(' '))
            .find(|(of, _)| *of == payload_type)
            .map(|(_, value)| value.trim())
    }

    /// A parameter of a payload type's `a=fmtp`.
    fn parameter(&self, payload_type: &str, name: &str) -> Option<&'a str> {
        parameter(self.of_payload_type("fmtp", payload_type)?, name)
    }

    /// The number of the extension with transport-wide numbers (RFC 8285 5), where there is one that
    /// fits the one-byte header: 1 to 14.
    fn transport_cc_id(&self) -> Option<u8> {
        self.values("extmap").find_map(|map| {
            let mut words = map.split_whitespace();
            // The number may carry a direction.
            let id: u8 = words.next()?.split('/').next()?.parse().ok()?;
            (words.next() == Some(TRANSPORT_CC) && (1..=14).contains(&id)).then_some(id)
        })
    }
}

fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// A payload type, if it is one.
fn payload_type(format: &str) -> Option<u8> {
    format.parse().ok().filter(|number: &u8| *number < 128)
}

/// The words of an m-line.
#[derive(Debug, Clone, Copy)]
struct MLine<'a> {
    media: &'a str,
    port: u16,
    protocol: &'a str,
    formats: &'a str,
}

impl<'a> MLine<'a> {
    fn read(index: usize, part: &Part<'a>) -> Result<Self, SfuError> {
        let line = part.m_line;
        // An answer repeats it, and a lone carriage return would be a line of its own to some readers.
        if line.contains(char::is_control) {
            return Err(invalid(format!("m-section {} has a control character", index + 1)));
        }
        let mut words = line.splitn(4, ' ');
        let (Some(media), Some(port), Some(protocol), Some(formats)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(invalid(format!("m={line} is not: media port protocol formats")));
        };
        let port = port.split('/').next().unwrap_or(port);
        let port = port.parse().map_err(|_| invalid(format!("m={line}: the port is no number")))?;
        Ok(Self { media, port, protocol, formats })
    }

    fn formats(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.formats.split_whitespace().take(MAX_FORMATS)
    }
}

/// The session's part, and the m-sections in their order.
fn split(sdp: &str) -> Result<(Part<'_>, Vec<Part<'_>>), SfuError> {
    if sdp.len() > MAX_BYTES {
        return Err(invalid(format!("it has {} bytes; at most {MAX_BYTES} are read", sdp.len())));
    }
    let mut lines = sdp.lines().map(str::trim_end).filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(invalid("its first line is not v=0"));
    }
    let mut session = Part::default();
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
    Ok((session, parts))
}

/// Which way media is to go, as one end says it; of the section, else of the session, else both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) sends: bool,
    pub(crate) receives: bool,
}

impl Direction {
    fn read(part: &Part<'_>, session: &Part<'_>) -> Self {
        let named = |part: &Part<'_>| {
            part.attributes.iter().find_map(|(name, _)| {
                let (sends, receives) = match *name {
                    "sendrecv" => (true, true),
                    "sendonly" => (true, false),
                    "recvonly" => (false, true),
                    "inactive" => (false, false),
                    _ => return None,
                };
                Some(Self { sends, receives })
            })
        };
        let both = Self { sends: true, receives: true };
        named(part).or_else(|| named(session)).unwrap_or(both)
    }
}
