//! PURE. How much a viewer's path carries, and what of the pictures it is therefore sent.
//!
//! Owns, for one viewer: the numbers of its packets and what became of them, the estimate of its
//! path, the probes for more, and the choice of layers. It sends nothing, reads no clock and knows
//! neither connections nor tracks.
//!
//! ```text
//!  sent packets -> history --+                       +-> trend (does a queue grow?) -+
//!  feedback -----------------+-> arrivals, losses ---+-> rate  <-- queue: what is carried +
//!                                                          |  ^
//!                                  probe (padding) <-------+--+     allocate: layers of tiles
//! ```
//!
//! Of a client that gives no such feedback, `reports` takes what its receiver reports and REMB say.
//!
//! draft-holmer-rmcat-transport-wide-cc-extensions-01, draft-ietf-rmcat-gcc-02. The library's
//! estimator of the same kind was not taken: it has no probes, so that a limit that is lifted costs
//! it half a minute, it allocates for each packet, and it grows without regard to what is sent.

mod allocate;
mod feedback;
mod flight;
mod history;
mod pacer;
mod probe;
mod queue;
mod rate;
mod reports;
mod sound;
mod trend;

use std::time::{Duration, Instant};

pub use allocate::{Allocation, Allocator, Budget, Layer, MAX_LAYERS, Tile};
pub use feedback::TransportFeedback;
#[cfg(test)]
pub(crate) use feedback::tests::write as write_feedback;
pub use pacer::{Pace, Pacer};
pub use reports::{Report, Sent};
pub use sound::{Headroom, Sound};

use feedback::ReferenceClock;
use flight::Flight;
use history::History;
use probe::{Probe, Seen};
use rate::{Arrivals, Rate};
use reports::Reports;
use trend::{Trend, Usage};

/// What a path is given before anything is known of it, bits a second: four pictures of 720p.
pub const START_BPS: f64 = 6_000_000.0;
/// Headers below RTP that the path carries with each packet: IPv4 and UDP.
pub(crate) const BELOW: usize = 28;

/// The estimate of one viewer's path.
#[derive(Debug)]
pub struct Estimator {
    began: Instant,
    history: History,
    clock: ReferenceClock,
    arrivals: Arrivals,
    trend: Trend,
    rate: Rate,
    probe: Probe,
    flight: Flight,
    rtt_us: Option<u64>,
    wanted_bps: f64,
    /// What probes have found to get through before any limit was met.
    found_bps: f64,
    /// The client tells of arrivals: what its reports say is nothing new then.
    has_arrivals: bool,
    reports: Reports,
}

