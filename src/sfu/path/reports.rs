//! What a path carries as receiver reports and REMB tell it, for a client that tells of no arrivals.
//!
//! Owns the newest interval of each stream (RFC 3550 6.4.1), which are combined by packets, and the
//! limit made of them: the loss part of draft-ietf-rmcat-gcc-02 (section 6), with what arrives as a
//! bearing, since the share that is lost says little where far too much is sent. Knows nothing of delay
//! but the round trip, and cannot probe: a higher layer is its own trial, and each that fails doubles
//! the pause before the next.
//!
//! ```text
//!  no limit --loss > 10 %, a queue, REMB--> limit --pause over, loss < 2 %--> trial of what is wanted
//!                                             ^                                 | loss     | 15 s
//!                                             +---------- pause doubled --------+          v
//!                                             +---------- pause as at first ---------------+
//! ```
//!
//! Nothing that a report says is believed beyond what was sent. Fraction and cumulative number of lost
//! packets have to agree: the lesser counts, and a number that jumps back begins anew.

mod silence;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::rate::{DECREASE, DOUBT, HEADROOM, HIGH_LOSS, INCREASE_A_SECOND, LOSS_MEMORY};
use super::{
    START_BPS,
    rate::{MAX_BPS, MIN_BPS, TRIAL},
};
use silence::Silence;
use stream::{Interval, Reported};
pub use stream::{Report, Sent};

/// Section 6: below this share of loss the limit grows.
const LOW_LOSS: f64 = 0.02;
/// A share of fewer packets means nothing.
const MIN_PACKETS: f64 = 10.0;
/// An interval that ended so long ago says nothing of now: RTCP comes every 5 s, or 1.5 times that.
const STALE_US: u64 = 12_000_000;
/// Streams of one viewer: as many as it has m-lines.
const MAX_STREAMS: usize = 128;
/// Pauses before a trial: the first, and the longest that failures lead to.
const PAUSE_US: (u64, u64) = (8_000_000, 64_000_000);
/// What a trial may bring is told by then, and the next step may be tried.
const STEP_US: u64 = 6_000_000;
/// A trial was wrong that loses so much more than was lost before it, beyond doubt, or whose round trip is
/// so much longer, thrice in a row: a router's queue of a quarter second is full before anything is lost.
const TRIAL_LOSS: f64 = 0.04;
const TRIAL_LATE_US: u64 = 100_000;
/// A trial that has lasted so long was right.
const LASTED_US: u64 = 15_000_000;
/// A decrease is given this long beside the round trip: an interval that began before tells of packets
/// of before, of which a queue is still full, and of a pause in which the lower layer is waited for.
const SETTLE_US: u64 = 300_000;
/// A round trip that is so much longer than the least one has a queue in it, and so have so many seconds
/// of packets that are not told of, if less than this share of what is sent is told of, twice in a row.
const QUEUE_US: u64 = 400_000;
const QUEUE_SECONDS: f64 = 0.5;
const GROWS: f64 = 0.9;
/// REMB below so many times what arrives is a limit that was found; above, it only says that no more
/// was tried (libwebrtc tells 1.5 times what arrives).
const BINDING: f64 = 1.2;
/// REMB counts for so long; it is repeated in every compound.
const REMB_US: u64 = 15_000_000;
/// Sender reports that are remembered for the round trip.
const N_SENDER_REPORTS: usize = 32;

/// A sender report that went out.
#[derive(Debug, Clone, Copy)]
struct SenderReport {
    stream: usize,
    /// The middle 32 bits of its NTP time, which may be those of the one before.
    ntp: u32,
    sent_us: u64,
}

/// All streams of one viewer together, a second.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    /// In all.
    n_expected: f64,
    n_waiting: f64,
    sent: f64,
    expected: f64,
    lost: f64,
    arrives_bps: f64,
}

impl Sum {
    fn add(mut self, interval: &Interval) -> Self {
        let Interval { seconds, n_sent, n_expected, n_lost, n_waiting, len, .. } = *interval;
        self.n_expected += n_expected;
        self.n_waiting += n_waiting;
        self.sent += n_sent / seconds;
        self.expected += n_expected / seconds;
        self.lost += n_lost / seconds;
        self.arrives_bps += 8.0 * len * (n_expected - n_lost) / seconds;
        self
    }

