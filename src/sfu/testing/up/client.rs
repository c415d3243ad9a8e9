//! A publisher for the tests: the library's full client, and the wire between it and an uplink.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rtc::{
    interceptor::{Registry, Slot},
    media_stream::MediaStreamTrack,
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        configuration::{
            interceptor_registry::register_default_interceptors, media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
        event::RTCPeerConnectionEvent,
        sdp::RTCSessionDescription,
        state::RTCPeerConnectionState,
        transport::RTCIceCandidateInit,
    },
    rtp,
    rtp_transceiver::{
        RTCRtpSenderId,
        rtp_sender::{
            RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters,
            RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
        },
    },
    sansio::Protocol as _,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
};

use super::spy::{Seen, Spy};
use crate::{
    ids::Mid,
    sfu::{
        link::{
            credentials::IceCredentials,
            flight::{Flight, is_dtls},
        },
        up::{UpEvent, UpShared, Uplink},
        wire::transmit::{Route, Transmit},
    },
};

pub(super) const SERVER: &str = "127.0.0.1:10000";
pub(super) const CLIENT: &str = "127.0.0.1:5000";

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Time in tests is an hour ahead of the wall clock, so that reading that fails loudly.
pub(super) fn start_of_time() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// What an uplink has sent.
#[derive(Default)]
pub(super) struct Sent(pub(super) Vec<(SocketAddr, Vec<u8>)>);

impl Transmit for Sent {
    fn transmit(&mut self, to: Route, datagram: &[u8]) {
        self.0.push((to.peer.address, datagram.to_vec()));
    }
}

/// What a track is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) mime: &'static str,
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    pub(super) rtx: Option<u32>,
}

pub(super) const OPUS: Line = Line { mime: "audio/opus", payload_type: 111, ssrc: 11, rtx: None };
pub(super) const VP8: Line = Line { mime: "video/VP8", payload_type: 96, ssrc: 22, rtx: Some(23) };
pub(super) const SCREEN: Line = Line { ssrc: 44, rtx: Some(45), ..VP8 };
pub(super) const H264: Line =
    Line { mime: "video/H264", payload_type: 125, ssrc: 33, rtx: Some(34) };

/// A publisher on the library.
pub(super) struct Client {
    pub(super) connection: RTCPeerConnection,
    pub(super) senders: Vec<(Line, RTCRtpSenderId)>,
    pub(super) is_connected: bool,
    pub(super) sent_to_server: VecDeque<Vec<u8>>,
    /// What RTCP came, and the SSRC that it is about.
    rtcp: Seen,
    /// The client's DTLS has the same defect as ours; a browser's has not.
    flight: Flight,
    /// What becomes of each datagram before it is sent.
    pub(super) cut: fn(Vec<u8>) -> Vec<Vec<u8>>,
}

impl Client {
    pub(super) fn new(lines: &[Line], settings: SettingEngineBuilder, now: Instant) -> Self {
        let mut engine = MediaEngine::default();
        engine.register_default_codecs().expect("codecs");
        let level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level".to_owned();
        let level = RTCRtpHeaderExtensionCapability { uri: level };
        engine.register_header_extension(level, RtpCodecKind::Audio, None).expect("an extension");
        let registry = register_default_interceptors(Registry::new(), &mut engine);
        let spy = Spy::default();
        let rtcp = spy.seen.clone();
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_setting_engine(settings.build())
            .with_interceptor_registry(registry.expect("interceptors").with(Slot::from(50), spy))
            .build(now)
            .expect("a client");
        let senders = lines.iter().map(|line| (*line, add(&mut connection, *line))).collect();
        let address = address(CLIENT);
        let candidate =
            format!("candidate:1 1 udp 2130706431 {} {} typ host", address.ip(), address.port());
        connection
            .add_local_candidate(RTCIceCandidateInit { candidate, ..Default::default() })
            .expect("a candidate");
        Self {
            connection,
            senders,
            is_connected: false,
            sent_to_server: VecDeque::new(),
            rtcp,
            flight: Flight::new(),
            cut: |datagram| vec![datagram],
        }
    }

