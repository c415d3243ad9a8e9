//! PURE. The one-time set-up code: eight characters that people read off a screen and type.

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// Crockford's base 32: no letter that looks like a digit, and no U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters; 5 bits each. Guessing is limited (see `guesses`), so 40 bits are plenty.
const LEN: usize = 8;

/// A set-up code in its own form.
#[derive(Clone, PartialEq, Eq)]
pub struct SetupCode(String);

impl SetupCode {
    /// From random bytes.
    pub fn new(random: [u8; LEN]) -> Self {
        let letter = |byte: u8| char::from(ALPHABET[usize::from(byte % 32)]);
        let mut code: String = random.into_iter().map(letter).collect();
        code.insert(LEN / 2, '-');
        Self(code)
    }

    /// `XXXX-XXXX`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether somebody typed this code: case, blanks and hyphens do not count, and letters that look
    /// like digits are those digits.
    pub fn is(stored: &str, typed: &str) -> bool {
        let (stored, typed) = (plain(stored), plain(typed));
        verify_slices_are_equal(stored.as_bytes(), typed.as_bytes()).is_ok() && stored.len() == LEN
    }
}

impl std::fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetupCode(***)")
    }
}

fn plain(text: &str) -> String {
    let counts = |c: &char| c.is_ascii_alphanumeric();
    let plain = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    // One more than there may be is enough to be wrong.
    text.chars().filter(counts).map(plain).take(LEN + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_typed_as_people_type() {
        let code = SetupCode::new([0, 1, 17, 33, 64, 255, 31, 10]);
        assert_eq!(code.as_str(), "01H1-0ZZA");
        for typed in ["01H1-0ZZA", "01h10zza", " o1hi-ozza ", "O1Hl 0ZZA"] {
            assert!(SetupCode::is(code.as_str(), typed), "{typed}");
        }
        for typed in ["", "01H1-0ZZB", "01H1-0ZZ", "01H1-0ZZAA", "01H1-0ZZA0", "\u{ff10}1H1-0ZZA"] {
            assert!(!SetupCode::is(code.as_str(), typed), "{typed}");
        }
        assert!(!SetupCode::is("", ""), "no code is no code");
        assert!(!format!("{code:?}").contains("01H1"));
    }
}
