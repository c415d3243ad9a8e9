//! An uplink against the library's client, in memory, under a clock of our own.

mod client;
mod differential;
mod handshake;
mod hostile;
mod media;
mod negotiation;
mod spy;
