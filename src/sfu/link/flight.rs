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
//! * after a second of silence, as server: **verbatim**. A peer that has the flight already drops
//!   it by its replay window. (New numbers here would disarm an `rtc` client's own timer.)
//! * after a second of silence, as client: with new numbers. Our last flight may have arrived and
//!   only its answer be lost; a server that has completed repeats that answer for new records only.
//!
//! A HelloVerifyRequest is never repeated unasked (RFC 6347 4.2.1): whoever forged the hello's address
//! would have us send to it again and again. The client repeats its hello.
//!
//! To renumber, it counts the records of epoch 0 itself; they are neither encrypted nor
//! authenticated by number. All DTLS datagrams, both ways, must pass through [`Flight`], from the
//! first on: `received`, then the library reads, then `sent` for each datagram it wants to send,
//! then `after_read`.
//!
//! It does not parse handshakes and knows no keys.

use std::time::{Duration, Instant};

/// A flight is not repeated for the peer's sake more often than this: a hello in two datagrams,
/// repeated, asks twice.
pub const REPEAT_AFTER: Duration = Duration::from_millis(40);
/// Silence after which the flight is repeated unasked: the initial timer of RFC 6347 4.2.4.1.
pub const RESEND_AFTER: Duration = Duration::from_secs(1);
/// Datagrams of one flight that are kept: a server's flight with its certificate takes two.
const MAX_DATAGRAMS: usize = 8;

