//! The library's connection behind the publisher's interface: what our own side is held against.
//!
//! For tests, and for `benches/uplink.rs` by the feature `reference`; parlor itself never has it. It
//! answers one offer, has no ICE restart, and does not watch for silence; SDP and ICE are those of
//! [`crate::sfu::up::Uplink`]. DTLS, SRTP, NACK, receiver reports and transport-cc are the library's.
//!
//! ```text
//!  DTLS ---- hello (which SRTP profiles?) -> library -> flight (the remedy against lost flights)
//!  SRTP ---- library (decrypts) -> tap -> media (whose packet? RTX, NACK, reports) -> UpEvent
//! ```

use std::{net::SocketAddr, sync::Arc, time::Instant};

use self::{hello::HelloGate, library::Library, media::Media, tap::Tap};
use crate::{
    ids::Mid,
    seams::media::SfuError,
    sfu::{
        link::{
            credentials::IceCredentials,
            flight::{Flight, is_dtls},
            ice::Ice,
        },
        media::sdp::offer::{self, Offer},
        up::{UpEvent, answer, shared as own},
        wire::transmit::Transmit,
    },
};

mod hello;
mod library;
mod media;
mod published;
mod shared;
mod side;
mod tap;

pub use shared::ReferenceShared;
pub use side::Side;

/// A publisher's connection on the library.
pub struct Reference {
    shared: Arc<ReferenceShared>,
    ice: Ice,
    fingerprint: Option<String>,
    tap: Tap,
    gate: HelloGate,
    library: Option<Library>,
    flight: Flight,
    is_connected: bool,
    was_told: bool,
}

impl Reference {
    /// A connection that waits for its offer.
    pub fn new(shared: &Arc<ReferenceShared>, local: IceCredentials) -> Self {
        Self {
            shared: shared.clone(),
            ice: Ice::new(local, [0; 32]),
            fingerprint: None,
            tap: Tap::new(Media::new()),
            gate: HelloGate::default(),
            library: None,
            flight: Flight::new(),
            is_connected: false,
            was_told: false,
        }
    }

    /// Answers its one offer.
    pub fn handle_offer(&mut self, sdp: &str) -> Result<Arc<str>, SfuError> {
        let offer = Offer::read(sdp, offer::Side::Publisher)?;
        self.fingerprint =
            offer.transport.as_ref().map(|transport| own::hex(&transport.fingerprint));
        let answer = answer::write(
            &offer,
            &answer::Local {
                credentials: self.ice.local(),
                fingerprint: &self.shared.fingerprint,
                candidates: &["candidate:1 1 udp 2130706431 127.0.0.1 10000 typ host".to_owned()],
                setup: "passive",
                session: 1,
                version: 1,
            },
        );
        self.tap.media().apply(&offer);
        Ok(answer.into())
    }

    /// Takes a datagram in.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
        out: &mut dyn Transmit,
    ) {
        match data.first() {
            Some(0..=3) => {
                self.ice.handle(now, from.into(), data, out);
            }
            Some(20..=63) if self.ice.pairs.knows(from.into()) => self.take_dtls(now, data, out),
            Some(128..=191) if self.ice.pairs.knows(from.into()) => {
                if let Some(library) = &mut self.library {
                    library.read(now, data);
                }
            }
            _ => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        if let Some(remote) = self.ice.pairs.towards() {
            self.flight.handle_timeout(now, |datagram| out.transmit(remote, datagram));
        }
        self.tap.media().handle_timeout(now);
        self.flush(now, out);
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.tap.media().poll_timeout(), self.flight.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// What has happened, oldest first.
    pub fn poll_event(&mut self) -> Option<UpEvent> {
        if self.is_connected && !self.was_told {
            self.was_told = true;
            return Some(UpEvent::Connected);
        }
        self.tap.media().poll_event()
    }

    /// Asks the publisher for a keyframe of `mid`.
    pub fn request_keyframe(&mut self, now: Instant, mid: &Mid, out: &mut dyn Transmit) {
        self.tap.media().request_keyframe(now, mid);
        self.flush(now, out);
    }

    fn take_dtls(&mut self, now: Instant, data: &[u8], out: &mut dyn Transmit) {
        if self.library.is_some() {
            self.read_dtls(now, data, out);
        } else if let Some(opened) = self.gate.take(data) {
            let Some(fingerprint) = &self.fingerprint else { return };
            let parts = library::Parts {
                crypto: &self.shared.crypto,
                certificate: &self.shared.certificate,
                fingerprint,
                profiles: shared::profiles(&opened.profiles),
                tap: self.tap.clone(),
            };
            self.library = Library::new(parts, now).ok();
            for datagram in &opened.held {
                self.read_dtls(now, datagram, out);
            }
        }
    }

    fn read_dtls(&mut self, now: Instant, data: &[u8], out: &mut dyn Transmit) {
        let Some(library) = &mut self.library else { return };
        self.flight.received(data);
        library.read(now, data);
        library.settle();
        self.is_connected |= library.is_connected();
        self.flush(now, out);
        if let Some(remote) = self.ice.pairs.towards() {
            self.flight.after_read(now, |datagram| out.transmit(remote, datagram));
        }
        if self.is_connected {
            self.flight.finish();
        }
    }

    /// Sends what the library has to send.
    fn flush(&mut self, now: Instant, out: &mut dyn Transmit) {
        let Some(library) = &mut self.library else { return };
        while let Some(mut datagram) = library.poll_write() {
            if is_dtls(&datagram) {
                self.flight.sent(now, &mut datagram);
            }
            if let Some(remote) = self.ice.pairs.towards() {
                out.transmit(remote, &datagram);
            }
        }
    }
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reference")
            .field("remote", &self.ice.pairs.towards())
            .finish_non_exhaustive()
    }
}
