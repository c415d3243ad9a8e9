//! PURE. When the worker looks at its socket again: wake-ups are rationed, as network cards ration
//! interrupts.
//!
//! A wake-up for one lone packet costs as much as thirty packets of a frame: the task switch, and a
//! processor that has forgotten the way. Where lone packets come by the hundred (a room in which all
//! talk), looking at once each time would spend most of the worker's time on waking. So wake-ups that
//! bring packets have a rate; up to it and for a short burst beyond nothing waits, and above it what
//! comes waits for the next turn, at most [`TURN`]. Then several packets of a viewer leave together.
//!
//! The generic cell rate algorithm (ITU-T I.371): one time is all its state.

use std::time::{Duration, Instant};

/// Between two wake-ups at the full rate: little beside a network's own jitter, and browsers' jitter
/// buffers hold ten times as much.
pub(crate) const TURN: Duration = Duration::from_millis(2);
/// How far wake-ups may run ahead of their rate: a frame comes in a few pieces, and is not to wait.
const AHEAD: Duration = Duration::from_millis(12);

/// The ration of one worker.
#[derive(Debug)]
pub(crate) struct Moderation {
    /// Until when wake-ups are paid for.
    paid_until: Instant,
}

impl Moderation {
    pub(crate) fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    /// A wake-up has brought packets. How long the socket is to be left alone now; at most [`TURN`].
    pub(crate) fn pause(&mut self, now: Instant) -> Option<Duration> {
        self.paid_until = self.paid_until.max(now) + TURN;
        let ahead = self.paid_until - now;
        ahead.checked_sub(AHEAD).filter(|pause| !pause.is_zero()).map(|pause| pause.min(TURN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wake-ups so far apart, each with the work it takes, for a second: how many there are, and the
    /// longest pause of them.
    fn second(apart: Duration, work: Duration) -> (u32, Duration) {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut moderation = Moderation::new(start);
        let (mut now, mut n, mut longest) = (start, 0, Duration::ZERO);
        while now < start + Duration::from_secs(1) {
            n += 1;
            let pause = moderation.pause(now + work).unwrap_or_default();
            longest = longest.max(pause);
            now += (work + pause).max(apart);
        }
        (n, longest)
    }

    #[test]
    fn up_to_the_rate_nothing_waits_and_above_it_wake_ups_keep_to_it() {
        let us = Duration::from_micros;
        assert_eq!(second(us(20_000), us(50)), (50, Duration::ZERO));
        assert_eq!(second(us(2_000), us(50)), (500, Duration::ZERO));
        let (n, longest) = second(us(500), us(50));
        assert!((500..=510).contains(&n), "{n}");
        assert!(longest > us(1_000) && longest <= TURN, "{longest:?}");
        // Whoever has work for the whole turn does not pause beside it.
        let (n, longest) = second(us(0), us(3_000));
        assert_eq!((n, longest), (334, Duration::ZERO));
    }

    #[test]
    fn a_frame_in_pieces_does_not_wait() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut moderation = Moderation::new(start);
        for frame in 0..30 {
            for piece in 0..5 {
                let now = start + Duration::from_micros(33_333 * frame + 200 * piece);
                assert_eq!(moderation.pause(now), None, "{frame} {piece}");
            }
        }
    }
}
