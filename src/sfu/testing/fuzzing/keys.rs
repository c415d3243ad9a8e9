//! SRTP: what a peer without the key, or with an old packet, brings about. And a peer that has it.

use std::collections::HashSet;

use bytes::Bytes;

use super::Input;
use crate::sfu::{
    link::srtp::{Inbound, MAX_OVERHEAD, MAX_SOURCES, Profile, Refusal, Srtp},
    wire::rtp::Header,
};

/// Keying material (RFC 5764 4.2), always the same.
pub(crate) fn keying(profile: Profile) -> Vec<u8> {
    (0..profile.keying_len()).map(|at| at as u8).collect()
}

/// One who has the keys of the DTLS client.
pub(crate) struct Peer {
    seals: Srtp,
    opens: Inbound,
}

impl Peer {
    pub(crate) fn new(profile: Profile) -> Self {
        let own = keying(profile);
        // What we seal with, it opens with: keys and salts change places.
        let (keys, salts) = own.split_at(32);
        let (client_salt, server_salt) = salts.split_at(salts.len() / 2);
        let swapped = [&keys[16..], &keys[..16], server_salt, client_salt].concat();
        let seals = Srtp::new(profile, &swapped).expect("the length is the profile's");
        let opens = Inbound::new(profile, &swapped).expect("the length is the profile's");
        Self { seals, opens }
    }

    /// Payload type and payload of a packet that was sealed for it.
    pub(crate) fn open(&mut self, sealed: &[u8]) -> (u8, Bytes) {
        let header = Header::parse(sealed).expect("a whole header");
        let opened = self.opens.open(header.ssrc, header.sequence, header.length, sealed);
        (header.payload_type, opened.expect("it was sealed for this peer").payload)
    }

    /// Seals a packet whose header must be whole; `rollover` is the counter of its source.
    pub(crate) fn rtp(&self, packet: &[u8], rollover: u16) -> Option<Vec<u8>> {
        let header = Header::parse(packet)?;
        let index = u64::from(rollover) << 16 | u64::from(header.sequence);
        let mut out = packet.to_vec();
        out.resize(packet.len() + MAX_OVERHEAD, 0);
        let body = &packet[header.length..];
        let length =
            self.seals.seal_rtp((header.ssrc, index), header.length, &[], body, &mut out)?;
        out.truncate(length);
        Some(out)
    }

    /// Seals a compound packet of at least 8 bytes.
    pub(crate) fn rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        let ssrc = u32::from_be_bytes(*compound.get(4..)?.first_chunk()?);
        let mut out = compound.to_vec();
        out.resize(compound.len() + MAX_OVERHEAD, 0);
        let length = self.seals.seal_rtcp(ssrc, compound.len(), &mut out)?;
        out.truncate(length);
        Some(out)
    }
}

/// What was sealed is opened, once, as it was; what was changed or made up is not.
pub fn srtp(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let profile = if input.byte() & 1 == 0 { Profile::Gcm } else { Profile::Cm };
    let mut peer = Peer::new(profile);
    let mut inbound = Inbound::new(profile, &keying(profile)).expect("the profile's length");
    let mut own = Srtp::new(profile, &keying(profile)).expect("the profile's length");
    let mut opened = HashSet::new();
    let mut newest: [Option<u64>; 4] = [None; 4];
    let mut n_crowd = 0;
    while !input.is_empty() {
        match input.byte() % 7 {
            0..=2 => rtp(&mut input, &peer, &mut inbound, &mut opened, &mut newest),
            3 => rtcp(&mut input, &mut peer, &mut own),
            4 => {
                let forged = input.long_chunk();
                if let Some(header) = Header::parse(forged) {
                    let refusal = inbound.open(header.ssrc, header.sequence, header.length, forged);
                    assert!(refusal.is_err());
                }
            }
            6 => {
                let n_known = newest.iter().flatten().count();
                for _ in 0..input.byte() {
                    n_crowd += crowd(&peer, &mut inbound, n_crowd, n_known);
                }
            }
            _ => {
                let forged = input.long_chunk();
                assert!(own.open_rtcp(forged, &mut [0; 1500]).is_none());
            }
        }
    }
}