impl Estimator {
    /// Knows nothing. Ten KB, and with the path up to forty.
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            history: History::new(),
            clock: ReferenceClock::default(),
            arrivals: Arrivals::default(),
            trend: Trend::new(),
            rate: Rate::new(),
            probe: Probe::new(),
            flight: Flight::default(),
            rtt_us: None,
            wanted_bps: 0.0,
            found_bps: 0.0,
            has_arrivals: false,
            reports: Reports::new(),
        }
    }

    /// Media takes another path from now on, of which nothing is known. The client is the same: its
    /// numbers go on, and what it still tells of the former path says nothing.
    pub fn begin_anew(&mut self, now: Instant) {
        let (wanted_bps, untried_bps) = (self.wanted_bps, self.rate.untried_bps);
        self.history.forget();
        self.arrivals = Arrivals::default();
        self.trend = Trend::new();
        self.rate = Rate::new();
        self.rate.untried_bps = untried_bps;
        self.probe = Probe::new();
        self.flight = Flight::default();
        self.found_bps = 0.0;
        self.rtt_us = None;
        self.reports = Reports::new();
        self.reports.want(self.us(now), wanted_bps);
    }

    fn us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_micros() as u64
    }

    /// Notes a packet of `len` bytes as the socket takes it, and gives its transport-wide number.
    #[inline]
    pub fn sent(&mut self, now: Instant, len: usize) -> u16 {
        let len = len + BELOW;
        let now_us = self.us(now);
        self.probe.sent(len);
        self.flight.sent(now_us, len);
        self.history.push(now_us, len)
    }

    /// Feedback came.
    pub fn feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        let now_us = self.us(now);
        let reference_us = self.clock.unwrap(feedback.reference());
        let (mut n_lost, mut n_told, mut newest_sent) = (0_u32, 0_u32, None);
        let mut last = None;
        feedback.each(|sequence, arrival| {
            let Some(arrival) = arrival else {
                let is_new = self.history.lost(sequence);
                n_lost += u32::from(is_new);
                n_told += u32::from(is_new);
                return;
            };
            let Some(told) = self.history.arrived(now_us, sequence) else { return };
            let arrived_us = reference_us + arrival;
            if told.was_lost {
                n_lost = n_lost.saturating_sub(1);
            } else {
                n_told += 1;
            }
            newest_sent = newest_sent.max(Some(told.sent_us));
            last = Some(sequence);
            self.arrivals.add(arrived_us, told.len);
            self.trend.add(told.sent_us, arrived_us, told.len);
        });
        if let Some(sent_us) = newest_sent {
            let rtt_us = now_us.saturating_sub(sent_us);
            // Its least is the path's; it creeps up so that another path is learned.
            let known = self.rtt_us.map_or(rtt_us, |known| known + known / 256);
            self.rtt_us = Some(known.min(rtt_us).min(1_000_000));
        }
        if n_told > 0 || newest_sent.is_some() {
            self.has_arrivals = true;
            let left = last.and_then(|sequence| self.history.told(sequence));
            // What was lost in the silence says that the path was gone, not what it carries.
            if !self.flight.is_silent() {
                self.rate.told(n_lost, n_told);
            }
            if let Some(before_bps) = left.and_then(|left| self.flight.told(now_us, left)) {
                self.resume(now_us, before_bps);
            }
            self.judge(now_us);
        }
    }

    /// A sender report of this NTP time leaves for a stream of which so many packets have left.
    pub fn sender_report(&mut self, now: Instant, stream: usize, ntp: u64, n_packets: u32) {
        if !self.has_arrivals {
            self.reports.sender_report(self.us(now), stream, ntp, n_packets);
        }
    }

    /// A report block of a stream came, of which so much was sent. [`Self::reported_all`] follows.
    pub fn reported(&mut self, now: Instant, stream: usize, sent: Sent, report: Report) {
        if !self.has_arrivals {
            self.reports.reported(self.us(now), stream, sent, report);
        }
    }

    /// The client has an estimate of its own (REMB), bits a second.
    pub fn remb(&mut self, now: Instant, bps: f64) {
        self.reports.remb(self.us(now), bps);
    }

    /// A compound packet with reports has been read.
    pub fn reported_all(&mut self, now: Instant) {
        if !self.has_arrivals {
            self.reports.judge(self.us(now));
        }
    }

    /// Feedback comes again after it had stopped: the path is taken to carry half of what it did, and
    /// more is looked for at once.
    fn resume(&mut self, now_us: u64, before_bps: f64) {
        self.arrivals = Arrivals::default();
        self.trend = Trend::new();
        self.rate.resume(now_us, before_bps / 2.0);
        self.probe = Probe::after_success();
    }

    /// Time has passed: feedback that stops is a sign too. To be called before [`Self::bps`] is asked.
    pub fn look(&mut self, now: Instant) {
        let now_us = self.us(now);
        if !self.has_arrivals {
            return self.reports.look(now_us);
        }
        let rtt_us = self.known_rtt_us();
        while self.flight.step(rtt_us, self.bps()) {
            self.rate.lower(now_us, self.bps() / 2.0);
        }
    }

    /// So much is under way that nothing more is to be sent now but sound.
    pub fn is_full(&self, now: Instant) -> bool {
        self.has_arrivals && self.flight.is_full(self.us(now), self.known_rtt_us(), self.bps())
    }

    fn known_rtt_us(&self) -> u64 {
        self.rtt_us.unwrap_or(100_000)
    }

    fn judge(&mut self, now_us: u64) {
        let usage = self.trend.usage();
        // At overuse what comes while packets wait is what the path carries.
        let queue = &self.trend.queue;
        let arrives = match usage {
            Usage::Over => queue.carries_bps().or(self.arrivals.recent_bps()),
            _ => self.arrivals.bps(),
        };
        let rtt_us = self.known_rtt_us();
        self.rate.update(now_us, usage, arrives, rtt_us, self.probe.floor_bps());
        let seen = Seen {
            arrives_bps: arrives,
            loss: self.rate.loss(),
            least_us: queue.newest_us(),
            is_quiet: usage != Usage::Over && !self.rate.is_lossy(),
            is_limited: self.rate.is_measured(),
        };
        let known_bps = self.bps();
        if let Some(bps) = self.probe.update(now_us, known_bps, self.wanted_bps, seen) {
            self.found_bps = self.found_bps.max(bps);
            self.rate.raise(now_us, bps);
        }
    }

    /// The limit that reports show, where they are all there is.
    fn reported_bps(&self) -> Option<f64> {
        self.reports.bps().filter(|_| !self.has_arrivals)
    }

    /// What the path carries, bits a second with all headers, as far as is known.
    pub fn bps(&self) -> f64 {
        if let Some(bps) = self.reported_bps() {
            return bps;
        }
        if self.rate.is_measured() {
            return self.rate.bps();
        }
        let arrives_bps = self.arrivals.bps().unwrap_or(0.0);
        // Where probes cannot be, what is sent is the trial: as long as all goes well, twice of that.
        let tried_bps = if self.rate.untried_bps > 0.0 { 2.0 * arrives_bps } else { arrives_bps };
        START_BPS.max(self.found_bps).max(tried_bps)
    }

    /// The same, without what is only hoped for: as fast as this a burst may leave.
    pub fn carries_bps(&self) -> f64 {
        if self.rate.is_measured() { self.rate.carries_bps() } else { self.bps() }
    }

    /// The path has shown a limit.
    pub fn is_measured(&self) -> bool {
        self.rate.is_measured() || self.reported_bps().is_some()
    }

    /// Something is known of the path: the viewer tells of arrivals, or its reports have shown a limit.
    pub fn has_feedback(&self) -> bool {
        self.has_arrivals || self.reported_bps().is_some()
    }

    /// Share of packets that were lost lately, from 0 to 1.
    pub fn loss(&self) -> f64 {
        if self.has_arrivals { self.rate.loss() } else { self.reports.loss() }
    }

    /// What would be sent if the path carried it ([`Allocation::wanted_bps`]): what probes look for.
    /// Where no padding can be sent, the limit grows that far by itself, and what is then sent shows.
    pub fn want(&mut self, now: Instant, bps: Option<f64>, can_pad: bool) {
        self.wanted_bps = bps.unwrap_or(0.0);
        self.reports.want(self.us(now), self.wanted_bps);
        self.rate.untried_bps = if can_pad { 0.0 } else { self.wanted_bps };
    }

    /// Bytes of padding that are due now, for a probe.
    pub fn padding(&self, now: Instant) -> usize {
        if self.is_full(now) { 0 } else { self.probe.padding(self.us(now)) }
    }

    /// When [`Self::padding`] is due again.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let at_us = self.probe.next_padding_us(self.us(now)).filter(|_| !self.is_full(now))?;
        Some(self.began + Duration::from_micros(at_us))
    }
}

#[cfg(test)]
mod tests;
