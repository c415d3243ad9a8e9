//! A client made by hand of the library's parts: ICE (controlling, one path), DTLS client, SRTP.
//!
//! It plays publisher or viewer, in memory or on a socket, for the tests and the benchmark. It does
//! what it is told and nothing else: no feedback, no retransmission, no jitter buffer. It decides
//! nothing about time and sends nothing by itself: datagrams to send are taken from [`Client::out`].

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::BytesMut;
use rtc::{
    crypto::{RTCCryptoProvider, default_provider},
    dtls::{
        config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
        crypto::Certificate,
        endpoint::{Endpoint, EndpointEvent},
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
    shared::TransportProtocol,
    srtp::{context::Context, protection_profile::ProtectionProfile},
};

// Benchmarks include this file by its path.
#[path = "client/ice.rs"]
mod ice;

/// Between two checks: a browser's consent checks come every 2.5 s, those before connecting faster.
const CHECK_EVERY: Duration = Duration::from_secs(2);
const FIRST_CHECK_EVERY: Duration = Duration::from_millis(100);

/// What clients share: making a certificate takes longer than all the rest.
pub(crate) struct ClientShared {
    provider: Arc<dyn RTCCryptoProvider>,
    config: Arc<HandshakeConfig>,
    fingerprint: String,
}

impl ClientShared {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_profile(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm)
    }

    /// For clients that know this SRTP profile alone.
    pub(crate) fn with_profile(profile: SrtpProtectionProfile) -> Arc<Self> {
        let provider = default_provider().expect("a provider is compiled in");
        let names = vec!["client".to_owned()];
        let certificate =
            Certificate::generate_self_signed(names, provider.crypto()).expect("a certificate");
        let der = certificate.certificate.first().expect("a certificate has its own bytes");
        let hash = digest(&SHA256, der);
        let hex: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![profile])
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_insecure_skip_verify(true)
            .with_server_name("parlor".to_owned())
            .build(true, None)
            .expect("a client configuration");
        Arc::new(Self { provider, config: Arc::new(config), fingerprint: hex.join(":") })
    }
}

/// An m-section of an offer, as its receiver needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) video: bool,
    pub(crate) payload_type: u8,
    pub(crate) rtx_payload_type: Option<u8>,
    pub(crate) red_payload_type: Option<u8>,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
}

/// What came, decrypted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Nothing,
    Rtp(Vec<u8>),
    Rtcp(Vec<u8>),
    Closed,
}

struct Remote {
    ufrag: String,
    pwd: String,
}

struct Keys {
    send: Context,
    receive: Context,
}

/// One connection of a client.
pub(crate) struct Client {
    shared: Arc<ClientShared>,
    ufrag: String,
    remote: Option<Remote>,
    endpoint: Endpoint,
    connecting: bool,
    keys: Option<Keys>,
    next_check: Instant,
    n_checks: u8,
    /// Where the server is, from its candidates: the last one, which is the loopback.
    pub(crate) server: Option<SocketAddr>,
    /// Datagrams for the server.
    pub(crate) out: Vec<Vec<u8>>,
    /// It answers checks of the server.
    pub(crate) answers_checks: bool,
}

/// The library tells associations apart by address; this one has one peer.
fn peer() -> SocketAddr {
    ([192, 0, 2, 2], 2).into()
}

const PASSWORD: &str = "clientpasswordclientpass";

impl Client {
    pub(crate) fn new(now: Instant, shared: &Arc<ClientShared>, name: &str) -> Self {
        Self {
            shared: Arc::clone(shared),
            // At least four characters (RFC 8839 5.4).
            ufrag: format!("peer{name}"),
            remote: None,
            endpoint: Endpoint::new(peer(), TransportProtocol::UDP, None),
            connecting: false,
            keys: None,
            next_check: now,
            n_checks: 0,
            server: None,
            out: Vec::new(),
            answers_checks: true,
        }
    }

    pub(crate) fn connected(&self) -> bool {
        self.keys.is_some()
    }

    fn transport(&self, sdp: &mut String, setup: &str) {
        let fingerprint = &self.shared.fingerprint;
        let _ = write!(
            sdp,
            "a=ice-ufrag:{}\r\na=ice-pwd:{PASSWORD}\r\na=fingerprint:sha-256 {fingerprint}\r\n\
             a=setup:{setup}\r\na=rtcp-mux\r\n",
            self.ufrag
        );
    }

