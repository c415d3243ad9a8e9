//! PURE. What an offer would publish, before anybody has answered it.
//!
//! So that whoever comes with an offer that cannot be answered is refused at the door, and the others
//! in the room do not see it come and go.

use crate::{
    ids::Mid,
    protocol::MediaKind,
    seams::media::SfuError,
    sfu::media::sdp::offer::{Offer, Side},
};

/// Sections of one publisher that are shown; RFC 9725 4.2 knows one of a kind.
const MAX_TRACKS: usize = 8;

/// The sections of a publisher's offer that would be taken and that send.
///
/// All of it is taken, or nothing (RFC 9725 4.4.3): whoever publishes sound and a picture does not look
/// into the answer to find that half of it was refused.
///
/// # Errors
/// As [`super::Uplink::handle_offer`], and `SdpUnacceptable` if it sends nothing, or something that cannot
/// be taken.
pub fn published_sections(sdp: &str) -> Result<Vec<(Mid, MediaKind)>, SfuError> {
    let offer = Offer::read(sdp, Side::Publisher)?;
    if let Some(why) = offer.refusal() {
        return Err(SfuError::SdpUnacceptable(why));
    }
    let sections: Vec<(Mid, MediaKind)> = offer
        .sections
        .into_iter()
        .filter_map(|section| {
            let accepted = section.accepted.filter(|accepted| accepted.sends)?;
            Some((section.mid, accepted.kind))
        })
        .collect();
    if sections.len() > MAX_TRACKS {
        let n_sections = sections.len();
        let text = format!("{n_sections} sections of it send; at most {MAX_TRACKS} are shown");
        return Err(SfuError::SdpUnacceptable(text));
    }
    if sections.is_empty() {
        let text = "no section of it sends (sendonly or sendrecv) sound or a picture";
        return Err(SfuError::SdpUnacceptable(text.to_owned()));
    }
    Ok(sections)
}

/// Why no section of an offer can be taken.
pub(super) fn nothing_to_take(offer: &Offer) -> SfuError {
    let why = offer.refusal().unwrap_or_else(|| {
        "no section of it can be taken: parlor forwards opus, and VP8, H264, VP9, AV1 or H265 over \
         UDP/TLS/RTP/SAVPF, bundled"
            .to_owned()
    });
    SfuError::SdpUnacceptable(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sends_is_published() {
        let chromium = include_str!("../../../tests/sdp/chromium.sdp");
        let kinds: Vec<MediaKind> = published_sections(chromium)
            .expect("a publisher's offer")
            .into_iter()
            .map(|(_, kind)| kind)
            .collect();
        assert!(kinds.contains(&MediaKind::Audio) && kinds.contains(&MediaKind::Video));
        let viewer = include_str!("../../../tests/sdp/whep-aiortc.sdp");
        let refused = published_sections(viewer).expect_err("it only receives");
        assert!(refused.to_string().contains("sendonly"), "{refused}");
    }
}
