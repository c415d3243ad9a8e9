//! Whose is a datagram: by its first byte (RFC 7983), a STUN check's local user name fragment
//! (RFC 8445 7.3), else the address it comes from.
//!
//! Owns the two tables. Decides nothing about the datagram's contents: a check is verified by the
//! connection it names, and only after the connection has answered it is its address learned.
//! PURE: time is an argument.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Addresses remembered for one connection. A browser checks from each interface, family and relay;
/// sixteen is beyond what any has shown.
const MAX_ADDRESSES: usize = 16;

/// An address that was silent for this long may go over to another connection: the NAT has given
/// its port to somebody else. Until then a check from there with another connection's name (which a
/// member could forge with a false source address) takes nothing away. Browsers check consent at
/// least every 2.5 s.
const HOLD: Duration = Duration::from_secs(5);

/// RFC 8489 section 5.
const STUN_HEADER_LEN: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;

/// What the first byte says a datagram is (RFC 7983 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 0-3
    Stun,
    /// 20-63
    Dtls,
    /// 128-191: SRTP or SRTCP
    Media,
}

/// Tells STUN, DTLS and media apart; `None` is nothing we speak.
pub fn classify(datagram: &[u8]) -> Option<Class> {
    match *datagram.first()? {
        0..=3 => is_stun(datagram).then_some(Class::Stun),
        20..=63 => (datagram.len() >= 13).then_some(Class::Dtls),
        128..=191 => (datagram.len() >= 8).then_some(Class::Media),
        _ => None,
    }
}

fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= STUN_HEADER_LEN
        && datagram.len().is_multiple_of(4)
        && usize::from(u16::from_be_bytes([datagram[2], datagram[3]])) + STUN_HEADER_LEN
            == datagram.len()
        && datagram[4..8] == MAGIC_COOKIE
}

/// Our fragment in the USERNAME (`ours:theirs`) of a STUN message, where it has one.
pub fn local_ufrag(stun: &[u8]) -> Option<&str> {
    let mut rest = stun.get(STUN_HEADER_LEN..)?;
    while let [kind_high, kind_low, len_high, len_low, value @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        if u16::from_be_bytes([*kind_high, *kind_low]) == USERNAME {
            let name = std::str::from_utf8(value.get(..len)?).ok()?;
            return name.split_once(':').map(|(ours, _)| ours);
        }
        rest = value.get(len.next_multiple_of(4)..)?;
    }
    None
}

/// Which connection (of type `C`) a datagram belongs to.
#[derive(Debug)]
pub struct Demux<C> {
    by_ufrag: HashMap<Box<str>, C>,
    by_address: HashMap<SocketAddr, Learned<C>>,
}

#[derive(Debug)]
struct Learned<C> {
    connection: C,
    heard: Instant,
}

impl<C> Default for Demux<C> {
    fn default() -> Self {
        Self { by_ufrag: HashMap::new(), by_address: HashMap::new() }
    }
}

impl<C: Copy + PartialEq> Demux<C> {
    /// A connection is reachable by its ufrag from now on.
    pub fn insert(&mut self, ufrag: &str, connection: C) {
        self.by_ufrag.insert(ufrag.into(), connection);
    }

    /// A connection is gone; so are its names and addresses.
    pub fn remove(&mut self, connection: C) {
        self.by_ufrag.retain(|_, known| *known != connection);
        self.by_address.retain(|_, learned| learned.connection != connection);
    }

    /// Whose a datagram is. Hearing an address keeps it with its connection.
    pub fn find(
        &mut self,
        now: Instant,
        from: SocketAddr,
        class: Class,
        datagram: &[u8],
    ) -> Option<C> {
        if class == Class::Stun
            && let Some(ufrag) = local_ufrag(datagram)
        {
            return self.by_ufrag.get(ufrag).copied();
        }
        let learned = self.by_address.get_mut(&from)?;
        learned.heard = now;
        Some(learned.connection)
    }

    /// `connection` has accepted a check from this address: what else comes from there is its own.
    /// False if the address is another connection's that was heard within five seconds.
    pub fn learn(&mut self, now: Instant, from: SocketAddr, connection: C) -> bool {
        if let Some(learned) = self.by_address.get_mut(&from) {
            let held = now.saturating_duration_since(learned.heard) < HOLD;
            if learned.connection == connection {
                learned.heard = now;
                return true;
            }
            if held {
                return false;
            }
        }
        let own = |learned: &&Learned<C>| learned.connection == connection;
        if self.by_address.values().filter(own).count() >= MAX_ADDRESSES {
            let oldest = self
                .by_address
                .iter()
                .filter(|(_, learned)| own(learned))
                .min_by_key(|(_, learned)| learned.heard)
                .map(|(address, _)| *address);
            oldest.map(|address| self.by_address.remove(&address));
        }
        self.by_address.insert(from, Learned { connection, heard: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&(value.len() as u16).to_be_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = vec![0, 1];
        message.extend_from_slice(&(body.len() as u16).to_be_bytes());
        message.extend_from_slice(&MAGIC_COOKIE);
        message.extend_from_slice(&[7; 12]);
        message.extend_from_slice(&body);
        message
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 5000))
    }

