//! PURE. Writes the answer to a publisher's offer.
//!
//! One bundled ICE-lite transport, every section `recvonly` with the payload types and
//! extension ids of the offer (RFC 9429 section 5.3, RFC 8839 section 5.3, RFC 9143 section 7.3).

use std::fmt::Write as _;

use crate::sfu::{
    link::credentials::IceCredentials,
    media::sdp::offer::{Accepted, Extension, Offer, Section},
};

/// What of an answer is not in the offer.
#[derive(Debug)]
pub(crate) struct Local<'a> {
    pub(crate) credentials: &'a IceCredentials,
    /// SHA-256 of our certificate, in hex pairs with colons.
    pub(crate) fingerprint: &'a str,
    /// Whole attribute values, best first.
    pub(crate) candidates: &'a [String],
    /// `active` or `passive`.
    pub(crate) setup: &'static str,
    /// Identifies the session; stays the same over its answers (RFC 8866 section 5.2).
    pub(crate) session: u64,
    /// Counts its answers.
    pub(crate) version: u32,
}

/// The answer's text.
pub(crate) fn write(offer: &Offer, local: &Local<'_>) -> String {
    let mut sdp = String::with_capacity(2048);
    write_to(&mut sdp, offer, local).expect("a String takes all that is written");
    sdp
}

fn write_to(sdp: &mut String, offer: &Offer, local: &Local<'_>) -> std::fmt::Result {
    let Local { session, version, .. } = local;
    write!(sdp, "v=0\r\no=- {session} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")?;
    if offer.has_bundle && offer.transport.is_some() {
        sdp.write_str("a=group:BUNDLE")?;
        for section in offer.sections.iter().filter(|section| section.accepted.is_some()) {
            write!(sdp, " {}", section.mid)?;
        }
        sdp.write_str("\r\n")?;
    }
    if offer.extmap_allow_mixed {
        sdp.write_str("a=extmap-allow-mixed\r\n")?;
    }
    sdp.write_str("a=msid-semantic: WMS *\r\na=ice-lite\r\n")?;
    let mut is_first = true;
    for section in &offer.sections {
        match &section.accepted {
            Some(accepted) => {
                write_accepted(sdp, section, accepted, local)?;
                if std::mem::take(&mut is_first) {
                    for candidate in local.candidates {
                        write!(sdp, "a={candidate}\r\n")?;
                    }
                    sdp.write_str("a=end-of-candidates\r\n")?;
                }
            }
            None => {
                let Section { media, protocol, formats, mid, .. } = section;
                write!(sdp, "m={media} 0 {protocol} {formats}\r\nc=IN IP4 0.0.0.0\r\n")?;
                write!(sdp, "a=mid:{mid}\r\na=inactive\r\n")?;
            }
        }
    }
    Ok(())
}

fn write_accepted(
    sdp: &mut String,
    section: &Section,
    accepted: &Accepted,
    local: &Local<'_>,
) -> std::fmt::Result {
    write!(sdp, "m={} 9 {}", section.media, section.protocol)?;
    for codec in &accepted.codecs {
        // What stands first is sent.
        if let Some(red) = codec.red {
            write!(sdp, " {red}")?;
        }
        write!(sdp, " {}", codec.payload_type)?;
        if let Some(rtx) = codec.rtx {
            write!(sdp, " {rtx}")?;
        }
    }
    sdp.write_str("\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n")?;
    let IceCredentials { ufrag, pwd } = local.credentials;
    write!(sdp, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n")?;
    write!(sdp, "a=fingerprint:sha-256 {}\r\n", local.fingerprint)?;
    write!(sdp, "a=setup:{}\r\na=mid:{}\r\n", local.setup, section.mid)?;
    for (id, extension) in &accepted.extensions {
        write!(sdp, "a=extmap:{id} {}\r\n", extension.uri())?;
    }
    sdp.write_str(if accepted.sends { "a=recvonly\r\n" } else { "a=inactive\r\n" })?;
    sdp.write_str("a=rtcp-mux\r\n")?;
    if accepted.reduced_size {
        sdp.write_str("a=rtcp-rsize\r\n")?;
    }
    // RFC 8853 section 5.3.2: what is offered to be sent is taken, all of it.
    for rid in &accepted.rids {
        write!(sdp, "a=rid:{rid} recv\r\n")?;
    }
    if !accepted.rids.is_empty() && accepted.sends {
        write!(sdp, "a=simulcast:recv {}\r\n", accepted.rids.join(";"))?;
    }
    let has_transport_cc = accepted.extensions.iter().any(|(_, e)| *e == Extension::TransportCc);
    for codec in &accepted.codecs {
        let payload_type = codec.payload_type;
        let (name, clock) = (codec.codec.name(), codec.codec.clock_rate());
        let channels = if name == "opus" { "/2" } else { "" };
        write!(sdp, "a=rtpmap:{payload_type} {name}/{clock}{channels}\r\n")?;
        let feedback = [
            (codec.transport_cc && has_transport_cc, "transport-cc"),
            (codec.fir, "ccm fir"),
            (codec.nack, "nack"),
            (codec.pli, "nack pli"),
        ];
        for (_, what) in feedback.iter().filter(|(offered, _)| *offered) {
            write!(sdp, "a=rtcp-fb:{payload_type} {what}\r\n")?;
        }
        if let Some(fmtp) = &codec.fmtp {
            write!(sdp, "a=fmtp:{payload_type} {fmtp}\r\n")?;
        }
        if let Some(red) = codec.red {
            write!(sdp, "a=rtpmap:{red} red/{clock}{channels}\r\n")?;
            write!(sdp, "a=fmtp:{red} {payload_type}/{payload_type}\r\n")?;
        }
        if let Some(rtx) = codec.rtx {
            write!(sdp, "a=rtpmap:{rtx} rtx/{clock}\r\na=fmtp:{rtx} apt={payload_type}\r\n")?;
        }
    }
    Ok(())
}