const RECORD_HEADER: usize = 13;
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
/// A handshake message's type (RFC 6347 4.3.2).
const HELLO_VERIFY_REQUEST: u8 = 3;

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
    /// We spoke first.
    is_client: bool,
    /// The newest handshake message of the peer.
    newest_message: Option<u16>,
    /// The newest handshake message of the peer when our flight began.
    answered_message: Option<u16>,
    /// The peer has repeated what our flight answered.
    asked: bool,
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
        if !kept {
            return;
        }
        let first = records(datagram).next().filter(|record| record.epoch == 0);
        let asks_again = first.is_some_and(|record| {
            record.content_type == HANDSHAKE && record.body.first() == Some(&HELLO_VERIFY_REQUEST)
        });
        if asks_again {
            return self.forget();
        }
        self.is_client |= self.began_at.is_none() && self.newest_message.is_none();
        // All of a flight is sent at once, and answers one message.
        let is_same = self.answered_message == self.newest_message;
        if self.began_at != Some(now) || !is_same {
            self.datagrams.clear();
            self.began_at = Some(now);
            self.repeated_at = Some(now);
            self.answered_message = self.newest_message;
        }
        if self.datagrams.len() < MAX_DATAGRAMS {
            self.datagrams.push(datagram.to_vec());
        }
    }

    /// There is nothing to be repeated any more.
    fn forget(&mut self) {
        let Self { next_sequence, newest_message, is_client, .. } = *self;
        *self = Self { next_sequence, newest_message, is_client, ..Self::default() };
    }

    /// The handshake begins once more, with the same peer: it remembers the numbers of our records.
    pub fn begin_anew(&mut self) {
        *self = Self { next_sequence: self.next_sequence, ..Self::default() };
    }

    /// `datagram` came from the peer; call this *before* the library reads it.
    pub fn received(&mut self, datagram: &[u8]) {
        // After our last flight nothing but its own last one is said again.
        let is_last = |record: Record<'_>| record.content_type == HANDSHAKE && record.epoch == 1;
        self.asked |= self.finished && records(datagram).any(is_last);
        let message = records(datagram)
            .filter(|record| record.content_type == HANDSHAKE && record.epoch == 0)
            .filter_map(|record| Some([*record.body.get(4)?, *record.body.get(5)?]))
            .map(u16::from_be_bytes)
            .max();
        self.newest_message = self.newest_message.max(message);
        let answered = self.answered_message;
        self.asked |= message.is_some_and(|message| answered.is_some_and(|last| message <= last));
    }

    /// The library has read what came and all it had to say was passed to [`Flight::sent`]. If that
    /// was nothing though the peer repeats itself, the flight is passed to `send` again.
    pub fn after_read(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        let asked = std::mem::take(&mut self.asked);
        let due = self.repeated_at.is_some_and(|at| now.duration_since(at) >= REPEAT_AFTER);
        if asked && due {
            self.repeat(now, true, &mut send);
        }
    }

    /// Sends the flight again if a second of silence has passed.
    pub fn handle_timeout(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.repeat(now, self.is_client, &mut send);
        }
    }

    fn repeat(&mut self, now: Instant, renumbered: bool, send: &mut impl FnMut(&[u8])) {
        self.repeated_at = Some(now);
        let mut datagrams = std::mem::take(&mut self.datagrams);
        for datagram in &mut datagrams {
            if renumbered {
                self.number(datagram);
            }
            send(datagram);
        }
        self.datagrams = datagrams;
    }

    /// When [`Flight::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished || self.datagrams.is_empty() {
            return None;
        }
        self.repeated_at.map(|at| at + RESEND_AFTER)
    }

    /// The handshake is complete, or has failed: nothing is repeated unasked any more. A peer that
    /// repeats its last flight still gets ours, after the library has tired of it.
    pub fn finish(&mut self) {
        self.finished = true;
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

impl Record<'_> {
    /// Header and body.
    pub(crate) fn len(&self) -> usize {
        RECORD_HEADER + self.body.len()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(message: u16, epoch: u8) -> Vec<u8> {
        let [high, low] = message.to_be_bytes();
        let mut record = vec![HANDSHAKE, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 77, 0, 12];
        record.extend([1, 0, 0, 0, high, low, 0, 0, 0, 0, 0, 0]);
        record
    }

    fn numbers(datagrams: &[Vec<u8>]) -> Vec<u8> {
        datagrams.iter().flat_map(|datagram| datagram.chunks(25).map(|record| record[10])).collect()
    }

    const NOTHING: [u8; 0] = [];

    struct Fixture {
        flight: Flight,
        start: Instant,
    }

    impl Fixture {
        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn sent(&mut self, ms: u64, mut datagram: Vec<u8>) -> Vec<u8> {
            self.flight.sent(self.at(ms), &mut datagram);
            numbers(&[datagram])
        }

        fn received(&mut self, ms: u64, datagram: &[u8]) -> Vec<u8> {
            let mut out = Vec::new();
            self.flight.received(datagram);
            self.flight.after_read(self.at(ms), |datagram| out.push(datagram.to_vec()));
            numbers(&out)
        }

        fn timeout(&mut self, ms: u64) -> Vec<u8> {
            let mut out = Vec::new();
            self.flight.handle_timeout(self.at(ms), |datagram| out.push(datagram.to_vec()));
            numbers(&out)
        }
    }

    /// A server that has received the hello (message 1) and answered with two datagrams.
    fn server() -> Fixture {
        let mut fixture = Fixture { flight: Flight::new(), start: Instant::now() };
        fixture.flight.received(&handshake(1, 0));
        assert_eq!(fixture.sent(0, [handshake(1, 0), handshake(2, 0)].concat()), [0, 1]);
        assert_eq!(fixture.sent(0, [handshake(3, 0), handshake(4, 1)].concat()), [2, 77]);
        fixture.flight.after_read(fixture.start, |_| panic!("just sent"));
        fixture
    }

    #[test]
    fn a_repeated_question_is_answered_with_new_numbers_but_not_twice_at_once() {
        let mut fixture = server();
        assert_eq!(fixture.received(39, &handshake(1, 0)), NOTHING, "the hello's other half");
        assert_eq!(fixture.received(100, &handshake(1, 0)), [3, 4, 5, 77], "not the encrypted one");
        assert_eq!(fixture.received(130, &handshake(0, 0)), NOTHING);
        assert_eq!(fixture.received(200, &handshake(2, 0)), NOTHING, "it has got our flight");
        assert_eq!(fixture.received(300, &[21, 254, 253, 0]), NOTHING);
        assert_eq!(fixture.received(400, &handshake(1, 1)), NOTHING, "encrypted: not known what");
        assert_eq!(fixture.received(500, &handshake(1, 0)), [6, 7, 8, 77]);
    }

    #[test]
    fn silence_is_answered_each_second_until_the_end() {
        let mut fixture = server();
        assert_eq!(fixture.timeout(999), NOTHING);
        assert_eq!(fixture.timeout(1000), [0, 1, 2, 77], "verbatim");
        assert_eq!(fixture.flight.poll_timeout(), Some(fixture.at(2000)));
        assert_eq!(fixture.timeout(2000), [0, 1, 2, 77]);
        fixture.flight.received(&handshake(2, 0));
        assert_eq!(fixture.sent(2100, handshake(5, 0)), [3]);
        fixture.flight.finish();
        assert_eq!(fixture.flight.poll_timeout(), None);
        assert_eq!(fixture.timeout(9000), NOTHING);
        assert_eq!(fixture.received(9000, &handshake(2, 0)), [4], "it never got our last flight");
        assert_eq!(fixture.received(9039, &handshake(2, 0)), NOTHING, "not twice at once");
        assert_eq!(fixture.received(9100, &handshake(9, 1)), [5], "nor after its Finished alone");
    }

    #[test]
    fn a_hello_verify_request_is_not_repeated_unasked() {
        let mut fixture = Fixture { flight: Flight::new(), start: Instant::now() };
        fixture.flight.received(&handshake(0, 0));
        let mut verify = handshake(0, 0);
        verify[13] = HELLO_VERIFY_REQUEST;
        assert_eq!(fixture.sent(0, verify.clone()), [0]);
        assert_eq!((fixture.flight.poll_timeout(), fixture.timeout(5000)), (None, NOTHING.into()));
        assert_eq!(fixture.received(6000, &handshake(0, 0)), NOTHING, "the library answers");
        assert_eq!(fixture.sent(6000, verify), [1]);
        fixture.flight.received(&handshake(1, 0));
        assert_eq!(fixture.sent(6100, handshake(1, 0)), [2]);
        assert_eq!(fixture.timeout(7100), [2], "verbatim: we are the server");
    }

    #[test]
    fn a_second_handshake_goes_on_with_the_numbers_of_the_first() {
        let mut fixture = server();
        fixture.flight.finish();
        fixture.flight.begin_anew();
        assert_eq!(fixture.received(500, &handshake(0, 0)), NOTHING, "nothing was sent in it");
        assert_eq!(fixture.sent(500, handshake(0, 0)), [3]);
    }

    #[test]
    fn a_client_repeats_with_new_numbers() {
        let mut fixture = Fixture { flight: Flight::new(), start: Instant::now() };
        assert_eq!(fixture.sent(0, handshake(0, 0)), [0]);
        assert_eq!(fixture.timeout(1000), [1]);
        assert_eq!(fixture.timeout(2000), [2]);
    }

    #[test]
    fn noise_is_no_record() {
        let mut flight = Flight::new();
        for length in 0..60 {
            let mut noise: Vec<u8> = (0..length).map(|i| (i * 83 + length) as u8 | 1).collect();
            flight.received(&noise);
            flight.sent(Instant::now(), &mut noise);
            flight.after_read(Instant::now(), |_| {});
            assert_eq!(records(&noise).count(), 0);
        }
        assert!(is_dtls(&[22]) && !is_dtls(&[]) && !is_dtls(&[64]) && !is_dtls(&[19]));
    }
}
