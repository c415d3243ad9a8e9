//! PURE. What a packet's header extensions say (RFC 8285), read in one walk.

use super::{publishing::Publishing, sources::Place};
use crate::sfu::{media::sdp::offer::Extension, wire::rtp::Header};

/// What a packet's extensions say.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Said {
    pub(super) number: Option<u16>,
    pub(super) level: Option<u8>,
    /// Where the primary block of RED begins.
    pub(super) red: Option<u16>,
}

/// One walk over the extensions.
pub(super) fn said(header: &Header<'_>, place: Place) -> Said {
    let mut said = Said::default();
    for (id, value) in header.extensions() {
        if Some(id) == place.number_id {
            said.number = value.first_chunk().map(|number| u16::from_be_bytes(*number));
        } else if Some(id) == place.level_id {
            said.level = value.first().map(|level| level & 0x7f);
        }
    }
    said
}

/// Identifiers of a section's extensions, for [`Place`].
pub(super) fn extension_ids(section: &Publishing, payload_type: u8) -> (Option<u8>, Option<u8>) {
    let codec = section.codec(payload_type).or_else(|| section.repaired_codec(payload_type));
    let numbers = codec.is_some_and(|codec| codec.transport_cc);
    let number_id = section.extension(Extension::TransportCc).filter(|_| numbers);
    (number_id, section.extension(Extension::AudioLevel))
}
