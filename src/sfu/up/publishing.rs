//! PURE. An m-section that publishes, and which packets are its.

use super::parameter_sets::ParameterSets;
use crate::{
    ids::Mid,
    sfu::{
        media::sdp::{
            codecs::OfferedCodec,
            offer::{Accepted, Extension},
        },
        path::MAX_LAYERS,
        wire::rtp::Header,
    },
};

/// An m-section that publishes.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) mid: Mid,
    pub(super) accepted: Accepted,
    /// The SSRC that packets of each layer came from last, else the one that was declared.
    pub(super) primary: [Option<u32>; MAX_LAYERS],
    /// Of each layer.
    pub(super) parameter_sets: Vec<ParameterSets>,
    pub(super) fir_sequence: u8,
}

impl Publishing {
    /// The codec that is sent under this payload type, as it is or as RED.
    pub(super) fn codec(&self, payload_type: u8) -> Option<&OfferedCodec> {
        let sends = |codec: &&OfferedCodec| {
            codec.payload_type == payload_type || codec.red == Some(payload_type)
        };
        self.accepted.codecs.iter().find(sends)
    }

    /// The payload type of Opus inside of what is sent under this one, if that is RED (RFC 2198).
    pub(super) fn opus_of_red(&self, payload_type: u8) -> Option<u8> {
        let wraps = |codec: &&OfferedCodec| codec.red == Some(payload_type);
        self.accepted.codecs.iter().find(wraps).map(|codec| codec.payload_type)
    }

    /// The codec whose retransmissions are sent under this payload type.
    pub(super) fn repaired_codec(&self, payload_type: u8) -> Option<&OfferedCodec> {
        self.accepted.codecs.iter().find(|codec| codec.rtx == Some(payload_type))
    }

    fn knows(&self, payload_type: u8) -> bool {
        self.codec(payload_type).or_else(|| self.repaired_codec(payload_type)).is_some()
    }

    /// The identifier of an extension here.
    pub(super) fn extension(&self, wanted: Extension) -> Option<u8> {
        self.accepted.extensions.iter().find(|(_, known)| *known == wanted).map(|(id, _)| *id)
    }

    /// The primary source that `rtx` repeats, as declared.
    pub(super) fn repaired_source(&self, rtx: u32) -> Option<u32> {
        let mut sources = self.accepted.sources.iter();
        sources.find(|(_, known)| *known == Some(rtx)).map(|(primary, _)| *primary)
    }

    fn declares(&self, ssrc: u32) -> bool {
        let mut sources = self.accepted.sources.iter();
        sources.any(|(primary, rtx)| *primary == ssrc || *rtx == Some(ssrc))
    }

    /// The layer that a packet says it is of (RFC 8852): by its name, else by the order of the
    /// declared SSRCs, which is that of the layers. 0 where there is one encoding; `None` for a
    /// packet that does not say, and a name that was not offered.
    pub(super) fn layer(&self, header: &Header<'_>) -> Option<u8> {
        let rids = &self.accepted.rids;
        if rids.is_empty() {
            return Some(0);
        }
        let said = [Extension::Rid, Extension::RepairedRid]
            .into_iter()
            .find_map(|extension| header.extension(self.extension(extension)?));
        let place =
            match said {
                Some(said) => rids.iter().position(|rid| rid.as_bytes() == said),
                None => self.accepted.sources.iter().position(|(primary, rtx)| {
                    *primary == header.ssrc || *rtx == Some(header.ssrc)
                }),
            };
        place.filter(|place| *place < rids.len()).and_then(|place| u8::try_from(place).ok())
    }

    fn is_named_by(&self, header: &Header<'_>) -> bool {
        let said = self.extension(Extension::Mid).and_then(|id| header.extension(id));
        said.is_some_and(|said| said == self.mid.as_str().as_bytes())
    }
}

/// The section that a packet without a place belongs to (RFC 9143 section 9.2): by its mid, by
/// declared SSRC, by the section that its source was of before (`former`), else by a payload type
/// that only one section has.
pub(super) fn section_of(
    sections: &[Publishing],
    header: &Header<'_>,
    former: Option<&Mid>,
) -> Option<usize> {
    let knows = |section: &Publishing| section.knows(header.payload_type);
    let find = |wanted: &dyn Fn(&Publishing) -> bool| {
        sections.iter().position(|section| wanted(section) && knows(section))
    };
    find(&|section| section.is_named_by(header))
        .or_else(|| find(&|section| section.declares(header.ssrc)))
        .or_else(|| find(&|section| former == Some(&section.mid)))
        .or_else(|| {
            let mut candidates = (0..sections.len()).filter(|index| knows(&sections[*index]));
            let only = candidates.next()?;
            candidates.next().is_none().then_some(only)
        })
}
