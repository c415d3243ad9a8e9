use super::*;
use crate::sfu::media::packet::Codec;

const CHROMIUM: &str = include_str!("../../../../../tests/sdp/chromium.sdp");

fn publisher(sdp: &str) -> Result<Offer, SfuError> {
    Offer::read(sdp, Side::Publisher)
}

fn without(prefix: &str) -> String {
    CHROMIUM.split_inclusive('\n').filter(|line| !line.starts_with(prefix)).collect()
}

#[test]
fn a_refused_offer_is_told_what_is_missing() {
    let many = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x\r\n".repeat(500);
    let cases = [
        (String::new(), "v=0"),
        ("hello".into(), "v=0"),
        ("v=0\r\nnonsense".into(), "x=value"),
        ("v=0\r\ns=-\r\n".into(), "no m-section"),
        (format!("v=0\r\n{many}"), "more than 120"),
        (format!("v=0\r\n{}", "a=x\r\n".repeat(60_000)), "bytes"),
        ("v=0\r\nm=audio\r\n".into(), "media port"),
        ("v=0\r\nm=audio x RTP/SAVPF 0\r\n".into(), "port is no number"),
        (without("a=ice-ufrag"), "a=ice-ufrag is missing"),
        (without("a=ice-pwd"), "a=ice-pwd is missing"),
        (without("a=fingerprint"), "a=fingerprint is missing"),
        (without("a=mid"), "a=mid"),
        (without("a=rtcp-mux"), "a=rtcp-mux"),
        (CHROMIUM.replace("a=mid:1", "a=mid:0"), "same a=mid"),
        (CHROMIUM.replace("a=mid:1", "a=mid:(1)"), "a=mid:(1)"),
        (CHROMIUM.replace("actpass", "holdconn"), "a=setup:holdconn"),
        (CHROMIUM.replace("t=0 0", "a=ice-lite"), "lite agent"),
        (CHROMIUM.replace("sha-256", "sha-1"), "sha-256"),
        (CHROMIUM.replace("a=ice-pwd:", "a=ice-pwd:x\r\na=old:"), "22 to 256"),
    ];
    for (sdp, expected) in cases {
        let error = publisher(&sdp).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} does not name {expected:?}");
    }
}

#[test]
fn of_opus_red_comes_first_and_its_parameters_are_those_of_the_viewers() {
    let opus = |sdp: &str| {
        let offer = publisher(sdp).expect("an offer");
        let audio = offer.sections.into_iter().find(|section| section.media == "audio");
        let opus = audio.and_then(|audio| audio.accepted).expect("it is taken").codecs.remove(0);
        (opus.payload_type, opus.red, opus.fmtp.expect("there are some"))
    };
    let fec = "minptime=10;useinbandfec=1";
    assert_eq!(opus(CHROMIUM), (111, Some(63), fec.to_owned()));
    let cases = [
        ("a=fmtp:63 111/111", "a=fmtp:63 111/9", None, fec),
        ("a=fmtp:63 111/111", "a=x", None, fec),
        ("a=rtpmap:63 red/48000/2", "a=rtpmap:63 red/8000", None, fec),
        ("a=fmtp:63 111/111", "a=fmtp:63 111/111/111", Some(63), fec),
        (
            fec,
            "minptime=10;useinbandfec=1;usedtx=1",
            Some(63),
            "minptime=10;usedtx=1;useinbandfec=1",
        ),
        (fec, "stereo=1;useinbandfec=0", Some(63), "stereo=1;useinbandfec=1"),
        (&format!("a=fmtp:111 {fec}"), "a=x", Some(63), "useinbandfec=1"),
    ];
    for (from, to, red, fmtp) in cases {
        assert!(CHROMIUM.contains(from), "{from}");
        assert_eq!(opus(&CHROMIUM.replace(from, to)), (111, red, fmtp.to_owned()), "{to}");
    }
}

