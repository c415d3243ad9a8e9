//! How much of something is allowed in a second.
//!
//! PURE: a bucket that fills with time, which is an argument.

use std::time::{Duration, Instant};

/// What is left of one second's worth, in bytes. A second's worth may go at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: u64,
    at: Instant,
}

impl Bucket {
    /// Full at first.
    pub(crate) fn new(full: u64, now: Instant) -> Self {
        Self { left: full, at: now }
    }

    /// Takes `len` where there is as much; `per_second` 0 is no limit.
    pub(crate) fn take(&mut self, per_second: u64, len: usize, now: Instant) -> bool {
        if per_second == 0 {
            return true;
        }
        self.fill(per_second, per_second, now);
        let len = len as u64;
        let enough = self.left >= len;
        if enough {
            self.left -= len;
        }
        enough
    }

    /// What has come since, up to `full`.
    pub(crate) fn fill(&mut self, per_second: u64, full: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).min(Duration::from_secs(1_000));
        let more = (passed.as_micros() as u64).saturating_mul(per_second) / 1_000_000;
        // A part of a byte must not be lost by asking often: time moves on only with what it gave.
        if more > 0 || passed >= Duration::from_secs(1) {
            self.at = now;
            self.left = self.left.saturating_add(more).min(full);
        }
    }

    /// Adds beyond what time gives, up to `full`.
    pub(crate) fn add(&mut self, len: usize, full: u64) {
        self.left = self.left.saturating_add(len as u64).min(full.max(self.left));
    }

    /// Takes `len` of what is there.
    pub(crate) fn spend(&mut self, len: usize) -> bool {
        let enough = self.left >= len as u64;
        if enough {
            self.left -= len as u64;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_gives_a_seconds_worth_however_often_it_is_asked() {
        let start = Instant::now();
        for step_ms in [1, 7, 100, 999] {
            let mut bucket = Bucket::new(1_000, start);
            let mut taken = 0;
            for at_ms in (0..10_000).step_by(step_ms) {
                let now = start + Duration::from_millis(at_ms as u64);
                while bucket.take(1_000, 10, now) {
                    taken += 10;
                }
            }
            assert!((10_500..=11_000).contains(&taken), "{step_ms}: {taken}");
        }
    }

    #[test]
    fn nothing_is_no_limit() {
        let start = Instant::now();
        let mut bucket = Bucket::new(0, start);
        assert!((0..1_000).all(|_| bucket.take(0, 60_000, start)));
    }
}
