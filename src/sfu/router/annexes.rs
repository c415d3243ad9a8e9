//! The room's tracks on other workers: what is needed there, and what goes over at the end of a
//! wake-up.

use std::{sync::Arc, time::Instant};

use super::{Router, published::Published};
use crate::{
    protocol::MediaKind,
    sfu::{
        path::MAX_LAYERS,
        relay::{
            link::Link,
            pipe::{Lane, Pipe, Told},
        },
    },
};

impl Router {
    /// From now on another worker has viewers of this room.
    pub(crate) fn add_link(&mut self, pipe: Arc<Pipe>) {
        self.relay.links.push(Link::new(pipe));
    }

    /// Something of the tracks has changed that annexes are told of: what there is, of what codec, at
    /// what cost.
    pub(crate) fn note_annexes(&mut self) {
        self.relay.is_stale |= !self.relay.links.is_empty();
    }

    /// Marks the layers of a track that annexes need.
    pub(crate) fn needed_elsewhere(&self, lane: Lane, needed: &mut [bool; MAX_LAYERS]) {
        for layers in self.relay.links.iter().filter_map(|link| link.watched(lane)) {
            needed.iter_mut().zip(layers).for_each(|(needed, watched)| *needed |= watched);
        }
    }

    /// Takes in what annexes want, before packets go out.
    pub(crate) fn hear_annexes(&mut self, now: Instant) {
        if self.relay.links.is_empty() {
            return;
        }
        let mut links = std::mem::take(&mut self.relay.links);
        let n_links = links.len();
        links.retain(|link| !link.is_closed());
        self.demand_stale |= links.len() < n_links;
        for link in &mut links {
            let Some(asked) = link.take_asked() else { continue };
            let mut started = Vec::new();
            for (lane, layer) in asked.watched.map(|all| link.watch(all)).unwrap_or_default() {
                self.demand_stale = true;
                let Some(number) = self.number_of(lane) else { continue };
                let published = &self.tracks[number];
                if published.track.kind() == MediaKind::Video {
                    let track = published.layer(layer);
                    match track.is_some_and(|track| link.begin(now, lane, track)) {
                        true => started.push((lane, layer)),
                        false => self.wanted.push((number, layer)),
                    }
                }
                if let Some(track) = published.layer(layer) {
                    link.report(lane, layer, track);
                }
            }
            for (lane, layer) in asked.keyframes {
                if let Some(number) =
                    self.number_of(lane).filter(|_| !started.contains(&(lane, layer)))
                {
                    self.wanted.push((number, layer));
                }
            }
        }
        self.relay.links = links;
    }

    /// What is watched on other workers.
    #[cfg(test)]
    pub(crate) fn watched_elsewhere(&self) -> Vec<[bool; MAX_LAYERS]> {
        self.relay.links.iter().flat_map(Link::all_watched).collect()
    }

    fn number_of(&self, lane: Lane) -> Option<usize> {
        let found = self.tracks.iter().find(|(_, published)| published.lane == lane);
        found.map(|(number, _)| number)
    }

    /// The publishers' clocks go to whoever watches elsewhere, every so often.
    pub(crate) fn report_to_annexes(&mut self) {
        for link in &mut self.relay.links {
            for (_, published) in &self.tracks {
                for layer in published.layer_numbers() {
                    if let Some(track) = published.layer(layer) {
                        link.report(published.lane, layer, track);
                    }
                }
            }
        }
    }

    /// Hands this wake-up's packets to the annexes that watch them.
    pub(crate) fn hand_over(&mut self, now: Instant) {
        if self.relay.links.is_empty() {
            return;
        }
        let is_stale = std::mem::take(&mut self.relay.is_stale);
        for link in &mut self.relay.links {
            for &number in &self.fresh {
                let published = &self.tracks[number];
                let packet = |layer, index| published.layer(layer)?.packet(index);
                link.take_fresh(published.lane, published.resumes, &published.fresh, packet);
            }
            let tells = is_stale || link.take_new();
            let tell = |(_, published): (usize, &Published)| published.tell(now);
            link.hand_over(tells.then(|| self.tracks.iter().map(tell).collect()));
        }
        for &number in &self.fresh {
            self.tracks[number].resumes = false;
        }
    }
}

impl Published {
    fn tell(&self, now: Instant) -> Told {
        Told {
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
