//! What operators see: logs, metrics, systemd; and the signals by which they speak to the process.

pub mod logging;
pub mod metrics;
pub mod shutdown;
pub mod systemd;
