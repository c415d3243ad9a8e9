//! What our own side and the library's have in common, for whoever compares them.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::Reference;
use crate::{
    ids::Mid,
    seams::media::SfuError,
    sfu::{
        up::{UpEvent, Uplink},
        wire::transmit::Transmit,
    },
};

/// A publisher's connection, whoever made it; see [`Uplink`] for what each does.
pub trait Side {
    /// Answers an offer.
    fn offer(&mut self, now: Instant, sdp: &str) -> Result<Arc<str>, SfuError>;
    /// Takes a datagram in.
    fn take(&mut self, now: Instant, from: SocketAddr, data: &[u8], out: &mut dyn Transmit);
    /// The next event.
    fn next_event(&mut self) -> Option<UpEvent>;
    /// When [`Self::timeout`] has something to do.
    fn due(&self) -> Option<Instant>;
    /// Does what is due.
    fn timeout(&mut self, now: Instant, out: &mut dyn Transmit);
    /// Asks for a keyframe.
    fn ask_keyframe(&mut self, now: Instant, mid: &Mid, out: &mut dyn Transmit);
}

impl Side for Uplink {
    fn offer(&mut self, now: Instant, sdp: &str) -> Result<Arc<str>, SfuError> {
        self.handle_offer(now, sdp)
    }

    fn take(&mut self, now: Instant, from: SocketAddr, data: &[u8], out: &mut dyn Transmit) {
        self.handle_datagram(now, from, data, out);
    }

    fn next_event(&mut self) -> Option<UpEvent> {
        self.poll_event()
    }

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.handle_timeout(now, out);
    }

    fn ask_keyframe(&mut self, now: Instant, mid: &Mid, out: &mut dyn Transmit) {
        self.request_keyframe(now, mid, 0, out);
    }
}

impl Side for Reference {
    fn offer(&mut self, _: Instant, sdp: &str) -> Result<Arc<str>, SfuError> {
        self.handle_offer(sdp)
    }

    fn take(&mut self, now: Instant, from: SocketAddr, data: &[u8], out: &mut dyn Transmit) {
        self.handle_datagram(now, from, data, out);
    }

    fn next_event(&mut self) -> Option<UpEvent> {
        self.poll_event()
    }

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.handle_timeout(now, out);
    }

    fn ask_keyframe(&mut self, now: Instant, mid: &Mid, out: &mut dyn Transmit) {
        self.request_keyframe(now, mid, out);
    }
}