    fn loss(&self) -> f64 {
        (self.lost / self.expected.max(1e-9)).clamp(0.0, 1.0)
    }

    /// Packets wait, and more and more.
    fn queues(&self, is_late: bool) -> bool {
        (is_late || self.n_waiting > QUEUE_SECONDS * self.sent) && self.expected < GROWS * self.sent
    }
}

/// A higher layer is being tried.
#[derive(Debug, Clone, Copy)]
struct Trial {
    began_us: u64,
    from_bps: f64,
    /// The mean share of loss before.
    loss: f64,
    /// Packets told of since, and those lost.
    n_expected: f64,
    n_lost: f64,
    /// The round trip before, and how often in a row it was longer by [`TRIAL_LATE_US`].
    rtt_us: Option<u64>,
    n_late: u8,
}

impl Trial {
    fn add(&mut self, interval: &Interval) {
        self.n_expected += interval.n_expected;
        self.n_lost += interval.n_lost;
    }

    fn note_round_trip(&mut self, rtt_us: Option<u64>) {
        let is_late = rtt_us.zip(self.rtt_us).is_some_and(|(now, was)| now > was + TRIAL_LATE_US);
        self.n_late = if is_late { self.n_late.saturating_add(1) } else { 0 };
    }

    /// So many packets were lost of the newest.
    fn is_wrong(&self, n_lost: f64, n: f64) -> bool {
        let is_lossy = |n_lost, n| n_lost > beyond_doubt(n, self.loss + TRIAL_LOSS);
        is_lossy(self.n_lost, self.n_expected) || is_lossy(n_lost, n) || self.n_late >= 3
    }
}

/// More than so many of `n` packets are not lost by chance where `share` is lost.
fn beyond_doubt(n: f64, share: f64) -> f64 {
    n * share + DOUBT * (n * share * (1.0 - share).max(0.0)).sqrt()
}

/// What reports have told of one viewer's path.
#[derive(Debug)]
pub(super) struct Reports {
    streams: Vec<Option<Reported>>,
    /// A stream's interval has ended since [`Self::judge`].
    is_news: bool,
    sender_reports: VecDeque<SenderReport>,
    rtt_us: Option<u64>,
    least_rtt_us: u64,
    /// The limit; `None`: none was met yet.
    bps: Option<f64>,
    /// What arrived when it was met last.
    known_bps: f64,
    /// Packets waited, by the last interval.
    queued: bool,
    /// Mean share of loss of the last packets.
    loss: f64,
    judged_us: u64,
    /// What is told before is of the time before a decrease.
    settled_us: u64,
    lowered_us: u64,
    pause_us: u64,
    no_trial_before_us: u64,
    trial: Option<Trial>,
    remb: Option<(u64, f64)>,
    /// What a higher layer needs in all; 0: nobody needs one.
    wanted_bps: f64,
    silence: Silence,
}

impl Reports {
    pub(super) fn new() -> Self {
        Self {
            streams: Vec::new(),
            is_news: false,
            sender_reports: VecDeque::new(),
            rtt_us: None,
            least_rtt_us: u64::MAX,
            bps: None,
            known_bps: 0.0,
            queued: false,
            loss: 0.0,
            judged_us: 0,
            settled_us: 0,
            lowered_us: 0,
            pause_us: PAUSE_US.0,
            no_trial_before_us: 0,
            trial: None,
            remb: None,
            wanted_bps: 0.0,
            silence: Silence::default(),
        }
    }

    /// The limit, bits a second with all headers; `None`: none was met.
    pub(super) fn bps(&self) -> Option<f64> {
        self.bps
    }

    /// Share of packets that were lost lately, from 0 to 1.
    pub(super) fn loss(&self) -> f64 {
        self.loss
    }

    /// So much would be sent in all if a higher layer were. Called ever again: of a client that is sent
    /// nothing any more, nothing is heard either.
    pub(super) fn want(&mut self, now_us: u64, bps: f64) {
        self.wanted_bps = bps;
        if now_us >= self.judged_us + STALE_US {
            self.try_more(now_us);
        }
    }

