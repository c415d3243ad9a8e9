//! The viewer's side: one connection to one browser, by which it receives all it watches.
//!
//! We offer, the browser answers. ICE-lite (RFC 8445 2.5), DTLS-SRTP (RFC 5764), SRTP (RFC 3711,
//! RFC 7714), RTCP feedback (RFC 4585, 5104), RTX (RFC 4588). Sans-IO: datagrams and time come in,
//! datagrams go out, and nothing here reads a clock or knows a socket. It does not decide which
//! packets a viewer gets, nor their numbers (`forward`), and keeps no packets (`track`).
//!
//! `transport` knows where the client is and has the keys, `negotiation` (with `table` and `offer`, or
//! `client_answer` where the client offers; `sdp` reads) says what is on which m-line, `receive` takes
//! datagrams in, `seal` is the packet path out.

mod client_answer;
mod estimate;
pub(crate) mod negotiation;
mod offer;
mod receive;
pub(crate) mod rtcp;
pub(crate) mod seal;
pub(crate) mod table;

use std::{collections::VecDeque, sync::Arc, time::Instant};

/// Certificate and DTLS configuration of all viewers of this process.
pub use crate::sfu::link::dtls::DtlsShared as DownShared;
pub use crate::sfu::path::Report;

use self::negotiation::{Local, Negotiation};
use crate::{
    ids::{Mid, TrackId},
    protocol::Shown,
    seams::media::{Path, SfuError},
    sfu::{
        link::{
            Told,
            credentials::IceCredentials,
            transport::{Claim, Direction, Link},
        },
        media::{
            packet::Codec,
            sdp::{
                offer::{Offer, Side},
                transport::Transport,
            },
        },
        path::Estimator,
        wire::transmit::{Peer, Route, Transmit},
    },
};

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

/// One viewer's connection.
pub struct Downlink {
    candidates: Arc<[String]>,
    pub(crate) link: Link,
    pub(crate) negotiation: Negotiation,
    /// The client's end, of its newest offer; `None` where we offer.
    client: Option<Transport>,
    /// What was told of the link.
    told: Told,
    /// As of the newest move of media: the path may be another.
    n_moves: u32,
    /// The newest time that was passed in.
    clock: Instant,
    pub(crate) events: VecDeque<DownEvent>,
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
            candidates,
            link: Link::new(shared, Direction::Down, local, now),
            negotiation: Negotiation::new(seed),
            client: None,
            told: Told::New,
            n_moves: 0,
            clock: now,
            events: VecDeque::new(),
            n_ignored: 0,
            estimator: None,
            is_sound_plain: false,
        }
    }

    /// By which a STUN check finds this connection.
    pub fn local_ufrag(&self) -> &str {
        &self.link.local().ufrag
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
            credentials: self.link.local(),
            fingerprint: self.link.shared().fingerprint(),
            candidates: &self.candidates,
            setup: "actpass",
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
    /// flight; one whose certificate is not the one the client has shown leaves us without a connection.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        revision: u32,
        sdp: &str,
    ) -> Result<(), SfuError> {
        self.clock = now;
        self.negotiation.handle_answer(now, revision, sdp)?;
        if let Some(remote) = self.negotiation.remote() {
            self.link.setup(remote.setup)?;
            self.link.expect(now);
            self.link.set_remote(now, remote);
        }
        self.estimate(now);
        // Slots are live now that were not.
        self.push(DownEvent::OfferReady);
        self.negotiate(now);
        self.note_link();
        Ok(())
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
        let offer = Offer::read(sdp, Side::Viewer)?;
        let transport =
            offer.transport.clone().ok_or_else(|| client_answer::nothing_to_send(&offer))?;
        let setup = self.link.setup(transport.setup)?;
        let restarts = match &self.client {
            Some(former) if former.fingerprint != transport.fingerprint => {
                let text = "another certificate than before: that needs a new connection";
                return Err(SfuError::SdpUnacceptable(text.to_owned()));
            }
            Some(former) => !former.has_credentials_of(&transport),
            None => false,
        };
        let next = restarts.then(|| self.link.local().next(&transport.ufrag, &transport.pwd));
        let local = Local {
            credentials: next.as_ref().unwrap_or(self.link.local()),
            fingerprint: self.link.shared().fingerprint(),
            candidates: &self.candidates,
            setup,
        };
        let answer = self.negotiation.answer_client(now, offer, &transport, published, local)?;
        next.into_iter().for_each(|next| self.link.restart(next));
        self.link.set_remote(now, transport.remote());
        self.client = Some(transport);
        self.estimate(now);
        self.link.expect(now);
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
        if self.link.is_closed() {
            return;
        }
        self.negotiate(now);
        self.link.handle_timeout(now, out);
        self.note_link();
    }

    /// When [`Downlink::handle_timeout`] is to be called, at the latest. [`Downlink::path`] may
    /// change then as well.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.link.is_closed() {
            return None;
        }
        let probe = match &self.estimator {
            Some(estimator) => estimator.poll_timeout(self.clock),
            None => None,
        };
        [self.link.poll_timeout(), probe, self.negotiation.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next event, until `None`.
    pub fn poll_event(&mut self) -> Option<DownEvent> {
        self.events.pop_front()
    }

    /// Where media goes; `None`: it is not certain yet that the client is there.
    #[inline]
    pub fn route(&self) -> Option<Route> {
        self.link.route()
    }

    /// How the path is.
    pub fn path(&self, now: Instant) -> Path {
        self.link.path(now)
    }

    /// Why it was closed, where neither the client nor [`Downlink::close`] did that.
    pub fn closed_because(&self) -> Option<&str> {
        self.link.closed_because()
    }

    /// Nothing goes to this peer any more.
    pub(crate) fn peer_gone(&mut self, now: Instant, peer: Peer) {
        self.link.peer_gone(now, peer);
    }

    /// What has become known of a peer by the last datagram.
    pub(crate) fn take_claim(&mut self) -> Option<Claim> {
        self.link.take_claim()
    }

    /// Datagrams that were forged, garbage, or repeated.
    pub fn n_ignored(&self) -> u64 {
        self.n_ignored
    }

    /// The slot that shows this track, if the client has accepted it and is connected.
    pub fn slot(&self, track: &TrackId) -> Option<Slot> {
        let connected = self.link.is_connected();
        self.negotiation.slot(track).filter(|_| connected)
    }

    /// This track is to be shown, and the client has not refused it.
    pub fn expects(&self, track: &TrackId) -> bool {
        self.negotiation.expects(track)
    }

    /// What is new of the link is told, and a new path is not the one that was estimated.
    pub(crate) fn note_link(&mut self) {
        if self.told == Told::New && self.link.is_connected() {
            self.told = Told::Connected;
            self.push(DownEvent::Connected);
        }
        if self.told != Told::Closed && self.link.is_closed() {
            self.told = Told::Closed;
            self.push(DownEvent::Closed);
        }
        let n_moves = self.link.n_moves();
        if std::mem::replace(&mut self.n_moves, n_moves) != n_moves
            && self.told == Told::Connected
            && let Some(estimator) = &mut self.estimator
        {
            estimator.begin_anew(self.clock);
        }
    }

    /// Says goodbye (DTLS `close_notify`).
    pub fn close(&mut self, now: Instant, out: &mut dyn Transmit) {
        self.clock = now;
        self.link.close(now, out);
        self.told = Told::Closed;
    }
}

impl std::fmt::Debug for Downlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Downlink");
        debug.field("ufrag", &self.local_ufrag()).field("route", &self.route());
        debug.field("path", &self.path(self.clock)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
