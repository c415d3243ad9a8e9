//! A worker's heart and its clients in one memory: time, network and loss are the test's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use super::client::{Client, ClientShared, Incoming, Section};
use crate::{
    ids::MemberId,
    protocol::{PublishTrack, TrackSource},
    sfu::{
        Desired, DownWant, Observed, Path, UpWant,
        candidates::host_candidates,
        downlink::DownShared,
        uplink::UpShared,
        worker::{
            core::WorkerCore,
            outbox::{Message, Sink},
        },
    },
};

/// A step of virtual time.
pub(super) const STEP: Duration = Duration::from_millis(5);
const ROOM: u64 = 7;
const PORT: u16 = 10_000;

/// Packets on their way from the worker, those to failing addresses left out.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) datagrams: Vec<(SocketAddr, Vec<u8>)>,
    pub(super) failing: HashSet<SocketAddr>,
}

impl Sink for Wire {
    fn send(&mut self, arena: &[u8], messages: &[Message], dropped: &mut Vec<usize>) {
        for (index, message) in messages.iter().enumerate() {
            if self.failing.contains(&message.to) {
                dropped.push(index);
                continue;
            }
            let bytes = &arena[message.start..message.start + message.len];
            for datagram in bytes.chunks(message.segment) {
                self.datagrams.push((message.to, datagram.to_vec()));
            }
        }
    }
}

/// What a viewer has of one stream, by extended sequence number.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) payloads: BTreeMap<u64, Vec<u8>>,
    pub(super) n_repaired: usize,
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
    pub(super) sections: Vec<Section>,
    pub(super) streams: HashMap<u32, Stream>,
    pub(super) n_plis: usize,
    pub(super) n_sender_reports: usize,
    pub(super) closed: bool,
    /// Of 100 datagrams to it after connecting, so many are lost.
    pub(super) loss_percent: u64,
    /// Sends NACKs for what is missing.
    pub(super) nacks: bool,
    /// Sends nothing at all any more.
    pub(super) mute: bool,
    answered: u32,
}

impl Peer {
    fn new(now: Instant, shared: &Arc<ClientShared>, number: u16) -> Self {
        Self {
            client: Client::new(now, shared, &format!("client{number}")),
            address: SocketAddr::from(([192, 0, 2, 1], 40_000 + number)),
            sections: Vec::new(),
            streams: HashMap::new(),
            n_plis: 0,
            n_sender_reports: 0,
            closed: false,
            loss_percent: 0,
            nacks: false,
            mute: false,
            answered: 0,
        }
    }

    fn take(&mut self, now: Instant, datagram: &[u8]) {
        match self.client.handle(now, datagram) {
            Incoming::Rtp(packet) => self.take_rtp(&packet),
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
            let original = u16::from_be_bytes([payload[0], payload[1]]);
            let stream = self.streams.entry(section.ssrc).or_default();
            stream.n_repaired += 1;
            stream.take(original, &payload[2..]);
            return;
        }
        let section = self.sections.iter().find(|section| section.ssrc == header.ssrc);
        let section = section.expect("an SSRC that was offered");
        assert_eq!(header.payload_type, section.payload_type);
        self.streams.entry(header.ssrc).or_default().take(header.sequence, payload);
    }

