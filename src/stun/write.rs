//! Writing a message behind what a buffer holds already.
//!
//! Owns the header's length: it is right after every attribute. Into a buffer that is used again and
//! again nothing is allocated.

use std::net::SocketAddr;

use super::{
    HEADER_LEN, Kind, MAGIC_COOKIE, TransactionId,
    attribute::{
        self, AttributeType, ERROR_CODE, FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256,
        UNKNOWN_ATTRIBUTES,
    },
    integrity::{self, Integrity},
};

/// The attributes came to more than a header's length can say; the buffer is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attributes of a STUN message came to more than 65,532 bytes")]
pub struct TooLong;

/// A message that is being written. Dropped unfinished it is neither signed nor marked.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
    /// Where the message begins.
    start: usize,
    id: TransactionId,
    is_too_long: bool,
}

impl<'b> Writer<'b> {
    /// Begins a message at the end of a buffer.
    pub fn new(out: &'b mut Vec<u8>, kind: Kind, id: TransactionId) -> Self {
        let start = out.len();
        out.extend_from_slice(&kind.bits().to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&id);
        Self { out, start, id, is_too_long: false }
    }

    /// An attribute by its bytes, padded with zeros.
    pub fn put(&mut self, kind: AttributeType, value: &[u8]) -> &mut Self {
        let padded = value.len().next_multiple_of(4);
        let body = self.out.len() - self.start - HEADER_LEN + 4 + padded;
        let (Ok(len), Ok(body)) = (u16::try_from(value.len()), u16::try_from(body)) else {
            self.is_too_long = true;
            return self;
        };
        self.out.extend_from_slice(&kind.0.to_be_bytes());
        self.out.extend_from_slice(&len.to_be_bytes());
        self.out.extend_from_slice(value);
        self.out.resize(self.out.len() + padded - value.len(), 0);
        self.out[self.start + 2..self.start + 4].copy_from_slice(&body.to_be_bytes());
        self
    }

    /// A number of 32 bits.
    pub fn put_u32(&mut self, kind: AttributeType, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// A number of 64 bits.
    pub fn put_u64(&mut self, kind: AttributeType, value: u64) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// An address in the clear. IPv4 in IPv6's clothes is written as IPv4.
    pub fn put_address(&mut self, kind: AttributeType, address: SocketAddr) -> &mut Self {
        let mut value = [0; attribute::MAX_ADDRESS_LEN];
        let len = attribute::put_address(canonical(address), &mut value);
        self.put(kind, &value[..len])
    }

    /// An address under the transaction's mask. IPv4 in IPv6's clothes is written as IPv4.
    pub fn put_xor_address(&mut self, kind: AttributeType, address: SocketAddr) -> &mut Self {
        let mut value = [0; attribute::MAX_ADDRESS_LEN];
        let masked = attribute::mask(canonical(address), &self.id);
        let len = attribute::put_address(masked, &mut value);
        self.put(kind, &value[..len])
    }

    /// ERROR-CODE: 300 to 699, and why in a few words (at most 127 characters count, 14.8).
    pub fn put_error(&mut self, code: u16, reason: &str) -> &mut Self {
        debug_assert!((300..700).contains(&code), "{code} is no error code");
        let end = reason.char_indices().nth(127).map_or(reason.len(), |(at, _)| at);
        let mut value = [0; 4 + 4 * 127];
        value[2] = (code / 100) as u8;
        value[3] = (code % 100) as u8;
        value[4..4 + end].copy_from_slice(&reason.as_bytes()[..end]);
        self.put(ERROR_CODE, &value[..4 + end])
    }

    /// UNKNOWN-ATTRIBUTES; the first sixteen are enough to tell what is wrong.
    pub fn put_unknown(&mut self, types: impl Iterator<Item = AttributeType>) -> &mut Self {
        let mut value = [0; 32];
        let mut len = 0;
        for (pair, kind) in value.chunks_exact_mut(2).zip(types) {
            pair.copy_from_slice(&kind.0.to_be_bytes());
            len += 2;
        }
        self.put(UNKNOWN_ATTRIBUTES, &value[..len])
    }

    /// Signs it and ends it with FINGERPRINT; how many bytes it has become.
    pub fn finish(mut self, integrity: Integrity<'_>) -> Result<usize, TooLong> {
        self.sign(integrity);
        let sum = integrity::fingerprint(self.message(), self.message().len());
        self.put_u32(FINGERPRINT, sum);
        self.end()
    }

    /// Signs it and ends it without FINGERPRINT, for a side that has sent none (RFC 8489 section 7: it
    /// may be one that does not know it).
    pub fn finish_bare(mut self, integrity: Integrity<'_>) -> Result<usize, TooLong> {
        self.sign(integrity);
        self.end()
    }

    fn message(&self) -> &[u8] {
        &self.out[self.start..]
    }

    fn sign(&mut self, integrity: Integrity<'_>) {
        if let Integrity::Sha1(key) | Integrity::Both(key) = integrity {
            let tag = integrity::sha1(self.message(), self.message().len(), key);
            self.put(MESSAGE_INTEGRITY, tag.as_ref());
        }
        if let Integrity::Sha256(key) | Integrity::Both(key) = integrity {
            let tag = integrity::sha256(self.message(), self.message().len(), key);
            self.put(MESSAGE_INTEGRITY_SHA256, tag.as_ref());
        }
    }

    fn end(self) -> Result<usize, TooLong> {
        if self.is_too_long {
            self.out.truncate(self.start);
            return Err(TooLong);
        }
        Ok(self.out.len() - self.start)
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    (address.ip().to_canonical(), address.port()).into()
}
