//! Later offers on the same connection, ciphers, and what real clients offer.

use std::time::Duration;

use bytes::Bytes;
use rtc::{
    dtls::extension::extension_use_srtp::SrtpProtectionProfile,
    peer_connection::configuration::setting_engine::SettingEngineBuilder,
    statistics::StatsSelector,
};

use super::client::{OPUS, Pair, SCREEN, VP8, rtp_packet, start_of_time, uplink};
use crate::{
    protocol::MediaKind,
    seams::media::{Path, SfuError},
    sfu::{
        link::srtp::Profile,
        media::sdp::offer::{Offer, Side},
        up::{UpEvent, UpShared, media::Media},
        wire::rtp::Header,
    },
};

fn n_packets(pair: &Pair, mid: &str) -> usize {
    let is_of_mid =
        |event: &&UpEvent| matches!(event, UpEvent::Rtp { mid: of, .. } if of.as_str() == mid);
    pair.events.iter().filter(is_of_mid).count()
}

fn mids(pair: &Pair) -> Vec<String> {
    pair.uplink.mids().iter().map(|(mid, _)| mid.to_string()).collect()
}

#[test]
fn sections_come_and_go_on_one_connection() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS, VP8]);
    pair.connect();
    let ufrag = pair.uplink.local_ufrag().to_owned();
    pair.client.send(pair.now, VP8, rtp_packet(VP8, 1, 0, &[0x10, 0x00]));
    pair.exchange();

    pair.client.add(SCREEN);
    let answer = pair.negotiate(|offer| offer);
    assert_eq!(mids(&pair), ["0", "1", "2"]);
    assert!(answer.contains("a=group:BUNDLE 0 1 2\r\n"));
    assert_eq!(pair.uplink.local_ufrag(), ufrag, "ICE goes on as it was");
    pair.client.send(pair.now, VP8, rtp_packet(VP8, 2, 0, &[0x10, 0x01]));
    pair.client.send(pair.now, SCREEN, rtp_packet(SCREEN, 1, 0, &[0x10, 0x00]));
    pair.exchange();
    assert_eq!((n_packets(&pair, "1"), n_packets(&pair, "2")), (2, 1));
    assert_eq!(pair.uplink.path(pair.now), Path::Connected);

    // The camera's section stops, the screen's goes on.
    let offer = pair.client.offer(pair.now);
    let mut parts: Vec<String> = offer.split("m=").map(str::to_owned).collect();
    parts[2] = parts[2].replace("a=sendrecv", "a=inactive");
    let answer = pair.uplink.handle_offer(pair.now, &parts.join("m=")).expect("an answer");
    assert_eq!(mids(&pair), ["0", "2"]);
    assert_eq!(answer.matches("a=inactive\r\n").count(), 1);
    assert_eq!(answer.matches("a=recvonly\r\n").count(), 2);
    parts[2] = parts[2].replacen("video 9", "video 0", 1);
    let answer = pair.uplink.handle_offer(pair.now, &parts.join("m=")).expect("an answer");
    assert!(answer.contains("a=group:BUNDLE 0 2\r\n") && answer.contains("m=video 0 "));
    assert_eq!(mids(&pair), ["0", "2"]);

    let all_stopped = "v=0\r\ns=-\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n";
    let answer = pair.uplink.handle_offer(pair.now, all_stopped).expect("an answer");
    assert!(answer.contains("m=audio 0 ") && !answer.contains("BUNDLE"));
    assert!(mids(&pair).is_empty());
    pair.uplink.handle_offer(pair.now, &parts.join("m=")).expect("an answer");

    let refused = pair.uplink.handle_offer(pair.now, "v=0\r\nnonsense");
    assert!(matches!(refused, Err(SfuError::SdpInvalid(_))));
    assert_eq!(mids(&pair), ["0", "2"], "an offer that is refused changes nothing");
}

/// A packet of VP8, or one that repeats such a packet (payload type 97); `said` are extensions of
/// one-byte headers (RFC 8285), as identifier and value.
fn packet(payload_type: u8, ssrc: u32, sequence: u16, said: &[(u8, &[u8])]) -> Vec<u8> {
    let mut values: Vec<u8> = Vec::new();
    for (id, value) in said {
        values.push(id << 4 | u8::try_from(value.len() - 1).expect("a short value"));
        values.extend(*value);
    }
    values.resize(values.len().next_multiple_of(4), 0);
    let mut packet = vec![0x90, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, u8::try_from(values.len() / 4).expect("few")]);
    packet.extend(values);
    // What a retransmission repeats is the packet 100 before it.
    packet.extend(if payload_type == 97 {
        (sequence - 100).to_be_bytes().to_vec()
    } else {
        vec![]
    });
    packet.extend([0x10, 0x01, 0x02]);
    packet
}

