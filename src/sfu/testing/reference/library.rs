//! The library's `RTCPeerConnection`: DTLS and SRTP of one publisher's connection.
//!
//! It answers an offer of one section that we write, which holds the client's certificate and
//! nothing of its media, so that no quirk of a client's SDP reaches the library (it refuses sections
//! without `a=ssrc`, and drops packets of SSRCs that no SDP declares). Media is taken out by an
//! interceptor ([`Tap`]), where it is already decrypted.
//!
//! None of its timers is driven: ICE has none here, the reports are `media`'s, and that of DTLS gives
//! up after seven times; `flight` repeats instead.
//!
//! # Departure: its ICE agent talks to us alone
//! Its lite agent answers a nominating check only after a check of its own, never moves to another
//! pair, and gives up for good. So `ice` answers the network, and here the agent is led once, in
//! memory, to select a pair of two addresses of documentation (RFC 5737). Nothing that looks like
//! STUN gets in from outside.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use rtc::{
    crypto::RTCCryptoProvider,
    dtls::extension::extension_use_srtp::SrtpProtectionProfile,
    ice::attributes::{
        control::AttrControlling, priority::PriorityAttr, use_candidate::UseCandidateAttr,
    },
    interceptor::{Registry, Slot},
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        certificate::RTCCertificate,
        configuration::{
            RTCConfigurationBuilder, media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
        event::RTCPeerConnectionEvent,
        sdp::RTCSessionDescription,
        state::RTCPeerConnectionState,
        transport::{RTCDtlsRole, RTCIceCandidateInit},
    },
    sansio::Protocol as _,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol, error::Result},
    stun::{
        attributes::ATTR_USERNAME,
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{BINDING_REQUEST, BINDING_SUCCESS, Message, TransactionId},
        textattrs::TextAttribute,
        xoraddr::XorMappedAddress,
    },
};

use super::tap::Tap;

/// Ends of the pair that the library believes in (TEST-NET-1).
const LOCAL: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));
const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 9));
/// Credentials of the talk in memory; no secrets.
const LOCAL_UFRAG: &str = "parlorLocal";
const LOCAL_PWD: &str = "theLibraryHearsUsAlone01";
const PEER_UFRAG: &str = "parlorPeer";
const PEER_PWD: &str = "theLibraryHearsUsAlone02";

/// What a [`Library`] is made with.
pub(super) struct Parts<'a> {
    pub(super) crypto: &'a Arc<dyn RTCCryptoProvider>,
    pub(super) certificate: &'a RTCCertificate,
    /// SHA-256 of the client's certificate, hex pairs with colons.
    pub(super) fingerprint: &'a str,
    /// SRTP profiles that are ours.
    pub(super) profiles: Vec<SrtpProtectionProfile>,
    pub(super) tap: Tap,
}

/// The library's connection.
pub(super) struct Library {
    connection: RTCPeerConnection,
    is_connected: bool,
}

impl Library {
    /// Makes a connection that waits for the client's first DTLS datagram.
    pub(super) fn new(parts: Parts<'_>, now: Instant) -> Result<Self> {
        let never = Some(Duration::ZERO);
        let settings = SettingEngineBuilder::new()
            .with_lite(true)
            .with_answering_dtls_role(RTCDtlsRole::Server)
            .with_srtp_protection_profiles(parts.profiles)
            .with_ice_credentials(LOCAL_UFRAG.to_owned(), LOCAL_PWD.to_owned())
            .with_ice_timeouts(never, never, never)
            .with_crypto_provider(parts.crypto.clone())
            .build();
        let configuration = RTCConfigurationBuilder::new()
            .with_certificates(vec![parts.certificate.clone()])
            .build();
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_media_engine(MediaEngine::default())
            .with_setting_engine(settings)
            .with_interceptor_registry(Registry::new().with(Slot::from(100), parts.tap))
            .build(now)?;
        connection.add_local_candidate(RTCIceCandidateInit {
            candidate: format!("candidate:1 1 udp 1 {} {} typ host", LOCAL.ip(), LOCAL.port()),
            ..Default::default()
        })?;
        let offer = RTCSessionDescription::offer(offer(parts.fingerprint))?;
        connection.set_remote_description(now, offer)?;
        let answer = connection.create_answer(None)?;
        connection.set_local_description(now, answer)?;
        let mut library = Self { connection, is_connected: false };
        library.select_pair(parts.crypto, now)?;
        Ok(library)
    }