    /// How much RTCP of a kind came about an SSRC.
    pub(super) fn n_rtcp(&self, kind: &str, ssrc: u32) -> usize {
        let seen = self.rtcp.lock().expect("one thread");
        seen.iter().filter(|known| **known == (kind, ssrc)).count()
    }

    pub(super) fn add(&mut self, line: Line) {
        let sender = add(&mut self.connection, line);
        self.senders.push((line, sender));
    }

    pub(super) fn offer(&mut self, now: Instant) -> String {
        let offer = self.connection.create_offer(None).expect("an offer");
        self.connection.set_local_description(now, offer).expect("the offer is its own");
        self.connection.local_description().expect("it was set").sdp
    }

    pub(super) fn take_answer(&mut self, now: Instant, answer: &str) {
        let answer = RTCSessionDescription::answer(answer.to_owned()).expect("an answer");
        self.connection.set_remote_description(now, answer).expect("the answer fits");
    }

    pub(super) fn read(&mut self, now: Instant, datagram: &[u8]) {
        let transport = TransportContext {
            local_addr: address(CLIENT),
            peer_addr: address(SERVER),
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = BytesMut::from(datagram);
        if is_dtls(datagram) {
            self.flight.received(datagram);
        }
        let _ = self.connection.handle_read(TaggedBytesMut { now, transport, message });
        self.settle(now);
        let repeated = &mut self.sent_to_server;
        self.flight.after_read(now, |again| repeated.push_back(again.to_vec()));
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            let _ = self.connection.handle_timeout(now);
        }
        self.settle(now);
        let repeated = &mut self.sent_to_server;
        self.flight.handle_timeout(now, |again| repeated.push_back(again.to_vec()));
    }

    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.is_connected = state == RTCPeerConnectionState::Connected;
                if self.is_connected {
                    self.flight.finish();
                }
            }
        }
        while self.connection.poll_read().is_some() {}
        while let Some(written) = self.connection.poll_write() {
            for mut datagram in (self.cut)(written.message.to_vec()) {
                if is_dtls(&datagram) {
                    self.flight.sent(now, &mut datagram);
                }
                self.sent_to_server.push_back(datagram);
            }
        }
    }

    pub(super) fn send(&mut self, now: Instant, line: Line, packet: rtp::Packet) {
        let (_, sender) = self.senders.iter().find(|(l, _)| l.ssrc == line.ssrc).expect("a line");
        let mut sender = self.connection.rtp_sender(*sender).expect("a sender");
        sender.write_rtp(now, packet).expect("the packet fits what was negotiated");
        self.settle(now);
    }
}

fn add(connection: &mut RTCPeerConnection, line: Line) -> RTCRtpSenderId {
    let (kind, clock_rate, channels) = match line.mime {
        "audio/opus" => (RtpCodecKind::Audio, 48_000, 2),
        _ => (RtpCodecKind::Video, 90_000, 0),
    };
    let fmtp = match line.mime {
        "video/H264" => "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        _ => "",
    };
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(line.ssrc),
            rtx: line.rtx.map(|ssrc| RTCRtpRtxParameters { ssrc }),
            ..Default::default()
        },
        codec: RTCRtpCodec {
            mime_type: line.mime.to_owned(),
            clock_rate,
            channels,
            sdp_fmtp_line: fmtp.to_owned(),
            rtcp_feedback: Vec::new(),
        },
        ..Default::default()
    };
    let name = format!("track{}", line.ssrc);
    let track = MediaStreamTrack::new("stream".into(), name.clone(), name, kind, vec![coding]);
    connection.add_track(track).expect("a track")
}

pub(super) fn rtp_packet(line: Line, sequence: u16, timestamp: u32, payload: &[u8]) -> rtp::Packet {
    rtp::Packet {
        header: rtp::Header {
            version: 2,
            payload_type: line.payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: line.ssrc,
            ..Default::default()
        },
        payload: Bytes::copy_from_slice(payload),
    }
}

/// Whether a datagram is lost; the flag tells if it goes up.
pub(super) type Lose = Box<dyn FnMut(bool, &[u8]) -> bool>;

