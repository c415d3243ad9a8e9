//! What is no message, and what a message does not say.

use crate::stun::{
    Class, Integrity, Kind, Malformed, Message, Method, TooLong, Writer,
    attribute::{
        self, AttributeType, DATA, ERROR_CODE, FINGERPRINT, MESSAGE_INTEGRITY,
        MESSAGE_INTEGRITY_SHA256, PRIORITY, SOFTWARE, USE_CANDIDATE, USERNAME, XOR_PEER_ADDRESS,
    },
    credential::PasswordAlgorithm,
};

const ID: [u8; 12] = [7; 12];

/// A message of raw attributes, its header's length right.
fn raw(attributes: &[(AttributeType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::request(Method::BINDING), ID);
    for (kind, value) in attributes {
        writer.put(*kind, value);
    }
    writer.finish_bare(Integrity::None).expect("it is short");
    out
}

fn with_len(mut bytes: Vec<u8>, len: u16) -> Vec<u8> {
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    bytes
}

#[test]
fn what_is_no_message_is_named() {
    let whole = raw(&[(USERNAME, b"ann")]);
    let mut other_cookie = whole.clone();
    other_cookie[4] = 0;
    let mut channel = whole.clone();
    channel[0] = 0x40;
    let mut long_attribute = whole.clone();
    long_attribute[23] = 5;
    let cases = [
        (Vec::new(), Malformed::NotStun),
        (whole[..19].to_vec(), Malformed::NotStun),
        (other_cookie, Malformed::NotStun),
        (channel, Malformed::NotStun),
        (whole[..24].to_vec(), Malformed::Length),
        ([&whole[..], &[0; 4]].concat(), Malformed::Length),
        (with_len([&whole[..], &[0; 2]].concat(), 10), Malformed::Length),
        (with_len([&whole[..], &[0; 2]].concat(), 6), Malformed::Length),
        (with_len(whole[..24].to_vec(), 4), Malformed::Attribute),
        (long_attribute, Malformed::Attribute),
        (raw(&[(MESSAGE_INTEGRITY, &[0; 16])]), Malformed::Integrity),
        (raw(&[(MESSAGE_INTEGRITY_SHA256, &[0; 12])]), Malformed::Integrity),
        (raw(&[(MESSAGE_INTEGRITY_SHA256, &[0; 36])]), Malformed::Integrity),
        (raw(&[(FINGERPRINT, &[0; 8])]), Malformed::Integrity),
        (raw(&[(FINGERPRINT, &[0; 4]), (USERNAME, b"eve")]), Malformed::AfterFingerprint),
        (raw(&[(FINGERPRINT, &[0; 4]), (FINGERPRINT, &[0; 4])]), Malformed::AfterFingerprint),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Message::parse(&bytes).err(), Some(expected), "{bytes:02x?}");
    }
    assert!(Message::parse(&whole).is_ok());
}

#[test]
fn a_stream_tells_a_messages_length_by_its_header() {
    let whole = raw(&[(USERNAME, b"ann")]);
    for len in 0..whole.len() {
        let expected = (len >= 20).then_some(28);
        assert_eq!(Message::len_of(&whole[..len]), Ok(expected), "{len} bytes");
    }
    for len in 1..20 {
        assert_eq!(Message::len_of(&[0x80; 20][..len]), Err(Malformed::NotStun), "{len} bytes");
    }
    assert_eq!(Message::len_of(b"\0\x01\0\0GET / HTTP/1.1"), Err(Malformed::NotStun));
    assert_eq!(Message::len_of(&with_len(whole, 7)), Err(Malformed::Length));
}

#[test]
fn what_follows_the_integrity_is_not_read() {
    let key = b"secret";
    for integrity in [Integrity::Sha1(key), Integrity::Sha256(key), Integrity::Both(key)] {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Kind::request(Method::BINDING), ID);
        writer.put(USERNAME, b"ann");
        let len = writer.finish_bare(integrity).expect("it is short");
        // Anybody on the way adds something, and a fingerprint over all of it.
        bytes.extend_from_slice(&[0, 0x25, 0, 0, 0x77, 0x77, 0, 0]);
        let body = (len + 8 - 20) as u16;
        let bytes = with_len(bytes, body);
        let message = Message::parse(&bytes).expect("it is well-formed");
        assert!(message.signed_by(key), "{integrity:?}");
        assert!(!message.has(USE_CANDIDATE), "{integrity:?}");
        assert_eq!(message.attributes().count(), 1, "{integrity:?}");
        assert_eq!(message.not_understood(&[USERNAME]).next(), None, "{integrity:?}");
    }
}

