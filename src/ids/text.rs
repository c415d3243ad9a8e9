//! What text people may show each other: names, and what they say.
//!
//! PURE. Owns which characters are refused and why. It is no spelling checker and does not compare
//! scripts: two names that look alike are told apart by their members' ids. After UTS 39 (5.4: marks
//! that pile up) and UTS 55 (bidirectional controls).
//!
//! | | names | chat |
//! |---|---|---|
//! | controls, line separators | refused | refused; a new line and a tab stay |
//! | embedding and overriding direction | refused | refused |
//! | isolates, marks of direction | refused | stay: each line is an element of its own |
//! | invisible: soft hyphen, zero-width space, fillers, tags | refused | stay |
//! | joiners | in emoji, and after letters of scripts that join | stay |
//! | variation selectors | after what they vary | stay |
//! | more than [`MAX_MARKS`] marks on a letter | refused | refused |
//! | nothing to be seen | refused | refused |

use unicode_normalization::char::is_combining_mark;

/// Marks on one letter (UTS 39, 5.4, has 4 non-spacing ones). Tibetan stacks its consonants by marks
/// and is not counted.
pub const MAX_MARKS: usize = 4;

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFault {
    /// A character that is not allowed, or not there.
    Forbidden(char),
    /// More than [`MAX_MARKS`] marks on one letter.
    Piled,
    /// Nothing of it can be seen.
    Invisible,
}

/// Characters that embed or override direction, and outlive the name they are in (UAX 9).
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}')
}

/// Isolates and marks of direction: harmless by themselves, and never seen.
fn directs(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2066}'..='\u{2069}')
}

fn separates_lines(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Variation selectors, the emoji's (VS16) among them.
fn varies(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Letters of flags of regions: black flag, tags, cancel tag.
fn tags(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

/// What shows nothing and has no use in a name: the rest of Default_Ignorable_Code_Point, the blank
/// of Braille, noncharacters.
fn hides(c: char) -> bool {
    let ignorable = matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e001f}' | '\u{e0080}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}'
    );
    ignorable || c == '\u{2800}' || (u32::from(c) & 0xfffe) == 0xfffe
}

/// What a joiner in an emoji stands between: pictographs, their skin and their selector.
fn is_pictograph(c: char) -> bool {
    matches!(
        c,
        '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{fe0f}' | '\u{20e3}'
            | '\u{a9}' | '\u{ae}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
    ) || tags(c)
}

/// Letters and marks of scripts in which joiners make a difference (UAX 31, 2.3): Arabic and its kin,
/// the scripts of India and south-east Asia, Mongolian.
fn is_joined_script(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{df5}' | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{18aa}' | '\u{a840}'..='\u{aaff}' | '\u{fb50}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' | '\u{10a00}'..='\u{11fff}')
}

fn is_visible(c: char) -> bool {
    let unseen = hides(c) || directs(c) || turns(c) || varies(c) || joins(c) || tags(c);
    !(unseen || c.is_whitespace() || c.is_control() || is_combining_mark(c))
}

/// Marks that pile up; what varies a character is none.
fn piles_up(text: &str) -> bool {
    let mut n_marks = 0;
    text.chars().filter(|&c| !varies(c) && !joins(c)).any(|c| {
        let counts = is_combining_mark(c) && !matches!(c, '\u{f00}'..='\u{fff}');
        n_marks = if counts { n_marks + 1 } else { 0 };
        n_marks > MAX_MARKS
    })
}

/// Whether a name, already trimmed and composed, may be shown to others.
///
/// # Errors
/// See [`TextFault`].
pub fn check_name(name: &str) -> Result<(), TextFault> {
    let mut before = None;
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let has_place = if c == '\u{200d}' {
            let in_emoji = before.is_some_and(is_pictograph)
                && rest.peek().is_some_and(|&next| is_pictograph(next));
            in_emoji || before.is_some_and(is_joined_script)
        } else if c == '\u{200c}' {
            before.is_some_and(is_joined_script)
        } else if varies(c) {
            before.is_some_and(is_visible)
        } else if tags(c) {
            before.is_some_and(|before| before == '\u{1f3f4}' || tags(before))
        } else {
            !(c.is_control() || turns(c) || directs(c) || separates_lines(c) || hides(c))
        };
        if !has_place || (before.is_none() && is_combining_mark(c)) {
            return Err(TextFault::Forbidden(c));
        }
        before = Some(c);
    }
    seen_and_flat(name)
}

