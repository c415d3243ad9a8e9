//! RFC 5769 and RFC 8489 appendix B: read, verified, and written to the same bytes.

use std::net::SocketAddr;

use super::hex;
use crate::stun::{
    Integrity, Kind, Message, Method, TransactionId, Writer,
    attribute::{
        AttributeType, ICE_CONTROLLED, NONCE, PASSWORD_ALGORITHM, PRIORITY, REALM, SOFTWARE,
        USERHASH, USERNAME, XOR_MAPPED_ADDRESS,
    },
    credential::{LongTermKey, PasswordAlgorithm, userhash},
};

const SHORT_TERM: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const ID: &str = "b7e7a701 bc34d686 fa87dfae";
const LONG_TERM_ID: &str = "78ad3433 c6ad72c0 29da412e";
const NAME: &str = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";

/// RFC 5769 2.1.
const REQUEST: &str = "00010058 2112a442 b7e7a701 bc34d686 fa87dfae
    80220010 5354554e 20746573 7420636c 69656e74
    00240004 6e0001ff
    80290008 932ff9b1 51263b36
    00060009 6576746a 3a683676 59202020
    00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
    80280004 e57a3bcf";

/// RFC 5769 2.2.
const IPV4_RESPONSE: &str = "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200008 0001a147 e112a643
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
    80280004 c07d4c96";

/// RFC 5769 2.3.
const IPV6_RESPONSE: &str = "01010048 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
    00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
    80280004 c8fb0b4c";

/// RFC 5769 2.4.
const LONG_TERM: &str = "00010060 2112a442 78ad3433 c6ad72c0 29da412e
    00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000
    0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341
    0014000b 6578616d 706c652e 6f726700
    00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

/// RFC 8489 B.1.
const LONG_TERM_SHA256: &str = "00010090 2112a442 78ad3433 c6ad72c0 29da412e
    001e0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704
    00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464 364f4c33 346f4c39 46535476
             79363473 41000000
    0014000b 6578616d 706c652e 6f726700
    001d0004 00020000
    001c0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65";

fn id(text: &str) -> TransactionId {
    hex(text).try_into().expect("twelve bytes")
}

/// What is written is what the RFC prints, but for padding: it prints blanks where we write zeros,
/// and integrity covers them.
fn write(kind: Kind, id: TransactionId, attributes: &[(AttributeType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, kind, id);
    for (kind, value) in attributes {
        writer.put(*kind, value);
    }
    writer.finish_bare(Integrity::None).expect("it is short");
    out
}

#[test]
fn a_request_with_short_term_credentials() {
    let bytes = hex(REQUEST);
    let message = Message::parse(&bytes).expect("it is well-formed");
    assert_eq!(message.kind(), Kind::request(Method::BINDING));
    assert_eq!(message.transaction_id(), id(ID));
    assert_eq!(message.text(SOFTWARE), Some("STUN test client"));
    assert_eq!(message.u32(PRIORITY), Some(0x6e00_01ff));
    assert_eq!(message.u64(ICE_CONTROLLED), Some(0x932f_f9b1_5126_3b36));
    assert_eq!(message.text(USERNAME), Some("evtj:h6vY"));
    assert_eq!(message.attributes().count(), 4, "integrity and fingerprint are not among them");
    assert!(message.signed_by(SHORT_TERM) && !message.signed_by(b"another"));
    assert_eq!(message.fingerprint(), Some(true));
}

#[test]
fn responses_tell_an_address() {
    let cases = [
        (IPV4_RESPONSE, "192.0.2.1:32853"),
        (IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ];
    for (text, expected) in cases {
        let bytes = hex(text);
        let address: SocketAddr = expected.parse().expect("an address");
        let message = Message::parse(&bytes).expect("it is well-formed");
        assert_eq!(message.kind(), Kind::success(Method::BINDING));
        assert_eq!(message.xor_address(XOR_MAPPED_ADDRESS), Some(address));
        assert!(message.signed_by(SHORT_TERM) && !message.signed_by(b""));
        assert_eq!(message.fingerprint(), Some(true));

        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Kind::success(Method::BINDING), id(ID));
        writer.put_xor_address(XOR_MAPPED_ADDRESS, address);
        writer.finish_bare(Integrity::None).expect("it is short");
        let end = bytes.len() - 24 - 8;
        assert_eq!(out[20..], bytes[end - (out.len() - 20)..end], "the attribute as printed");
    }
}

#[test]
fn a_request_with_long_term_credentials() {
    let bytes = hex(LONG_TERM);
    let message = Message::parse(&bytes).expect("it is well-formed");
    let (realm, nonce) = ("example.org", "f//499k954d6OL34oL9FSTvy64sA");
    assert_eq!(message.text(USERNAME), Some(NAME));
    assert_eq!((message.text(NONCE), message.text(REALM)), (Some(nonce), Some(realm)));
    let key = LongTermKey::new(PasswordAlgorithm::Md5, NAME.as_bytes(), realm, b"TheMatrIX");
    assert!(message.signed_by(key.as_bytes()));
    assert_eq!(message.fingerprint(), None);

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::request(Method::BINDING), id(LONG_TERM_ID));
    writer.put(USERNAME, NAME.as_bytes()).put(NONCE, nonce.as_bytes()).put(REALM, realm.as_bytes());
    assert_eq!(writer.finish_bare(Integrity::Sha1(key.as_bytes())), Ok(bytes.len()));
    assert_eq!(out, bytes);
}

#[test]
fn a_request_with_long_term_credentials_by_sha256() {
    let bytes = hex(LONG_TERM_SHA256);
    let message = Message::parse(&bytes).expect("it is well-formed");
    let (realm, nonce) = ("example.org", "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    assert_eq!(message.find(USERHASH), Some(&userhash(NAME, realm)[..]));
    assert_eq!((message.text(NONCE), message.text(REALM)), (Some(nonce), Some(realm)));
    let algorithm = message.find(PASSWORD_ALGORITHM).and_then(PasswordAlgorithm::parse);
    assert_eq!(algorithm, Some(PasswordAlgorithm::Sha256));
    let key = LongTermKey::new(PasswordAlgorithm::Sha256, NAME.as_bytes(), realm, b"TheMatrIX");
    assert!(message.signed_by(key.as_bytes()));

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Kind::request(Method::BINDING), id(LONG_TERM_ID));
    writer.put(USERHASH, &userhash(NAME, realm)).put(NONCE, nonce.as_bytes());
    writer.put(REALM, realm.as_bytes());
    writer.put(PASSWORD_ALGORITHM, &PasswordAlgorithm::Sha256.bytes());
    assert_eq!(writer.finish_bare(Integrity::Sha256(key.as_bytes())), Ok(bytes.len()));
    assert_eq!(out, bytes);
}

#[test]
fn a_fingerprint_is_written_as_printed() {
    let bytes = hex(REQUEST);
    let message = Message::parse(&bytes).expect("it is well-formed");
    let attributes: Vec<_> = message.attributes().collect();
    let ours = write(message.kind(), message.transaction_id(), &attributes);
    // The printed one up to its integrity, its padding made ours and its length.
    let mut printed = bytes[..76].to_vec();
    printed[3] = 56;
    printed[73..76].fill(0);
    assert_eq!(ours, printed);

    // CRC and HMAC over the printed bytes, blanks and all, through the reader.
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let Ok(message) = Message::parse(&changed) else { continue };
        assert_ne!(message.fingerprint(), Some(true), "byte {at}");
        let is_covered = at < 100;
        assert!(!is_covered || !message.signed_by(SHORT_TERM), "byte {at}");
    }
}
