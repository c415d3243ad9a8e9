//! How much one address may do: joins in a minute.
//!
//! They are counted under a lock that is held for a look-up and never across an await. An address that
//! did nothing for a minute is forgotten.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Addresses remembered before idle ones are swept out.
const SWEEP_ABOVE: usize = 256;

/// Joins of the last minute by address.
#[derive(Debug, Default)]
pub(super) struct JoinRate {
    joins: Mutex<HashMap<IpAddr, VecDeque<Instant>>>,
}

impl JoinRate {
    /// Counts a join of `ip` at `now`, if it had fewer than `limit` in the minute before.
    pub(super) fn allow(&self, ip: IpAddr, limit: usize, now: Instant) -> bool {
        let recent = |at: &Instant| now.saturating_duration_since(*at) < MINUTE;
        let mut joins = locked(&self.joins);
        if joins.len() > SWEEP_ABOVE {
            joins.retain(|_, joins| joins.back().is_some_and(recent));
        }
        let joins = joins.entry(ip).or_default();
        while joins.front().is_some_and(|at| !recent(at)) {
            joins.pop_front();
        }
        let allowed = joins.len() < limit;
        if allowed {
            joins.push_back(now);
        }
        allowed
    }
}

/// Counting survives a panic elsewhere.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_are_counted_over_the_minute_that_slides() {
        let rate = JoinRate::default();
        let ip = IpAddr::from([10, 0, 0, 1]);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let joins = [(0, true), (10, true), (20, false), (60, true), (61, false), (70, true)];
        for (second, expected) in joins {
            assert_eq!(rate.allow(ip, 2, at(second)), expected, "at {second} s");
        }
        for host in 0..=u8::MAX {
            assert!(rate.allow(IpAddr::from([10, 0, 1, host]), 2, at(70)));
        }
        assert!(rate.allow(IpAddr::from([10, 0, 2, 1]), 2, at(200)));
        assert_eq!(locked(&rate.joins).len(), 1, "the idle ones are forgotten");
    }
}
