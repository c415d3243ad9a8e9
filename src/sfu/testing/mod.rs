//! What the media plane is tried with, and nothing of the product: ends in memory under a clock of
//! their own, an hour ahead of the wall clock, seeded loss, doors for fuzzing, and the library's
//! connections as a reference.
//!
//! It may name every part, and no part names it outside of tests.

#[cfg(test)]
pub(crate) mod client;
#[cfg(any(test, fuzzing))]
pub(crate) mod dtls_client;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
pub(crate) mod link;
#[cfg(test)]
pub(crate) mod peer;
#[cfg(test)]
pub(crate) mod random;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[cfg(test)]
mod scenes;
#[cfg(test)]
pub(crate) mod stream;
#[cfg(test)]
mod up;
#[cfg(test)]
pub(crate) mod world;
