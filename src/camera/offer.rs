//! What of the session descriptions concerns the camera.
//!
//! Owns two small readings of SDP (RFC 8866): which m-section of our offer shows what, and which
//! candidates of the media plane's answer are for us. PURE; everything else is webrtcbin's.

use crate::{
    ids::Mid,
    protocol::{PublishTrack, TrackSource},
};

/// The tracks of an offer of ours: its video is the camera, its audio the microphone.
pub fn tracks(offer: &str) -> Vec<PublishTrack> {
    let mut source = None;
    let mut tracks = Vec::new();
    for line in offer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            source = match media.split(' ').next() {
                Some("video") => Some(TrackSource::Camera),
                Some("audio") => Some(TrackSource::Microphone),
                _ => None,
            };
        } else if let (Some(mid), Some(kind)) = (line.strip_prefix("a=mid:"), source)
            && let Ok(mid) = mid.trim().parse::<Mid>()
        {
            tracks.push(PublishTrack { mid, source: kind });
        }
    }
    tracks
}

/// The answer with its candidates on 127.0.0.1 over UDP alone, or `None` if it has no such one.
///
/// The camera's agent is bound to loopback: a check from there to another address of this box
/// would never be answered.
pub fn on_loopback(answer: &str) -> Option<String> {
    let mut n_kept = 0;
    let mut text = String::with_capacity(answer.len());
    for line in answer.lines() {
        if let Some(candidate) = line.strip_prefix("a=candidate:") {
            // foundation component transport priority address port (RFC 8839, 5.1)
            let fields: Vec<&str> = candidate.split(' ').collect();
            let udp = fields.get(2).is_some_and(|transport| transport.eq_ignore_ascii_case("udp"));
            if !udp || fields.get(4) != Some(&"127.0.0.1") {
                continue;
            }
            n_kept += 1;
        }
        text.push_str(line);
        text.push_str("\r\n");
    }
    (n_kept > 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_of_an_offer_is_named() {
        let offer = "v=0\r\na=mid:ignored\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:video0\r\n\
                     m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:audio1\r\n\
                     m=application 0 x y\r\na=mid:2\r\n";
        let named: Vec<_> =
            tracks(offer).into_iter().map(|track| (track.mid.to_string(), track.source)).collect();
        let expected =
            [("video0".into(), TrackSource::Camera), ("audio1".into(), TrackSource::Microphone)];
        assert_eq!(named, expected);
        assert_eq!(tracks("garbage"), []);
    }

    #[test]
    fn candidates_elsewhere_are_left_out() {
        let cases = [
            ("a=candidate:1 1 udp 2130706431 127.0.0.1 10000 typ host", true),
            ("a=candidate:1 1 UDP 2130706431 127.0.0.1 10000 typ host", true),
            ("a=candidate:1 1 tcp 2130706431 127.0.0.1 10000 typ host tcptype passive", false),
            ("a=candidate:1 1 udp 2130706431 192.168.1.2 10000 typ host", false),
            ("a=candidate:1 1 udp 2130706431 ::1 10000 typ host", false),
            ("a=candidate:1 1 udp", false),
            ("a=candidate:", false),
        ];
        let kept = "a=candidate:9 1 udp 1 127.0.0.1 10001 typ host";
        for (line, stays) in cases {
            let answer = format!("v=0\r\na=ice-lite\r\n{line}\r\n{kept}\r\na=mid:video0\r\n");
            let filtered = on_loopback(&answer).expect("one candidate is left");
            assert_eq!(filtered.contains(line), stays || kept.contains(line), "{line}");
            assert!(filtered.ends_with(&format!("{kept}\r\na=mid:video0\r\n")));
            assert_eq!(on_loopback(line).is_some(), stays, "{line}");
        }
    }
}
