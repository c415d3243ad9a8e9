//! The transport of one connection, a publisher's or a viewer's: ICE-lite, DTLS, SRTP.
//!
//! Owns the connection's life, the way that it takes, and the order in which the parts below see a
//! datagram. What goes by it, and what is negotiated, is `uplink`'s and `downlink`'s affair.
//!
//! ```text
//!  STUN ---- ice (who knows the password is heard; who answers is sent to)
//!  DTLS ---- dtls -> keys, if the certificate is the one that the client's description names
//!  SRTP ---- whoever owns this opens it and says so: `heard`
//!
//!  Handshake --DTLS done--> Keyed --the fingerprint fits--> Connected --goodbye, 30 s of silence--> Closed
//!    ^   |                    | it differs                                                            ^
//!    |   '--------------------+---------------------------- 30 s -------------------------------------'
//!    '------------------------'
//! ```
//! Nothing that is not authentic closes it, moves it, or counts as life: forgeries of DTLS and of its
//! certificate begin the handshake anew, and time alone ends that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

mod receive;

use receive::fly;

use super::{
    credentials::IceCredentials,
    dtls::{Dtls, DtlsShared, Keys, Setup},
    ice::Ice,
    srtp::{Inbound, Srtp},
};
use crate::{
    seams::media::{Path, QUIET_AFTER, SfuError},
    sfu::wire::transmit::{Peer, Route, Transmit},
};

/// Silence after which a connection is over (RFC 7675 5.1), and the time that one has to come about.
pub(crate) const CLOSED_AFTER: Duration = Duration::from_secs(30);

/// Whether a connection opens RTP, which costs memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// RTP comes.
    Up,
    /// RTP goes.
    Down,
}

/// The client's end, as its description names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) credentials: IceCredentials,
    /// SHA-256 of its certificate.
    pub(crate) fingerprint: [u8; 32],
    /// Who begins the handshake.
    pub(crate) setup: Setup,
}

/// What the keys are for.
pub(crate) struct Keyed {
    /// RTP out, RTCP both ways.
    pub(crate) srtp: Srtp,
    /// RTP in.
    pub(crate) inbound: Option<Box<Inbound>>,
}

enum Phase {
    Handshake,
    /// The keys are there, the description that vouches for them is not.
    Keyed(Box<Keys>),
    Connected(Box<Keyed>),
    Closed,
}

/// What a datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It has been dealt with.
    Done,
    /// Nothing of ours, or nothing that is believed.
    Refused,
    /// RTP to be opened; [`Link::heard`] if it was authentic.
    Rtp,
    /// RTCP to be opened, likewise.
    Rtcp,
}

/// A peer that the connection has to do with, for whoever tells datagrams apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) peer: Peer,
    /// The client is there beyond doubt.
    pub(crate) is_proven: bool,
}

/// The transport of one connection.
pub(crate) struct Link {
    shared: Arc<DtlsShared>,
    direction: Direction,
    ice: Ice,
    dtls: Dtls,
    /// Where flights of the handshake went; whether they went elsewhere, too.
    flew: Option<(Route, bool)>,
    phase: Phase,
    remote: Option<Remote>,
    /// When something authentic came last.
    heard_at: Instant,
    /// The silence was noticed.
    is_quiet: bool,
    /// Until when it must be connected.
    deadline: Option<Instant>,
    claim: Option<Claim>,
    closed_because: Option<String>,
}

impl Link {
    pub(crate) fn new(
        shared: Arc<DtlsShared>,
        direction: Direction,
        local: IceCredentials,
        now: Instant,
    ) -> Self {
        Self {
            ice: Ice::new(local, shared.secret()),
            dtls: Dtls::new(shared.clone()),
            shared,
            direction,
            flew: None,
            phase: Phase::Handshake,
            remote: None,
            heard_at: now,
            is_quiet: false,
            deadline: None,
            claim: None,
            closed_because: None,
        }
    }

    pub(crate) fn local(&self) -> &IceCredentials {
        self.ice.local()
    }

    pub(crate) fn shared(&self) -> &DtlsShared {
        &self.shared
    }

    /// The client's newest description names this end. One with another certificate than before is not
    /// to come here.
    pub(crate) fn set_remote(&mut self, now: Instant, remote: Remote) {
        self.ice.set_remote(remote.credentials.clone());
        if remote.setup == Setup::Passive && !self.is_connected() && !self.dtls.is_client() {
            self.dtls.become_client();
            self.flew = None;
            self.phase = if self.is_closed() { Phase::Closed } else { Phase::Handshake };
        }
        self.remote = Some(remote);
        if let Phase::Keyed(_) = self.phase {
            self.connect(now);
        }
    }

