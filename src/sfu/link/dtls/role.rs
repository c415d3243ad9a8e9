//! Which end of the handshake we are (RFC 5763 section 5, RFC 8842): server, unless the other end
//! wants to be that.
//!
//! A client speaks first, and can do so only when it knows where to: it waits for the first valid check
//! of the other end, since a lite agent sends none of its own.

use std::{sync::Arc, time::Instant};

use rtc::{
    crypto::RTCCryptoProvider,
    dtls::{
        config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
        crypto::Certificate,
        endpoint::Endpoint,
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
    shared::{TransportProtocol, error::Error},
};

use super::{Dtls, peer};
use crate::{
    seams::media::SfuError,
    sfu::link::srtp::{KEY, Profile},
};

/// Who is to begin the DTLS handshake (RFC 4145 section 4, RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// The client begins, or says nothing.
    Active,
    /// The client waits: we begin.
    Passive,
    /// Either may.
    Either,
}

/// Which end we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The other end speaks first.
    Server,
    /// We speak first, as soon as we know where to.
    Waiting,
    /// We have spoken first.
    Client,
}

/// The configuration of a client.
pub(super) fn client(
    provider: &Arc<dyn RTCCryptoProvider>,
    certificate: &Certificate,
    preferred: Profile,
) -> Result<Arc<HandshakeConfig>, Error> {
    let mut profiles = vec![
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    ];
    if preferred == Profile::Cm {
        profiles.reverse();
    }
    ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(provider))
        .with_certificates(vec![certificate.clone()])
        .with_srtp_protection_profiles(profiles)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        // There is no authority to ask: the fingerprint decides.
        .with_insecure_skip_verify(true)
        .with_server_name("parlor".to_owned())
        .build(true, None)
        .map(Arc::new)
}

/// The keying material of a client in the order of a server: client's and server's key, then their
/// salts (RFC 5764 4.2).
pub(super) fn turn_round(keying: &mut [u8], profile: Profile) {
    if keying.len() != profile.keying_len() {
        return;
    }
    let (keys, salts) = keying.split_at_mut(2 * KEY);
    keys.rotate_left(KEY);
    salts.rotate_left(profile.salt_len());
}

impl Dtls {
    /// Our `a=setup` where the other end says this (RFC 8842 5.3).
    ///
    /// # Errors
    /// `SdpUnacceptable` if the handshake has begun the other way round.
    pub(crate) fn setup(&self, theirs: Setup) -> Result<&'static str, SfuError> {
        let has_begun = self.completed || self.n_parts > 0 || self.role != Role::Server;
        match (theirs, self.role) {
            (Setup::Active | Setup::Either, Role::Server) => Ok("passive"),
            (Setup::Passive, Role::Server) if !has_begun => Ok("active"),
            (Setup::Passive | Setup::Either, Role::Waiting | Role::Client) => Ok("active"),
            _ => {
                let text = "its a=setup turns the DTLS roles of before round; that needs a new \
                            connection";
                Err(SfuError::SdpUnacceptable(text.to_owned()))
            }
        }
    }

    /// Takes the role that [`Self::setup`] has said.
    pub(crate) fn agree(&mut self, theirs: Setup) {
        if theirs == Setup::Passive && self.role == Role::Server {
            self.endpoint = Endpoint::new(peer(), TransportProtocol::UDP, None);
            self.fallback = None;
            self.role = Role::Waiting;
        }
    }

    /// We are to begin, and have not: [`Self::reachable`] is to be called once it is known where the
    /// other end is.
    pub(crate) fn is_waiting(&self) -> bool {
        self.role == Role::Waiting
    }

    /// It is known where the other end is. A client begins now; once begun, nothing happens.
    pub(crate) fn reachable(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        if self.role != Role::Waiting {
            return;
        }
        self.role = Role::Client;
        let config = self.shared.client.clone();
        if let Err(error) = self.endpoint.connect(now, peer(), config, None) {
            // The connection is closed when its time to connect is over.
            tracing::warn!(%error, "a DTLS handshake could not be begun");
        }
        self.drain(now, &mut send);
    }
}

