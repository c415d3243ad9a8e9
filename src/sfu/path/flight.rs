//! What is under way and not told of: how much of it there may be, and since when nothing is told.
//!
//! A path that is gone tells nothing: without this what it was last known to carry would be sent into it
//! until its connection is given up. So feedback that stops lowers the rate step by step (it is asked for
//! by whoever decides what is sent), and beyond a second of that rate nothing but a trial now and then
//! is sent before feedback comes. Time that is counted is that of sending: where nothing is sent, nothing
//! is to be told.
//!
//! ```text
//!  told --numbers go out, nothing is told for a second and three round trips--> silent
//!    ^                                       the rate is halved, and again every half second
//!    +------------------------------ feedback: half of what was known before --------+
//! ```

/// A browser tells of arrivals every 50 to 250 ms: three of these were lost, and then some.
const PATIENCE_US: u64 = 1_000_000;
/// Beside so many round trips.
const PATIENCE_ROUNDS: u64 = 3;
/// After the first step down, beside a round trip.
const STEP_US: u64 = 500_000;
/// So much of the known rate may be under way, beside a round trip: the interval of feedback, and a
/// queue that is noticed by its delay before this is reached.
const WINDOW_US: u64 = 1_000_000;
/// But always this much, in bytes: a burst that leaves at once as long as no limit is known.
const LEAST_WINDOW: f64 = 16_000.0;
/// When nothing more may be under way, something goes out this often: else nothing would come back.
const TRIAL_US: u64 = 250_000;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Bytes that were sent after the newest packet that was told of.
    bytes: u64,
    /// When the first of these was sent, or something was told since.
    since_us: u64,
    newest_us: u64,
    n_steps: u64,
    /// What was known when silence began.
    before_bps: f64,
}

impl Flight {
    /// A packet leaves.
    #[inline]
    pub(super) fn sent(&mut self, now_us: u64, len: usize) {
        if self.bytes == 0 {
            self.since_us = now_us;
        }
        self.bytes += len as u64;
        self.newest_us = now_us;
    }

    /// Feedback came; so many bytes were sent after what it tells of. What was known before, if there
    /// was silence.
    pub(super) fn told(&mut self, now_us: u64, left: u64) -> Option<f64> {
        self.bytes = left;
        self.since_us = now_us;
        let was_silent = std::mem::take(&mut self.n_steps) > 0;
        was_silent.then_some(self.before_bps)
    }

    /// A step down was made, and nothing was told since.
    pub(super) fn is_silent(&self) -> bool {
        self.n_steps > 0
    }

    /// A step down is due: half of this is what the path may still carry.
    pub(super) fn step(&mut self, rtt_us: u64, known_bps: f64) -> bool {
        let silent_us = self.newest_us.saturating_sub(self.since_us);
        let due_us = PATIENCE_US + PATIENCE_ROUNDS * rtt_us + self.n_steps * (STEP_US + rtt_us);
        if self.bytes == 0 || silent_us < due_us {
            return false;
        }
        if self.n_steps == 0 {
            self.before_bps = known_bps;
        }
        self.n_steps += 1;
        true
    }

    /// Nothing more is to be sent now where the path carries this.
    #[inline]
    pub(super) fn is_full(&self, now_us: u64, rtt_us: u64, bps: f64) -> bool {
        let window = bps / 8e6 * (WINDOW_US + rtt_us) as f64;
        self.bytes as f64 > window.max(LEAST_WINDOW) && now_us < self.newest_us + TRIAL_US
    }
}
