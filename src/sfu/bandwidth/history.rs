//! What was sent to one viewer and not yet told of: a ring of fixed size, made once.
//!
//! Eight bytes a packet, nothing is allocated by sending. A packet older than the ring is forgotten,
//! and feedback about it says nothing.

/// Packets that are remembered: two seconds at 1000 packets/s. A power of two, so that sequence
/// numbers keep their places over their wrap.
const LEN: usize = 2048;

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
pub(super) struct Told {
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
}

impl History {
    pub(super) fn new() -> Self {
        // From 1, so that `next - 1` is the newest in all arithmetic.
        Self { ring: vec![Entry::default(); LEN].into(), next: 1 }
    }

    /// Notes a packet and gives its transport-wide number.
    #[inline]
    pub(super) fn push(&mut self, now_us: u64, len: usize) -> u16 {
        let number = self.next;
        self.next += 1;
        self.ring[number as usize % LEN] = Entry {
            at_us: now_us as u32,
            len: len.min(usize::from(u16::MAX)) as u16,
            is_open: true,
            is_lost: false,
        };
        number as u16
    }

    fn entry(&mut self, sequence: u16) -> Option<&mut Entry> {
        let newest = self.next - 1;
        let behind = u64::from((newest as u16).wrapping_sub(sequence));
        if behind >= LEN as u64 || behind >= newest {
            return None;
        }
        Some(&mut self.ring[(newest - behind) as usize % LEN]).filter(|entry| entry.is_open)
    }

    /// A packet arrived. `None`: not sent, forgotten, or told before.
    pub(super) fn arrived(&mut self, now_us: u64, sequence: u16) -> Option<Told> {
        let entry = self.entry(sequence)?;
        entry.is_open = false;
        let age_us = (now_us as u32).wrapping_sub(entry.at_us);
        let sent_us = now_us.saturating_sub(u64::from(age_us));
        Some(Told { sent_us, len: entry.len, was_lost: entry.is_lost })
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
            let sent: Vec<u16> = (0..3000).map(|n| history.push(now + n, 1200)).collect();
            let later = now + 500_000;
            assert_eq!(history.arrived(later, sent[0]), None, "forgotten");
            let told = history.arrived(later, sent[2999]);
            assert_eq!(told, Some(Told { sent_us: now + 2999, len: 1200, was_lost: false }));
            assert_eq!(history.arrived(later, sent[2999]), None, "told before");
            assert!(history.lost(sent[2000]) && !history.lost(sent[2000]));
            assert!(history.arrived(later, sent[2000]).is_some_and(|told| told.was_lost));
            assert_eq!(history.arrived(later, sent[2999].wrapping_add(1)), None, "not sent");
        }
    }
}
