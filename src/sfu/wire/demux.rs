//! Whose is a datagram: by its first byte (RFC 7983), a STUN check's local user name fragment
//! (RFC 8445 7.3), the number of a check of ours that is answered, else the peer it comes from.
//!
//! Owns the tables. Decides nothing about the datagram's contents: a check is verified by the
//! connection it names, and only what that says of a peer is learned.
//!
//! A check can come with a false source address, and be replayed: it makes a claim. Who has answered
//! from there has proven it. What is proven is never lost to what is only claimed, however long it is
//! silent, and a claim is lost to the next: a client that has begun anew on the same socket, and one
//! whose address somebody else has claimed before, are heard at once. Nothing else that comes from an
//! address holds it or sets it free.
//! PURE: time is an argument.

use std::{collections::HashMap, time::Instant};

use super::transmit::Peer;

/// Peers remembered for one connection. A browser checks from each interface, family and relay, and by
/// TCP to each address of ours; thirty-two is beyond what any has shown.
const MAX_PEERS: usize = 32;
/// Names of one connection: its own, and the one before an ICE restart.
const MAX_NAMES: usize = 2;
/// Bytes of a check's number that tell whose it is: as many of its sender's user fragment.
pub(crate) const TAG: usize = 5;

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

/// The number of a check of ours that a STUN message answers, as far as it tells whose it is.
fn tag(stun: &[u8]) -> Option<[u8; TAG]> {
    stun.get(8..8 + TAG)?.try_into().ok()
}

/// Which connection (of type `C`) a datagram belongs to.
#[derive(Debug)]
pub struct Demux<C> {
    by_ufrag: HashMap<Box<str>, Named<C>>,
    by_tag: HashMap<[u8; TAG], C>,
    by_peer: HashMap<Peer, Learned<C>>,
    n_names: u64,
}

#[derive(Debug)]
struct Named<C> {
    connection: C,
    nth: u64,
}

#[derive(Debug)]
struct Learned<C> {
    connection: C,
    is_proven: bool,
    at: Instant,
}

impl<C> Default for Demux<C> {
    fn default() -> Self {
        let (by_ufrag, by_tag) = (HashMap::new(), HashMap::new());
        Self { by_ufrag, by_tag, by_peer: HashMap::new(), n_names: 0 }
    }
}

impl<C: Copy + PartialEq> Demux<C> {
    /// A connection is reachable by its ufrag from now on, and by the one before.
    pub fn insert(&mut self, ufrag: &str, connection: C) {
        self.n_names += 1;
        self.by_ufrag.insert(ufrag.into(), Named { connection, nth: self.n_names });
        if let Some(tag) = ufrag.as_bytes().first_chunk() {
            self.by_tag.insert(*tag, connection);
        }
        let of_it = || self.by_ufrag.iter().filter(|(_, named)| named.connection == connection);
        if of_it().count() > MAX_NAMES
            && let Some((oldest, _)) = of_it().min_by_key(|(_, named)| named.nth)
        {
            let oldest = oldest.clone();
            self.by_ufrag.remove(&oldest);
            if let Some(tag) = oldest.as_bytes().first_chunk() {
                self.by_tag.remove(tag);
            }
        }
    }

    /// A connection is gone; so are its names and peers.
    pub fn remove(&mut self, connection: C) {
        self.by_ufrag.retain(|_, named| named.connection != connection);
        self.by_tag.retain(|_, known| *known != connection);
        self.by_peer.retain(|_, learned| learned.connection != connection);
    }

    /// Whose a datagram is.
    #[inline]
    pub fn find(&self, from: Peer, class: Class, datagram: &[u8]) -> Option<C> {
        if class == Class::Stun {
            return match local_ufrag(datagram) {
                Some(ufrag) => self.by_ufrag.get(ufrag).map(|named| named.connection),
                None => self.by_tag.get(&tag(datagram)?).copied(),
            };
        }
        self.by_peer.get(&from).map(|learned| learned.connection)
    }

    /// Whether a check from this peer was accepted.
    pub fn knows(&self, peer: Peer) -> bool {
        self.by_peer.contains_key(&peer)
    }

    /// This peer is no more. Whose it was.
    pub fn forget(&mut self, peer: Peer) -> Option<C> {
        self.by_peer.remove(&peer).map(|learned| learned.connection)
    }

