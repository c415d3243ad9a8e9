//! How often a keyframe is asked of the encoder.
//!
//! A request closer than [`KEYFRAME_GAP`] to the last one is not lost but waits for the gap's end:
//! whoever asked may have missed that last keyframe. PURE.

use std::time::{Duration, Instant};

/// Shortest time between two keyframes that were asked for. A crowd that joins asks once each.
pub const KEYFRAME_GAP: Duration = Duration::from_millis(500);

/// Lets keyframe requests through.
#[derive(Debug, Default)]
pub struct KeyframeGate {
    last: Option<Instant>,
    waiting: bool,
}

impl KeyframeGate {
    /// Somebody wants one. True: ask the encoder now.
    pub fn ask(&mut self, now: Instant) -> bool {
        self.waiting = true;
        self.tick(now)
    }

    /// A picture has passed. True: ask the encoder now, for one that had to wait.
    pub fn tick(&mut self, now: Instant) -> bool {
        let open = self.last.is_none_or(|last| now.saturating_duration_since(last) >= KEYFRAME_GAP);
        if !(self.waiting && open) {
            return false;
        }
        self.waiting = false;
        self.last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_gets_one_now_and_one_after_the_gap() {
        let start = Instant::now() + Duration::from_secs(3600);
        let at = |ms| start + Duration::from_millis(ms);
        let mut gate = KeyframeGate::default();
        assert!(!gate.tick(at(0)), "nobody asked");
        assert!(gate.ask(at(0)));
        for ms in 1..=48 {
            assert!(!gate.ask(at(ms)));
        }
        assert!(!gate.tick(at(499)));
        assert!(gate.tick(at(500)));
        assert!(!gate.tick(at(2000)), "all are served");
        assert!(gate.ask(at(2000)));
    }
}
