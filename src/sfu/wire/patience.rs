//! What is done where the socket's one buffer is full: a short wait, sound first, and the rest is
//! dropped.
//!
//! A keyframe for fifty viewers is more than many systems' buffers hold, and is on its way a few
//! milliseconds later: waiting for that is better than fifty keyframes more. A path that is too narrow
//! for what is sent does not become wider by waiting, so nobody waits again soon after it was in vain.
//! Owns neither socket nor clock: a [`Raw`] has both.

use std::time::{Duration, Instant};

use super::outbox::Message;

/// The longest wait of one wake-up: browsers' jitter buffers hold ten times as much.
const AT_MOST: Duration = Duration::from_millis(4);
/// After a wait that was in vain nobody waits for so long: what comes must not lie about meanwhile.
const REFRAIN: Duration = Duration::from_millis(100);
/// A wait ends early only where half of the buffer is free again (`sock_writeable` in the kernel), so
/// the socket is asked anew after this.
const SLICE: Duration = Duration::from_micros(500);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// It is on its way.
    Sent,
    /// The buffer is full.
    Full,
    /// It will not go.
    Failed,
}

/// A socket.
pub(crate) trait Raw {
    /// Sends one message.
    fn try_send(&mut self, message: &Message) -> Tried;
    /// Waits until there may be room again, at most so long. How long it was.
    fn wait(&mut self, at_most: Duration) -> Duration;
}

/// Whether it is worth to wait.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Nobody waits before.
    none_before: Option<Instant>,
}

impl Patience {
    /// The buffer was full when it came to the first of `rest`: what can be sent of them is sent. Places
    /// in `rest` of those that were not go into `dropped`.
    pub(crate) fn send_rest(
        &mut self,
        now: Instant,
        raw: &mut impl Raw,
        rest: &[Message],
        dropped: &mut Vec<usize>,
    ) {
        let is_worth_it = self.none_before.is_none_or(|at| at <= now);
        let mut left = if is_worth_it { AT_MOST } else { Duration::ZERO };
        // Whatever is no picture is small, and worth more.
        let (first, last): (Vec<usize>, Vec<usize>) =
            (0..rest.len()).partition(|place| !rest[*place].is_picture());
        let order = || first.iter().chain(&last).copied();
        for (nth, place) in order().enumerate() {
            loop {
                match raw.try_send(&rest[place]) {
                    Tried::Sent => break,
                    Tried::Failed => {
                        dropped.push(place);
                        break;
                    }
                    Tried::Full if left.is_zero() => {
                        // overflow: DROPS; late packets are worth less than the next ones.
                        dropped.extend(order().skip(nth));
                        if is_worth_it {
                            self.none_before = Some(now + REFRAIN);
                        }
                        return;
                    }
                    Tried::Full => {
                        let waited = raw.wait(left.min(SLICE));
                        left = left.saturating_sub(waited.max(SLICE / 5));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    use crate::sfu::wire::{
        outbox::{Outbox, Sink, ViewerKey},
        transmit::Route,
    };

    /// As the kernel has it: a message is taken while the buffer is not full, whatever its size.
    struct Buffer {
        len: usize,
        used: usize,
        bytes_a_ms: usize,
        waited: Duration,
        sent: Vec<(u16, usize)>,
    }

    impl Raw for Buffer {
        fn try_send(&mut self, message: &Message) -> Tried {
            if self.used >= self.len {
                return Tried::Full;
            }
            self.used += message.len;
            self.sent.push((message.route.peer.address.port(), message.len));
            Tried::Sent
        }

        fn wait(&mut self, at_most: Duration) -> Duration {
            self.waited += at_most;
            self.used -= (self.bytes_a_ms * at_most.as_micros() as usize / 1000).min(self.used);
            at_most
        }
    }

    /// All messages of a wake-up.
    #[derive(Default)]
    struct All(Vec<Message>);

    impl Sink for All {
        fn send(&mut self, _: &[u8], messages: &[Message], _: &mut Vec<usize>) {
            self.0.extend_from_slice(messages);
        }
    }

    /// A picture of sixty datagrams for each of fifty viewers, and a packet of sound behind it.
    fn wake_up() -> Vec<Message> {
        let (mut outbox, mut all) = (Outbox::new(), All::default());
        for viewer in 1..=50_u16 {
            let to = Route::from(SocketAddr::from(([192, 0, 2, 1], viewer)));
            for n in 0..61 {
                let is_sound = n == 60;
                let key = ViewerKey { room: 0, viewer: viewer.into(), is_sound };
                let len = if is_sound { 100 } else { 1000 };
                assert!(outbox.seal(key, to, 1500, &mut all, |_| Some(len)));
            }
        }
        outbox.send(&mut all);
        all.0
    }

    fn run(patience: &mut Patience, now: Instant, buffer: &mut Buffer) -> Vec<usize> {
        let mut dropped = Vec::new();
        patience.send_rest(now, buffer, &wake_up(), &mut dropped);
        dropped
    }

    fn buffer(bytes_a_ms: usize) -> Buffer {
        let sent = Vec::new();
        Buffer { len: 400_000, used: 400_000, bytes_a_ms, waited: Duration::ZERO, sent }
    }

    #[test]
    fn what_is_full_for_a_moment_costs_a_moment_and_no_packet() {
        let mut buffer = buffer(1_000_000);
        let dropped = run(&mut Patience::default(), Instant::now(), &mut buffer);
        assert!(dropped.is_empty(), "{dropped:?}");
        assert!(buffer.waited <= AT_MOST && !buffer.waited.is_zero(), "{:?}", buffer.waited);
        let n_bytes: usize = buffer.sent.iter().map(|(_, len)| len).sum();
        assert_eq!(n_bytes, 50 * 60_100);
    }

    #[test]
    fn where_the_path_is_too_narrow_sound_goes_first_and_nobody_waits_twice() {
        let start = Instant::now() + Duration::from_secs(3600);
        let (mut patience, mut narrow) = (Patience::default(), buffer(12_500));
        let dropped = run(&mut patience, start, &mut narrow);
        let heard = narrow.sent.iter().filter(|(_, len)| *len == 100).count();
        assert_eq!(heard, 50, "everybody hears");
        let n_all = wake_up().len();
        assert!(dropped.len() > 40 && dropped.len() + narrow.sent.len() == n_all);
        assert!(narrow.waited <= AT_MOST, "{:?}", narrow.waited);
        // The next wake-up finds it full again.
        narrow.waited = Duration::ZERO;
        let later = start + Duration::from_millis(20);
        let again = run(&mut patience, later, &mut narrow);
        assert_eq!(dropped.len() + again.len() + narrow.sent.len(), 2 * n_all);
        assert_eq!(narrow.waited, Duration::ZERO);
        // And much later it may be another path.
        run(&mut patience, start + 2 * REFRAIN, &mut narrow);
        assert!(!narrow.waited.is_zero());
    }
}
