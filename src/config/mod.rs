//! `Config` (as written) becomes `Settings` (as meant); every fault at once.

mod settings;

pub use settings::*;
