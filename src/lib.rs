//! parlor: a private place to meet and to watch.

pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod ids;
pub mod net;
pub mod ports;
pub mod protocol;
pub mod room;
pub mod rooms;
pub mod sfu;
pub mod telemetry;
pub mod trust;
