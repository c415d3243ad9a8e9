//! How much chat all rooms keep together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes of chat in all rooms: what a box of 512 MB can spare. A room that is full of it has 256 KiB.
/// Tests fill it, and have less.
pub(super) const HISTORY_BYTES: usize = if cfg!(test) { 4 } else { 32 } * 1024 * 1024;

/// Bytes of chat in all rooms together.
#[derive(Debug, Clone, Default)]
pub(super) struct Total(Arc<AtomicUsize>);

impl Total {
    pub(super) fn n_bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.n_bytes() > HISTORY_BYTES
    }
}

/// One room's part of it; counted out when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    total: Total,
    n_bytes: usize,
}

impl Part {
    pub(super) fn of(total: Total) -> Self {
        Self { total, n_bytes: 0 }
    }

    /// Its new size.
    pub(super) fn set(&mut self, n_bytes: usize) {
        self.total.0.fetch_add(n_bytes, Ordering::Relaxed);
        self.total.0.fetch_sub(self.n_bytes, Ordering::Relaxed);
        self.n_bytes = n_bytes;
    }

    pub(super) fn total(&self) -> &Total {
        &self.total
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_go_with_their_rooms() {
        let total = Total::default();
        let (mut a, mut b) = (Part::of(total.clone()), Part::of(total.clone()));
        a.set(HISTORY_BYTES);
        assert!(!total.is_over());
        b.set(1);
        assert!(total.is_over());
        a.set(10);
        assert_eq!(total.n_bytes(), 11);
        drop(b);
        assert_eq!(total.n_bytes(), 10);
    }
}
