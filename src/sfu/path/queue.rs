//! The queue on the path, as the delays of packets show it: does it stand, does it grow, and how much
//! goes through while it does?
//!
//! A queue stands where even the luckiest packet of some time has waited (RFC 8289 section 3: a burst
//! that drains by itself is none). It grows where that least wait goes up and up: a step that stays is
//! another route. While packets wait, they come as fast as the path carries them, however little is
//! sent on the whole: that is the capacity.

/// The least delay is taken of so long.
const SLOT_US: i64 = 50_000;
const N_SLOTS: usize = 3;
/// A queue stands if the least delay of all slots is over the path's own by this much.
const STANDING_US: i64 = 20_000;
/// The path's own delay is the least of one to two times this.
const BASE_US: i64 = 10_000_000;
/// From slot to slot, beyond what jitter does to the least of several packets.
const GROWTH_US: i64 = 2_000;

/// A packet that is so much later than the path's own delay has waited behind others.
const WAITED_US: i64 = 15_000;
/// What comes is a rate from so long a stretch on, and not of longer.
const STRETCH_US: (i64, i64) = (100_000, 500_000);
/// Packets that wait do not come so far apart: between these nothing was sent.
const PAUSE_US: i64 = 100_000;

/// Packets one after the other, all of which have waited.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    began_us: i64,
    last_us: i64,
    /// After the first packet, which only marks the beginning.
    bytes: u32,
}

impl Stretch {
    fn bps(&self) -> Option<f64> {
        let elapsed_us = self.last_us - self.began_us;
        (elapsed_us >= STRETCH_US.0).then(|| f64::from(self.bytes) * 8e6 / elapsed_us as f64)
    }
}

