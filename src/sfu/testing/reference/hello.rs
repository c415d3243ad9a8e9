//! PURE. Reads a DTLS ClientHello far enough to know which SRTP profiles the client offers.
//!
//! The library takes the client's first profile that is also ours, and browsers put AES-CM first.
//! GCM alone would be offered where the CPU has AES, but some clients (GStreamer's `webrtcbin`) do
//! not know it. So the hello is read before the library sees it: RFC 6347 section 4.2 (messages
//! and fragments), RFC 5764 section 4.1 (use_srtp), RFC 7714 section 14.2 (GCM).

use crate::sfu::link::flight::{HANDSHAKE, records};

const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;
/// Browsers' hellos have 250 to 1500 bytes, the large ones for post-quantum keys.
const MAX_HELLO: usize = 16 * 1024;
/// Datagrams that are held back while a hello is not whole.
const MAX_HELD: usize = 8;

/// `SRTP_AEAD_AES_128_GCM`.
pub(super) const GCM_128: u16 = 0x0007;

/// Collects the first ClientHello; DTLS datagrams wait here until it is whole.
#[derive(Debug, Default)]
pub(super) struct HelloGate {
    body: Vec<u8>,
    known: Vec<bool>,
    held: Vec<Vec<u8>>,
}

/// What the gate lets through.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// In the client's order; empty if the hello could not be read: let the library see to it.
    pub(super) profiles: Vec<u16>,
    /// The datagrams that waited, the newest last.
    pub(super) held: Vec<Vec<u8>>,
}

impl HelloGate {
    /// Takes a DTLS datagram in. `None`: more is needed.
    pub(super) fn take(&mut self, datagram: &[u8]) -> Option<Opened> {
        self.held.push(datagram.to_vec());
        for record in records(datagram).filter(|r| r.content_type == HANDSHAKE && r.epoch == 0) {
            self.read_messages(record.body);
        }
        let is_whole = !self.known.is_empty() && self.known.iter().all(|known| *known);
        if !is_whole && self.held.len() < MAX_HELD {
            return None;
        }
        let profiles = if is_whole { profiles(&self.body).unwrap_or_default() } else { Vec::new() };
        Some(Opened { profiles, held: std::mem::take(&mut self.held) })
    }

    /// A record may hold several messages or fragments, each with a header of 12 bytes.
    fn read_messages(&mut self, mut bytes: &[u8]) {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
        while let Some((header, rest)) = bytes.split_at_checked(12) {
            let (total, at, length) =
                (number(&header[1..4]), number(&header[6..9]), number(&header[9..12]));
            let Some((fragment, rest)) = rest.split_at_checked(length) else { return };
            bytes = rest;
            let is_first_hello = header[0] == CLIENT_HELLO && header[4..6] == [0, 0];
            if !is_first_hello || total == 0 || total > MAX_HELLO || at + length > total {
                continue;
            }
            if self.body.len() != total {
                self.body = vec![0; total];
                self.known = vec![false; total];
            }
            self.body[at..at + length].copy_from_slice(fragment);
            self.known[at..at + length].fill(true);
        }
    }
}

/// The list of use_srtp in a whole ClientHello; `None` if it is cut off or has none.
fn profiles(body: &[u8]) -> Option<Vec<u16>> {
    let mut rest = body.get(2 + 32..)?;
    for width in [1, 1, 2, 1] {
        // session id, cookie, cipher suites, compression methods
        (_, rest) = vector(rest, width)?;
    }
    let (mut extensions, _) = vector(rest, 2)?;
    while let Some((header, after)) = extensions.split_at_checked(2) {
        let (value, after) = vector(after, 2)?;
        extensions = after;
        if u16::from_be_bytes([header[0], header[1]]) == USE_SRTP {
            let (list, _) = vector(value, 2)?;
            let pairs = list.chunks_exact(2);
            return Some(pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect());
        }
    }
    None
}

/// Splits off a vector whose length stands before it in `width` bytes.
fn vector(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(width)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(profiles: &[u16]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 0]); // session id, cookie
        body.extend([0, 2, 0xc0, 0x2b]);
        body.extend([1, 0]);
        let list: Vec<u8> = profiles.iter().flat_map(|p| p.to_be_bytes()).collect();
        let mut extensions = vec![0, 23, 0, 0]; // extended master secret
        extensions.extend([0, 14]);
        extensions.extend((list.len() as u16 + 3).to_be_bytes());
        extensions.extend((list.len() as u16).to_be_bytes());
        extensions.extend(&list);
        extensions.push(0);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(&extensions);
        body
    }

    fn datagram(body: &[u8], at: usize, length: usize) -> Vec<u8> {
        let u24 = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
        let mut message = vec![CLIENT_HELLO];
        message.extend(u24(body.len()));
        message.extend([0, 0]);
        message.extend(u24(at));
        message.extend(u24(length));
        message.extend(&body[at..at + length]);
        let mut record = vec![HANDSHAKE, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend((message.len() as u16).to_be_bytes());
        record.extend(message);
        record
    }

    #[test]
    fn the_profiles_of_a_hello_are_read_whole_and_in_pieces() {
        let body = hello(&[1, GCM_128]);
        let whole = datagram(&body, 0, body.len());
        let opened = HelloGate::default().take(&whole).expect("the hello is whole");
        assert_eq!(opened, Opened { profiles: vec![1, GCM_128], held: vec![whole] });

        let first = datagram(&body, 0, 20);
        let second = datagram(&body, 20, body.len() - 20);
        for order in [[&first, &second], [&second, &first]] {
            let mut gate = HelloGate::default();
            assert_eq!(gate.take(order[0]), None);
            let opened = gate.take(order[1]).expect("the hello is whole");
            assert_eq!(opened.profiles, [1, GCM_128]);
            assert_eq!(opened.held, [order[0].clone(), order[1].clone()]);
        }
    }

    #[test]
    fn what_is_no_hello_opens_the_gate_in_the_end() {
        let mut gate = HelloGate::default();
        for _ in 1..MAX_HELD {
            assert_eq!(gate.take(&[22, 0xfe, 0xff]), None);
        }
        let opened = gate.take(&[20; 40]).expect("the gate gives up");
        assert_eq!((opened.profiles, opened.held.len()), (vec![], MAX_HELD));
    }

    #[test]
    fn a_hello_that_is_cut_off_anywhere_never_panics() {
        let body = hello(&[1, GCM_128]);
        for length in 0..body.len() {
            profiles(&body[..length]);
            let cut = datagram(&body[..length], 0, length);
            for end in 0..cut.len() {
                HelloGate::default().take(&cut[..end]);
            }
        }
    }
}