/// One more source is taken, up to the most that a connection may have beside those that are looked
/// at; 1 if so.
fn crowd(peer: &Peer, inbound: &mut Inbound, n_crowd: u32, n_known: usize) -> u32 {
    if n_crowd as usize + n_known >= MAX_SOURCES {
        return 0;
    }
    let ssrc = 0x1000 + n_crowd;
    let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 0];
    packet.extend(ssrc.to_be_bytes());
    let sealed = peer.rtp(&packet, 0).expect("a whole header");
    assert!(inbound.open(ssrc, 1, 12, &sealed).is_ok(), "{n_crowd} sources");
    1
}

/// A packet of one of four sources, of an index near that source's newest, perhaps changed on the
/// way, and then once more.
fn rtp(
    input: &mut Input<'_>,
    peer: &Peer,
    inbound: &mut Inbound,
    opened: &mut HashSet<(u32, u64)>,
    newest: &mut [Option<u64>; 4],
) {
    let source = usize::from(input.byte() & 3);
    let step = i64::from(input.word() as i16);
    let index = match newest[source] {
        None => u64::from(step as u16),
        Some(newest) => newest.saturating_add_signed(step),
    };
    let mut packet = vec![0x80, 96];
    packet.extend((index as u16).to_be_bytes());
    packet.extend([0; 4]);
    packet.extend((source as u32).to_be_bytes());
    let body = input.chunk();
    packet.extend(body);
    let Some(mut sealed) = peer.rtp(&packet, (index >> 16) as u16) else { return };
    let (changed_at, bits) = (usize::from(input.byte()), input.byte());
    let open = |inbound: &mut Inbound, sealed: &[u8]| {
        inbound.open(source as u32, index as u16, 12, sealed)
    };
    // Header fields that are passed on beside the packet are not changed: sequence and source.
    let is_changeable = !(2..4).contains(&changed_at) && !(8..12).contains(&changed_at);
    if is_changeable && bits != 0 && changed_at < sealed.len() {
        sealed[changed_at] ^= bits;
        assert!(open(inbound, &sealed).is_err(), "a change was not noticed");
        sealed[changed_at] ^= bits;
    }
    let was_opened = opened.contains(&(source as u32, index));
    match open(inbound, &sealed) {
        Ok(packet) => {
            assert!(!was_opened, "opened twice");
            assert_eq!((packet.index, &packet.payload[..]), (index, body));
            opened.insert((source as u32, index));
            newest[source] = newest[source].max(Some(index));
        }
        Err(Refusal::Replayed) => {
            let newest = newest[source].expect("a new source has seen nothing");
            assert!(was_opened || newest - index > 960, "{index} was refused at {newest}");
        }
        Err(refusal) => panic!("{refusal:?}"),
    }
    assert!(open(inbound, &sealed).is_err(), "a replay was opened");
}

fn rtcp(input: &mut Input<'_>, peer: &mut Peer, own: &mut Srtp) {
    let compound = input.long_chunk();
    let Some(mut sealed) = peer.rtcp(compound) else { return };
    let mut buffer = [0; 1500];
    let (changed_at, bits) = (usize::from(input.byte()), input.byte());
    if bits != 0 && changed_at < sealed.len() {
        sealed[changed_at] ^= bits;
        assert_eq!(own.open_rtcp(&sealed, &mut buffer), None, "a change was not noticed");
        sealed[changed_at] ^= bits;
    }
    let expected = Some(compound).filter(|_| sealed.len() <= buffer.len());
    assert_eq!(own.open_rtcp(&sealed, &mut buffer), expected);
    assert_eq!(own.open_rtcp(&sealed, &mut buffer), None, "a replay was opened");
}
