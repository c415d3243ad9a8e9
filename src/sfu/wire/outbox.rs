//! What one wake-up sends: datagrams in one arena, a viewer's packets side by side.
//!
//! Owns the arena and how packets become messages. A message is one system call's worth for one
//! peer: several datagrams of equal size, the last maybe shorter, which the kernel cuts apart (UDP
//! GSO). It knows neither sockets nor connections; a [`Sink`] sends.

use super::transmit::{Route, Transmit};

/// Media is sealed into this much; then it is sent and the arena begins anew. Large enough for a
/// frame to a hundred viewers at once, small enough to stay in a second-level cache.
const ARENA_LEN: usize = 256 * 1024;
/// The kernel's `UDP_MAX_SEGMENTS`.
const MAX_SEGMENTS: usize = 64;
/// A UDP payload is at most 65 507 bytes.
const MAX_MESSAGE_LEN: usize = 65_000;

/// The viewer that a message is for, as the worker numbers them, and which of its media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ViewerKey {
    pub(crate) room: u32,
    pub(crate) viewer: u32,
    /// Sound goes in messages of its own: it is small, and goes before pictures where not all can.
    pub(crate) is_sound: bool,
}

/// Datagrams for one peer, back to back in the arena.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Both ends: it leaves from where the peer knows us.
    pub(crate) route: Route,
    pub(crate) start: usize,
    pub(crate) len: usize,
    /// Size of each datagram but the last.
    pub(crate) segment: usize,
    /// Whose media it is; `None` for STUN, DTLS, RTCP.
    owner: Option<ViewerKey>,
    /// A shorter datagram has ended it.
    closed: bool,
}

impl Message {
    /// How many datagrams it holds.
    pub(crate) fn n_segments(&self) -> usize {
        self.len.div_ceil(self.segment.max(1))
    }

    /// Whose media it is, if it is media.
    pub(crate) fn owner(&self) -> Option<ViewerKey> {
        self.owner
    }

    /// Media, and no sound.
    pub(crate) fn is_picture(&self) -> bool {
        self.owner.is_some_and(|owner| !owner.is_sound)
    }

    /// One of its datagrams as a message of its own.
    pub(crate) fn single(&self, start: usize, len: usize) -> Self {
        Self { start, len, segment: len, closed: true, ..self.clone() }
    }

    fn takes(&self, owner: ViewerKey, route: Route, len: usize) -> bool {
        !self.closed
            && self.owner == Some(owner)
            && self.route == route
            && len <= self.segment
            && self.len / self.segment < MAX_SEGMENTS
            && self.len + len <= MAX_MESSAGE_LEN
    }
}

/// Sends messages; the socket is one, tests have another.
pub(crate) trait Sink {
    /// Sends all messages now. The index of each that could not be sent is put into `dropped`.
    fn send(&mut self, arena: &[u8], messages: &[Message], dropped: &mut Vec<usize>);

    /// Viewers whose media was taken by a former call and dropped since, where a sink keeps some.
    fn take_losses(&mut self) -> Vec<ViewerKey> {
        Vec::new()
    }
}

/// Counts of one wake-up.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) packets: u64,
    pub(crate) packets_dropped: u64,
}

/// Collects what is to be sent.
pub(crate) struct Outbox {
    arena: Vec<u8>,
    used: usize,
    messages: Vec<Message>,
    dropped: Vec<usize>,
    losses: Vec<ViewerKey>,
    sent: Sent,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            arena: vec![0; ARENA_LEN],
            used: 0,
            messages: Vec::with_capacity(256),
            dropped: Vec::new(),
            losses: Vec::new(),
            sent: Sent::default(),
        }
    }

    /// Seals one packet for a viewer: `seal` writes into the given space, which has at least `room`
    /// bytes, and says how much. False if it wrote nothing.
    pub(crate) fn seal(
        &mut self,
        owner: ViewerKey,
        route: Route,
        room: usize,
        sink: &mut impl Sink,
        seal: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        if self.used + room > self.arena.len() {
            self.send(sink);
        }
        let Some(space) = self.arena.get_mut(self.used..) else { return false };
        let Some(len) = seal(space) else { return false };
        self.append(Some(owner), route, len);
        true
    }

    fn append(&mut self, owner: Option<ViewerKey>, route: Route, len: usize) {
        if let (Some(owner), Some(last)) = (owner, self.messages.last_mut())
            && last.takes(owner, route, len)
        {
            last.closed = len < last.segment;
            last.len += len;
        } else {
            let message =
                Message { route, start: self.used, len, segment: len, owner, closed: false };
            self.messages.push(message);
        }
        self.used += len;
    }

    /// Sends everything. Viewers that lost media by it are told by [`Outbox::take_losses`].
    pub(crate) fn send(&mut self, sink: &mut impl Sink) {
        if self.messages.is_empty() {
            return;
        }
        self.dropped.clear();
        // overflow: DROPS, listed in `dropped`.
        sink.send(&self.arena[..self.used], &self.messages, &mut self.dropped);
        for message in &self.messages {
            let n_segments = message.n_segments() as u64;
            self.sent.datagrams += n_segments;
            self.sent.packets += if message.owner.is_some() { n_segments } else { 0 };
        }
        for index in self.dropped.drain(..) {
            let message = &self.messages[index];
            let n_segments = message.n_segments() as u64;
            self.sent.datagrams -= n_segments;
            let Some(owner) = message.owner else { continue };
            self.sent.packets -= n_segments;
            self.sent.packets_dropped += n_segments;
            if self.losses.last() != Some(&owner) {
                self.losses.push(owner);
            }
        }
        self.messages.clear();
        self.used = 0;
        if self.arena.len() > ARENA_LEN {
            self.arena = vec![0; ARENA_LEN];
        }
    }

    /// Viewers whose media was dropped since the last call.
    pub(crate) fn take_losses(&mut self) -> Vec<ViewerKey> {
        std::mem::take(&mut self.losses)
    }

    /// What was sent since the last call.
    pub(crate) fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.sent)
    }
}

