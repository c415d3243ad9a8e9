//! What is read before anything is known to be authentic: first bytes, STUN, RTP headers, payloads.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::Input;
use crate::{
    sfu::{
        link::{
            credentials::IceCredentials,
            ice::{Checked, Ice},
        },
        media::{
            packet::Codec,
            payload::{begins_keyframe, height},
            red,
        },
        wire::{
            demux::{Class, Demux, classify, local_ufrag},
            rtp::Header,
        },
    },
    stun::{
        Integrity, Kind, Method, Writer,
        attribute::{self, AttributeType},
    },
};

/// Nothing was sent.
pub(crate) const NOBODY: [(SocketAddr, Vec<u8>); 0] = [];

/// Where the peer is.
pub(crate) const CLIENT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 1);

/// Ours, always the same.
pub(crate) fn credentials() -> IceCredentials {
    IceCredentials::from_random([7; 32])
}

/// A check that nominates, by one who knows the password.
pub(crate) fn check(local: &IceCredentials) -> Vec<u8> {
    authentic(local, &[(attribute::USE_CANDIDATE, &[])]).expect("it can be signed")
}

/// `None` where they are more than a message holds.
fn authentic(local: &IceCredentials, attributes: &[(AttributeType, &[u8])]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::request(Method::BINDING), [9; 12]);
    writer.put(attribute::USERNAME, format!("{}:theirs", local.ufrag).as_bytes());
    attributes.iter().for_each(|(kind, value)| {
        writer.put(*kind, value);
    });
    writer.finish(Integrity::Sha1(local.pwd.as_bytes())).ok()?;
    Some(out)
}

/// First byte, user name fragment, and the tables: what was removed is never found, an address of
/// one connection is not another's, and a connection remembers thirty-two at most.
pub fn demux(bytes: &[u8]) {
    if let Some(class) = classify(bytes) {
        let expected = match bytes[0] {
            0..=3 => Class::Stun,
            20..=63 => Class::Dtls,
            _ => Class::Media,
        };
        assert_eq!(class, expected);
    }
    if let Some(ufrag) = local_ufrag(bytes) {
        let is_part = |part: &[u8]| part == ufrag.as_bytes();
        assert!(ufrag.is_empty() || bytes.windows(ufrag.len()).any(is_part));
    }
    let mut input = Input::new(bytes);
    let mut demux = Demux::<u8>::default();
    let mut alive = [false; 4];
    let mut owners: HashMap<SocketAddr, u8> = HashMap::new();
    let mut now = Instant::now();
    while !input.is_empty() {
        let kind = input.byte();
        let connection = kind >> 3 & 3;
        let from = SocketAddr::from(([192, 0, 2, 1], input.byte().into()));
        match kind & 7 {
            0 => {
                demux.insert(&format!("name{connection}"), connection);
                alive[usize::from(connection)] = true;
            }
            1 => {
                demux.remove(connection);
                alive[usize::from(connection)] = false;
                owners.retain(|_, owner| *owner != connection);
            }
            2 | 3 if alive[usize::from(connection)] => {
                let is_proven = kind & 1 == 1;
                if demux.learn(now, from.into(), connection, is_proven) {
                    owners.insert(from, connection);
                } else {
                    assert!(!is_proven && owners.get(&from).is_some_and(|o| *o != connection));
                }
            }
            4 => {
                let found = demux.find(from.into(), Class::Media, &[]);
                assert!(found.is_none_or(|found| owners.get(&from) == Some(&found)));
                assert!(found.is_none_or(|found| alive[usize::from(found)]));
            }
            5 => {
                let found = demux.find(from.into(), Class::Stun, input.chunk());
                assert!(found.is_none_or(|found| alive[usize::from(found)]));
            }
            _ => now += Duration::from_millis(input.word().into()),
        }
    }
    for connection in 0..4 {
        let own = owners.iter().filter(|(_, owner)| **owner == connection);
        let n_found =
            own.filter(|(at, _)| demux.find((**at).into(), Class::Media, &[]).is_some()).count();
        assert!(n_found <= 32, "{n_found} addresses of one connection");
    }
}