    /// Our `a=setup` where the client says this (RFC 8842 5.3).
    ///
    /// # Errors
    /// `SdpUnacceptable` if the connection stands the other way round.
    pub(crate) fn setup(&self, theirs: Setup) -> Result<&'static str, SfuError> {
        match (theirs, self.dtls.is_client()) {
            (Setup::Active | Setup::Either, false) => Ok("passive"),
            (Setup::Passive | Setup::Either, true) => Ok("active"),
            (Setup::Passive, false) if !self.is_connected() => Ok("active"),
            _ => {
                let text = "its a=setup turns the DTLS roles of before round; that needs a new \
                            connection";
                Err(SfuError::SdpUnacceptable(text.to_owned()))
            }
        }
    }

    /// It has so much time to come about from now on, unless it had already.
    pub(crate) fn expect(&mut self, now: Instant) {
        self.deadline = self.deadline.or(Some(now + CLOSED_AFTER));
    }

    /// The client spoke by other means: the silence counts from now, and so does the time to connect.
    pub(crate) fn renew(&mut self, now: Instant) {
        self.heard_at = self.heard_at.max(now);
        self.is_quiet = false;
        self.deadline = Some(now + CLOSED_AFTER);
    }

    /// New credentials of ours, for an ICE restart.
    pub(crate) fn restart(&mut self, local: IceCredentials) {
        self.ice.restart(local);
    }

    /// Something authentic came.
    #[inline]
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = self.heard_at.max(now);
        self.is_quiet = false;
    }

    /// Something authentic that the client sends now and then came by this way: it may have gone over.
    pub(crate) fn heard_by(&mut self, now: Instant, from: Route) {
        self.heard(now);
        self.ice.pairs.used(now, from);
    }

    /// Nothing goes to this peer any more.
    pub(crate) fn peer_gone(&mut self, now: Instant, peer: Peer) {
        self.ice.pairs.gone(now, peer);
    }

    /// The keys, once connected.
    #[inline]
    pub(crate) fn keyed(&mut self) -> Option<&mut Keyed> {
        match &mut self.phase {
            Phase::Connected(keyed) => Some(keyed),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected(_))
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Where media goes; `None`: no way is proven.
    #[inline]
    pub(crate) fn route(&self) -> Option<Route> {
        self.ice.pairs.route()
    }

    /// It is another number where media took another way.
    #[inline]
    pub(crate) fn n_moves(&self) -> u32 {
        self.ice.pairs.n_moves()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut dyn Transmit) {
        let silence = now.saturating_duration_since(self.heard_at);
        self.is_quiet = silence >= QUIET_AFTER;
        match self.phase {
            Phase::Closed => return,
            Phase::Connected(_) if silence >= CLOSED_AFTER => {
                return self.end(Some("nothing came from the client for 30 s".to_owned()));
            }
            Phase::Connected(_) => {}
            _ if self.deadline.is_some_and(|at| at <= now) => {
                let reason = match self.dtls.failure() {
                    Some(reason) => format!("the client did not connect within 30 s: {reason}"),
                    None => "the client did not connect within 30 s".to_owned(),
                };
                return self.end(Some(reason));
            }
            _ => {
                let Self { ice, dtls, flew, .. } = self;
                if let Some(to) = ice.pairs.towards() {
                    let mut send = |datagram: &[u8]| fly(&mut ice.pairs, flew, to, datagram, out);
                    dtls.reachable(now, &mut send);
                    dtls.handle_timeout(now, send);
                }
            }
        }
        self.ice.handle_timeout(now, out);
    }

    /// When [`Link::handle_timeout`] is to be called, at the latest. [`Link::path`] may change then as
    /// well.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let life = match self.phase {
            Phase::Closed => return None,
            Phase::Connected(_) if self.is_quiet => Some(self.heard_at + CLOSED_AFTER),
            Phase::Connected(_) => Some(self.heard_at + QUIET_AFTER),
            _ => self.deadline,
        };
        let handshake = match self.phase {
            Phase::Handshake if self.ice.pairs.towards().is_none() => None,
            Phase::Handshake if self.dtls.is_waiting() => {
                // The answer may have come behind the checks.
                Some(self.dtls.may_begin_at().unwrap_or(self.heard_at))
            }
            Phase::Handshake => self.dtls.poll_timeout(),
            _ => None,
        };
        [life, handshake, self.ice.pairs.poll_timeout()].into_iter().flatten().min()
    }

    /// How the path is.
    pub(crate) fn path(&self, now: Instant) -> Path {
        let silence = now.saturating_duration_since(self.heard_at);
        match self.phase {
            Phase::Handshake | Phase::Keyed(_) => Path::New,
            Phase::Connected(_) if silence >= CLOSED_AFTER => Path::Closed,
            Phase::Connected(_) if silence >= QUIET_AFTER => Path::Quiet,
            Phase::Connected(_) => Path::Connected,
            Phase::Closed => Path::Closed,
        }
    }

    fn end(&mut self, reason: Option<String>) {
        self.closed_because = reason;
        self.phase = Phase::Closed;
    }

    /// Why it was closed, where neither the client nor [`Link::close`] did that.
    pub(crate) fn closed_because(&self) -> Option<&str> {
        self.closed_because.as_deref()
    }

    /// Says goodbye (DTLS `close_notify`).
    pub(crate) fn close(&mut self, now: Instant, out: &mut dyn Transmit) {
        if self.is_closed() {
            return;
        }
        let Self { ice, dtls, flew, .. } = self;
        if let Some(to) = ice.pairs.towards() {
            dtls.close(now, |datagram| fly(&mut ice.pairs, flew, to, datagram, out));
        }
        self.phase = Phase::Closed;
    }
}

#[cfg(any(test, fuzzing))]
impl Link {
    /// Connected by these keys, over a way that a check has come by.
    pub(crate) fn force(&mut self, now: Instant, keyed: Keyed, route: Route) {
        self.phase = Phase::Connected(Box::new(keyed));
        self.ice.pairs.prove(now, route);
    }

    /// The handshake.
    pub(crate) fn dtls(&self) -> &Dtls {
        &self.dtls
    }
}
