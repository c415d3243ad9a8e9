//! A worker's heart and its clients in one memory: time, network and loss are the test's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{client::ClientShared, link::Link, peer::Peer, scenes::annex::Annex, stream::Stream};
use crate::{
    ids::MemberId,
    protocol::{PublishTrack, TrackSource},
    seams::media::{Desired, DownWant, Observed, Path, Speaking, UpWant},
    sfu::{
        down::DownShared,
        up::UpShared,
        wire::{
            candidates::{Sockets, host_candidates},
            outbox::{Message, Sink, ViewerKey},
            transmit::StreamId,
        },
        worker::core::WorkerCore,
    },
};

/// A step of virtual time.
pub(super) const STEP: Duration = Duration::from_millis(5);
pub(super) const ROOM: u64 = 7;
const PORT: u16 = 10_000;
pub(super) const SPOKEN: Sockets = Sockets { ipv6: true, tcp: true };
/// Voices that are forwarded at a time.
pub(super) const MAX_SPEAKERS: usize = 4;

/// Packets on their way from the worker, those to failing addresses left out.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// Where each message went, and from which of the box's addresses; the newest last.
    pub(super) ways: Vec<(SocketAddr, Option<IpAddr>)>,
    pub(super) failing: HashSet<SocketAddr>,
    /// So many large messages are taken in a wake-up, and no more.
    pub(super) takes: Option<usize>,
    /// What goes by TCP.
    pub(super) streams: HashMap<StreamId, Stream>,
    now: Option<Instant>,
}

impl Sink for Wire {
    fn send(&mut self, arena: &[u8], messages: &[Message], dropped: &mut Vec<usize>) {
        let mut n_large = 0;
        for (index, message) in messages.iter().enumerate() {
            let to = message.route.peer.address;
            self.ways.push((to, message.route.local));
            n_large += usize::from(message.len > 1000);
            if let Some(id) = message.route.peer.stream() {
                let stream = self.streams.get_mut(&id);
                let now = self.now.expect("the world has begun");
                if !stream.is_some_and(|stream| stream.send(now, arena, message)) {
                    dropped.push(index);
                }
                continue;
            }
            let is_full = message.len > 1000 && self.takes.is_some_and(|takes| n_large > takes);
            if is_full || self.failing.contains(&to) {
                dropped.push(index);
                continue;
            }
            let bytes = &arena[message.start..message.start + message.len];
            for datagram in bytes.chunks(message.segment) {
                self.datagrams.push((to, datagram.to_vec()));
            }
        }
    }

    fn take_losses(&mut self) -> Vec<ViewerKey> {
        self.streams.values_mut().flat_map(Stream::take_losses).collect()
    }
}

/// What a publisher has sent of its video.
pub(super) struct Source {
    pub(super) member: MemberId,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
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
    /// The room's second worker.
    pub(super) annex: Option<Annex>,
    pub(super) wire: Wire,
    shared: Arc<ClientShared>,
    pub(super) ups: BTreeMap<MemberId, Peer>,
    pub(super) downs: BTreeMap<MemberId, Peer>,
    pub(super) wants: BTreeMap<MemberId, Desired>,
    pub(super) seen: BTreeMap<MemberId, Observed>,
    /// News in the order they came.
    pub(super) n_news: usize,
    /// Who speaks, as was told last.
    pub(super) speaking: Speaking,
    random: u64,
    /// Paths that carry less than everything.
    pub(super) links: HashMap<SocketAddr, Link>,
}