    fn take_rtcp(&mut self, mut compound: &[u8]) {
        while let [first, kind, high, low, ..] = *compound {
            let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            match (kind, first & 31) {
                (206, 1) => self.n_plis += 1,
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

    fn send_nacks(&mut self) {
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

/// What a publisher has sent of its video.
pub(super) struct Source {
    pub(super) member: MemberId,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Every payload, oldest first.
    pub(super) sent: Vec<Vec<u8>>,
}

impl Source {
    /// The publisher's new connection has a new encoder.
    pub(super) fn restart(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
        self.sequence = 99;
    }
}

/// Everything.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) core: WorkerCore,
    pub(super) wire: Wire,
    shared: Arc<ClientShared>,
    pub(super) ups: BTreeMap<MemberId, Peer>,
    pub(super) downs: BTreeMap<MemberId, Peer>,
    pub(super) wants: BTreeMap<MemberId, Desired>,
    pub(super) seen: BTreeMap<MemberId, Observed>,
    /// News in the order they came.
    pub(super) n_news: usize,
    random: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let candidates = host_candidates(&crate::ports::Addresses::loopback(), PORT, true, true);
        let local = SocketAddr::from(([127, 0, 0, 1], PORT));
        let up = UpShared::new().expect("a certificate");
        let down = DownShared::new().expect("a certificate");
        Self {
            now: Instant::now() + Duration::from_secs(3600),
            core: WorkerCore::new(up, down, candidates.into(), local, [7; 32]),
            wire: Wire::default(),
            shared: ClientShared::new(),
            ups: BTreeMap::new(),
            downs: BTreeMap::new(),
            wants: BTreeMap::new(),
            seen: BTreeMap::new(),
            n_news: 0,
            random: 0x2545_f491_4f6c_dd1d,
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub(super) fn apply(&mut self, member: MemberId) {
        let want = self.wants.get(&member).cloned();
        self.core.apply(self.now, ROOM, member, want);
    }

    /// A client that has no connection yet.
    pub(super) fn another_peer(&self, number: u16) -> Peer {
        Peer::new(self.now, &self.shared, number)
    }

    /// A member that publishes one VP8 track, connected.
    pub(super) fn publisher(&mut self, number: u16) -> Source {
        let member = MemberId(number.into());
        let ssrc = 1000 + u32::from(number);
        let mut peer = Peer::new(self.now, &self.shared, number);
        let offer = peer.client.offer(&[("0", "VP8", ssrc)]);
        let track = PublishTrack { mid: "0".parse().expect("a mid"), source: TrackSource::Camera };
        let up =
            UpWant { generation: 1, revision: 1, offer: offer.into(), tracks: Arc::new([track]) };
        self.wants.entry(member).or_default().up = Some(up);
        self.apply(member);
        self.step();
        let answer = self.seen[&member].up.as_ref().expect("an up").answer.clone();
        peer.client.take_answer(&answer.expect("an answer"));
        self.ups.insert(member, peer);
        self.until("the publisher connects", |world| {
            let up = world.seen[&member].up.as_ref();
            up.is_some_and(|up| up.path == Path::Connected) && world.ups[&member].client.connected()
        });
        Source { member, ssrc, sequence: 65_500, timestamp: 77, sent: Vec::new() }
    }

    /// A member that watches others. It connects as soon as there is something to see.
    pub(super) fn viewer(&mut self, number: u16, watch: &[MemberId]) -> MemberId {
        let member = MemberId(number.into());
        self.downs.insert(member, Peer::new(self.now, &self.shared, number + 1000));
        let watch: BTreeSet<MemberId> = watch.iter().copied().collect();
        let down = DownWant { generation: 1, watch, answer: None };
        self.wants.entry(member).or_default().down = Some(down);
        self.apply(member);
        member
    }

    /// A frame of so many packets leaves the publisher.
    pub(super) fn send_frame(&mut self, source: &mut Source, n_packets: usize, keyframe: bool) {
        source.timestamp = source.timestamp.wrapping_add(3000);
        let peer = self.ups.get_mut(&source.member).expect("a publisher");
        for index in 0..n_packets {
            source.sequence = source.sequence.wrapping_add(1);
            let mut payload = vec![if index == 0 { 0x10 } else { 0 }, u8::from(!keyframe)];
            payload.extend_from_slice(&(source.sent.len() as u32).to_be_bytes());
            payload.resize(1000, source.sent.len() as u8);
            let marker = if index + 1 == n_packets { 0x80 } else { 0 };
            let mut packet = vec![0x80, 96 | marker];
            packet.extend_from_slice(&source.sequence.to_be_bytes());
            packet.extend_from_slice(&source.timestamp.to_be_bytes());
            packet.extend_from_slice(&source.ssrc.to_be_bytes());
            packet.extend_from_slice(&payload);
            peer.client.send_rtp(&packet);
            source.sent.push(payload);
        }
    }

    /// A sender report of the publisher.
    pub(super) fn send_report(&mut self, source: &Source) {
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend_from_slice(&source.ssrc.to_be_bytes());
        packet.extend_from_slice(&0x1234_5678_9abc_def0_u64.to_be_bytes());
        packet.extend_from_slice(&source.timestamp.to_be_bytes());
        packet.extend_from_slice(&[0; 8]);
        self.ups.get_mut(&source.member).expect("a publisher").client.send_rtcp(&packet);
    }

    /// One wake-up: what clients have sent comes in, everything goes out. Nothing is delivered yet.
    pub(super) fn wake(&mut self) {
        let now = self.now;
        for peer in self.ups.values_mut().chain(self.downs.values_mut()) {
            if peer.mute {
                peer.client.out.clear();
                continue;
            }
            if peer.client.connected() && peer.nacks {
                peer.send_nacks();
            }
            peer.client.tick(now);
            for datagram in std::mem::take(&mut peer.client.out) {
                self.core.handle_datagram(now, peer.address, None, &datagram);
            }
        }
        if self.core.poll_timeout().is_some_and(|due| due <= now) {
            self.core.handle_timeout(now);
        }
        self.core.flush(now, &mut self.wire);
        for (room, member, observed) in self.core.take_news() {
            assert_eq!(room, ROOM);
            self.n_news += 1;
            self.seen.insert(member, observed);
        }
    }

    /// A wake-up, the network, the clients' signaling, and [`STEP`] later.
    pub(super) fn step(&mut self) {
        self.wake();
        for (to, datagram) in std::mem::take(&mut self.wire.datagrams) {
            let dice = self.random() % 100;
            let now = self.now;
            let mut peers = self.ups.values_mut().chain(self.downs.values_mut());
            // A connection of a former generation has nobody behind it any more.
            let Some(peer) = peers.find(|peer| peer.address == to) else { continue };
            if !(peer.client.connected() && dice < peer.loss_percent) {
                peer.take(now, &datagram);
            }
        }
        let members: Vec<MemberId> = self.downs.keys().copied().collect();
        members.into_iter().for_each(|member| self.answer(member));
        self.now += STEP;
    }

    fn answer(&mut self, member: MemberId) {
        let Some(seen) = self.seen.get(&member).and_then(|seen| seen.down.as_ref()) else { return };
        assert_eq!(seen.fault, None);
        let Some(offer) = seen.offer.clone() else { return };
        let revision = seen.revision;
        let peer = self.downs.get_mut(&member).expect("a viewer");
        if peer.answered == revision {
            return;
        }
        peer.answered = revision;
        let (answer, sections) = peer.client.answer(&offer);
        peer.sections = sections;
        let down = self.wants.get_mut(&member).and_then(|want| want.down.as_mut());
        down.expect("a wanted down").answer = Some((revision, answer.into()));
        self.apply(member);
    }

    /// Steps until something is so; fails after 20 s of virtual time.
    pub(super) fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = self.now + Duration::from_secs(20);
        while !so(self) {
            assert!(self.now < deadline, "{what}: {:#?}", self.seen);
            self.step();
        }
    }

    /// Steps for so long.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step();
        }
    }

    /// A publisher that has sent its first keyframe, and viewers that have got it.
    pub(super) fn with_viewers(&mut self, n_viewers: u16) -> (Source, Vec<MemberId>) {
        let mut source = self.publisher(1);
        let members: Vec<MemberId> =
            (0..n_viewers).map(|index| self.viewer(100 + index, &[source.member])).collect();
        self.send_frame(&mut source, 3, true);
        let all = members.clone();
        self.until("viewers get the keyframe", move |world| {
            all.iter().all(|member| {
                world.downs[member].video().is_some_and(|video| video.payloads.len() == 3)
            })
        });
        (source, members)
    }

    /// Whether this viewer has everything that was sent from `first` on, in order and nothing else.
    pub(super) fn has_all(&self, member: MemberId, source: &Source, first: usize) -> bool {
        let Some(video) = self.downs[&member].video() else { return false };
        video.payloads.values().eq(&source.sent[first..]) && video.missing(1).is_empty()
    }
}
