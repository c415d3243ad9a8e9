//! ICE user name fragment and password (RFC 8445 section 5.3), made from given random bytes.

/// What a client's connectivity checks are keyed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 8 characters.
    pub ufrag: Box<str>,
    /// 24 characters.
    pub pwd: Box<str>,
}

impl IceCredentials {
    /// Takes 6 bits a character; the rest of the 256 is not used.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let text: String =
            bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect();
        Self { ufrag: text[..8].into(), pwd: text[8..].into() }
    }
}
