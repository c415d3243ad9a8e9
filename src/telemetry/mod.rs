//! What operators see: logs, metrics, systemd; and the signals by which they speak to the process.

pub mod logging;
pub mod metrics;
mod port_holder;
pub mod shutdown;
pub mod systemd;

pub use port_holder::port_holder;