/// Delays of the last moments, and of the last seconds.
#[derive(Debug)]
pub(super) struct Queue {
    /// The least delay of each of the last slots; `i64::MAX` where nothing came.
    slots: [i64; N_SLOTS],
    slot: i64,
    base_us: (i64, i64),
    base_began_us: i64,
    stretch: Option<Stretch>,
    /// What the stretch before carried, of which the present one is the rest.
    carried_bps: Option<f64>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            slots: [i64::MAX; N_SLOTS],
            slot: 0,
            base_us: (i64::MAX, i64::MAX),
            base_began_us: 0,
            stretch: None,
            carried_bps: None,
        }
    }

    /// A packet of `len` bytes came; its delay is by two clocks, of which only differences count.
    pub(super) fn add(&mut self, delay_us: i64, arrived_us: i64, len: u16) {
        let slot = arrived_us.div_euclid(SLOT_US);
        let n_slots = N_SLOTS as i64;
        for skipped in (self.slot + 1).max(slot - n_slots + 1)..=slot {
            self.slots[skipped.rem_euclid(n_slots) as usize] = i64::MAX;
        }
        self.slot = self.slot.max(slot);
        let least = &mut self.slots[slot.rem_euclid(n_slots) as usize];
        *least = delay_us.min(*least);
        if arrived_us - self.base_began_us > BASE_US {
            self.base_began_us = arrived_us;
            self.base_us = (i64::MAX, self.base_us.0);
        }
        self.base_us.0 = self.base_us.0.min(delay_us);
        self.stretch(delay_us, arrived_us, len);
    }

    fn base_us(&self) -> i64 {
        self.base_us.0.min(self.base_us.1)
    }

    fn stretch(&mut self, delay_us: i64, arrived_us: i64, len: u16) {
        let has_waited = delay_us - self.base_us() >= WAITED_US;
        let goes_on = self.stretch.is_some_and(|s| arrived_us - s.last_us <= PAUSE_US);
        if !(has_waited && goes_on) {
            self.stretch = None;
            self.carried_bps = None;
        }
        if !has_waited {
            return;
        }
        let Some(stretch) = &mut self.stretch else {
            self.stretch = Some(Stretch { began_us: arrived_us, last_us: arrived_us, bytes: 0 });
            return;
        };
        stretch.last_us = stretch.last_us.max(arrived_us);
        stretch.bytes += u32::from(len);
        if stretch.last_us - stretch.began_us > STRETCH_US.1 {
            self.carried_bps = stretch.bps();
            let began_us = stretch.last_us;
            *stretch = Stretch { began_us, last_us: began_us, bytes: 0 };
        }
    }

    /// The least delay of the last moments; `None` if nothing came.
    pub(super) fn least_us(&self) -> Option<i64> {
        self.slots.iter().copied().min().filter(|least| *least != i64::MAX)
    }

    /// The same of half the time, at least of one slot.
    pub(super) fn newest_us(&self) -> Option<i64> {
        let slot = |back: i64| self.slots[(self.slot - back).rem_euclid(N_SLOTS as i64) as usize];
        Some(slot(0).min(slot(1))).filter(|least| *least != i64::MAX)
    }

    /// Everything that came lately has waited.
    pub(super) fn stands(&self) -> bool {
        self.least_us().is_some_and(|least| least - self.base_us() > STANDING_US)
    }

    /// Slot after slot waits longer.
    pub(super) fn grows(&self) -> bool {
        let n_slots = N_SLOTS as i64;
        let slot = |back: i64| self.slots[(self.slot - back).rem_euclid(n_slots) as usize];
        (1..n_slots).all(|back| {
            let (before, after) = (slot(back), slot(back - 1));
            before != i64::MAX && after != i64::MAX && after - before >= GROWTH_US
        })
    }

    /// Bits a second that the path carries, as far as the queue that stands now shows it.
    pub(super) fn carries_bps(&self) -> Option<f64> {
        self.stretch.and_then(|stretch| stretch.bps()).or(self.carried_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 1000 bytes every 10 ms, each with the delay `delay_ms(n)`.
    fn after(n: i64, delay_ms: impl Fn(i64) -> i64) -> Queue {
        let mut queue = Queue::new();
        for packet in 0..n {
            let delay_us = delay_ms(packet) * 1000;
            queue.add(delay_us, packet * 10_000 + delay_us, 1000);
        }
        queue
    }

    #[test]
    fn a_step_is_another_route_and_a_slope_is_a_queue() {
        let step = |n: i64| if n < 100 { 20 } else { 60 };
        for n in 90..140 {
            assert!(!after(n, step).grows(), "{n}");
        }
        assert!(after(140, step).stands(), "as far as one can know");
        let slope = |n: i64| if n < 100 { 20 } else { 20 + (n - 100) };
        assert!(after(125, slope).grows() && !after(99, slope).grows());
    }

    #[test]
    fn capacity_is_what_comes_while_packets_wait() {
        // A keyframe: ten packets at once, which a path of 400 kb/s needs 20 ms each for.
        let mut queue = after(100, |_| 20);
        assert_eq!(queue.carries_bps(), None, "nothing waits");
        for packet in 1..=10 {
            queue.add(20_000 + packet * 20_000, 1_020_000 + packet * 20_000, 1000);
        }
        let carries = queue.carries_bps().expect("they have waited");
        assert!((carries - 400_000.0).abs() < 1.0, "{carries}");
        queue.add(80_000, 3_000_000, 1000);
        assert_eq!(queue.carries_bps(), None, "nothing was sent meanwhile");
        queue.add(20_000, 3_010_000, 1000);
        assert_eq!(queue.carries_bps(), None, "the queue is empty");
    }

    #[test]
    fn a_long_queue_shows_what_the_path_carries_now() {
        let mut queue = after(1, |_| 0);
        let mut now_us = 0;
        for packet in 1..=200 {
            now_us += if packet <= 100 { 8_000 } else { 40_000 };
            queue.add(200_000, now_us, 1000);
        }
        let carries = queue.carries_bps().expect("they have waited");
        assert!((carries - 200_000.0).abs() < 10_000.0, "{carries}");
    }
}
