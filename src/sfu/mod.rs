//! The media plane: connections, tracks, and the packets between them.
//!
//! Rooms speak to it in *state*, both ways, so that neither can block the other:
//!
//! ```text
//!  room task --- desire(member, Desired) : the newest wins, never blocks ---> worker thread
//!            <-- changed() -> [(member, Observed)] : dirty set + wake-up ---
//! ```
//!
//! A connection carries a generation; what belongs to an older one is dropped. SDP travels in the
//! state: `up` has the client's offer in [`UpWant`] and our answer in [`UpSeen`]; `down` has our
//! offer in [`DownSeen`] and the client's answer in [`DownWant`], or the other way round where the
//! client offers. One `down` offer of ours is in flight at a time; the first goes at once, later
//! changes of 20 ms are taken together.
//!
//! Ten rooms, and imports between them run downward only (`tests/tidy.rs` checks it):
//!
//! ```text
//!  door     open, publish, watch, close; which worker has what
//!  worker   one thread a worker: the loop, its mailbox and its rooms' numbers
//!  router   one room's media: wishes made real, packets in and out again
//!  relay    tracks for consumers that are no viewers, as another worker is
//!  up down  a publisher's connection, a viewer's connection
//!  media    packets, caches, keyframes, forwarding, voices
//!  path     what a viewer's path carries, and what is made of it
//!  link     ICE-lite, DTLS, SRTP
//!  wire     sockets, what goes out at once, whose a datagram is, RTP
//! ```
//! `testing` knows them all and is not in the product.

mod door;
pub mod down;
pub mod link;
pub mod media;
pub mod path;
mod relay;
mod router;
#[cfg(any(test, fuzzing, feature = "reference"))]
pub mod testing;
pub mod up;
pub mod wire;
mod worker;

pub use door::{SfuHandle, SfuRoom, StartError, ThreadEnded};
pub use up::published_sections;

pub use crate::seams::media::{
    Desired, DownSeen, DownWant, News, Observed, Path, QUIET_AFTER, SfuError, Speaking, UpSeen,
    UpWant,
};
