//! PURE. What a worker has to do, and how it measures that.

use std::time::{Duration, Instant};

/// How often a worker says how busy it is.
const MEASURE: Duration = Duration::from_secs(1);
/// Workers whose shares differ by less than this are equally busy, per mille: connections decide.
const ALIKE: u16 = 100;

/// What a worker has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    /// Connections, both ways, of all its rooms.
    pub(crate) n_connections: usize,
    /// Rooms.
    pub(crate) n_rooms: usize,
    /// Share of its time that it spends on packets, per mille of the last second.
    pub(crate) busy: u16,
    /// Its thread has ended.
    pub(crate) is_gone: bool,
}

impl Load {
    /// The least is the worker that has least to do.
    pub(crate) fn rank(&self) -> (bool, u16, usize, usize) {
        (self.is_gone, self.busy / ALIKE, self.n_connections, self.n_rooms)
    }
}

/// How busy a thread is: the time between two waits, as a share of all time.
#[derive(Debug, Clone)]
pub(crate) struct BusyMeter {
    since: Instant,
    busy: Duration,
}

impl BusyMeter {
    /// Begins to measure.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, busy: Duration::ZERO }
    }

    /// It was awake from `began` to `ended`. Once a second the share since the last time, per mille.
    pub(crate) fn add(&mut self, began: Instant, ended: Instant) -> Option<u16> {
        self.busy += ended.saturating_duration_since(began);
        let all = ended.saturating_duration_since(self.since);
        if all < MEASURE {
            return None;
        }
        let share = self.busy.as_secs_f64() / all.as_secs_f64();
        *self = Self::new(ended);
        Some((share * 1000.0).min(1000.0) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_the_share_of_time_between_waits() {
        let start = Instant::now() + Duration::from_secs(3600);
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut meter = BusyMeter::new(start);
        assert_eq!(meter.add(at(100), at(200)), None);
        assert_eq!(meter.add(at(600), at(1000)), Some(500));
        assert_eq!(meter.add(at(2900), at(3000)), Some(50), "anew");
        assert_eq!(meter.add(at(3000), at(5000)), Some(1000));
    }
}