    /// `connection` has accepted a check from this peer, or has proven that its client is there: what
    /// else comes from there is its own. False if another connection's client is, as was proven.
    pub fn learn(&mut self, now: Instant, from: Peer, connection: C, is_proven: bool) -> bool {
        if let Some(learned) = self.by_peer.get_mut(&from) {
            if learned.connection == connection {
                learned.at = now;
                learned.is_proven |= is_proven;
                return true;
            }
            if learned.is_proven && !is_proven {
                return false;
            }
        }
        let own = |learned: &&Learned<C>| learned.connection == connection;
        if self.by_peer.values().filter(own).count() >= MAX_PEERS {
            let worst = self
                .by_peer
                .iter()
                .filter(|(_, learned)| own(learned))
                .min_by_key(|(_, learned)| (learned.is_proven, learned.at))
                .map(|(peer, _)| *peer);
            worst.map(|peer| self.by_peer.remove(&peer));
        }
        self.by_peer.insert(from, Learned { connection, is_proven, at: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

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

    fn peer(last: u8) -> Peer {
        SocketAddr::from(([192, 0, 2, last], 5000)).into()
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

    fn whose(demux: &Demux<u8>, last: u8) -> Option<u8> {
        demux.find(peer(last), Class::Media, &[])
    }

    #[test]
    fn a_claim_is_lost_to_the_next_and_a_proof_only_to_another() {
        let start = Instant::now();
        let mut demux = Demux::default();
        assert_eq!(whose(&demux, 1), None);
        // (connection, is it proven, is it believed)
        let steps = [
            (1, false, true),
            (2, false, true),
            (1, true, true),
            (2, false, false),
            (1, false, true),
            (2, true, true),
            (1, false, false),
        ];
        let mut owner = None;
        for (nth, (connection, is_proven, is_believed)) in (0u64..).zip(steps) {
            // A long silence sets nothing free: nobody has to talk to keep what is proven.
            let now = start + Duration::from_secs(60 * nth);
            let learned = demux.learn(now, peer(1), connection, is_proven);
            assert_eq!(learned, is_believed, "step {nth}");
            owner = if is_believed { Some(connection) } else { owner };
            assert_eq!(whose(&demux, 1), owner, "step {nth}");
        }
        assert!(demux.knows(peer(1)) && !demux.knows(peer(2)));
        assert_eq!((demux.forget(peer(2)), demux.forget(peer(1))), (None, Some(2)));
        assert!(!demux.knows(peer(1)) && whose(&demux, 1).is_none(), "it is no more");
        assert!(demux.learn(start, peer(1), 2, true));
        demux.remove(2);
        assert_eq!(whose(&demux, 1), None);
        assert!(demux.learn(start, peer(1), 1, false));
    }

    #[test]
    fn checks_go_by_name_and_answers_to_our_own_by_number() {
        let mut demux = Demux::default();
        demux.insert("twotwotwo", 2);
        demux.insert("oneoneone", 1);
        let check = stun(&[(USERNAME, b"twotwotwo:x")]);
        assert_eq!(demux.find(peer(1), Class::Stun, &check), Some(2));
        let mut answer = stun(&[]);
        answer[8..13].copy_from_slice(b"oneon");
        assert_eq!(demux.find(peer(1), Class::Stun, &answer), Some(1));
        answer[8] = b'x';
        assert_eq!(demux.find(peer(1), Class::Stun, &answer), None);
        demux.remove(2);
        assert_eq!(demux.find(peer(1), Class::Stun, &check), None);
    }

    #[test]
    fn ten_thousand_restarts_leave_two_names() {
        let mut demux = Demux::default();
        demux.insert("another", 2);
        for n in 0..10_000 {
            demux.insert(&format!("{n:05}name"), 1);
        }
        assert_eq!((demux.by_ufrag.len(), demux.by_tag.len()), (3, 3));
        let check = |name: &str| stun(&[(USERNAME, format!("{name}:x").as_bytes())]);
        let find = |name| demux.find(peer(1), Class::Stun, &check(name));
        assert_eq!(
            [find("09999name"), find("09998name"), find("09997name")],
            [Some(1), Some(1), None]
        );
        assert_eq!(find("another"), Some(2));
    }

    #[test]
    fn a_connection_keeps_its_newest_peers_only_and_those_that_are_proven() {
        let start = Instant::now();
        let mut demux = Demux::default();
        assert!(demux.learn(start, peer(200), 1, true));
        for last in 0..=MAX_PEERS as u8 {
            let now = start + Duration::from_secs(last.into());
            assert!(demux.learn(now, peer(last), 1, false));
        }
        assert_eq!(demux.by_peer.len(), MAX_PEERS);
        assert_eq!((whose(&demux, 0), whose(&demux, 200)), (None, Some(1)));
        // The fuzzer's: peers that were another's count like new ones.
        let later = start + Duration::from_secs(3600);
        for last in 100..110 {
            assert!(demux.learn(start, peer(last), 2, false));
            assert!(demux.learn(later, peer(last), 1, false));
        }
        assert_eq!(demux.by_peer.len(), MAX_PEERS);
    }
}
