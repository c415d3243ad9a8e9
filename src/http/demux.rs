//! PURE. Which protocol a connection speaks, by its first byte.

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// A TLS handshake record (RFC 8446, 5.1).
    Tls,
    /// The method of a plain HTTP request, or HTTP/2's preface.
    Http,
    /// Neither: closed and counted. (STUN over TCP, which begins with 0 or 1, has a port of its own.)
    Unknown,
}

/// Tells by the first byte.
pub(super) fn by_first_byte(first: u8) -> Speech {
    match first {
        0x16 => Speech::Tls,
        b'A'..=b'Z' => Speech::Http,
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
                _ => Speech::Unknown,
            };
            assert_eq!(by_first_byte(first), expected, "{first}");
        }
    }
}
