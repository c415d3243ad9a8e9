//! Where a panic stops: code that reads what others send, and all of a room's, runs in a guard.
//!
//! A fault costs the member whose words were read, or the room; never the worker and its other rooms.
//! What panicked is thrown away whole, so that nothing half done is used again.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does it. `None` if it panicked, which is told once as what it was about.
pub(crate) fn guarded<T>(what: &'static str, act: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(act)).ok();
    if done.is_none() {
        tracing::error!(what, "the media plane panicked and has closed this; please report it");
    }
    done
}

/// Faults of ours, as tests want them.
#[cfg(test)]
pub(crate) mod fault {
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// The next time that this thread comes by this place it panics.
    pub(crate) fn plant(place: &'static str) {
        PLANTED.set(Some(place));
    }

    /// Nobody has come by.
    pub(crate) fn is_planted() -> bool {
        PLANTED.get().is_some()
    }

    /// This is the place.
    pub(crate) fn strike(place: &str) {
        if PLANTED.get() == Some(place) {
            PLANTED.set(None);
            panic!("the fault that a test wants: {place}");
        }
    }
}
