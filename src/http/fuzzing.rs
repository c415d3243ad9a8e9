//! Doors for fuzzing what clients send over HTTP; see `crate::fuzzing`.

use super::sdp_fragment::{Credentials, credentials, of_answer, read, restarted};

const OFFER: &str = include_str!("../../tests/sdp/whep-aiortc.sdp");

/// An SDP fragment: its credentials, if any are taken, go into an offer and change nothing else.
pub fn sdp_fragment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read(text) {
        Ok(Some(with)) => {
            let next = restarted(OFFER, &with);
            assert_eq!(credentials(&next), Some(with));
            assert!(next.split_terminator("\r\n").all(|line| !line.contains(char::is_control)));
            let former = credentials(OFFER).expect("the offer has them");
            assert_eq!(restarted(&next, &former), restarted(OFFER, &former));
        }
        Ok(None) => {}
        Err(fault) => assert!(!fault.is_empty() && fault.len() < 400, "{fault}"),
    }
    // As an offer that was taken before.
    let with = Credentials { ufrag: "next".into(), pwd: "0123456789012345678901".into() };
    let next = restarted(text, &with);
    assert!(credentials(text).is_none() || credentials(&next) == Some(with.clone()));
    assert_eq!(restarted(&next, &with), next);
    let fragment = of_answer(text);
    assert!(fragment.ends_with("\r\n") && fragment.len() <= 2 * text.len() + 32);
}
