//! Reading a message where it lies.
//!
//! Owns the walk over the attributes, done once when a message is parsed: after it every length has
//! been checked, and what follows can neither fail nor panic.

use std::net::SocketAddr;

use super::{
    HEADER_LEN, Kind, MAGIC_COOKIE, TransactionId,
    attribute::{
        self, AttributeType, ERROR_CODE, FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256,
    },
    integrity,
};

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No header: too short, the first two bits set, or no magic cookie.
    #[error("it has no header of STUN")]
    NotStun,
    /// The header's length is no multiple of four, or not what follows it.
    #[error("it is longer or shorter than its header says")]
    Length,
    /// An attribute is longer than what is left.
    #[error("an attribute is longer than the message")]
    Attribute,
    /// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 or FINGERPRINT has a length that it cannot have.
    #[error("its integrity or fingerprint has a wrong length")]
    Integrity,
    /// Something follows FINGERPRINT, which is the last (RFC 8489 14.7).
    #[error("something follows its fingerprint")]
    AfterFingerprint,
}

/// A well-formed message; nothing of it is authentic before [`Message::signed_by`] has said so.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where the attributes end that count: at the first of those below, else where the message ends.
    end: usize,
    /// Where MESSAGE-INTEGRITY begins.
    sha1: Option<usize>,
    /// Where MESSAGE-INTEGRITY-SHA256 begins.
    sha256: Option<usize>,
    /// Where FINGERPRINT begins.
    fingerprint: Option<usize>,
}

impl<'a> Message<'a> {
    /// Bytes of the message that begins here, by its header; `None` where the header is not complete,
    /// `Err` where it is no STUN. For streams, which have no datagrams to end it.
    pub fn len_of(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let cookie = bytes.get(4..8.min(bytes.len())).unwrap_or_default();
        if bytes.first().is_some_and(|byte| byte & 0xc0 != 0) || !MAGIC_COOKIE.starts_with(cookie) {
            return Err(Malformed::NotStun);
        }
        let [_, _, high, low, ..] = bytes else { return Ok(None) };
        let body = usize::from(u16::from_be_bytes([*high, *low]));
        if !body.is_multiple_of(4) {
            return Err(Malformed::Length);
        }
        Ok((bytes.len() >= HEADER_LEN).then_some(HEADER_LEN + body))
    }

