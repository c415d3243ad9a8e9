//! PURE. Bits and Exp-Golomb numbers of a unit's raw payload (ITU-T H.264 7.2, 7.4.1.1, 9.1).

/// Reads from the first bit on; emulation prevention bytes are left out.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of the byte at `at`, so many bits are read.
    n_read: u32,
    n_zeros: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, n_read: 0, n_zeros: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        let mut byte = *self.bytes.get(self.at)?;
        if self.n_read == 0 && self.n_zeros >= 2 && byte == 3 {
            (self.at, self.n_zeros) = (self.at + 1, 0);
            byte = *self.bytes.get(self.at)?;
        }
        let bit = u32::from(byte >> (7 - self.n_read) & 1);
        self.n_read += 1;
        if self.n_read == 8 {
            self.n_zeros = if byte == 0 { self.n_zeros + 1 } else { 0 };
            (self.at, self.n_read) = (self.at + 1, 0);
        }
        Some(bit)
    }

    /// At most 32 bits.
    pub(super) fn take(&mut self, n: u32) -> Option<u32> {
        (0..n).try_fold(0_u32, |value, _| Some(value << 1 | self.bit()?))
    }

    pub(super) fn skip(&mut self, n: usize) -> Option<()> {
        (0..n).try_for_each(|_| self.bit().map(drop))
    }

    pub(super) fn golomb(&mut self) -> Option<u32> {
        let mut n_zeros = 0;
        while self.bit()? == 0 {
            n_zeros += 1;
        }
        (n_zeros < 32).then_some(())?;
        ((1_u32 << n_zeros) - 1).checked_add(self.take(n_zeros)?)
    }

    pub(super) fn signed_golomb(&mut self) -> Option<i64> {
        let value = i64::from(self.golomb()?);
        Some(if value % 2 == 1 { (value + 1) / 2 } else { -value / 2 })
    }
}
