//! Whether a viewer's sound goes out redundantly (RED, RFC 2198), as it comes, or its newest part alone.
//!
//! Redundancy doubles the rate of sound, which on a narrow path is the picture's. It is given up where
//! it takes more than a share of what the path carries and the pictures cannot all be had beside it, and
//! where it does not fit at all; it comes back where there is room. A path that loses much and has room
//! keeps it: that is what it is for.

use std::time::{Duration, Instant};

/// Redundant sound may take this share of the estimate; below the second it comes back in any case. One
/// voice of Chromium's takes 90 kb/s, and less than 60 without: the shares are at 600 and 900 kb/s.
const SHARE: (f64, f64) = (0.15, 0.10);
/// Where pictures would fit beside it, it comes back if they do with so much to spare.
const SPARE: f64 = 1.15;
/// Share of lost packets from which redundancy is worth more than a better picture, and what it may take
/// of the estimate then: that dips while packets are lost.
const HEAVY_LOSS: f64 = 0.05;
const LOSSY_SHARE: f64 = 0.5;
/// Between two changes, to the less and to the more.
const PAUSE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(10));

/// What there is and what is needed, bits a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headroom {
    /// The estimate.
    pub bps: f64,
    /// Something has shown the path's limit; else the estimate is a hope.
    pub is_measured: bool,
    /// Share of packets that are lost, from 0 to 1.
    pub loss: f64,
    /// All sound as it comes, redundant where the client takes that.
    pub sound_bps: f64,
    /// All pictures, as good as their tiles can show them.
    pub pictures_bps: f64,
    /// The pictures that are sent now.
    pub shown_bps: f64,
}

/// What is chosen for one viewer.
#[derive(Debug, Default)]
pub struct Sound {
    is_plain: bool,
    changed: Option<Instant>,
}

impl Sound {
    /// True if the newest part of each packet is to go alone.
    pub fn choose(&mut self, now: Instant, headroom: Headroom) -> bool {
        let is_better =
            if self.is_plain { Self::stays_plain(headroom) } else { Self::is_narrow(headroom) };
        let pause = if is_better { PAUSE.0 } else { PAUSE.1 };
        if is_better != self.is_plain && self.changed.is_none_or(|at| now >= at + pause) {
            self.is_plain = is_better;
            self.changed = Some(now);
        }
        self.is_plain
    }

    /// See [`Self::choose`], as of the last time.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    fn is_narrow(headroom: Headroom) -> bool {
        let Headroom { bps, loss, sound_bps, pictures_bps, .. } = headroom;
        let is_missed = sound_bps > SHARE.0 * bps && sound_bps + pictures_bps > bps;
        let is_worth_it = loss >= HEAVY_LOSS && sound_bps <= LOSSY_SHARE * bps;
        headroom.is_measured && !is_worth_it && (is_missed || sound_bps > bps)
    }

    fn stays_plain(headroom: Headroom) -> bool {
        let Headroom { bps, loss, sound_bps, pictures_bps, shown_bps, .. } = headroom;
        let is_worth_it = loss >= HEAVY_LOSS && sound_bps + shown_bps <= bps;
        let fits = SPARE * sound_bps + pictures_bps <= bps;
        let is_little = sound_bps <= SHARE.1 * bps;
        headroom.is_measured && !is_worth_it && !fits && !is_little
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headroom(kbps: u32, loss: f64, pictures_kbps: u32) -> Headroom {
        Headroom {
            bps: f64::from(kbps) * 1000.0,
            is_measured: true,
            loss,
            sound_bps: 90_000.0,
            pictures_bps: f64::from(pictures_kbps) * 1000.0,
            shown_bps: 150_000.0,
        }
    }

    #[test]
    fn redundancy_is_given_up_where_it_costs_a_picture_and_comes_back_where_there_is_room() {
        let open = Headroom { is_measured: false, ..headroom(80, 0.0, 1500) };
        let cases = [
            (open, false, false, "nothing is known"),
            (headroom(300, 0.0, 1500), true, true, "a narrow path"),
            (headroom(300, 0.0, 150), false, false, "a narrow path, and a tile that needs no more"),
            (headroom(250, 0.0, 150), false, true, "not much of a difference"),
            (headroom(230, 0.0, 150), true, true, "not even that fits"),
            (headroom(590, 0.0, 1500), true, true, "over 15 %"),
            (headroom(610, 0.0, 1500), false, true, "under 15 %, but not under 10 %"),
            (headroom(910, 0.0, 1500), false, false, "under 10 %"),
            (headroom(260, 0.06, 1500), false, false, "a path that loses much, with room"),
            (headroom(200, 0.06, 1500), false, true, "a dip of its estimate"),
            (headroom(170, 0.06, 1500), true, true, "a path that loses much, without"),
            (headroom(100, 0.0, 0), false, true, "sound alone"),
            (headroom(80, 0.0, 0), true, true, "sound alone, over even less"),
        ];
        let now = Instant::now();
        for (headroom, from_red, from_plain, what) in cases {
            assert_eq!(Sound::default().choose(now, headroom), from_red, "{what}");
            let mut sound = Sound { is_plain: true, changed: None };
            assert_eq!(sound.choose(now, headroom), from_plain, "{what}, plain before");
        }
    }

    #[test]
    fn it_does_not_go_to_and_fro() {
        let mut now = Instant::now() + Duration::from_secs(3600);
        let (mut sound, mut n_changes) = (Sound::default(), 0);
        for n in 0..400 {
            now += Duration::from_millis(250);
            let before = sound.is_plain();
            let is_narrow = n % 3 < 2;
            let is_plain =
                sound.choose(now, headroom(if is_narrow { 300 } else { 2000 }, 0.0, 1500));
            n_changes += usize::from(is_plain != before);
        }
        assert!((10..=20).contains(&n_changes), "{n_changes} in 100 s");
    }
}
