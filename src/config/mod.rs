//! `Config` (as written) becomes `Settings` (as meant); every fault at once.
//!
//! ```text
//!  flags ---------.
//!  PARLOR_* ------+--> reader (keys, one by one) --> meaning --> Settings, or all Faults
//!  parlor.toml ---'         ^                           |
//!    written (TOML + lines) ' shape, forms (one value)  '-- conflicts (keys together)
//! ```
//!
//! Owns: the keys, their defaults and ranges, where each was written, what is wrong with them.
//! Does not: open sockets, create the data folder unasked ([`data_folder`] does when `serve`
//! starts), keep settings anywhere; whoever wants newer ones calls [`Sources::load`] again.

mod conflicts;
pub mod data_folder;
mod fault;
mod forms;
mod meaning;
mod print;
mod reader;
mod section;
mod settings;
mod shape;
mod sources;
mod written;

pub use fault::{Fault, Faults, Source};
pub use print::KeyInfo;
pub use settings::*;
pub use sources::{DEFAULT_FILE, Loaded, Sources, keys};
