//! What two workers of one room leave for each other: the home's packets one way, the annex's wishes
//! the other.
//!
//! Owns two boxes under a lock each, which is held for a push or a swap and never while packets are
//! handled. Neither side waits for the other: what does not fit is dropped and named, so that the
//! annex can ask for a keyframe.
//!
//! ```text
//!  home  --Batch: all tracks (newest wins), packets in order, what was lost--> annex
//!        <--Asked: what is watched there (newest wins), keyframes wanted--
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::lock;
use crate::{
    ids::TrackId,
    protocol::{MediaKind, TrackSource},
    sfu::{
        media::packet::{Codec, Packet},
        path::{Layer, MAX_LAYERS},
        wire::bell::Bell,
    },
};

/// Packets that may wait for an annex: two seconds of a room with ten pictures, and less than 10 MB
/// of payload. An annex that is so late has worse troubles than a lost picture.
pub(crate) const MAX_WAITING: usize = 8192;

/// A track's number on the way between two workers; never used again by its room.
pub(crate) type Lane = u32;
/// Layers that somebody wants, of each track of which there are any.
pub(crate) type Watched = BTreeMap<Lane, [bool; MAX_LAYERS]>;

/// What the annex is to know of a track beside its packets.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    pub(crate) lane: Lane,
    pub(crate) id: TrackId,
    pub(crate) kind: MediaKind,
    pub(crate) source: TrackSource,
    pub(crate) codec: Option<Codec>,
    /// The highest layer of which something came.
    pub(crate) last_layer: u8,
    pub(crate) layers: [Layer; MAX_LAYERS],
    /// Layers of which something comes.
    pub(crate) sends: [bool; MAX_LAYERS],
    /// What sound costs, bits a second, and what without its redundancy.
    pub(crate) bps: u32,
    pub(crate) plain_bps: u32,
}

/// What goes over in order.
#[derive(Debug)]
pub(crate) enum Item {
    Packet {
        lane: Lane,
        /// It belongs to the past, which the annex had not asked for: for its cache only.
        is_past: bool,
        /// Packets before it were left out on purpose: numbers go on without a gap.
        resumes: bool,
        packet: Packet,
    },
    Report {
        lane: Lane,
        layer: u8,
        ntp: u64,
        rtp_timestamp: u32,
    },
}

/// What a home hands over.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// All tracks, if something of them is new.
    pub(crate) tracks: Option<Vec<Description>>,
    pub(crate) items: Vec<Item>,
    /// Tracks and layers of which packets after `items` were dropped.
    pub(crate) lost: BTreeSet<(Lane, u8)>,
}

/// What an annex wants.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Layers that somebody there needs, if that is new. What is not named is not.
    pub(crate) watched: Option<Watched>,
    pub(crate) keyframes: BTreeSet<(Lane, u8)>,
}

/// A box that one side fills and the other empties.
#[derive(Debug)]
struct Side<T> {
    inside: Mutex<T>,
    /// Something is in it; looked at before the lock is.
    is_filled: AtomicBool,
    /// Wakes whoever empties it.
    wake: Arc<Bell>,
}

impl<T: Default> Side<T> {
    fn new(wake: Arc<Bell>) -> Self {
        Self { inside: Mutex::default(), is_filled: AtomicBool::new(false), wake }
    }

    fn fill(&self, fill: impl FnOnce(&mut T)) {
        fill(&mut lock(&self.inside));
        self.is_filled.store(true, Ordering::Release);
        // overflow: nudge; the box holds what there is.
        self.wake.ring();
    }

    /// Swaps the content for `empty`. False if there is none.
    fn swap(&self, empty: &mut T) -> bool {
        if !self.is_filled.swap(false, Ordering::Acquire) {
            return false;
        }
        std::mem::swap(&mut *lock(&self.inside), empty);
        true
    }
}

/// Between the home of a room and one of its annexes.
#[derive(Debug)]
pub(crate) struct Pipe {
    batch: Side<Batch>,
    asked: Side<Asked>,
    is_closed: AtomicBool,
}

impl Pipe {
    /// `home` and `annex` wake the two workers.
    pub(crate) fn new(home: Arc<Bell>, annex: Arc<Bell>) -> Self {
        Self { batch: Side::new(annex), asked: Side::new(home), is_closed: AtomicBool::new(false) }
    }

    /// Hands over what one wake-up has brought; `items` is empty then. How many packets were dropped
    /// since the annex is far behind: all of them or none.
    pub(crate) fn hand_over(
        &self,
        tracks: Option<Vec<Description>>,
        items: &mut Vec<Item>,
    ) -> usize {
        let mut n_dropped = 0;
        self.batch.fill(|batch| {
            if tracks.is_some() {
                batch.tracks = tracks;
            }
            let is_full = batch.items.len() + items.len() > MAX_WAITING;
            if is_full || !batch.lost.is_empty() {
                // overflow: DROPS what is new, named in `lost`; a hole in the middle would look like
                // a loss that can be repaired.
                for item in items.drain(..) {
                    if let Item::Packet { lane, packet, .. } = item {
                        batch.lost.insert((lane, packet.layer));
                        n_dropped += 1;
                    }
                }
            } else if batch.items.is_empty() {
                std::mem::swap(&mut batch.items, items);
            } else {
                batch.items.append(items);
            }
        });
        n_dropped
    }

    /// Takes what was handed over in exchange for an empty batch, whose memory is used again. False if
    /// there is nothing.
    pub(crate) fn take_batch(&self, empty: &mut Batch) -> bool {
        self.batch.swap(empty)
    }

    /// Says what the annex wants.
    pub(crate) fn ask(&self, watched: Option<Watched>, keyframes: &mut BTreeSet<(Lane, u8)>) {
        self.asked.fill(|asked| {
            // overflow: the newest replaces what was there; a keyframe is wanted once a layer.
            if watched.is_some() {
                asked.watched = watched;
            }
            asked.keyframes.append(keyframes);
        });
    }

    /// What the annex wants that is new.
    pub(crate) fn take_asked(&self) -> Option<Asked> {
        let mut asked = Asked::default();
        self.asked.swap(&mut asked).then_some(asked)
    }

    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        lock(&self.batch.inside).items.len()
    }

    /// The annex is gone, or about to be.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}
