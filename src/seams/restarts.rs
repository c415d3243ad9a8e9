//! PURE. How often a thread that handles what comes from the network may begin anew.
//!
//! A panic that comes once is survived. One that comes again and again is a fault that beginning anew
//! does not mend: then the thread ends, and the box says so.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// More than so many...
const MAX_RESTARTS: usize = 5;
/// ...within this time are too many.
const WITHIN: Duration = Duration::from_secs(60);

/// Of one thread.
#[derive(Debug, Default)]
pub struct Restarts {
    newest: VecDeque<Instant>,
}

impl Restarts {
    /// It has panicked: whether it may begin anew.
    pub fn allows(&mut self, now: Instant) -> bool {
        while self.newest.front().is_some_and(|at| now.saturating_duration_since(*at) > WITHIN) {
            self.newest.pop_front();
        }
        let allowed = self.newest.len() < MAX_RESTARTS;
        if allowed {
            self.newest.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_in_a_minute_and_no_more_until_one_is_old() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut restarts = Restarts::default();
        for second in 0..5 {
            assert!(restarts.allows(start + Duration::from_secs(second)));
        }
        assert!(!restarts.allows(start + Duration::from_secs(59)));
        assert!(restarts.allows(start + Duration::from_secs(61)));
        assert!(!restarts.allows(start + Duration::from_secs(61)));
        // Now and then it may for ever.
        for minute in 2..10_000 {
            assert!(restarts.allows(start + Duration::from_secs(61 * minute)));
        }
        assert!(restarts.newest.len() <= MAX_RESTARTS);
    }
}
