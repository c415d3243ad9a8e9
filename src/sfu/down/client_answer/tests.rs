//! Offers as browsers and aiortc write them, and what is wrong with others; the answers to them.

use std::{
    io::Cursor,
    time::{Duration, Instant},
};

use rtc::sdp::SessionDescription;

use super::*;
use crate::{
    seams::media::SfuError,
    sfu::{
        down::{DownShared, Downlink, ShownTrack, negotiation::tests::track, tests::downlink},
        media::{packet::Codec, sdp::offer::Side},
    },
};

const AIORTC: &str = include_str!("../../../../tests/sdp/whep-aiortc.sdp");
/// A publisher's, of which the sections send: turned round it is a viewer's.
const CHROMIUM: &str = include_str!("../../../../tests/sdp/chromium.sdp");
/// GStreamer's webrtcbin with the codecs of whepsrc, which have no parameters: as it is by default, and
/// with `do-nack`, `fec-type` and the transport-wide numbers.
const WEBRTCBIN: &str = include_str!("../../../../tests/sdp/whep-webrtcbin.sdp");
const WEBRTCBIN_FEC: &str = include_str!("../../../../tests/sdp/whep-webrtcbin-fec.sdp");

fn read(sdp: &str) -> Result<Offer, SfuError> {
    let offer = Offer::read(sdp, Side::Viewer)?;
    match offer.transport {
        Some(_) => Ok(offer),
        None => Err(nothing_to_send(&offer)),
    }
}

fn viewer(sdp: &str) -> String {
    sdp.replace("a=sendonly", "a=recvonly")
}

fn without(prefix: &str) -> String {
    AIORTC.split_inclusive('\n').filter(|line| !line.starts_with(prefix)).collect()
}

fn codecs(section: &Section) -> Vec<(Codec, u8, Option<u8>)> {
    let taken = section.accepted.iter().flat_map(|taken| &taken.codecs);
    taken.map(|c| (c.codec, c.payload_type, c.rtx)).collect()
}

#[test]
fn payload_types_are_the_clients_and_the_best_of_a_codec_is_taken() {
    let offer = read(AIORTC).expect("aiortc's offer");
    assert_eq!(codecs(&offer.sections[0]), [(Codec::Opus, 96, None)]);
    let video = [(Codec::Vp8, 97, Some(98)), (Codec::H264, 101, Some(102))];
    assert_eq!(codecs(&offer.sections[1]), video, "42e01f before 42001f");
    assert_eq!(
        (offer.transport.as_ref().expect("a transport").ufrag.as_str(), offer.has_bundle),
        ("teyK", true)
    );
    let high_only = AIORTC.replace("42e01f", "640c1f").replace("42001f", "4d001f");
    let offer = read(&high_only).expect("these decoders can show it too");
    assert_eq!(codecs(&offer.sections[1])[1], (Codec::H264, 99, Some(100)), "of equals the first");
    let mode_0 = AIORTC.replace("packetization-mode=1", "packetization-mode=0");
    assert_eq!(codecs(&read(&mode_0).expect("VP8 is left").sections[1]).len(), 1);
    let chromium = read(&viewer(CHROMIUM)).expect("Chromium's offer");
    assert!(chromium.sections.iter().all(|section| section.accepted.is_some()));
    let codecs: Vec<Codec> = codecs(&chromium.sections[1]).iter().map(|taken| taken.0).collect();
    assert_eq!(codecs, [Codec::Vp8, Codec::H264, Codec::Av1, Codec::Vp9], "as Chromium has them");
}