    /// Reads one whole message; nothing may follow it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let len = Self::len_of(bytes)?.ok_or(Malformed::NotStun)?;
        if len != bytes.len() {
            return Err(Malformed::Length);
        }
        let mut message = Self { bytes, end: len, sha1: None, sha256: None, fingerprint: None };
        let mut walk = Attributes { bytes, at: HEADER_LEN };
        while walk.at < len {
            let at = walk.at;
            let (kind, value) = walk.next().ok_or(Malformed::Attribute)?;
            message.note(at, kind, value)?;
        }
        Ok(message)
    }

    fn note(&mut self, at: usize, kind: AttributeType, value: &[u8]) -> Result<(), Malformed> {
        if self.fingerprint.is_some() {
            return Err(Malformed::AfterFingerprint);
        }
        let is_right = match kind {
            MESSAGE_INTEGRITY => value.len() == integrity::SHA1_LEN,
            MESSAGE_INTEGRITY_SHA256 => integrity::SHA256_LENS.contains(&value.len()),
            FINGERPRINT => value.len() == 4,
            _ => return Ok(()),
        };
        if !is_right {
            return Err(Malformed::Integrity);
        }
        match kind {
            FINGERPRINT => self.fingerprint = Some(at),
            // The first counts; one that follows the other kind's is of no account (14.6).
            MESSAGE_INTEGRITY if self.sha1.is_none() && self.sha256.is_none() => {
                self.sha1 = Some(at);
            }
            MESSAGE_INTEGRITY_SHA256 if self.sha256.is_none() => self.sha256 = Some(at),
            _ => return Ok(()),
        }
        self.end = self.end.min(at);
        Ok(())
    }

    /// Method and class.
    pub fn kind(&self) -> Kind {
        Kind::from_bits(u16::from_be_bytes([self.bytes[0], self.bytes[1]]))
    }

    /// What pairs an answer with its question.
    pub fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER_LEN]);
        id
    }

    /// The bytes it was read from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes that count, in their order: none from the first of integrity and fingerprint on.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: &self.bytes[..self.end], at: HEADER_LEN }
    }

    /// The value of the first attribute of a type (RFC 8489 14: others of it may be passed over).
    pub fn find(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// Whether there is an attribute of a type.
    pub fn has(&self, kind: AttributeType) -> bool {
        self.find(kind).is_some()
    }

    /// The first attribute of a type, as text.
    pub fn text(&self, kind: AttributeType) -> Option<&'a str> {
        std::str::from_utf8(self.find(kind)?).ok()
    }

    /// The first attribute of a type, as a number of 32 bits.
    pub fn u32(&self, kind: AttributeType) -> Option<u32> {
        self.find(kind)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// The first attribute of a type, as a number of 64 bits.
    pub fn u64(&self, kind: AttributeType) -> Option<u64> {
        self.find(kind)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// The first attribute of a type, as an address under the transaction's mask.
    pub fn xor_address(&self, kind: AttributeType) -> Option<SocketAddr> {
        attribute::unmask(self.find(kind)?, &self.transaction_id())
    }

    /// All attributes of a type, as addresses under the transaction's mask; `None` for one that is
    /// none.
    pub fn xor_addresses(
        &self,
        kind: AttributeType,
    ) -> impl Iterator<Item = Option<SocketAddr>> + use<'a> {
        let id = self.transaction_id();
        let all = self.attributes().filter(move |(found, _)| *found == kind);
        all.map(move |(_, value)| attribute::unmask(value, &id))
    }

    /// ERROR-CODE (14.8): 300 to 699, and the reason where it is text.
    pub fn error_code(&self) -> Option<(u16, &'a str)> {
        let [_, _, class, number, reason @ ..] = self.find(ERROR_CODE)? else { return None };
        let class = class & 7;
        let is_code = (3..=6).contains(&class) && *number < 100;
        let code = u16::from(class) * 100 + u16::from(*number);
        is_code.then(|| (code, std::str::from_utf8(reason).unwrap_or_default()))
    }

    /// The types in UNKNOWN-ATTRIBUTES (14.9).
    pub fn unknown_attributes(&self) -> impl Iterator<Item = AttributeType> + use<'a> {
        let value = self.find(attribute::UNKNOWN_ATTRIBUTES).unwrap_or_default();
        value.chunks_exact(2).map(|pair| AttributeType(u16::from_be_bytes([pair[0], pair[1]])))
    }

    /// Types that must be understood (14) and are not among those known; integrity and fingerprint
    /// always are.
    pub fn not_understood<'k>(
        &self,
        known: &'k [AttributeType],
    ) -> impl Iterator<Item = AttributeType> + use<'a, 'k> {
        let types = self.attributes().map(|(kind, _)| kind);
        types.filter(|kind| kind.must_be_understood() && !known.contains(kind))
    }

    /// Whether there is MESSAGE-INTEGRITY, by SHA-1.
    pub fn has_sha1(&self) -> bool {
        self.sha1.is_some()
    }

    /// Whether there is MESSAGE-INTEGRITY-SHA256.
    pub fn has_sha256(&self) -> bool {
        self.sha256.is_some()
    }

    /// Whether the integrity was made with this key: every attribute that counts is by one who knows
    /// it. Where both kinds are there, SHA-256 decides (9.1.3, 9.2.4). Without either it is not.
    pub fn signed_by(&self, key: &[u8]) -> bool {
        match (self.sha256, self.sha1) {
            (Some(at), _) => integrity::is_sha256(self.bytes, at, key),
            (None, Some(at)) => integrity::is_sha1(self.bytes, at, key),
            (None, None) => false,
        }
    }

    /// Whether there is a FINGERPRINT, and whether it is right.
    pub fn fingerprint(&self) -> Option<bool> {
        self.fingerprint.map(|at| integrity::is_fingerprint(self.bytes, at))
    }
}

/// Attributes one after the other. A [`Message`] gives them out checked.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (AttributeType, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [kind_high, kind_low, high, low, rest @ ..] = self.bytes.get(self.at..)? else {
            return None;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        // The padding's bytes may be anything, and they belong to the message (14).
        let padded = rest.get(..len.next_multiple_of(4))?;
        self.at += 4 + padded.len();
        let kind = AttributeType(u16::from_be_bytes([*kind_high, *kind_low]));
        Some((kind, &padded[..len]))
    }
}
