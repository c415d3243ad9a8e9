//! A publisher's connection: answers any offer, takes SRTP in, hands packets on.
//!
//! Owns the connection's life and the order in which the parts below see a datagram. It opens no
//! socket and reads no clock: datagrams, time and addresses are arguments. What is published, and to
//! whom it goes, is not its affair. ICE-lite, DTLS and keys are those of the viewer's side.
//!
//! ```text
//!            offer -> parse -> answer
//!  STUN ---- ice (whoever holds the password is heard, the nominated is sent to)
//!  DTLS ---- dtls -> keys, if the certificate is the offer's
//!  SRTP ---- rtp (header) -> srtp (open) -> media (whose packet? RTX, NACK, reports) -> UpEvent
//!
//!  New -- ICE and DTLS up --> Connected <-- silence, 4 s --> Quiet -- 30 s, or closed --> Closed
//! ```
//! The library's connection behind the same interface is kept as `reference`, for tests and the
//! benchmark.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use self::{
    media::Media,
    offer::{Offer, Transport},
    reach::{CLOSED_AFTER, Reach},
};
use crate::{
    ids::Mid,
    protocol::MediaKind,
    seams::media::{Path, QUIET_AFTER, SfuError},
    sfu::{
        link::{
            credentials::IceCredentials,
            dtls::Dtls,
            ice::Ice,
            srtp::{Inbound, Srtp},
        },
        wire::transmit::Transmit,
    },
};

pub(crate) mod answer;
pub(crate) mod arrivals;
mod event;
pub(crate) mod media;
pub(crate) mod nack;
pub(crate) mod offer;
mod published;
pub(crate) mod reach;
mod receive;
mod reception;
pub(crate) mod rtcp;
mod sections;
pub(crate) mod shared;
mod streams;

pub use event::UpEvent;
pub use sections::published_sections;
pub use shared::UpShared;

/// How far the connection is.
pub(crate) enum Phase {
    New,
    Connected(Box<Keyed>),
    Closed,
}

/// What the keys are for.
pub(crate) struct Keyed {
    /// RTCP both ways.
    pub(crate) srtp: Srtp,
    /// RTP, which only comes.
    pub(crate) inbound: Inbound,
}

/// What the worker was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    New,
    Connected,
    Closed,
}

/// A publisher's connection.
pub struct Uplink {
    shared: Arc<UpShared>,
    pub(crate) ice: Ice,
    pub(crate) dtls: Dtls,
    pub(crate) phase: Phase,
    told: Told,
    pub(crate) media: Media,
    candidates: Arc<[String]>,
    /// The client's end, of its newest offer.
    pub(crate) transport: Option<Transport>,
    answers: u32,
    reach: Reach,
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
            media: Media::new(&local.ufrag, now),
            ice: Ice::new(local),
            dtls: Dtls::new(shared.dtls.clone()),
            phase: Phase::New,
            told: Told::New,
            candidates,
            transport: None,
            answers: 0,
            reach: Reach::new(now),
        })
    }

    /// The first half of USERNAME in the client's checks. It changes when an offer restarts ICE
    /// ([`Self::handle_offer`]); the former one stays valid.
    pub fn local_ufrag(&self) -> &str {
        &self.ice.local().ufrag
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
                self.ice.restart(next);
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
        let local = self.ice.local();
        let ufrag = local.ufrag.bytes();
        let answer = answer::write(
            &offer,
            &answer::Local {
                credentials: local,
                fingerprint: &self.shared.fingerprint,
                candidates: &self.candidates,
                session: ufrag.fold(1, |sum, byte| sum << 7 | u64::from(byte)) >> 1,
                version: self.answers,
            },
        );
        self.media.apply(&offer);
        self.reach.hear(now);
        Ok(answer.into())
    }

    /// The m-sections that publish, in their order.
    pub fn mids(&self) -> Vec<(Mid, MediaKind)> {
        self.media.mids()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        if self.reach.handle_timeout(now) {
            self.phase = Phase::Closed;
        }
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Some(remote) = self.ice.remote() {
            self.dtls.handle_timeout(now, |datagram| out.transmit(remote, datagram));
        }
        self.media.handle_timeout(now);
        self.flush(out);
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Closed) {
            return None;
        }
        let timeouts = [self.media.poll_timeout(), self.dtls.poll_timeout()];
        timeouts.into_iter().flatten().chain([self.reach.poll_timeout()]).min()
    }

    /// What has happened, oldest first.
    pub fn poll_event(&mut self) -> Option<UpEvent> {
        if self.told == Told::New && matches!(self.phase, Phase::Connected(_)) {
            self.told = Told::Connected;
            return Some(UpEvent::Connected);
        }
        if let Some(event) = self.media.poll_event() {
            return Some(event);
        }
        let is_news = matches!(self.phase, Phase::Closed) && self.told != Told::Closed;
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
        if matches!(self.phase, Phase::Connected(_)) {
            self.media.request_keyframe(mid, layer);
            self.flush(out);
        }
    }

    /// Whether packets can come.
    pub fn path(&self, now: Instant) -> Path {
        let silence = self.reach.silence(now);
        match self.phase {
            Phase::Closed => Path::Closed,
            _ if silence >= CLOSED_AFTER => Path::Closed,
            Phase::New => Path::New,
            Phase::Connected(_) if silence >= QUIET_AFTER => Path::Quiet,
            Phase::Connected(_) => Path::Connected,
        }
    }

    /// Tells the client that this is over (DTLS close_notify).
    pub fn close(&mut self, now: Instant, out: &mut dyn Transmit) {
        if let Some(remote) = self.ice.remote()
            && !matches!(self.phase, Phase::Closed)
        {
            self.dtls.close(now, |datagram| out.transmit(remote, datagram));
        }
        self.phase = Phase::Closed;
        self.told = Told::Closed;
    }

    /// Credentials for an ICE restart, which must be new (RFC 8445 section 9.1.1.1): a hash of the
    /// secret ones and of what the client brings, since randomness is not at hand here.
    fn next_credentials(&self, offered: &Transport) -> IceCredentials {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let IceCredentials { ufrag, pwd } = self.ice.local();
        for part in [&**ufrag, &**pwd, &offered.ufrag, &offered.pwd] {
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
            .field("ufrag", &self.local_ufrag())
            .field("told", &self.told)
            .field("remote", &self.ice.remote())
            .finish_non_exhaustive()
    }
}
