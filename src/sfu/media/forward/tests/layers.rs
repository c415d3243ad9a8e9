//! Switches between layers: on keyframes, with numbers that go on.

use super::*;

/// A VP8 packet of a layer whose SSRC, indices and picture numbers are its own.
fn of(layer: u8, n: u64, keyframe: bool, arrived: Instant) -> (u64, Packet) {
    let index = 16 + n + 5000 * u64::from(layer);
    let picture = (n as u16 + 300 * u16::from(layer)) | 0x8000;
    let [high, low] = picture.to_be_bytes();
    let tl0 = (n as u8).wrapping_add(77 * layer);
    let payload = [0x90, 0xc0, high, low, tl0, u8::from(!keyframe), layer];
    let packet = Packet {
        layer,
        payload: Bytes::copy_from_slice(&payload),
        ..packet(Codec::Vp8, 10 + u32::from(layer), index, keyframe, arrived)
    };
    (index, packet)
}

/// Sequence, timestamp, picture number, TL0PICIDX, and the payload's last byte.
fn forward(
    forwarder: &mut Forwarder,
    (index, packet): &(u64, Packet),
) -> Option<(u16, u16, u8, u8)> {
    let header = forwarder.forward(*index, packet)?;
    assert_eq!(forwarder.index_of(header.sequence), Some((packet.layer, *index)));
    assert_eq!(forwarder.again(*index, packet), Some(header));
    let head = forwarder.head(*index, packet);
    let payload = [head.bytes(), head.rest(&packet.payload)].concat();
    assert_eq!(payload.len(), packet.payload.len());
    let picture = u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff;
    Some((header.sequence, picture, payload[4], payload[6]))
}

#[test]
fn a_switch_waits_for_the_keyframe_and_numbers_go_on() {
    let began = Instant::now();
    let at = |n: u64| began + Duration::from_millis(33 * n);
    let mut forwarder = Forwarder::new(100, 5000);
    assert_eq!(forward(&mut forwarder, &of(1, 0, KEY, at(0))), None, "not the layer");
    assert_eq!(forward(&mut forwarder, &of(0, 0, KEY, at(0))), Some((100, 0, 0, 0)));
    assert_eq!(forward(&mut forwarder, &of(0, 1, DELTA, at(1))), Some((101, 1, 1, 0)));
    assert_eq!(forwarder.wants_keyframe(), None);

    forwarder.set_target(Some(2));
    assert_eq!(forwarder.wants_keyframe(), Some(2));
    assert_eq!(forward(&mut forwarder, &of(2, 2, DELTA, at(2))), None);
    assert_eq!(forward(&mut forwarder, &of(0, 2, DELTA, at(2))), Some((102, 2, 2, 0)), "goes on");
    assert_eq!(forward(&mut forwarder, &of(2, 3, KEY, at(3))), Some((103, 3, 3, 2)));
    assert_eq!(forwarder.wants_keyframe(), None);
    assert_eq!(forward(&mut forwarder, &of(0, 3, DELTA, at(3))), None, "the former is over");
    assert_eq!(forward(&mut forwarder, &of(2, 4, DELTA, at(4))), Some((104, 4, 4, 2)));
    // What was lost of the former layer can still be had.
    assert_eq!(forwarder.index_of(102), Some((0, 18)));
    assert!(forwarder.again(18, &of(0, 2, DELTA, at(2)).1).is_some());

    forwarder.set_target(Some(0));
    assert_eq!(forward(&mut forwarder, &of(2, 5, DELTA, at(5))), Some((105, 5, 5, 2)));
    assert_eq!(forward(&mut forwarder, &of(0, 6, KEY, at(6))), Some((106, 6, 6, 0)));
    assert_eq!(forward(&mut forwarder, &of(0, 7, DELTA, at(7))), Some((107, 7, 7, 0)));
}