#[test]
fn what_can_be_taken_is_taken() {
    // Text of a section, and the payload types that are taken of it.
    let section = |kind: &str, formats: &str, lines: &str| {
        format!(
            "v=0\r\na=group:BUNDLE a\r\nm={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\na=mid:a\r\n\
             a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=rtcp-mux\r\n\
             a=fingerprint:SHA-256 {}AB\r\n{lines}",
            "AB:".repeat(31)
        )
    };
    let h264 = |fmtp: &str| format!("a=rtpmap:99 h264/90000\r\na=fmtp:99 {fmtp}\r\n");
    let young = |codec: &str, fmtp: &str| {
        let fmtp = if fmtp.is_empty() { String::new() } else { format!("a=fmtp:98 {fmtp}\r\n") };
        format!("a=rtpmap:98 {codec}/90000\r\n{fmtp}")
    };
    type Taken = &'static [(u8, Option<u8>)];
    let cases: &[(&str, &str, &str, Taken)] = &[
        ("audio", "0 111", "a=rtpmap:111 OPUS/48000/2\r\n", &[(111, None)]),
        ("audio", "0 8", "", &[]),
        ("video", "111", "a=rtpmap:111 opus/48000/2\r\n", &[]),
        ("video", "96", "a=rtpmap:96 VP8/90000\r\n", &[(96, None)]),
        ("video", "96", "a=rtpmap:96 VP8/48000\r\n", &[]),
        ("video", "300", "a=rtpmap:300 VP8/90000\r\n", &[]),
        (
            "video",
            "97 96",
            "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
            &[(96, Some(97))],
        ),
        ("video", "99", &h264("packetization-mode=1;profile-level-id=42e01f"), &[(99, None)]),
        ("video", "99", &h264("profile-level-id=42C01F; packetization-mode=1"), &[(99, None)]),
        ("video", "99", &h264("packetization-mode=1"), &[(99, None)]),
        ("video", "99", &h264("packetization-mode=0;profile-level-id=42e01f"), &[(99, None)]),
        ("video", "99", &h264("profile-level-id=42e01f"), &[(99, None)]),
        ("video", "99", &h264("packetization-mode=2;profile-level-id=42e01f"), &[]),
        ("video", "99", &h264("packetization-mode=1;profile-level-id=4d001f"), &[(99, None)]),
        ("video", "99", &h264("packetization-mode=1;profile-level-id=64001f"), &[(99, None)]),
        ("video", "99", &h264("packetization-mode=1;profile-level-id=6e001f"), &[]),
        ("video", "99", &h264("packetization-mode=1;profile-level-id=é"), &[]),
        ("video", "98", &young("VP9", ""), &[(98, None)]),
        ("video", "98", &young("VP9", "profile-id=0"), &[(98, None)]),
        ("video", "98", &young("VP9", "profile-id=2"), &[]),
        ("video", "98", &young("AV1", "level-idx=5;profile=0;tier=0"), &[(98, None)]),
        ("video", "98", &young("AV1", "profile=1"), &[]),
        ("video", "98", &young("h265", "level-id=93;profile-id=1;tx-mode=SRST"), &[(98, None)]),
        ("video", "98", &young("H265", "profile-id=2"), &[]),
        ("video", "98", &young("H265", "profile-id=1;tx-mode=MRST"), &[]),
        ("application", "x", "", &[]),
    ];
    for (kind, formats, lines, expected) in cases {
        let offer = publisher(&section(kind, formats, lines)).expect("it is an offer");
        let is_media = *kind != "application";
        assert_eq!(offer.refusal().is_some(), is_media && expected.is_empty(), "{kind} {lines}");
        let taken = offer.sections[0].accepted.iter().flat_map(|accepted| &accepted.codecs);
        let taken: Vec<(u8, Option<u8>)> = taken.map(|c| (c.payload_type, c.rtx)).collect();
        assert_eq!(taken, *expected, "{kind} {formats} {lines}");
    }
}

