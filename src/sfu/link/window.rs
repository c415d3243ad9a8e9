//! PURE. Which numbers of a stream were there already, within a window behind its newest.
//!
//! One for what comes (a packet is opened once, RFC 3711 3.3.2), and for what goes (no two packets are
//! sealed under one number). Numbers are whole: roll-over counter and sequence number.

/// How far behind the newest a number may be: a second of 1080p video, and as much as caches hold.
pub(crate) const WINDOW: u64 = 960;
/// Marks are forgotten word by word, so there is one word more.
const WORDS: usize = (WINDOW / 64) as usize + 1;

/// The marks of one stream.
#[derive(Debug, Default)]
pub(crate) struct Window {
    newest: Option<u64>,
    /// Bit `index % 64` of word `index / 64 % WORDS`, of the indexes up to the newest.
    marks: [u64; WORDS],
}

impl Window {
    /// One that had come to this index; which of those before had been there is not known any more.
    pub(crate) fn after(newest: u64) -> Self {
        let mut window = Self { newest: Some(newest), marks: [u64::MAX; WORDS] };
        // What is newer in its word was not there.
        window.marks[word(newest)] = u64::MAX >> (63 - newest % 64);
        window
    }

    /// The newest that was there.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The index of a sequence number: the one that is nearest to the newest. `None` if that would be
    /// before the beginning.
    #[inline]
    pub(crate) fn index_of(&self, sequence: u16) -> Option<u64> {
        let Some(newest) = self.newest else { return Some(sequence.into()) };
        let ahead = sequence.wrapping_sub(newest as u16) as i16;
        newest.checked_add_signed(ahead.into())
    }

    /// It was not there yet, and is not too old to know.
    #[inline]
    pub(crate) fn is_new(&self, index: u64) -> bool {
        let Some(newest) = self.newest else { return true };
        index > newest || (newest - index <= WINDOW && self.marks[word(index)] & bit(index) == 0)
    }

    /// It is there.
    #[inline]
    pub(crate) fn mark(&mut self, index: u64) {
        let newest = *self.newest.get_or_insert(index);
        if index > newest {
            // What lies between was not there; what was there a window ago is forgotten.
            for entered in (newest / 64 + 1..=index / 64).take(WORDS) {
                self.marks[entered as usize % WORDS] = 0;
            }
            self.newest = Some(index);
        }
        self.marks[word(index)] |= bit(index);
    }

    /// Marks an index that is new; false for one that is not.
    #[inline]
    pub(crate) fn take(&mut self, index: u64) -> bool {
        let is_new = self.is_new(index);
        if is_new {
            self.mark(index);
        }
        is_new
    }
}

fn word(index: u64) -> usize {
    (index / 64) as usize % WORDS
}

fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_knows_what_a_set_of_all_would_know() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let (mut window, mut all, mut base) = (Window::default(), BTreeSet::new(), 70_000_u64);
        for _ in 0..50_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Mostly near the newest, now and then a leap.
            let index = base + random % 1200 + if random.is_multiple_of(97) { 5000 } else { 0 };
            let newest = all.last().copied().unwrap_or(0);
            base = base.max(index.saturating_sub(1100));
            let is_known = all.contains(&index) || (!all.is_empty() && index + WINDOW < newest);
            assert_eq!(window.take(index), !is_known, "{index} after {newest}");
            if !is_known {
                all.insert(index);
            }
            assert_eq!(window.newest(), all.last().copied());
            assert_eq!(window.index_of(index as u16), Some(index));
        }
    }

    #[test]
    fn one_that_goes_on_takes_what_is_newer_alone() {
        for newest in [0, 63, 64, 65_536 + 100] {
            let mut window = Window::after(newest);
            assert!((newest.saturating_sub(2000)..=newest).all(|index| !window.is_new(index)));
            assert!(window.take(newest + 3) && window.take(newest + 1) && window.take(newest + 2));
            assert!(!window.take(newest + 1));
        }
    }
}
