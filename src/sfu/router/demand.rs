//! Which layers of each published picture somebody needs, and which sound, so that publishers stop
//! encoding the rest. A sound is one layer.
//!
//! Owns, for each track, what its publisher is told to send, and the memory of what a layer cost
//! while it came. Who needs what is read off the viewers; telling is the room's affair.
//!
//! ```text
//!  on --nobody needs it for OFF_AFTER, and it comes--> off --somebody needs it--> on (waking)
//! ```
//! A layer that is off could be had: viewers aim at it as if it came, at the rate and height that it
//! had last, and by that it is asked for. It has [`WAKES_WITHIN`] to come; one that does not is on
//! and silent, as one that the publisher's own path does not carry, and is not turned off again
//! before it comes: else both sides would ask and give up in turns.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Router, published::Published, viewer::Viewer};
use crate::{ids::Mid, protocol::MediaKind, seams::media::Path, sfu::path::MAX_LAYERS};

/// Nobody needs a layer for so long before it is turned off: windows are dragged, speakers change,
/// and each change costs the publisher's encoder a keyframe.
const OFF_AFTER: Duration = Duration::from_secs(5);
/// A layer that was asked for comes within this: signaling, an encoder that starts, and the way.
const WAKES_WITHIN: Duration = Duration::from_secs(3);
/// A viewer that has not yet accepted a track counts as one that needs it for so long; a client that
/// never does must not keep an encoder busy.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// Most have accepted a track in this time: a keyframe in the cache has to be of use for as long.
const ACCEPTS_WITHIN: Duration = Duration::from_secs(1);

/// What the publisher is told of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wish {
    /// Send it; somebody has needed it all the time.
    On,
    /// Send it; nobody has needed it since then.
    Idle(Instant),
    /// Send it; it was off until then.
    Waking(Instant),
    /// Do not send it. What it cost when it came last, bits a second.
    Off(u32),
}

/// What the publisher of one track is told.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    wishes: [Wish; MAX_LAYERS],
    /// Rates of layers before they were turned off.
    remembered: [u32; MAX_LAYERS],
}

impl Default for Demand {
    fn default() -> Self {
        Self { wishes: [Wish::On; MAX_LAYERS], remembered: [0; MAX_LAYERS] }
    }
}

impl Demand {
    /// Takes in which layers are needed now; `comes` is the rate of those that come. True if the
    /// publisher is to be told something new.
    pub(crate) fn update(
        &mut self,
        now: Instant,
        needed: [bool; MAX_LAYERS],
        comes: [Option<u32>; MAX_LAYERS],
    ) -> bool {
        let before = self.wanted();
        for (layer, wish) in self.wishes.iter_mut().enumerate() {
            *wish = match (*wish, needed[layer], comes[layer]) {
                (Wish::Off(_), true, _) => Wish::Waking(now),
                (Wish::Off(_), false, _) => *wish,
                (Wish::Waking(since), true, None) if now < since + WAKES_WITHIN => *wish,
                (_, true, _) => Wish::On,
                (Wish::Idle(since), false, Some(bps)) if now >= since + OFF_AFTER => {
                    self.remembered[layer] = bps;
                    Wish::Off(bps)
                }
                (Wish::Idle(_), false, Some(_)) => *wish,
                // Its time begins when it comes.
                (_, false, _) => Wish::Idle(now),
            };
        }
        before != self.wanted()
    }

    /// Layers that the publisher is to send.
    fn wanted(&self) -> [bool; MAX_LAYERS] {
        self.wishes.map(|wish| !matches!(wish, Wish::Off(_)))
    }

    /// What a layer that does not come at this moment would cost if it was asked for, bits a second.
    /// `None`: it was, or never turned off, and does not come.
    pub(crate) fn could_be_had(&self, now: Instant, layer: u8) -> Option<u32> {
        match self.wishes.get(usize::from(layer))? {
            Wish::Off(bps) => Some(*bps),
            Wish::Waking(since) if now < *since + WAKES_WITHIN => Some(self.rate_before(layer)),
            _ => None,
        }
    }

    /// What a layer cost before it was turned off last; 0: it never was.
    pub(crate) fn rate_before(&self, layer: u8) -> u32 {
        self.remembered.get(usize::from(layer)).copied().unwrap_or_default()
    }
}

impl Router {
    /// Brings what publishers are told up to what viewers need now.
    pub(crate) fn refresh_demand(&mut self, now: Instant) {
        // In an annex the home tells publishers; `tell_home` tells it.
        if self.relay.home.is_some() || !self.dirty.take_demand() {
            return;
        }
        let numbers: Vec<usize> = self.tracks.iter().map(|(number, _)| number).collect();
        for number in numbers {
            let published = &self.tracks[number];
            let is_picture = published.track.kind() == MediaKind::Video;
            let mut needed = [false; MAX_LAYERS];
            for (_, viewer) in &self.viewers {
                if is_picture {
                    viewer.needs(now, number, published, &mut needed);
                } else {
                    // Whoever may hear it: which are the loudest is known by what comes.
                    needed[0] |= viewer.may_hear(now, number, published);
                }
            }
            self.needed_elsewhere(published.lane, &mut needed);
            // The lowest costs little, and is what a viewer falls to whose path gets worse: it must
            // not have to wait for the publisher then.
            let lowest = usize::from(published.quality().layer(0));
            needed[lowest] = needed.contains(&true);
            let member = published.track.id().member;
            if self.tracks[number].ask(now, needed) {
                self.dirty.member(member);
            }
        }
    }

