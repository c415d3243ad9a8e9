//! A publisher's connection: answers any offer, takes SRTP in, hands packets on.
//!
//! Owns the connection's ICE-lite end, its path, and the order in which the parts below see a
//! datagram. It opens no socket and reads no clock: datagrams, time and addresses are arguments.
//! What is published, and to whom it goes, is not its affair.
//!
//! ```text
//!            offer -> parse -> answer
//!  STUN ---- ice (answered here; whoever holds the password is heard, the nominated is sent to)
//!  DTLS ---- hello (which SRTP profiles?) -> library -> flight (the remedy against lost flights)
//!  SRTP ---- library (decrypts) -> tap -> media (whose packet? RTX, NACK, reports) -> UpEvent
//!
//!  New -- ICE and DTLS up --> Connected <-- silence, 4 s --> Quiet -- 30 s, or closed --> Closed
//! ```
//! Today DTLS and SRTP are those of the library's `RTCPeerConnection`; nothing of it shows in the
//! interface, so that an own up side can take its place.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::{
    Path, QUIET_AFTER, SfuError, credentials::IceCredentials, flight, flight::Flight,
    transmit::Transmit,
};
use crate::{ids::Mid, protocol::MediaKind};

mod answer;
mod event;
mod hello;
mod ice;
mod library;
mod media;
mod offer;
mod published;
mod reach;
mod shared;
mod tap;
#[cfg(test)]
mod tests;

pub use event::UpEvent;
pub use shared::UpShared;

use hello::HelloGate;
use library::Library;
use media::Media;
use offer::{Offer, Transport};
use reach::{CLOSED_AFTER, Reach};
use tap::Tap;

/// Bytes of DTLS that are taken before completion, and again after it. A handshake has about 4 KB;
/// this leaves room for eight repetitions, and bounds what the library keeps of what comes too early.
const DTLS_BUDGET: usize = 32 * 1024;

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Connected,
    Closed,
}

/// A publisher's connection.
pub struct Uplink {
    shared: Arc<UpShared>,
    local: IceCredentials,
    /// Those before an ICE restart: the client keeps its old path alive by them until the new one
    /// stands (RFC 8445 section 2.4).
    former: Option<IceCredentials>,
    candidates: Arc<[String]>,
    /// The client's end, of its newest offer.
    transport: Option<Transport>,
    answers: u32,
    tap: Tap,
    gate: HelloGate,
    library: Option<Library>,
    flight: Flight,
    state: State,
    told: State,
    reach: Reach,
    /// Bytes of DTLS that the library may still be shown.
    dtls_budget: usize,
    media_timeout: Option<Instant>,
}

impl Uplink {
    /// A connection that waits for its offer. `candidates` are whole attribute values without
    /// `a=`; they go into the answers. The socket's address is not needed by this up side (answers
    /// go back by the worker's socket), and making it cannot fail; another may need both.
    pub fn new(
        shared: &Arc<UpShared>,
        local: IceCredentials,
        candidates: Arc<[String]>,
        _local_addr: SocketAddr,
        now: Instant,
    ) -> Result<Self, SfuError> {
        Ok(Self {
            shared: shared.clone(),
            local,
            former: None,
            candidates,
            transport: None,
            answers: 0,
            tap: Tap::new(Media::new()),
            gate: HelloGate::default(),
            library: None,
            flight: Flight::new(),
            state: State::New,
            told: State::New,
            reach: Reach::new(now),
            dtls_budget: DTLS_BUDGET,
            media_timeout: None,
        })
    }

    /// The first half of USERNAME in the client's checks. It changes when an offer restarts ICE
    /// ([`Self::handle_offer`]); the former one stays valid.
    pub fn local_ufrag(&self) -> &str {
        &self.local.ufrag
    }

    /// Other candidates for answers to come.
    pub fn set_candidates(&mut self, candidates: Arc<[String]>) {
        self.candidates = candidates;
    }

