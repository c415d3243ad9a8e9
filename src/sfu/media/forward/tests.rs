use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::*;

mod layers;

const KEY: bool = true;
const DELTA: bool = false;

fn packet(codec: Codec, ssrc: u32, index: u64, keyframe: bool, arrived: Instant) -> Packet {
    Packet {
        ssrc,
        layer: 0,
        sequence: index as u16,
        timestamp: (index as u32).wrapping_mul(3000),
        marker: index.is_multiple_of(3),
        codec,
        keyframe,
        audio_level: None,
        red: None,
        arrived,
        payload: Bytes::new(),
    }
}

/// What goes in as (ssrc, index, keyframe) and the sequence it goes out under.
fn check(codec: Codec, steps: &[(u32, u64, bool, Option<u16>)]) {
    let now = Instant::now();
    let mut forwarder = Forwarder::new(100, 5000);
    for (step, &(ssrc, index, keyframe, expected)) in steps.iter().enumerate() {
        let packet = packet(codec, ssrc, index, keyframe, now);
        let sequence = forwarder.forward(index, &packet).map(|header| header.sequence);
        assert_eq!(sequence, expected, "{codec:?}, step {step}");
        if let Some(sequence) = sequence {
            assert_eq!(forwarder.index_of(sequence), Some((0, index)), "step {step}");
        }
    }
}

#[test]
fn sequences_follow_the_source() {
    check(Codec::Opus, &[(1, 40, DELTA, Some(100)), (1, 41, DELTA, Some(101))]);
    // A gap stays a gap, and what fills it later has kept its place; duplicates do not go out.
    check(
        Codec::Opus,
        &[
            (1, 40, DELTA, Some(100)),
            (1, 43, DELTA, Some(103)),
            (1, 41, DELTA, Some(101)),
            (1, 41, DELTA, None),
            (1, 43, DELTA, None),
            (1, 44, DELTA, Some(104)),
            (1, 39, DELTA, None),
        ],
    );
    // A gap longer than the window is a new source.
    check(Codec::Opus, &[(1, 40, DELTA, Some(100)), (1, 41 + WINDOW, DELTA, Some(101))]);
}

#[test]
fn video_begins_with_a_keyframe() {
    check(
        Codec::Vp8,
        &[
            (1, 40, DELTA, None),
            (1, 42, KEY, Some(100)),
            (1, 41, DELTA, None),
            (1, 43, DELTA, Some(101)),
            // Another source: nothing until its keyframe, then on by 1.
            (2, 70, DELTA, None),
            (1, 44, DELTA, None),
            (2, 72, KEY, Some(102)),
            (2, 71, DELTA, None),
            (2, 73, DELTA, Some(103)),
        ],
    );
}

#[test]
fn a_late_packet_of_the_former_source_keeps_its_place() {
    check(
        Codec::Vp8,
        &[
            (1, 40, KEY, Some(100)),
            (1, 42, DELTA, Some(102)),
            (2, 60, KEY, Some(103)),
            (1, 41, DELTA, Some(101)),
            (2, 61, DELTA, Some(104)),
        ],
    );
}

#[test]
fn after_a_skip_video_waits_and_audio_goes_on() {
    let now = Instant::now();
    for (codec, expected) in [(Codec::H264, None), (Codec::Opus, Some(101))] {
        let mut forwarder = Forwarder::new(100, 5000);
        assert!(forwarder.wants_keyframe().is_some());
        forwarder.forward(40, &packet(codec, 1, 40, KEY, now)).expect("it begins");
        assert!(forwarder.wants_keyframe().is_none());
        forwarder.skip_to_keyframe();
        assert!(forwarder.wants_keyframe().is_some());
        let next = forwarder.forward(45, &packet(codec, 1, 45, DELTA, now));
        assert_eq!(next.map(|header| header.sequence), expected, "{codec:?}");
        let key = forwarder.forward(50, &packet(codec, 1, 50, KEY, now)).expect("a keyframe");
        let sequence = if codec == Codec::Opus { 106 } else { 101 };
        // The clock of one source goes on as it does, whatever was left out.
        let timestamp = 5000 + 10 * 3000;
        assert_eq!((key.sequence, key.timestamp), (sequence, timestamp), "{codec:?}");
        assert!(forwarder.wants_keyframe().is_none());
    }
}

#[test]
fn sound_that_was_left_out_goes_on_without_a_gap_in_its_own_time_and_marked() {
    let now = Instant::now();
    let mut forwarder = Forwarder::new(100, 5000);
    let go = |forwarder: &mut Forwarder, index: u64| {
        let mut packet = packet(Codec::Opus, 1, index, DELTA, now);
        packet.marker = false;
        let header = forwarder.forward(index, &packet);
        header.map(|header| (header.sequence, header.timestamp, header.marker))
    };
    assert_eq!(go(&mut forwarder, 40), Some((100, 5000, true)));
    assert_eq!(go(&mut forwarder, 41), Some((101, 8000, false)));
    forwarder.skip_to_keyframe();
    assert_eq!(go(&mut forwarder, 91), Some((102, 158_000, true)), "50 packets later");
    assert_eq!(go(&mut forwarder, 90), None, "it belongs to what was left out");
    assert_eq!(go(&mut forwarder, 92), Some((103, 161_000, false)));
}

