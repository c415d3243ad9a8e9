//! Answers as browsers write them, and what is wrong with others.

use super::*;
use crate::sfu::testing::random::Random;

const FINGERPRINT: &str = "AA:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
                           10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:FF";

/// The shape of Chromium's answer to an offer of Opus, VP8 and H.264.
fn chromium() -> String {
    let head = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
                a=group:BUNDLE 0 1 2\r\na=msid-semantic: WMS\r\n";
    let transport = format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:x4Wc\r\n\
         a=ice-pwd:0123456789abcdefghijklmn\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:active\r\n"
    );
    let audio = "a=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
                 a=fmtp:111 minptime=10;useinbandfec=1\r\n";
    let vp8 = "a=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\n\
               a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
               a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
    let h264 = "a=mid:2\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:102 H264/90000\r\n\
                a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";
    format!(
        "{head}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{transport}{audio}\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n{transport}{vp8}\
         m=video 9 UDP/TLS/RTP/SAVPF 102\r\n{transport}{h264}"
    )
}

fn offered() -> Vec<(String, Codec)> {
    vec![("0".into(), Codec::Opus), ("1".into(), Codec::Vp8), ("2".into(), Codec::H264)]
}

fn accepted(payload_type: u8, rtx_payload_type: Option<u8>) -> Answered {
    Answered::Accepted {
        payload_type,
        rtx_payload_type,
        red_payload_type: None,
        transport_cc: None,
    }
}

#[test]
fn a_browsers_answer_is_understood() {
    let answer = read(&chromium(), &offered()).unwrap();
    let lines = [accepted(111, None), accepted(96, Some(97)), accepted(102, None)];
    assert_eq!(answer.lines, lines);
    let fingerprint = answer.transport.unwrap().fingerprint;
    assert_eq!((fingerprint[0], fingerprint[1], fingerprint[31]), (0xaa, 1, 0xff));
}

#[test]
fn red_is_sent_to_who_has_it_with_our_opus_in_it() {
    let with = |formats: &str, opus: &str, red: &str| {
        let sdp = chromium().replacen("SAVPF 111\r\n", &format!("SAVPF {formats}\r\n"), 1).replace(
            "a=rtpmap:111 opus/48000/2\r\n",
            &format!("a=rtpmap:{opus} opus/48000/2\r\n{red}"),
        );
        match read(&sdp, &offered()).expect("an answer").lines[0] {
            Answered::Accepted { payload_type, red_payload_type, .. } => {
                (payload_type, red_payload_type)
            }
            other => panic!("{other:?}"),
        }
    };
    let red = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n";
    assert_eq!(with("111 63", "111", red), (111, Some(63)), "Chromium");
    assert_eq!(with("63 111", "111", red), (111, Some(63)), "in whatever order");
    assert_eq!(with("111", "111", ""), (111, None), "Firefox");
    assert_eq!(with("111", "111", red), (111, None), "it is not among its formats");
    let renamed = red.replace("111/111", "96/96");
    assert_eq!(with("96 63", "96", &renamed), (96, None), "our packets have 111 in them");
    assert_eq!(with("111 63", "111", &renamed), (111, None));
}

/// One change to a good answer, and what the middle line becomes.
#[test]
fn what_the_client_does_not_take_is_seen() {
    let cases = [
        (
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
            "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
            Answered::Refused,
        ),
        ("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP9/90000", Answered::Refused),
        ("a=mid:1\r\na=recvonly", "a=mid:1\r\na=inactive", Answered::Inactive),
        ("a=mid:1\r\na=recvonly", "a=mid:1\r\na=sendonly", Answered::Inactive),
        ("a=mid:1\r\na=recvonly", "a=mid:1\r\na=sendrecv", accepted(96, Some(97))),
        ("a=fmtp:97 apt=96", "a=fmtp:97 apt=98", accepted(96, None)),
        ("a=rtpmap:96 VP8", "a=rtpmap:96 vp8", accepted(96, Some(97))),
        ("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1", accepted(96, Some(97))),
    ];
    for (from, to, expected) in cases {
        let sdp = chromium();
        assert!(sdp.contains(from), "{from}");
        let answer = read(&sdp.replacen(from, to, 1), &offered()).unwrap();
        assert_eq!(answer.lines[1], expected, "{to}");
        assert_eq!((answer.lines[0], answer.lines[2]), (accepted(111, None), accepted(102, None)));
    }
    let other_numbers = chromium().replace("96", "120").replace("97", "121");
    assert_eq!(read(&other_numbers, &offered()).unwrap().lines[1], accepted(120, Some(121)));
    let mode_0 = chromium().replace("packetization-mode=1", "packetization-mode=0");
    assert_eq!(read(&mode_0, &offered()).unwrap().lines[2], Answered::Refused);
}

