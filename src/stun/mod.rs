//! STUN messages (RFC 8489), read where they lie and written where they leave.
//!
//! Owns the layout: header, attributes, integrity, fingerprint, transport addresses, error codes. It
//! knows no transaction and no server; who sends what to whom is ICE's (`sfu`) and TURN's (`turn`).
//! Reading allocates nothing: a [`Message`] borrows the datagram, its attributes are slices of it.
//!
//! ```text
//!  datagram --Message::parse--> kind, transaction id, attributes() ... signed_by(key), fingerprint()
//!  buffer <--Writer-- kind, transaction id, attributes ... finish(Integrity)
//! ```
//!
//! # What is not read
//!
//! Attributes behind MESSAGE-INTEGRITY are as good as absent, but for MESSAGE-INTEGRITY-SHA256 and
//! FINGERPRINT (RFC 8489 14.5, 14.6): anybody on the way could have added them. RFC 3489, which had no
//! magic cookie, is not spoken.
//!
//! PURE: bytes in, values out.

pub mod attribute;
pub mod credential;
mod integrity;
mod read;
mod write;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod tests;

pub use integrity::Integrity;
pub use read::{Attributes, Malformed, Message};
pub use write::{TooLong, Writer};

/// Bytes of a header (RFC 8489 section 5).
pub const HEADER_LEN: usize = 20;

/// What tells STUN from all else that may come to the same port.
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What pairs an answer with its question.
pub type TransactionId = [u8; 12];

/// What a message is of its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A question, which has an answer.
    Request,
    /// Something told, which has none.
    Indication,
    /// An answer: done.
    Success,
    /// An answer: refused, with ERROR-CODE.
    Error,
}

/// What a message is about: 12 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// Where am I, seen from there? (RFC 8489)
    pub const BINDING: Self = Self(0x001);
    /// A relay address, please (RFC 8656).
    pub const ALLOCATE: Self = Self(0x003);
    /// Keep it, or end it.
    pub const REFRESH: Self = Self(0x004);
    /// Client to peer, as an indication.
    pub const SEND: Self = Self(0x006);
    /// Peer to client, as an indication.
    pub const DATA: Self = Self(0x007);
    /// Let this peer through.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// A number for this peer.
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// A TCP connection to this peer (RFC 6062).
    pub const CONNECT: Self = Self(0x00a);
    /// This connection carries that one's data (RFC 6062).
    pub const CONNECTION_BIND: Self = Self(0x00b);
    /// A peer has connected (RFC 6062).
    pub const CONNECTION_ATTEMPT: Self = Self(0x00c);

    /// By its number, of which the lower 12 bits count.
    pub const fn new(number: u16) -> Self {
        Self(number & 0xfff)
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The first two bytes of a message: method and class, their bits interleaved (RFC 8489 figure 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind {
    /// What it is about.
    pub method: Method,
    /// Question, answer or neither.
    pub class: Class,
}

impl Kind {
    /// A request of a method.
    pub const fn request(method: Method) -> Self {
        Self { method, class: Class::Request }
    }

    /// An indication of a method.
    pub const fn indication(method: Method) -> Self {
        Self { method, class: Class::Indication }
    }

    /// A good answer to a request of a method.
    pub const fn success(method: Method) -> Self {
        Self { method, class: Class::Success }
    }

    /// A refusal of a request of a method.
    pub const fn error(method: Method) -> Self {
        Self { method, class: Class::Error }
    }

    const fn from_bits(bits: u16) -> Self {
        let method = (bits & 0x000f) | (bits & 0x00e0) >> 1 | (bits & 0x3e00) >> 2;
        let class = match (bits & 0x0100 != 0, bits & 0x0010 != 0) {
            (false, false) => Class::Request,
            (false, true) => Class::Indication,
            (true, false) => Class::Success,
            (true, true) => Class::Error,
        };
        Self { method: Method(method), class }
    }

    const fn bits(self) -> u16 {
        let method = self.method.0;
        let class = match self.class {
            Class::Request => 0,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        (method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2 | class
    }
}