/// Numbers of a layer that was left and taken again went out a second time.
#[test]
fn a_duplicate_from_before_a_layer_was_left_goes_out_no_more() {
    let now = Instant::now();
    let mut forwarder = Forwarder::new(100, 5000);
    let step = |forwarder: &mut Forwarder, layer, n, keyframe| {
        forwarder.set_target(Some(layer));
        forward(forwarder, &of(layer, n, keyframe, now)).map(|(sequence, ..)| sequence)
    };
    assert_eq!(step(&mut forwarder, 0, 0, KEY), Some(100));
    assert_eq!(step(&mut forwarder, 0, 1, DELTA), Some(101));
    assert_eq!(step(&mut forwarder, 1, 2, KEY), Some(102));
    assert_eq!(step(&mut forwarder, 0, 3, KEY), Some(103));
    assert_eq!(step(&mut forwarder, 0, 1, DELTA), None);
    assert_eq!(step(&mut forwarder, 0, 4, DELTA), Some(104));
    // Another track's numbers may be lower than all of those.
    forwarder.change_track();
    let (_, first) = of(0, 0, KEY, now);
    let (_, second) = of(0, 2, DELTA, now);
    let (_, late) = of(0, 1, DELTA, now);
    let sequences: Vec<_> = [(1, first), (3, second), (2, late)]
        .iter()
        .filter_map(|(index, packet)| Some(forwarder.forward(*index, packet)?.sequence))
        .collect();
    assert_eq!(sequences, [105, 107, 106]);
}

#[test]
fn timestamps_go_on_by_elapsed_time() {
    let began = Instant::now();
    let mut forwarder = Forwarder::new(100, 5000);
    let (index, first) = of(0, 0, KEY, began);
    assert_eq!(forwarder.forward(index, &first).map(|header| header.timestamp), Some(5000));
    forwarder.set_target(Some(1));
    let (index, second) = of(1, 1, KEY, began + Duration::from_millis(100));
    assert_eq!(forwarder.forward(index, &second).map(|header| header.timestamp), Some(14_000));
    assert_eq!(forwarder.rtp_timestamp_at(second.timestamp), Some(14_000));
}

#[test]
fn nothing_goes_out_without_a_layer_and_then_a_keyframe_begins() {
    let now = Instant::now();
    let mut forwarder = Forwarder::new(100, 5000);
    assert!(forward(&mut forwarder, &of(0, 0, KEY, now)).is_some());
    forwarder.set_target(None);
    assert_eq!(forwarder.wants_keyframe(), None, "nobody needs it");
    assert_eq!(forward(&mut forwarder, &of(0, 1, KEY, now)), None);
    forwarder.set_target(Some(0));
    assert_eq!(forwarder.wants_keyframe(), Some(0));
    assert_eq!(forward(&mut forwarder, &of(0, 2, DELTA, now)), None);
    assert_eq!(forward(&mut forwarder, &of(0, 3, KEY, now)), Some((101, 1, 1, 0)), "no gap");
}

#[test]
fn any_order_of_wishes_and_packets_leaves_one_gapless_stream() {
    for seed in 1..200_u64 {
        let mut random = seed;
        let mut below = |n: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % n
        };
        let began = Instant::now();
        let mut forwarder = Forwarder::new(100, 5000);
        let mut last: Option<(u16, u16, u8)> = None;
        let mut shown = None;
        for n in 0..400 {
            if below(20) == 0 {
                forwarder.set_target(Some(below(4) as u8).filter(|layer| *layer < 3));
            }
            for layer in 0..3 {
                let keyframe = below(15) == 0;
                let packet = of(layer, n, keyframe, began + Duration::from_millis(33 * n));
                let Some((sequence, picture, tl0, from)) = forward(&mut forwarder, &packet) else {
                    continue;
                };
                if let Some((former, former_picture, former_tl0)) = last {
                    assert_eq!(sequence, former.wrapping_add(1), "seed {seed}");
                    assert_eq!(picture, (former_picture + 1) & 0x7fff, "seed {seed}");
                    assert_eq!(tl0, former_tl0.wrapping_add(1), "seed {seed}");
                }
                assert!(keyframe || shown == Some(from), "seed {seed}");
                last = Some((sequence, picture, tl0));
                shown = Some(from);
            }
        }
        assert!(last.is_some());
    }
}

