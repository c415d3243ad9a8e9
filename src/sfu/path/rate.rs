//! The estimate itself: what arrives, what was lost and whether a queue grows, made into bits a second.
//!
//! draft-ietf-rmcat-gcc-02 sections 5.5 (delay) and 6 (loss). Departures: until the first sign of
//! congestion there is no limit, since most viewers sit in the same house and a slow start would
//! cost them their first picture; a limit never falls below what just arrived without a queue,
//! so that a probe that found nothing does not cost a layer; and loss counts as congestion only where
//! it is over 10 % beyond doubt, and does not keep the limit from growing below: a radio that loses
//! one packet in twenty loses it at any rate.

use super::trend::Usage;

/// Never less: speech and its headers.
pub(super) const MIN_BPS: f64 = 50_000.0;
/// Never more: what no home's link needs.
pub(super) const MAX_BPS: f64 = 100_000_000.0;
/// Section 5.5.
pub(super) const DECREASE: f64 = 0.85;
pub(super) const INCREASE_A_SECOND: f64 = 1.08;
/// What gets through beyond this many times the capacity shows that the path is another now.
const WIDER: f64 = 1.1;
/// A limit below this many times the capacity is near it.
const NEAR: f64 = 1.3;
/// A limit grows up to this many times what arrives: beyond, nothing is known.
pub(super) const HEADROOM: f64 = 1.5;
const HEADROOM_BPS: f64 = 10_000.0;
/// Where that cannot be found out, up to this many times what is wanted: the allocator asks for a
/// little more than it needs.
pub(super) const TRIAL: f64 = 1.05;
/// Section 6: congestion.
pub(super) const HIGH_LOSS: f64 = 0.10;
/// With more loss than this on the whole, nothing more is tried.
const SOME_LOSS: f64 = 0.08;
/// Packets that a share of loss is taken of, at least, and the time that they take, at least.
const LOSS_PACKETS: u32 = 20;
const LOSS_WINDOW_US: u64 = 300_000;
/// Packets that the share on the whole is a mean of.
pub(super) const LOSS_MEMORY: f64 = 150.0;
/// Of so few packets a share may be this many standard deviations off.
pub(super) const DOUBT: f64 = 2.0;
/// A decrease is given this long beside the round trip to take effect.
const SETTLE_US: u64 = 100_000;

/// What arrives: bytes in buckets of [`BUCKET_US`], by the receiver's clock.
const BUCKET_US: i64 = 50_000;
const N_BUCKETS: usize = 10;

/// How much arrives, over the last half second.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    buckets: [u32; N_BUCKETS],
    newest: Option<i64>,
    n_seen: i64,
}

impl Arrivals {
    pub(super) fn add(&mut self, arrived_us: i64, len: u16) {
        let bucket = arrived_us.div_euclid(BUCKET_US);
        let newest = *self.newest.get_or_insert(bucket);
        let ahead = bucket - newest;
        if ahead <= -(N_BUCKETS as i64) {
            return;
        }
        for skipped in newest + 1..=newest + ahead.min(N_BUCKETS as i64) {
            self.buckets[place(skipped)] = 0;
        }
        if ahead > N_BUCKETS as i64 {
            self.buckets = [0; N_BUCKETS];
        }
        self.newest = Some(newest.max(bucket));
        self.n_seen = (self.n_seen + ahead.max(0)).min(N_BUCKETS as i64);
        self.buckets[place(bucket)] += u32::from(len);
    }

    /// Bits a second; `None` before a quarter of a second was seen.
    pub(super) fn bps(&self) -> Option<f64> {
        self.bps_of(N_BUCKETS as i64 - 1)
    }

    /// The same of the last quarter of a second.
    pub(super) fn recent_bps(&self) -> Option<f64> {
        self.bps_of(5)
    }

    fn bps_of(&self, n_buckets: i64) -> Option<f64> {
        // The newest bucket is not full yet.
        let newest = self.newest?;
        let n_full = self.n_seen.min(n_buckets);
        let bytes: u32 = (newest - n_full..newest).map(|bucket| self.buckets[place(bucket)]).sum();
        let seconds = (n_full * BUCKET_US) as f64 / 1e6;
        (n_full >= 5).then(|| f64::from(bytes) * 8.0 / seconds)
    }
}

fn place(bucket: i64) -> usize {
    bucket.rem_euclid(N_BUCKETS as i64) as usize
}