#[test]
fn parameter_sets_and_channels_of_the_offer_are_read() {
    let sets = "a=fmtp:99 packetization-mode=1;profile-level-id=42e01f;sprop-parameter-sets=Z0LAFg==,aM48,QQ==,???\r\n";
    let rtpmap = "a=rtpmap:96 VP8/90000";
    let sdp = CHROMIUM.replace("SAVPF 96 97", "SAVPF 99 96 97");
    let sdp = sdp.replace(rtpmap, &format!("{rtpmap}\r\na=rtpmap:99 H264/90000\r\n{sets}"));
    let sdp = sdp.replace("minptime=10;useinbandfec=1", "minptime=10;sprop-stereo=1");
    let offer = publisher(&sdp).expect("an offer");
    let [audio, video] = &offer.sections[..2] else { panic!("two sections") };
    let h264 = &video.accepted.as_ref().expect("a picture").codecs;
    let h264 = h264.iter().find(|codec| codec.payload_type == 99);
    let known: [&[u8]; 2] = [&[0x67, 0x42, 0xc0, 0x16], &[0x68, 0xce, 0x3c]];
    assert_eq!(h264.expect("it is the first of its kind").parameter_sets, known);
    let opus = &audio.accepted.as_ref().expect("sound").codecs[0];
    assert_eq!(opus.fmtp.as_deref(), Some("minptime=10;stereo=1;useinbandfec=1"));
}

#[test]
fn the_constrained_baseline_is_preferred() {
    let offer = publisher(CHROMIUM).expect("it is an offer");
    let video = offer.sections[1].accepted.as_ref().expect("it is taken");
    let h264 = video.codecs.iter().find(|c| c.codec == Codec::H264).expect("it offers H.264");
    let fmtp = h264.fmtp.as_deref().expect("it has parameters");
    assert!(fmtp.contains("profile-level-id=42e01f") && fmtp.contains("packetization-mode=1"));
    assert!(h264.nack && h264.pli && h264.fir && h264.transport_cc);
    assert_eq!(video.sources.len(), 1);
    assert!(video.sources[0].1.is_some(), "its retransmissions are declared");
}

#[test]
fn without_bundle_the_first_section_is_taken() {
    let offer = publisher(&without("a=group")).expect("it is an offer");
    let taken: Vec<bool> = offer.sections.iter().map(|s| s.accepted.is_some()).collect();
    assert_eq!(taken, [true, false]);
    let why = offer.refusal().expect("the picture has no transport");
    assert!(why.contains("section 2 (m=video)") && why.contains("a=group:BUNDLE"), "{why}");
}

/// What the answer cannot take is named, with what would be right.
#[test]
fn a_section_that_cannot_be_taken_says_why() {
    let cases = [
        ("a=rtpmap:111 opus/48000/2", "a=rtpmap:111 multiopus/48000/6", "opus/48000/2 is needed"),
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 1", "0 is not in a=group:BUNDLE"),
        ("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 RTP/AVP", "UDP/TLS/RTP/SAVPF is needed"),
    ];
    for (from, to, expected) in cases {
        assert!(CHROMIUM.contains(from), "{from}");
        let why = publisher(&CHROMIUM.replace(from, to)).expect("the picture is left").refusal();
        let why = why.expect("the sound cannot be taken");
        assert!(why.contains("section 1 (m=audio)") && why.contains(expected), "{why}");
    }
    // Nobody wants to send here.
    let stopped = CHROMIUM.replace("a=rtpmap:111 opus", "a=rtpmap:111 none");
    let stopped = stopped.replacen("m=audio 9", "m=audio 0", 1);
    assert_eq!(publisher(&stopped).expect("an offer").refusal(), None);
    assert_eq!(publisher(CHROMIUM).expect("an offer").refusal(), None);
}

