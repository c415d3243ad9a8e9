//! DTLS 1.2 of one connection (RFC 6347), for its keys only (RFC 5764): the browser is the client.
//!
//! The one place that knows `rtc::dtls`. Owns certificate and configurations (one set shared by many
//! connections) and, a connection, the endpoint with the remedy of [`Flight`]. It does not judge the
//! client's certificate: `Downlink` and `Uplink` compare its fingerprint with the SDP's.
//!
//! The library's own retransmission timer is never driven: it counts to 7 and gives up, and is
//! disarmed by accident ([`Flight`]). What reaches the library is bounded here: it keeps whatever
//! comes before its time, and joins fragments by recursion.
//!
//! As server the library follows the *client's* order of SRTP profiles, so a configuration offers
//! only one; where a client has none of it the handshake begins anew with the other, unnoticed.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::BytesMut;
use rtc::{
    crypto::{RTCCrypto, RTCCryptoProvider, default_provider},
    dtls::{
        config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
        crypto::Certificate,
        endpoint::{Endpoint, EndpointEvent},
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
    shared::{TransportProtocol, error::Error},
};

use super::{
    flight::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, Flight, HANDSHAKE, Record, records},
    srtp::Profile,
};
use crate::seams::media::SfuError;

/// Bytes of DTLS taken before completion. A browser's handshake has about 4 KB; this leaves room
/// for eight repetitions, and bounds what the library keeps.
pub(crate) const HANDSHAKE_BUDGET: usize = 32 * 1024;
/// Handshake messages, or parts of them, taken before completion, and once more after it. A browser
/// sends six to ten; the library looks through all that wait for each that comes, and joins them by
/// recursion.
const MAX_PARTS: usize = 256;
/// Bytes of DTLS taken after completion: repeated last flights and one farewell.
const FAREWELL_BUDGET: usize = 16 * 1024;
/// The exporter's label (RFC 5764 4.2).
pub(crate) const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// The library tells associations apart by address; a connection has one, whatever path it takes.
pub(crate) fn peer() -> SocketAddr {
    ([192, 0, 2, 1], 1).into()
}

/// What many connections share: certificate and DTLS configuration.
pub struct DtlsShared {
    provider: Arc<dyn RTCCryptoProvider>,
    gcm: Arc<HandshakeConfig>,
    cm: Arc<HandshakeConfig>,
    preferred: Profile,
    fingerprint: [u8; 32],
}

impl DtlsShared {
    /// Makes a certificate for the life of this process.
    pub fn new() -> Result<Arc<Self>, SfuError> {
        let internal = |error: &dyn std::fmt::Display| SfuError::Internal(error.to_string());
        let provider = default_provider().map_err(|error| internal(&error))?;
        let certificate =
            Certificate::generate_self_signed(vec!["parlor".to_owned()], provider.crypto())
                .map_err(|error| internal(&error))?;
        Self::with(provider, certificate, Profile::preferred())
    }

    pub(crate) fn with(
        provider: Arc<dyn RTCCryptoProvider>,
        certificate: Certificate,
        preferred: Profile,
    ) -> Result<Arc<Self>, SfuError> {
        let internal = |error: &dyn std::fmt::Display| SfuError::Internal(error.to_string());
        let der = certificate.certificate.first();
        let fingerprint = sha256(der.ok_or_else(|| internal(&"no certificate"))?);
        let config = |profile| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(vec![profile])
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                // There is no authority to ask: the fingerprint decides.
                .with_insecure_skip_verify(true)
                .build(false, None)
                .map(Arc::new)
                .map_err(|error| internal(&error))
        };
        Ok(Arc::new(Self {
            gcm: config(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm)?,
            cm: config(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80)?,
            provider,
            preferred,
            fingerprint,
        }))
    }

    /// SHA-256 of our certificate.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The library's cryptography, for its STUN.
    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    fn config(&self, profile: Profile) -> Arc<HandshakeConfig> {
        match profile {
            Profile::Gcm => self.gcm.clone(),
            Profile::Cm => self.cm.clone(),
        }
    }
}

