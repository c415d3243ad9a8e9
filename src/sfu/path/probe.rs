//! Finding out whether more gets through: padding beside the media, for a little under a second at a time.
//!
//! Slow enough that a token bucket's store does not pass for the path (a burst would). The first asks
//! for a little more than what is known, one after a success for twice, and each ends as soon as
//! packets wait, before a router's queue is full and the picture is lost in it. Owns when to probe, how
//! much padding is due, and what came of it; `rate`, `trend` and `queue` judge the path.
//!
//! ```text
//!  idle --more is wanted, the path is quiet, the pause is over--> running --700 ms--> settling
//!    ^                                                               |overuse, loss       |
//!    +-------- pause: short after success, longer after each failure +-------- 300 ms ----+
//! ```

/// How long one probe lasts.
const RUN_US: u64 = 700_000;
/// After it, feedback of its last packets is waited for.
const SETTLE_US: u64 = 300_000;
/// Padding is sent this often.
pub(super) const STEP_US: u64 = 20_000;
/// At most this much padding at once.
const MAX_STEP_BYTES: u64 = 16_000;
/// A probe is for at most so many times what is known: the first, and one that follows a success.
const GROWTH: (f64, f64) = (1.35, 2.0);
/// Pauses after a success, and after the first and any later failure.
const PAUSE_US: (u64, u64, u64) = (100_000, 2_000_000, 5_000_000);
/// Of what was sent and not lost this much has to arrive, in bits a second.
const ARRIVED: f64 = 0.9;
/// A probe has found the path's end where the least delay has grown by this since it began.
const WAITS_US: i64 = 50_000;

/// Where a probe is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Idle,
    Running { began_us: u64, bps: f64, sent: u64 },
    Settling { ended_us: u64, sent_bps: f64 },
}

/// The prober of one viewer.
#[derive(Debug)]
pub(super) struct Probe {
    phase: Phase,
    /// What was known before the probe under way.
    floor_bps: f64,
    /// Not before.
    next_us: u64,
    pause_us: u64,
    growth: f64,
    /// The most that was seen to arrive while it ran.
    best_bps: f64,
    /// The least delay when it began.
    least_us: Option<i64>,
}

/// What the path is like, at some feedback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Bits a second that arrive.
    pub(super) arrives_bps: Option<f64>,
    /// Share that is lost on the whole, from 0 to 1.
    pub(super) loss: f64,
    /// Least delay of the last moments, by a clock of arbitrary zero.
    pub(super) least_us: Option<i64>,
    /// Neither overuse nor unusual loss.
    pub(super) is_quiet: bool,
    /// A limit was met: then no more is tried than the next layer needs. Before that, layers are many and
    /// each would need a probe of its own.
    pub(super) is_limited: bool,
}

impl Probe {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Idle,
            floor_bps: 0.0,
            next_us: 0,
            pause_us: PAUSE_US.1,
            growth: GROWTH.0,
            best_bps: 0.0,
            least_us: None,
        }
    }

    /// As after a success: much more may get through than is known.
    pub(super) fn after_success() -> Self {
        Self { growth: GROWTH.1, ..Self::new() }
    }

    /// What was known before the probe under way.
    pub(super) fn floor_bps(&self) -> Option<f64> {
        (self.phase != Phase::Idle).then_some(self.floor_bps)
    }

    /// Bytes were sent, media or padding.
    #[inline]
    pub(super) fn sent(&mut self, len: usize) {
        if let Phase::Running { sent, .. } = &mut self.phase {
            *sent += len as u64;
        }
    }

    /// After each feedback, where `known_bps` gets through and `wanted_bps` would be used. Gives the
    /// rate that a finished probe has found.
    pub(super) fn update(
        &mut self,
        now_us: u64,
        known_bps: f64,
        wanted_bps: f64,
        seen: Seen,
    ) -> Option<f64> {
        let waits =
            self.least_us.zip(seen.least_us).is_some_and(|(then, now)| now > then + WAITS_US);
        match self.phase {
            Phase::Idle => {
                if seen.is_quiet && wanted_bps > known_bps && now_us >= self.next_us {
                    let most_bps = if seen.is_limited { wanted_bps * 1.1 } else { f64::INFINITY };
                    let bps = (known_bps * self.growth).min(most_bps);
                    self.phase = Phase::Running { began_us: now_us, bps, sent: 0 };
                    self.floor_bps = known_bps;
                    self.best_bps = 0.0;
                    self.least_us = seen.least_us;
                }
                None
            }
            Phase::Running { .. } | Phase::Settling { .. } if !seen.is_quiet || waits => {
                self.fail(now_us)
            }
            Phase::Running { began_us, sent, .. } => {
                let elapsed_us = now_us - began_us;
                if elapsed_us >= RUN_US {
                    let sent_bps = sent as f64 * 8e6 / elapsed_us as f64;
                    self.phase = Phase::Settling { ended_us: now_us, sent_bps };
                }
                self.note(seen.arrives_bps);
                None
            }
            Phase::Settling { ended_us, sent_bps } => {
                self.note(seen.arrives_bps);
                let found = self.best_bps.min(sent_bps);
                let least = ARRIVED * (1.0 - seen.loss) * sent_bps;
                if found >= least && found > self.floor_bps {
                    self.phase = Phase::Idle;
                    self.next_us = now_us + PAUSE_US.0;
                    self.pause_us = PAUSE_US.1;
                    self.growth = GROWTH.1;
                    return Some(found);
                }
                if now_us >= ended_us + SETTLE_US { self.fail(now_us) } else { None }
            }
        }
    }

    fn note(&mut self, arrives_bps: Option<f64>) {
        self.best_bps = self.best_bps.max(arrives_bps.unwrap_or(0.0));
    }

    fn fail(&mut self, now_us: u64) -> Option<f64> {
        self.phase = Phase::Idle;
        self.next_us = now_us + self.pause_us;
        self.pause_us = PAUSE_US.2;
        self.growth = GROWTH.0;
        None
    }

    /// Bytes of padding that are due now.
    pub(super) fn padding(&self, now_us: u64) -> usize {
        let Phase::Running { began_us, bps, sent } = self.phase else { return 0 };
        let elapsed_us = (now_us - began_us).min(RUN_US) + STEP_US;
        let due = (bps * elapsed_us as f64 / 8e6) as u64;
        due.saturating_sub(sent).min(MAX_STEP_BYTES) as usize
    }

    /// When padding is due next.
    pub(super) fn next_padding_us(&self, now_us: u64) -> Option<u64> {
        match self.phase {
            Phase::Running { began_us, .. } if now_us < began_us + RUN_US => Some(now_us + STEP_US),
            _ => None,
        }
    }
}
