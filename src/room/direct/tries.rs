//! How often a pair is tried whose direct path does not come about or does not hold.

use std::time::{Duration, Instant};

use crate::{ids::MemberId, protocol::DirectPolicy, room::Room};

/// After the first failure; it doubles with each.
pub(in crate::room) const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause of a pair that has no other path.
const LONGEST_PAUSE: Duration = Duration::from_secs(40);
/// Failures in a row after which a pair is left alone until a network is another one.
const TRIES: u32 = 2;
/// Failures in a row after which it is left alone for good.
pub(in crate::room) const MOST_TRIES: u32 = 6;
/// A path that held for so long was a good one.
const HELD: Duration = Duration::from_secs(60);

/// A pair that was tried in vain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble {
    pub(super) members: [MemberId; 2],
    n_failures: u32,
    again_at: Instant,
    /// Of another network at one of them.
    pub(super) needs_news: bool,
}

impl Room {
    /// A direct path did not come about, or held for so long.
    pub(super) fn note_failure(&mut self, now: Instant, held: Duration) {
        let Some(pair) = &self.direct.pair else { return };
        let before = self.direct.trouble.filter(|trouble| trouble.members == pair.members);
        let n_before = before.map_or(0, |trouble| trouble.n_failures);
        let n_failures = if held >= HELD { 1 } else { n_before + 1 };
        let pause = FIRST_PAUSE * 2_u32.pow((n_failures - 1).min(10));
        self.direct.trouble = Some(Trouble {
            members: pair.members,
            n_failures,
            again_at: now + pause.min(LONGEST_PAUSE),
            needs_news: n_failures >= TRIES,
        });
    }

    /// When a pair may be tried again after it failed; `None`: not as things are.
    pub(super) fn again_at(&self, members: [MemberId; 2]) -> Option<Option<Instant>> {
        let Some(trouble) = self.direct.trouble.filter(|trouble| trouble.members == members) else {
            return Some(None);
        };
        let is_only_path = self.rules.direct == DirectPolicy::Only;
        let is_over = trouble.n_failures >= MOST_TRIES || trouble.needs_news;
        (is_only_path || !is_over).then_some(Some(trouble.again_at))
    }

    pub(super) fn may_be_tried(&self, members: [MemberId; 2], now: Instant) -> bool {
        let may = self.again_at(members).is_some_and(|at| at.is_none_or(|at| at <= now));
        may && self.are_connected(members)
    }
}
