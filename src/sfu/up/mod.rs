//! A publisher's connection: answers any offer, takes SRTP in, hands packets on.
//!
//! Owns the order in which the parts below see a datagram. It opens no socket and reads no clock:
//! datagrams, time and addresses are arguments. What is published, and to whom it goes, is not its
//! affair. Its life, ICE-lite, DTLS and keys are `transport`'s, as those of the viewer's side.
//!
//! ```text
//!            offer -> parse -> answer
//!  STUN, DTLS -- transport -> keys, if the certificate is the offer's
//!  SRTP -------- rtp (header) -> srtp (open) -> media (whose packet? RTX, NACK, reports) -> UpEvent
//! ```
//! The library's connection behind the same interface is kept as `reference`, for tests and the
//! benchmark.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use self::media::Media;
use crate::{
    ids::Mid,
    protocol::MediaKind,
    seams::media::{Path, SfuError},
    sfu::{
        link::{
            Told,
            credentials::IceCredentials,
            transport::{Claim, Direction, Link},
        },
        media::sdp::{
            offer::{Offer, Side},
            transport::Transport,
        },
        wire::transmit::{Peer, Route, Transmit},
    },
};

pub(crate) mod answer;
pub(crate) mod arrivals;
mod event;
pub(crate) mod media;
pub(crate) mod nack;
mod parameter_sets;
mod publishing;
mod receive;
mod reception;
pub(crate) mod rtcp;
mod said;
mod sections;
pub(crate) mod shared;
mod sources;

pub use event::UpEvent;
pub use sections::published_sections;
pub use shared::UpShared;

/// A publisher's connection.
pub struct Uplink {
    shared: Arc<UpShared>,
    pub(crate) link: Link,
    told: Told,
    pub(crate) media: Media,
    candidates: Arc<[String]>,
    /// The client's end, of its newest offer.
    pub(crate) transport: Option<Transport>,
    answers: u32,
    n_ignored: u64,
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
        let mut link = Link::new(shared.dtls.clone(), Direction::Up, local.clone(), now);
        link.expect(now);
        Ok(Self {
            shared: shared.clone(),
            media: Media::new(&local.ufrag, now),
            link,
            told: Told::New,
            candidates,
            transport: None,
            answers: 0,
            n_ignored: 0,
        })
    }

    /// The first half of USERNAME in the client's checks. It changes when an offer restarts ICE
    /// ([`Self::handle_offer`]); the former one stays valid.
    pub fn local_ufrag(&self) -> &str {
        &self.link.local().ufrag
    }

    /// Other candidates for answers to come.
    pub fn set_candidates(&mut self, candidates: Arc<[String]>) {
        self.candidates = candidates;
    }

    /// Answers an offer, the first or a later one of the same connection. An offer that is refused
    /// changes nothing.
    pub fn handle_offer(&mut self, now: Instant, sdp: &str) -> Result<Arc<str>, SfuError> {
        let offer = Offer::read(sdp, Side::Publisher)?;
        let setup = match &offer.transport {
            Some(offered) => self.link.setup(offered.setup)?,
            None => "passive",
        };
        match (&self.transport, &offer.transport) {
            (Some(former), Some(offered)) if former.fingerprint != offered.fingerprint => {
                let message = "its a=fingerprint is another than before; a new certificate needs a \
                               new connection";
                return Err(SfuError::SdpUnacceptable(message.to_owned()));
            }
            (Some(former), Some(offered)) if !former.has_credentials_of(offered) => {
                let next = self.link.local().next(&offered.ufrag, &offered.pwd);
                self.link.restart(next);
            }
            (None, None) => {
                return Err(sections::nothing_to_take(&offer));
            }
            _ => {}
        }
        if let Some(transport) = &offer.transport {
            self.link.set_remote(now, transport.remote());
            self.transport = Some(transport.clone());
        }
        self.answers += 1;
        let local = self.link.local();
        let ufrag = local.ufrag.bytes();
        let answer = answer::write(
            &offer,
            &answer::Local {
                credentials: local,
                fingerprint: &self.shared.fingerprint,
                candidates: &self.candidates,
                setup,
                session: ufrag.fold(1, |sum, byte| sum << 7 | u64::from(byte)) >> 1,
                version: self.answers,
            },
        );
        self.media.apply(&offer);
        self.link.renew(now);
        Ok(answer.into())
    }

    /// The m-sections that publish, in their order.
    pub fn mids(&self) -> Vec<(Mid, MediaKind)> {
        self.media.mids()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.link.handle_timeout(now, out);
        if self.link.is_closed() {
            return;
        }
        self.media.handle_timeout(now);
        self.flush(out);
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.link.is_closed() {
            return None;
        }
        [self.media.poll_timeout(), self.link.poll_timeout()].into_iter().flatten().min()
    }

    /// What has happened, oldest first.
    pub fn poll_event(&mut self) -> Option<UpEvent> {
        if self.told == Told::New && self.link.is_connected() {
            self.told = Told::Connected;
            return Some(UpEvent::Connected);
        }
        if let Some(event) = self.media.poll_event() {
            return Some(event);
        }
        let is_news = self.link.is_closed() && self.told != Told::Closed;
        is_news.then(|| {
            self.told = Told::Closed;
            UpEvent::Closed
        })
    }

    /// Asks the publisher for a keyframe of a layer of `mid` (RFC 4585 section 6.3.1). Coalescing, and asking
    /// again where nothing came of it, is the track's affair.
    pub fn request_keyframe(
        &mut self,
        _now: Instant,
        mid: &Mid,
        layer: u8,
        out: &mut dyn Transmit,
    ) {
        if self.link.is_connected() {
            self.media.request_keyframe(mid, layer);
            self.flush(out);
        }
    }

    /// Where the client is, both ends of the way.
    pub fn route(&self) -> Option<Route> {
        self.link.route()
    }

    /// Why it was closed, where neither the client nor [`Uplink::close`] did that.
    pub fn closed_because(&self) -> Option<&str> {
        self.link.closed_because()
    }

    /// Datagrams that were forged, garbage, or repeated.
    pub fn n_ignored(&self) -> u64 {
        self.n_ignored
    }

    /// Whether packets can come.
    pub fn path(&self, now: Instant) -> Path {
        self.link.path(now)
    }

    /// Tells the client that this is over (DTLS close_notify).
    pub fn close(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.link.close(now, out);
        self.told = Told::Closed;
    }

    /// Nothing goes to this peer any more.
    pub(crate) fn peer_gone(&mut self, now: Instant, peer: Peer) {
        self.link.peer_gone(now, peer);
    }

    /// What has become known of a peer by the last datagram.
    pub(crate) fn take_claim(&mut self) -> Option<Claim> {
        self.link.take_claim()
    }
}

impl std::fmt::Debug for Uplink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uplink")
            .field("ufrag", &self.local_ufrag())
            .field("told", &self.told)
            .field("route", &self.link.route())
            .finish_non_exhaustive()
    }
}