    /// DTLS and SRTP are up.
    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Takes a datagram in that is DTLS or SRTP.
    pub(super) fn read(&mut self, now: Instant, datagram: &[u8]) {
        let message = BytesMut::from(datagram);
        // What it refuses is garbage or a replay; it says so in its own log.
        let _ = self.connection.handle_read(TaggedBytesMut { now, transport: pair(), message });
    }

    /// Does what follows from what was read: the end of the handshake.
    pub(super) fn settle(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.is_connected |= state == RTCPeerConnectionState::Connected;
            }
        }
        while self.connection.poll_read().is_some() {}
    }

    /// The next datagram to send: DTLS or SRTCP.
    pub(super) fn poll_write(&mut self) -> Option<BytesMut> {
        loop {
            let datagram = self.connection.poll_write()?.message;
            if matches!(datagram.first(), Some(20..=63 | 128..=191)) {
                return Some(datagram);
            }
        }
    }

    /// Plays the client's part of ICE: a nominating check, the answer to the agent's own check, and
    /// the nominating check again.
    fn select_pair(&mut self, crypto: &Arc<dyn RTCCryptoProvider>, now: Instant) -> Result<()> {
        self.stun(now, check(crypto)?)?;
        while let Some(written) = self.connection.poll_write() {
            let mut message = Message::new();
            message.unmarshal_binary(&written.message)?;
            if message.typ == BINDING_REQUEST {
                self.stun(now, success(crypto, message.transaction_id)?)?;
            }
        }
        self.stun(now, check(crypto)?)?;
        while self.connection.poll_write().is_some() {}
        self.settle();
        Ok(())
    }

    fn stun(&mut self, now: Instant, message: Message) -> Result<()> {
        let message = BytesMut::from(&message.raw[..]);
        self.connection.handle_read(TaggedBytesMut { now, transport: pair(), message })
    }
}

fn pair() -> TransportContext {
    TransportContext {
        local_addr: LOCAL,
        peer_addr: PEER,
        transport_protocol: TransportProtocol::UDP,
        ecn: None,
    }
}

/// An offer without media.
fn offer(fingerprint: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na=ice-ufrag:{PEER_UFRAG}\r\na=ice-pwd:{PEER_PWD}\r\n"
    )
}

fn check(crypto: &Arc<dyn RTCCryptoProvider>) -> Result<Message> {
    let mut message = Message::new();
    let username = format!("{LOCAL_UFRAG}:{PEER_UFRAG}");
    message.build(&[
        Box::new(BINDING_REQUEST),
        Box::new(TransactionId::new()),
        Box::new(TextAttribute::new(ATTR_USERNAME, username)),
        Box::new(AttrControlling(1)),
        Box::new(PriorityAttr(1)),
        Box::new(UseCandidateAttr::new()),
        Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            LOCAL_PWD.to_owned(),
            crypto.crypto(),
        )),
        Box::new(FINGERPRINT),
    ])?;
    Ok(message)
}

fn success(crypto: &Arc<dyn RTCCryptoProvider>, id: TransactionId) -> Result<Message> {
    let mut message = Message::new();
    message.build(&[
        Box::new(id),
        Box::new(BINDING_SUCCESS),
        Box::new(XorMappedAddress { ip: LOCAL.ip(), port: LOCAL.port() }),
        Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            PEER_PWD.to_owned(),
            crypto.crypto(),
        )),
        Box::new(FINGERPRINT),
    ])?;
    Ok(message)
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("is_connected", &self.is_connected).finish_non_exhaustive()
    }
}
