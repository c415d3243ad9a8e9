//! A publisher that may send several codecs in one section changes from one to the other: its viewers
//! go on, late ones begin with a keyframe, and whoever cannot show a codec has no line for it.

use std::time::Duration;

use crate::{
    ids::MemberId,
    protocol::TrackSource,
    sfu::testing::world::{Source, World},
};

/// By payload type: how a keyframe's payload begins, and another frame's.
const CODECS: [(u8, &str, &[u8], &[u8]); 4] = [
    (96, "VP8", &[0x10, 0x00], &[0x10, 0x01]),
    (98, "VP9", &[0x8a, 0x81, 0x05], &[0xc8, 0x81, 0x05]),
    (45, "AV1", &[0x18, 0x0a, 0x0b], &[0x10, 0x32, 0x00]),
    (49, "H265", &[0x26, 0x01, 0xaf], &[0x02, 0x01, 0xd0]),
];

fn versatile(world: &mut World) -> Source {
    world.publisher_with(1, |offer| {
        let lines: String = CODECS[1..]
            .iter()
            .map(|(number, name, ..)| {
                format!("a=rtpmap:{number} {name}/90000\r\na=rtcp-fb:{number} nack pli\r\n")
            })
            .collect();
        let offer = offer.replace("SAVPF 96", "SAVPF 96 98 45 49");
        offer.replace("a=rtpmap:96", &format!("{lines}a=rtpmap:96"))
    })
}

/// One frame of two packets, in this codec.
fn send(world: &mut World, source: &mut Source, codec: usize, keyframe: bool) {
    let (payload_type, _, key, other) = CODECS[codec];
    let begin = if keyframe { key } else { other };
    source.timestamp = source.timestamp.wrapping_add(3000);
    for index in 0..2_u8 {
        source.sequence = source.sequence.wrapping_add(1);
        let mut payload = if index == 0 { begin.to_vec() } else { vec![0x80, 0, 0] };
        payload.extend_from_slice(&(source.sent.len() as u32).to_be_bytes());
        payload.resize(500, 7);
        let mut packet = vec![0x80, payload_type | index << 7];
        packet.extend_from_slice(&source.sequence.to_be_bytes());
        packet.extend_from_slice(&source.timestamp.to_be_bytes());
        packet.extend_from_slice(&source.ssrc.to_be_bytes());
        packet.extend_from_slice(&payload);
        let peer = world.ups.get_mut(&source.member).expect("a publisher");
        peer.client.send_rtp(&packet);
        source.sent.push(payload);
    }
}

/// What a viewer has of this codec, by the section that was negotiated for it.
fn received(world: &World, viewer: MemberId, codec: usize) -> Vec<Vec<u8>> {
    let peer = &world.downs[&viewer];
    let section = peer.sections.iter().find(|section| section.payload_type == CODECS[codec].0);
    let stream = section.and_then(|section| peer.streams.get(&section.ssrc));
    stream.map(|stream| stream.payloads.values().cloned().collect()).unwrap_or_default()
}

/// Frames for so long, keyframes as they are asked for.
fn play(world: &mut World, source: &mut Source, codec: usize, n_frames: usize) {
    for _ in 0..n_frames {
        let peer = world.ups.get_mut(&source.member).expect("a publisher");
        let is_asked = !std::mem::take(&mut peer.plis).is_empty();
        send(world, source, codec, is_asked);
        world.run(Duration::from_millis(30));
    }
}

