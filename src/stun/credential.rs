//! Keys of long-term credentials (RFC 8489 9.2.2, 14.4, 16.1.1, 18.5). Short-term ones need no making:
//! their key is the password's bytes.

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};

/// How the key is made of user name, realm and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PasswordAlgorithm {
    /// What everybody knows (RFC 5389).
    Md5,
    /// What RFC 8489 offers in its place.
    Sha256,
}

impl PasswordAlgorithm {
    /// Its number at IANA.
    pub const fn number(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha256 => 2,
        }
    }

    /// By its number, where it is known.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// As it stands in PASSWORD-ALGORITHM and, several in a row, in PASSWORD-ALGORITHMS: neither of
    /// the two has parameters.
    pub const fn bytes(self) -> [u8; 4] {
        [0, self.number() as u8, 0, 0]
    }

    /// What a PASSWORD-ALGORITHM says; `None` for one that is not known or has parameters.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let [high, low, 0, 0] = value else { return None };
        Self::from_number(u16::from_be_bytes([*high, *low]))
    }
}

/// The key of a long-term credential.
#[derive(Clone, PartialEq, Eq)]
pub struct LongTermKey {
    bytes: [u8; 32],
    len: u8,
}

impl std::fmt::Debug for LongTermKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LongTermKey(***)")
    }
}

impl LongTermKey {
    /// Of `username:realm:password`, which are to be prepared already (RFC 8265).
    pub fn new(
        algorithm: PasswordAlgorithm,
        username: &[u8],
        realm: &str,
        password: &[u8],
    ) -> Self {
        let parts = [username, b":", realm.as_bytes(), b":", password];
        let mut key = Self { bytes: [0; 32], len: 0 };
        match algorithm {
            PasswordAlgorithm::Md5 => {
                let mut hash = Md5::new();
                parts.iter().for_each(|part| hash.update(part));
                key.fill(&hash.finalize());
            }
            PasswordAlgorithm::Sha256 => key.fill(sha256(&parts).as_ref()),
        }
        key
    }

    fn fill(&mut self, hash: &[u8]) {
        self.bytes[..hash.len()].copy_from_slice(hash);
        self.len = hash.len() as u8;
    }

    /// What signs.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// USERHASH (14.4): the user name for a watcher who must not read it.
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(sha256(&[username.as_bytes(), b":", realm.as_bytes()]).as_ref());
    hash
}

fn sha256(parts: &[&[u8]]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish()
}
