//! Does the queue on the path grow? Delay between bursts, its trend, and a threshold that adapts.
//!
//! draft-ietf-rmcat-gcc-02 sections 5.2-5.4, with the line fitted to the last [`WINDOW`] bursts in
//! place of the Kalman filter, as browsers do it: it needs no noise model and forgets in a known
//! time. Departure: a queue that becomes empty by itself is a keyframe, not overuse (as in RFC 8289,
//! the least delay of some time tells a standing queue from a burst).

use super::queue::Queue;

/// Packets sent within this are one burst (draft section 5.2).
const BURST_US: u64 = 5_000;
/// Bursts that the line is fitted to.
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// What makes a slope comparable with the threshold, which was tuned for a Kalman filter.
const GAIN: f64 = 4.0;
const MAX_DELTAS: u32 = 60;
/// The threshold's beginning, bounds and speeds (draft section 5.4, ms).
const THRESHOLD_MS: f64 = 12.5;
const THRESHOLD_RANGE_MS: (f64, f64) = (6.0, 600.0);
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// The trend must be over the threshold for so long.
const OVERUSE_MS: f64 = 10.0;
/// Beyond the threshold by more than this, the threshold stays: a change of route, not of jitter.
const MAX_ADAPT_MS: f64 = 15.0;
/// A gap in arrivals after which the delays before it say nothing.
const RESET_US: i64 = 3_000_000;

/// What the delay says about the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Usage {
    /// The queue stays as it is.
    #[default]
    Normal,
    /// It grows: more is sent than the path carries.
    Over,
    /// It becomes empty.
    Under,
}

/// Packets that left together.
#[derive(Debug, Clone, Copy)]
struct Burst {
    first_sent_us: u64,
    sent_us: u64,
    arrived_us: i64,
}

/// The detector.
#[derive(Debug)]
pub(super) struct Trend {
    current: Option<Burst>,
    former: Option<Burst>,
    /// Since when times are counted, on the receiver's clock.
    began_us: i64,
    n_deltas: u32,
    delay_ms: f64,
    smoothed_ms: f64,
    /// Arrival and smoothed delay of the last bursts.
    points: [(f64, f64); WINDOW],
    n_points: usize,
    former_trend: f64,
    over_ms: f64,
    n_over: u32,
    threshold_ms: f64,
    adapted_us: i64,
    usage: Usage,
    pub(super) queue: Queue,
}