#[test]
fn red_is_taken_where_opus_is_called_as_in_our_packets() {
    let red = |sdp: &str| {
        let offer = read(&viewer(sdp)).expect("an offer");
        let taken = offer.sections.iter().filter_map(|section| section.accepted.as_ref());
        let mut codecs = taken.flat_map(|taken| taken.codecs.clone());
        codecs.find(|codec| codec.codec == Codec::Opus).and_then(|codec| codec.red)
    };
    assert_eq!(red(CHROMIUM), Some(63));
    assert_eq!(red(&CHROMIUM.replace("111", "112")), None);
    assert_eq!(red(AIORTC), None, "it has none");
    let same = CHROMIUM.replace("63 9 0", "0111 9 0").replace(":63 ", ":0111 ");
    assert_eq!(red(&same), None, "Opus has that payload type");
    // Of a picture there is none, whatever its section says.
    let vp8 = "a=rtpmap:111 VP8/90000\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111";
    let odd = CHROMIUM.replace("SAVPF 96 97", "SAVPF 111 63 97");
    let odd = read(&viewer(&odd.replace("a=rtpmap:96 VP8/90000", vp8))).expect("an offer");
    let video = odd.sections[1].accepted.as_ref().expect("a picture");
    let types: Vec<_> = video.codecs.iter().map(|c| (c.codec, c.red)).collect();
    assert_eq!(types[0], (Codec::Vp8, None));

    let now = Instant::now();
    let mut downlink = downlink(&DownShared::new().expect("a certificate"), now);
    let answer = downlink.handle_offer(now, &viewer(CHROMIUM), &[]).expect("an answer");
    let line = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n";
    let lines = [line, "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n", "useinbandfec=1"];
    assert!(lines.iter().all(|line| answer.contains(line)), "{answer}");
}

#[test]
fn a_section_in_which_nothing_can_be_sent_is_refused_alone() {
    let (head, rest) = AIORTC.split_once("m=video ").expect("two sections");
    let cases = [
        format!("{head}m=video {}", rest.replace("a=recvonly", "a=sendonly")),
        format!("{head}m=video {}", rest.replace("a=recvonly", "a=inactive")),
        format!("{head}m=video {}", rest.replace("VP8", "H263").replace("H264", "H266")),
        format!("{head}m=video {}", rest.replacen("57580", "0", 1)),
        format!("{head}m=video {}", rest.replacen("UDP/TLS/RTP/SAVPF", "RTP/AVP", 1)),
        AIORTC.replace("BUNDLE 0 1", "BUNDLE 0"),
        AIORTC.replace("a=group:BUNDLE 0 1\r\n", ""),
    ];
    for sdp in cases {
        let offer = read(&sdp).expect("the sound is left");
        let taken: Vec<bool> = offer.sections.iter().map(|s| s.accepted.is_some()).collect();
        assert_eq!(taken, [true, false], "{sdp}");
    }
}

