//! Passwords: what may be one, and argon2id (RFC 9106) as a PHC string.
//!
//! Hashing takes some 19 MiB and tens of milliseconds by design, so it is done on a thread for such
//! things, one at a time for those who are near and one for all others.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use unicode_normalization::UnicodeNormalization;

use super::Refusal;

/// NIST SP 800-63B, 5.1.1.2: at least 8 characters, and no rules of composition.
const MIN_CHARS: usize = 8;

/// Longer ones only cost time.
pub(super) const MAX_BYTES: usize = 1024;

/// A password in the form in which it is hashed (RFC 8265, 4.2: NFC).
pub(super) fn normalized(password: &str) -> String {
    password.nfc().collect()
}

/// Whether this may be a new password of somebody of this name.
pub(super) fn check_new(name: &str, password: &str) -> Result<(), Refusal> {
    let unfit = |text: &str| Err(Refusal::Unfit(text.to_owned()));
    if password.len() > MAX_BYTES {
        return unfit("The password is longer than 1024 bytes; choose a shorter one.");
    }
    if password.chars().count() < MIN_CHARS {
        return unfit("The password has fewer than 8 characters; choose a longer one.");
    }
    if password.to_lowercase() == name.to_lowercase() {
        return unfit("The password is the name; choose another one.");
    }
    let mut chars = password.chars();
    let first = chars.next();
    if chars.all(|c| Some(c) == first) {
        return unfit("The password is one character repeated; choose another one.");
    }
    Ok(())
}

/// The PHC string of a password, with the default costs of OWASP (19 MiB, 2 passes).
pub(super) fn hash(password: &str, salt: [u8; 16]) -> Result<String, Refusal> {
    let hash: Result<PasswordHash, _> =
        Argon2::default().hash_password_with_salt(normalized(password).as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| Refusal::Unfit(format!("The password cannot be hashed: {error}.")))
}

/// Whether a password is the one of this PHC string. Takes its time whatever is wrong; a string that
/// is none takes as long and is never right.
pub(super) fn verify(password: &str, phc: Option<&str>) -> bool {
    if password.len() > MAX_BYTES {
        return false;
    }
    let password = normalized(password);
    let known = phc.and_then(|phc| PasswordHash::new(phc).ok());
    match known {
        Some(known) => Argon2::default().verify_password(password.as_bytes(), &known).is_ok(),
        None => {
            let _: Result<PasswordHash, _> =
                Argon2::default().hash_password_with_salt(password.as_bytes(), &[0; 16]);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified_and_nothing_else_is() {
        let phc = hash("correct horse", [1; 16]).expect("hashed");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify("correct horse", Some(&phc)));
        // One letter, written in two ways.
        let accent = hash("cafe\u{301} au lait", [2; 16]).expect("hashed");
        assert!(verify("caf\u{e9} au lait", Some(&accent)));
        let none = [None, Some(""), Some("$x"), Some("$argon2id$v=19$m=1,t=1,p=1$AA$AA")];
        for wrong in none {
            assert!(!verify("correct horse", wrong), "{wrong:?}");
        }
        assert!(!verify("Correct horse", Some(&phc)) && !verify("", Some(&phc)));
        assert_ne!(phc, hash("correct horse", [3; 16]).expect("hashed"));
    }

    #[test]
    fn what_may_be_a_password() {
        let long = "x y".repeat(400);
        let cases = [
            ("correct horse", true),
            ("\u{5bc6}\u{7801}\u{662f}\u{516b}\u{4e2a}\u{5b57}\u{7684}\u{554a}", true),
            ("1234567", false),
            ("Ada Lovelace", false),
            ("ada lovelace", false),
            ("aaaaaaaaaaaa", false),
            ("", false),
            (long.as_str(), false),
        ];
        for (password, expected) in cases {
            assert_eq!(check_new("Ada Lovelace", password).is_ok(), expected, "{password:?}");
        }
    }
}