impl Trend {
    pub(super) fn new() -> Self {
        Self {
            current: None,
            former: None,
            began_us: 0,
            n_deltas: 0,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            points: [(0.0, 0.0); WINDOW],
            n_points: 0,
            former_trend: 0.0,
            over_ms: 0.0,
            n_over: 0,
            threshold_ms: THRESHOLD_MS,
            adapted_us: 0,
            usage: Usage::Normal,
            queue: Queue::new(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        match self.usage {
            Usage::Over if !self.queue.stands() => Usage::Normal,
            usage => usage,
        }
    }

    /// A packet arrived. Packets come in the order in which they were sent.
    pub(super) fn add(&mut self, sent_us: u64, arrived_us: i64, len: u16) {
        let next = Burst { first_sent_us: sent_us, sent_us, arrived_us };
        let Some(current) = &mut self.current else {
            self.began_us = arrived_us;
            self.current = Some(next);
            return;
        };
        if sent_us < current.first_sent_us {
            return;
        }
        if (arrived_us - current.arrived_us).abs() > RESET_US {
            *self = Self { threshold_ms: self.threshold_ms, ..Self::new() };
            return self.add(sent_us, arrived_us, len);
        }
        self.queue.add(arrived_us - sent_us as i64, arrived_us, len);
        if sent_us - current.first_sent_us <= BURST_US {
            current.sent_us = current.sent_us.max(sent_us);
            current.arrived_us = current.arrived_us.max(arrived_us);
            return;
        }
        let closed = *current;
        if let Some(former) = self.former {
            let sent_ms = (closed.sent_us - former.sent_us) as f64 / 1000.0;
            let arrived_ms = (closed.arrived_us - former.arrived_us) as f64 / 1000.0;
            self.delta(arrived_ms - sent_ms, sent_ms, closed.arrived_us);
        }
        self.former = Some(closed);
        self.current = Some(next);
    }

    fn delta(&mut self, delta_ms: f64, sent_ms: f64, arrived_us: i64) {
        self.n_deltas = (self.n_deltas + 1).min(MAX_DELTAS);
        self.delay_ms += delta_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        let at_ms = (arrived_us - self.began_us) as f64 / 1000.0;
        if self.n_points == WINDOW {
            self.points.rotate_left(1);
            self.n_points -= 1;
        }
        self.points[self.n_points] = (at_ms, self.smoothed_ms);
        self.n_points += 1;
        let slope = if self.n_points == WINDOW { self.slope() } else { Some(self.former_slope()) };
        let trend = f64::from(self.n_deltas) * slope.unwrap_or(0.0) * GAIN;
        self.judge(trend, sent_ms);
        self.adapt(trend, arrived_us);
        self.former_trend = trend;
    }

    /// Before the window is full, the slope is that of what there is, from half a window on.
    fn former_slope(&self) -> f64 {
        if self.n_points * 2 < WINDOW { 0.0 } else { self.slope().unwrap_or(0.0) }
    }

    /// Least squares.
    fn slope(&self) -> Option<f64> {
        let points = &self.points[..self.n_points];
        let n = points.len() as f64;
        let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
        let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
        let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        (below > 0.0).then(|| above / below)
    }

    fn judge(&mut self, trend: f64, sent_ms: f64) {
        if trend > self.threshold_ms {
            self.over_ms += if self.n_over == 0 { sent_ms / 2.0 } else { sent_ms };
            self.n_over += 1;
            let lasts = self.over_ms > OVERUSE_MS && self.n_over > 1;
            if lasts && trend >= self.former_trend && self.queue.grows() {
                self.over_ms = 0.0;
                self.n_over = 0;
                self.usage = Usage::Over;
            }
            return;
        }
        self.over_ms = 0.0;
        self.n_over = 0;
        self.usage = if trend < -self.threshold_ms { Usage::Under } else { Usage::Normal };
    }

    fn adapt(&mut self, trend: f64, arrived_us: i64) {
        let elapsed_ms = ((arrived_us - self.adapted_us) as f64 / 1000.0).clamp(0.0, 100.0);
        self.adapted_us = arrived_us;
        let size = trend.abs();
        if size > self.threshold_ms + MAX_ADAPT_MS {
            return;
        }
        let speed = if size < self.threshold_ms { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let (low, high) = THRESHOLD_RANGE_MS;
        self.threshold_ms += speed * (size - self.threshold_ms) * elapsed_ms;
        self.threshold_ms = self.threshold_ms.clamp(low, high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bursts every 33 ms whose delay is `delay_ms(n)`.
    fn usages(n: u64, delay_ms: impl Fn(u64) -> f64) -> Vec<Usage> {
        let mut trend = Trend::new();
        let mut usages = Vec::new();
        for burst in 0..n {
            for packet in 0..3 {
                let sent_us = burst * 33_000 + packet * 100;
                let arrived_us = sent_us as i64 + (delay_ms(burst) * 1000.0) as i64;
                trend.add(sent_us, arrived_us + 7_000_000, 1000);
            }
            usages.push(trend.usage());
        }
        usages
    }

    #[test]
    fn a_growing_queue_is_seen_within_a_second_and_a_steady_or_jittery_path_is_left_alone() {
        assert!(usages(300, |_| 40.0).iter().all(|usage| *usage == Usage::Normal));
        let jitter = |n: u64| (n * 7919 % 11) as f64;
        assert!(!usages(600, jitter).contains(&Usage::Over), "jitter of 10 ms");
        let growing = usages(60, |n| if n < 20 { 20.0 } else { 20.0 + (n - 20) as f64 * 10.0 });
        let seen = growing.iter().position(|usage| *usage == Usage::Over).expect("it is seen");
        assert!((20..50).contains(&seen), "burst {seen}");
        let draining = usages(80, |n| if n < 40 { 400.0 } else { 400.0 - (n - 40) as f64 * 8.0 });
        assert!(draining.contains(&Usage::Under));
    }

    #[test]
    fn the_receivers_clock_may_jump_and_packets_may_come_in_disorder() {
        let mut trend = Trend::new();
        for n in 0..1000_u64 {
            let jump = if n > 500 { 3_600_000_000 } else { 0 };
            let sent_us = (n ^ (n & 1)) * 20_000;
            trend.add(sent_us, sent_us as i64 + jump, 1000);
        }
        assert_eq!(trend.usage(), Usage::Normal);
    }
}
