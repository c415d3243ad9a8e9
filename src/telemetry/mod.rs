//! What operators see: logs, metrics, systemd.

pub mod metrics;
