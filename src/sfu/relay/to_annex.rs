//! The home's end of a room that other workers help with: what of its tracks goes to which annex.
//!
//! Owns, for each annex, what is watched there. A track that nobody watches there does not go over,
//! nor does a layer that nobody needs. At the end of a wake-up its fresh packets go over as one batch
//! an annex; that never waits, and costs a room without annexes a look at an empty list.

use std::{sync::Arc, time::Instant};

use super::{
    outlet::{Fresh, Outlet},
    pipe::{Asked, Description, Item, Lane, Pipe, Watched},
};
use crate::{
    sfu::{media::track::SourceTrack, path::MAX_LAYERS},
    telemetry::metrics::metrics,
};

/// The way to an annex.
pub(crate) struct ToAnnex {
    pipe: Arc<Pipe>,
    watched: Watched,
    /// Goes over at the end of this wake-up.
    items: Vec<Item>,
    /// Nothing was told yet.
    is_new: bool,
}

impl ToAnnex {
    /// Nothing goes over yet.
    pub(crate) fn new(pipe: Arc<Pipe>) -> Self {
        metrics().annexes.inc();
        Self { pipe, watched: Watched::new(), items: Vec::new(), is_new: true }
    }

    fn takes(&self, lane: Lane, layer: u8) -> bool {
        let layers = self.watched.get(&lane);
        layers.is_some_and(|layers| layers.get(usize::from(layer)) == Some(&true))
    }
}

impl Outlet for ToAnnex {
    fn is_closed(&self) -> bool {
        self.pipe.is_closed()
    }

    fn take_asked(&mut self) -> Option<Asked> {
        self.pipe.take_asked()
    }

    fn watched(&self, lane: Lane) -> Option<&[bool; MAX_LAYERS]> {
        self.watched.get(&lane)
    }

    fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }

    fn watch(&mut self, watched: Watched) -> Vec<(Lane, u8)> {
        let layers = watched.iter().flat_map(|(lane, layers)| {
            let layers = (0_u8..).zip(layers).filter(|(_, is_watched)| **is_watched);
            layers.map(|(layer, _)| (*lane, layer))
        });
        let begun = layers.filter(|(lane, layer)| !self.takes(*lane, *layer)).collect();
        self.watched = watched;
        begun
    }

    fn begin(&mut self, now: Instant, lane: Lane, track: &SourceTrack) -> bool {
        let Some(past) = track.start(now) else { return false };
        let past = past.map(|(_, packet)| packet.clone());
        let item = |packet| Item::Packet { lane, is_past: true, resumes: false, packet };
        self.items.extend(past.map(item));
        true
    }

    fn report(&mut self, lane: Lane, layer: u8, track: &SourceTrack) {
        if self.takes(lane, layer)
            && let Some((ntp, rtp_timestamp)) = track.ntp_and_rtp()
        {
            self.items.push(Item::Report { lane, layer, ntp, rtp_timestamp });
        }
    }

    fn take_fresh(&mut self, fresh: &Fresh<'_>) {
        let lane = fresh.lane;
        if !self.watched.contains_key(&lane) {
            return;
        }
        let mut resumes = fresh.resumes;
        for &(layer, index) in fresh.places {
            if !self.takes(lane, layer) {
                continue;
            }
            let Some(packet) = (fresh.packet)(layer, index).cloned() else { continue };
            let resumes = std::mem::take(&mut resumes);
            self.items.push(Item::Packet { lane, is_past: false, resumes, packet });
        }
    }

    fn hand_over(&mut self, told: Option<Vec<Description>>) {
        if self.items.is_empty() && told.is_none() {
            return;
        }
        let n_items = self.items.len() as u64;
        match self.pipe.hand_over(told, &mut self.items) {
            0 => {
                metrics().packets_handed_over.inc_by(n_items);
            }
            n_dropped => {
                metrics().batches_dropped.inc();
                metrics().handed_over_dropped.inc_by(n_dropped as u64);
            }
        }
    }
}

impl Drop for ToAnnex {
    fn drop(&mut self) {
        metrics().annexes.dec();
    }
}
