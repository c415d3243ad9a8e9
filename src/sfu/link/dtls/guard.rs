//! PURE. What of a peer's DTLS the library gets to see: nobody's key has vouched for it.
//!
//! The library ends a handshake for whatever it cannot read, drops all that is numbered below what was
//! forged, keeps what comes before its time and joins fragments by recursion. So what is no record of
//! a handshake never reaches it (RFC 6347 4.1.2.7: dropped without a word), records in the clear come
//! with our own numbers, and what one attempt takes is bounded.
//!
//! # Departure: alerts in the clear are not believed
//! Whoever can forge an address could end a call by one. A client that refuses us says nothing more
//! after its alert, and the time for connecting ends.

use bytes::BytesMut;

use super::super::flight::{ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, Record, records};

/// Bytes of DTLS taken in one attempt. A browser's handshake has about 4 KB; this leaves room for
/// eight repetitions, and bounds what the library keeps.
pub(crate) const ATTEMPT_BYTES: usize = 32 * 1024;
/// Handshake messages, or parts of them, taken in one attempt. A browser sends six to ten; the library
/// looks through all that wait for each that comes, and joins them by recursion.
pub(crate) const ATTEMPT_PARTS: usize = 256;

/// Records in one datagram. A browser's last flight has five.
const MAX_RECORDS: usize = 32;
/// A certificate of a whole chain fits in.
const MAX_MESSAGE: usize = 16 * 1024;
/// The last message of a peer has the number 6.
const MAX_NUMBER: u16 = 16;
/// Of a handshake message: type, length, number, where this part lies and its length.
const MESSAGE_HEADER: usize = 12;
/// What an AES-GCM record of DTLS has beside its text.
const SEAL: usize = 8 + 16;
/// Messages in the clear (RFC 5246 7.4, RFC 6347 4.3.2), all but Finished.
const MESSAGE_TYPES: [u8; 10] = [1, 2, 3, 4, 11, 12, 13, 14, 15, 16];

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is for the library.
    Admitted(BytesMut),
    /// It is no DTLS of a handshake.
    Refused,
    /// It may well be, but this attempt has taken all that one is allowed.
    Spent,
}

/// Before completion.
#[derive(Debug, Default)]
pub(super) struct Guard {
    n_bytes: usize,
    n_parts: usize,
    /// The number of the next record in the clear.
    next_number: u64,
}

impl Guard {
    /// Whether the library may see a datagram.
    pub(super) fn admit(&mut self, datagram: &[u8]) -> Admission {
        let (mut length, mut n_parts, mut n_records) = (0, 0, 0);
        for record in records(datagram) {
            let Some(n) = parts_of(datagram, &record) else { return Admission::Refused };
            length += record.len();
            n_parts += n;
            n_records += 1;
        }
        if length != datagram.len() || !(1..=MAX_RECORDS).contains(&n_records) {
            return Admission::Refused;
        }
        self.n_bytes += datagram.len();
        self.n_parts += n_parts;
        if self.n_bytes > ATTEMPT_BYTES || self.n_parts > ATTEMPT_PARTS {
            return Admission::Spent;
        }
        Admission::Admitted(self.numbered(datagram))
    }

    /// Records in the clear are not authenticated by their numbers, and a forged one may not make
    /// others old.
    fn numbered(&mut self, datagram: &[u8]) -> BytesMut {
        let mut out = BytesMut::from(datagram);
        let mut at = 0;
        for record in records(datagram) {
            if record.epoch == 0
                && let Some(number) = out.get_mut(at + 5..at + 11)
            {
                number.copy_from_slice(&self.next_number.to_be_bytes()[2..]);
                self.next_number += 1;
            }
            at += record.len();
        }
        out
    }
}

/// How many handshake messages, or parts of them, the library finds in a record; where it is encrypted,
/// those that there can be. `None`: it is no record of a handshake.
fn parts_of(datagram: &[u8], record: &Record<'_>) -> Option<usize> {
    // All records of a datagram have the version of its first, or the library drops them itself.
    if !matches!(datagram.get(1..3), Some([254, 253 | 255])) {
        return None;
    }
    let body = record.body;
    match (record.content_type, record.epoch) {
        (CHANGE_CIPHER_SPEC, 0) => (body == [1]).then_some(0),
        (HANDSHAKE, 0) => parts_in_clear(body),
        // Kept until there are keys; one that is forged is dropped then.
        (HANDSHAKE, 1) => {
            let text = body.len().checked_sub(SEAL)?;
            (text >= MESSAGE_HEADER).then(|| text.div_ceil(MESSAGE_HEADER))
        }
        (ALERT, 1) => (body.len() > SEAL).then_some(1),
        // No data channel: nothing is ever said in application data.
        _ => None,
    }
}

