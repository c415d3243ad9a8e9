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

use super::{Dtls, Guard, peer, server};
use crate::sfu::link::srtp::{KEY, Profile};

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
    /// An endpoint that knows of nothing yet.
    pub(super) fn renew_endpoint(&mut self) {
        if self.role == Role::Server {
            self.endpoint = server(self.shared.config(self.shared.preferred));
            self.fallback = Some(self.shared.preferred.other());
        } else {
            self.endpoint = Endpoint::new(peer(), TransportProtocol::UDP, None);
            self.fallback = None;
            self.role = Role::Waiting;
        }
    }

    /// The other end wants to be the server. Whoever has begun a handshake was somebody else.
    pub(crate) fn become_client(&mut self) {
        if self.role == Role::Server {
            self.role = Role::Waiting;
            self.renew_endpoint();
            self.flight.begin_anew();
            self.hello = Vec::new();
            self.completed = false;
            self.guard = Guard::default();
        }
    }

    /// We begin the handshake, or have.
    pub(crate) fn is_client(&self) -> bool {
        self.role != Role::Server
    }

    /// We are to begin, and have not: [`Self::reachable`] is to be called once it is known where the
    /// other end is.
    pub(crate) fn is_waiting(&self) -> bool {
        self.role == Role::Waiting
    }

    /// When a client that waits may begin: at once, or when it has rested.
    pub(crate) fn may_begin_at(&self) -> Option<Instant> {
        self.rests_until.filter(|_| self.is_waiting())
    }

    /// It is known where the other end is. A client begins now; once begun, nothing happens.
    pub(crate) fn reachable(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        if !self.is_waiting() || self.rests(now) {
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
        ends[0].become_client();
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
    fn a_client_begins_once_and_anew_after_a_rest() {
        let shared = DtlsShared::new().expect("a certificate");
        let now = Instant::now() + Duration::from_secs(3600);
        let mut dtls = Dtls::new(shared);
        dtls.reachable(now, |_| panic!("the other end speaks first"));
        dtls.become_client();
        let mut n_sent = 0;
        dtls.reachable(now, |_| n_sent += 1);
        dtls.become_client();
        dtls.reachable(now, |_| panic!("it has begun"));
        assert!(n_sent > 0 && dtls.is_client() && !dtls.is_waiting());
        dtls.begin_anew(now, "the certificate is another's".to_owned());
        let at = dtls.may_begin_at().expect("it begins again");
        dtls.reachable(now, |_| panic!("it rests"));
        dtls.reachable(at, |_| n_sent += 1);
        assert!(n_sent > 1 && !dtls.is_waiting());
    }
}
