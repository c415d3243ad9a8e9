//! What must not be foreseen: keys, tokens, ports. Drawn from one seed, so that a test draws the same.

use aws_lc_rs::hmac;

/// HMAC-SHA256 of a counter.
pub(super) struct Dice {
    key: hmac::Key,
    counter: u64,
}

impl Dice {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), counter: 0 }
    }

    /// The next `N` bytes, 32 at most.
    pub(super) fn draw<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32) };
        self.counter += 1;
        let tag = hmac::sign(&self.key, &self.counter.to_be_bytes());
        let mut drawn = [0; N];
        drawn.copy_from_slice(&tag.as_ref()[..N]);
        drawn
    }

    pub(super) fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.draw())
    }
}