#[test]
fn another_codec_begins_with_a_keyframe_of_it_and_what_was_of_the_former_is_over() {
    let began = Instant::now();
    let at = |n: u64| began + Duration::from_millis(33 * n);
    let vp9 = |n, keyframe| {
        let (index, packet) = of(2, n, keyframe, at(n));
        (index, Packet { codec: Codec::Vp9, ..packet })
    };
    let mut forwarder = Forwarder::new(100, 5000);
    assert_eq!(forward(&mut forwarder, &of(0, 0, KEY, at(0))), Some((100, 0, 0, 0)));
    forwarder.set_target(Some(2));
    // The viewer's picture numbers are others than the publisher's from here on.
    assert_eq!(forward(&mut forwarder, &of(2, 1, KEY, at(1))), Some((101, 1, 1, 2)));
    assert_eq!(forward(&mut forwarder, &of(2, 3, DELTA, at(3))), Some((103, 3, 3, 2)));

    assert_eq!(forward(&mut forwarder, &vp9(4, DELTA)), None);
    assert_eq!(forwarder.wants_keyframe(), Some(2));
    let (index, packet) = vp9(5, KEY);
    let header = forwarder.forward(index, &packet).expect("its keyframe");
    assert_eq!(header.sequence, 104);
    assert_eq!(forwarder.head(index, &packet), Head::default(), "its bytes stay as they are");
    assert_eq!(forwarder.again(index, &packet), Some(header));

    // A straggler, and what is asked for again: they would go out under another payload type.
    assert_eq!(forwarder.forward(of(2, 2, DELTA, at(5)).0, &of(2, 2, DELTA, at(5)).1), None);
    assert_eq!([100, 101, 103].map(|sequence| forwarder.index_of(sequence)), [None; 3]);
    assert_eq!(forward(&mut forwarder, &of(2, 7, KEY, at(7))), Some((105, 4, 4, 2)), "and back");

    // What went out does not do so again when the codec has changed to and fro without a keyframe.
    assert_eq!(forward(&mut forwarder, &vp9(8, DELTA)), None);
    assert_eq!(forward(&mut forwarder, &of(2, 9, DELTA, at(9))), None);
    assert_eq!(forward(&mut forwarder, &of(2, 7, KEY, at(7))), None);
    assert_eq!(forward(&mut forwarder, &of(2, 8, KEY, at(9))), Some((106, 5, 5, 2)), "reordered");
}

#[test]
fn a_lower_layer_may_stand_in_until_the_keyframe_comes_and_not_again_by_itself() {
    let began = Instant::now();
    let at = |n: u64| began + Duration::from_millis(33 * n);
    let mut forwarder = Forwarder::new(100, 5000);
    forwarder.set_target(Some(1));
    assert_eq!(forward(&mut forwarder, &of(0, 0, KEY, at(0))), None, "not the layer");
    assert!(!forwarder.takes(2));
    forwarder.begin_with(0b101);
    forwarder.keep_stopgaps(0b011);
    assert_eq!(forward(&mut forwarder, &of(2, 0, KEY, at(0))), None, "not a higher one");
    assert_eq!(forward(&mut forwarder, &of(0, 1, DELTA, at(1))), None);
    assert!(forwarder.takes(0) && forwarder.takes(1) && !forwarder.takes(2));
    assert_eq!(forward(&mut forwarder, &of(0, 2, KEY, at(2))), Some((100, 2, 2, 0)));
    assert_eq!(forward(&mut forwarder, &of(0, 3, DELTA, at(3))), Some((101, 3, 3, 0)));
    assert_eq!(forwarder.wants_keyframe(), Some(1), "still");
    assert_eq!(forward(&mut forwarder, &of(1, 4, KEY, at(4))), Some((102, 4, 4, 1)));
    assert_eq!(forward(&mut forwarder, &of(0, 4, KEY, at(4))), None);
    assert_eq!(forwarder.wants_keyframe(), None);

    // What is left out now waits for the target's keyframe alone.
    forwarder.skip_to_keyframe();
    assert_eq!(forward(&mut forwarder, &of(0, 5, KEY, at(5))), None);
    assert!(forward(&mut forwarder, &of(1, 6, KEY, at(6))).is_some());

    // The layer that went out before is no lower one.
    forwarder.skip_to_keyframe();
    forwarder.set_target(Some(0));
    forwarder.begin_with(0);
    assert_eq!(forward(&mut forwarder, &of(1, 7, KEY, at(7))), None);
    assert!(forward(&mut forwarder, &of(0, 8, KEY, at(8))).is_some());
}

#[test]
fn a_gap_of_a_layer_that_was_left_is_not_filled_with_another_codec() {
    let now = Instant::now();
    let mut forwarder = Forwarder::new(100, 5000);
    assert!(forward(&mut forwarder, &of(0, 0, KEY, now)).is_some());
    assert!(forward(&mut forwarder, &of(0, 2, DELTA, now)).is_some());
    forwarder.set_target(Some(1));
    assert!(forward(&mut forwarder, &of(1, 3, KEY, now)).is_some());
    let (index, late) = of(0, 1, DELTA, now);
    assert_eq!(forwarder.index_of(101), Some((0, index)));
    assert!(forwarder.again(index, &late).is_some());
    let other = Packet { codec: Codec::H265, ..late };
    assert_eq!(forwarder.again(index, &other), None);
}
