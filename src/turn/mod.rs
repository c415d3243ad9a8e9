//! The STUN and TURN server: RFC 8489, 8656, 6062, 8016, in coturn's place.
//!
//! Owns its sockets and relays, and who may use them. All is decided by [`server`], which is pure;
//! one thread performs it for UDP, and a task a stream for TCP and TLS. TLS is `http`'s, on the port
//! of https: an accepted stream comes in by [`seams::turn`](crate::seams::turn).
//!
//! ```text
//!  UDP client --listener--+                        +--relay--> peer
//!                         v                        |
//!             worker: Server (pure) -> World (sockets, outbox) --inside--> another relay of ours
//!                         ^                        |
//!  TCP, TLS client --stream task (frames)          +--peer task (RFC 6062)--> peer by TCP
//!
//!  settings, addresses --rules--> worker
//! ```
//!
//! PURE: `allocation`, `credential`, `frame`, `handout`, `nonce`, `outbox`, `outlet`, `policy`, `ports`,
//! `rate`, `rules`, `server`, `source`.

pub mod credential;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod policy;
pub mod server;

mod allocation;
mod door;
mod frame;
mod handout;
mod nonce;
mod outbox;
mod outlet;
mod peer;
mod ports;
mod rate;
mod rules;
mod socket;
mod source;
mod stream;
mod worker;
mod world;

pub use door::{StartError, TurnHandle, start};
pub use handout::others;
