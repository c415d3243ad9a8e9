//! PURE. SDP fragments (RFC 8840, RFC 9725 4.3) and what of a session's SDP they touch.
//!
//! The box is ICE-lite: it learns addresses from checks, so the candidates of a fragment are looked
//! at for their form and tell nothing new.

/// Longest ufrag and password (RFC 8839 5.4).
const MAX_CREDENTIAL: usize = 256;

/// ICE credentials of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) pwd: String,
}

/// Reads a fragment: the credentials it is of, if it says so.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(fragment: &str) -> Result<Option<Credentials>, String> {
    let (mut ufrag, mut pwd) = (None, None);
    let mut any = false;
    for line in fragment.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        any = true;
        let bad = || {
            let shown: String = line.chars().take(40).collect();
            format!("the line {shown:?} has no place in an SDP fragment")
        };
        let (kind, value) = line.split_once('=').ok_or_else(bad)?;
        match kind {
            "m" | "c" => {}
            "a" => match value.split_once(':').unwrap_or((value, "")) {
                ("ice-ufrag", value) => set(&mut ufrag, value, 4)?,
                ("ice-pwd", value) => set(&mut pwd, value, 22)?,
                ("candidate", value) if value.split_whitespace().count() < 8 => return Err(bad()),
                _ => {}
            },
            _ => return Err(bad()),
        }
    }
    match (ufrag, pwd) {
        (Some(ufrag), Some(pwd)) => Ok(Some(Credentials { ufrag, pwd })),
        (None, None) if any => Ok(None),
        (None, None) => Err("the fragment is empty".into()),
        _ => Err("a=ice-ufrag and a=ice-pwd belong together".into()),
    }
}

/// All sections of a bundle have the same.
fn set(known: &mut Option<String>, value: &str, least: usize) -> Result<(), String> {
    let fits = (least..=MAX_CREDENTIAL).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return Err(format!("an ICE credential is {least} to {MAX_CREDENTIAL} characters of ICE"));
    }
    if known.as_deref().is_some_and(|known| known != value) {
        return Err("its sections have different ICE credentials; parlor bundles them".into());
    }
    *known = Some(value.to_owned());
    Ok(())
}

/// The first credentials of an SDP.
pub(super) fn credentials(sdp: &str) -> Option<Credentials> {
    let value = |key: &str| sdp.lines().find_map(|line| line.trim_end().strip_prefix(key));
    let (ufrag, pwd) = (value("a=ice-ufrag:")?, value("a=ice-pwd:")?);
    Some(Credentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() })
}

/// The same offer with other ICE credentials, and without the candidates that went with the former.
pub(super) fn restarted(offer: &str, with: &Credentials) -> String {
    let mut sdp = String::with_capacity(offer.len());
    for line in offer.lines().map(str::trim_end) {
        if line.starts_with("a=ice-ufrag:") {
            sdp.push_str("a=ice-ufrag:");
            sdp.push_str(&with.ufrag);
        } else if line.starts_with("a=ice-pwd:") {
            sdp.push_str("a=ice-pwd:");
            sdp.push_str(&with.pwd);
        } else if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        } else {
            sdp.push_str(line);
        }
        sdp.push_str("\r\n");
    }
    sdp
}

/// What of an answer tells a client the box's end after an ICE restart (RFC 9725 4.3.3).
pub(super) fn of_answer(answer: &str) -> String {
    const KEPT: [&str; 5] =
        ["a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"];
    let mut fragment = String::from("a=ice-lite\r\n");
    let group = answer.lines().map(str::trim_end).filter(|line| line.starts_with("a=group:"));
    group.for_each(|line| push(&mut fragment, line));
    // The first section that is taken speaks for the bundle.
    let sections = answer.split("\r\nm=").skip(1);
    let first = sections.into_iter().find(|section| section.contains("a=ice-ufrag:"));
    for (index, line) in first.unwrap_or_default().lines().map(str::trim_end).enumerate() {
        if index == 0 {
            push(&mut fragment, &format!("m={line}"));
        } else if KEPT.iter().any(|kept| line.starts_with(kept)) {
            push(&mut fragment, line);
        }
    }
    fragment
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PWD: &str = "0123456789012345678901";

    #[test]
    fn a_fragment_is_read_or_told_what_is_wrong_with_it() {
        let trickle = format!(
            "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\n\
             a=ice-pwd:{PWD}\r\na=candidate:1 1 udp 2130706431 192.0.2.9 5000 typ host\r\n\
             a=end-of-candidates\r\n"
        );
        let own = Credentials { ufrag: "abcd".into(), pwd: PWD.into() };
        assert_eq!(read(&trickle), Ok(Some(own)));
        assert_eq!(read("a=end-of-candidates\r\n"), Ok(None));
        let cases = [
            (String::new(), "empty"),
            ("hello".into(), "no place"),
            ("v=0\r\n".into(), "no place"),
            ("a=candidate:nonsense\r\n".into(), "no place"),
            ("a=ice-ufrag:abcd\r\n".into(), "together"),
            ("a=ice-ufrag:ab\r\n".into(), "4 to 256"),
            (format!("a=ice-ufrag:ab d\r\na=ice-pwd:{PWD}\r\n"), "4 to 256"),
            (format!("{trickle}a=ice-ufrag:other\r\n"), "different"),
        ];
        for (fragment, part) in cases {
            let fault = read(&fragment).expect_err(part);
            assert!(fault.contains(part), "{part:?} in {fault:?}");
        }
    }

    #[test]
    fn a_restart_changes_the_credentials_and_nothing_else() {
        let offer = include_str!("../../tests/sdp/whep-aiortc.sdp");
        let with = Credentials { ufrag: "next".into(), pwd: PWD.into() };
        let next = restarted(offer, &with);
        assert_eq!(credentials(&next), Some(with.clone()));
        assert_eq!(next.matches("a=ice-ufrag:next\r\n").count(), 2);
        let former = credentials(offer).expect("credentials");
        let ours = |line: &&str| !line.starts_with("a=candidate") && *line != "a=end-of-candidates";
        let plain: Vec<&str> = offer.lines().filter(ours).collect();
        assert_eq!(restarted(&next, &former).lines().collect::<Vec<_>>(), plain);
    }

    #[test]
    fn an_answers_fragment_has_its_transport() {
        let answer = "v=0\r\ns=-\r\na=group:BUNDLE 1\r\na=ice-lite\r\n\
                      m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=inactive\r\n\
                      m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:ours\r\n\
                      a=ice-pwd:secret\r\na=rtpmap:96 VP8/90000\r\na=candidate:1 1 udp 1 ::1 1 typ \
                      host\r\na=end-of-candidates\r\n";
        let expected = "a=ice-lite\r\na=group:BUNDLE 1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
                        a=mid:1\r\na=ice-ufrag:ours\r\na=ice-pwd:secret\r\n\
                        a=candidate:1 1 udp 1 ::1 1 typ host\r\na=end-of-candidates\r\n";
        assert_eq!(of_answer(answer), expected);
    }
}
