use bytes::Bytes;

use super::*;
use crate::ids::MemberId;

fn track() -> SourceTrack {
    let id = TrackId { member: MemberId(1), mid: "1".parse().expect("a mid") };
    SourceTrack::new(id, MediaKind::Video, TrackSource::Camera)
}

fn packet(ssrc: u32, sequence: u16, keyframe: bool, arrived: Instant) -> Packet {
    Packet {
        ssrc,
        layer: 0,
        sequence,
        timestamp: u32::from(sequence / 4) * 3000,
        marker: sequence % 4 == 3,
        codec: Codec::Vp8,
        keyframe,
        audio_level: None,
        red: None,
        arrived,
        payload: Bytes::from(vec![sequence as u8]),
    }
}

fn indices(track: &SourceTrack, now: Instant) -> Option<Vec<u64>> {
    Some(track.start(now)?.map(|(index, _)| index).collect())
}

#[test]
fn indices_grow_over_wraps_and_changes_of_source() {
    let now = Instant::now();
    let mut track = track();
    assert_eq!(track.codec(), None);
    let first = track.push(packet(1, 65_534, false, now)).expect("the first");
    let steps = [
        (1, 65_535, Some(first + 1), "the next"),
        (1, 1, Some(first + 3), "over the wrap, with a gap"),
        (1, 0, Some(first + 2), "the gap's"),
        (1, 0, None, "a duplicate"),
        (1, 65_534, None, "a duplicate over the wrap"),
        (1, 65_533, Some(first - 1), "earlier than the first"),
        (1, 65_533_u16.wrapping_sub(100), None, "older than all of the source"),
        (1, 1_u16.wrapping_sub(1024), None, "out of the cache"),
        (2, 500, Some(first + 20), "a new source"),
        (2, 499, Some(first + 19), "which began earlier"),
        (1, 2, Some(first + 37), "the former goes on: a new source again"),
        (2, 500, None, "a duplicate of the source before"),
    ];
    for (ssrc, sequence, expected, what) in steps {
        assert_eq!(track.push(packet(ssrc, sequence, false, now)), expected, "{what}");
        if let Some(index) = expected {
            assert_eq!(track.packet(index).map(|p| (p.ssrc, p.sequence)), Some((ssrc, sequence)));
        }
    }
    assert_eq!(track.codec(), Some(Codec::Vp8));
}

#[test]
fn the_cache_keeps_the_newest() {
    let now = Instant::now();
    let mut track = track();
    let pushed: Vec<u64> = (0..3000).filter_map(|i| track.push(packet(1, i, false, now))).collect();
    assert_eq!(pushed.len(), 3000);
    let kept: Vec<u64> =
        pushed.iter().copied().filter(|index| track.packet(*index).is_some()).collect();
    assert_eq!(kept, pushed[3000 - CACHE_PACKETS..]);
    assert!(track.packet(u64::MAX).is_none());
}

#[test]
fn a_late_viewer_is_started_from_what_is_whole_and_fresh() {
    let now = Instant::now();
    let mut track = track();
    assert_eq!(indices(&track, now), None, "nothing has come");
    let before = track.push(packet(1, 0, false, now)).expect("taken");
    assert_eq!(indices(&track, now), None, "no keyframe has come");
    track.push(packet(1, 4, true, now));
    assert_eq!(indices(&track, now), Some(vec![before + 4]));
    track.push(packet(1, 6, false, now));
    assert_eq!(indices(&track, now), None, "a packet is missing");
    track.push(packet(1, 5, false, now));
    assert_eq!(indices(&track, now), Some((4..=6).map(|i| before + i).collect()));
    assert!(indices(&track, now + START_FRESH).is_some());
    assert_eq!(indices(&track, now + START_FRESH + Duration::from_millis(1)), None, "stale");

    track.push(packet(1, 8, true, now));
    track.push(packet(1, 7, false, now));
    assert_eq!(indices(&track, now), Some(vec![before + 8]), "the newer keyframe");
    track.push(packet(9, 0, false, now));
    assert_eq!(indices(&track, now), None, "another source, without a keyframe yet");
}

#[test]
fn a_keyframe_in_several_packets_begins_with_its_first() {
    let now = Instant::now();
    let mut track = track();
    let earlier = track.push(packet(1, 3, false, now)).expect("taken");
    // SPS, PPS and IDR share a timestamp; the IDR came first.
    track.push(packet(1, 6, true, now));
    track.push(packet(1, 4, true, now));
    track.push(packet(1, 5, false, now));
    let begins = indices(&track, now).expect("it is whole");
    assert_eq!(begins, [earlier + 1, earlier + 2, earlier + 3]);
    for sequence in 7..(7 + CACHE_PACKETS as u16) {
        track.push(packet(1, sequence, false, now));
    }
    assert_eq!(indices(&track, now), None, "its beginning has left the cache");
}

#[test]
fn keyframe_requests_are_coalesced_and_none_is_forgotten() {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut track = track();
    assert_eq!(track.poll_timeout(), None);
    assert!(track.want_keyframe(at(0)), "the first is sent at once");
    assert!(!track.want_keyframe(at(100)));
    assert!(!track.want_keyframe(at(499)));
    assert_eq!(track.poll_timeout(), Some(at(500)));
    assert!(!track.keyframe_due(at(499)));
    assert!(track.keyframe_due(at(500)), "the remembered ones, as one");
    assert!(!track.keyframe_due(at(500)));
    assert!(!track.want_keyframe(at(900)));
    track.push(packet(1, 4, true, at(950)));
    assert_eq!(track.poll_timeout(), None, "the keyframe answers all that were asked before it");
    assert!(!track.keyframe_due(at(5000)));
    assert!(track.want_keyframe(at(5000)));
}

#[test]
fn an_unanswered_request_is_repeated_ever_later_and_not_for_ever() {
    let start = Instant::now();
    let mut track = track();
    assert!(track.want_keyframe(start));
    let mut sent = vec![];
    while let Some(due) = track.poll_timeout() {
        assert!(track.keyframe_due(due));
        sent.push((due - start).as_millis());
    }
    assert_eq!(sent, [500, 1500, 3500, 7500]);
    assert!(track.want_keyframe(start + Duration::from_secs(60)));
}

#[test]
fn a_report_is_the_newest_of_this_source() {
    let now = Instant::now();
    let mut track = track();
    track.push(packet(1, 0, true, now));
    track.sender_report(5, 6);
    track.sender_report(7, 8);
    assert_eq!(track.ntp_and_rtp(), Some((7, 8)));
    track.push(packet(2, 0, true, now));
    assert_eq!(track.ntp_and_rtp(), None, "the new source has another clock");
}

#[test]
fn of_a_codec_that_the_publisher_has_left_nobody_is_started() {
    let now = Instant::now();
    let mut track = track();
    let of = |codec, sequence, keyframe| Packet { codec, ..packet(1, sequence, keyframe, now) };
    let first = track.push(of(Codec::Vp8, 0, true)).expect("the first");
    track.push(of(Codec::Vp8, 1, false));
    assert_eq!(indices(&track, now), Some(vec![first, first + 1]));
    track.push(of(Codec::Vp9, 3, false));
    track.push(of(Codec::Vp8, 2, false));
    assert_eq!(track.codec(), Some(Codec::Vp9), "a straggler changes nothing");
    assert_eq!(indices(&track, now), None);
    track.push(of(Codec::Vp9, 4, true));
    assert_eq!(indices(&track, now), Some(vec![first + 4]));
}
