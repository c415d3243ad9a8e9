//! PURE. What an offer would publish, before anybody has answered it.
//!
//! So that whoever comes with an offer that cannot be answered is refused at the door, and the others
//! in the room do not see it come and go.

use super::offer::Offer;
use crate::{ids::Mid, protocol::MediaKind, seams::media::SfuError};

/// The sections of a publisher's offer that would be taken and that send.
///
/// # Errors
/// As [`super::Uplink::handle_offer`], and `SdpUnacceptable` if it sends nothing.
pub fn published_sections(sdp: &str) -> Result<Vec<(Mid, MediaKind)>, SfuError> {
    let offer = Offer::parse(sdp)?;
    let sections: Vec<(Mid, MediaKind)> = offer
        .sections
        .into_iter()
        .filter_map(|section| {
            let accepted = section.accepted.filter(|accepted| accepted.sends)?;
            Some((section.mid, accepted.kind))
        })
        .collect();
    if sections.is_empty() {
        let message = "no section of it publishes what parlor forwards: opus, VP8 or H264 \
                       (profile-level-id 42…, packetization-mode=1) over UDP/TLS/RTP/SAVPF, \
                       sendonly or sendrecv, bundled";
        return Err(SfuError::SdpUnacceptable(message.to_owned()));
    }
    Ok(sections)
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
