//! What of each picture this viewer gets: sizes and the estimate in, the forwarders' targets out, and
//! which keyframes that lacks.
//!
//! Owns nothing beside what `path` decides; also sends the padding of its probes.

use std::{sync::Arc, time::Instant};

use slab::Slab;

use super::{STALL, Viewer, ViewerKey};
use crate::{
    protocol::{MediaKind, TileSize},
    sfu::{
        down::Slot,
        path::{Budget, Headroom, Tile},
        router::{published::Published, quality::Quality},
        wire::{
            outbox::{Outbox, Sink},
            transmit::Route,
        },
    },
};

/// Room for one packet of padding.
const PADDING_ROOM: usize = 320;
/// Packets of padding in one wake-up; what is missing comes with the next.
const MAX_PADDING: usize = 64;
/// An estimate that has fallen to this share is acted on at once: what is sent beyond the path waits
/// in a queue, and the lower layer behind it.
const FALL: f64 = 0.85;
/// A layer that costs so many times what the path carries is not sent until the lower one begins.
const TOO_MUCH: f64 = 1.5;

/// What of its tracks a viewer may be sent.
#[derive(Default)]
struct Wishes {
    /// Slots of the tiles.
    places: Vec<(Slot, Quality)>,
    /// Their layers in the order of their quality, which is how they are chosen.
    tiles: Vec<Tile>,
    /// All sound as it comes, bits a second, and without redundancy.
    sound_bps: f64,
    plain_bps: f64,
}

impl Viewer {
    /// How large the client shows what it watches. True if that is news.
    pub(crate) fn set_tiles(&mut self, sizes: &Arc<[TileSize]>) -> bool {
        let is_news = self.sizes != *sizes;
        if is_news {
            self.sizes = Arc::clone(sizes);
        }
        is_news
    }

    /// The estimate has fallen since layers were chosen.
    pub(crate) fn has_less(&mut self) -> bool {
        let estimator = self.downlink.estimator().filter(|estimator| estimator.is_measured());
        estimator.map(|estimator| estimator.bps()).is_some_and(|bps| bps < self.chosen_bps * FALL)
    }

    /// Chooses layers anew. Keyframes that are needed for that are pushed to `wanted`.
    pub(crate) fn choose_layers(
        &mut self,
        now: Instant,
        tracks: &Slab<Published>,
        wanted: &mut Vec<(usize, u8)>,
    ) {
        let Wishes { places, tiles, sound_bps, plain_bps } = self.wishes(now, tracks);
        if let Some(estimator) = self.downlink.estimator() {
            estimator.look(now);
        }
        let estimator = self.downlink.estimator().filter(|estimator| estimator.has_feedback());
        let (bps, is_measured, loss) = match &estimator {
            Some(estimator) => (estimator.bps(), estimator.is_measured(), estimator.loss()),
            None => (f64::INFINITY, false, 0.0),
        };
        let pictures_bps: f64 = tiles.iter().map(Tile::useful_bps).sum();
        let shown_bps: f64 = tiles.iter().map(Tile::current_bps).sum();
        let headroom = Headroom { bps, is_measured, loss, sound_bps, pictures_bps, shown_bps };
        let is_plain = self.sound.choose(now, headroom);
        self.downlink.set_sound_plain(is_plain);
        let audio_bps = if is_plain { plain_bps } else { sound_bps };
        self.set_pace(now, shown_bps + audio_bps);
        // Also where there is nothing to choose: else each report of the client would have it done anew.
        self.chosen_bps = bps;
        if tiles.is_empty() {
            return;
        }
        let budget = Budget { bps, is_measured, audio_bps };
        let allocation = self.allocator.allocate(now, budget, &tiles);
        let can_pad = self.downlink.can_pad();
        if let Some(estimator) = self.downlink.estimator() {
            estimator.want(now, allocation.wanted_bps, can_pad);
        }
        for (((slot, quality), rank), tile) in places.into_iter().zip(allocation.layers).zip(&tiles)
        {
            let Some(Some(state)) = self.slots.get_mut(slot) else { continue };
            let layer = rank.map(|rank| quality.layer(rank));
            if state.forwarder.target() == layer {
                continue;
            }
            tracing::debug!(
                viewer = %self.member, slot, from = ?tile.current, to = ?rank, bps, is_measured,
                height = tile.height, audio_bps, wanted_bps = allocation.wanted_bps,
                layers_bps = ?tile.layers.map(|layer| layer.bps), "layer",
            );
            let is_fall = rank < tile.current;
            if is_measured && is_fall && tile.current_bps() > TOO_MUCH * bps {
                state.forwarder.skip_to_keyframe();
            }
            state.forwarder.set_target(layer);
            state.forwarder.keep_stopgaps(layer.map_or(0, |layer| quality.below(layer)));
            if let (Some(track), Some(layer)) = (state.track, state.forwarder.wants_keyframe())
                && !self.starts.contains(&track)
                && state.lacks(layer)
            {
                wanted.push((track, layer));
            }
        }
    }

