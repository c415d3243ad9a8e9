//! Viewers: connected as browsers are, telling of arrivals as browsers do, decoding nothing.

use std::{
    net::UdpSocket,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    client::{Client, Incoming},
    feedback::Feedback,
    receive::{Batch, realtime_ns},
    talk::{Counted, Report, say},
};

/// What is told as later than this is no time.
const NO_DELAY_NS: u64 = 10_000_000_000;
/// Of so many packets one is decrypted to learn its delay.
const SAMPLE: u16 = 8;
/// Between two looks at handshakes, checks and feedback that are due.
const TICK: Duration = Duration::from_millis(20);

/// What came of one source.
struct Source {
    ssrc: u32,
    highest: u16,
    /// Of this count, from the first packet on.
    expected: u64,
    received: u64,
}

/// One viewer.
pub(crate) struct Viewer {
    pub(crate) member: u64,
    client: Client,
    pub(crate) socket: Arc<UdpSocket>,
    feedback: Feedback,
    sources: Vec<Source>,
    began_ns: u64,
    first_ns: Option<u64>,
    joined: bool,
    next_tick: Instant,
    numbered: u32,
    delays_us: Vec<u32>,
}

impl Viewer {
    pub(crate) fn new(member: u64, client: Client, socket: UdpSocket) -> Self {
        let now = Instant::now();
        Self {
            member,
            client,
            socket: Arc::new(socket),
            feedback: Feedback::new(now),
            sources: Vec::new(),
            began_ns: realtime_ns(),
            first_ns: None,
            joined: false,
            // Not all at once.
            next_tick: now + TICK * (member as u32 % 20) / 20,
            numbered: 0,
            delays_us: Vec::new(),
        }
    }

    /// Answers an offer.
    pub(crate) fn answer(&mut self, offer: &str, server: Option<&str>) {
        let (sdp, _) = self.client.answer(offer);
        super::clients::choose_server(&mut self.client, server);
        say(&Report::Answer { member: self.member, sdp });
        self.client.tick(Instant::now());
        self.flush();
    }

    fn flush(&mut self) {
        let Some(server) = self.client.server else { return };
        for datagram in self.client.out.drain(..) {
            let _ = self.socket.send_to(&datagram, server);
        }
    }

    /// Handshake, checks and feedback that are due.
    pub(crate) fn tick(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.client.tick(now);
        if let Some(packet) = self.feedback.take(now, self.numbered) {
            self.client.send_rtcp(&packet);
        }
        self.flush();
    }

    /// The socket has something.
    pub(crate) fn receive(&mut self, now: Instant, batch: &mut Batch) {
        let socket = Arc::clone(&self.socket);
        while batch.receive(&socket, |at_ns, data| self.take(now, at_ns, data)) {}
        if !self.client.out.is_empty() {
            self.flush();
        }
    }

    fn take(&mut self, now: Instant, at_ns: u64, data: &[u8]) {
        let is_rtp = matches!(data.first(), Some(128..=191)) && !matches!(data[1], 192..=223);
        if !is_rtp || data.len() < 20 || !self.client.connected() {
            self.client.handle(now, data);
            return;
        }
        let sequence = u16::from_be_bytes([data[2], data[3]]);
        let ssrc = u32::from_be_bytes([data[8], data[9], data[10], data[11]]);
        let marker = data[1] & 0x80 != 0;
        self.count(ssrc, sequence);
        if data[0] & 0x10 != 0 && data[12..14] == [0xbe, 0xde] {
            self.numbered = ssrc;
            self.feedback.received(now, u16::from_be_bytes([data[17], data[18]]));
        }
        self.first_ns.get_or_insert(at_ns);
        // Sound is small; the picture's first marker ends its keyframe.
        if !self.joined && marker && data.len() > 300 {
            self.joined = true;
            let since = |ns: u64| ns.saturating_sub(self.began_ns) / 1000;
            let packet_us = since(self.first_ns.unwrap_or(at_ns));
            say(&Report::Joined { member: self.member, packet_us, keyframe_us: since(at_ns) });
        }
        if sequence.is_multiple_of(SAMPLE)
            && let Incoming::Rtp(packet) = self.client.handle(now, data)
            && let Some(stamp) = packet.get(22..30).and_then(|bytes| bytes.try_into().ok())
        {
            let delay_ns = at_ns.saturating_sub(u64::from_be_bytes(stamp));
            // Padding and old packets that probe the path have no time there.
            if delay_ns < NO_DELAY_NS {
                self.delays_us.push((delay_ns / 1000) as u32);
            }
        }
    }

    fn count(&mut self, ssrc: u32, sequence: u16) {
        match self.sources.iter_mut().find(|source| source.ssrc == ssrc) {
            Some(source) => {
                let ahead = sequence.wrapping_sub(source.highest) as i16;
                if ahead > 0 {
                    source.expected += ahead as u64;
                    source.highest = sequence;
                }
                source.received += 1;
            }
            None => self.sources.push(Source { ssrc, highest: sequence, expected: 1, received: 1 }),
        }
    }

    /// Adds what came since the last time.
    pub(crate) fn add_to(&mut self, counted: &mut Counted) {
        for source in &mut self.sources {
            counted.received += source.received;
            counted.missing += source.expected.saturating_sub(source.received);
            (source.expected, source.received) = (0, 0);
        }
        counted.delays_us.append(&mut self.delays_us);
    }
}