    /// An offer to publish: for each section its mid, `VP8`, `H264` or `opus`, and its SSRC.
    pub(crate) fn offer(&self, sections: &[(&str, &str, u32)]) -> String {
        let mids: Vec<&str> = sections.iter().map(|(mid, ..)| *mid).collect();
        let mut sdp = format!(
            "v=0\r\no=- 4711 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
            mids.join(" ")
        );
        for (mid, codec, ssrc) in sections {
            let (kind, payload_type, clock) = match *codec {
                "opus" => ("audio", 111, "48000/2"),
                "VP8" => ("video", 96, "90000"),
                _ => ("video", 102, "90000"),
            };
            let _ = write!(
                sdp,
                "m={kind} 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\n\
                 a=mid:{mid}\r\na=sendonly\r\na=msid:stream track-{mid}\r\n"
            );
            self.transport(&mut sdp, "actpass");
            let _ = write!(sdp, "a=rtpmap:{payload_type} {codec}/{clock}\r\n");
            match *codec {
                "opus" => sdp.push_str("a=fmtp:111 minptime=10;useinbandfec=1\r\n"),
                "VP8" => sdp.push_str("a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"),
                _ => sdp.push_str(
                    "a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\na=fmtp:102 \
                     level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n",
                ),
            }
            let _ = write!(sdp, "a=ssrc:{ssrc} cname:client\r\n");
        }
        sdp
    }

    /// The server's answer to our offer; checks begin.
    pub(crate) fn take_answer(&mut self, sdp: &str) {
        self.learn_server(sdp);
    }

    /// The server's answer to our offer to receive; checks begin.
    pub(crate) fn take_answer_to_receive(&mut self, sdp: &str) -> Vec<Section> {
        self.learn_server(sdp);
        sdp.split("\r\nm=").skip(1).filter_map(parse_section).collect()
    }

