//! Tracks on their way from one worker to another.
//!
//! Owns what the two leave for each other, what was told and what was asked. Which viewers make
//! something needed is the router's affair.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) mod feed;
pub(crate) mod link;
pub(crate) mod pipe;

/// A panic elsewhere leaves plain maps behind, whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
