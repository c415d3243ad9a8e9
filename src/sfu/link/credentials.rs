//! ICE user fragments and passwords (RFC 8445 5.3), made from randomness that the caller brings.

/// An ICE user fragment and its password. 8 characters hold 48 bits, 24 hold 144.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 8 characters of `ice-char`.
    pub ufrag: Box<str>,
    /// 24 characters of `ice-char`.
    pub pwd: Box<str>,
}

/// `ice-char` (RFC 8839 5.4) has exactly 64 members: 6 bits a character, no bias.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl IceCredentials {
    /// Makes a pair out of 32 bytes, which must come from a cryptographic generator.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        let characters: String =
            bytes.iter().map(|byte| ICE_CHARS[usize::from(byte & 63)] as char).collect();
        let (ufrag, pwd) = characters.split_at(8);
        Self { ufrag: ufrag.into(), pwd: pwd.into() }
    }

    /// The pair after an ICE restart, which must be new (RFC 8445 9.1.1.1): a hash of this secret one
    /// and of what the client brings, where randomness is not at hand.
    pub(crate) fn next(&self, client_ufrag: &str, client_pwd: &str) -> Self {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in [&*self.ufrag, &*self.pwd, client_ufrag, client_pwd] {
            context.update(part.as_bytes());
            context.update(b"\n");
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self::from_random(bytes)
    }
}

/// The password stays out of logs.
impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_alphabet_are_those_of_ice() {
        let bytes = std::array::from_fn(|i| (i * 37) as u8);
        let credentials = IceCredentials::from_random(bytes);
        assert_eq!((credentials.ufrag.len(), credentials.pwd.len()), (8, 24));
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        assert!(credentials.ufrag.chars().chain(credentials.pwd.chars()).all(allowed));
        assert!(!format!("{credentials:?}").contains(&*credentials.pwd));
    }
}
