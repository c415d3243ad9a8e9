//! PURE. When the worker looks at its socket again: wake-ups are rationed, as network cards ration
//! interrupts.
//!
//! A lone packet for many viewers is a message to each; two that leave together are one message to
//! each as well, at half the price. Where lone packets come by the hundred (a room in which all talk),
//! looking at once each time would spend most of the worker's time on sending them singly. So wake-ups
//! that send to many have a rate; up to it and for a short burst beyond nothing waits, and above it
//! what comes waits for the next turn, at most [`TURN`]. A pause ends by a timer, which is dear
//! itself: wake-ups that send little are not rationed.
//!
//! The generic cell rate algorithm (ITU-T I.371): one time is all its state.

use std::time::{Duration, Instant};

/// Between two wake-ups at the full rate: little beside a network's own jitter, and browsers' jitter
/// buffers hold ten times as much.
pub(crate) const TURN: Duration = Duration::from_millis(2);
/// How far wake-ups may run ahead of their rate: a frame comes in a few pieces, and is not to wait.
const AHEAD: Duration = Duration::from_millis(12);

/// A wake-up that sends fewer packets costs less than the pause would.
const WORTH: u64 = 8;

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

    /// A wake-up has brought packets, and so many were sent. How long the socket is to be left alone
    /// now; at most [`TURN`].
    pub(crate) fn pause(&mut self, now: Instant, n_sent: u64) -> Option<Duration> {
        if n_sent < WORTH {
            return None;
        }
        self.paid_until = self.paid_until.max(now) + TURN;
        let ahead = self.paid_until - now;
        ahead.checked_sub(AHEAD).filter(|pause| !pause.is_zero()).map(|pause| pause.min(TURN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 50;

    /// Wake-ups so far apart, each with the work it takes, for a second: how many there are, and the
    /// longest pause of them.
    fn second(apart: Duration, work: Duration, n_sent: u64) -> (u32, Duration) {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut moderation = Moderation::new(start);
        let (mut now, mut n, mut longest) = (start, 0, Duration::ZERO);
        while now < start + Duration::from_secs(1) {
            n += 1;
            let pause = moderation.pause(now + work, n_sent).unwrap_or_default();
            longest = longest.max(pause);
            now += (work + pause).max(apart);
        }
        (n, longest)
    }

    #[test]
    fn up_to_the_rate_nothing_waits_and_above_it_wake_ups_keep_to_it() {
        let us = Duration::from_micros;
        assert_eq!(second(us(20_000), us(50), MANY), (50, Duration::ZERO));
        assert_eq!(second(us(2_000), us(50), MANY), (500, Duration::ZERO));
        let (n, longest) = second(us(500), us(50), MANY);
        assert!((500..=510).contains(&n), "{n}");
        assert!(longest > us(1_000) && longest <= TURN, "{longest:?}");
        // Whoever has work for the whole turn does not pause beside it.
        let (n, longest) = second(us(0), us(3_000), MANY);
        assert_eq!((n, longest), (334, Duration::ZERO));
    }

    #[test]
    fn wake_ups_that_send_little_never_wait() {
        let us = Duration::from_micros;
        let (n, longest) = second(us(500), us(5), WORTH - 1);
        assert_eq!((n, longest), (2000, Duration::ZERO));
    }

    #[test]
    fn a_frame_in_pieces_does_not_wait() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut moderation = Moderation::new(start);
        for frame in 0..30 {
            for piece in 0..5 {
                let now = start + Duration::from_micros(33_333 * frame + 200 * piece);
                assert_eq!(moderation.pause(now, MANY), None, "{frame} {piece}");
            }
        }
    }
}
