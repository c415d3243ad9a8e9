//! One stream as its receiver reports it (RFC 3550 6.4.1), held against what was sent of it.

/// Shorter intervals are taken together with the next, and those of fewer packets unless they are long.
const LEAST_US: u64 = 400_000;
const ENOUGH: f64 = 20.0;
const LONG_US: u64 = 4_000_000;
/// More packets than so many do not wait on any path.
const MOST_WAITING: u32 = 4096;
/// The cumulative number stays at this when it is reached.
const FULL: i32 = 0x7f_ffff;
/// What a packet has beside its payload: IP, UDP, RTP with an extension, tag. As layers are counted.
const BESIDE: f64 = 64.0;

/// A report block (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Share of packets lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative where duplicates outnumber losses.
    pub total_lost: i32,
    /// The highest sequence number that came, with its roll-overs as the client counts them.
    pub highest: u32,
    /// Interarrival jitter, in ticks of the codec's clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of our last sender report; 0 if none came.
    pub last_sender_report: u32,
    /// Time between that report's arrival and this report, in 1/65536 s.
    pub delay: u32,
}

/// What was sent of a stream since its beginning. Both wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// RTP packets.
    pub n_packets: u32,
    /// Bytes of their payloads.
    pub n_octets: u32,
}

/// What became of packets between two reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub(super) ended_us: u64,
    pub(super) seconds: f64,
    /// Packets that were sent; that came or should have; and those of them that did not.
    pub(super) n_sent: f64,
    pub(super) n_expected: f64,
    pub(super) n_lost: f64,
    /// Packets that are still under way at its end.
    pub(super) n_waiting: f64,
    /// Bytes of a packet on the wire, on an average.
    pub(super) len: f64,
}

/// A stream of which a report came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported {
    report: Report,
    sent: Sent,
    began_us: u64,
    /// Since then, report by report.
    n_sent: f64,
    n_expected: f64,
    /// By the fractions, and by the cumulative numbers.
    n_lost: (f64, f64),
    /// Packets that were sent and not told of, as far as they were not under way at the first report.
    n_waiting: u32,
    len: f64,
    /// The newest that has ended.
    pub(super) interval: Option<Interval>,
}

impl Reported {
    pub(super) fn new(now_us: u64, sent: Sent, report: Report) -> Self {
        Self {
            report,
            sent,
            began_us: now_us,
            n_sent: 0.0,
            n_expected: 0.0,
            n_lost: (0.0, 0.0),
            n_waiting: 0,
            len: 0.0,
            interval: None,
        }
    }

    /// The next report. True if an interval ends with it, which is to be used if it began at `since_us`
    /// or later.
    pub(super) fn add(&mut self, now_us: u64, sent: Sent, report: Report, since_us: u64) -> bool {
        let counts = self.began_us >= since_us;
        let n_sent = sent.n_packets.wrapping_sub(self.sent.n_packets);
        let n_octets = sent.n_octets.wrapping_sub(self.sent.n_octets);
        if n_sent > 0 {
            self.len = f64::from(n_octets) / f64::from(n_sent) + BESIDE;
        }
        let n_due = self.n_waiting.saturating_add(n_sent);
        let n_expected = report.highest.wrapping_sub(self.report.highest).min(n_due);
        self.n_waiting = (n_due - n_expected).min(MOST_WAITING);
        self.n_sent += f64::from(n_sent);
        self.n_expected += f64::from(n_expected);
        let n_lost = self.lost(n_expected.into(), report);
        self.n_lost = (self.n_lost.0 + n_lost.0, self.n_lost.1 + n_lost.1);
        self.report = report;
        self.sent = sent;
        let lasted_us = now_us.saturating_sub(self.began_us);
        if lasted_us < LEAST_US || (self.n_expected < ENOUGH && lasted_us < LONG_US) {
            return false;
        }
        let interval = Interval {
            ended_us: now_us,
            seconds: lasted_us as f64 / 1e6,
            n_sent: self.n_sent,
            n_expected: self.n_expected,
            n_lost: self.n_lost.0.min(self.n_lost.1).min(self.n_expected),
            n_waiting: self.n_waiting.into(),
            len: self.len,
        };
        let next = Self::new(now_us, sent, report);
        *self = Self { n_waiting: self.n_waiting, len: self.len, ..next };
        // Of a stream that pauses nothing is known.
        self.interval = (counts && interval.n_expected > 0.0).then_some(interval);
        true
    }

    /// Packets that were lost since the report before, of so many: by fraction and by total.
    fn lost(&self, n_expected: f64, report: Report) -> (f64, f64) {
        let fraction = match report.fraction_lost {
            0 => 0.0,
            // It was rounded down.
            fraction => n_expected * (f64::from(fraction) + 1.0) / 256.0,
        };
        let total = match report.total_lost.saturating_sub(self.report.total_lost) {
            // Late packets are taken back; all else that goes back begins anew.
            jump if jump < 0 => 0.0,
            _ if report.total_lost == FULL => fraction,
            jump => f64::from(jump),
        };
        (fraction, total)
    }
}
