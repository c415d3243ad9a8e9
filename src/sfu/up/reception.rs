//! PURE. How one source arrives, for receiver reports (RFC 3550 6.4.1, appendices A.3 and A.8).
//!
//! Counts by SRTP's index, which has no wraps. It writes no RTCP.

use std::time::Instant;

/// A report block without its SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Block {
    /// Share lost since the block before, in 1/256.
    pub(super) fraction_lost: u8,
    /// Lost since the beginning; negative where duplicates outnumber losses; 24 bits.
    pub(super) total_lost: i32,
    /// Highest sequence number, with its wraps.
    pub(super) highest: u32,
    /// In ticks of the clock.
    pub(super) jitter: u32,
    /// The middle 32 bits of the newest sender report's NTP time; 0 if none came.
    pub(super) last_sender_report: u32,
    /// Since that came, in 1/65536 s.
    pub(super) delay: u32,
}

/// One source.
#[derive(Debug)]
pub(super) struct Reception {
    clock_rate: u64,
    lowest: u64,
    highest: u64,
    n_received: u64,
    /// Expected and received at the block before.
    reported: (u64, u64),
    transit: Option<u32>,
    /// In 1/16 tick.
    jitter: u32,
    sender_report: Option<(u32, Instant)>,
}

impl Reception {
    /// `clock_rate` in Hz; `index` is that of the first packet.
    pub(super) fn new(clock_rate: u32, index: u64) -> Self {
        Self {
            clock_rate: clock_rate.into(),
            lowest: index,
            highest: index,
            n_received: 0,
            reported: (0, 0),
            transit: None,
            jitter: 0,
            sender_report: None,
        }
    }

    /// A packet has come. `origin` may be any time that stays the same.
    pub(super) fn received(&mut self, origin: Instant, now: Instant, index: u64, timestamp: u32) {
        self.n_received += 1;
        self.lowest = self.lowest.min(index);
        self.highest = self.highest.max(index);
        let elapsed = now.saturating_duration_since(origin);
        let micros = u64::from(elapsed.subsec_micros());
        let ticks = elapsed.as_secs() * self.clock_rate + micros * self.clock_rate / 1_000_000;
        let transit = (ticks as u32).wrapping_sub(timestamp);
        if let Some(former) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(former) as i32).unsigned_abs();
            let jitter = u64::from(self.jitter);
            let next = jitter + u64::from(difference) - ((jitter + 8) >> 4);
            self.jitter = u32::try_from(next).unwrap_or(u32::MAX);
        }
    }

    /// A sender report has come.
    pub(super) fn sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// The block to report now; `None` if nothing has come since the one before.
    pub(super) fn block(&mut self, now: Instant) -> Option<Block> {
        let expected = self.highest - self.lowest + 1;
        let (expected_before, received_before) = self.reported;
        if self.n_received == received_before {
            return None;
        }
        self.reported = (expected, self.n_received);
        let expected_now = expected.saturating_sub(expected_before);
        let received_now = self.n_received - received_before;
        let lost_now = expected_now.saturating_sub(received_now);
        let lost = i64::try_from(expected).ok()? - i64::try_from(self.n_received).ok()?;
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(ntp, at)| {
            let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (ntp, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        Some(Block {
            fraction_lost: (256 * lost_now).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            total_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.highest as u32,
            jitter: self.jitter >> 4,
            last_sender_report,
            delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn start() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[test]
    fn losses_are_counted_over_wraps_and_in_both_directions() {
        let (origin, mut source) = (start(), Reception::new(90_000, 65_530));
        let receive = |source: &mut Reception, index| source.received(origin, origin, index, 0);
        // Four of ten are lost, one of them comes late.
        [65_530, 65_531, 65_534, 65_536, 65_533, 65_539]
            .iter()
            .for_each(|index| receive(&mut source, *index));
        let block = source.block(origin).expect("something came");
        assert_eq!((block.fraction_lost, block.total_lost), (102, 4));
        assert_eq!(block.highest, 65_539);
        assert_eq!(source.block(origin), None, "nothing new");
        // All come, and one that was missed: no loss in this interval, one less in all.
        [65_540, 65_541, 65_532].iter().for_each(|index| receive(&mut source, *index));
        let block = source.block(origin).expect("something came");
        assert_eq!((block.fraction_lost, block.total_lost), (0, 3));
    }

    #[test]
    fn jitter_is_that_of_the_rfc() {
        let origin = start();
        let mut even = Reception::new(90_000, 0);
        let mut uneven = Reception::new(90_000, 0);
        for index in 0..500_u64 {
            let at = origin + Duration::from_millis(20 * index);
            let timestamp = (index * 1800) as u32;
            even.received(origin, at, index, timestamp);
            let late = Duration::from_millis(if index % 2 == 0 { 0 } else { 10 });
            uneven.received(origin, at + late, index, timestamp);
        }
        assert_eq!(even.block(origin).expect("packets").jitter, 0);
        // 10 ms of 90 kHz.
        let jitter = uneven.block(origin).expect("packets").jitter;
        assert!((880..=900).contains(&jitter), "{jitter}");
    }

    #[test]
    fn the_sender_learns_the_age_of_its_report() {
        let origin = start();
        let mut source = Reception::new(48_000, 0);
        source.received(origin, origin, 0, 0);
        source.sender_report(origin, 0x1122_3344_5566_7788);
        let block = source.block(origin + Duration::from_millis(500)).expect("a packet");
        assert_eq!((block.last_sender_report, block.delay), (0x3344_5566, 32_768));
    }
}