/// Chromium declares no SSRCs of a simulcast, and says mid and layer only until it is understood; a
/// screen that is shared later has the same payload types.
#[test]
fn layers_go_on_when_a_section_with_the_same_codecs_is_added() {
    let camera = include_str!("../../../../tests/sdp/chromium-simulcast.sdp");
    let video = &camera[camera.find("m=video").expect("a picture")..];
    let video = &video[..video.find("m=application").expect("what follows it")];
    let is_simulcast = |line: &&str| line.starts_with("a=rid") || line.starts_with("a=simulcast");
    let screen: String = video.split_inclusive('\n').filter(|line| !is_simulcast(line)).collect();
    let screen = screen.replace("a=mid:0", "a=mid:2") + "a=ssrc:900 cname:screen\r\n";
    let both = format!("{camera}{screen}").replace("BUNDLE 0 1", "BUNDLE 0 1 2");

    let now = start_of_time();
    let mut media = Media::new("parlor", now);
    let take = |media: &mut Media, data: Vec<u8>| {
        let header = Header::parse(&data).expect("a header");
        let body = Bytes::copy_from_slice(&data[header.length..]);
        media.take_rtp(now, &header, u64::from(header.sequence), body);
        media.poll_event().and_then(|event| match event {
            UpEvent::Rtp { mid, packet } => {
                Some((mid.to_string(), packet.layer, packet.ssrc, packet.sequence))
            }
            _ => None,
        })
    };
    let of = |layer: u8, ssrc: u32, sequence: u16| Some(("0".to_owned(), layer, ssrc, sequence));
    let layers: [(u8, &[u8]); 3] = [(0, b"q"), (1, b"h"), (2, b"f")];
    media.apply(&Offer::read(camera, Side::Publisher).expect("an offer"));
    for (layer, rid) in layers {
        let (ssrc, rtx) = (u32::from(layer) + 10, u32::from(layer) + 20);
        let first = packet(96, ssrc, 500, &[(9, b"0"), (10, rid)]);
        assert_eq!(take(&mut media, first), of(layer, ssrc, 500));
        let again = packet(97, rtx, 600, &[(9, b"0"), (11, rid)]);
        assert_eq!(take(&mut media, again), of(layer, ssrc, 500));
    }
    for offer in [&*both, camera, &both] {
        media.apply(&Offer::read(offer, Side::Publisher).expect("an offer"));
        for (layer, _) in layers {
            let (ssrc, rtx) = (u32::from(layer) + 10, u32::from(layer) + 20);
            assert_eq!(take(&mut media, packet(96, ssrc, 501, &[])), of(layer, ssrc, 501));
            assert_eq!(take(&mut media, packet(97, rtx, 601, &[])), of(layer, ssrc, 501));
        }
    }
    let shared = Some(("2".to_owned(), 0, 900, 1));
    assert_eq!(take(&mut media, packet(96, 900, 1, &[])), shared);
    assert_eq!(take(&mut media, packet(96, 901, 1, &[])), None, "it may be of either");
}

#[test]
fn an_ice_restart_keeps_the_connection() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS]);
    pair.connect();
    let ufrag = pair.uplink.local_ufrag().to_owned();
    pair.client.connection.restart_ice();
    let answer = pair.negotiate(|offer| offer);
    assert_ne!(pair.uplink.local_ufrag(), ufrag);
    assert!(answer.contains(&format!("a=ice-ufrag:{}\r\n", pair.uplink.local_ufrag())));
    pair.run(Duration::from_secs(5), |_| false);
    pair.client.send(pair.now, OPUS, rtp_packet(OPUS, 1, 0, b"after"));
    pair.exchange();
    assert_eq!(n_packets(&pair, "0"), 1);
    assert_eq!(pair.uplink.path(pair.now), Path::Connected);
}

#[test]
fn the_cipher_is_gcm_where_both_have_it() {
    use SrtpProtectionProfile::{Srtp_Aead_Aes_128_Gcm, Srtp_Aes128_Cm_Hmac_Sha1_80};
    let shared = UpShared::new().expect("a certificate");
    let both = vec![Srtp_Aes128_Cm_Hmac_Sha1_80, Srtp_Aead_Aes_128_Gcm];
    let preferred = match Profile::preferred() {
        Profile::Gcm => "SRTP_AEAD_AES_128_GCM",
        Profile::Cm => "SRTP_AES128_CM_HMAC_SHA1_80",
    };
    let cases = [
        (both, preferred),
        (vec![Srtp_Aes128_Cm_Hmac_Sha1_80], "SRTP_AES128_CM_HMAC_SHA1_80"),
        (vec![Srtp_Aead_Aes_128_Gcm], "SRTP_AEAD_AES_128_GCM"),
    ];
    for (profiles, expected) in cases {
        let settings = SettingEngineBuilder::new().with_srtp_protection_profiles(profiles);
        let mut pair = Pair::with(&shared, &[OPUS], settings, |offer| offer);
        pair.connect();
        let report = pair.client.connection.get_stats(pair.now, StatsSelector::None);
        assert_eq!(report.transport().expect("a transport").srtp_cipher, expected);
        pair.client.send(pair.now, OPUS, rtp_packet(OPUS, 1, 0, b"sealed"));
        pair.exchange();
        assert_eq!(n_packets(&pair, "0"), 1, "{expected}");
    }
}