    /// Answers an offer, the first or a later one of the same connection. An offer that is refused
    /// changes nothing.
    pub fn handle_offer(&mut self, now: Instant, sdp: &str) -> Result<Arc<str>, SfuError> {
        let offer = Offer::parse(sdp)?;
        match (&self.transport, &offer.transport) {
            (Some(former), Some(offered)) if former.fingerprint != offered.fingerprint => {
                let message = "its a=fingerprint is another than before; a new certificate needs a \
                               new connection";
                return Err(SfuError::SdpUnacceptable(message.to_owned()));
            }
            (Some(former), Some(offered)) if former != offered => {
                let next = self.next_credentials(offered);
                self.former = Some(std::mem::replace(&mut self.local, next));
            }
            (None, None) => {
                let message = "no section of it can be taken: parlor forwards opus, VP8 and H264 \
                               (profile-level-id 42…, packetization-mode=1) over \
                               UDP/TLS/RTP/SAVPF, bundled";
                return Err(SfuError::SdpUnacceptable(message.to_owned()));
            }
            _ => {}
        }
        if offer.transport.is_some() {
            self.transport.clone_from(&offer.transport);
        }
        self.answers += 1;
        let ufrag = self.local.ufrag.bytes();
        let answer = answer::write(
            &offer,
            &answer::Local {
                credentials: &self.local,
                fingerprint: &self.shared.fingerprint,
                candidates: &self.candidates,
                session: ufrag.fold(1, |sum, byte| sum << 7 | u64::from(byte)) >> 1,
                version: self.answers,
            },
        );
        self.tap.media().apply(&offer);
        self.reach.hear(now);
        Ok(answer.into())
    }

    /// The m-sections that publish, in their order.
    pub fn mids(&self) -> Vec<(Mid, MediaKind)> {
        self.tap.media().mids()
    }

