//! PURE. How much comes of one layer: its rate, its height, when something came last.

use std::time::Instant;

/// Ticks (of a quarter second) that a rate is taken over: a keyframe must not look like a rate.
const RATE_TICKS: usize = 8;
const TICKS_A_SECOND: u32 = 4;
/// After so many a rate is one.
pub(super) const SURE_TICKS: usize = 3;

/// How much of one layer comes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meter {
    pub(super) heard: Option<Instant>,
    /// Frames of other layers since.
    pub(super) n_others: u8,
    pub(super) height: u16,
    ticks: [u32; RATE_TICKS],
    pub(super) n_ticks: usize,
    pub(super) bytes: u32,
}

impl Meter {
    /// What comes after a silence is another rate, and what came before its first whole tick is none.
    pub(super) fn tick(&mut self, sends: bool) {
        self.ticks.rotate_right(1);
        self.ticks[0] = std::mem::take(&mut self.bytes);
        self.n_ticks = if sends { (self.n_ticks + 1).min(RATE_TICKS) } else { 0 };
    }

    /// Bits a second; at least 1, which stands for "comes, but nobody knows how much".
    pub(super) fn bps(&self) -> u32 {
        let bytes: u32 = self.ticks.iter().take(self.n_ticks).sum();
        let n_ticks = self.n_ticks.max(1) as u32;
        (bytes / n_ticks).saturating_mul(8 * TICKS_A_SECOND).max(1)
    }
}