impl std::fmt::Debug for DtlsShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DtlsShared").field("preferred", &self.preferred).finish_non_exhaustive()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// What a datagram has led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It was taken.
    Going,
    /// It was not DTLS of this connection, or too much.
    Ignored,
    /// The handshake is complete: [`Dtls::keys`] has what it was for.
    Completed,
    /// The client said goodbye.
    Closed,
    /// The handshake failed, and why.
    Failed(String),
}

/// The outcome of a handshake.
pub(crate) struct Keys {
    pub(crate) profile: Profile,
    /// The exporter's output, of [`Profile::keying_len`] bytes.
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
    budget: usize,
    n_parts: usize,
}

impl Dtls {
    pub(crate) fn new(shared: Arc<DtlsShared>) -> Self {
        let fallback = match shared.preferred {
            Profile::Gcm => Profile::Cm,
            Profile::Cm => Profile::Gcm,
        };
        Self {
            endpoint: server(shared.config(shared.preferred)),
            shared,
            flight: Flight::new(),
            hello: Vec::new(),
            fallback: Some(fallback),
            completed: false,
            budget: HANDSHAKE_BUDGET,
            n_parts: 0,
        }
    }

    /// A DTLS datagram of the client. What is to be sent is passed to `send`.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        datagram: &[u8],
        mut send: impl FnMut(&[u8]),
    ) -> Progress {
        let fits = self.budget.checked_sub(datagram.len());
        let (Some(left), true) = (fits, is_acceptable(datagram, self.completed)) else {
            return Progress::Ignored;
        };
        let n_parts =
            self.n_parts + records(datagram).map(|record| n_parts(&record)).sum::<usize>();
        if n_parts > MAX_PARTS {
            return Progress::Ignored;
        }
        self.n_parts = n_parts;
        self.budget = left;
        if self.fallback.is_some() {
            self.hello.push(datagram.into());
        }
        self.flight.received(datagram);
        let mut read = self.endpoint.read(now, peer(), None, datagram.into());
        if matches!(read, Err(Error::ErrServerNoMatchingSrtpProfile))
            && let Some(profile) = self.fallback.take()
        {
            read = self.begin_anew(now, profile);
        }
        self.drain(now, &mut send);
        self.flight.after_read(now, send);
        match read {
            Ok(events) => self.progress(&events),
            Err(error) => {
                self.flight.finish();
                Progress::Failed(sentence(&error))
            }
        }
    }

    fn begin_anew(&mut self, now: Instant, profile: Profile) -> Result<Vec<EndpointEvent>, Error> {
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
                    self.budget = FAREWELL_BUDGET;
                    self.n_parts = 0;
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
        let keying = state.export_keying_material(EXPORTER_LABEL, &[], length).ok()?.into_bytes();
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

/// Whether the library may see a datagram: whole records of DTLS, none of an epoch that is never
/// reached, nothing in clear that would end the association or be kept without end.
fn is_acceptable(datagram: &[u8], completed: bool) -> bool {
    let mut length = 0;
    let fine = records(datagram).all(|record| {
        length += record.len();
        let body = record.body.len();
        match (record.content_type, record.epoch) {
            (HANDSHAKE, 0 | 1) | (ALERT, 1) => true,
            (CHANGE_CIPHER_SPEC, 0) => body == 1,
            (ALERT, 0) => !completed && body == 2,
            // No data channel: nothing is ever said here.
            (APPLICATION_DATA, _) => false,
            _ => false,
        }
    });
    fine && length > 0 && length == datagram.len()
}

/// Handshake messages, or parts of them, that the library finds in a record; where it is encrypted,
/// those that there can be.
fn n_parts(record: &Record<'_>) -> usize {
    const HEADER: usize = 12;
    match (record.content_type, record.epoch) {
        (HANDSHAKE, 0) => {}
        (HANDSHAKE, _) => return record.body.len().div_ceil(HEADER),
        _ => return 0,
    }
    let mut rest = record.body;
    let mut n_parts = 0;
    while !rest.is_empty() {
        n_parts += 1;
        // The library goes on after the whole message's length, not the part's.
        let length = match rest {
            [_, a, b, c, ..] => usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c),
            _ => break,
        };
        rest = rest.get(HEADER + length..).unwrap_or_default();
    }
    n_parts
}

#[cfg(test)]
mod tests;
