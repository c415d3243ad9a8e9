//! A publisher's connection: answers any offer, takes SRTP in, hands packets on.
//!
//! Today it is the library's `RTCPeerConnection` as an ICE-lite answerer; nothing of that shows in
//! the interface, so that an own up side can take its place. It opens no socket and reads no clock:
//! datagrams, time and addresses are arguments.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::{Path, SfuError, credentials::IceCredentials, packet::Packet, transmit::Transmit};
use crate::{ids::Mid, protocol::MediaKind};

/// What all publishers' connections share: the certificate.
#[derive(Debug)]
pub struct UpShared {}

impl UpShared {
    /// Makes a certificate.
    pub fn new() -> Result<Arc<Self>, SfuError> {
        Ok(Arc::new(Self {}))
    }
}

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
        /// NTP time, 64 bit.
        ntp: u64,
        /// The RTP time that belongs to it.
        rtp_timestamp: u32,
    },
    /// The client closed it, or was silent for 30 s.
    Closed,
}

/// A publisher's connection.
#[derive(Debug)]
pub struct Uplink {
    local: IceCredentials,
}

impl Uplink {
    /// A connection that waits for its offer.
    ///
    /// `candidates` are whole attribute values without `a=`; `local_addr` is the address of the
    /// worker's socket.
    pub fn new(
        _shared: &Arc<UpShared>,
        local: IceCredentials,
        _candidates: Arc<[String]>,
        _local_addr: SocketAddr,
        _now: Instant,
    ) -> Result<Self, SfuError> {
        Ok(Self { local })
    }

    /// What the first half of USERNAME is in the client's checks.
    pub fn local_ufrag(&self) -> &str {
        &self.local.ufrag
    }

    /// Answers an offer, the first or a later one.
    pub fn handle_offer(&mut self, _now: Instant, _sdp: &str) -> Result<Arc<str>, SfuError> {
        Err(SfuError::Internal("the up side is being built".into()))
    }

    /// The m-sections that publish, in their order.
    pub fn mids(&self) -> Vec<(Mid, MediaKind)> {
        Vec::new()
    }

    /// Takes a datagram in.
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _from: SocketAddr,
        _data: &[u8],
        _out: &mut dyn Transmit,
    ) {
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Instant, _out: &mut dyn Transmit) {}

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// What has happened, oldest first.
    pub fn poll_event(&mut self) -> Option<UpEvent> {
        None
    }

    /// Asks the publisher for a keyframe of `mid` (RFC 4585 section 6.3.1).
    pub fn request_keyframe(&mut self, _now: Instant, _mid: &Mid, _out: &mut dyn Transmit) {}

    /// Whether packets can come.
    pub fn path(&self, _now: Instant) -> Path {
        Path::New
    }

    /// Tells the client that this is over.
    pub fn close(&mut self, _now: Instant, _out: &mut dyn Transmit) {}
}
