//! When the worker has to wake: one order for all its connections, tracks and rooms.
//!
//! Owns no deadline: each thing knows its own and remembers its one entry here, which goes when an
//! earlier one takes its place, or the thing ends. An entry whose thing's deadline has moved on (as
//! most do, packet by packet) is put back when it comes up.

use std::{
    collections::BTreeSet,
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

/// All entries, the next one first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    entries: BTreeSet<(Instant, TimerKey)>,
}

impl Timers {
    /// `due` is the thing's deadline now; `scheduled` is where it remembers its entry.
    pub(crate) fn schedule(
        &mut self,
        key: TimerKey,
        due: Option<Instant>,
        scheduled: &mut Option<Instant>,
    ) {
        if let Some(due) = due
            && scheduled.is_none_or(|earlier| due < earlier)
        {
            self.cancel(key, scheduled);
            *scheduled = Some(due);
            self.entries.insert((due, key));
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

    /// The thing ends, or wants to be woken no more.
    pub(crate) fn cancel(&mut self, key: TimerKey, scheduled: &mut Option<Instant>) {
        if let Some(due) = scheduled.take() {
            self.entries.remove(&(due, key));
        }
    }

    /// The next entry that is due. It counts only if the thing remembers this very instant.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, TimerKey)> {
        if self.entries.first()?.0 > now {
            return None;
        }
        self.entries.pop_first()
    }

    /// When the next thing is due. `deadline` tells what one has to say to its entry: its deadline
    /// now, or `None` if it remembers another entry or has none. The worker does not wake for what
    /// has moved on.
    pub(crate) fn next(
        &mut self,
        mut deadline: impl FnMut(Instant, TimerKey) -> Option<Instant>,
    ) -> Option<Instant> {
        while let Some(&(due, key)) = self.entries.first() {
            match deadline(due, key) {
                Some(later) if later > due => {
                    self.entries.remove(&(due, key));
                    self.entries.insert((later, key));
                }
                Some(_) => return Some(due),
                None => {
                    self.entries.pop_first();
                }
            }
        }
        None
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
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
        assert_eq!(timers.pop(at(60)), None, "the thing remembers 61, and nothing else waits");
        assert_eq!(timers.pop(at(61)), Some((at(61), key)));
    }

    #[test]
    fn a_thing_has_one_entry_through_ten_thousand_turns() {
        let start = Instant::now();
        let (mut timers, mut scheduled) = (Timers::default(), None);
        let key = TimerKey::Down(0, 1);
        let mut now = start;
        for _ in 0..10_000 {
            // As a paced viewer has it: silence in four seconds, the next packet in a moment.
            timers.schedule_again(now, key, Some(now + Duration::from_secs(4)), &mut scheduled);
            timers.schedule(key, Some(now + 5 * SHORTEST), &mut scheduled);
            now += 5 * SHORTEST;
            assert_eq!(timers.pop(now), Some((now, key)));
            scheduled = None;
            assert_eq!(timers.len(), 0);
        }
        timers.schedule(key, Some(now), &mut scheduled);
        timers.cancel(key, &mut scheduled);
        assert_eq!((timers.len(), scheduled), (0, None), "nothing is left of what ends");
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