    /// A viewer that is given pictures it did not have `before` begins with them after its answer and
    /// perhaps a handshake. The keyframes it will need are asked for now, so that the cache has them
    /// by then.
    pub(super) fn fetch_keyframes(&mut self, now: Instant, viewer: usize, before: &[usize]) {
        for &number in self.viewers[viewer].shown.iter().filter(|shown| !before.contains(shown)) {
            let published = &self.tracks[number];
            if published.track.kind() != MediaKind::Video {
                continue;
            }
            let Some(layer) = published.best(now) else { continue };
            let track = published.layer(layer);
            if track.is_some_and(|track| track.start(now + ACCEPTS_WITHIN).is_none()) {
                self.dirty.keyframe(number, layer);
            }
        }
    }

    /// Which layers of a publisher's pictures are wanted, in its offer's order: the tracks of which it
    /// need not send all.
    pub(crate) fn wanted_layers(&self, tracks: &[(Mid, usize)]) -> BTreeMap<Mid, Vec<bool>> {
        let wanted = |(mid, number): &(Mid, usize)| {
            let published = self.tracks.get(*number)?;
            let wanted = published.demand.wanted();
            let n_layers = usize::from(*published.layer_numbers().end()) + 1;
            let wanted = wanted.get(..n_layers)?;
            wanted.contains(&false).then(|| (mid.clone(), wanted.to_vec()))
        };
        tracks.iter().filter_map(wanted).collect()
    }
}

impl Viewer {
    /// Marks the layers of a track that this viewer needs: what it is aimed at and what goes out
    /// until that comes. One that is about to get the track needs the best: that is what it begins
    /// with.
    pub(super) fn needs(
        &self,
        now: Instant,
        track: usize,
        published: &Published,
        needed: &mut [bool; MAX_LAYERS],
    ) {
        if self.path == Path::Closed {
            return;
        }
        let mut mark = |layer: u8| {
            if let Some(needed) = needed.get_mut(usize::from(layer)) {
                *needed = true;
            }
        };
        match self.forwarder_of(track) {
            Some(forwarder) => {
                if let Some(target) = forwarder.target() {
                    mark(target);
                    mark(forwarder.layer());
                }
            }
            None if self.is_about_to_get(now, published) => mark(published.top()),
            None => {}
        }
    }

    /// It has not accepted the track yet, and perhaps will.
    fn is_about_to_get(&self, now: Instant, published: &Published) -> bool {
        let settles = self.awaits_since.is_some_and(|since| now < since + SETTLES_WITHIN);
        settles && self.downlink.expects(published.track.id())
    }

    /// Whether a sound goes to this viewer when it is loud enough.
    fn may_hear(&self, now: Instant, track: usize, published: &Published) -> bool {
        self.path != Path::Closed
            && (self.forwarder_of(track).is_some() || self.is_about_to_get(now, published))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const COMES: [Option<u32>; MAX_LAYERS] = [Some(150_000), Some(500_000), Some(1_500_000), None];

    #[test]
    fn off_after_a_while_and_on_at_once() {
        let mut now = Instant::now();
        let mut demand = Demand::default();
        assert!(!demand.update(now, [true; MAX_LAYERS], COMES));
        for _ in 0..19 {
            now += SECOND / 4;
            assert!(!demand.update(now, [true, false, false, false], COMES));
        }
        now += SECOND / 4;
        assert!(
            !demand.update(now, [true, false, true, true], COMES),
            "needed again before its time"
        );
        now += SECOND / 4;
        assert!(demand.update(now, [true, false, false, false], COMES), "the middle one is off");
        assert_eq!(demand.wanted(), [true, false, true, true]);
        assert_eq!(demand.could_be_had(now, 1), Some(500_000));
        assert_eq!(demand.could_be_had(now, 2), None, "it comes");
        assert!(demand.update(now, [true, true, false, false], COMES), "on at once");
        assert_eq!(demand.wanted(), [true; MAX_LAYERS]);
        now += 2 * SECOND;
        let silent = [Some(150_000), None, Some(1_500_000), None];
        assert!(!demand.update(now, [true, true, false, false], silent));
        assert_eq!(demand.could_be_had(now, 1), Some(500_000), "it is on its way");
        now += 2 * SECOND;
        demand.update(now, [true, true, false, false], silent);
        assert_eq!(demand.could_be_had(now, 1), None, "it does not come");
    }

    #[test]
    fn what_does_not_come_is_not_turned_off_until_it_does() {
        let mut now = Instant::now();
        let mut demand = Demand::default();
        let nobody = [false; MAX_LAYERS];
        for _ in 0..60 {
            now += SECOND;
            assert!(!demand.update(now, nobody, [None; MAX_LAYERS]), "the camera is off");
        }
        assert!(!demand.update(now, nobody, COMES));
        assert!(!demand.update(now + 4 * SECOND, nobody, COMES), "a few seconds to be learned");
        assert!(demand.update(now + 6 * SECOND, nobody, COMES));
        assert_eq!(demand.wanted(), [false, false, false, true], "of the last nothing ever came");
    }
}
