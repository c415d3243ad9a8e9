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

pub mod bandwidth;
pub mod candidates;
pub mod credentials;
pub mod demux;
pub mod downlink;
mod dtls;
pub mod flight;
pub mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handle;
mod ice;
pub mod packet;
pub mod payload;
pub mod placement;
pub mod red;
mod rtp;
mod socket;
pub mod speakers;
mod srtp;
pub mod track;
pub mod transmit;
mod transport;
pub mod uplink;
mod worker;

#[cfg(test)]
mod tests;

pub use handle::{SfuHandle, SfuRoom, StartError};

pub use crate::seams::media::{
    Desired, DownSeen, DownWant, News, Observed, Path, QUIET_AFTER, SfuError, Speaking, UpSeen,
    UpWant,
};
