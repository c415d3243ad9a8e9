//! The viewer's side: one connection to one browser, by which it receives all it watches.
//!
//! We offer, the browser answers. ICE-lite (RFC 8445 2.5), DTLS-SRTP (RFC 5764), SRTP (RFC 3711,
//! RFC 7714), RTCP feedback (RFC 4585, 5104), RTX (RFC 4588). Sans-IO: datagrams and time come in,
//! datagrams go out, and nothing here reads a clock or knows a socket. It does not decide which
//! packets a viewer gets, nor their numbers (`forward`), and keeps no packets (`track`).
//!
//! ```text
//!  Handshake --DTLS done--> Keyed --fingerprint of the answer fits--> Connected
//!      |                      | it differs                               | goodbye, 30 s of silence
//!      +--------30 s----------+----------------> Closed <----------------+
//! ```
//!
//! `ice` knows where the client is, `dtls` makes the keys, `srtp` uses them, `negotiation` (with
//! `table`, `offer`, `answer`, or `client_offer`, `client_answer` where the client offers) says what
//! is on which m-line, `receive` takes datagrams in, `seal` is the packet path out.

mod answer;
mod client_answer;
pub(crate) mod client_offer;
mod estimate;
pub(crate) mod negotiation;
mod offer;
mod receive;
pub(crate) mod rtcp;
pub(crate) mod seal;
pub(crate) mod table;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Certificate and DTLS configuration of all viewers of this process.
pub use crate::sfu::link::dtls::DtlsShared as DownShared;
pub use crate::sfu::path::Report;

use self::{
    client_offer::Transport,
    negotiation::{Local, Negotiation},
};
use crate::{
    ids::{Mid, TrackId},
    protocol::Shown,
    seams::media::{Path, QUIET_AFTER, SfuError},
    sfu::{
        link::{
            credentials::IceCredentials,
            dtls::{Dtls, Keys},
            ice::Ice,
            srtp::Srtp,
        },
        media::packet::Codec,
        path::Estimator,
        wire::transmit::Transmit,
    },
};

/// Silence after which a connection is over (RFC 7675 5.1), and the time an answered offer has to
/// become one.
const CLOSED_AFTER: Duration = Duration::from_secs(30);
/// Events that wait for the worker. It takes them after each datagram, so more is a flood.
pub(crate) const MAX_EVENTS: usize = 64;

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
    /// [`Downlink::offer`], [`Downlink::mids`] or what [`Downlink::slot`] says has changed.
    OfferReady,
    /// The viewer cannot decode before the next keyframe.
    KeyframeWanted(Slot),
    /// These packets of the slot's stream did not arrive; at most 512.
    Nack(Slot, Vec<u16>),
    /// It is over; see [`Downlink::closed_because`].
    Closed,
}

pub(crate) enum Phase {
    Handshake,
    /// The keys are there, the answer that vouches for them is not.
    Keyed(Box<Keys>),
    Connected(Box<Srtp>),
    Closed,
}

/// One viewer's connection.
pub struct Downlink {
    shared: Arc<DownShared>,
    candidates: Arc<[String]>,
    ice: Ice,
    dtls: Dtls,
    pub(crate) negotiation: Negotiation,
    /// The client's end, of its newest offer; `None` where we offer.
    client: Option<Transport>,
    pub(crate) phase: Phase,
    /// The newest time that was passed in.
    clock: Instant,
    /// When something authentic came last.
    heard_at: Instant,
    /// Until when it must be connected, from the first answer on.
    deadline: Option<Instant>,
    pub(crate) events: VecDeque<DownEvent>,
    closed_because: Option<String>,
    n_ignored: u64,
    /// From the first negotiation on.
    pub(crate) estimator: Option<Box<Estimator>>,
    /// Of redundant sound the newest part goes alone.
    is_sound_plain: bool,
}

