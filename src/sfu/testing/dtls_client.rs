//! The library's client of a handshake, for tests and fuzzing: it does what it is told, in their time.

use std::{sync::Arc, time::Instant};

use rtc::{
    crypto::RTCCryptoProvider,
    dtls::{
        config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
        crypto::Certificate,
        endpoint::{Endpoint, EndpointEvent},
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
    shared::TransportProtocol,
};

use crate::sfu::link::{
    dtls::{EXPORTER_LABEL, Keys, peer},
    flight::{Flight, HANDSHAKE},
};

/// A client's configuration, with these SRTP profiles in this order.
pub(crate) fn config(
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    profiles: &[SrtpProtectionProfile],
) -> Arc<HandshakeConfig> {
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![certificate])
        .with_srtp_protection_profiles(profiles.to_vec())
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_insecure_skip_verify(true)
        .with_server_name("parlor".to_owned())
        .build(true, None)
        .expect("a client's configuration");
    Arc::new(config)
}

/// How the client repeats what was lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Repeats {
    /// As `rtc` does by itself, with its defect.
    Library,
    /// With our remedy.
    Flight,
}

pub(crate) struct Client {
    endpoint: Endpoint,
    flight: Flight,
    repeats: Repeats,
    pub(crate) completed: bool,
    pub(crate) failed: bool,
}

impl Client {
    pub(crate) fn new(now: Instant, config: Arc<HandshakeConfig>, repeats: Repeats) -> Self {
        let mut endpoint = Endpoint::new(peer(), TransportProtocol::UDP, None);
        endpoint.connect(now, peer(), config, None).expect("a hello is always made");
        Self { endpoint, flight: Flight::new(), repeats, completed: false, failed: false }
    }

    /// Its keys are those of the server.
    pub(crate) fn agrees(&self, keys: &Keys) -> bool {
        let theirs = || {
            let state = self.endpoint.get_connection_state(peer())?;
            let length = keys.profile.keying_len();
            Some(state.export_keying_material(EXPORTER_LABEL, &[], length).ok()?.into_bytes())
        };
        theirs().is_some_and(|theirs| theirs == keys.keying)
    }

    /// What it wants to send by itself; after [`Self::new`], its hello.
    pub(crate) fn drain(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // A client of the library alone has a small hello, and could not bear it in halves.
            let mut datagrams = match self.repeats {
                Repeats::Library => vec![transmit.message.to_vec()],
                Repeats::Flight => split_hello(&transmit.message),
            };
            datagrams.iter_mut().for_each(|datagram| self.flight.sent(now, datagram));
            out.extend(datagrams);
        }
        out
    }

    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.flight.received(datagram);
        match self.endpoint.read(now, peer(), None, datagram.into()) {
            Ok(events) => {
                let done =
                    |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
                self.completed |= events.iter().any(done);
            }
            Err(_) => self.failed = true,
        }
        let mut out = self.drain(now);
        if self.completed {
            self.flight.finish();
        }
        if self.repeats == Repeats::Flight {
            self.flight.after_read(now, |datagram| out.push(datagram.to_vec()));
        }
        out
    }

    /// Says goodbye.
    #[cfg(test)]
    pub(crate) fn close(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.endpoint.stop(now, peer());
        self.drain(now)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.repeats {
            Repeats::Library => self.endpoint.poll_timeout(&peer()),
            Repeats::Flight => self.flight.poll_timeout(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Vec<u8>> {
        match self.repeats {
            Repeats::Library => {
                self.failed |= self.endpoint.handle_timeout(peer(), now).is_err();
                self.drain(now)
            }
            Repeats::Flight => {
                let mut out = Vec::new();
                self.flight.handle_timeout(now, |datagram| out.push(datagram.to_vec()));
                out
            }
        }
    }
}

/// Chromium's hello is two datagrams, two fragments of one message: so is this one.
fn split_hello(datagram: &[u8]) -> Vec<Vec<u8>> {
    const CLIENT_HELLO: u8 = 1;
    let (record, message) = datagram.split_at(13);
    if record[0] != HANDSHAKE || record[3..5] != [0, 0] || message[0] != CLIENT_HELLO {
        return vec![datagram.to_vec()];
    }
    let (header, body) = message.split_at(12);
    let half = body.len() / 2;
    let fragment = |offset: usize, part: &[u8]| {
        let length = |n: usize| [0, (n >> 8) as u8, n as u8];
        let record_length = (12 + part.len()) as u16;
        let (offset, part_length) = (length(offset), length(part.len()));
        [&record[..11], &record_length.to_be_bytes(), &header[..6], &offset, &part_length, part]
            .concat()
    };
    vec![fragment(0, &body[..half]), fragment(half, &body[half..])]
}