impl Transmit for Outbox {
    fn transmit(&mut self, to: Route, datagram: &[u8]) {
        if datagram.is_empty() {
            return;
        }
        // Only this grows the arena, and only by what one wake-up's input calls forth: each
        // datagram in and each timer has a few small answers.
        let end = self.used + datagram.len();
        if end > self.arena.len() {
            self.arena.resize(end, 0);
        }
        self.arena[self.used..end].copy_from_slice(datagram);
        self.append(None, to, datagram.len());
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[derive(Default)]
    struct Recorder {
        /// (port, segment, datagrams) of each message
        sent: Vec<(u16, usize, usize)>,
        fail_port: u16,
    }

    impl Sink for Recorder {
        fn send(&mut self, arena: &[u8], messages: &[Message], dropped: &mut Vec<usize>) {
            for (index, message) in messages.iter().enumerate() {
                assert!(message.start + message.len <= arena.len());
                assert!(message.n_segments() <= MAX_SEGMENTS && message.len <= MAX_MESSAGE_LEN);
                if message.route.peer.address.port() == self.fail_port {
                    dropped.push(index);
                } else {
                    self.sent.push((
                        message.route.peer.address.port(),
                        message.segment,
                        message.n_segments(),
                    ));
                }
            }
        }
    }

    fn run(packets: &[(u16, usize)], fail_port: u16) -> (Recorder, Outbox) {
        let mut outbox = Outbox::new();
        let mut sink = Recorder { fail_port, ..Recorder::default() };
        for (port, len) in packets {
            let owner = ViewerKey { room: 0, viewer: u32::from(*port), is_sound: false };
            let to = SocketAddr::from(([127, 0, 0, 1], *port));
            assert!(outbox.seal(owner, to.into(), 1500, &mut sink, |_| Some(*len)));
        }
        outbox.send(&mut sink);
        (sink, outbox)
    }

    #[test]
    fn equal_packets_of_a_viewer_go_together_and_a_shorter_one_ends_them() {
        type Packets = [(u16, usize)];
        type Sent = [(u16, usize, usize)];
        let cases: &[(&Packets, &Sent)] = &[
            (&[(1, 1200), (1, 1200), (1, 700)], &[(1, 1200, 3)]),
            (&[(1, 1200), (1, 700), (1, 700)], &[(1, 1200, 2), (1, 700, 1)]),
            (&[(1, 100), (1, 1200), (1, 1200)], &[(1, 100, 1), (1, 1200, 2)]),
            (&[(1, 1200), (2, 1200), (1, 1200)], &[(1, 1200, 1), (2, 1200, 1), (1, 1200, 1)]),
        ];
        for (packets, expected) in cases {
            assert_eq!(run(packets, 0).0.sent, *expected, "{packets:?}");
        }
        let (many, _) = run(&[(1, 100); 130], 0);
        assert_eq!(many.sent, [(1, 100, 64), (1, 100, 64), (1, 100, 2)]);
        let (large, mut outbox) = run(&[(1, 1200); 1000], 0);
        assert_eq!(large.sent.iter().map(|(_, _, n)| n).sum::<usize>(), 1000);
        assert_eq!(outbox.take_sent().packets, 1000);
    }

    #[test]
    fn what_fails_is_counted_and_its_viewer_named_once() {
        let (sink, mut outbox) = run(&[(1, 1200), (1, 50), (1, 1200), (2, 1200)], 1);
        assert_eq!(sink.sent, [(2, 1200, 1)]);
        let lost = ViewerKey { room: 0, viewer: 1, is_sound: false };
        assert_eq!(outbox.take_losses(), [lost]);
        let sent = outbox.take_sent();
        assert_eq!((sent.datagrams, sent.packets, sent.packets_dropped), (1, 1, 3));
    }
}