/// The limit.
#[derive(Debug)]
pub(super) struct Rate {
    bps: f64,
    /// Something has shown that the path is limited.
    is_measured: bool,
    /// Mean of what arrived at overuse.
    capacity_bps: Option<f64>,
    decreased_us: u64,
    updated_us: u64,
    was_over: bool,
    n_lost: u32,
    n_told: u32,
    loss_began_us: u64,
    /// Share of the last packets on the whole.
    loss: f64,
    /// The last window has lost more than is usual here.
    is_losing: bool,
    /// Nothing can be sent for trial alone: the limit grows up to this, whatever arrives.
    pub(super) untried_bps: f64,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self {
            bps: MAX_BPS,
            is_measured: false,
            capacity_bps: None,
            decreased_us: 0,
            updated_us: 0,
            was_over: false,
            n_lost: 0,
            n_told: 0,
            loss_began_us: 0,
            loss: 0.0,
            is_losing: false,
            untried_bps: 0.0,
        }
    }

    /// Share of packets that were lost lately, from 0 to 1.
    pub(super) fn loss(&self) -> f64 {
        self.loss
    }

    /// Loss says that nothing more is to be tried now.
    pub(super) fn is_lossy(&self) -> bool {
        self.is_losing || self.loss > SOME_LOSS
    }

    pub(super) fn bps(&self) -> f64 {
        self.bps
    }

    /// What is known to get through. The limit itself goes beyond it step by step, to find out; a
    /// capacity that it has left far behind was another path's.
    pub(super) fn carries_bps(&self) -> f64 {
        let known = self.capacity_bps.filter(|capacity| self.bps < NEAR * capacity);
        known.map_or(self.bps, |capacity| self.bps.min(capacity))
    }

    pub(super) fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// A probe has shown that this much gets through.
    pub(super) fn raise(&mut self, now_us: u64, bps: f64) {
        if self.is_measured && bps > self.bps {
            self.bps = bps.min(MAX_BPS);
            self.updated_us = now_us;
            if self.capacity_bps.is_some_and(|capacity| bps > WIDER * capacity) {
                self.capacity_bps = None;
            }
        }
    }

    /// The path was silent, and now tells again: this much is taken to get through.
    pub(super) fn resume(&mut self, now_us: u64, bps: f64) {
        self.capacity_bps = None;
        self.raise(now_us, bps);
    }

    /// Packets of one feedback: `n_lost` of them did not arrive.
    pub(super) fn told(&mut self, n_lost: u32, n_told: u32) {
        self.n_lost += n_lost;
        self.n_told += n_told;
    }

    /// After each feedback. `floor_bps` is what was known to get through before a probe that is
    /// under way: it does not fall below that unless less arrives.
    pub(super) fn update(
        &mut self,
        now_us: u64,
        usage: Usage,
        arrives_bps: Option<f64>,
        rtt_us: u64,
        floor_bps: Option<f64>,
    ) {
        let elapsed_us = now_us.saturating_sub(self.updated_us).min(1_000_000);
        self.updated_us = now_us;
        self.update_loss(now_us, arrives_bps, floor_bps);
        if usage == Usage::Over {
            self.was_over = true;
            self.decrease(now_us, arrives_bps, rtt_us, floor_bps);
        } else if usage == Usage::Normal && self.is_measured && !self.is_lossy() {
            // After overuse the queue has to become empty first: `Under`, or one feedback of quiet.
            if !std::mem::take(&mut self.was_over) {
                self.increase(elapsed_us, arrives_bps, rtt_us);
            }
        }
    }

    fn decrease(&mut self, now_us: u64, arrives: Option<f64>, rtt_us: u64, floor: Option<f64>) {
        let Some(arrives) = arrives else { return };
        let settled = now_us >= self.decreased_us + rtt_us + SETTLE_US;
        if !settled && arrives > self.bps / 2.0 {
            return;
        }
        let known = floor.map_or(arrives * DECREASE, |floor| floor.min(arrives));
        self.capacity_bps = Some(match self.capacity_bps {
            Some(capacity) if (capacity / arrives - 1.0).abs() < 0.3 => {
                0.95 * capacity + 0.05 * arrives
            }
            _ => arrives,
        });
        self.lower(now_us, known);
    }

    /// No more than this, where it was more.
    pub(super) fn lower(&mut self, now_us: u64, bps: f64) {
        if bps < self.bps {
            self.bps = bps.max(MIN_BPS);
            self.is_measured = true;
            self.decreased_us = now_us;
        }
    }

    fn increase(&mut self, elapsed_us: u64, arrives_bps: Option<f64>, rtt_us: u64) {
        let seconds = elapsed_us as f64 / 1e6;
        let near = self
            .capacity_bps
            .is_some_and(|capacity| self.bps > 0.7 * capacity && self.bps < NEAR * capacity);
        let grown = if near {
            // One packet a response time (section 5.5).
            let response_s = (rtt_us + SETTLE_US) as f64 / 1e6;
            self.bps + (1200.0 * 8.0 / response_s).max(4000.0) * seconds
        } else {
            self.bps * INCREASE_A_SECOND.powf(seconds)
        };
        let most = arrives_bps.map_or(self.bps, |arrives| HEADROOM * arrives + HEADROOM_BPS);
        self.bps = grown.min(most.max(TRIAL * self.untried_bps)).max(self.bps).min(MAX_BPS);
    }

    fn update_loss(&mut self, now_us: u64, arrives_bps: Option<f64>, floor: Option<f64>) {
        if self.n_told < LOSS_PACKETS || now_us < self.loss_began_us + LOSS_WINDOW_US {
            return;
        }
        let n_told = f64::from(std::mem::take(&mut self.n_told));
        let n_lost = f64::from(std::mem::take(&mut self.n_lost));
        self.loss_began_us = now_us;
        // More than so many cannot well be chance where `share` is what is lost.
        let beyond = |share: f64| n_told * share + DOUBT * (n_told * share * (1.0 - share)).sqrt();
        self.is_losing = n_lost > beyond(self.loss.max(SOME_LOSS / 2.0)) + 1.0;
        let weight = n_told / (n_told + LOSS_MEMORY);
        self.loss += weight * (n_lost / n_told - self.loss);
        let loss = n_lost / n_told;
        if n_lost > beyond(HIGH_LOSS) || loss.min(self.loss) > HIGH_LOSS {
            let arrives = arrives_bps.unwrap_or(self.bps);
            let lowered = self.bps.min(HEADROOM * arrives) * (1.0 - 0.5 * loss);
            let lowered = lowered.max(DECREASE * arrives);
            self.lower(now_us, floor.map_or(lowered, |floor| lowered.max(floor.min(self.bps))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;

    #[test]
    fn arrivals_are_counted_over_half_a_second_and_gaps_are_gaps() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.bps(), None);
        for n in 0..200 {
            arrivals.add(n * 10_000, 1250);
        }
        assert_eq!(arrivals.bps(), Some(1_000_000.0));
        arrivals.add(60_000_000, 1250);
        arrivals.add(60_060_000, 1250);
        assert!(arrivals.bps().is_some_and(|bps| bps < 30_000.0));
        arrivals.add(0, 1250);
        assert!(arrivals.bps().is_some_and(|bps| bps < 30_000.0), "much too late");
    }

    #[test]
    fn without_a_sign_of_congestion_there_is_no_limit_and_with_one_there_is() {
        let mut rate = Rate::new();
        rate.update(MS, Usage::Normal, Some(1e6), 20 * MS, None);
        assert_eq!((rate.bps(), rate.is_measured()), (MAX_BPS, false));
        rate.update(200 * MS, Usage::Over, Some(1e6), 20 * MS, None);
        assert_eq!((rate.bps(), rate.is_measured()), (850_000.0, true));
        for n in 0..600 {
            rate.update(300 * MS + n * 100 * MS, Usage::Normal, Some(800_000.0), 20 * MS, None);
        }
        assert_eq!(rate.bps(), HEADROOM * 800_000.0 + HEADROOM_BPS, "not beyond what is known");
        rate.raise(61_000 * MS, 3e6);
        assert_eq!(rate.bps(), 3e6);
    }

    #[test]
    fn a_probe_that_found_nothing_costs_nothing() {
        let mut rate = Rate::new();
        rate.update(MS, Usage::Over, Some(600_000.0), 20 * MS, None);
        rate.update(900 * MS, Usage::Over, Some(560_000.0), 20 * MS, Some(510_000.0));
        assert_eq!(rate.bps(), 510_000.0);
        rate.update(1900 * MS, Usage::Over, Some(200_000.0), 20 * MS, Some(510_000.0));
        assert_eq!(rate.bps(), 200_000.0, "unless less arrives");
    }

    #[test]
    fn loss_is_congestion_where_it_is_over_a_tenth_beyond_doubt() {
        for (n_lost, lowered) in [(0, false), (5, false), (13, false), (17, true), (30, true)] {
            let mut rate = Rate::new();
            rate.told(n_lost, 100);
            rate.update(400 * MS, Usage::Normal, Some(1e6), 20 * MS, None);
            assert_eq!(rate.bps() < 2e6, lowered, "{n_lost} of 100");
        }
    }
}