#[test]
fn an_offer_of_which_nothing_can_come_is_told_why() {
    let many = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x\r\n".repeat(500);
    let unknown = AIORTC.replace("opus", "G722").replace("VP8", "H263").replace("H264", "H266");
    let cases = [
        (String::new(), ""),
        ("hello".into(), "v=0"),
        (format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{many}"), "more than 120"),
        (format!("v=0\r\n{}", "a=x\r\n".repeat(60_000)), "bytes"),
        (without("a=ice-ufrag"), "a=ice-ufrag is missing"),
        (without("a=ice-pwd"), "a=ice-pwd is missing"),
        (without("a=fingerprint"), "a=fingerprint"),
        (without("a=fingerprint:sha-256"), "a=fingerprint"),
        (without("a=mid"), "a=mid"),
        (without("a=rtcp-mux"), "a=rtcp-mux"),
        (AIORTC.replace("a=mid:1", "a=mid:0"), "same a=mid"),
        (AIORTC.replace("a=mid:1", "a=mid:(1)"), "a=mid"),
        (AIORTC.replace("actpass", "holdconn"), "a=setup:holdconn"),
        (AIORTC.replace("a=recvonly", "a=sendonly"), "recvonly"),
        (unknown, "is needed; section 2 (m=video) cannot be taken"),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".into(), "no section"),
    ];
    for (sdp, part) in cases {
        let error = read(&sdp).expect_err(part).to_string();
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
    for at in (0..AIORTC.len()).step_by(7) {
        // Cut anywhere, it is refused or understood, and never a panic.
        let _ = read(&AIORTC[..at]);
    }
}

/// H.264 was refused here: without `packetization-mode` RFC 6184 means single NAL units.
#[test]
fn webrtcbin_gets_every_codec_and_neither_red_nor_fec() {
    let answered = |sdp: &str, rtx: [Option<u8>; 2]| {
        let offer = read(sdp).expect("webrtcbin's offer");
        assert_eq!(codecs(&offer.sections[0]), [(Codec::Opus, 96, rtx[0])]);
        let video = [
            (Codec::Vp8, 101, rtx[1]),
            (Codec::H264, 102, None),
            (Codec::Vp9, 103, None),
            (Codec::H265, 104, None),
            (Codec::Av1, 105, None),
        ];
        assert_eq!(codecs(&offer.sections[1]), video);
        let mut bench = Bench::new();
        bench.down.handle_offer(bench.now, sdp, &[Codec::H264]).expect("an answer")
    };
    let has = |answer: &str, parts: &[&str]| {
        parts.iter().for_each(|part| assert!(answer.contains(part), "{part:?} in {answer}"));
    };
    let has_none = |answer: &str, parts: &[&str]| {
        parts.iter().for_each(|part| assert!(!answer.contains(part), "{part:?} in {answer}"));
    };
    let answer = answered(WEBRTCBIN, [None, None]);
    has(&answer, &["a=group:BUNDLE audio0 video1\r\n", "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"]);
    has(&answer, &["m=video 9 UDP/TLS/RTP/SAVPF 102 101 103 104 105\r\n"]);
    has_none(
        &answer,
        &["rtx", "red/", "ulpfec", "a=fmtp", "transport-cc", "a=extmap", " nack\r\n"],
    );
    let answer = answered(WEBRTCBIN_FEC, [Some(99), Some(108)]);
    has(&answer, &["m=audio 9 UDP/TLS/RTP/SAVPF 96 99\r\n", "a=fmtp:99 apt=96\r\n"]);
    has(&answer, &["m=video 9 UDP/TLS/RTP/SAVPF 102 101 108 103 104 105\r\n"]);
    has(&answer, &["a=fmtp:108 apt=101\r\n", "a=extmap:3 ", "a=rtcp-fb:102 transport-cc\r\n"]);
    has_none(&answer, &["red/", "ulpfec", "a=rtpmap:109", "a=rtpmap:100"]);
}

struct Bench {
    now: Instant,
    down: Downlink,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        Self { now, down: downlink(&DownShared::new().expect("a certificate"), now) }
    }

    fn show(&mut self, tracks: &[ShownTrack]) -> Vec<(String, u64)> {
        self.down.show(self.now, tracks);
        let mids = self.down.mids();
        mids.iter().map(|(mid, shown)| (mid.to_string(), shown.member.0)).collect()
    }
}

#[test]
fn the_answer_has_the_offers_sections_and_payload_types() {
    let mut bench = Bench::new();
    let data =
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\n";
    let offer = format!("{AIORTC}{data}");
    let answer = bench.down.handle_offer(bench.now, &offer, &[Codec::H264]).expect("an answer");
    for part in [
        "a=group:BUNDLE 0 1\r\n",
        "a=ice-lite\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n",
        "a=rtpmap:96 opus/48000/2\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 101 102 97 98\r\n",
        "a=rtcp-fb:101 nack pli\r\n",
        "a=fmtp:101 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n",
        "a=fmtp:102 apt=101\r\n",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        "a=mid:2\r\na=inactive\r\n",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 10000 typ host\r\na=end-of-candidates\r\n",
    ] {
        assert!(answer.contains(part), "{part:?} in {answer}");
    }
    for (part, n) in [("a=setup:passive", 2), ("a=sendonly", 2), ("a=fingerprint", 2)] {
        assert_eq!(answer.matches(part).count(), n, "{part} in {answer}");
    }
    assert!(!answer.contains("extmap") && !answer.contains("ccm fir"), "{answer}");
    SessionDescription::unmarshal(&mut Cursor::new(&*answer)).expect("it is SDP");
}

#[test]
fn one_line_shows_one_track_after_another_whatever_its_codec() {
    let mut bench = Bench::new();
    bench.down.handle_offer(bench.now, AIORTC, &[]).expect("an answer");
    assert_eq!(bench.down.offer(), None);
    let camera = [track(1, "s", Codec::Opus), track(1, "v", Codec::H264)];
    assert_eq!(bench.show(&camera), [("0".into(), 1), ("1".into(), 1)]);
    let both = [&camera[..], &[track(2, "v", Codec::Vp8)]].concat();
    assert_eq!(bench.show(&both), [("0".into(), 1), ("1".into(), 1)], "the line is taken");
    assert_eq!(bench.show(&both[2..]), [("1".into(), 2)]);
    assert_eq!(bench.show(&[]), []);
    assert_eq!(bench.show(&camera), [("0".into(), 1), ("1".into(), 1)]);
    bench.now += Duration::from_secs(1);
    bench.down.handle_timeout(bench.now, &mut Vec::new());
    assert_eq!(bench.down.offer(), None, "nothing is ever offered to it");
}

#[test]
fn a_codec_that_the_client_cannot_receive_is_said_at_once() {
    let mut bench = Bench::new();
    let vp8_only = AIORTC.replace("H264", "VP9").replace("opus", "G722");
    let error = bench.down.handle_offer(bench.now, &vp8_only, &[Codec::H264]).expect_err("no");
    assert!(matches!(&error, SfuError::SdpUnacceptable(text) if text.contains("H264")), "{error}");
    bench.down.handle_offer(bench.now, &vp8_only, &[Codec::H264, Codec::Vp8]).expect("VP8 fits");
}

#[test]
fn a_later_offer_restarts_ice_and_changes_nothing_else() {
    let mut bench = Bench::new();
    let credentials = |answer: &str| {
        let line = |key: &str| answer.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        (line("a=ice-ufrag"), line("a=ice-pwd"))
    };
    let first = bench.down.handle_offer(bench.now, AIORTC, &[]).expect("an answer");
    let again = bench.down.handle_offer(bench.now, AIORTC, &[]).expect("the same offer");
    assert_eq!(credentials(&first), credentials(&again));
    let ssrc = |answer: &str| answer.lines().filter(|l| l.starts_with("a=ssrc:")).count();
    let restart = AIORTC.replace("teyK", "other");
    let answer = bench.down.handle_offer(bench.now, &restart, &[]).expect("a restart");
    assert_ne!(credentials(&first), credentials(&answer));
    assert!(answer.contains(bench.down.local_ufrag()));
    assert_eq!(ssrc(&first), ssrc(&answer));
    let refused = [
        (restart.replace("64:BF", "64:C0"), "certificate"),
        (restart.replace("a=mid:1", "a=mid:7").replace("BUNDLE 0 1", "BUNDLE 0 7"), "session"),
        (restart.replace("97", "107"), "session"),
    ];
    for (offer, part) in refused {
        let error = bench.down.handle_offer(bench.now, &offer, &[]).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// Each payload type is looked for among all attributes: with thousands of both, one offer of 128 KiB
/// would hold the worker.
#[test]
fn payload_types_beyond_what_there_can_be_are_not_looked_at() {
    let with = |n: usize| AIORTC.replace("SAVPF 97 ", &format!("SAVPF {}97 ", "0 ".repeat(n)));
    assert_ne!(with(1), AIORTC);
    assert_eq!(codecs(&read(&with(100)).expect("128 are read").sections[1]).len(), 2);
    let beyond = read(&with(40_000)).expect("the sound is left");
    assert!(beyond.sections[1].accepted.is_none());
}

/// A lone carriage return went into the answer, where some readers see a line's end.
#[test]
fn control_characters_do_not_come_back_in_the_answer() {
    let refused = AIORTC.replace("m=audio ", "m=audio\ra=x ");
    assert!(matches!(read(&refused), Err(SfuError::SdpInvalid(_))), "{:?}", read(&refused));
    let rtpmap = "a=rtpmap:97 VP8/90000\r\n";
    let odd = AIORTC.replace(rtpmap, &format!("{rtpmap}a=fmtp:97 x=1\ra=y\r\n"));
    assert_ne!(odd, AIORTC);
    let offer = read(&odd).expect("the rest is good");
    let taken = offer.sections[1].accepted.as_ref().expect("the picture");
    assert!(taken.codecs.iter().all(|codec| codec.fmtp.as_deref() != Some("x=1\ra=y")));
}

#[test]
fn remb_is_asked_of_who_tells_nothing_better() {
    let n_named = |sdp: &str| {
        let now = Instant::now();
        let mut downlink = downlink(&DownShared::new().expect("a certificate"), now);
        let answer = downlink.handle_offer(now, sdp, &[]).expect("an answer");
        ["goog-remb", "transport-cc"].map(|what| {
            let is_named = |line: &&str| line.starts_with("a=rtcp-fb:") && line.ends_with(what);
            answer.lines().filter(is_named).count()
        })
    };
    assert_eq!(n_named(AIORTC), [2, 0]);
    let [n_remb, n_transport_cc] = n_named(&viewer(CHROMIUM));
    assert!(n_remb == 0 && n_transport_cc > 0);
}
