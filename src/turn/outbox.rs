//! What one wake-up sends by UDP: datagrams in one arena, those for one peer side by side.
//!
//! A browser's frame comes in as one batch of the kernel (GRO), goes through the server datagram by
//! datagram, and leaves as one message that the kernel cuts apart again (GSO).
//!
//! PURE: bytes in, messages out.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use super::outlet::RelayId;

/// The kernel's `UDP_MAX_SEGMENTS`.
const MAX_SEGMENTS: usize = 64;
/// A UDP payload is at most 65,507 bytes.
const MAX_MESSAGE_LEN: usize = 65_000;
/// When this much waits it is sent: it stays in a second-level cache.
const FULL: usize = 192 * 1024;

/// By which socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Listener(u16),
    Relay(RelayId),
}

/// Datagrams of equal size for one peer, the last maybe shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) by: By,
    pub(crate) to: SocketAddr,
    /// Our address that the peer knows; `None` lets the kernel choose.
    pub(crate) source: Option<IpAddr>,
    /// With DONT-FRAGMENT.
    pub(crate) whole: bool,
    pub(crate) range: Range<usize>,
    /// Size of each datagram but the last.
    pub(crate) segment: usize,
    /// A shorter datagram has ended it.
    closed: bool,
}

impl Message {
    fn takes(&self, new: &Self) -> bool {
        let len = new.range.len();
        !self.closed
            && len > 0
            && (self.by, self.to, self.source, self.whole)
                == (new.by, new.to, new.source, new.whole)
            && len <= self.segment
            && self.range.len() / self.segment < MAX_SEGMENTS
            && self.range.len() + len <= MAX_MESSAGE_LEN
    }
}

/// Collects what is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    arena: Vec<u8>,
    messages: Vec<Message>,
}

impl Outbox {
    /// One datagram, in parts. True if it is time to send.
    pub(crate) fn push(
        &mut self,
        by: By,
        to: SocketAddr,
        source: Option<IpAddr>,
        whole: bool,
        parts: &[&[u8]],
    ) -> bool {
        let start = self.arena.len();
        parts.iter().for_each(|part| self.arena.extend_from_slice(part));
        let range = start..self.arena.len();
        let segment = range.len();
        let new = Message { by, to, source, whole, range, segment, closed: segment == 0 };
        match self.messages.last_mut() {
            Some(last) if last.takes(&new) => {
                last.closed = segment < last.segment;
                last.range.end = new.range.end;
            }
            _ => self.messages.push(new),
        }
        self.arena.len() >= FULL
    }

    /// Hands all messages to `send`, with their bytes, and is empty.
    pub(crate) fn drain(&mut self, mut send: impl FnMut(&Message, &[u8])) {
        for message in &self.messages {
            send(message, &self.arena[message.range.clone()]);
        }
        self.messages.clear();
        self.arena.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_of_one_peer_leave_together_as_the_kernel_can_cut_them() {
        let (a, b) = (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 1)));
        let relay = |n| By::Relay(RelayId(n));
        let mut outbox = Outbox::default();
        let pushed = [
            (relay(0), a, false, 100),
            (relay(0), a, false, 100),
            (relay(0), a, false, 40),
            // A shorter one has ended it.
            (relay(0), a, false, 40),
            (relay(0), a, false, 41),
            (relay(0), b, false, 41),
            (relay(1), b, false, 41),
            (relay(1), b, true, 41),
            (relay(1), b, true, 0),
            (relay(1), b, true, 0),
        ];
        for (at, (by, to, whole, len)) in pushed.iter().enumerate() {
            let bytes = vec![at as u8; *len];
            outbox.push(*by, *to, None, *whole, &[&bytes[..len / 2], &bytes[len / 2..]]);
        }
        let (mut sizes, mut seen) = (Vec::new(), Vec::new());
        outbox.drain(|message, bytes| {
            sizes.push((bytes.len(), message.segment));
            let cut: Vec<_> = match bytes {
                [] => vec![(message.by, message.to, message.whole, 0)],
                bytes => bytes
                    .chunks(message.segment)
                    .map(|datagram| (message.by, message.to, message.whole, datagram.len()))
                    .collect(),
            };
            seen.extend(cut);
        });
        assert_eq!(
            sizes,
            [(240, 100), (40, 40), (41, 41), (41, 41), (41, 41), (41, 41), (0, 0), (0, 0)]
        );
        assert_eq!(seen, pushed);
        outbox.drain(|_, _| panic!("it is empty"));
        for _ in 0..130 {
            outbox.push(relay(0), a, None, false, &[&[1; 900]]);
        }
        let mut n_segments = Vec::new();
        outbox.drain(|message, bytes| n_segments.push(bytes.len() / message.segment));
        assert_eq!(n_segments, [64, 64, 2]);
    }
}