    /// Time has passed: reports that stop lower the limit step by step.
    pub(super) fn look(&mut self, now_us: u64) {
        if !self.silence.step() {
            return;
        }
        let intervals = self.streams.iter().flatten().filter_map(|stream| stream.interval.as_ref());
        let arrived_bps = intervals.fold(Sum::default(), Sum::add).arrives_bps;
        let known_bps = self.bps.unwrap_or(arrived_bps.max(START_BPS));
        self.lower(now_us, known_bps / 2.0, known_bps / 2.0);
    }

    /// A sender report of this NTP time leaves; so many packets of the stream have left in all.
    pub(super) fn sender_report(&mut self, now_us: u64, stream: usize, ntp: u64, n_packets: u32) {
        self.silence.asked(now_us, stream, n_packets);
        if self.sender_reports.len() == N_SENDER_REPORTS {
            self.sender_reports.pop_front();
        }
        let ntp = (ntp >> 16) as u32;
        self.sender_reports.push_back(SenderReport { stream, ntp, sent_us: now_us });
    }

    /// A report block of a stream of which so much was sent. [`Self::judge`] is to follow.
    pub(super) fn reported(&mut self, now_us: u64, stream: usize, sent: Sent, report: Report) {
        if stream >= MAX_STREAMS {
            return;
        }
        self.silence.heard();
        self.measure_round_trip(now_us, stream, report);
        if self.streams.len() <= stream {
            self.streams.resize(stream + 1, None);
        }
        match &mut self.streams[stream] {
            Some(known) => {
                let is_over = known.add(now_us, sent, report, self.settled_us);
                self.is_news |= is_over;
                let interval = known.interval.as_ref().filter(|_| is_over);
                if let (Some(trial), Some(interval)) = (&mut self.trial, interval) {
                    trial.add(interval);
                }
            }
            none => *none = Some(Reported::new(now_us, sent, report)),
        }
    }

    /// REMB (draft-alvestrand-rmcat-remb-03) of so many bits a second.
    pub(super) fn remb(&mut self, now_us: u64, bps: f64) {
        self.remb = Some((now_us, bps.clamp(MIN_BPS, MAX_BPS)));
    }

    /// RFC 3550 6.4.1. Our sender reports carry their publisher's time, so that one time may have
    /// gone out more than once: the newest that can be meant is taken.
    fn measure_round_trip(&mut self, now_us: u64, stream: usize, report: Report) {
        if report.last_sender_report == 0 {
            return;
        }
        let delay_us = u64::from(report.delay) * 1_000_000 / 65_536;
        let round_trip = |sent: &SenderReport| {
            let is_meant = (sent.stream, sent.ntp) == (stream, report.last_sender_report);
            now_us.checked_sub(sent.sent_us)?.checked_sub(delay_us).filter(|_| is_meant)
        };
        let Some(rtt_us) = self.sender_reports.iter().rev().find_map(round_trip) else { return };
        self.rtt_us = Some(rtt_us);
        // It creeps up so that another path is learned.
        let least_us = self.least_rtt_us.saturating_add(self.least_rtt_us / 64);
        self.least_rtt_us = least_us.min(rtt_us);
    }

