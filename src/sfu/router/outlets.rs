//! The room's tracks for consumers that are no viewers: what they want, and what they are given at the
//! end of a wake-up.
//!
//! Owns nothing, and does not ask who stands behind an outlet.

use std::time::Instant;

use super::{Router, published::Published};
use crate::{
    protocol::MediaKind,
    sfu::{
        path::MAX_LAYERS,
        relay::{
            outlet::{Fresh, Outlet},
            pipe::{Description, Lane},
        },
    },
};

impl Router {
    /// From now on this takes tracks of the room.
    pub(crate) fn add_outlet(&mut self, outlet: Box<dyn Outlet>) {
        self.relay.outlets.push(outlet);
    }

    /// Marks the layers of a track that outlets need.
    pub(crate) fn needed_elsewhere(&self, lane: Lane, needed: &mut [bool; MAX_LAYERS]) {
        for layers in self.relay.outlets.iter().filter_map(|outlet| outlet.watched(lane)) {
            needed.iter_mut().zip(layers).for_each(|(needed, watched)| *needed |= watched);
        }
    }

    /// Takes in what outlets want, before packets go out.
    pub(crate) fn hear_outlets(&mut self, now: Instant) {
        if self.relay.outlets.is_empty() {
            return;
        }
        let mut outlets = std::mem::take(&mut self.relay.outlets);
        let n_outlets = outlets.len();
        outlets.retain(|outlet| !outlet.is_closed());
        if outlets.len() < n_outlets {
            self.dirty.demand();
        }
        for outlet in &mut outlets {
            let Some(asked) = outlet.take_asked() else { continue };
            let mut started = Vec::new();
            for (lane, layer) in asked.watched.map(|all| outlet.watch(all)).unwrap_or_default() {
                self.dirty.demand();
                let Some(number) = self.number_of(lane) else { continue };
                let published = &self.tracks[number];
                if published.track.kind() == MediaKind::Video {
                    let track = published.layer(layer);
                    match track.is_some_and(|track| outlet.begin(now, lane, track)) {
                        true => started.push((lane, layer)),
                        false => self.dirty.keyframe(number, layer),
                    }
                }
                if let Some(track) = published.layer(layer) {
                    outlet.report(lane, layer, track);
                }
            }
            for (lane, layer) in asked.keyframes {
                if let Some(number) =
                    self.number_of(lane).filter(|_| !started.contains(&(lane, layer)))
                {
                    self.dirty.keyframe(number, layer);
                }
            }
        }
        self.relay.outlets = outlets;
    }

    /// What is watched elsewhere.
    #[cfg(test)]
    pub(crate) fn watched_elsewhere(&self) -> Vec<[bool; MAX_LAYERS]> {
        let lanes = || self.tracks.iter().map(|(_, published)| published.lane);
        let outlets = self.relay.outlets.iter();
        let all = outlets.flat_map(|outlet| lanes().filter_map(|lane| outlet.watched(lane)));
        all.copied().collect()
    }

    fn number_of(&self, lane: Lane) -> Option<usize> {
        let found = self.tracks.iter().find(|(_, published)| published.lane == lane);
        found.map(|(number, _)| number)
    }

    /// The publishers' clocks go to whoever watches elsewhere, every so often.
    pub(crate) fn report_to_outlets(&mut self) {
        for outlet in &mut self.relay.outlets {
            for (_, published) in &self.tracks {
                for layer in published.layer_numbers() {
                    if let Some(track) = published.layer(layer) {
                        outlet.report(published.lane, layer, track);
                    }
                }
            }
        }
    }

    /// Hands this wake-up's packets to the outlets that want them.
    pub(crate) fn hand_over(&mut self, now: Instant) {
        if self.relay.outlets.is_empty() {
            return;
        }
        let is_stale = self.dirty.take_tracks();
        for outlet in &mut self.relay.outlets {
            for &number in &self.dirty.fresh {
                let published = &self.tracks[number];
                outlet.take_fresh(&Fresh {
                    lane: published.lane,
                    resumes: published.resumes,
                    places: &published.fresh,
                    packet: &|layer, index| published.layer(layer)?.packet(index),
                });
            }
            let tells = is_stale || outlet.take_new();
            let describe = |(_, published): (usize, &Published)| published.describe(now);
            outlet.hand_over(tells.then(|| self.tracks.iter().map(describe).collect()));
        }
        for &number in &self.dirty.fresh {
            self.tracks[number].resumes = false;
        }
    }
}

impl Published {
    fn describe(&self, now: Instant) -> Description {
        Description {
            lane: self.lane,
            id: self.track.id().clone(),
            kind: self.track.kind(),
            source: self.track.source(),
            codec: self.codec,
            last_layer: *self.layer_numbers().end(),
            layers: self.layers(now),
            sends: std::array::from_fn(|layer| self.sends(now, layer as u8)),
            bps: self.bps(),
            plain_bps: self.plain_bps(),
        }
    }
}
