//! The network's side: sockets, the arena of one wake-up, whose a datagram is, RTP headers, candidates.
//!
//! Owns no connection and knows none.

pub(crate) mod bell;
pub mod candidates;
pub mod demux;
pub(crate) mod greeting;
pub(crate) mod outbox;
pub(crate) mod patience;
pub(crate) mod rtcp;
pub(crate) mod rtp;
pub(crate) mod socket;
pub(crate) mod tcp;
pub mod transmit;
