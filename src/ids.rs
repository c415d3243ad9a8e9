//! Names of things: parsed once at the rim, then carried as types.
//!
//! Owns the rules of what a room, a member, a track may be called. Knows nobody else.

pub mod text;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::UnicodeNormalization;

use text::TextFault;

/// Longest room name and nickname, in characters after NFC (product contract, section 6).
pub const MAX_NAME_CHARS: usize = 64;

/// Why a name was refused; the sentence is fit for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was left after trimming.
    #[error("it is empty; 1 to 64 characters are needed")]
    Empty,
    /// More than [`MAX_NAME_CHARS`].
    #[error("it has {0} characters; at most 64 are allowed")]
    TooLong(usize),
    /// `/` (rooms only), or a character that controls, misleads or cannot be seen.
    #[error("it contains {0:?}, which is not allowed")]
    Forbidden(char),
    /// More than [`text::MAX_MARKS`] marks on one letter.
    #[error("it has more than {max} marks on one letter", max = text::MAX_MARKS)]
    Piled,
    /// Nothing of it can be seen.
    #[error("nothing of it can be seen; a letter, a digit or a sign is needed")]
    Invisible,
}

impl From<TextFault> for NameError {
    fn from(fault: TextFault) -> Self {
        match fault {
            TextFault::Forbidden(c) => Self::Forbidden(c),
            TextFault::Piled => Self::Piled,
            TextFault::Invisible => Self::Invisible,
        }
    }
}

fn normalize(text: &str) -> Result<String, NameError> {
    let name: String = text.trim().nfc().collect();
    let name = name.trim();
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    let n_chars = name.chars().count();
    if n_chars > MAX_NAME_CHARS {
        return Err(NameError::TooLong(n_chars));
    }
    text::check_name(name)?;
    Ok(name.to_owned())
}

/// A room's name: 1-64 characters after NFC and trimming, no `/`, and what [`text`] says of names.
///
/// Two names are the same room if they are equal after case folding; what was typed first is shown.
#[derive(Debug, Clone)]
pub struct RoomName {
    shown: Arc<str>,
    folded: Arc<str>,
}

impl RoomName {
    /// Parses what a user typed or a URL held (already percent-decoded).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let shown = normalize(text)?;
        if shown.contains('/') {
            return Err(NameError::Forbidden('/'));
        }
        let folded: String = caseless::default_case_fold_str(&shown).nfc().collect();
        Ok(Self { shown: shown.into(), folded: folded.into() })
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The name as it is compared.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl PartialEq for RoomName {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}
impl Eq for RoomName {}
impl std::hash::Hash for RoomName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}
impl PartialOrd for RoomName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for RoomName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded.cmp(&other.folded)
    }
}

/// What a member is called by the others: 1-64 characters after NFC and trimming, and
/// what [`text`] says of names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nickname(Arc<str>);

impl Nickname {
    /// Parses what a user typed.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Ok(Self(normalize(text)?.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A member of a room, unique in this box: 64 random bits, written as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for MemberId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(IdError("a member id is 16 hex digits"));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| IdError("a member id is 16 hex digits"))
    }
}

/// Somebody's account, as the store numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountId(pub i64);

/// By which a browser is known again that has lost its token: 16 to 64 letters, digits, `-` or `_` of
/// its own choosing, kept to itself. Never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Device(Arc<str>);

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(***)")
    }
}
impl FromStr for Device {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(16..=64).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(IdError("a device is 16 to 64 letters, digits, '-' or '_'"));
        }
        Ok(Self(text.into()))
    }
}

/// The secret itself, as it goes over the wire.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An identifier that is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(&'static str);

/// Media stream identification (RFC 5888): 1-16 visible ASCII characters of the SDP token set.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mid(Arc<str>);

impl Mid {
    /// The text between `a=mid:` and the line's end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for Mid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let token = |b: u8| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&b);
        if text.is_empty() || text.len() > 16 || !text.bytes().all(token) {
            return Err(IdError("a mid is 1 to 16 characters of an SDP token"));
        }
        Ok(Self(text.into()))
    }
}

/// A published track: its publisher and the mid of the publisher's offer. Written `MEMBER.MID`.
///
/// It stays the same over mute, device switch and ICE restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId {
    /// Who publishes it.
    pub member: MemberId,
    /// Its m-section in the publisher's offer.
    pub mid: Mid,
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.member, self.mid)
    }
}
impl FromStr for TrackId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (member, mid) = text.split_once('.').ok_or(IdError("a track id is MEMBER.MID"))?;
        Ok(Self { member: member.parse()?, mid: mid.parse()? })
    }
}

/// A camera's id from the configuration: 1-64 letters, digits or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CameraId(Arc<str>);

impl CameraId {
    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for CameraId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if text.is_empty() || text.len() > MAX_NAME_CHARS || !text.bytes().all(allowed) {
            return Err(IdError("a camera id is 1 to 64 letters, digits or '-'"));
        }
        Ok(Self(text.into()))
    }
}

/// By which a member can be found from outside, wherever it is; a camera's is its id.
pub type Label = CameraId;

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
impl FromStr for RoomName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}
impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for Nickname {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Device, MemberId, Mid, TrackId, CameraId, RoomName, Nickname);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_are_trimmed_composed_and_compared_folded() {
        let cases = [
            ("  Kitchen ", Ok("Kitchen")),
            ("e\u{301}te\u{301}", Ok("\u{e9}t\u{e9}")),
            ("厨房", Ok("厨房")),
            ("", Err(NameError::Empty)),
            (" \t ", Err(NameError::Empty)),
            ("a/b", Err(NameError::Forbidden('/'))),
            ("a\u{7}b", Err(NameError::Forbidden('\u{7}'))),
            ("a\u{202e}b", Err(NameError::Forbidden('\u{202e}'))),
            ("\u{200b}", Err(NameError::Forbidden('\u{200b}'))),
        ];
        for (text, expected) in cases {
            let name = RoomName::parse(text).map(|name| name.as_str().to_owned());
            assert_eq!(name, expected.map(str::to_owned), "{text:?}");
        }
        // What is told of it, and logged, does not mislead in its turn.
        for c in ['\u{202e}', '\u{2028}', '\u{200b}'] {
            let fault = RoomName::parse(&format!("a{c}b")).expect_err("it misleads").to_string();
            assert!(!fault.contains(c) && fault.contains("\\u{20"), "{fault}");
        }
        assert_eq!(RoomName::parse(&"x".repeat(64)).map(|n| n.as_str().len()), Ok(64));
        assert_eq!(RoomName::parse(&"x".repeat(65)), Err(NameError::TooLong(65)));
        assert_eq!(RoomName::parse("STRASSE"), RoomName::parse("straße"));
        assert_ne!(RoomName::parse("a"), RoomName::parse("b"));
    }

    #[test]
    fn ids_survive_their_own_text() {
        let track: TrackId = "00000000000000ff.video0".parse().expect("a valid track id");
        assert_eq!(track.member, MemberId(255));
        assert_eq!(track.to_string(), "00000000000000ff.video0");
        for bad in ["", "ff.0", "00000000000000ff", "00000000000000ff.", "+0000000000000ff.0"] {
            assert!(bad.parse::<TrackId>().is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a/b", "12345678901234567", "\u{e9}"] {
            assert!(bad.parse::<Mid>().is_err(), "{bad:?}");
        }
    }
}
