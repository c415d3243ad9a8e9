//! PURE. An m-section that publishes, and which packets are its.

use rtc::rtp;

use crate::{
    ids::Mid,
    sfu::media::sdp::{
        codecs::OfferedCodec,
        offer::{Accepted, Extension},
    },
};

/// An m-section that publishes.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) mid: Mid,
    pub(super) accepted: Accepted,
    /// The SSRC that packets came from last, else the first that was declared.
    pub(super) primary: Option<u32>,
    pub(super) fir_sequence: u8,
}

impl Published {
    pub(super) fn codec(&self, payload_type: u8) -> Option<&OfferedCodec> {
        self.accepted.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    pub(super) fn repaired_codec(&self, payload_type: u8) -> Option<&OfferedCodec> {
        self.accepted.codecs.iter().find(|codec| codec.rtx == Some(payload_type))
    }

    pub(super) fn knows(&self, payload_type: u8) -> bool {
        self.codec(payload_type).or_else(|| self.repaired_codec(payload_type)).is_some()
    }

    pub(super) fn extension(&self, wanted: Extension) -> Option<u8> {
        self.accepted.extensions.iter().find(|(_, known)| *known == wanted).map(|(id, _)| *id)
    }

    /// Makes a retransmission what it repeats (RFC 4588 section 4). `None` if it repeats nothing,
    /// or nobody knows what.
    pub(super) fn unwrap_retransmission(
        &self,
        primary: Option<u32>,
        packet: &mut rtp::Packet,
    ) -> Option<()> {
        let codec = self.repaired_codec(packet.header.payload_type)?;
        let original = packet.payload.first_chunk::<2>().copied()?;
        packet.header.ssrc = primary?;
        packet.header.payload_type = codec.payload_type;
        packet.header.sequence_number = u16::from_be_bytes(original);
        packet.payload = packet.payload.slice(2..);
        Some(())
    }
}

/// The section that a packet of an unknown SSRC belongs to (RFC 9143 section 9.2): by its mid, by
/// declared SSRC, else by a payload type that only one section has.
pub(super) fn section_of(sections: &[Published], header: &rtp::Header) -> Option<usize> {
    let knows = |section: &&Published| section.knows(header.payload_type);
    let declares = |section: &Published| {
        let mut sources = section.accepted.sources.iter();
        sources.any(|(ssrc, rtx)| *ssrc == header.ssrc || *rtx == Some(header.ssrc))
    };
    let says_mid = |section: &Published| {
        let id = section.extension(Extension::Mid);
        let said = id.and_then(|id| header.get_extension(id));
        said.is_some_and(|said| said[..] == *section.mid.as_str().as_bytes())
    };
    let find = |wanted: &dyn Fn(&Published) -> bool| {
        sections.iter().position(|section| wanted(section) && knows(&section))
    };
    find(&says_mid).or_else(|| find(&declares)).or_else(|| {
        let mut candidates = sections.iter().enumerate().filter(|(_, s)| knows(s));
        let only = candidates.next()?.0;
        candidates.next().is_none().then_some(only)
    })
}
