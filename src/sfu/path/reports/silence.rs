//! Reports that stop, while packets go out that ought to be told of.

use super::{MAX_STREAMS, STALE_US};

/// After the first step down.
const STEP_US: u64 = 3_000_000;
/// A stream that has sent so many packets since its last sender report sends; fewer may be all lost.
const SENDS: u32 = 5;

/// Since when nothing is told.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Packets of each stream at its last sender report.
    sent: Vec<u32>,
    /// The first and the newest sender report of a stream that sends, since something was told.
    asked_us: Option<(u64, u64)>,
    n_steps: u64,
    /// Whoever never reports is no sign of anything.
    reports: bool,
}

impl Silence {
    /// A stream has sent so many packets in all.
    pub(super) fn asked(&mut self, now_us: u64, stream: usize, n_packets: u32) {
        if stream >= MAX_STREAMS {
            return;
        }
        if self.sent.len() <= stream {
            self.sent.resize(stream + 1, 0);
        }
        let before = std::mem::replace(&mut self.sent[stream], n_packets);
        if n_packets.wrapping_sub(before) >= SENDS {
            self.asked_us = Some((self.asked_us.map_or(now_us, |(first, _)| first), now_us));
        }
    }

    /// Something was told.
    pub(super) fn heard(&mut self) {
        (self.asked_us, self.n_steps, self.reports) = (None, 0, true);
    }

    /// More is tried: whoever does not answer that is silent anew.
    pub(super) fn forgive(&mut self) {
        (self.asked_us, self.n_steps) = (None, 0);
    }

    /// Packets still go out into it.
    pub(super) fn lasts(&self, now_us: u64) -> bool {
        self.n_steps > 0 && self.asked_us.is_some_and(|(_, newest)| now_us < newest + STALE_US)
    }

    /// A step down is due.
    pub(super) fn step(&mut self) -> bool {
        let Some((first_us, newest_us)) = self.asked_us.filter(|_| self.reports) else {
            return false;
        };
        let is_due = newest_us - first_us >= STALE_US + self.n_steps * STEP_US;
        self.n_steps += u64::from(is_due);
        is_due
    }
}