/// An RTP header: all that it says lies within the packet.
pub fn rtp(bytes: &[u8]) {
    let Some(header) = Header::parse(bytes) else { return };
    assert!((12..=bytes.len()).contains(&header.length));
    let range = bytes.as_ptr_range();
    let mut n_bytes = 0;
    for (id, value) in header.extensions() {
        let inside = value.as_ptr_range();
        assert!(
            inside.start >= range.start && inside.end <= range.start.wrapping_add(header.length)
        );
        n_bytes += 1 + value.len();
        assert!(header.extension(id).is_some());
    }
    assert!(n_bytes <= 512);
    let payload = &bytes[header.length..];
    match header.without_padding(payload) {
        Some(length) if header.is_padded => {
            assert_eq!(payload.len() - length, usize::from(payload[payload.len() - 1]));
        }
        Some(length) => assert_eq!(length, payload.len()),
        None => assert!(header.is_padded),
    }
}

/// Keyframes and heights: no frame is begun by nothing, only a keyframe has a height, and what is
/// said of a packet is said of all that is longer.
pub fn payload(bytes: &[u8]) {
    let redundant = Bytes::copy_from_slice(bytes);
    for opus in [red::OPUS, 96] {
        let Some((payload, primary)) = red::open(redundant.clone(), opus) else { continue };
        assert!(payload.len() == bytes.len() && usize::from(primary) < payload.len());
        assert_eq!(red::open(payload.clone(), red::OPUS), Some((payload, primary)));
    }
    for codec in Codec::VIDEO.into_iter().chain([Codec::Opus]) {
        let begins = begins_keyframe(codec, bytes);
        let lines = height(codec, bytes);
        assert!(!begins || (codec != Codec::Opus && !bytes.is_empty()));
        assert!(lines.is_none() || begins);
        // What AV1's last element says depends on the packet's end.
        if codec == Codec::Av1 {
            continue;
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(!begins || begins_keyframe(codec, &longer));
        assert!(lines.is_none() || height(codec, &longer) == lines);
    }
}

/// STUN: raw bytes are not answered; attributes of one who knows the password are, to where it is,
/// with what is no longer than a few times the request; and media goes nowhere before anybody has
/// answered from there.
pub fn ice(bytes: &[u8]) {
    let local = credentials();
    let mut ice = Ice::new(local.clone(), [3; 32]);
    ice.set_remote(IceCredentials::from_random([5; 32]));
    let now = Instant::now() + Duration::from_secs(3600);
    let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
    // The fuzzer cannot make an HMAC.
    assert_eq!(ice.handle(now, CLIENT.into(), bytes, &mut out), Checked::Ignored);
    assert!(out.is_empty() && ice.pairs.towards().is_none());
    let mut input = Input::new(bytes);
    while !input.is_empty() {
        let port = u16::from(input.byte());
        let mut attributes: Vec<(AttributeType, &[u8])> = Vec::new();
        for _ in 0..input.byte() % 12 {
            attributes.push((AttributeType(input.word()), input.chunk()));
        }
        let from = SocketAddr::from(([192, 0, 2, 9], port));
        let Some(request) = authentic(&local, &attributes) else { continue };
        let checked = ice.handle(now, from.into(), &request, &mut out);
        match out.first() {
            Some((to, reply)) => {
                assert_ne!(checked, Checked::Ignored);
                assert!(*to == from && reply.len() <= 128);
                assert_eq!(classify(reply), Some(Class::Stun));
            }
            None => assert_eq!(checked, Checked::Ignored),
        }
        // A check of ours may follow.
        let n_bytes: usize = out.drain(..).map(|(_, datagram)| datagram.len()).sum();
        assert!(n_bytes <= 3 * request.len().max(100), "{n_bytes} for {}", request.len());
        assert!(checked != Checked::Valid || ice.pairs.knows(from.into()));
        assert!(ice.pairs.towards().is_none_or(|route| route.peer.address.ip() == from.ip()));
        assert_eq!(ice.pairs.route(), None);
    }
}