impl Downlink {
    /// A connection that waits for its first [`Downlink::show`]. `seed` must come from a
    /// cryptographic generator; it makes SSRCs, first sequence numbers and the session's id.
    pub fn new(
        shared: Arc<DownShared>,
        local: IceCredentials,
        candidates: Arc<[String]>,
        seed: [u8; 32],
        now: Instant,
    ) -> Self {
        Self {
            dtls: Dtls::new(shared.clone()),
            shared,
            candidates,
            ice: Ice::new(local),
            negotiation: Negotiation::new(seed),
            client: None,
            phase: Phase::Handshake,
            clock: now,
            heard_at: now,
            deadline: None,
            events: VecDeque::new(),
            closed_because: None,
            n_ignored: 0,
            estimator: None,
            is_sound_plain: false,
        }
    }

    /// By which a STUN check finds this connection.
    pub fn local_ufrag(&self) -> &str {
        &self.ice.local().ufrag
    }

    /// The box's addresses have changed; the next offer has these. (A client that must learn them
    /// now needs a new connection.)
    pub fn set_candidates(&mut self, candidates: Arc<[String]>) {
        self.candidates = candidates;
    }

    /// The desired table, in order of importance. Tracks whose codec the client has refused, and
    /// those beyond 120, get no line.
    pub fn show(&mut self, now: Instant, tracks: &[ShownTrack]) {
        self.clock = now;
        if self.negotiation.show(now, tracks) {
            self.push(DownEvent::OfferReady);
        }
        self.negotiate(now);
    }

    fn negotiate(&mut self, now: Instant) {
        let local = Local {
            credentials: self.ice.local(),
            fingerprint: self.shared.fingerprint(),
            candidates: &self.candidates,
        };
        if self.negotiation.advance(now, local) {
            self.push(DownEvent::OfferReady);
        }
    }

    /// The newest offer and its revision, which begins with 1.
    pub fn offer(&self) -> Option<(u32, Arc<str>)> {
        self.negotiation.offer()
    }

    /// What each m-line of the newest offer shows. May change without an offer.
    pub fn mids(&self) -> Vec<(Mid, Shown)> {
        self.negotiation.mids()
    }

