//! PURE. Addresses of WHIP and WHEP that are nearly right, and what would be right.
//!
//! Other programs have other forms of them (`/ROOM/whip`, `/api/whip/ROOM`), and whoever types one into
//! a program sees nothing but its answer.

use super::routes::room_path_of;

/// Of what was typed, so much is shown again: a path may be as long as a head may be.
const SHOWN_CHARS: usize = 40;

/// What would be right; `None`: it has nothing to do with these.
pub(super) fn hint(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let lower: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    let at = lower.iter().position(|part| part == "whip" || part == "whep")?;
    let protocol = &lower[at];
    let is_whip = protocol == "whip";
    // What is no word of an address of ours or others' is taken for the room's name.
    let is_word =
        |part: &str| ["api", "v1", "r", "rooms", "room", "c", "rtc", "live"].contains(&part);
    let behind = parts.get(at + 1..).unwrap_or_default();
    let before = parts[..at].iter().zip(&lower).filter(|(_, lower)| !is_word(lower));
    let room = behind.first().copied().or(before.map(|(part, _)| *part).next_back());
    let example = room.and_then(room_path_of).unwrap_or_else(|| "ROOM".to_owned());
    Some(match (is_whip, behind) {
        (true, _) => format!("to publish into a room, POST the offer to /whip/{example}"),
        (false, [_, member, ..]) if at == 0 => format!(
            "{:?} is no member; to watch who speaks, POST the offer to /whep/{example}, to watch \
             one member to /whep/{example}/ID, with the 16 hexadecimal digits of an id that \
             /api/v1/rooms/{example} lists",
            member.chars().take(SHOWN_CHARS).collect::<String>()
        ),
        (false, _) => format!(
            "to watch a room, POST the offer to /whep/{example}, one of its members to \
             /whep/{example}/ID, a camera of this box to /c/ID/whep"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_told_what_would_be_right() {
        let cases = [
            ("/whip", Some("/whip/ROOM")),
            ("/whip/", Some("/whip/ROOM")),
            ("/whep", Some("/whep/ROOM")),
            ("/WHIP/kitchen", Some("/whip/kitchen")),
            ("/whip/kitchen/x", Some("/whip/kitchen")),
            ("/kitchen/whip", Some("/whip/kitchen")),
            ("/r/kitchen/whep", Some("/whep/kitchen,")),
            ("/api/whip/kitchen", Some("/whip/kitchen")),
            ("/api/v1/whip", Some("/whip/ROOM")),
            ("/rtc/v1/whip/", Some("/whip/ROOM")),
            ("/whep/kitchen/ff", Some("\"ff\" is no member")),
            ("/whep/k%C3%BCche/ff", Some("/whep/k%C3%BCche/ID")),
            ("/whep/%ff/ff", Some("/whep/ROOM/ID")),
            ("/c/door", None),
            ("/whipped", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            let hint = hint(path);
            let fits = match (&hint, expected) {
                (Some(hint), Some(part)) => hint.contains(part),
                (hint, expected) => hint.is_none() && expected.is_none(),
            };
            assert!(fits, "{path}: {hint:?}");
        }
    }
}
