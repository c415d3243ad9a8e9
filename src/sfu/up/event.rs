//! What a publisher's connection has to say to the worker.

use crate::{ids::Mid, sfu::media::packet::Packet};

/// What a publisher's connection has to say.
#[derive(Debug)]
pub enum UpEvent {
    /// ICE and DTLS are up.
    Connected,
    /// A packet of a track.
    Rtp {
        /// The m-section that it belongs to.
        mid: Mid,
        /// The packet.
        packet: Packet,
    },
    /// The publisher's clocks.
    SenderReport {
        /// The m-section that it is about.
        mid: Mid,
        /// The layer, as in [`Packet::layer`].
        layer: u8,
        /// NTP time, 64 bit.
        ntp: u64,
        /// The RTP time that belongs to it.
        rtp_timestamp: u32,
    },
    /// The client closed it, or was silent for 30 s.
    Closed,
}