#[test]
fn when_all_is_refused_no_certificate_is_needed() {
    let sdp = chromium().replace(" 9 UDP", " 0 UDP").replace("a=fingerprint", "a=nothing");
    let answer = read(&sdp, &offered()).unwrap();
    assert_eq!(answer, Answer { lines: vec![Answered::Refused; 3], transport: None });
    let without_mids = sdp.replace("a=mid:", "a=dim:");
    assert_eq!(read(&without_mids, &offered()).unwrap(), answer);
}

#[test]
fn transport_may_be_told_for_the_session() {
    let (sdp, transport) = (chromium(), format!("a=fingerprint:SHA-256 {FINGERPRINT}\r\n"));
    let stripped = sdp.replace(&format!("a=fingerprint:sha-256 {FINGERPRINT}\r\n"), "");
    let sdp = stripped.replacen("t=0 0\r\n", &format!("t=0 0\r\n{transport}"), 1);
    assert_eq!(read(&sdp, &offered()).unwrap().transport.unwrap().fingerprint[0], 0xaa);
}

#[test]
fn the_client_may_be_the_server_of_dtls() {
    let passive = chromium().replace("a=setup:active", "a=setup:passive");
    for (sdp, setup) in [(passive, Setup::Passive), (chromium(), Setup::Active)] {
        assert_eq!(read(&sdp, &offered()).unwrap().transport.unwrap().setup, setup);
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let cases = [
        ("a=setup:active", "a=setup:holdconn", "active"),
        ("a=setup:active", "a=setup:actpass", "active"),
        ("a=mid:1", "a=mid:7", "section 1"),
        ("a=mid:2\r\n", "", "section 2"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "sha-256"),
        (":FF\r\n", "\r\n", "sha-256"),
        (":FF\r\n", ":FF:00\r\n", "sha-256"),
        (":FF\r\n", ":XX\r\n", "sha-256"),
        ("a=ice-pwd:", "a=ice-wpd:", "ice-pwd"),
        ("m=audio 9", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nm=audio 9", "4 sections"),
    ];
    for (from, to, expected) in cases {
        let sdp = chromium().replace(from, to);
        let Err(SfuError::SdpUnacceptable(text)) = read(&sdp, &offered()) else {
            panic!("{to}: {:?}", read(&sdp, &offered()))
        };
        assert!(text.contains(expected), "{text}");
    }
    for garbage in ["", "garbage", "v=0", "v=1\r\n", &"a".repeat(200_000)] {
        let result = read(garbage, &offered());
        assert!(
            matches!(result, Err(SfuError::SdpInvalid(_) | SfuError::SdpUnacceptable(_))),
            "{result:?}"
        );
    }
}

/// Seeded mutations of a good answer: some are still answers, none panics.
#[test]
fn garbage_is_an_error_and_never_a_panic() {
    let mut random = Random::new(21);
    let good = chromium().into_bytes();
    let mut n_refused = 0;
    for _ in 0..3000 {
        let mut sdp = good.clone();
        for _ in 0..=random.below(6) {
            if sdp.is_empty() {
                break;
            }
            let at = random.below(sdp.len() as u64) as usize;
            match random.below(4) {
                0 => sdp[at] = b" \r\n:=/;9a\xff-0,."[random.below(14) as usize],
                1 => drop(sdp.remove(at)),
                2 => {
                    let end = (at + random.below(60) as usize).min(sdp.len());
                    let copy = sdp[at..end].to_vec();
                    let to = random.below(sdp.len() as u64) as usize;
                    sdp.splice(to..to, copy);
                }
                _ => sdp.truncate(at.max(1)),
            }
        }
        n_refused += usize::from(read(&String::from_utf8_lossy(&sdp), &offered()).is_err());
    }
    assert!(n_refused > 500);
}

/// As in an offer: their number times that of the attributes is the work.
#[test]
fn payload_types_beyond_what_there_can_be_are_not_looked_at() {
    let with = |n: usize| chromium().replace("SAVPF 96 97", &format!("SAVPF {}96", "0 ".repeat(n)));
    let line = |n| read(&with(n), &offered()).expect("an answer").lines[1];
    assert_eq!(line(100), accepted(96, None));
    assert_eq!(line(40_000), Answered::Refused);
}
