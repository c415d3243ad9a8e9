//! PURE. The sources of one connection, found by their SSRC, and where each belongs.
//!
//! A source is known from its first packet on that a section takes. Its counts, its missing packets
//! and what it was of outlive a new offer; its place does not, since payload types may have moved. Of
//! more than [`MAX_SOURCES`] the one that was silent longest is forgotten.

use super::{
    nack::Missing,
    publishing::{self, Publishing},
    reception::Reception,
    said::extension_ids,
};
use crate::{
    ids::Mid,
    sfu::{link::srtp::MAX_SOURCES, wire::rtp::Header},
};

/// Where the packets of a source belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Index of its section.
    pub(super) section: usize,
    /// Which layer of it.
    pub(super) layer: u8,
    /// The payload type of the packet that it was sorted by.
    payload_type: u8,
    /// It carries retransmissions (RFC 4588).
    pub(super) repairs: bool,
    /// Of this source, where that was declared.
    pub(super) primary: Option<u32>,
    /// The extension with the transport-wide number, if it is told.
    pub(super) number_id: Option<u8>,
    /// What Opus inside of it is called, if this is RED (RFC 2198).
    pub(super) opus_of_red: Option<u8>,
    /// The extension with the level of sound.
    pub(super) level_id: Option<u8>,
}

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) ssrc: u32,
    pub(super) reception: Reception,
    pub(super) missing: Missing,
    place: Option<Place>,
    /// The section and the layer that it was of: browsers stop saying so once they are understood,
    /// and do not say it again after another offer.
    mid: Mid,
    layer: u8,
    /// The newest of the connection's packets that was its.
    used: u64,
}

/// All sources.
#[derive(Debug, Default)]
pub(super) struct Sources {
    sources: Vec<Source>,
    /// Where the packet before was found: video comes in bursts.
    recent: usize,
    n_found: u64,
}

impl Sources {
    /// Every source is sorted anew by its next packet: mids and payload types may have moved.
    pub(super) fn unplace(&mut self) {
        self.sources.iter_mut().for_each(|source| source.place = None);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.sources.iter_mut()
    }

    fn position(&self, ssrc: u32) -> Option<usize> {
        if self.sources.get(self.recent).is_some_and(|source| source.ssrc == ssrc) {
            return Some(self.recent);
        }
        self.sources.iter().position(|source| source.ssrc == ssrc)
    }

    /// A source that is known.
    pub(super) fn known(&mut self, ssrc: u32) -> Option<&mut Source> {
        let at = self.position(ssrc)?;
        self.sources.get_mut(at)
    }

    /// A source that is known, and its place.
    pub(super) fn placed(&mut self, ssrc: u32) -> Option<(&mut Source, Place)> {
        let source = self.known(ssrc)?;
        let place = source.place?;
        Some((source, place))
    }

    /// What [`Self::find`] has found.
    pub(super) fn at(&mut self, at: usize) -> (&mut Source, Place) {
        self.n_found += 1;
        let source = &mut self.sources[at];
        source.used = self.n_found;
        let place = source.place.expect("find has placed it");
        (source, place)
    }

    /// The source of a packet, placed; `None` if no section takes it.
    pub(super) fn find(
        &mut self,
        sections: &[Publishing],
        header: &Header<'_>,
        index: u64,
    ) -> Option<usize> {
        let known = self.position(header.ssrc);
        if let Some(at) = known
            && let Some(place) = &self.sources[at].place
        {
            self.recent = at;
            if place.payload_type == header.payload_type {
                return Some(at);
            }
            // Another codec of the same section, or nothing of ours.
            let place = place_in(sections, place.section, header, Some(place.layer))?;
            self.sources[at].place = Some(place);
            return Some(at);
        }
        let (mid, layer) = known.map(|at| (&self.sources[at].mid, self.sources[at].layer)).unzip();
        let section = publishing::section_of(sections, header, mid)?;
        let place = place_in(sections, section, header, layer)?;
        if let Some(at) = known {
            let source = &mut self.sources[at];
            (source.mid, source.layer) = (sections[section].mid.clone(), place.layer);
            source.place = Some(place);
            return Some(at);
        }
        let section = &sections[place.section];
        let codec = section.codec(header.payload_type);
        let codec = codec.or_else(|| section.repaired_codec(header.payload_type))?;
        let source = Source {
            ssrc: header.ssrc,
            reception: Reception::new(codec.codec.clock_rate(), index),
            missing: Missing::default(),
            place: Some(place),
            mid: section.mid.clone(),
            layer: place.layer,
            used: self.n_found,
        };
        self.recent = self.insert(source);
        Some(self.recent)
    }

    fn insert(&mut self, source: Source) -> usize {
        let silent = self.sources.iter().enumerate().min_by_key(|(_, source)| source.used);
        match silent.map(|(at, _)| at).filter(|_| self.sources.len() >= MAX_SOURCES) {
            Some(at) => {
                self.sources[at] = source;
                at
            }
            None => {
                self.sources.push(source);
                self.sources.len() - 1
            }
        }
    }
}

fn place_in(
    sections: &[Publishing],
    index: usize,
    header: &Header<'_>,
    known_layer: Option<u8>,
) -> Option<Place> {
    let section = sections.get(index)?;
    let payload_type = header.payload_type;
    let repairs = section.codec(payload_type).is_none();
    if repairs {
        section.repaired_codec(payload_type)?;
    }
    let (number_id, level_id) = extension_ids(section, payload_type);
    let opus_of_red = section.opus_of_red(payload_type);
    let primary = if repairs { section.repaired_source(header.ssrc) } else { None };
    let known_layer = known_layer.filter(|layer| usize::from(*layer) < section.accepted.rids.len());
    let layer = section.layer(header).or(known_layer)?;
    Some(Place {
        section: index,
        layer,
        payload_type,
        repairs,
        primary,
        number_id,
        opus_of_red,
        level_id,
    })
}
