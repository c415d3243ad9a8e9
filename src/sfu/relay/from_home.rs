//! The annex's end of the way to a room's home: which track of this worker stands for which of the
//! home's, and what the home was told last.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::pipe::{Batch, Lane, Pipe, Watched};

/// Where an annex has its tracks from.
pub(crate) struct FromHome {
    pub(crate) pipe: Arc<Pipe>,
    /// The track of each lane, as the room here numbers them.
    pub(crate) numbers: HashMap<Lane, usize>,
    /// As the home knows it.
    pub(crate) watched: Watched,
    /// Wanted of the home in this wake-up.
    pub(crate) keyframes: BTreeSet<(Lane, u8)>,
    /// Empty between wake-ups; its memory goes to and fro.
    pub(crate) batch: Batch,
}

impl FromHome {
    pub(crate) fn new(pipe: Arc<Pipe>) -> Self {
        Self {
            pipe,
            numbers: HashMap::new(),
            watched: Watched::new(),
            keyframes: BTreeSet::new(),
            batch: Batch::default(),
        }
    }

    /// The home is to ask the publisher.
    pub(crate) fn want_keyframe(&mut self, lane: Lane, layer: u8) {
        self.keyframes.insert((lane, layer));
    }
}
