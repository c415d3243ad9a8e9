//! One connection of a client in memory: what came by it, and what it says back.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use super::client::{Client, ClientShared, Incoming, Section};
use crate::sfu::wire::{
    self,
    transmit::{Protocol, Route, StreamId},
};

/// What a viewer has of one stream, by extended sequence number.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) payloads: BTreeMap<u64, Vec<u8>>,
    pub(super) n_repaired: usize,
    /// Packets of RED.
    pub(super) n_red: usize,
    highest: u64,
}

impl Stream {
    fn take(&mut self, sequence: u16, payload: &[u8]) {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let index = match self.payloads.is_empty() {
            true => u64::from(sequence) + (1 << 16),
            false if ahead < 0x8000 => self.highest + u64::from(ahead),
            false => self.highest - u64::from((self.highest as u16).wrapping_sub(sequence)),
        };
        self.highest = self.highest.max(index);
        self.payloads.insert(index, payload.to_vec());
    }

    /// The highest sequence number, with its roll-overs; how many should have come, and how many did.
    pub(super) fn tally(&self) -> (u32, u32, u32) {
        let first = self.payloads.keys().next().copied().unwrap_or(self.highest + 1);
        (self.highest as u32, (self.highest + 1 - first) as u32, self.payloads.len() as u32)
    }

    /// Sequence numbers between first and highest that did not come, at most `limit`.
    pub(super) fn missing(&self, limit: usize) -> Vec<u16> {
        let first = self.payloads.keys().next().copied().unwrap_or(1);
        let all = first..=self.highest;
        let lost = all.filter(|index| !self.payloads.contains_key(index));
        lost.take(limit).map(|index| index as u16).collect()
    }
}

/// A connection of a client and what it has seen.
pub(super) struct Peer {
    pub(super) client: Client,
    pub(super) address: SocketAddr,
    /// Which of the box's addresses it talks to.
    pub(super) local: Option<IpAddr>,
    /// The TCP connection that it talks by; none is UDP.
    pub(super) stream: Option<StreamId>,
    pub(super) sections: Vec<Section>,
    pub(super) streams: HashMap<u32, Stream>,
    pub(super) n_plis: usize,
    /// The SSRCs that keyframes were asked of.
    pub(super) plis: Vec<u32>,
    /// Transport-wide numbers that came, and when.
    pub(super) arrivals: Vec<(u16, Instant)>,
    /// The number of the extension that has them.
    pub(super) transport_cc_id: u8,
    pub(super) n_sender_reports: usize,
    pub(super) closed: bool,
    /// Of 100 datagrams to it after connecting, so many are lost.
    pub(super) loss_percent: u64,
    /// Sends NACKs for what is missing.
    pub(super) nacks: bool,
    /// Sends nothing at all any more.
    pub(super) mute: bool,
    /// Revision of the newest offer that it has answered.
    pub(super) answered: u32,
    /// What becomes of its answers.
    pub(super) answers: fn(String) -> String,
}

impl Peer {
    pub(super) fn new(now: Instant, shared: &Arc<ClientShared>, number: u16) -> Self {
        Self {
            client: Client::new(now, shared, &format!("client{number}")),
            address: SocketAddr::from(([192, 0, 2, 1], 40_000 + number)),
            local: None,
            stream: None,
            sections: Vec::new(),
            streams: HashMap::new(),
            n_plis: 0,
            plis: Vec::new(),
            arrivals: Vec::new(),
            transport_cc_id: 3,
            n_sender_reports: 0,
            closed: false,
            loss_percent: 0,
            nacks: false,
            mute: false,
            answered: 0,
            answers: |answer| answer,
        }
    }

    /// By what way its datagrams come.
    pub(super) fn route(&self) -> Route {
        let protocol = self.stream.map_or(Protocol::Udp, Protocol::Tcp);
        let peer = wire::transmit::Peer { protocol, address: self.address };
        Route { peer, local: self.local }
    }