/// Forms that some clients have and browsers take; both readers are one.
#[test]
fn odd_forms_are_taken_of_publishers_and_viewers() {
    let aiortc = include_str!("../../../../../tests/sdp/whep-aiortc.sdp");
    let head =
        |sdp: &str, head: &str| format!("{head}{}", &sdp[sdp.find("a=").expect("attributes")..]);
    for (original, side) in [(CHROMIUM, Side::Publisher), (aiortc, Side::Viewer)] {
        let plain = Offer::read(original, side).expect("an offer");
        let forms = [
            head(original, "v=0\r\n"),
            head(original, "v=0\r\no=- 18446744073709551616 2 IN IP4 127.0.0.1\r\ns=-\r\n"),
            head(original, "v=0\r\nt=0 0\r\ns=\r\no=x\r\nc=IN IP4 0.0.0.0\r\nb=AS:1\r\nz=?\r\n"),
            original.replace("\r\n", "\n"),
            original.replace("\r\n", " \r\n\r\n"),
            original.replace("a=rtcp-mux", "c=IN IP4 0.0.0.0\r\ni=x\r\na=rtcp-mux"),
        ];
        for sdp in forms {
            let offer = Offer::read(&sdp, side).expect(&sdp);
            let taken = |offer: &Offer| {
                let accepted = offer.sections.iter().map(|section| section.accepted.as_ref());
                accepted.map(|a| a.map_or(0, |a| a.codecs.len())).collect::<Vec<_>>()
            };
            assert_eq!(taken(&offer), taken(&plain), "{sdp}");
            assert_eq!(offer.transport, plain.transport);
        }
    }
    let lone = "v=0\r\na=sendonly\r\n".to_owned() + &without("a=mid").replace("a=group", "a=x");
    let lone =
        lone.replacen("v=0\r\n", "", 1).replacen("a=sendonly\r\nv=0", "v=0\r\na=sendonly", 1);
    let lone = &lone[..lone.rfind("m=video").expect("a picture")];
    let offer = publisher(lone).expect("one section needs no name");
    assert!(offer.sections[0].accepted.is_some() && !offer.has_bundle);
}

/// Lines cut, doubled, swapped and bent: whatever comes of it is an answer or an error.
#[test]
fn mangled_offers_never_panic() {
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % limit
    };
    for original in [CHROMIUM, include_str!("../../../../../tests/sdp/webrtcbin-h264.sdp")] {
        for _ in 0..2000 {
            let mut lines: Vec<String> = original.lines().map(str::to_owned).collect();
            for _ in 0..=below(4) {
                let (at, with) = (below(lines.len()), below(lines.len()));
                match below(5) {
                    0 => drop(lines.remove(at)),
                    1 => lines.swap(at, with),
                    2 => lines.insert(at, lines[with].clone()),
                    3 => lines[at] = lines[at].chars().take(below(30)).collect(),
                    _ => lines[at] = lines[at].replace([':', ' '], "\u{1F4A9}"),
                }
            }
            let _ = publisher(&lines.join("\r\n"));
        }
    }
}

/// A lone carriage return went into the answer, where some readers see a line's end.
#[test]
fn control_characters_do_not_come_back_in_the_answer() {
    for odd in ["m=text\ra=x 9 X 0", "m=text 9 X\r 0", "m=text 9 X 0\u{b}1"] {
        let offer = format!("{CHROMIUM}{odd}\r\na=mid:9\r\n");
        let refusal = publisher(&offer).expect_err(odd);
        assert!(matches!(refusal, SfuError::SdpInvalid(_)), "{refusal}");
    }
}

/// What each costs is looked for in all lines: an offer of thousands would cost their product.
#[test]
fn of_endless_payload_types_those_are_read_that_can_exist() {
    let taken = |n_before: usize| {
        let many = "0 ".repeat(n_before);
        let offer = CHROMIUM.replace("SAVPF 111", &format!("SAVPF {many}111"));
        let offer = publisher(&offer).expect("an offer");
        let audio = offer.sections.into_iter().find(|section| section.media == "audio");
        audio.and_then(|audio| audio.accepted).is_some_and(|accepted| !accepted.codecs.is_empty())
    };
    assert!(taken(0) && taken(127), "static and dynamic types are 128 together");
    assert!(!taken(128) && !taken(20_000));
}
