//! The door for fuzzing.

use super::{
    HEADER_LEN, Integrity, Message, Writer,
    attribute::{self, AttributeType, FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256},
};

const KEY: &[u8] = b"a key that no input knows";

/// A message is read to its end without a panic, its attributes lie inside it, what was not signed is
/// not taken for authentic; and written anew it says the same.
pub fn stun(bytes: &[u8]) {
    let len = Message::len_of(bytes);
    let Ok(message) = Message::parse(bytes) else { return };
    assert_eq!(len, Ok(Some(bytes.len())));
    assert!(message.has_sha1() || message.has_sha256() || !message.signed_by(KEY));
    let _ = (message.error_code(), message.fingerprint());
    let inside = bytes.as_ptr_range();
    let mut total = HEADER_LEN;
    for (kind, value) in message.attributes() {
        total += 4 + value.len().next_multiple_of(4);
        let range = value.as_ptr_range();
        assert!(inside.start <= range.start && range.end <= inside.end);
        assert!(![MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, FINGERPRINT].contains(&kind));
        let clear = attribute::address(value);
        let masked = attribute::unmask(value, &message.transaction_id());
        assert_eq!(clear.is_some(), masked.is_some());
        assert!(message.has(kind));
    }
    assert!(total <= bytes.len());
    let unknown = message.not_understood(&[]).count();
    assert!(unknown <= message.attributes().count());
    written_anew(&message);
}

fn written_anew(message: &Message<'_>) {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, message.kind(), message.transaction_id());
    for (kind, value) in message.attributes() {
        match attribute::unmask(value, &message.transaction_id()) {
            // Canonical addresses come back as they were; others are other bytes that say the same.
            Some(address) if address.ip() == address.ip().to_canonical() => {
                writer.put_xor_address(kind, address);
            }
            _ => {
                writer.put(kind, value);
            }
        }
    }
    // What was as long as can be has no room for a fingerprint.
    let Ok(len) = writer.finish(Integrity::Both(KEY)) else { return };
    let again = Message::parse(&out).expect("we wrote it");
    assert_eq!(len, out.len());
    assert_eq!((again.kind(), again.transaction_id()), (message.kind(), message.transaction_id()));
    assert!(again.signed_by(KEY) && again.fingerprint() == Some(true));
    let types = |message: &Message<'_>| -> Vec<AttributeType> {
        message.attributes().map(|(kind, _)| kind).collect()
    };
    assert_eq!(types(&again), types(message));
    let len_of = |message: &Message<'_>| -> usize {
        message.attributes().map(|(_, value)| value.len()).sum()
    };
    assert_eq!(len_of(&again), len_of(message));
}
