//! The home's end of a room that others workers help with: what of its tracks goes to which annex.
//!
//! Owns, for each annex, what is watched there. A track that nobody watches there does not go over,
//! nor does a layer that nobody needs. At the end of a wake-up its fresh packets go over as one batch
//! an annex; that never waits, and costs a room without annexes a look at an empty list.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    feed::Feed,
    pipe::{Item, Lane, Pipe, Told},
    published::Published,
    room::Room,
};
use crate::{protocol::MediaKind, sfu::bandwidth::MAX_LAYERS, telemetry::metrics::metrics};

/// What a room has to do with other workers.
#[derive(Default)]
pub(crate) struct Relay {
    /// To its annexes, at home.
    pub(crate) links: Vec<Link>,
    /// From its home, in an annex.
    pub(crate) feed: Option<Feed>,
    last_lane: Lane,
    /// Annexes have to be told anew what tracks there are and what they cost.
    is_stale: bool,
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
    fn takes(&self, lane: Lane, layer: u8) -> bool {
        let layers = self.watched.get(&lane);
        layers.is_some_and(|layers| layers.get(usize::from(layer)) == Some(&true))
    }

    /// Takes over what is watched there now. Layers that were not before.
    fn watch(&mut self, watched: BTreeMap<Lane, [bool; MAX_LAYERS]>) -> Vec<(Lane, u8)> {
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
    fn begin(&mut self, now: Instant, published: &Published, layer: u8) -> bool {
        let lane = published.lane;
        let Some(track) = published.layer(layer) else { return false };
        let Some(past) = track.start(now) else { return false };
        let past = past.map(|(_, packet)| packet.clone());
        let item = |packet| Item::Packet { lane, is_past: true, resumes: false, packet };
        self.items.extend(past.map(item));
        true
    }

    fn report(&mut self, published: &Published, layer: u8) {
        let track = published.layer(layer).filter(|_| self.takes(published.lane, layer));
        if let Some((ntp, rtp_timestamp)) = track.and_then(|track| track.ntp_and_rtp()) {
            self.items.push(Item::Report { lane: published.lane, layer, ntp, rtp_timestamp });
        }
    }

    fn take_fresh(&mut self, published: &Published) {
        let lane = published.lane;
        if !self.watched.contains_key(&lane) {
            return;
        }
        let mut resumes = published.resumes;
        for &(layer, index) in &published.fresh {
            let Some(track) = published.layer(layer).filter(|_| self.takes(lane, layer)) else {
                continue;
            };
            let Some(packet) = track.packet(index).cloned() else { continue };
            let resumes = std::mem::take(&mut resumes);
            self.items.push(Item::Packet { lane, is_past: false, resumes, packet });
        }
    }

    fn hand_over(&mut self, told: Option<Vec<Told>>) {
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

impl Room {
    /// From now on another worker has viewers of this room.
    pub(crate) fn add_link(&mut self, pipe: Arc<Pipe>) {
        metrics().annexes.inc();
        let (watched, items) = (BTreeMap::new(), Vec::new());
        self.relay.links.push(Link { pipe, watched, items, is_new: true });
    }

    /// Something of the tracks has changed that annexes are told of: what there is, of what codec, at
    /// what cost.
    pub(crate) fn note_annexes(&mut self) {
        self.relay.is_stale |= !self.relay.links.is_empty();
    }

    /// Marks the layers of a track that annexes need.
    pub(crate) fn needed_elsewhere(&self, lane: Lane, needed: &mut [bool; MAX_LAYERS]) {
        for layers in self.relay.links.iter().filter_map(|link| link.watched.get(&lane)) {
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
        links.retain(|link| !link.pipe.is_closed());
        self.demand_stale |= links.len() < n_links;
        for link in &mut links {
            let Some(asked) = link.pipe.take_asked() else { continue };
            let mut started = Vec::new();
            for (lane, layer) in asked.watched.map(|all| link.watch(all)).unwrap_or_default() {
                self.demand_stale = true;
                let Some(number) = self.number_of(lane) else { continue };
                let published = &self.tracks[number];
                if published.track.kind() == MediaKind::Video {
                    match link.begin(now, published, layer) {
                        true => started.push((lane, layer)),
                        false => self.wanted.push((number, layer)),
                    }
                }
                link.report(published, layer);
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
        let watched = self.relay.links.iter().flat_map(|link| link.watched.values());
        watched.copied().collect()
    }

    fn number_of(&self, lane: Lane) -> Option<usize> {
        let found = self.tracks.iter().find(|(_, published)| published.lane == lane);
        found.map(|(number, _)| number)
    }

    /// The publishers' clocks go to whoever watches elsewhere, every so often.
    pub(crate) fn report_to_annexes(&mut self) {
        for link in &mut self.relay.links {
            for (_, published) in &self.tracks {
                published.layer_numbers().for_each(|layer| link.report(published, layer));
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
                link.take_fresh(&self.tracks[number]);
            }
            let tells = is_stale || std::mem::take(&mut link.is_new);
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