fn parts_in_clear(mut body: &[u8]) -> Option<usize> {
    let mut n_parts = 0;
    while !body.is_empty() {
        let header = body.first_chunk::<MESSAGE_HEADER>()?;
        let word = |at: usize| {
            usize::from(header[at]) << 16
                | usize::from(header[at + 1]) << 8
                | usize::from(header[at + 2])
        };
        let (length, offset, part) = (word(1), word(6), word(9));
        let number = u16::from_be_bytes([header[4], header[5]]);
        let is_sound = MESSAGE_TYPES.contains(&header[0])
            && length <= MAX_MESSAGE
            && offset + part <= length
            && (part > 0 || length == 0)
            && number < MAX_NUMBER;
        let rest = body.get(MESSAGE_HEADER + part..).filter(|_| is_sound)?;
        n_parts += 1;
        // The library goes on after the whole message's length, not the part's.
        let next = if part < length { body.get(MESSAGE_HEADER + length..) } else { Some(rest) };
        body = next.unwrap_or_default();
    }
    (n_parts > 0).then_some(n_parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content_type: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [&[content_type, 254, 253, 0, epoch, 9, 9, 9, 9, 9, 9], &length[..], body].concat()
    }

    /// Type, length of the whole, number, offset, and so many bytes of it.
    fn message(kind: u8, length: u8, number: u8, offset: u8, n: u8) -> Vec<u8> {
        let mut message = vec![kind, 0, 0, length, 0, number, 0, 0, offset, 0, 0, n];
        message.resize(MESSAGE_HEADER + usize::from(n), 7);
        message
    }

    #[test]
    fn what_is_no_record_of_a_handshake_never_reaches_the_library() {
        let hello = || record(HANDSHAKE, 0, &message(1, 20, 0, 0, 20));
        let cases = [
            ("a hello", hello(), true),
            ("its part", record(HANDSHAKE, 0, &message(1, 20, 0, 10, 10)), true),
            (
                "two",
                record(HANDSHAKE, 0, &[message(11, 3, 2, 0, 3), message(16, 1, 3, 0, 1)].concat()),
                true,
            ),
            ("an empty message", record(HANDSHAKE, 0, &message(14, 0, 5, 0, 0)), true),
            ("sealed", record(HANDSHAKE, 1, &[1; 40]), true),
            ("of the next keys", record(HANDSHAKE, 2, &[1; 40]), false),
            ("the empty record that ended calls", record(HANDSHAKE, 0, &[]), false),
            ("empty behind a hello", [hello(), record(HANDSHAKE, 0, &[])].concat(), false),
            ("sealed and empty", record(HANDSHAKE, 1, &[]), false),
            ("half a header", record(HANDSHAKE, 0, &[1; 11]), false),
            ("a part beyond the whole", record(HANDSHAKE, 0, &message(1, 20, 0, 15, 10)), false),
            ("a part without bytes", record(HANDSHAKE, 0, &message(1, 20, 0, 5, 0)), false),
            ("less than it says", record(HANDSHAKE, 0, &message(1, 20, 0, 0, 20)[..31]), false),
            ("an unknown message", record(HANDSHAKE, 0, &message(77, 20, 0, 0, 20)), false),
            ("Finished in the clear", record(HANDSHAKE, 0, &message(20, 12, 5, 0, 12)), false),
            ("the hundredth message", record(HANDSHAKE, 0, &message(1, 20, 100, 0, 20)), false),
            ("an alert in the clear", record(ALERT, 0, &[2, 40]), false),
            ("an alert", record(ALERT, 1, &[2; 26]), true),
            ("a short alert", record(ALERT, 1, &[2; 2]), false),
            ("new keys", record(CHANGE_CIPHER_SPEC, 0, &[1]), true),
            ("new keys, wrongly", record(CHANGE_CIPHER_SPEC, 0, &[2]), false),
            ("new keys, without a word", record(CHANGE_CIPHER_SPEC, 0, &[]), false),
            ("data", record(23, 1, &[1; 40]), false),
            ("another protocol", record(63, 0, &[1; 20]), false),
            ("a byte more", [hello(), vec![22]].concat(), false),
            ("cut", hello()[..30].to_vec(), false),
            ("nothing", Vec::new(), false),
        ];
        for (name, datagram, is_admitted) in cases {
            let admission = Guard::default().admit(&datagram);
            assert_eq!(matches!(admission, Admission::Admitted(_)), is_admitted, "{name}");
        }
        let mut old = hello();
        old[1..3].copy_from_slice(&[3, 3]);
        assert_eq!(Guard::default().admit(&old), Admission::Refused, "TLS");
    }

    #[test]
    fn numbers_in_the_clear_are_our_own_and_others_stay() {
        let mut guard = Guard::default();
        for n in 0..3 {
            let datagram = [
                record(HANDSHAKE, 0, &message(16, 1, 3, 0, 1)),
                record(CHANGE_CIPHER_SPEC, 0, &[1]),
                record(HANDSHAKE, 1, &[1; 40]),
            ];
            let Admission::Admitted(out) = guard.admit(&datagram.concat()) else { panic!("taken") };
            let second = datagram[0].len();
            let third = second + datagram[1].len();
            assert_eq!(out[5..11], [0, 0, 0, 0, 0, 2 * n], "{n}");
            assert_eq!(out[second + 5..second + 11], [0, 0, 0, 0, 0, 2 * n + 1]);
            assert_eq!(out[third + 5..third + 11], [9; 6]);
            assert_eq!(out[11..second], datagram[0][11..]);
        }
    }

    #[test]
    fn what_one_attempt_takes_is_bounded() {
        let mut guard = Guard::default();
        let part = record(HANDSHAKE, 0, &message(1, 200, 5, 3, 1));
        let n_taken = (0..1000).filter(|_| guard.admit(&part) != Admission::Spent).count();
        assert_eq!(n_taken, ATTEMPT_PARTS);
        let mut guard = Guard::default();
        let sealed = record(HANDSHAKE, 1, &[0; 1000]);
        let n_bytes: usize = (0..100)
            .filter(|_| guard.admit(&sealed) != Admission::Spent)
            .map(|_| sealed.len())
            .sum();
        assert!(n_bytes <= ATTEMPT_BYTES);
        assert_eq!(guard.admit(&[0; 40]), Admission::Refused, "garbage uses up nothing");
    }
}
