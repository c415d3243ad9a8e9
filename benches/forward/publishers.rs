//! Publishers: connected as browsers are, sending a pattern.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use super::{
    client::{Client, Incoming},
    receive::{Batch, realtime_ns},
    talk::{Pattern, Report, say},
};

const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Before a pattern is ordered: a keyframe of one packet ten times a second.
const CALM: Pattern =
    Pattern { frame: 1, fps: 10, packet_len: 1200, keyframe: 1, keyframe_every: 1, audio: 0 };
const AUDIO_LEN: usize = 100;

/// One publisher.
pub(crate) struct Publisher {
    pub(crate) member: u64,
    client: Client,
    socket: UdpSocket,
    published: bool,
    is_key_wanted: bool,
    number: u16,
    video: Stream,
    audio: Stream,
}

struct Stream {
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    n_frames: u32,
    next: Instant,
}

impl Stream {
    fn new(payload_type: u8, ssrc: u32) -> Self {
        let next = Instant::now();
        Self { payload_type, ssrc, sequence: 0, timestamp: 0, n_frames: 0, next }
    }

    /// A packet with a transport-wide number; its payload tells when it was made.
    fn packet(&mut self, number: &mut u16, marker: bool, head: [u8; 2], len: usize) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        *number = number.wrapping_add(1);
        let [high, low] = number.to_be_bytes();
        let mut packet = Vec::with_capacity(len);
        packet.extend([0x90, self.payload_type | if marker { 0x80 } else { 0 }]);
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, 1, 0x31, high, low, 0]);
        packet.extend(head);
        packet.extend(realtime_ns().to_be_bytes());
        packet.resize(len, 0x5a);
        packet
    }
}

/// Offers to publish, as a browser would: with transport-wide numbers.
pub(crate) fn offer(client: &Client, member: u64, audio: bool) -> String {
    let ssrc = member as u32 * 16;
    let sections = [("0", "VP8", ssrc + 1), ("1", "opus", ssrc + 2)];
    let feedback = |payload_type: u8| {
        format!("a=rtcp-fb:{payload_type} transport-cc\r\na=extmap:3 {TRANSPORT_CC}\r\n")
    };
    let offer = client.offer(&sections[..1 + usize::from(audio)]);
    offer
        .replace("a=rtcp-fb:96 nack\r\n", &format!("a=rtcp-fb:96 nack\r\n{}", feedback(96)))
        .replace("a=fmtp:111", &format!("{}a=fmtp:111", feedback(111)))
}

/// A PLI is in it (RFC 4585 section 6.3.1).
fn asks_for_keyframe(mut compound: &[u8]) -> bool {
    while let [first, packet_type, high, low, ..] = *compound {
        if (first & 0x1f, packet_type) == (1, 206) {
            return true;
        }
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        compound = compound.get(length..).unwrap_or_default();
    }
    false
}

impl Publisher {
    pub(crate) fn new(member: u64, client: Client, socket: UdpSocket) -> Self {
        let ssrc = member as u32 * 16;
        let (video, audio) = (Stream::new(96, ssrc + 1), Stream::new(111, ssrc + 2));
        Self {
            member,
            client,
            socket,
            published: false,
            is_key_wanted: false,
            number: 0,
            video,
            audio,
        }
    }

    /// Does what is due; says when it wants to be asked again.
    pub(crate) fn poll(&mut self, pattern: Option<Pattern>, batch: &mut Batch) -> Instant {
        let now = Instant::now();
        self.client.tick(now);
        while batch.receive(&self.socket, |_, data| {
            if let Incoming::Rtcp(compound) = self.client.handle(now, data) {
                self.is_key_wanted |= asks_for_keyframe(&compound);
            }
        }) {}
        if self.client.connected() {
            if !std::mem::replace(&mut self.published, true) {
                say(&Report::Published { member: self.member });
            }
            self.send(now, pattern.unwrap_or(CALM));
        }
        let server = self.client.server.expect("a candidate");
        for datagram in self.client.out.drain(..) {
            let _ = self.socket.send_to(&datagram, server);
        }
        let soon = now + Duration::from_millis(5);
        if self.published { self.video.next.min(self.audio.next).min(soon) } else { soon }
    }

    fn send(&mut self, now: Instant, pattern: Pattern) {
        let Self { client, number, video, audio, member, is_key_wanted, .. } = self;
        if now >= video.next {
            let every = Duration::from_secs(1) / pattern.fps;
            // Publishers do not beat time together.
            let phase = every * (*member as u32 * 7 % 16) / 16;
            video.next = if video.n_frames == 0 { now + phase } else { video.next + every };
            video.next = video.next.max(now.checked_sub(every).unwrap_or(now));
            video.timestamp = video.timestamp.wrapping_add(90_000 / pattern.fps);
            let is_key = std::mem::take(is_key_wanted)
                || video.n_frames.is_multiple_of(pattern.keyframe_every);
            let n = if is_key { pattern.keyframe } else { pattern.frame };
            video.n_frames += 1;
            for index in 0..n {
                let head = [if index == 0 { 0x10 } else { 0 }, u8::from(!is_key)];
                let packet = video.packet(number, index + 1 == n, head, pattern.packet_len);
                client.send_rtp(&packet);
            }
        }
        if pattern.audio > 0 && now >= audio.next {
            let every = Duration::from_secs(1) / pattern.audio;
            audio.next = (audio.next + every).max(now.checked_sub(every).unwrap_or(now));
            audio.timestamp = audio.timestamp.wrapping_add(48_000 / pattern.audio);
            client.send_rtp(&audio.packet(number, false, [0xf8, 0xff], AUDIO_LEN));
        } else if pattern.audio == 0 {
            audio.next = now + Duration::from_millis(100);
        }
    }
}