#[test]
fn a_new_source_goes_on_in_time() {
    let now = Instant::now();
    let mut forwarder = Forwarder::new(0, u32::MAX - 1000);
    let first = forwarder.forward(40, &packet(Codec::Vp8, 1, 40, KEY, now)).expect("a keyframe");
    assert_eq!(first.timestamp, u32::MAX - 1000);
    assert_eq!(forwarder.rtp_timestamp_at(40 * 3000 + 7), Some(u32::MAX - 993));
    let later = now + Duration::from_millis(100);
    let next = forwarder.forward(80, &packet(Codec::Vp8, 2, 80, KEY, later)).expect("a keyframe");
    assert_eq!(next.timestamp, first.timestamp.wrapping_add(9000));
    let at_once = forwarder.forward(90, &packet(Codec::Vp8, 3, 90, KEY, later)).expect("another");
    assert_eq!(at_once.timestamp, next.timestamp.wrapping_add(1), "never the same");
}

#[test]
fn another_track_in_the_same_place_goes_on_too() {
    let now = Instant::now();
    let mut forwarder = Forwarder::new(100, 0);
    forwarder.forward(4000, &packet(Codec::Vp8, 1, 4000, KEY, now)).expect("a keyframe");
    forwarder.change_track();
    assert!(forwarder.wants_keyframe().is_some());
    assert_eq!(forwarder.index_of(100), None, "it is another track's packet");
    assert_eq!(forwarder.forward(16, &packet(Codec::Vp8, 9, 16, DELTA, now)), None);
    let next = forwarder.forward(17, &packet(Codec::Vp8, 9, 17, KEY, now)).expect("a keyframe");
    assert_eq!((next.sequence, forwarder.index_of(101)), (101, Some((0, 17))));
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A stream with losses, reordering, duplicates, changes of source and skips: indices, in the
/// order in which they come.
fn stream(random: &mut Random) -> Vec<(u64, u32, bool)> {
    let mut packets = Vec::new();
    let (mut index, mut ssrc) = (random.below(1 << 20), 1);
    for _ in 0..3000 {
        index += match random.below(100) {
            0 => 1 + random.below(40),
            1 if random.below(10) == 0 => WINDOW + random.below(100),
            2 if random.below(5) == 0 => {
                ssrc += 1;
                17
            }
            _ => 1,
        };
        packets.push((index, ssrc, random.below(30) == 0));
        if random.below(50) == 0 {
            packets.push(packets[packets.len() - 1]);
        }
    }
    for at in 0..packets.len() {
        if random.below(20) == 0 {
            let with = (at + random.below(12) as usize).min(packets.len() - 1);
            packets.swap(at, with);
        }
    }
    packets
}

#[test]
fn whatever_comes_the_viewer_sees_one_whole_stream() {
    for seed in 1..=60 {
        let mut random = Random(0x1234_5678_9abc_def1_u64.wrapping_mul(seed));
        let codec = [Codec::Vp8, Codec::H264, Codec::Opus][random.below(3) as usize];
        let first_sequence = random.below(1 << 13) as u16;
        let mut forwarder = Forwarder::new(first_sequence, random.below(1 << 32) as u32);
        let mut now = Instant::now();
        // Extended outgoing sequence to index, ssrc and header.
        let mut sent: BTreeMap<u64, (u64, u32, Forwarded)> = BTreeMap::new();
        let mut newest = u64::from(first_sequence);
        for (index, ssrc, keyframe) in stream(&mut random) {
            now += Duration::from_millis(random.below(40));
            if random.below(400) == 0 {
                forwarder.skip_to_keyframe();
            }
            let waits = forwarder.wants_keyframe();
            let packet = packet(codec, ssrc, index, keyframe, now);
            let Some(header) = forwarder.forward(index, &packet) else { continue };
            let ahead = header.sequence.wrapping_sub(newest as u16) as i16;
            let out = newest.checked_add_signed(i64::from(ahead)).expect("never before the first");
            if sent.is_empty() {
                assert_eq!(out, newest, "seed {seed}: it begins where it was told to");
            }
            let is_new = ahead > 0 || sent.is_empty();
            if waits.is_some() && is_new && codec != Codec::Opus {
                assert!(keyframe, "seed {seed}: video goes on with a keyframe");
            }
            assert!(u64::from(ahead.unsigned_abs()) <= WINDOW, "seed {seed}: a leap of {ahead}");
            let known = sent.insert(out, (index, ssrc, header));
            assert_eq!(known, None, "seed {seed}: sequence {out} went out twice");
            newest = newest.max(out);
            assert_eq!(forwarder.index_of(header.sequence), Some((0, index)), "seed {seed}");
            assert_eq!(forwarder.again(index, &packet), Some(header), "seed {seed}");
        }
        assert!(sent.len() > 100, "seed {seed}: {} packets", sent.len());
        for ((a, (a_index, a_ssrc, a_header)), (b, (b_index, b_ssrc, b_header))) in
            sent.iter().zip(sent.iter().skip(1))
        {
            assert!(a_index < b_index, "seed {seed}: order is kept");
            // Within a source what is missing is missing; sources join without a gap.
            let joins = b - a == 1;
            assert!(joins || (a_ssrc == b_ssrc && b - a == b_index - a_index), "seed {seed}");
            let ticks = b_header.timestamp.wrapping_sub(a_header.timestamp) as i32;
            assert!(ticks > 0, "seed {seed}: the clock goes back at {b}");
        }
    }
}