    fn learn_server(&mut self, sdp: &str) {
        let value = |name: &str| sdp.lines().find_map(|line| line.strip_prefix(name));
        let (Some(ufrag), Some(pwd)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) else { return };
        self.remote = Some(Remote { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() });
        self.server = sdp
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
                // Those by TCP are of the same addresses and ports.
                if words.get(2) != Some(&"udp") {
                    return None;
                }
                Some(SocketAddr::new(words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?))
            })
            .next_back();
    }

    /// Answers an offer to receive: every section is taken, with all that it offers.
    pub(crate) fn answer(&mut self, offer: &str) -> (String, Vec<Section>) {
        self.learn_server(offer);
        let mut blocks = offer.split("\r\nm=");
        let session = blocks.next().unwrap_or_default();
        let mut sdp = String::from("v=0\r\no=- 815 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
        let group = session.lines().find(|line| line.starts_with("a=group:BUNDLE"));
        let _ = group.map(|group| write!(sdp, "{group}\r\n"));
        let mut sections = Vec::new();
        for block in blocks {
            let active = block.lines().any(|line| line == "a=sendonly");
            let first = block.lines().next().unwrap_or_default();
            let words: Vec<&str> = first.split(' ').collect();
            let port = if active { "9" } else { "0" };
            let _ = write!(
                sdp,
                "m={} {port} {}\r\nc=IN IP4 0.0.0.0\r\n",
                words[0],
                words[2..].join(" ")
            );
            let kept =
                ["a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:", "a=rtcp-rsize"];
            for line in block.lines().filter(|line| kept.iter().any(|k| line.starts_with(k))) {
                let _ = write!(sdp, "{line}\r\n");
            }
            sdp.push_str(if active { "a=recvonly\r\n" } else { "a=inactive\r\n" });
            self.transport(&mut sdp, "active");
            if active {
                sections.extend(parse_section(block));
            }
        }
        (sdp, sections)
    }

    /// What is due: checks, handshake.
    pub(crate) fn tick(&mut self, now: Instant) {
        if now >= self.next_check && self.remote.is_some() {
            let every = if self.connected() { CHECK_EVERY } else { FIRST_CHECK_EVERY };
            self.next_check = now + every;
            self.check();
        }
        if self.connecting && self.keys.is_none() {
            if self.endpoint.poll_timeout(&peer()).is_some_and(|due| due <= now) {
                let _ = self.endpoint.handle_timeout(peer(), now);
            }
            self.drain();
        }
    }

    pub(crate) fn begin_handshake(&mut self, now: Instant) {
        self.connecting = true;
        let config = Arc::clone(&self.shared.config);
        self.endpoint.connect(now, peer(), config, None).expect("a handshake begins");
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.out.push(transmit.message.to_vec());
        }
    }

    /// Takes a datagram of the server.
    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Incoming {
        match datagram.first() {
            Some(0..=3) => {
                self.answer_check(datagram);
                if datagram.starts_with(&[1, 1]) && !self.connecting {
                    self.begin_handshake(now);
                }
                Incoming::Nothing
            }
            Some(20..=63) => self.handle_dtls(now, datagram),
            Some(128..=191) => self.decrypt(datagram),
            _ => Incoming::Nothing,
        }
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &[u8]) -> Incoming {
        let events = self.endpoint.read(now, peer(), None, BytesMut::from(datagram));
        self.drain();
        let events = events.unwrap_or_default();
        if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
            self.derive_keys();
        }
        if events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)) {
            return Incoming::Closed;
        }
        Incoming::Nothing
    }

    fn derive_keys(&mut self) {
        let state = self.endpoint.get_connection_state(peer()).expect("the handshake is complete");
        let (profile, salt) = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => (ProtectionProfile::AeadAes128Gcm, 12),
            _ => (ProtectionProfile::Aes128CmHmacSha1_80, 14),
        };
        let exported = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 32 + 2 * salt);
        let keying = exported.expect("keys can be exported").into_bytes();
        let context = |key: &[u8], salt: &[u8]| {
            let crypto = self.shared.provider.crypto();
            Context::new(key, salt, profile, None, None, crypto).expect("keys of the right length")
        };
        self.keys = Some(Keys {
            send: context(&keying[..16], &keying[32..32 + salt]),
            receive: context(&keying[16..32], &keying[32 + salt..]),
        });
    }

    fn decrypt(&mut self, datagram: &[u8]) -> Incoming {
        let Some(keys) = &mut self.keys else { return Incoming::Nothing };
        if is_rtcp(datagram) {
            let plain = keys.receive.decrypt_rtcp(datagram);
            return plain.map_or(Incoming::Nothing, |plain| Incoming::Rtcp(plain.to_vec()));
        }
        let plain = keys.receive.decrypt_rtp(datagram);
        plain.map_or(Incoming::Nothing, |plain| Incoming::Rtp(plain.to_vec()))
    }

    /// Sends an RTP packet.
    pub(crate) fn send_rtp(&mut self, packet: &[u8]) {
        let keys = self.keys.as_mut().expect("connected");
        self.out.push(keys.send.encrypt_rtp(packet).expect("a well-formed packet").to_vec());
    }

    /// Sends an RTCP packet.
    pub(crate) fn send_rtcp(&mut self, packet: &[u8]) {
        let keys = self.keys.as_mut().expect("connected");
        self.out.push(keys.send.encrypt_rtcp(packet).expect("a well-formed packet").to_vec());
    }
}

/// RFC 5761 section 4.
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..=223).contains(second))
}

fn parse_section(block: &str) -> Option<Section> {
    let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let first = block.lines().next()?;
    let mut formats = first.split(' ').skip(3);
    let payload_type = formats.next()?.parse().ok()?;
    let named = |name: &str| {
        block.lines().find_map(|line| {
            let (payload_type, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            codec.starts_with(name).then(|| payload_type.parse().ok())?
        })
    };
    let (ssrc, rtx_ssrc) = match value("a=ssrc-group:FID ") {
        Some(pair) => {
            let (media, repair) = pair.split_once(' ')?;
            (media.parse().ok()?, repair.parse().ok())
        }
        None => (value("a=ssrc:")?.split(' ').next()?.parse().ok()?, None),
    };
    Some(Section {
        mid: value("a=mid:")?.to_owned(),
        video: first.starts_with("video"),
        payload_type,
        rtx_payload_type: named("rtx/"),
        red_payload_type: named("red/"),
        ssrc,
        rtx_ssrc,
    })
}