#[cfg(test)]
mod tests {
    use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

    use super::*;
    use crate::sfu::{
        link::dtls::{DtlsShared, Progress},
        testing::random::Random,
    };

    /// Both ends are ours; each datagram takes 5 ms and may be lost. How long it took.
    fn run(shared: &Arc<DtlsShared>, lost_percent: u64, random: &mut Random) -> Duration {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut now = start;
        let mut ends = [Dtls::new(Arc::clone(shared)), Dtls::new(Arc::clone(shared))];
        assert_eq!(ends[0].setup(Setup::Passive), Ok("active"));
        ends[0].agree(Setup::Passive);
        let mut network = BinaryHeap::new();
        let mut n_sent = 0;
        let mut send = |network: &mut BinaryHeap<_>, now: Instant, to: usize, datagram: &[u8]| {
            n_sent += 1;
            if random.below(100) >= lost_percent {
                let at = now + Duration::from_millis(5);
                network.push(Reverse((at, n_sent, to, datagram.to_vec())));
            }
        };
        let mut done = [false; 2];
        assert_eq!(ends[0].handle(now, &[22; 40], |_| {}), Progress::Ignored, "it speaks first");
        ends[0].reachable(now, |datagram| send(&mut network, now, 1, datagram));
        while done != [true; 2] {
            let arrival = network.peek().map(|Reverse((at, ..))| *at);
            let timers = ends.iter().filter_map(Dtls::poll_timeout).chain(arrival);
            now = timers.min().expect("somebody goes on");
            assert!(now - start < Duration::from_secs(60));
            if arrival == Some(now)
                && let Some(Reverse((_, _, to, datagram))) = network.pop()
            {
                let out = |datagram: &[u8]| send(&mut network, now, 1 - to, datagram);
                match ends[to].handle(now, &datagram, out) {
                    Progress::Completed => done[to] = true,
                    Progress::Going | Progress::Ignored => {}
                    other => panic!("{other:?}"),
                }
            }
            for (n, end) in ends.iter_mut().enumerate() {
                end.reachable(now, |_| panic!("once is enough"));
                if end.poll_timeout().is_some_and(|at| at <= now) {
                    end.handle_timeout(now, |datagram| send(&mut network, now, 1 - n, datagram));
                }
            }
        }
        let [client, server] = ends.map(|end| end.keys().expect("both have keys"));
        assert_eq!((client.profile, client.fingerprint), (server.profile, server.fingerprint));
        assert_eq!(client.fingerprint, *shared.fingerprint());
        let mut keying = client.keying;
        assert_ne!(keying, server.keying, "each has the other's key first");
        turn_round(&mut keying, client.profile);
        assert_eq!(keying, server.keying);
        now - start
    }

    #[test]
    fn we_may_be_the_client_over_a_path_that_loses_datagrams() {
        let shared = DtlsShared::new().expect("a certificate");
        let mut random = Random::new(5);
        assert!(run(&shared, 0, &mut random) <= Duration::from_millis(40));
        for _ in 0..50 {
            assert!(run(&shared, 30, &mut random) < Duration::from_secs(30));
        }
    }

    #[test]
    fn roles_are_not_turned_round() {
        let shared = DtlsShared::new().expect("a certificate");
        let mut dtls = Dtls::new(Arc::clone(&shared));
        assert_eq!(dtls.setup(Setup::Either), Ok("passive"));
        assert_eq!(dtls.setup(Setup::Active), Ok("passive"));
        dtls.agree(Setup::Active);
        dtls.reachable(Instant::now(), |_| panic!("the other end speaks first"));
        dtls.agree(Setup::Passive);
        assert_eq!(dtls.setup(Setup::Either), Ok("active"), "it stays as it was");
        assert!(dtls.setup(Setup::Active).is_err());
        let mut n_sent = 0;
        dtls.reachable(Instant::now(), |_| n_sent += 1);
        assert!(n_sent > 0 && dtls.setup(Setup::Passive) == Ok("active"));
    }
}
