//! DTLS 1.2 of one connection (RFC 6347), for its keys only (RFC 5764).
//!
//! The other end is the client, as browsers are; where it wants to be the server (`a=setup:passive`, as
//! ffmpeg offers), we are the client (`role`).
//!
//! The one place that knows `rtc::dtls`. Owns certificate and configurations (one set shared by many
//! connections) and, a connection, the endpoint with the remedy of [`Flight`]. It does not judge the
//! client's certificate: `transport` compares its fingerprint with the SDP's.
//!
//! The library's own retransmission timer is never driven: it counts to 7 and gives up, and is
//! disarmed by accident ([`Flight`]). What reaches the library is what [`guard`] lets through, and after
//! completion nothing but sealed alerts.
//!
//! ```text
//!  handshake --it cannot go on--> rest, 250 ms --> handshake, from a new hello on
//!      '--completed--> sealed alerts, and our last flight for whoever lacks it --> closed
//! ```
//! Before completion nobody's key has vouched for anything: a handshake that cannot go on closes
//! nothing, since whoever forges an address could have spoiled it. It begins anew as long as there is
//! time for connecting, and why it failed is told then ([`Dtls::failure`]).
//!
//! As server the library follows the *client's* order of SRTP profiles, so a configuration offers
//! only one; where a client has none of it the handshake begins anew with the other, unnoticed.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use rtc::{
    dtls::{
        config::HandshakeConfig,
        endpoint::{Endpoint, EndpointEvent},
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
    shared::{TransportProtocol, error::Error},
};

use super::{
    flight::{ALERT, Flight, HANDSHAKE, records},
    srtp::Profile,
};

pub(crate) mod guard;
mod provider;
mod shared;

pub use shared::DtlsShared;
pub(crate) use shared::sha256;

use guard::{Admission, Guard};

/// A handshake that could not go on begins anew after this: each costs a key of its own.
const REST: Duration = Duration::from_millis(250);
/// The exporter's label (RFC 5764 4.2).
pub(crate) const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// The library tells associations apart by address; a connection has one, whatever path it takes.
pub(crate) fn peer() -> SocketAddr {
    ([192, 0, 2, 1], 1).into()
}

/// What a datagram has led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It was taken. Nothing is proven by that.
    Going,
    /// It was not DTLS of this connection, or too much.
    Ignored,
    /// The handshake is complete: [`Dtls::keys`] has what it was for.
    Completed,
    /// The client said goodbye.
    Closed,
    /// The client has ended it by an alert, under the keys.
    Failed(String),
}

/// The outcome of a handshake.
pub(crate) struct Keys {
    pub(crate) profile: Profile,
    /// The exporter's output, of [`Profile::keying_len`] bytes, as for a server: the other end's key
    /// comes first, then ours.
    pub(crate) keying: Vec<u8>,
    /// SHA-256 of the client's certificate.
    pub(crate) fingerprint: [u8; 32],
}

/// One association.
pub(crate) struct Dtls {
    shared: Arc<DtlsShared>,
    endpoint: Endpoint,
    flight: Flight,
    /// What came before our first flight, for a second begin with the other profile.
    hello: Vec<BytesMut>,
    /// The profile still to be tried.
    fallback: Option<Profile>,
    completed: bool,
    guard: Guard,
    role: Role,
    /// Until when nothing is taken, after an attempt that could not go on.
    rests_until: Option<Instant>,
    failure: Option<String>,
}

impl Dtls {
    pub(crate) fn new(shared: Arc<DtlsShared>) -> Self {
        Self {
            endpoint: server(shared.config(shared.preferred)),
            fallback: Some(shared.preferred.other()),
            shared,
            flight: Flight::new(),
            hello: Vec::new(),
            completed: false,
            guard: Guard::default(),
            role: Role::Server,
            rests_until: None,
            failure: None,
        }
    }

    /// Why the newest attempt could not go on; `None`: none was seen to fail.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Nothing is taken now.
    pub(crate) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// The handshake is over.
    pub(crate) fn is_completed(&self) -> bool {
        self.completed
    }