/// What somebody says, as the others get it: trimmed, its lines parted by `\n` however they were
/// typed.
///
/// # Errors
/// See [`TextFault`].
pub fn said(text: &str) -> Result<String, TextFault> {
    let text = text.trim().replace("\r\n", "\n");
    let text = text.replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    let forbidden = |c: &char| (c.is_control() && !matches!(c, '\n' | '\t')) || turns(*c);
    if let Some(c) = text.chars().find(forbidden) {
        return Err(TextFault::Forbidden(c));
    }
    seen_and_flat(&text)?;
    Ok(text)
}

fn seen_and_flat(text: &str) -> Result<(), TextFault> {
    if piles_up(text) {
        return Err(TextFault::Piled);
    }
    if text.chars().any(is_visible) { Ok(()) } else { Err(TextFault::Invisible) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_and_emoji_are_taken() {
        let names = [
            "Ada",
            "Zoë",
            "厨房",
            "ژینا",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ༀ",
            "ສະບາຍດີ",
            "ภาษาไทย",
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "👍🏽",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "Tiê\u{301}ng Viê\u{323}t",
            "🧑🏿\u{200d}🚀",
            "שָׁלוֹם",
            "ab\u{300}\u{301}\u{302}\u{303}c",
            "O'Neil-Müller (2)",
            "♥",
            "…",
        ];
        for name in names {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn what_misleads_or_cannot_be_seen_is_refused_in_names() {
        let forbidden = [
            ("a\u{7}b", '\u{7}'),
            ("a\nb", '\n'),
            ("a\u{85}b", '\u{85}'),
            ("a\u{2028}b", '\u{2028}'),
            ("evil\u{202e}gpj", '\u{202e}'),
            ("a\u{2066}b", '\u{2066}'),
            ("a\u{200f}", '\u{200f}'),
            ("a\u{200b}b", '\u{200b}'),
            ("Ada\u{ad}", '\u{ad}'),
            ("\u{feff}Ada", '\u{feff}'),
            ("A\u{200d}da", '\u{200d}'),
            ("A\u{200c}da", '\u{200c}'),
            ("Ada\u{e0041}", '\u{e0041}'),
            ("\u{3164}", '\u{3164}'),
            ("\u{2800}", '\u{2800}'),
            ("\u{fe0f}a", '\u{fe0f}'),
            ("\u{301}a", '\u{301}'),
            ("👩\u{200d}", '\u{200d}'),
            ("a\u{ffff}", '\u{ffff}'),
        ];
        for (name, c) in forbidden {
            assert_eq!(check_name(name), Err(TextFault::Forbidden(c)), "{name:?}");
        }
        let zalgo = format!("H{}i", "\u{300}\u{315}".repeat(3));
        assert_eq!(check_name(&zalgo), Err(TextFault::Piled));
        let piled = format!("H{}i", "\u{300}\u{200d}".repeat(9));
        assert!(check_name(&piled).is_err());
    }

    #[test]
    fn what_is_said_keeps_its_lines_and_loses_nothing_that_is_seen() {
        let said_as = [
            ("hello", "hello"),
            ("  a\r\nb\rc\u{2028}d\u{85}e ", "a\nb\nc\nd\ne"),
            ("if\tx", "if\tx"),
            ("a\u{200b}b", "a\u{200b}b"),
            ("\u{2067}שלום\u{2069}!", "\u{2067}שלום\u{2069}!"),
            ("👩\u{200d}👧", "👩\u{200d}👧"),
        ];
        for (text, expected) in said_as {
            assert_eq!(said(text).as_deref(), Ok(expected), "{text:?}");
        }
        let refused = [
            ("a\u{0}b", TextFault::Forbidden('\0')),
            ("\u{1b}[31mred", TextFault::Forbidden('\u{1b}')),
            ("a\u{202e}b", TextFault::Forbidden('\u{202e}')),
            ("\u{200b}\u{feff}", TextFault::Invisible),
            ("\n\t", TextFault::Invisible),
            ("", TextFault::Invisible),
            ("\u{3164}", TextFault::Invisible),
        ];
        for (text, fault) in refused {
            assert_eq!(said(text), Err(fault), "{text:?}");
        }
        let tall = format!("a{}", "\u{35c}".repeat(40));
        assert_eq!(said(&tall), Err(TextFault::Piled));
    }
}