    /// The client's answer to the offer `revision`. An answer that is refused leaves the offer in
    /// flight; one whose certificate is not the one the client has shown closes the connection.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        revision: u32,
        sdp: &str,
    ) -> Result<(), SfuError> {
        self.clock = now;
        self.negotiation.handle_answer(now, revision, sdp)?;
        if self.deadline.is_none() && self.negotiation.fingerprint().is_some() {
            self.deadline = Some(now + CLOSED_AFTER);
        }
        self.estimate(now);
        // Slots are live now that were not.
        self.push(DownEvent::OfferReady);
        self.negotiate(now);
        self.connect(now).map_err(SfuError::SdpUnacceptable)
    }

    /// Answers the offer of a client that receives (WHEP), in place of [`Downlink::offer`]. A later
    /// offer may differ in its ICE credentials alone, which restarts ICE: [`Downlink::local_ufrag`]
    /// is another then, and the former stays valid. `published` are the codecs of what it watches,
    /// as far as known.
    ///
    /// # Errors
    /// `SdpInvalid` or `SdpUnacceptable`; nothing is changed then.
    pub fn handle_offer(
        &mut self,
        now: Instant,
        sdp: &str,
        published: &[Codec],
    ) -> Result<Arc<str>, SfuError> {
        self.clock = now;
        let offer = client_offer::read(sdp)?;
        let transport = offer.transport.clone();
        let restarts = match &self.client {
            Some(former) if former.fingerprint != transport.fingerprint => {
                let text = "another certificate than before: that needs a new connection";
                return Err(SfuError::SdpUnacceptable(text.to_owned()));
            }
            Some(former) => *former != transport,
            None => false,
        };
        let next = restarts.then(|| self.ice.local().next(&transport.ufrag, &transport.pwd));
        let local = Local {
            credentials: next.as_ref().unwrap_or(self.ice.local()),
            fingerprint: self.shared.fingerprint(),
            candidates: &self.candidates,
        };
        let answer = self.negotiation.answer_client(now, offer, published, local)?;
        next.into_iter().for_each(|next| self.ice.restart(next));
        self.client = Some(transport);
        self.estimate(now);
        self.deadline = self.deadline.or(Some(now + CLOSED_AFTER));
        self.push(DownEvent::OfferReady);
        Ok(answer.into())
    }

    fn push(&mut self, event: DownEvent) {
        let feedback = matches!(event, DownEvent::Nack(..) | DownEvent::KeyframeWanted(_));
        // Feedback that nobody takes is asked for again; the other kinds are few, and never lost.
        if self.events.contains(&event) || (feedback && self.events.len() >= MAX_EVENTS) {
            return;
        }
        self.events.push_back(event);
    }

    /// [`Downlink::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.clock = now;
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.negotiate(now);
        match self.phase {
            Phase::Connected(_) => {
                if now >= self.heard_at + CLOSED_AFTER {
                    self.fail("nothing came from the client for 30 s");
                }
            }
            _ if self.deadline.is_some_and(|at| at <= now) => {
                self.fail("the client did not connect within 30 s");
            }
            _ => {
                if let Some(remote) = self.ice.remote() {
                    self.dtls.handle_timeout(now, |datagram| out.transmit(remote, datagram));
                }
            }
        }
    }

    /// When [`Downlink::handle_timeout`] is to be called, at the latest. [`Downlink::path`] may
    /// change then as well.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let path = match self.phase {
            Phase::Closed => return None,
            Phase::Connected(_) => {
                let quiet_at = self.heard_at + QUIET_AFTER;
                let closed_at = self.heard_at + CLOSED_AFTER;
                Some(if self.clock < quiet_at { quiet_at } else { closed_at })
            }
            _ => self.deadline,
        };
        let resend = match self.phase {
            Phase::Handshake if self.ice.remote().is_some() => self.dtls.poll_timeout(),
            _ => None,
        };
        let probe = match &self.estimator {
            Some(estimator) => estimator.poll_timeout(self.clock),
            None => None,
        };
        [path, resend, probe, self.negotiation.poll_timeout()].into_iter().flatten().min()
    }

    /// The next event, until `None`.
    pub fn poll_event(&mut self) -> Option<DownEvent> {
        self.events.pop_front()
    }

    /// Where media goes.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.ice.remote()
    }

    /// How the path is.
    pub fn path(&self, now: Instant) -> Path {
        let silence = now.saturating_duration_since(self.heard_at);
        match self.phase {
            Phase::Handshake | Phase::Keyed(_) => Path::New,
            Phase::Connected(_) if silence < QUIET_AFTER => Path::Connected,
            Phase::Connected(_) if silence < CLOSED_AFTER => Path::Quiet,
            Phase::Connected(_) | Phase::Closed => Path::Closed,
        }
    }

    /// Why it was closed, where neither the client nor [`Downlink::close`] did that.
    pub fn closed_because(&self) -> Option<&str> {
        self.closed_because.as_deref()
    }

    /// Datagrams that were forged, garbage, or repeated.
    pub fn n_ignored(&self) -> u64 {
        self.n_ignored
    }

    /// The slot that shows this track, if the client has accepted it and is connected.
    pub fn slot(&self, track: &TrackId) -> Option<Slot> {
        let connected = matches!(self.phase, Phase::Connected(_));
        self.negotiation.slot(track).filter(|_| connected)
    }

    /// This track is to be shown, and the client has not refused it.
    pub fn expects(&self, track: &TrackId) -> bool {
        self.negotiation.expects(track)
    }

    fn fail(&mut self, reason: &str) {
        self.closed_because = Some(reason.to_owned());
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.push(DownEvent::Closed);
    }

    /// Says goodbye (DTLS `close_notify`).
    pub fn close(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.clock = now;
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Some(remote) = self.ice.remote() {
            self.dtls.close(now, |datagram| out.transmit(remote, datagram));
        }
        self.phase = Phase::Closed;
    }
}

impl std::fmt::Debug for Downlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Downlink");
        debug.field("ufrag", &self.local_ufrag()).field("remote", &self.remote());
        debug.field("path", &self.path(self.clock)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
