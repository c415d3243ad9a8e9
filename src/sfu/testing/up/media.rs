//! Packets of every codec come through, lost ones come again, keyframes are asked for.

use std::time::Duration;

use bytes::Bytes;

use super::client::{H264, OPUS, Pair, SCREEN, Sent, VP8, rtp_packet};
use crate::{
    protocol::MediaKind,
    seams::media::Path,
    sfu::{
        media::packet::{Codec, Packet},
        up::{UpEvent, UpShared},
    },
};

fn packets(pair: &Pair, mid: &str) -> Vec<Packet> {
    let of_mid = pair.events.iter().filter_map(|event| match event {
        UpEvent::Rtp { mid: of, packet } if of.as_str() == mid => Some(packet.clone()),
        _ => None,
    });
    of_mid.collect()
}

fn seen(pair: &Pair, mid: &str) -> Vec<(Codec, u16, bool)> {
    packets(pair, mid).iter().map(|p| (p.codec, p.sequence, p.keyframe)).collect()
}

/// The library's client takes over the codecs of the first video section of an answer alone, so
/// VP8 and H.264 are published by two of them.
#[test]
fn packets_of_every_codec_arrive_intact() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS, VP8, SCREEN]);
    let kinds: Vec<MediaKind> = pair.uplink.mids().iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, [MediaKind::Audio, MediaKind::Video, MediaKind::Video]);
    assert_eq!(pair.uplink.path(pair.now), Path::New);
    pair.connect();
    assert_eq!(pair.uplink.path(pair.now), Path::Connected);

    pair.client.send(pair.now, OPUS, rtp_packet(OPUS, 7, 960, b"\x78opus"));
    pair.client.send(pair.now, VP8, rtp_packet(VP8, 65_535, 3000, &[0x10, 0x00, 1, 2]));
    pair.client.send(pair.now, VP8, rtp_packet(VP8, 0, 6000, &[0x10, 0x01, 1, 2]));
    pair.client.send(pair.now, SCREEN, rtp_packet(SCREEN, 9, 3000, &[0x10, 0x00, 3, 4]));
    pair.exchange();

    let sound = packets(&pair, "0").remove(0);
    let whole = (sound.codec, sound.ssrc, sound.sequence, sound.timestamp, &sound.payload[..]);
    assert_eq!(whole, (Codec::Opus, OPUS.ssrc, 7, 960, &b"\x78opus"[..]));
    assert_eq!((sound.arrived, sound.marker, sound.audio_level), (pair.now, false, None));
    assert_eq!(seen(&pair, "1"), [(Codec::Vp8, 65_535, true), (Codec::Vp8, 0, false)]);
    assert_eq!(seen(&pair, "2"), [(Codec::Vp8, 9, true)]);

    let mut pair = Pair::new(&shared, &[OPUS, H264]);
    pair.connect();
    pair.client.send(pair.now, H264, rtp_packet(H264, 1, 3000, &[0x67, 0x42, 0xe0, 0x1f]));
    pair.client.send(pair.now, H264, rtp_packet(H264, 2, 3000, &[0x41, 0x9a]));
    pair.exchange();
    assert_eq!(seen(&pair, "1"), [(Codec::H264, 1, true), (Codec::H264, 2, false)]);
}

#[test]
fn a_keyframe_request_reaches_the_publisher() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS, VP8]);
    pair.connect();
    let mut sent = Sent::default();
    let video = pair.mid(1);
    pair.uplink.request_keyframe(pair.now, &video, 0, &mut sent);
    assert_eq!(sent.0.len(), 1, "one SRTCP packet for the declared SSRC");
    pair.deliver(sent);
    assert_eq!(pair.client.n_rtcp("pli", VP8.ssrc), 1, "the client has got it");
    let sound = pair.mid(0);
    let mut sent = Sent::default();
    pair.uplink.request_keyframe(pair.now, &sound, 0, &mut sent);
    assert!(sent.0.is_empty(), "sound has no keyframes");
}

#[test]
fn a_lost_packet_is_asked_for_and_comes_by_rtx() {
    let shared = UpShared::new().expect("a certificate");
    for line in [VP8, H264] {
        let mut pair = Pair::new(&shared, &[OPUS, line]);
        pair.connect();
        let payloads: Vec<Vec<u8>> = (0..20).map(|i| vec![0x41, 0x01, i, i]).collect();
        for (index, payload) in payloads.iter().enumerate() {
            let sequence = 65_530_u16.wrapping_add(index as u16);
            // The primary SSRC's packet is lost; its repetition has another SSRC.
            pair.lose = Box::new(move |up, datagram| {
                up && index == 9 && datagram[0] >= 128 && datagram[8..12] == line.ssrc.to_be_bytes()
            });
            let packet = rtp_packet(line, sequence, index as u32 * 3000, payload);
            pair.client.send(pair.now, line, packet);
            pair.exchange();
        }
        pair.lose = Box::new(|_, _| false);
        assert_eq!(packets(&pair, "1").len(), 19);
        pair.run(Duration::from_millis(300), |pair| packets(pair, "1").len() == 20);
        let arrived = packets(&pair, "1");
        let repeated = arrived.last().expect("packets");
        assert_eq!(repeated.sequence, 65_530_u16.wrapping_add(9), "the lost one came last");
        assert_eq!((repeated.ssrc, &repeated.payload[..]), (line.ssrc, &payloads[9][..]));
        pair.run(Duration::from_secs(1), |_| false);
        assert_eq!(packets(&pair, "1").len(), 20, "and once only");
        assert_eq!(pair.client.n_rtcp("nack", line.ssrc), 1, "it is not asked for again");
    }
}

