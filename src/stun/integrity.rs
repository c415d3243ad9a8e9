//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT (RFC 8489 14.5 to 14.7).
//!
//! Each covers the message up to itself, under a header whose length ends with it.

use std::ops::RangeInclusive;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use crc::{CRC_32_ISO_HDLC, Crc};

use super::HEADER_LEN;

pub(super) const SHA1_LEN: usize = 20;
/// It may be cut to no less than half (14.6), where a usage of STUN allows that. Neither ICE nor TURN
/// does, so one that was cut is well-formed and wrong.
pub(super) const SHA256_LENS: RangeInclusive<usize> = 16..=SHA256_LEN;
pub(super) const SHA256_LEN: usize = 32;

/// What FINGERPRINT adds to its sum, so that it is not mistaken for another protocol's (14.7).
const FINGERPRINT_MASK: u32 = 0x5354_554e;

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// How a message is to be signed.
#[derive(Debug, Clone, Copy)]
pub enum Integrity<'k> {
    /// Not at all.
    None,
    /// MESSAGE-INTEGRITY with this key.
    Sha1(&'k [u8]),
    /// MESSAGE-INTEGRITY-SHA256 with this key.
    Sha256(&'k [u8]),
    /// Both: a first request cannot know which of them the other side knows (9.1.2).
    Both(&'k [u8]),
}

/// The first two words of a header whose attributes end `value_len` bytes behind an attribute's head
/// at `at`.
fn head(bytes: &[u8], at: usize, value_len: usize) -> [u8; 4] {
    let len = (at + 4 + value_len - HEADER_LEN) as u16;
    let [high, low] = len.to_be_bytes();
    [bytes[0], bytes[1], high, low]
}

fn hmac(
    algorithm: hmac::Algorithm,
    bytes: &[u8],
    at: usize,
    value_len: usize,
    key: &[u8],
) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    context.update(&head(bytes, at, value_len));
    context.update(&bytes[4..at]);
    context.sign()
}

/// HMAC-SHA1 of what stands before `at`.
pub(super) fn sha1(bytes: &[u8], at: usize, key: &[u8]) -> hmac::Tag {
    hmac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, bytes, at, SHA1_LEN, key)
}

/// HMAC-SHA256 of what stands before `at`.
pub(super) fn sha256(bytes: &[u8], at: usize, key: &[u8]) -> hmac::Tag {
    hmac(hmac::HMAC_SHA256, bytes, at, SHA256_LEN, key)
}

/// CRC-32 of what stands before `at`, masked.
pub(super) fn fingerprint(bytes: &[u8], at: usize) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&head(bytes, at, 4));
    digest.update(&bytes[4..at]);
    digest.finalize() ^ FINGERPRINT_MASK
}

/// In constant time, as with [`is_sha256`].
pub(super) fn is_sha1(bytes: &[u8], at: usize, key: &[u8]) -> bool {
    let value = &bytes[at + 4..at + 4 + SHA1_LEN];
    verify_slices_are_equal(sha1(bytes, at, key).as_ref(), value).is_ok()
}

pub(super) fn is_sha256(bytes: &[u8], at: usize, key: &[u8]) -> bool {
    let len = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    let value = &bytes[at + 4..at + 4 + len];
    verify_slices_are_equal(sha256(bytes, at, key).as_ref(), value).is_ok()
}

pub(super) fn is_fingerprint(bytes: &[u8], at: usize) -> bool {
    bytes[at + 4..at + 8] == fingerprint(bytes, at).to_be_bytes()
}
