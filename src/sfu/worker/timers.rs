//! When the worker has to wake: one heap for all its connections, tracks and rooms.
//!
//! Owns no deadline: each thing knows its own and remembers its earliest entry here. An entry that
//! comes up too early is put back, so a deadline that moves on (as most do, packet by packet) costs
//! nothing.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// A thing whose deadline has just been served is not served again before.
const SHORTEST: Duration = Duration::from_millis(1);

/// What is to be woken. Numbers are those of the worker's rooms and of the room's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// An `up` connection.
    Up(u32, usize),
    /// A `down` connection.
    Down(u32, usize),
    /// A track's keyframe request.
    Track(u32, usize),
    /// Paths, sender reports.
    Room(u32),
}

/// The heap.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, TimerKey)>>,
}

impl Timers {
    /// `due` is the thing's deadline now; `scheduled` is where it remembers its earliest entry.
    pub(crate) fn schedule(
        &mut self,
        key: TimerKey,
        due: Option<Instant>,
        scheduled: &mut Option<Instant>,
    ) {
        if let Some(due) = due
            && scheduled.is_none_or(|earlier| due < earlier)
        {
            *scheduled = Some(due);
            self.heap.push(Reverse((due, key)));
        }
    }

    /// Like [`Timers::schedule`], of a thing that was served at `now`: a deadline that has passed
    /// already must not keep the worker from everything else.
    pub(crate) fn schedule_again(
        &mut self,
        now: Instant,
        key: TimerKey,
        due: Option<Instant>,
        scheduled: &mut Option<Instant>,
    ) {
        self.schedule(key, due.map(|due| due.max(now + SHORTEST)), scheduled);
    }

    /// The next entry that is due. It counts only if the thing remembers this very instant.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, TimerKey)> {
        let Reverse((due, key)) = *self.heap.peek()?;
        if due > now {
            return None;
        }
        self.heap.pop();
        Some((due, key))
    }

    /// When the next entry comes up.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_moves_on_costs_no_entry_and_one_that_comes_nearer_is_kept() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let (mut timers, mut scheduled) = (Timers::default(), None);
        let key = TimerKey::Up(0, 1);
        timers.schedule(key, Some(at(50)), &mut scheduled);
        timers.schedule(key, Some(at(90)), &mut scheduled);
        assert_eq!((timers.next(), scheduled), (Some(at(50)), Some(at(50))));
        timers.schedule(key, Some(at(20)), &mut scheduled);
        assert_eq!((timers.next(), scheduled), (Some(at(20)), Some(at(20))));
        timers.schedule(key, None, &mut scheduled);
        assert_eq!(timers.pop(at(19)), None);
        assert_eq!(timers.pop(at(60)), Some((at(20), key)));
        scheduled = None;
        timers.schedule_again(at(60), key, Some(at(10)), &mut scheduled);
        assert_eq!(scheduled, Some(at(61)));
        assert_eq!(timers.pop(at(60)), Some((at(50), key)), "stale: the thing remembers 61");
        assert_eq!(timers.pop(at(60)), None);
    }
}
