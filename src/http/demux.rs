//! PURE. Which protocol a connection speaks, by its first byte.

use crate::seams::turn::is_first_byte;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// A TLS handshake record (RFC 8446, 5.1).
    Tls,
    /// The method of a plain HTTP request, or HTTP/2's preface.
    Http,
    /// STUN, and TURN behind it.
    Stun,
    /// None of them: closed and counted.
    Unknown,
}

/// Tells by the first byte.
pub(super) fn by_first_byte(first: u8) -> Speech {
    match first {
        0x16 => Speech::Tls,
        b'A'..=b'Z' => Speech::Http,
        first if is_first_byte(first) => Speech::Stun,
        _ => Speech::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_byte_tells_all() {
        for first in 0..=u8::MAX {
            let expected = match first {
                22 => Speech::Tls,
                65..=90 => Speech::Http,
                0..=3 => Speech::Stun,
                _ => Speech::Unknown,
            };
            assert_eq!(by_first_byte(first), expected, "{first}");
        }
    }
}
