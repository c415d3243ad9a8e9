//! `rtc`'s peer connection as a stand-in for a browser: it answers, connects, receives, complains.

use std::{net::SocketAddr, time::Instant};

use rtc::{
    interceptor::Registry,
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        configuration::{media_engine::MediaEngine, setting_engine::SettingEngineBuilder},
        event::{RTCPeerConnectionEvent, RTCTrackEvent},
        message::{RTCMessage, TaggedRTCMessage},
        sdp::RTCSessionDescription,
        transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate},
    },
    rtcp,
    rtp_transceiver::RTCRtpReceiverId,
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
};

/// A received RTP packet: payload type, SSRC, sequence number, timestamp, marker, payload.
pub(super) type Received = (u8, u32, u16, u32, bool, Vec<u8>);

pub(super) struct Browser {
    pc: RTCPeerConnection,
    pub(super) address: SocketAddr,
    server: SocketAddr,
    pub(super) received: Vec<Received>,
    pub(super) receivers: Vec<RTCRtpReceiverId>,
}

impl Browser {
    pub(super) fn new(now: Instant, address: SocketAddr, server: SocketAddr) -> Self {
        Self::with(RTCDtlsRole::Client, now, address, server)
    }

    /// With a DTLS role of its own.
    pub(super) fn with(
        role: RTCDtlsRole,
        now: Instant,
        address: SocketAddr,
        server: SocketAddr,
    ) -> Self {
        let mut media_engine = MediaEngine::default();
        media_engine.register_default_codecs().unwrap();
        let settings = SettingEngineBuilder::new().with_answering_dtls_role(role).build();
        let mut pc = RTCPeerConnectionBuilder::new()
            .with_setting_engine(settings)
            .with_media_engine(media_engine)
            .with_interceptor_registry(Registry::new())
            .build(now)
            .unwrap();
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                ..Default::default()
            },
            ..Default::default()
        };
        let candidate = RTCIceCandidate::from(&candidate.new_candidate_host().unwrap());
        pc.add_local_candidate(candidate.to_json().unwrap()).unwrap();
        Self { pc, address, server, received: Vec::new(), receivers: Vec::new() }
    }

    /// Takes an offer and answers it.
    pub(super) fn answer(&mut self, now: Instant, offer: &str) -> String {
        let offer = RTCSessionDescription::offer(offer.to_owned()).unwrap();
        self.pc.set_remote_description(now, offer).unwrap();
        let answer = self.pc.create_answer(None).unwrap();
        self.pc.set_local_description(now, answer.clone()).unwrap();
        answer.sdp
    }

    pub(super) fn handle(&mut self, now: Instant, data: &[u8]) {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: self.server,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = TaggedBytesMut { now, transport, message: data.into() };
        self.pc.handle_read(message).unwrap();
        self.take();
    }

    /// What it sends now.
    pub(super) fn drain(&mut self) -> Vec<Vec<u8>> {
        self.take();
        std::iter::from_fn(|| self.pc.poll_write()).map(|sent| sent.message.to_vec()).collect()
    }

    fn take(&mut self) {
        while let Some(TaggedRTCMessage { message, .. }) = self.pc.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message {
                let header = &packet.header;
                self.received.push((
                    header.payload_type,
                    header.ssrc,
                    header.sequence_number,
                    header.timestamp,
                    header.marker,
                    packet.payload.to_vec(),
                ));
            }
        }
        while let Some(event) = self.pc.poll_event() {
            if let RTCPeerConnectionEvent::OnTrack(RTCTrackEvent::OnOpen(track)) = event {
                self.receivers.push(track.receiver_id);
            }
        }
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.pc.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.pc.handle_timeout(now).unwrap();
    }

    /// Sends RTCP by its first receiver.
    pub(super) fn write_rtcp(&mut self, now: Instant, packets: Vec<Box<dyn rtcp::Packet>>) {
        let receiver = self.receivers[0];
        self.pc.rtp_receiver(receiver).unwrap().write_rtcp(now, packets).unwrap();
    }

    pub(super) fn close(&mut self) {
        self.pc.close().unwrap();
    }
}