    pub(super) fn take(&mut self, now: Instant, datagram: &[u8]) {
        match self.client.handle(now, datagram) {
            Incoming::Rtp(packet) => {
                if let [.., 0xbe, 0xde, 0, 1, id, high, low, _] = packet[..packet.len().min(20)] {
                    assert_eq!(id, self.transport_cc_id << 4 | 1);
                    self.arrivals.push((u16::from_be_bytes([high, low]), now));
                }
                self.take_rtp(&packet);
            }
            Incoming::Rtcp(packet) => self.take_rtcp(&packet),
            Incoming::Closed => self.closed = true,
            Incoming::Nothing => {}
        }
    }

    fn take_rtp(&mut self, packet: &[u8]) {
        let (header, payload) = parse_rtp(packet);
        let media = self.sections.iter().find(|section| section.rtx_ssrc == Some(header.ssrc));
        if let Some(section) = media {
            assert_eq!(Some(header.payload_type), section.rtx_payload_type);
            if packet[0] & 0x20 != 0 {
                return; // padding of a probe
            }
            let original = u16::from_be_bytes([payload[0], payload[1]]);
            let stream = self.streams.entry(section.ssrc).or_default();
            stream.n_repaired += 1;
            stream.take(original, &payload[2..]);
            return;
        }
        let section = self.sections.iter().find(|section| section.ssrc == header.ssrc);
        let section = section.expect("an SSRC that was offered");
        let is_red = section.red_payload_type == Some(header.payload_type);
        assert!(is_red || header.payload_type == section.payload_type);
        let stream = self.streams.entry(header.ssrc).or_default();
        stream.n_red += usize::from(is_red);
        stream.take(header.sequence, payload);
    }

    fn take_rtcp(&mut self, mut compound: &[u8]) {
        while let [first, kind, high, low, ..] = *compound {
            let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            match (kind, first & 31) {
                (206, 1) => {
                    self.n_plis += 1;
                    let ssrc = compound[8..12].try_into().expect("a PLI names its stream");
                    self.plis.push(u32::from_be_bytes(ssrc));
                }
                (200, _) => self.n_sender_reports += 1,
                _ => {}
            }
            compound = compound.get(len..).unwrap_or_default();
        }
    }

    /// The stream of the section that shows video.
    pub(super) fn video(&self) -> Option<&Stream> {
        let section = self.sections.iter().find(|section| section.video)?;
        self.streams.get(&section.ssrc)
    }

    /// Asks for a keyframe of its video (RFC 4585 6.3.1).
    pub(super) fn send_pli(&mut self) {
        let ssrc = self.sections.iter().find(|section| section.video).expect("a video").ssrc;
        let mut packet = vec![0x81, 206, 0, 2, 0, 0, 0, 9];
        packet.extend_from_slice(&ssrc.to_be_bytes());
        self.client.send_rtcp(&packet);
    }

    pub(super) fn send_nacks(&mut self) {
        for section in &self.sections {
            let Some(stream) = self.streams.get(&section.ssrc) else { continue };
            let missing = stream.missing(16);
            if missing.is_empty() {
                continue;
            }
            let mut packet = vec![0x81, 205, 0, 2 + missing.len() as u8, 0, 0, 0, 9];
            packet.extend_from_slice(&section.ssrc.to_be_bytes());
            for sequence in missing {
                packet.extend_from_slice(&sequence.to_be_bytes());
                packet.extend_from_slice(&[0, 0]);
            }
            self.client.send_rtcp(&packet);
        }
    }
}

pub(super) struct Header {
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) ssrc: u32,
}

pub(super) fn parse_rtp(packet: &[u8]) -> (Header, &[u8]) {
    let mut start = 12 + 4 * usize::from(packet[0] & 15);
    if packet[0] & 0x10 != 0 {
        let words = u16::from_be_bytes([packet[start + 2], packet[start + 3]]);
        start += 4 + 4 * usize::from(words);
    }
    let header = Header {
        payload_type: packet[1] & 127,
        sequence: u16::from_be_bytes([packet[2], packet[3]]),
        ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
    };
    (header, &packet[start..])
}