    /// A DTLS datagram of the client. What is to be sent is passed to `send`.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        datagram: &[u8],
        mut send: impl FnMut(&[u8]),
    ) -> Progress {
        if self.is_completed() {
            return self.handle_later(now, datagram, send);
        }
        if self.rests(now) || self.is_waiting() {
            return Progress::Ignored;
        }
        let admitted = match self.guard.admit(datagram) {
            Admission::Admitted(admitted) => admitted,
            Admission::Refused => return Progress::Ignored,
            Admission::Spent => {
                self.begin_anew(now, "it took more than a handshake needs".to_owned());
                return Progress::Ignored;
            }
        };
        if self.fallback.is_some() {
            self.hello.push(admitted.clone());
        }
        self.flight.received(datagram);
        let mut read = self.endpoint.read(now, peer(), None, admitted);
        if matches!(read, Err(Error::ErrServerNoMatchingSrtpProfile))
            && let Some(profile) = self.fallback.take()
        {
            read = self.try_profile(now, profile);
        }
        match read {
            Ok(events) => {
                self.drain(now, &mut send);
                self.flight.after_read(now, send);
                self.progress(&events)
            }
            Err(error) => {
                self.begin_anew(now, sentence(&error));
                Progress::Ignored
            }
        }
    }

    /// This attempt cannot go on, or its keys are nobody's. The alert that the library would send is not
    /// sent: the client might have nothing to do with it.
    pub(crate) fn begin_anew(&mut self, now: Instant, reason: String) {
        if self.failure.as_deref() != Some(&*reason) {
            tracing::info!(reason, "a DTLS handshake cannot go on and begins anew");
        }
        self.renew_endpoint();
        self.flight.begin_anew();
        self.hello = Vec::new();
        self.completed = false;
        self.guard = Guard::default();
        self.rests_until = Some(now + REST);
        self.failure = Some(reason);
    }

    /// After completion only what is sealed is believed: alerts. Who says its last flight again, in
    /// whatever way, gets ours again, as [`Flight`] sees fit.
    fn handle_later(
        &mut self,
        now: Instant,
        datagram: &[u8],
        mut send: impl FnMut(&[u8]),
    ) -> Progress {
        let mut progress = Progress::Ignored;
        let mut rest = datagram;
        for record in records(datagram) {
            let (whole, after) = rest.split_at(record.len());
            rest = after;
            match (record.content_type, record.epoch) {
                (ALERT, 1) if !record.body.is_empty() => {
                    let read = self.endpoint.read(now, peer(), None, whole.into());
                    self.drain(now, &mut send);
                    match read {
                        Ok(events) if has_closed(&events) => {
                            return Progress::Closed;
                        }
                        Err(Error::ErrAlertFatalOrClose) => {
                            let reason = "the client ended the connection by a fatal alert";
                            return Progress::Failed(reason.to_owned());
                        }
                        _ => {}
                    }
                }
                (HANDSHAKE, 0 | 1) if !record.body.is_empty() => progress = Progress::Going,
                _ => {}
            }
        }
        self.flight.received(datagram);
        self.flight.after_read(now, send);
        progress
    }

    fn try_profile(&mut self, now: Instant, profile: Profile) -> Result<Vec<EndpointEvent>, Error> {
        // The alert that the first endpoint wants to send goes with it.
        self.endpoint = server(self.shared.config(profile));
        let mut events = Vec::new();
        for datagram in std::mem::take(&mut self.hello) {
            events.extend(self.endpoint.read(now, peer(), None, datagram)?);
        }
        Ok(events)
    }

    fn progress(&mut self, events: &[EndpointEvent]) -> Progress {
        let mut progress = Progress::Going;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.completed = true;
                    self.failure = None;
                    self.flight.finish();
                    progress = Progress::Completed;
                }
                EndpointEvent::PeerClosed => return Progress::Closed,
                _ => {}
            }
        }
        progress
    }

    fn drain(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        while let Some(mut transmit) = self.endpoint.poll_transmit() {
            self.hello = Vec::new();
            self.fallback = None;
            self.flight.sent(now, &mut transmit.message);
            send(&transmit.message);
        }
    }

    /// The keys and the client's certificate, after [`Progress::Completed`]. `None`: the client
    /// negotiated no SRTP, or has no certificate.
    pub(crate) fn keys(&self) -> Option<Keys> {
        let state = self.endpoint.get_connection_state(peer())?;
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Cm,
            _ => return None,
        };
        let length = profile.keying_len();
        let mut keying =
            state.export_keying_material(EXPORTER_LABEL, &[], length).ok()?.into_bytes();
        if self.role != Role::Server {
            role::turn_round(&mut keying, profile);
        }
        let fingerprint = sha256(state.peer_certificates.first()?);
        Some(Keys { profile, keying, fingerprint })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.flight.poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, send: impl FnMut(&[u8])) {
        self.flight.handle_timeout(now, send);
    }

    /// Says goodbye. Nothing is sent where nothing was begun.
    pub(crate) fn close(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        self.endpoint.stop(now, peer());
        self.drain(now, &mut send);
        self.flight.finish();
    }
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dtls").field("completed", &self.completed).finish_non_exhaustive()
    }
}

fn has_closed(events: &[EndpointEvent]) -> bool {
    events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed))
}

fn server(config: Arc<HandshakeConfig>) -> Endpoint {
    Endpoint::new(peer(), TransportProtocol::UDP, Some(config))
}

/// Why a handshake failed, for the operator.
fn sentence(error: &Error) -> String {
    match error {
        Error::ErrServerNoMatchingSrtpProfile => {
            "the client has neither SRTP_AEAD_AES_128_GCM nor SRTP_AES128_CM_SHA1_80".to_owned()
        }
        Error::ErrServerRequiredButNoClientEms => {
            "the client has no extended master secret (RFC 7627)".to_owned()
        }
        error => format!("the DTLS handshake failed: {error}"),
    }
}

mod role;

pub(crate) use role::Setup;

use role::Role;

#[cfg(test)]
mod tests;