#[test]
fn viewers_go_on_over_changes_of_codec_and_late_ones_begin_at_once() {
    let mut world = World::new();
    let mut source = versatile(&mut world);
    let viewer = world.viewer(100, &[source.member]);
    for codec in [0, 1, 2, 3, 0] {
        let first = source.sent.len();
        let n_before = received(&world, viewer, codec).len();
        // An encoder begins with a keyframe.
        send(&mut world, &mut source, codec, true);
        play(&mut world, &mut source, codec, 40);
        let name = CODECS[codec].1;
        let got = received(&world, viewer, codec);
        let n_sent = source.sent.len() - first;
        assert_eq!(got.len() - n_before, n_sent, "{name}: from its first packet on");
        assert_eq!(got[n_before..], source.sent[first..], "{name}: as it was");
        let tracks = &world.seen[&source.member].up.as_ref().expect("an up").tracks;
        assert_eq!(tracks[0].codec.as_deref(), Some(name));
        let mids = &world.seen[&viewer].down.as_ref().expect("a down").mids;
        assert_eq!(mids.len(), 1, "one section shows it");

        let n_plis = world.ups[&source.member].n_plis;
        play(&mut world, &mut source, codec, 100);
        let late = world.viewer(200 + codec as u16, &[source.member]);
        play(&mut world, &mut source, codec, 60);
        assert!(world.ups[&source.member].n_plis > n_plis, "{name}: a keyframe was asked for");
        let begins = received(&world, late, codec).first().map(|payload| payload[..2].to_vec());
        assert_eq!(begins.as_deref(), Some(&CODECS[codec].2[..2]), "{name}: and begins it");
        world.wants.remove(&late);
        world.apply(late);
    }
}

#[test]
fn who_changes_codecs_with_every_frame_is_told_to_others_once_a_second() {
    let mut world = World::new();
    let mut source = versatile(&mut world);
    let viewer = world.viewer(100, &[source.member]);
    send(&mut world, &mut source, 0, true);
    play(&mut world, &mut source, 0, 40);
    let member = source.member;
    let codec = |world: &World| {
        let up = world.seen[&member].up.as_ref().expect("an up");
        up.tracks[0].codec.clone()
    };
    let (mut told, n_news) = (codec(&world), world.n_news);
    let (mut n_changes, mut n_got) = (0, received(&world, viewer, 0).len());
    n_got += received(&world, viewer, 1).len();
    for nth in 0..150_usize {
        send(&mut world, &mut source, nth % 2, true);
        world.run(Duration::from_millis(20));
        let now = codec(&world);
        n_changes += usize::from(now != told);
        told = now;
    }
    assert!((2..=4).contains(&n_changes), "{n_changes} changes in three seconds");
    assert!(world.n_news - n_news <= 20, "{} pieces of news", world.n_news - n_news);
    let n_now = received(&world, viewer, 0).len() + received(&world, viewer, 1).len();
    assert!(n_now >= n_got + 100, "half of it is shown all the time: {}", n_now - n_got);
}

#[test]
fn two_channels_are_asked_of_whoever_has_them_and_offered_to_the_viewers() {
    for (offered, is_stereo) in
        [("stereo=1;sprop-stereo=1", true), ("sprop-stereo=1", true), ("minptime=10", false)]
    {
        let mut world = World::new();
        let source = world.publisher_of(1, ("opus", TrackSource::Microphone), |offer| {
            let usual = "a=fmtp:111 minptime=10;useinbandfec=1";
            assert!(offer.contains(usual), "{offer}");
            offer.replace(usual, &format!("a=fmtp:111 {offered}"))
        });
        let answer = world.seen[&source.member].up.as_ref().expect("an up").answer.clone();
        let answer = answer.expect("an answer");
        let parameters = answer.lines().find(|line| line.starts_with("a=fmtp:111 "));
        let asked = parameters
            .is_some_and(|line| line.contains(";stereo=1;") || line.contains(" stereo=1;"));
        assert_eq!(asked, is_stereo, "{offered}: {parameters:?}");

        let viewer = world.viewer(100, &[source.member]);
        let mut packet = vec![0x80, 111, 0, 1, 0, 0, 0, 1];
        packet.extend(source.ssrc.to_be_bytes());
        packet.extend(b"two channels");
        world.ups.get_mut(&source.member).expect("a publisher").client.send_rtp(&packet);
        let offer = |world: &World| world.seen.get(&viewer)?.down.as_ref()?.offer.clone();
        world.until("the sound is offered", |world| offer(world).is_some());
        let offer = offer(&world).expect("an offer");
        let parameters = offer.lines().find(|line| line.starts_with("a=fmtp:111 "));
        let parameters = parameters.unwrap_or_else(|| panic!("of Opus in {offer}"));
        // A line shows one after the other, mono or not.
        assert!(parameters.contains("sprop-stereo=1;stereo=1"), "{parameters}");
    }
}
