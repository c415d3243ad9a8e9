//! Packets of every codec come through, lost ones come again, keyframes are asked for.

use std::time::Duration;

use super::client::{H264, OPUS, Pair, SCREEN, Sent, VP8, rtp_packet};
use crate::{
    protocol::MediaKind,
    sfu::{
        Path,
        packet::{Codec, Packet},
        uplink::{UpEvent, UpShared},
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
    pair.uplink.request_keyframe(pair.now, &video, &mut sent);
    assert_eq!(sent.0.len(), 1, "one SRTCP packet for the declared SSRC");
    pair.deliver(sent);
    let sound = pair.mid(0);
    let mut sent = Sent::default();
    pair.uplink.request_keyframe(pair.now, &sound, &mut sent);
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
        assert_eq!(packets(&pair, "1").len(), 20, "it is not asked for again");
    }
}
