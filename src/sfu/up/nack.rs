//! PURE. Which packets of a source are missing, and when to ask for them (RFC 4585 6.2.1).
//!
//! A gap is asked for after a moment, since most gaps of a home network are reordering, and again
//! in fixed steps: the path's round trip is not known here, and a retransmission comes by another
//! source. It writes no RTCP.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Reordering that is not yet loss.
pub(super) const ASK_AFTER: Duration = Duration::from_millis(10);
/// Over a path of 100 ms, twice before the first retransmission can be there.
const ASK_EVERY: Duration = Duration::from_millis(70);
/// After 0.7 s a viewer has long asked for a keyframe.
const ASK_TIMES: u8 = 10;
/// Packets that are missed at a time; with more, a keyframe is the better remedy.
const MAX_MISSING: usize = 256;
/// A longer step of the sequence number is no loss: the source has begun anew.
const MAX_STEP: u16 = 512;

#[derive(Debug)]
struct Missed {
    sequence: u16,
    due: Instant,
    asked: u8,
}

/// The missing packets of one source.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    newest: Option<u16>,
    /// In the order of their numbers.
    missed: VecDeque<Missed>,
}

impl Missing {
    /// A packet is here, by itself or by a retransmission. True if there are new gaps: then
    /// [`Self::ask`] has something to do after [`ASK_AFTER`].
    pub(crate) fn received(&mut self, now: Instant, sequence: u16) -> bool {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return false;
        };
        let step = sequence.wrapping_sub(newest);
        if step >= 0x8000 || step == 0 {
            self.missed.retain(|missed| missed.sequence != sequence);
            return false;
        }
        self.newest = Some(sequence);
        if step > MAX_STEP {
            self.missed.clear();
            return false;
        }
        for ahead in 1..step {
            if self.missed.len() == MAX_MISSING {
                self.missed.pop_front();
            }
            let sequence = newest.wrapping_add(ahead);
            self.missed.push_back(Missed { sequence, due: now + ASK_AFTER, asked: 0 });
        }
        step > 1
    }

    /// Passes on what is to be asked for now. Returns when there is more to ask.
    pub(crate) fn ask(&mut self, now: Instant, mut pass: impl FnMut(u16)) -> Option<Instant> {
        for missed in self.missed.iter_mut().filter(|missed| missed.due <= now) {
            missed.asked += 1;
            missed.due = now + ASK_EVERY;
            pass(missed.sequence);
        }
        self.missed.retain(|missed| missed.asked < ASK_TIMES);
        self.missed.iter().map(|missed| missed.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        missing: Missing,
        start: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            // An hour ahead of the wall clock, so that reading that fails loudly.
            let start = Instant::now() + Duration::from_secs(3600);
            Self { missing: Missing::default(), start }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn received(&mut self, ms: u64, sequences: &[u16]) {
            for sequence in sequences {
                self.missing.received(self.at(ms), *sequence);
            }
        }

        fn asked(&mut self, ms: u64) -> Vec<u16> {
            let mut asked = Vec::new();
            self.missing.ask(self.at(ms), |sequence| asked.push(sequence));
            asked
        }
    }

    #[test]
    fn gaps_are_asked_for_after_a_moment_and_again_until_they_are_filled() {
        let mut fixture = Fixture::new();
        fixture.received(0, &[65_533, 65_534, 1, 2, 5]);
        assert_eq!(fixture.asked(9), [0_u16; 0]);
        assert_eq!(fixture.asked(10), [65_535, 0, 3, 4]);
        assert_eq!(fixture.asked(79), [0_u16; 0]);
        fixture.received(79, &[0, 3, 3, 5]);
        assert_eq!(fixture.asked(80), [65_535, 4]);
        fixture.received(81, &[65_535, 4]);
        assert_eq!(fixture.missing.ask(fixture.at(900), |_| panic!("all are here")), None);
    }

    #[test]
    fn reordering_is_not_asked_for() {
        let mut fixture = Fixture::new();
        fixture.received(0, &[1, 3]);
        fixture.received(5, &[2, 4]);
        assert_eq!(fixture.asked(100), [0_u16; 0]);
    }

    #[test]
    fn what_never_comes_is_asked_for_ten_times() {
        let mut fixture = Fixture::new();
        fixture.received(0, &[1, 3]);
        let n_asked: usize = (0..200).map(|step| fixture.asked(step * 10).len()).sum();
        assert_eq!(n_asked, 10);
        assert!(fixture.missing.missed.is_empty());
    }

    #[test]
    fn the_list_is_bounded_and_a_jump_is_a_new_beginning() {
        let mut fixture = Fixture::new();
        fixture.received(0, &[0, 500]);
        assert_eq!(fixture.asked(10).len(), MAX_MISSING);
        assert_eq!(fixture.missing.missed.front().map(|missed| missed.sequence), Some(244));
        fixture.received(20, &[2000]);
        assert_eq!(fixture.asked(200), [0_u16; 0]);
        fixture.received(200, &[2002]);
        assert_eq!(fixture.asked(300), [2001]);
    }
}