/// A client, an uplink, and the wire between them with its own clock.
pub(super) struct Pair {
    pub(super) client: Client,
    pub(super) uplink: Uplink,
    pub(super) now: Instant,
    pub(super) events: Vec<UpEvent>,
    pub(super) lose: Lose,
}

impl Pair {
    pub(super) fn new(shared: &Arc<UpShared>, lines: &[Line]) -> Self {
        Self::with(shared, lines, SettingEngineBuilder::new(), |offer| offer)
    }

    /// With settings of the client, and an offer that is changed on its way.
    pub(super) fn with(
        shared: &Arc<UpShared>,
        lines: &[Line],
        settings: SettingEngineBuilder,
        change: impl Fn(String) -> String,
    ) -> Self {
        let now = start_of_time();
        let uplink = uplink(shared, now);
        let client = Client::new(lines, settings, now);
        let lose = Box::new(|_: bool, _: &[u8]| false);
        let mut pair = Self { client, uplink, now, events: Vec::new(), lose };
        pair.negotiate(change);
        pair
    }

    pub(super) fn negotiate(&mut self, change: impl Fn(String) -> String) -> Arc<str> {
        let offer = change(self.client.offer(self.now));
        let answer = self.uplink.handle_offer(self.now, &offer).expect("an answer");
        self.client.take_answer(self.now, &answer);
        answer
    }

    /// Lets time pass in steps of 10 ms until `done` or `limit`; true if done.
    pub(super) fn run(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while self.now < end {
            self.exchange();
            if done(self) {
                return true;
            }
            self.now += Duration::from_millis(10);
            self.client.handle_timeout(self.now);
            if self.uplink.poll_timeout().is_some_and(|at| at <= self.now) {
                let mut sent = Sent::default();
                self.uplink.handle_timeout(self.now, &mut sent);
                self.deliver(sent);
            }
        }
        done(self)
    }

    /// Carries datagrams to and fro until none is left.
    pub(super) fn exchange(&mut self) {
        self.client.settle(self.now);
        self.collect();
        while let Some(datagram) = self.client.sent_to_server.pop_front() {
            if (self.lose)(true, &datagram) {
                continue;
            }
            let mut sent = Sent::default();
            self.uplink.handle_datagram(self.now, address(CLIENT), &datagram, &mut sent);
            self.collect();
            self.deliver(sent);
        }
    }

    pub(super) fn deliver(&mut self, sent: Sent) {
        for (to, datagram) in sent.0 {
            assert_eq!(to, address(CLIENT));
            if !(self.lose)(false, &datagram) {
                self.client.read(self.now, &datagram);
            }
        }
    }

    pub(super) fn connect(&mut self) {
        let is_up = self.run(Duration::from_secs(10), |pair| {
            pair.client.is_connected && pair.has(|event| matches!(event, UpEvent::Connected))
        });
        assert!(is_up, "the connection comes up");
    }

    pub(super) fn has(&self, wanted: impl Fn(&UpEvent) -> bool) -> bool {
        self.events.iter().any(wanted)
    }

    pub(super) fn mid(&self, index: usize) -> Mid {
        self.uplink.mids()[index].0.clone()
    }

    /// The id of the extension whose URI ends or contains so, in the client's offer.
    pub(super) fn extension(&self, part: &str) -> u8 {
        let offer = self.client.connection.local_description().expect("it has offered").sdp;
        let lines = offer.lines().filter_map(|line| line.strip_prefix("a=extmap:"));
        let line = lines.into_iter().find(|line| line.contains(part)).expect("an extension");
        line.split(' ').next().and_then(|id| id.parse().ok()).expect("an id")
    }

    fn collect(&mut self) {
        while let Some(event) = self.uplink.poll_event() {
            self.events.push(event);
        }
    }
}

pub(super) fn uplink(shared: &Arc<UpShared>, now: Instant) -> Uplink {
    let candidate = "candidate:1 1 udp 2130706431 127.0.0.1 10000 typ host".to_owned();
    let credentials = IceCredentials::from_random(std::array::from_fn(|i| i as u8));
    Uplink::new(shared, credentials, [candidate].into(), address(SERVER), now).expect("an uplink")
}
