//! Keeps a DTLS handshake going over a path that loses datagrams.
//!
//! `rtc-dtls` disarms its retransmission timer on *any* handshake record that arrives and does not
//! arm it again after half a flight or a repeated one, so that one lost datagram can hang a
//! handshake for ever (browsers' hellos are two datagrams). This stands between such a library and
//! the socket, from outside, and sends the last flight again (RFC 6347 4.2.4):
//!
//! * when the peer repeats the flight *before* ours, so that it cannot have ours: with **new record
//!   numbers**, because a peer may have dropped a message that came out of order and yet remember
//!   its record as seen;
//! * after a second of silence: **verbatim**. A peer that has the flight already drops it by its
//!   replay window. (New numbers here would disarm an `rtc` peer's own timer.)
//!
//! To renumber, it counts the records of epoch 0 itself; they are neither encrypted nor
//! authenticated by number. All DTLS datagrams, both ways, must pass through [`Flight`].
//!
//! It does not parse handshakes and knows no keys. After completion the library's own answer to a
//! repeated last flight is right; call [`Flight::finish`].

use std::time::{Duration, Instant};

/// A flight is not repeated for the peer's sake more often than this: a hello in two datagrams,
/// repeated, asks twice.
pub const REPEAT_AFTER: Duration = Duration::from_millis(40);
/// Silence after which the flight is repeated unasked: the initial timer of RFC 6347 4.2.4.1.
pub const RESEND_AFTER: Duration = Duration::from_secs(1);
/// Datagrams of one flight that are kept: a server's flight with its certificate takes two.
const MAX_DATAGRAMS: usize = 8;

const RECORD_HEADER: usize = 13;
const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;

/// True if a datagram is DTLS by its first byte (RFC 7983).
pub fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63))
}

/// The last flight of one handshake, seen from outside the DTLS library.
#[derive(Debug, Default)]
pub struct Flight {
    datagrams: Vec<Vec<u8>>,
    /// When the flight began; all its datagrams are passed in with the same `now`.
    began_at: Option<Instant>,
    repeated_at: Option<Instant>,
    next_sequence: u64,
    /// The newest handshake message of the peer.
    newest_message: Option<u16>,
    /// The newest handshake message of the peer when our flight began.
    answered_message: Option<u16>,
    finished: bool,
}

impl Flight {
    /// Before the first datagram.
    pub fn new() -> Self {
        Self::default()
    }

    /// The library sends `datagram` now. Numbers its records; pass the changed bytes to the socket.
    pub fn sent(&mut self, now: Instant, datagram: &mut [u8]) {
        self.number(datagram);
        let kept = matches!(datagram.first(), Some(&(CHANGE_CIPHER_SPEC | HANDSHAKE)));
        if self.finished || !kept {
            return;
        }
        if self.began_at != Some(now) {
            self.datagrams.clear();
            self.began_at = Some(now);
            self.repeated_at = Some(now);
            self.answered_message = self.newest_message;
        }
        if self.datagrams.len() < MAX_DATAGRAMS {
            self.datagrams.push(datagram.to_vec());
        }
    }

    /// `datagram` came from the peer and the library has read it. What is to be sent again now, in
    /// case the library had nothing to say to it, is passed to `send`.
    pub fn received(&mut self, now: Instant, datagram: &[u8], mut send: impl FnMut(&[u8])) {
        let message = records(datagram)
            .filter(|record| record.content_type == HANDSHAKE && record.epoch == 0)
            .filter_map(|record| {
                Some(u16::from_be_bytes([*record.body.get(4)?, *record.body.get(5)?]))
            })
            .max();
        let Some(message) = message else { return };
        self.newest_message = self.newest_message.max(Some(message));
        let repeated = self.answered_message.is_some_and(|answered| message <= answered);
        let due = self.repeated_at.is_some_and(|at| now.duration_since(at) >= REPEAT_AFTER);
        if self.finished || !repeated || !due {
            return;
        }
        self.repeated_at = Some(now);
        for mut datagram in std::mem::take(&mut self.datagrams) {
            self.number(&mut datagram);
            send(&datagram);
            self.datagrams.push(datagram);
        }
    }

    /// Sends the flight again if a second of silence has passed.
    pub fn handle_timeout(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.repeated_at = Some(now);
            self.datagrams.iter().for_each(|datagram| send(datagram));
        }
    }

    /// When [`Flight::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished || self.datagrams.is_empty() {
            return None;
        }
        self.repeated_at.map(|at| at + RESEND_AFTER)
    }

    /// The handshake is complete, or has failed: nothing is repeated from here any more.
    pub fn finish(&mut self) {
        self.finished = true;
        self.datagrams = Vec::new();
    }

    /// Writes our own count into all records of epoch 0.
    fn number(&mut self, datagram: &mut [u8]) {
        let mut at = 0;
        while let Some(header) = datagram.get_mut(at..at + RECORD_HEADER) {
            if header[3..5] == [0, 0] {
                header[5..11].copy_from_slice(&self.next_sequence.to_be_bytes()[2..]);
                self.next_sequence += 1;
            }
            at += RECORD_HEADER + usize::from(u16::from_be_bytes([header[11], header[12]]));
        }
    }
}

/// A DTLS record of a datagram (RFC 6347 4.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) content_type: u8,
    pub(crate) epoch: u16,
    pub(crate) body: &'a [u8],
}

/// The records of a datagram, up to the first that is cut off.
pub(crate) fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (header, rest) = datagram.split_at_checked(RECORD_HEADER)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (body, rest) = rest.split_at_checked(length)?;
        datagram = rest;
        let epoch = u16::from_be_bytes([header[3], header[4]]);
        Some(Record { content_type: header[0], epoch, body })
    })
}
