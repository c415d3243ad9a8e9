//! When the worker has to wake: one heap for all its connections, tracks and rooms.
//!
//! Owns no deadline: each thing knows its own and remembers its earliest entry here. An entry whose
//! thing's deadline has moved on (as most do, packet by packet) is put back when it comes up.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
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

impl TimerKey {
    /// The number of its room.
    pub(crate) fn room(self) -> u32 {
        let (Self::Up(room, _) | Self::Down(room, _) | Self::Track(room, _) | Self::Room(room)) =
            self;
        room
    }
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

    /// When the next thing is due. `deadline` tells what one has to say to its earliest entry: its
    /// deadline now, or `None` if it remembers another entry or has none. The worker does not wake
    /// for what has moved on.
    pub(crate) fn next(
        &mut self,
        mut deadline: impl FnMut(Instant, TimerKey) -> Option<Instant>,
    ) -> Option<Instant> {
        while let Some(mut entry) = self.heap.peek_mut() {
            let Reverse((due, key)) = *entry;
            match deadline(due, key) {
                Some(later) if later > due => entry.0.0 = later,
                Some(_) => return Some(due),
                None => {
                    PeekMut::pop(entry);
                }
            }
        }
        None
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
        let next = |timers: &mut Timers| timers.next(|due, _| Some(due));
        assert_eq!((next(&mut timers), scheduled), (Some(at(50)), Some(at(50))));
        timers.schedule(key, Some(at(20)), &mut scheduled);
        assert_eq!((next(&mut timers), scheduled), (Some(at(20)), Some(at(20))));
        timers.schedule(key, None, &mut scheduled);
        assert_eq!(timers.pop(at(19)), None);
        assert_eq!(timers.pop(at(60)), Some((at(20), key)));
        scheduled = None;
        timers.schedule_again(at(60), key, Some(at(10)), &mut scheduled);
        assert_eq!(scheduled, Some(at(61)));
        assert_eq!(timers.pop(at(60)), Some((at(50), key)), "stale: the thing remembers 61");
        assert_eq!(timers.pop(at(60)), None);
    }

    #[test]
    fn nobody_wakes_for_what_has_moved_on_or_is_gone() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for (index, due) in [(0, 10), (1, 20), (2, 30)] {
            timers.schedule(TimerKey::Up(0, index), Some(at(due)), &mut None);
        }
        let next = timers.next(|due, key| match key {
            TimerKey::Up(_, 0) => None,
            TimerKey::Up(_, 1) => Some(at(40)),
            _ => Some(due),
        });
        assert_eq!(next, Some(at(30)));
        assert_eq!(timers.pop(at(100)), Some((at(30), TimerKey::Up(0, 2))));
        assert_eq!(timers.pop(at(100)), Some((at(40), TimerKey::Up(0, 1))));
        assert_eq!(timers.pop(at(100)), None, "the first is gone");
    }
}
