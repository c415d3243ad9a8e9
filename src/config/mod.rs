//! `Config` (as written) becomes `Settings` (as meant); every fault at once.
//!
//! ```text
//!  flags ---------.
//!  PARLOR_* ------+--> reader (keys, one by one) --> meaning --> Settings, or all Faults
//!  parlor.toml ---'         ^                           |
//!    written (TOML + lines) ' shape, forms (one value)  '-- conflicts (keys together)
//! ```
//!
//! PURE. Owns the keys, their defaults and ranges, where each was written, what is wrong with them.
//! Does not read files or the environment, nor make the data folder (`boot` does), nor keep settings
//! anywhere: whoever wants newer ones calls [`Sources::understand`] again.

mod conflicts;
mod fault;
mod forms;
mod ice_forms;
mod masked;
mod meaning;
mod print;
mod reader;
mod repeated;
mod restart;
mod section;
mod settings;
mod shape;
mod sources;
mod written;

pub use fault::{Fault, Faults, Source};
pub use masked::unmask;
pub use print::{KeyInfo, ShownKey};
pub use restart::needs_restart;
pub use settings::*;
pub use sources::{DEFAULT_FILE, Files, Loaded, NoFiles, Sources, keys};
