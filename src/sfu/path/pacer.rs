//! How fast what a viewer is owed may leave: a bucket of bytes that fills at the path's rate.
//!
//! A burst leaves at once as far as the bucket goes, what is beyond waits. It owns no packets and
//! sends nothing: whoever sends asks for room, and says what was sent.

use std::time::{Duration, Instant};

/// Of what the path carries: more, be it by an error, would fill its queue while a keyframe leaves.
const FACTOR: f64 = 0.9;
/// Of a path whose limit is known so much leaves at once: what waits in a router must fit its queue.
const BURST: Duration = Duration::from_millis(25);
/// But at least three packets, and of a path whose limit is not known this (the design's 64 KB).
const BURST_BYTES: (f64, f64) = (3_600.0, 65_536.0);
/// What a path in the same house is taken to carry until something shows its limit, bits a second.
const NEAR_BPS: f64 = 50_000_000.0;
/// Where too much is under way, feedback says when it goes on; without any it is tried this often.
const FULL: Duration = Duration::from_millis(100);
/// What waits leaves in steps of this: one message to the kernel for several packets.
const STEP: Duration = Duration::from_millis(5);

/// What is known of the path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// What it carries as far as is known, bits a second.
    pub bps: f64,
    /// Something has shown the path's limit; else that is a hope.
    pub is_measured: bool,
    /// The viewer is in the same house.
    pub is_near: bool,
}

/// The bucket.
#[derive(Debug)]
pub struct Pacer {
    bytes_a_second: f64,
    most: f64,
    /// Below 0 where something had to leave all the same.
    bytes: f64,
    filled: Instant,
    /// Too much is under way already.
    is_full: bool,
}

impl Pacer {
    /// A full bucket.
    pub fn new(now: Instant, pace: Pace) -> Self {
        let mut pacer =
            Self { bytes_a_second: 0.0, most: 0.0, bytes: 0.0, filled: now, is_full: false };
        pacer.set(now, pace);
        pacer.bytes = pacer.most;
        pacer
    }

    /// More is known of the path.
    pub fn set(&mut self, now: Instant, pace: Pace) {
        self.refill(now);
        let bps = match pace.is_near && !pace.is_measured {
            true => pace.bps.max(NEAR_BPS),
            false => pace.bps,
        };
        self.bytes_a_second = FACTOR * bps / 8.0;
        self.most = match pace.is_measured {
            true => (bps / 8.0 * BURST.as_secs_f64()).clamp(BURST_BYTES.0, BURST_BYTES.1),
            false => BURST_BYTES.1,
        };
        self.bytes = self.bytes.min(self.most);
    }

    /// Time has passed.
    #[inline]
    pub fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled);
        self.filled = self.filled.max(now);
        self.bytes = (self.bytes + elapsed.as_secs_f64() * self.bytes_a_second).min(self.most);
    }

    /// Whether so much is under way that nothing more may leave.
    #[inline]
    pub fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    /// A probe is due so many bytes: what waits may leave for them.
    pub fn allow(&mut self, len: usize) {
        self.bytes = self.bytes.max(len as f64);
    }

    /// A packet may leave now.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.bytes > 0.0 && !self.is_full
    }

    /// A packet of so many bytes has left.
    #[inline]
    pub fn spend(&mut self, len: usize) {
        // What has to leave (sound) may not cost the picture more than half a second.
        self.bytes = (self.bytes - len as f64).max(-0.5 * self.bytes_a_second);
    }

    /// When what waits may go on.
    pub fn due(&self, now: Instant) -> Instant {
        if self.is_full {
            return now + FULL;
        }
        let lacks = (-self.bytes).max(0.0) / self.bytes_a_second.max(1.0);
        now + STEP.max(Duration::from_secs_f64(lacks.min(1.0)))
    }

    /// How long so many bytes take to leave.
    pub fn takes(&self, bytes: usize) -> Duration {
        let rest = (bytes as f64 - self.bytes).max(0.0);
        Duration::from_secs_f64((rest / self.bytes_a_second.max(1.0)).min(3600.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that leave at once, and the time until 150 KB are out, in packets of 1200.
    fn burst_and_time(pace: Pace) -> (usize, Duration) {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut pacer = Pacer::new(start, pace);
        let (mut now, mut sent, mut burst) = (start, 0, 0);
        let expected = pacer.takes(150_000);
        while sent < 150_000 {
            pacer.refill(now);
            while pacer.has_room() && sent < 150_000 {
                pacer.spend(1200);
                sent += 1200;
            }
            burst = if now == start { sent } else { burst };
            now = pacer.due(now);
        }
        let took = now - start;
        assert!(took.abs_diff(expected) <= Duration::from_millis(40), "{took:?} {expected:?}");
        (burst, took)
    }

    #[test]
    fn a_known_limit_spreads_a_keyframe_and_an_unknown_one_hardly() {
        let pace = |bps, is_measured, is_near| Pace { bps, is_measured, is_near };
        let ms = Duration::from_millis;
        let (burst, took) = burst_and_time(pace(1e6, true, true));
        assert!(burst <= 6_000 && (ms(1250)..ms(1400)).contains(&took), "{burst} {took:?}");
        let (burst, took) = burst_and_time(pace(300_000.0, true, false));
        assert!(burst <= 4_800 && (ms(4200)..ms(4500)).contains(&took), "{burst} {took:?}");
        let (burst, took) = burst_and_time(pace(6e6, false, false));
        assert!((64_000..67_000).contains(&burst) && took <= ms(150), "{burst} {took:?}");
        let (_, took) = burst_and_time(pace(6e6, false, true));
        assert!(took <= ms(30), "{took:?}");
    }

    #[test]
    fn nothing_leaves_while_too_much_is_under_way() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut pacer = Pacer::new(start, Pace { bps: 6e6, is_measured: false, is_near: false });
        assert!(pacer.has_room());
        pacer.set_full(true);
        assert!(!pacer.has_room() && pacer.due(start) == start + FULL);
        pacer.allow(1200);
        assert!(!pacer.has_room(), "nor for a probe");
        pacer.set_full(false);
        assert!(pacer.has_room());
    }

    #[test]
    fn what_had_to_leave_is_owed_but_not_for_long() {
        let start = Instant::now() + Duration::from_secs(3600);
        let pace = Pace { bps: 100_000.0, is_measured: true, is_near: false };
        let mut pacer = Pacer::new(start, pace);
        (0..1000).for_each(|_| pacer.spend(200));
        assert!(!pacer.has_room() && pacer.due(start) <= start + Duration::from_millis(500));
        pacer.refill(start + Duration::from_millis(501));
        assert!(pacer.has_room());
        pacer.refill(start);
        assert!(pacer.has_room(), "time does not go back");
    }
}