    /// After all blocks of a compound packet.
    pub(super) fn judge(&mut self, now_us: u64) {
        if !std::mem::take(&mut self.is_news) {
            return;
        }
        let intervals = self.streams.iter().flatten().filter_map(|stream| stream.interval.as_ref());
        let fresh = intervals.filter(|interval| now_us < interval.ended_us + STALE_US);
        let sum = fresh.fold(Sum::default(), Sum::add);
        if sum.n_expected < MIN_PACKETS {
            return;
        }
        let elapsed_us = now_us.saturating_sub(self.judged_us).min(5_000_000);
        self.judged_us = now_us;
        let loss = sum.loss();
        let n = sum.n_expected;
        if let Some(trial) = &mut self.trial {
            trial.note_round_trip(self.rtt_us);
        }
        self.loss += n / (n + LOSS_MEMORY) * (loss - self.loss);
        let is_high = n * loss > beyond_doubt(n, HIGH_LOSS)
            || loss.min(self.loss) > HIGH_LOSS
            || self.trial.is_some_and(|trial| trial.is_wrong(n * loss, n));
        let is_late = self.rtt_us.is_some_and(|rtt| rtt > self.least_rtt_us + QUEUE_US);
        // Once may have been a keyframe that was still under way.
        let queues = sum.queues(is_late);
        let queues = std::mem::replace(&mut self.queued, queues) && queues;
        let remb = self.remb.filter(|(at, _)| now_us < at + REMB_US).map(|(_, bps)| bps);
        let bound = remb.filter(|bps| *bps < BINDING * sum.arrives_bps).unwrap_or(MAX_BPS);
        let before = self.bps.unwrap_or(MAX_BPS);
        let least = DECREASE * sum.arrives_bps;
        let carried = match is_high {
            true => (before.min(HEADROOM * sum.arrives_bps) * (1.0 - 0.5 * loss)).max(least),
            false if queues => least,
            false => before,
        };
        let is_bad = is_high || queues || bound < before;
        if is_bad {
            self.lower(now_us, carried.min(bound), sum.arrives_bps);
        }
        let is_quiet = !is_bad && loss < LOW_LOSS;
        self.raise(now_us, elapsed_us, is_quiet, (bound, sum.arrives_bps));
    }

    fn lower(&mut self, now_us: u64, bps: f64, arrives_bps: f64) {
        let mut lowered = bps.clamp(MIN_BPS, MAX_BPS);
        if let Some(trial) = self.trial.take() {
            lowered = lowered.min(trial.from_bps);
            self.pause_us = match now_us < trial.began_us + LASTED_US {
                true => (2 * self.pause_us).min(PAUSE_US.1),
                false => PAUSE_US.0,
            };
        }
        // What has nothing left to lower prolongs no pause: whoever tells of loss for ever is tried, too.
        if self.bps.is_some_and(|before| lowered >= before) {
            return;
        }
        self.bps = Some(lowered);
        self.known_bps = arrives_bps;
        self.lowered_us = now_us;
        self.no_trial_before_us = now_us + self.pause_us;
        self.settled_us = now_us + self.rtt_us.unwrap_or_default().min(2_000_000) + SETTLE_US;
        self.streams.iter_mut().flatten().for_each(|stream| stream.interval = None);
    }

    /// The limit grows where nothing speaks against that: no further than `bound`.
    fn raise(
        &mut self,
        now_us: u64,
        elapsed_us: u64,
        is_quiet: bool,
        (bound, arrives): (f64, f64),
    ) {
        let Some(bps) = self.bps.filter(|_| now_us >= self.settled_us) else { return };
        if self.trial.is_some_and(|trial| now_us >= trial.began_us + LASTED_US) {
            self.trial = None;
            self.pause_us = PAUSE_US.0;
        }
        // Where loss has nothing to do with what is sent (a radio), only a trial can tell.
        let is_time = is_quiet || now_us >= self.lowered_us + PAUSE_US.1;
        if is_time && bound == MAX_BPS && self.try_more(now_us) {
            return;
        }
        if is_quiet {
            let is_over = now_us >= self.no_trial_before_us;
            let most = if is_over { HEADROOM * arrives } else { self.known_bps };
            let grown = bps * INCREASE_A_SECOND.powf(elapsed_us as f64 / 1e6);
            self.bps = Some(grown.min(most).min(bound).max(bps));
        }
    }

    /// Begins a trial, if the pause is over and something is wanted.
    fn try_more(&mut self, now_us: u64) -> bool {
        let wanted_bps = (TRIAL * self.wanted_bps).min(MAX_BPS);
        let before = self.bps.filter(|bps| now_us >= self.no_trial_before_us && wanted_bps > *bps);
        let Some(from_bps) = before.filter(|_| !self.silence.lasts(now_us)) else { return false };
        self.silence.forgive();
        let (loss, rtt_us) = (self.loss, self.rtt_us);
        self.trial = Some(Trial {
            began_us: now_us,
            from_bps,
            loss,
            n_expected: 0.0,
            n_lost: 0.0,
            rtt_us,
            n_late: 0,
        });
        self.no_trial_before_us = now_us + STEP_US;
        self.bps = Some(wanted_bps);
        true
    }
}
