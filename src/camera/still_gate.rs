//! Which of a camera's pictures become stills.
//!
//! Somebody asks: so many a second. Nobody does: one now and then while pictures flow anyway, so that
//! there is one to show at once. PURE.

use std::time::{Duration, Instant};

/// Between two stills while somebody asks: ten a second are as many as a JPEG stream is good for.
pub const STILL_GAP: Duration = Duration::from_millis(95);
/// Between two stills while nobody asks.
pub const POSTER_GAP: Duration = Duration::from_secs(10);

/// Lets pictures become stills.
#[derive(Debug, Default)]
pub struct StillGate {
    last: Option<Instant>,
}

impl StillGate {
    /// Whether a picture that comes now should become one. `flows`: it is there anyway.
    pub fn is_due(&self, now: Instant, is_wanted: bool, flows: bool) -> bool {
        let gap = match (is_wanted, flows) {
            (true, _) => STILL_GAP,
            (false, true) => POSTER_GAP,
            (false, false) => return false,
        };
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= gap)
    }

    /// One has.
    pub fn taken(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stills_are_few_while_nobody_asks_and_none_where_no_picture_flows() {
        let start = Instant::now() + Duration::from_secs(3600);
        // 30 pictures a second for a minute.
        let n_stills = |is_wanted, flows| {
            let mut gate = StillGate::default();
            let mut n_stills = 0;
            for n in 0..1800 {
                let now = start + Duration::from_secs(n) / 30;
                if gate.is_due(now, is_wanted, flows) {
                    gate.taken(now);
                    n_stills += 1;
                }
            }
            n_stills
        };
        assert_eq!(n_stills(false, false), 0);
        assert_eq!(n_stills(false, true), 6);
        assert_eq!(n_stills(true, true), 600);
        assert_eq!(n_stills(true, false), 600, "asked for, they are made all the same");
    }
}