#[test]
fn a_packet_that_never_comes_is_asked_for_a_few_times_only() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS, VP8]);
    pair.connect();
    pair.lose = Box::new(|up, datagram| up && datagram[0] >= 128 && datagram[1] & 0x7f == 97);
    for sequence in [1, 3] {
        let packet = rtp_packet(VP8, sequence, 0, &[0x10, 0x01]);
        pair.client.send(pair.now, VP8, packet);
        pair.exchange();
    }
    pair.run(Duration::from_secs(3), |_| false);
    let n_asked = pair.client.n_rtcp("nack", VP8.ssrc);
    assert!((3..=10).contains(&n_asked), "asked {n_asked} times");
}

#[test]
fn reports_go_both_ways() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS, VP8]);
    pair.connect();
    for sequence in 0..30 {
        let timestamp = u32::from(sequence) * 9000;
        let mut packet = rtp_packet(VP8, sequence, timestamp, &[0x10, 0x01, 2]);
        let counter = Bytes::copy_from_slice(&sequence.to_be_bytes());
        packet.header.set_extension(pair.extension("transport-wide-cc"), counter).expect("it fits");
        pair.client.send(pair.now, VP8, packet);
        pair.run(Duration::from_millis(100), |_| false);
    }
    let reported: Vec<u32> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            UpEvent::SenderReport { mid, rtp_timestamp, .. } => {
                assert_eq!(mid.as_str(), "1");
                Some(*rtp_timestamp)
            }
            _ => None,
        })
        .collect();
    assert!(reported.len() >= 2 && reported.is_sorted(), "sender reports: {reported:?}");
    assert!(pair.client.n_rtcp("report", VP8.ssrc) >= 2, "receiver reports");
    assert!(pair.client.n_rtcp("transport-cc", VP8.ssrc) >= 5, "arrival feedback");
}

#[test]
fn the_level_of_sound_is_read() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS]);
    pair.connect();
    let mut packet = rtp_packet(OPUS, 1, 960, b"loud");
    let level = Bytes::from_static(&[0x80 | 30]);
    packet.header.set_extension(pair.extension("ssrc-audio-level"), level).expect("it fits");
    pair.client.send(pair.now, OPUS, packet);
    pair.exchange();
    let sound = packets(&pair, "0").remove(0);
    assert_eq!((sound.audio_level, &sound.payload[..]), (Some(30), &b"loud"[..]));
}

/// RFC 9429 does not ask for `a=ssrc`; then packets are told apart by their mid, and failing that
/// by a payload type that only one section has.
#[test]
fn sources_that_were_not_declared_are_sorted() {
    let shared = UpShared::new().expect("a certificate");
    let without_ssrc = |offer: String| {
        let lines = offer.split_inclusive('\n').filter(|line| !line.starts_with("a=ssrc"));
        lines.collect::<String>()
    };
    let settings = Default::default;
    let lines = [OPUS, VP8, SCREEN];
    let mut pair = Pair::with(&shared, &lines, settings(), without_ssrc);
    pair.connect();
    let video = pair.mid(2);
    let mut sent = Sent::default();
    pair.uplink.request_keyframe(pair.now, &video, 0, &mut sent);
    assert!(sent.0.is_empty(), "nobody knows its SSRC yet");
    let mid = pair.extension("sdes:mid");
    for (line, says) in [(VP8, "1"), (SCREEN, "2")] {
        let mut packet = rtp_packet(line, 1, 0, &[0x10, 0x01]);
        let says = Bytes::from_static(says.as_bytes());
        packet.header.set_extension(mid, says).expect("it fits");
        pair.client.send(pair.now, line, packet);
        // From the second on the mid is known.
        pair.client.send(pair.now, line, rtp_packet(line, 2, 0, &[0x10, 0x01]));
    }
    pair.client.send(pair.now, OPUS, rtp_packet(OPUS, 1, 0, b"sound"));
    pair.exchange();
    pair.run(Duration::from_millis(100), |_| false);
    let n_packets = ["0", "1", "2"].map(|mid| packets(&pair, mid).len());
    assert_eq!(n_packets, [1, 2, 2]);
    assert_eq!(packets(&pair, "2")[0].ssrc, SCREEN.ssrc);
    assert_eq!(pair.client.n_rtcp("pli", SCREEN.ssrc), 1, "the request was remembered");
    assert_eq!(pair.client.n_rtcp("pli", VP8.ssrc), 0);
}
