//! The viewer's side: one connection to one browser, by which it receives all it watches.
//!
//! We offer, the browser answers. ICE-lite (RFC 8445 2.5), DTLS-SRTP (RFC 5764), SRTP (RFC 3711,
//! RFC 7714), RTCP feedback (RFC 4585, 5104), RTX (RFC 4588). Sans-IO: datagrams and time come in,
//! datagrams go out, and nothing here reads a clock or knows a socket. It does not decide which
//! packets a viewer gets, nor their numbers (`forward`), and keeps no packets (`track`).

mod dtls;
mod ice;
mod rtcp;
mod srtp;

use std::{net::SocketAddr, sync::Arc, time::Instant};

pub use dtls::DownShared;

use super::{
    Path, SfuError, credentials::IceCredentials, forward::Forwarded, packet::Codec,
    transmit::Transmit,
};
use crate::{
    ids::{Mid, TrackId},
    protocol::Shown,
};

/// A track that a viewer is to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownTrack {
    /// What the client is told of it.
    pub shown: Shown,
    /// What its packets are.
    pub codec: Codec,
}

/// Index of an m-line of one viewer, stable for the connection's life.
pub type Slot = usize;

/// What a viewer's connection tells its worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownEvent {
    /// Media can flow.
    Connected,
    /// [`Downlink::offer`] or [`Downlink::mids`] has changed.
    OfferReady,
    /// The viewer cannot decode before the next keyframe.
    KeyframeWanted(Slot),
    /// These packets of the media SSRC did not arrive.
    Nack(Slot, Vec<u16>),
    /// It is over; see [`Downlink::closed_because`].
    Closed,
}

/// One viewer's connection.
#[derive(Debug)]
pub struct Downlink {
    local: IceCredentials,
    candidates: Arc<[String]>,
}

impl Downlink {
    /// A connection that waits for its first [`Downlink::show`]. `seed` must come from a
    /// cryptographic generator; it makes SSRCs, first sequence numbers and the session's id.
    pub fn new(
        _shared: Arc<DownShared>,
        local: IceCredentials,
        candidates: Arc<[String]>,
        _seed: [u8; 32],
        _now: Instant,
    ) -> Self {
        Self { local, candidates }
    }

    /// By which a STUN check finds this connection.
    pub fn local_ufrag(&self) -> &str {
        &self.local.ufrag
    }

    /// The box's addresses have changed; the next offer has these.
    pub fn set_candidates(&mut self, candidates: Arc<[String]>) {
        self.candidates = candidates;
    }

    /// The desired table, in order of importance.
    pub fn show(&mut self, _now: Instant, _tracks: &[ShownTrack]) {}

    /// The newest offer and its revision.
    pub fn offer(&self) -> Option<(u32, Arc<str>)> {
        None
    }

    /// What each m-line of the newest offer shows.
    pub fn mids(&self) -> Vec<(Mid, Shown)> {
        Vec::new()
    }

    /// The client's answer to the offer `revision`.
    pub fn handle_answer(
        &mut self,
        _now: Instant,
        revision: u32,
        _sdp: &str,
    ) -> Result<(), SfuError> {
        Err(SfuError::OfferUnknown(revision))
    }

    /// A datagram came.
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _from: SocketAddr,
        _data: &[u8],
        _out: &mut dyn Transmit,
    ) {
    }

    /// [`Downlink::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, _now: Instant, _out: &mut dyn Transmit) {}

    /// When [`Downlink::handle_timeout`] is to be called, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next event, until `None`.
    pub fn poll_event(&mut self) -> Option<DownEvent> {
        None
    }

    /// Where media goes.
    pub fn remote(&self) -> Option<SocketAddr> {
        None
    }

    /// How the path is.
    pub fn path(&self, _now: Instant) -> Path {
        Path::New
    }

    /// Why it was closed, where it was not by the client or by [`Downlink::close`].
    pub fn closed_because(&self) -> Option<&str> {
        None
    }

    /// The slot that shows this track, if the client has accepted it and is connected.
    pub fn slot(&self, _track: &TrackId) -> Option<Slot> {
        None
    }

    /// Sequence number and timestamp with which the next track on this slot is to begin: random
    /// below 2^13 where nothing was sealed yet, else what continues the stream at `now`.
    pub fn first_numbers(&self, _slot: Slot, _now: Instant) -> (u16, u32) {
        (0, 0)
    }

    /// Seals one RTP packet into `out` (at least payload + 64 bytes); returns the bytes written.
    /// `None`: not connected, refused, or this sequence number was sealed before.
    pub fn seal_rtp(
        &mut self,
        _slot: Slot,
        _header: Forwarded,
        _payload: &[u8],
        _out: &mut [u8],
    ) -> Option<usize> {
        None
    }

    /// The same packet again by RTX (RFC 4588).
    pub fn seal_rtx(
        &mut self,
        _slot: Slot,
        _header: Forwarded,
        _payload: &[u8],
        _out: &mut [u8],
    ) -> Option<usize> {
        None
    }

    /// A sender report for this slot; `ntp` (64 bit) and `rtp_timestamp` belong together.
    pub fn seal_sender_report(
        &mut self,
        _slot: Slot,
        _ntp: u64,
        _rtp_timestamp: u32,
        _out: &mut [u8],
    ) -> Option<usize> {
        None
    }

    /// Says goodbye (DTLS `close_notify`).
    pub fn close(&mut self, _now: Instant, _out: &mut dyn Transmit) {}
}