#[test]
fn another_certificate_is_refused() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS]);
    pair.connect();
    let offer = include_str!("../../../../tests/sdp/chromium.sdp");
    let refused = pair.uplink.handle_offer(pair.now, offer);
    assert!(
        matches!(refused, Err(SfuError::SdpUnacceptable(text)) if text.contains("fingerprint"))
    );
}

/// What was offered by Chromium 156 and by GStreamer 1.22's `webrtcbin`, word for word.
#[test]
fn real_offers_have_sane_answers() {
    let audio = MediaKind::Audio;
    let video = MediaKind::Video;
    let chromium = [
        "VP8/90000",
        "rtx/90000",
        "H264/90000",
        "rtx/90000",
        "AV1/90000",
        "rtx/90000",
        "VP9/90000",
        "rtx/90000",
    ];
    let cases = [
        (
            include_str!("../../../../tests/sdp/chromium.sdp"),
            vec![("0", audio), ("1", video)],
            ["opus/48000/2", "red/48000/2"].into_iter().chain(chromium).collect(),
        ),
        (
            include_str!("../../../../tests/sdp/chromium-simulcast.sdp"),
            vec![("0", video)],
            chromium.to_vec(),
        ),
        (
            include_str!("../../../../tests/sdp/webrtcbin-h264.sdp"),
            vec![("video0", video), ("audio1", audio)],
            vec!["H264/90000", "rtx/90000", "opus/48000/2", "rtx/48000"],
        ),
        (
            include_str!("../../../../tests/sdp/webrtcbin-vp8.sdp"),
            vec![("video0", video), ("audio1", audio)],
            vec!["VP8/90000", "rtx/90000", "opus/48000/2", "rtx/48000"],
        ),
    ];
    let shared = UpShared::new().expect("a certificate");
    for (offer, publishes, codecs) in cases {
        let now = start_of_time();
        let mut uplink = uplink(&shared, now);
        let answer = uplink.handle_offer(now, offer).expect("an answer");
        let seen = uplink.mids();
        let seen: Vec<(&str, MediaKind)> =
            seen.iter().map(|(mid, kind)| (mid.as_str(), *kind)).collect();
        assert_eq!(seen, publishes, "{offer}");

        let values = |name: &str| -> Vec<&str> {
            let prefix = format!("a={name}:");
            answer.lines().filter_map(|line| line.strip_prefix(&*prefix)).collect()
        };
        let mids: Vec<&str> = publishes.iter().map(|(mid, _)| *mid).collect();
        assert_eq!(values("group"), [format!("BUNDLE {}", mids.join(" "))]);
        assert_eq!(answer.lines().filter(|line| *line == "a=ice-lite").count(), 1);
        assert_eq!(values("setup"), vec!["passive"; mids.len()]);
        assert_eq!(values("fingerprint").len(), mids.len());
        assert_eq!(values("candidate"), ["1 1 udp 2130706431 127.0.0.1 10000 typ host"]);
        assert_eq!(values("ice-ufrag"), vec![uplink.local_ufrag(); mids.len()]);
        let names: Vec<&str> =
            values("rtpmap").iter().filter_map(|map| map.split(' ').nth(1)).collect();
        assert_eq!(names, codecs);
        let n_sections = |sdp: &str| sdp.lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(n_sections(&answer), n_sections(offer), "each section has its answer");
        assert!(answer.lines().filter(|l| l.starts_with("a=rtcp-fb")).all(|l| offer.contains(l)));
        assert!(answer.lines().filter(|l| l.starts_with("a=extmap:")).all(|l| offer.contains(l)));
        assert!(answer.lines().all(|line| !line.is_empty()));
        let has_layers = offer.contains("a=simulcast:send");
        assert_eq!(values("simulcast"), vec!["recv q;h;f"; usize::from(has_layers)]);
        let layers = if has_layers { vec!["q recv", "h recv", "f recv"] } else { Vec::new() };
        assert_eq!(values("rid"), layers);
        // The library's parser, as one more reader.
        let parsed = rtc::peer_connection::sdp::RTCSessionDescription::answer(answer.to_string());
        parsed.and_then(|parsed| parsed.unmarshal()).expect("the answer parses");
    }
}