    /// Takes a datagram in, whatever it is; what is not this connection's is dropped.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
        out: &mut dyn Transmit,
    ) {
        if self.state == State::Closed || self.transport.is_none() {
            return;
        }
        match data.first() {
            Some(0..=3) => self.take_check(now, from, data, out),
            Some(20..=63) if self.reach.is_believed(from) => {
                self.reach.hear(now);
                self.take_dtls(now, data, out);
            }
            Some(128..=191) if self.reach.is_believed(from) => {
                self.reach.hear(now);
                if let Some(library) = &mut self.library {
                    library.read(now, data);
                    self.media_timeout = self.tap.media().poll_timeout();
                }
            }
            _ => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        if self.reach.handle_timeout(now) {
            self.state = State::Closed;
        }
        if self.state == State::Closed {
            return;
        }
        if let Some(remote) = self.reach.remote() {
            self.flight.handle_timeout(now, |datagram| out.transmit(remote, datagram));
        }
        if self.media_timeout.is_some_and(|at| at <= now) {
            self.tap.media().handle_timeout(now);
        }
        self.flush(now, out);
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let timeouts = [self.media_timeout, self.flight.poll_timeout()];
        timeouts.into_iter().flatten().chain([self.reach.poll_timeout()]).min()
    }

    /// What has happened, oldest first.
    pub fn poll_event(&mut self) -> Option<UpEvent> {
        if self.told == State::New && self.state == State::Connected {
            self.told = State::Connected;
            return Some(UpEvent::Connected);
        }
        if let Some(event) = self.tap.media().poll_event() {
            return Some(event);
        }
        let is_news = self.state == State::Closed && self.told != State::Closed;
        is_news.then(|| {
            self.told = State::Closed;
            UpEvent::Closed
        })
    }

    /// Asks the publisher for a keyframe of a layer of `mid` (RFC 4585 section 6.3.1). Coalescing
    /// is the track's affair.
    pub fn request_keyframe(&mut self, now: Instant, mid: &Mid, layer: u8, out: &mut dyn Transmit) {
        self.tap.media().request_keyframe(now, mid, layer);
        self.flush(now, out);
    }

    /// Whether packets can come.
    pub fn path(&self, now: Instant) -> Path {
        let silence = self.reach.silence(now);
        match self.state {
            State::Closed => Path::Closed,
            _ if silence >= CLOSED_AFTER => Path::Closed,
            State::New => Path::New,
            State::Connected if silence >= QUIET_AFTER => Path::Quiet,
            State::Connected => Path::Connected,
        }
    }

    /// Tells the client that this is over (DTLS close_notify).
    pub fn close(&mut self, now: Instant, out: &mut dyn Transmit) {
        if let Some(library) = &mut self.library {
            library.close();
        }
        self.flush(now, out);
        self.state = State::Closed;
        self.told = State::Closed;
    }

    fn take_check(&mut self, now: Instant, from: SocketAddr, data: &[u8], out: &mut dyn Transmit) {
        let crypto = &self.shared.crypto;
        let credentials = [Some(&self.local), self.former.as_ref()];
        let checked =
            credentials.into_iter().flatten().find_map(|c| ice::check(crypto, c, from, data));
        let Some(checked) = checked else { return };
        out.transmit(from, &checked.response);
        if !checked.is_valid {
            return;
        }
        self.reach.checked(now, from, checked.nominates);
    }

    fn take_dtls(&mut self, now: Instant, data: &[u8], out: &mut dyn Transmit) {
        let Some(rest) = self.dtls_budget.checked_sub(data.len()) else { return };
        self.dtls_budget = rest;
        if self.library.is_none() {
            if let Some(opened) = self.gate.take(data) {
                self.open_library(now, &opened.profiles);
                for datagram in &opened.held {
                    self.read_dtls(now, datagram, out);
                }
            }
            return;
        }
        self.read_dtls(now, data, out);
    }

    fn read_dtls(&mut self, now: Instant, data: &[u8], out: &mut dyn Transmit) {
        let Some(library) = &mut self.library else { return };
        self.flight.received(data);
        library.read(now, data);
        library.settle();
        let is_up = library.is_connected();
        self.flush(now, out);
        if let Some(remote) = self.reach.remote() {
            self.flight.after_read(now, |datagram| out.transmit(remote, datagram));
        }
        if is_up && self.state == State::New {
            self.state = State::Connected;
            self.dtls_budget = DTLS_BUDGET;
            self.flight.finish();
        }
    }

    fn open_library(&mut self, now: Instant, offered: &[u16]) {
        let Some(transport) = &self.transport else { return };
        let library = Library::new(
            library::Parts {
                crypto: &self.shared.crypto,
                certificate: &self.shared.certificate,
                fingerprint: &transport.fingerprint,
                profiles: shared::profiles(offered),
                tap: self.tap.clone(),
            },
            now,
        );
        match library {
            Ok(library) => self.library = Some(library),
            Err(error) => {
                tracing::error!(%error, "a publisher's connection could not be made");
                self.state = State::Closed;
            }
        }
    }

    /// Sends what the library has to send.
    fn flush(&mut self, now: Instant, out: &mut dyn Transmit) {
        let Some(library) = &mut self.library else { return };
        while let Some(mut datagram) = library.poll_write() {
            if flight::is_dtls(&datagram) {
                self.flight.sent(now, &mut datagram);
                // The library answers a client's close_notify with its own, and a fault with
                // another alert: either way that was the end.
                if self.state == State::Connected && datagram.first() == Some(&flight::ALERT) {
                    self.state = State::Closed;
                }
            }
            if let Some(remote) = self.reach.remote() {
                out.transmit(remote, &datagram);
            }
        }
        self.media_timeout = self.tap.media().poll_timeout();
    }

    /// Credentials for an ICE restart, which must be new (RFC 8445 section 9.1.1.1): a hash of the
    /// secret ones and of what the client brings, since randomness is not at hand here.
    fn next_credentials(&self, offered: &Transport) -> IceCredentials {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in [&*self.local.ufrag, &*self.local.pwd, &offered.ufrag, &offered.pwd] {
            context.update(part.as_bytes());
            context.update(b"\n");
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        IceCredentials::from_random(bytes)
    }
}

impl std::fmt::Debug for Uplink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uplink")
            .field("ufrag", &self.local.ufrag)
            .field("state", &self.state)
            .field("remote", &self.reach.remote())
            .finish_non_exhaustive()
    }
}