    /// Tracks that send but whose keyframe this viewer still waits for, unless it is stalled, are
    /// pushed to `wanted`: it began with no keyframe in the cache, the source changed, or a stall is
    /// over.
    pub(crate) fn retry(
        &mut self,
        now: Instant,
        tracks: &Slab<Published>,
        wanted: &mut Vec<(usize, u8)>,
    ) {
        if let Some(until) = self.stalled_until {
            if now < until {
                return;
            }
            if now > until + STALL.1 {
                // Nothing was refused for long: the next stall is a new one.
                self.stalled_until = None;
                self.stall = STALL.0;
            }
        }
        for state in self.slots.iter().flatten() {
            let Some(index) = state.track else { continue };
            let Some(published) = tracks.get(index) else { continue };
            let Some(layer) = state.forwarder.wants_keyframe() else { continue };
            let is_video = published.track.kind() == MediaKind::Video;
            if is_video && published.sends(now, layer) && state.lacks(layer) {
                wanted.push((index, layer));
            }
        }
    }

    /// What there is to choose from.
    fn wishes(&self, now: Instant, tracks: &Slab<Published>) -> Wishes {
        let mut wishes = Wishes::default();
        for (slot, state) in self.slots.iter().enumerate() {
            let Some(state) = state else { continue };
            let Some(published) = state.track.and_then(|track| tracks.get(track)) else { continue };
            if published.track.kind() == MediaKind::Audio {
                let plain_bps = f64::from(published.plain_bps());
                wishes.plain_bps += plain_bps;
                wishes.sound_bps += match self.downlink.takes_red(slot) {
                    true => f64::from(published.bps()),
                    false => plain_bps,
                };
                continue;
            }
            wishes.places.push((slot, published.quality()));
            wishes.tiles.push(self.tile(now, published, state.forwarder.target()));
        }
        wishes
    }

    fn tile(&self, now: Instant, published: &Published, current: Option<u8>) -> Tile {
        let id = published.track.id();
        let named = |size: &&TileSize| {
            size.member == id.member && size.track.as_ref().is_none_or(|track| track == id)
        };
        // What names the track itself counts before what names its member.
        let of_track = self.sizes.iter().filter(|size| size.track.is_some()).find(named);
        let (quality, layers) = (published.quality(), published.layers(now));
        let size = of_track.or_else(|| self.sizes.iter().find(named));
        Tile {
            width: size.map_or(0, |size| size.width),
            height: size.map_or(0, |size| size.height),
            visible: size.is_none_or(|size| size.visible),
            layers: std::array::from_fn(|rank| layers[usize::from(quality.layer(rank as u8))]),
            current: current.map(|layer| quality.rank(layer)),
        }
    }

    /// Seals the padding that a probe is due.
    pub(super) fn pad(
        &mut self,
        key: ViewerKey,
        to: Route,
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) {
        for _ in 0..MAX_PADDING {
            let downlink = &mut self.downlink;
            if !downlink.is_padding_due()
                || !outbox.seal(key, to, PADDING_ROOM, sink, |space| downlink.seal_padding(space))
            {
                return;
            }
        }
    }
}
