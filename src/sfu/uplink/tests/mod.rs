//! An uplink against the library's client, in memory, under a clock of our own.

mod client;
mod handshake;
mod media;
mod negotiation;
mod spy;