    #[test]
    fn the_first_byte_and_the_shape_tell_the_class() {
        let mut bad_cookie = stun(&[]);
        bad_cookie[4] = 0;
        let mut bad_length = stun(&[]);
        bad_length[3] = 4;
        let cases: &[(&[u8], Option<Class>)] = &[
            (&[], None),
            (&[0], None),
            (&stun(&[]), Some(Class::Stun)),
            (&bad_cookie, None),
            (&bad_length, None),
            (&[20; 13], Some(Class::Dtls)),
            (&[63; 13], Some(Class::Dtls)),
            (&[22; 12], None),
            (&[64; 40], None),
            (&[127; 40], None),
            (&[128; 8], Some(Class::Media)),
            (&[191; 8], Some(Class::Media)),
            (&[192; 40], None),
            (&[255; 1500], None),
        ];
        for (datagram, class) in cases {
            assert_eq!(classify(datagram), *class, "{datagram:?}");
        }
    }

    #[test]
    fn our_fragment_is_found_wherever_it_stands_and_however_it_is_cut() {
        let cases: &[(Vec<u8>, Option<&str>)] = &[
            (stun(&[(USERNAME, b"ours:theirs")]), Some("ours")),
            (stun(&[(0x8022, b"abc"), (USERNAME, b"o:")]), Some("o")),
            (stun(&[(USERNAME, b":theirs")]), Some("")),
            (stun(&[(USERNAME, b"nocolon")]), None),
            (stun(&[(USERNAME, b"\xff\xff:x")]), None),
            (stun(&[]), None),
        ];
        for (message, ufrag) in cases {
            assert_eq!(local_ufrag(message), *ufrag, "{message:?}");
        }
        let whole = stun(&[(0x8022, b"abc"), (USERNAME, b"ours:theirs")]);
        for end in 0..whole.len() - 4 {
            assert_eq!(local_ufrag(&whole[..end]), None, "cut at {end}");
        }
        let mut lying = whole;
        lying[STUN_HEADER_LEN + 2] = 0xff;
        assert_eq!(local_ufrag(&lying), None);
    }

    #[test]
    fn an_address_goes_over_only_after_it_fell_silent() {
        let start = Instant::now();
        let mut demux = Demux::default();
        demux.insert("one", 1);
        demux.insert("two", 2);
        let check = stun(&[(USERNAME, b"two:x")]);
        assert_eq!(demux.find(start, address(1), Class::Stun, &check), Some(2));
        assert_eq!(demux.find(start, address(1), Class::Media, &[]), None);
        assert!(demux.learn(start, address(1), 1));
        let later = start + Duration::from_secs(4);
        assert_eq!(demux.find(later, address(1), Class::Media, &[]), Some(1));
        assert!(!demux.learn(start + Duration::from_secs(8), address(1), 2));
        assert_eq!(demux.find(later, address(1), Class::Dtls, &[]), Some(1));
        assert!(demux.learn(start + Duration::from_secs(20), address(1), 2));
        assert_eq!(demux.find(later, address(1), Class::Media, &[]), Some(2));
        demux.remove(2);
        assert_eq!(demux.find(later, address(1), Class::Media, &[]), None);
        assert_eq!(demux.find(later, address(1), Class::Stun, &check), None);
    }

    #[test]
    fn a_connection_keeps_its_newest_addresses_only() {
        let start = Instant::now();
        let mut demux = Demux::default();
        for last in 0..=MAX_ADDRESSES as u8 {
            assert!(demux.learn(start + Duration::from_secs(last.into()), address(last), 1));
        }
        assert_eq!(demux.by_address.len(), MAX_ADDRESSES);
        assert_eq!(demux.find(start, address(0), Class::Media, &[]), None);
        // The fuzzer's: addresses that were another's count like new ones.
        let later = start + Duration::from_secs(3600);
        for last in 100..110 {
            assert!(demux.learn(start, address(last), 2) && demux.learn(later, address(last), 1));
        }
        assert_eq!(demux.by_address.len(), MAX_ADDRESSES);
    }
}
