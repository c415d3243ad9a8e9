//! What was sent to one viewer and not yet told of: a ring that fits its path.
//!
//! Eight bytes a packet. The ring begins small and is doubled while packets would be forgotten
//! sooner than their feedback can come, which ends within seconds: after that nothing is allocated by
//! sending. A packet older than the ring is forgotten, and feedback about it says nothing.

/// Packets that are remembered at first: a second of one picture with sound. A power of two, so that
/// sequence numbers keep their places over their wrap.
const FIRST_LEN: usize = 256;
/// At most: a second of 40 Mbit/s.
const MAX_LEN: usize = 4096;
/// A packet of which nobody has told yet is remembered so long: a long round trip, and the interval
/// of feedback.
const REMEMBERED_US: u32 = 1_000_000;

/// A packet that was sent.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Microseconds, 32 bits that wrap after 71 minutes.
    at_us: u32,
    len: u16,
    /// Sent, and nobody has said that it arrived.
    is_open: bool,
    /// It was told to be lost, and counted.
    is_lost: bool,
}

/// What feedback says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SentPacket {
    /// Microseconds.
    pub(super) sent_us: u64,
    pub(super) len: u16,
    /// It was counted as lost before, and came after all.
    pub(super) was_lost: bool,
}

/// The ring and the number of the next packet.
#[derive(Debug)]
pub(super) struct History {
    ring: Box<[Entry]>,
    next: u64,
    /// The newest that was told to have arrived.
    told: u64,
}

impl History {
    pub(super) fn new() -> Self {
        // From 1, so that `next - 1` is the newest in all arithmetic.
        Self { ring: vec![Entry::default(); FIRST_LEN].into(), next: 1, told: 0 }
    }

    fn place(&self, number: u64) -> usize {
        // The length is a power of two.
        number as usize & (self.ring.len() - 1)
    }

    /// Notes a packet and gives its transport-wide number.
    #[inline]
    pub(super) fn push(&mut self, now_us: u64, len: usize) -> u16 {
        let number = self.next;
        self.next += 1;
        let oldest = &self.ring[self.place(number)];
        let age_us = (now_us as u32).wrapping_sub(oldest.at_us);
        if oldest.is_open && age_us < REMEMBERED_US && self.ring.len() < MAX_LEN {
            self.grow();
        }
        let place = self.place(number);
        self.ring[place] = Entry {
            at_us: now_us as u32,
            len: len.min(usize::from(u16::MAX)) as u16,
            is_open: true,
            is_lost: false,
        };
        number as u16
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = vec![Entry::default(); 2 * self.ring.len()];
        // All but the one that `next` has just been given.
        let newest = self.next - 2;
        for number in newest.saturating_sub(self.ring.len() as u64 - 1)..=newest {
            larger[number as usize & (2 * self.ring.len() - 1)] = self.ring[self.place(number)];
        }
        self.ring = larger.into();
    }

    fn entry(&mut self, sequence: u16) -> Option<&mut Entry> {
        let newest = self.next - 1;
        let behind = u64::from((newest as u16).wrapping_sub(sequence));
        if behind >= self.ring.len() as u64 || behind >= newest {
            return None;
        }
        let place = self.place(newest - behind);
        Some(&mut self.ring[place]).filter(|entry| entry.is_open)
    }

    /// Of what was sent so far nothing that is told counts any more.
    pub(super) fn forget(&mut self) {
        self.ring.iter_mut().for_each(|entry| entry.is_open = false);
    }

    /// A packet arrived that was sent after all that were told of before: bytes that were sent after it,
    /// as far as they are remembered.
    pub(super) fn told(&mut self, sequence: u16) -> Option<u64> {
        let newest = self.next - 1;
        let number = newest.checked_sub(u64::from((newest as u16).wrapping_sub(sequence)))?;
        if number <= self.told {
            return None;
        }
        self.told = number;
        let first = (number + 1).max(self.next.saturating_sub(self.ring.len() as u64));
        Some((first..self.next).map(|after| u64::from(self.ring[self.place(after)].len)).sum())
    }

    /// A packet arrived. `None`: not sent, forgotten, or told before.
    pub(super) fn arrived(&mut self, now_us: u64, sequence: u16) -> Option<SentPacket> {
        let entry = self.entry(sequence)?;
        entry.is_open = false;
        let age_us = (now_us as u32).wrapping_sub(entry.at_us);
        let sent_us = now_us.saturating_sub(u64::from(age_us));
        Some(SentPacket { sent_us, len: entry.len, was_lost: entry.is_lost })
    }

    /// A packet did not arrive so far. True if that is told for the first time.
    pub(super) fn lost(&mut self, sequence: u16) -> bool {
        self.entry(sequence).is_some_and(|entry| !std::mem::replace(&mut entry.is_lost, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_told_of_once_and_wraps_are_no_matter() {
        let mut history = History::new();
        assert_eq!(history.arrived(5, 0), None, "nothing was sent");
        for round in 0..40_u64 {
            let now = round * 1_000_000_000;
            let sent: Vec<u16> = (0..6000).map(|n| history.push(now + n, 1200)).collect();
            let later = now + 500_000;
            assert_eq!(history.arrived(later, sent[0]), None, "forgotten");
            let told = history.arrived(later, sent[5999]);
            assert_eq!(told, Some(SentPacket { sent_us: now + 5999, len: 1200, was_lost: false }));
            assert_eq!(history.arrived(later, sent[5999]), None, "told before");
            assert!(history.lost(sent[5000]) && !history.lost(sent[5000]));
            assert!(history.arrived(later, sent[5000]).is_some_and(|told| told.was_lost));
            assert_eq!(history.arrived(later, sent[5999].wrapping_add(1)), None, "not sent");
        }
    }
    #[test]
    fn the_ring_grows_only_while_feedback_is_waited_for() {
        let mut history = History::new();
        // 1000 packets/s, told of after 100 ms: what there is suffices.
        for n in 0..5000_u64 {
            history.push(n * 1000, 1200);
            if n >= 100 {
                let told = history.arrived(n * 1000, (n - 99) as u16);
                assert_eq!(told.map(|told| told.sent_us), Some((n - 100) * 1000));
            }
        }
        assert_eq!(history.ring.len(), FIRST_LEN);
        // Then after 600 ms: it grows, and nothing is forgotten on the way.
        for n in 5000..10_000_u64 {
            history.push(n * 1000, 1200);
            if n >= 5500 {
                let told = history.arrived(n * 1000, (n - 599) as u16);
                assert_eq!(told.map(|told| told.sent_us), Some((n - 600) * 1000), "{n}");
            }
        }
        assert_eq!(history.ring.len(), 1024);
        // Whoever never tells has a ring of a second's packets, and of no more than its most.
        (10_000..20_000).for_each(|n| {
            history.push(n * 1000, 1200);
        });
        assert_eq!(history.ring.len(), 1024);
        (0..20_000).for_each(|n| {
            history.push(20_000_000 + n * 10, 1200);
        });
        assert_eq!(history.ring.len(), MAX_LEN);
    }
}
