//! PURE. What facts mean: from what was seen to whether it is well, and what to do if it is not.
//!
//! Each verdict is a function of its facts alone. Whoever gathers them (`gather`, `machine`) decides
//! nothing. Sentences of remedy are in both languages and name keys, ports and commands as they are
//! written.

mod host;
mod network;
mod reach;

#[cfg(test)]
mod tests;

pub use host::{
    Camera, Certificate, Clock, Heat, buffers, camera, certificate, clock, descriptors, disk,
    encoder, heat, throttled,
};
pub use network::{announced, container, hairpin, ipv6, loopback_guests};
pub use reach::{Holder, Https, Relay, Service, Tried, answers, https, port, relay};
