//! Tracks on their way to consumers that are no viewers, and from one worker to another.
//!
//! Owns what the two ends leave for each other, what was told and what was asked. Which viewers make
//! something needed is the router's affair.
//!
//! ```text
//!  home's router -> Outlet (ToAnnex is one) --Pipe: Batch-->  FromHome -> annex's router
//!                                           <--Asked------
//! ```
//! A lane is a track's number on that way, a description is what is told of it beside its packets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::{from_home::FromHome, outlet::Outlet, pipe::Lane};

pub(crate) mod from_home;
pub(crate) mod outlet;
pub(crate) mod pipe;
pub(crate) mod to_annex;

/// What a room has to do with other workers, and with whoever else takes its tracks.
#[derive(Default)]
pub(crate) struct Relay {
    /// Consumers that are no viewers.
    pub(crate) outlets: Vec<Box<dyn Outlet>>,
    /// From its home, in an annex.
    pub(crate) home: Option<FromHome>,
    last_lane: Lane,
}

impl Relay {
    pub(crate) fn next_lane(&mut self) -> Lane {
        self.last_lane += 1;
        self.last_lane
    }
}

/// A panic elsewhere leaves plain maps behind, whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
