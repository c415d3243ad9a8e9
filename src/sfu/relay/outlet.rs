//! Consumers of a room's tracks that are no viewers.
//!
//! Another worker of the room is the only one today; a recorder, an RTSP reader and another box come by
//! the same door. An outlet says what it wants, is told what there is, and is given packets at the end
//! of each wake-up. It never keeps the room waiting: what it cannot take it drops itself.

use std::time::Instant;

use super::pipe::{Asked, Description, Lane};
use crate::sfu::{
    media::{packet::Packet, track::SourceTrack},
    path::MAX_LAYERS,
};

/// Fresh packets of one track.
pub(crate) struct Fresh<'a> {
    pub(crate) lane: Lane,
    /// Packets before them were left out on purpose: numbers go on without a gap.
    pub(crate) resumes: bool,
    /// Layers, and indices there.
    pub(crate) places: &'a [(u8, u64)],
    /// The packet of a place.
    pub(crate) packet: &'a dyn Fn(u8, u64) -> Option<&'a Packet>,
}

/// A consumer that is no viewer.
pub(crate) trait Outlet: Send {
    /// It is gone.
    fn is_closed(&self) -> bool;

    /// What it wants that is new.
    fn take_asked(&mut self) -> Option<Asked>;

    /// Takes over what it wants of which track now. Layers that were not wanted before.
    fn watch(&mut self, watched: super::pipe::Watched) -> Vec<(Lane, u8)>;

    /// The layers of a track that it wants.
    fn watched(&self, lane: Lane) -> Option<&[bool; MAX_LAYERS]>;

    /// What a layer that is wanted from now on has had: its last keyframe and what followed. False if
    /// there is no such.
    fn begin(&mut self, now: Instant, lane: Lane, track: &SourceTrack) -> bool;

    /// How the publisher's clock goes, where the layer is wanted.
    fn report(&mut self, lane: Lane, layer: u8, track: &SourceTrack);

    /// Packets of this wake-up.
    fn take_fresh(&mut self, fresh: &Fresh<'_>);

    /// True once: it was told nothing yet.
    fn take_new(&mut self) -> bool;

    /// The wake-up is over. `tracks`: what there is, if that is new.
    fn hand_over(&mut self, tracks: Option<Vec<Description>>);
}
