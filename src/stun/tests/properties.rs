//! Over random messages: what is written is read, and no change of a bit goes unseen.

use std::net::SocketAddr;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::stun::{
    Class, Integrity, Kind, Message, Method, Writer,
    attribute::{AttributeType, XOR_PEER_ADDRESS},
};

fn kind(rng: &mut StdRng) -> Kind {
    let class = [Class::Request, Class::Indication, Class::Success, Class::Error];
    Kind { method: Method::new(rng.random()), class: class[rng.random_range(0..4)] }
}

fn address(rng: &mut StdRng) -> SocketAddr {
    let port = rng.random();
    if rng.random() {
        (rng.random::<[u8; 4]>(), port).into()
    } else {
        // The first byte keeps it out of what stands for IPv4.
        let mut ip = rng.random::<[u8; 16]>();
        ip[0] |= 0x20;
        (ip, port).into()
    }
}

/// Attributes that are neither integrity nor fingerprint.
fn attributes(rng: &mut StdRng) -> Vec<(AttributeType, Vec<u8>)> {
    let n = rng.random_range(0..8);
    let one = |_| {
        let len = rng.random_range(0..40);
        let value = (0..len).map(|_| rng.random()).collect();
        (AttributeType(rng.random_range(0x30..0x8000)), value)
    };
    (0..n).map(one).collect()
}

#[test]
fn every_kind_survives_its_bits() {
    for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
        for number in 0..0x1000 {
            let kind = Kind { method: Method::new(number), class };
            assert_eq!(Kind::from_bits(kind.bits()), kind);
            assert_eq!(kind.bits() & 0xc000, 0, "the first two bits are STUN's mark");
            assert_eq!(kind.method.number(), number);
        }
    }
    // RFC 8489 section 5's example, and TURN's indications.
    assert_eq!(Kind::success(Method::BINDING).bits(), 0x0101);
    assert_eq!(Kind::indication(Method::SEND).bits(), 0x0016);
    assert_eq!(Kind::indication(Method::DATA).bits(), 0x0017);
    assert_eq!(Kind::error(Method::ALLOCATE).bits(), 0x0113);
}

#[test]
fn what_is_written_is_read() {
    let mut rng = StdRng::seed_from_u64(8489);
    for _ in 0..2_000 {
        let (kind, id, address) = (kind(&mut rng), rng.random(), address(&mut rng));
        let attributes = attributes(&mut rng);
        let key: [u8; 16] = rng.random();
        let mut out = vec![0xee; rng.random_range(0..5)];
        let before = out.clone();
        let mut writer = Writer::new(&mut out, kind, id);
        for (kind, value) in &attributes {
            writer.put(*kind, value);
        }
        writer.put_xor_address(XOR_PEER_ADDRESS, address);
        let integrity = match rng.random_range(0..4) {
            0 => Integrity::None,
            1 => Integrity::Sha1(&key),
            2 => Integrity::Sha256(&key),
            _ => Integrity::Both(&key),
        };
        let with_fingerprint = rng.random();
        let len =
            if with_fingerprint { writer.finish(integrity) } else { writer.finish_bare(integrity) };
        assert_eq!(len, Ok(out.len() - before.len()));
        assert_eq!(out[..before.len()], before);

        let bytes = &out[before.len()..];
        let message = Message::parse(bytes).expect("we wrote it");
        assert_eq!((message.kind(), message.transaction_id()), (kind, id));
        let read: Vec<_> = message.attributes().collect();
        let expected = attributes.iter().map(|(kind, value)| (*kind, &**value));
        assert!(read[..attributes.len()].iter().copied().eq(expected));
        assert_eq!(read.len(), attributes.len() + 1);
        assert_eq!(message.xor_address(XOR_PEER_ADDRESS), Some(address));
        assert_eq!(message.signed_by(&key), !matches!(integrity, Integrity::None));
        assert_eq!(message.fingerprint(), with_fingerprint.then_some(true));
        assert_eq!(Message::len_of(bytes), Ok(Some(bytes.len())));
    }
}

#[test]
fn no_changed_bit_is_authentic() {
    let mut rng = StdRng::seed_from_u64(5769);
    for _ in 0..60 {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, kind(&mut rng), rng.random());
        for (kind, value) in attributes(&mut rng) {
            writer.put(kind, &value);
        }
        let key: [u8; 16] = rng.random();
        let integrity = if rng.random() { Integrity::Sha1(&key) } else { Integrity::Sha256(&key) };
        writer.finish(integrity).expect("it is short");
        for bit in 0..out.len() * 8 {
            out[bit / 8] ^= 1 << (bit % 8);
            if let Ok(message) = Message::parse(&out) {
                // Behind the integrity only the fingerprint stands, which is checked by itself.
                let is_covered = bit / 8 < out.len() - 8;
                assert!(!is_covered || !message.signed_by(&key), "bit {bit}");
                assert_ne!(message.fingerprint(), Some(true), "bit {bit}");
            }
            out[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn an_address_in_ipv6s_clothes_is_written_as_ipv4() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::success(Method::BINDING), [1; 12]);
    let address: SocketAddr = "[::ffff:192.0.2.1]:7".parse().expect("an address");
    writer.put_xor_address(XOR_PEER_ADDRESS, address);
    writer.put_address(AttributeType(0x7001), address);
    writer.finish_bare(Integrity::None).expect("it is short");
    let message = Message::parse(&out).expect("we wrote it");
    let expected: SocketAddr = "192.0.2.1:7".parse().expect("an address");
    assert_eq!(message.xor_address(XOR_PEER_ADDRESS), Some(expected));
    let clear = message.find(AttributeType(0x7001)).and_then(crate::stun::attribute::address);
    assert_eq!(clear, Some(expected));
}

#[test]
fn reading_survives_random_bytes() {
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let len = rng.random_range(0..120);
        let mut bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        if let [first, _, high, low, a, b, c, d, ..] = &mut bytes[..] {
            *first &= 0x3f;
            [*a, *b, *c, *d] = crate::stun::MAGIC_COOKIE;
            [*high, *low] = ((len as u16).saturating_sub(20) & !3).to_be_bytes();
        }
        crate::stun::fuzzing::stun(&bytes);
    }
}
