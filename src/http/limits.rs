//! How much one address may have and do: open connections, joins in a minute.
//!
//! Both are counted under a lock that is held for a look-up and never across an await. An address
//! that has nothing open and did nothing for a minute is forgotten.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Addresses remembered before idle ones are swept out.
const SWEEP_ABOVE: usize = 256;

/// Open connections by address.
#[derive(Debug, Default, Clone)]
pub(super) struct Connections {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One open connection; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Connections,
    ip: IpAddr,
}

impl Connections {
    /// A place for one more connection of `ip`, if it has fewer than `limit`.
    pub(super) fn enter(&self, ip: IpAddr, limit: usize) -> Option<Slot> {
        let mut open = locked(&self.open);
        let count = open.entry(ip).or_default();
        if *count >= limit {
            if *count == 0 {
                open.remove(&ip);
            }
            return None;
        }
        *count += 1;
        Some(Slot { connections: self.clone(), ip })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = locked(&self.connections.open);
        if let Some(count) = open.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.ip);
            }
        }
    }
}

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
    fn an_address_has_so_many_connections_and_no_more() {
        let connections = Connections::default();
        let [a, b] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        let first = connections.enter(a, 2).expect("the first");
        let _second = connections.enter(a, 2).expect("the second");
        assert!(connections.enter(a, 2).is_none());
        assert!(connections.enter(b, 2).is_some());
        drop(first);
        assert!(connections.enter(a, 2).is_some());
        assert!(connections.enter(b, 0).is_none());
        assert_eq!(locked(&connections.open).len(), 1);
    }

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