impl World {
    pub(super) fn new() -> Self {
        let candidates = host_candidates(&crate::seams::Addresses::loopback(), PORT, true, SPOKEN);
        let local = SocketAddr::from(([127, 0, 0, 1], PORT));
        let up = UpShared::new().expect("a certificate");
        let down = DownShared::new().expect("a certificate");
        let now = Instant::now() + Duration::from_secs(3600);
        let mut core = WorkerCore::new(up, down, candidates.into(), local, [7; 32]);
        core.open_room(now, ROOM, MAX_SPEAKERS);
        Self {
            now,
            core,
            annex: None,
            speaking: Speaking::default(),
            wire: Wire::default(),
            shared: ClientShared::new(),
            ups: BTreeMap::new(),
            downs: BTreeMap::new(),
            wants: BTreeMap::new(),
            seen: BTreeMap::new(),
            n_news: 0,
            random: 0x2545_f491_4f6c_dd1d,
            links: HashMap::new(),
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub(super) fn apply(&mut self, member: MemberId) {
        let mut want = self.wants.get(&member).cloned();
        if let Some(annex) = self.annex.as_mut().filter(|annex| annex.has(member)) {
            annex.apply(self.now, member, want.as_mut());
        }
        self.core.apply(self.now, ROOM, member, want);
    }

    /// Nobody holds the room any more.
    pub(super) fn close_room(&mut self) {
        self.core.close_room(self.now, ROOM);
    }

    /// A client that has no connection yet.
    pub(super) fn another_peer(&self, number: u16) -> Peer {
        Peer::new(self.now, &self.shared, number)
    }

    /// The first datagrams of a handshake that nobody here has asked for.
    pub(super) fn hello_of_a_stranger(&self) -> Vec<Vec<u8>> {
        let mut peer = self.another_peer(999);
        peer.client.begin_handshake(self.now);
        peer.client.out
    }

    /// A member that publishes one VP8 track, connected.
    pub(super) fn publisher(&mut self, number: u16) -> Source {
        self.publisher_with(number, |offer| offer)
    }

    /// The same with another offer.
    pub(super) fn publisher_with(
        &mut self,
        number: u16,
        change: impl Fn(String) -> String,
    ) -> Source {
        self.publisher_of(number, ("VP8", TrackSource::Camera), change)
    }

    /// A member that publishes one track of this codec and source.
    pub(super) fn publisher_of(
        &mut self,
        number: u16,
        (codec, source): (&str, TrackSource),
        change: impl Fn(String) -> String,
    ) -> Source {
        let member = MemberId(number.into());
        let ssrc = 1000 + u32::from(number);
        let mut peer = Peer::new(self.now, &self.shared, number);
        let offer = change(peer.client.offer(&[("0", codec, ssrc)]));
        let track = PublishTrack { mid: "0".parse().expect("a mid"), source };
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
        let (hear, answer, offer) = (None, None, None);
        let down = DownWant { generation: 1, watch, hear, tiles: [].into(), answer, offer };
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
        self.wire.now = Some(now);
        let ups = self.ups.values_mut().map(|peer| (None, peer));
        let downs = self.downs.iter_mut().map(|(member, peer)| (Some(*member), peer));
        for (viewer, peer) in ups.chain(downs) {
            if peer.mute {
                peer.client.out.clear();
                continue;
            }
            if peer.client.connected() && peer.nacks {
                peer.send_nacks();
            }
            peer.client.tick(now);
            for datagram in std::mem::take(&mut peer.client.out) {
                let elsewhere = self.annex.as_mut();
                let core =
                    elsewhere.and_then(|annex| annex.core_of(viewer?)).unwrap_or(&mut self.core);
                core.handle_datagram(now, peer.route(), &datagram);
            }
        }
        if self.core.poll_timeout().is_some_and(|due| due <= now) {
            self.core.handle_timeout(now);
        }
        self.core.flush(now, &mut self.wire);
        for (room, member, observed) in self.core.take_news() {
            assert_eq!(room, ROOM);
            self.n_news += 1;
            match self.annex.as_ref().is_some_and(|annex| annex.has(member)) {
                true => self.seen.entry(member).or_default().up = observed.up,
                false => drop(self.seen.insert(member, observed)),
            }
        }
        if let Some(annex) = &mut self.annex {
            annex.wake(now, &mut self.wire);
            for (member, observed) in annex.news() {
                self.seen.entry(member).or_default().down = observed.down;
            }
        }
        for (room, speaking) in self.core.take_speaking() {
            assert_eq!(room, ROOM);
            self.speaking = speaking;
        }
    }

    /// A wake-up, the network, the clients' signaling, and [`STEP`] later.
    pub(super) fn step(&mut self) {
        self.wake();
        let mut arriving = Vec::new();
        for (to, datagram) in std::mem::take(&mut self.wire.datagrams) {
            match self.links.get_mut(&to) {
                Some(link) => link.take(self.now, datagram),
                None => arriving.push((to, datagram)),
            }
        }
        for stream in self.wire.streams.values_mut() {
            let to = stream.to;
            arriving.extend(stream.carry(self.now).into_iter().map(|datagram| (to, datagram)));
        }
        for (to, link) in &mut self.links {
            arriving.extend(link.arrived(self.now).map(|datagram| (*to, datagram)));
        }
        for (to, datagram) in arriving {
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
        if seen.path == Path::Closed {
            return;
        }
        assert_eq!(seen.fault, None);
        let Some(offer) = seen.offer.clone() else { return };
        let revision = seen.revision;
        let peer = self.downs.get_mut(&member).expect("a viewer");
        if peer.answered == revision {
            return;
        }
        peer.answered = revision;
        let (answer, sections) = peer.client.answer(&offer);
        let answer = (peer.answers)(answer);
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