#[test]
fn sha256_decides_where_both_are_there_and_may_not_be_cut() {
    let mut bytes = Vec::new();
    let writer = Writer::new(&mut bytes, Kind::request(Method::BINDING), ID);
    writer.finish_bare(Integrity::Both(b"secret")).expect("it is short");
    let message = Message::parse(&bytes).expect("it is well-formed");
    assert!(message.has_sha1() && message.has_sha256() && message.signed_by(b"secret"));
    let mut sha1_broken = bytes.clone();
    sha1_broken[24] ^= 1;
    // The SHA-256 covers the SHA-1.
    assert!(!Message::parse(&sha1_broken).expect("well-formed").signed_by(b"secret"));
    let last = bytes.len() - 1;
    let mut sha256_broken = bytes.clone();
    sha256_broken[last] ^= 1;
    assert!(!Message::parse(&sha256_broken).expect("well-formed").signed_by(b"secret"));

    let mut whole = Vec::new();
    let writer = Writer::new(&mut whole, Kind::request(Method::BINDING), ID);
    writer.finish_bare(Integrity::Sha256(b"secret")).expect("it is short");
    let mut cut = with_len(whole[..whole.len() - 16].to_vec(), 20);
    cut[23] = 16;
    assert!(!Message::parse(&cut).expect("it is well-formed").signed_by(b"secret"));
    // SHA-1 behind SHA-256 is of no account, right or wrong.
    let mut swapped = whole.clone();
    swapped.extend_from_slice(&[0, 8, 0, 20]);
    swapped.extend_from_slice(&[0; 20]);
    let swapped = with_len(swapped, 36 + 24);
    let message = Message::parse(&swapped).expect("it is well-formed");
    assert!(!message.has_sha1() && message.signed_by(b"secret"));
    let unsigned = raw(&[(USERNAME, b"ann")]);
    assert!(!Message::parse(&unsigned).expect("it is well-formed").signed_by(b""));
}

#[test]
fn types_that_must_be_understood_are_told_from_others() {
    let bytes = raw(&[
        (USERNAME, b"ann"),
        (AttributeType(0x7777), b""),
        (SOFTWARE, b"x"),
        (AttributeType(0xffff), b""),
        (PRIORITY, &[0; 4]),
    ]);
    let message = Message::parse(&bytes).expect("it is well-formed");
    let unknown: Vec<_> = message.not_understood(&[USERNAME]).collect();
    assert_eq!(unknown, [AttributeType(0x7777), PRIORITY]);

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::error(Method::BINDING), ID);
    writer.put_error(420, "Unknown Attribute").put_unknown(unknown.into_iter());
    writer.finish(Integrity::None).expect("it is short");
    let answer = Message::parse(&out).expect("it is well-formed");
    assert_eq!(answer.kind().class, Class::Error);
    assert_eq!(answer.error_code(), Some((420, "Unknown Attribute")));
    let told: Vec<_> = answer.unknown_attributes().collect();
    assert_eq!(told, [AttributeType(0x7777), PRIORITY]);
}

#[test]
fn values_of_a_wrong_shape_are_none() {
    let id = ID;
    for value in [&[][..], &[0, 1, 0, 1, 1, 2, 3], &[0, 3, 0, 1, 1, 2, 3, 4], &[0, 2, 0, 1, 1, 2]] {
        assert_eq!(attribute::address(value), None, "{value:?}");
        assert_eq!(attribute::unmask(value, &id), None, "{value:?}");
    }
    for value in [&[][..], &[0, 0, 2, 0], &[0, 0, 7, 0], &[0, 0, 4, 100], &[0, 0, 4]] {
        let bytes = raw(&[(ERROR_CODE, value)]);
        assert_eq!(Message::parse(&bytes).expect("well-formed").error_code(), None, "{value:?}");
    }
    let bytes = raw(&[(PRIORITY, &[1, 2, 3]), (USERNAME, &[0xff]), (XOR_PEER_ADDRESS, &[1])]);
    let message = Message::parse(&bytes).expect("it is well-formed");
    assert_eq!((message.u32(PRIORITY), message.text(USERNAME)), (None, None));
    assert_eq!(message.xor_addresses(XOR_PEER_ADDRESS).collect::<Vec<_>>(), [None]);
    for value in [&[][..], &[0, 3, 0, 0], &[0, 1, 0, 4], &[0, 1], &[0, 2, 0, 0, 0]] {
        assert_eq!(PasswordAlgorithm::parse(value), None, "{value:?}");
    }
}

#[test]
fn what_is_too_long_leaves_the_buffer_as_it_was() {
    let mut out = b"before".to_vec();
    let kind = Kind::indication(Method::DATA);
    let mut writer = Writer::new(&mut out, kind, ID);
    writer.put(DATA, &vec![0; 65_529]);
    assert_eq!(writer.finish_bare(Integrity::None), Err(TooLong));
    assert_eq!(out, b"before");

    let mut writer = Writer::new(&mut out, kind, ID);
    writer.put(DATA, &vec![0; 65_528]);
    assert_eq!(writer.finish_bare(Integrity::None), Ok(20 + 65_532));
    assert!(Message::parse(&out[6..]).is_ok());
    let mut writer = Writer::new(&mut out, kind, ID);
    writer.put(DATA, &vec![0; 65_528]);
    assert_eq!(writer.finish(Integrity::None), Err(TooLong));
    assert_eq!(out.len(), 6 + 20 + 65_532);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::error(Method::ALLOCATE), ID);
    writer.put_error(699, &"\u{1f98a}".repeat(200));
    writer.finish(Integrity::None).expect("it is short");
    let message = Message::parse(&out).expect("it is well-formed");
    assert_eq!(message.error_code(), Some((699, &*"\u{1f98a}".repeat(127))));
}
