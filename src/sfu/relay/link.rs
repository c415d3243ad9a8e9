//! The home's end of a room that other workers help with: what of its tracks goes to which annex.
//!
//! Owns, for each annex, what is watched there. A track that nobody watches there does not go over,
//! nor does a layer that nobody needs. At the end of a wake-up its fresh packets go over as one batch
//! an annex; that never waits, and costs a room without annexes a look at an empty list.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    feed::Feed,
    pipe::{Asked, Item, Lane, Pipe, Told},
};
use crate::{
    sfu::{
        media::{packet::Packet, track::SourceTrack},
        path::MAX_LAYERS,
    },
    telemetry::metrics::metrics,
};

/// What a room has to do with other workers.
#[derive(Default)]
pub(crate) struct Relay {
    /// To its annexes, at home.
    pub(crate) links: Vec<Link>,
    /// From its home, in an annex.
    pub(crate) feed: Option<Feed>,
    last_lane: Lane,
    /// Annexes have to be told anew what tracks there are and what they cost.
    pub(crate) is_stale: bool,
}

impl Relay {
    pub(crate) fn next_lane(&mut self) -> Lane {
        self.last_lane += 1;
        self.last_lane
    }
}

/// The way to an annex.
pub(crate) struct Link {
    pipe: Arc<Pipe>,
    watched: BTreeMap<Lane, [bool; MAX_LAYERS]>,
    /// Goes over at the end of this wake-up.
    items: Vec<Item>,
    /// Nothing was told yet.
    is_new: bool,
}

impl Link {
    /// Nothing goes over yet.
    pub(crate) fn new(pipe: Arc<Pipe>) -> Self {
        metrics().annexes.inc();
        Self { pipe, watched: BTreeMap::new(), items: Vec::new(), is_new: true }
    }

    /// The annex is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.pipe.is_closed()
    }

    /// What the annex wants that is new.
    pub(crate) fn take_asked(&self) -> Option<Asked> {
        self.pipe.take_asked()
    }

    /// The layers of a track that are watched there.
    pub(crate) fn watched(&self, lane: Lane) -> Option<&[bool; MAX_LAYERS]> {
        self.watched.get(&lane)
    }

    /// What is watched there.
    #[cfg(test)]
    pub(crate) fn all_watched(&self) -> impl Iterator<Item = [bool; MAX_LAYERS]> + '_ {
        self.watched.values().copied()
    }

    /// True once: the annex was told nothing yet.
    pub(crate) fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }

    fn takes(&self, lane: Lane, layer: u8) -> bool {
        let layers = self.watched.get(&lane);
        layers.is_some_and(|layers| layers.get(usize::from(layer)) == Some(&true))
    }

    /// Takes over what is watched there now. Layers that were not before.
    pub(crate) fn watch(&mut self, watched: BTreeMap<Lane, [bool; MAX_LAYERS]>) -> Vec<(Lane, u8)> {
        let layers = watched.iter().flat_map(|(lane, layers)| {
            let layers = (0_u8..).zip(layers).filter(|(_, is_watched)| **is_watched);
            layers.map(|(layer, _)| (*lane, layer))
        });
        let begun = layers.filter(|(lane, layer)| !self.takes(*lane, *layer)).collect();
        self.watched = watched;
        begun
    }

    /// What a layer that is watched from now on has had: its last keyframe and what followed, so that
    /// the annex can start viewers as the home would. False if there is no such.
    pub(crate) fn begin(&mut self, now: Instant, lane: Lane, track: &SourceTrack) -> bool {
        let Some(past) = track.start(now) else { return false };
        let past = past.map(|(_, packet)| packet.clone());
        let item = |packet| Item::Packet { lane, is_past: true, resumes: false, packet };
        self.items.extend(past.map(item));
        true
    }

    /// How the publisher's clock goes, where the layer is watched there.
    pub(crate) fn report(&mut self, lane: Lane, layer: u8, track: &SourceTrack) {
        if self.takes(lane, layer)
            && let Some((ntp, rtp_timestamp)) = track.ntp_and_rtp()
        {
            self.items.push(Item::Report { lane, layer, ntp, rtp_timestamp });
        }
    }

    /// Packets of this wake-up, by their layer and their index there; `resumes` as [`Item`] has it.
    pub(crate) fn take_fresh<'a>(
        &mut self,
        lane: Lane,
        mut resumes: bool,
        fresh: &[(u8, u64)],
        packet: impl Fn(u8, u64) -> Option<&'a Packet>,
    ) {
        if !self.watched.contains_key(&lane) {
            return;
        }
        for &(layer, index) in fresh {
            if !self.takes(lane, layer) {
                continue;
            }
            let Some(packet) = packet(layer, index).cloned() else { continue };
            let resumes = std::mem::take(&mut resumes);
            self.items.push(Item::Packet { lane, is_past: false, resumes, packet });
        }
    }

    /// Leaves it all for the annex. `told`: what tracks there are, if that is new.
    pub(crate) fn hand_over(&mut self, told: Option<Vec<Told>>) {
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

impl Drop for Link {
    fn drop(&mut self) {
        metrics().annexes.dec();
    }
}
