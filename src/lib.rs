//! parlor: a private place to meet and to watch.

#[cfg(feature = "camera")]
pub mod camera;
pub mod config;
pub mod ids;
pub mod ports;
pub mod protocol;
pub mod rooms;
pub mod sfu;
pub mod telemetry;
