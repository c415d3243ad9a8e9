use super::*;

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x16];
const PPS: &[u8] = &[0x68, 0xce, 0x3c];
const IDR: &[u8] = &[0x65, 0x88];
const FIRST_OF_IDR: &[u8] = &[0x7c, 0x85, 0x88];
const NEXT_OF_IDR: &[u8] = &[0x7c, 0x05, 0x88];
const SLICE: &[u8] = &[0x41, 0x9a];
const STAP: &[u8] = &[0x78, 0, 4, 0x67, 0x42, 0xc0, 0x16, 0, 3, 0x68, 0xce, 0x3c];

fn offered() -> ParameterSets {
    let mut sets = ParameterSets::default();
    sets.offer(Codec::H264, &[Bytes::from_static(SPS), Bytes::from_static(PPS)]);
    sets
}

/// Sequence number, picture and payload of each packet; what comes of it.
fn run(sets: &mut ParameterSets, packets: &[(u16, u32, &[u8])]) -> Vec<(u16, Vec<u8>)> {
    let mut out = Vec::new();
    for &(sequence, picture, payload) in packets {
        let placed = sets.place(Codec::H264, (7, sequence, 3000 * picture), payload);
        out.extend(placed.before.map(|(sequence, sets)| (sequence, sets.to_vec())));
        out.push((placed.sequence, payload.to_vec()));
    }
    out
}

fn is(out: &[(u16, Vec<u8>)], expected: &[(u16, &[u8])]) {
    let out: Vec<(u16, &[u8])> = out.iter().map(|(n, payload)| (*n, &payload[..])).collect();
    assert_eq!(out, expected);
}

#[test]
fn sets_of_the_offer_go_before_each_picture_to_begin_with() {
    let packets: &[(u16, u32, &[u8])] = &[
        (65_534, 1, FIRST_OF_IDR),
        (65_535, 1, NEXT_OF_IDR),
        (0, 2, SLICE),
        (1, 3, IDR),
        (2, 3, IDR),
        (3, 4, SLICE),
    ];
    let out = run(&mut offered(), packets);
    is(
        &out,
        &[
            (65_534, STAP),
            (65_535, FIRST_OF_IDR),
            (0, NEXT_OF_IDR),
            (1, SLICE),
            (2, STAP),
            (3, IDR),
            (4, IDR),
            (5, SLICE),
        ],
    );
}

#[test]
fn what_comes_late_or_again_keeps_its_place() {
    let mut sets = offered();
    run(&mut sets, &[(10, 1, IDR), (11, 2, SLICE), (13, 4, SLICE), (14, 5, IDR), (15, 6, SLICE)]);
    let out = run(&mut sets, &[(12, 3, SLICE), (15, 6, SLICE), (10, 1, IDR), (9, 0, SLICE)]);
    is(&out, &[(13, SLICE), (17, SLICE), (11, IDR), (9, SLICE)]);
}

#[test]
fn a_stream_with_its_own_sets_is_left_alone() {
    let packets: &[(u16, u32, &[u8])] = &[
        (1, 1, STAP),
        (2, 1, IDR),
        (3, 2, SLICE),
        (4, 3, &[0x09, 0xf0]),
        (5, 3, SPS),
        (6, 3, PPS),
        (7, 3, IDR),
    ];
    let same: Vec<(u16, &[u8])> = packets.iter().map(|(n, _, payload)| (*n, *payload)).collect();
    is(&run(&mut offered(), packets), &same);
    is(&run(&mut ParameterSets::default(), packets), &same);
    // Nothing is known that could be inserted.
    let bare: &[(u16, u32, &[u8])] = &[(1, 1, IDR), (2, 2, SLICE)];
    is(&run(&mut ParameterSets::default(), bare), &[(1, IDR), (2, SLICE)]);
}

/// A camera that tells them once left whoever came later without a picture.
#[test]
fn sets_that_came_once_are_told_again() {
    let out = run(
        &mut ParameterSets::default(),
        &[(1, 1, SPS), (2, 1, PPS), (3, 1, IDR), (4, 2, SLICE), (5, 3, IDR)],
    );
    is(&out, &[(1, SPS), (2, PPS), (3, IDR), (4, SLICE), (5, STAP), (6, IDR)]);
}

/// The sets may be in what is lost, and others than before.
#[test]
fn after_a_gap_nothing_is_inserted() {
    let packets: &[(u16, u32, &[u8])] =
        &[(1, 1, SLICE), (3, 2, IDR), (4, 2, IDR), (5, 3, SLICE), (6, 4, IDR)];
    let out = run(&mut offered(), packets);
    is(&out, &[(1, SLICE), (3, IDR), (4, IDR), (5, SLICE), (6, STAP), (7, IDR)]);
    let changed: &[u8] = &[0x67, 0x64, 0x00, 0x1f];
    let out = run(&mut offered(), &[(1, 1, SLICE), (3, 2, IDR), (2, 2, changed), (4, 3, IDR)]);
    let with_changed: &[u8] = &[0x78, 0, 4, 0x67, 0x64, 0x00, 0x1f];
    is(&out, &[(1, SLICE), (3, IDR), (2, changed), (4, with_changed), (5, IDR)]);
}

#[test]
fn a_new_source_begins_with_its_own_numbers() {
    let mut sets = offered();
    run(&mut sets, &[(10, 1, IDR), (11, 2, IDR)]);
    let mut place = |ssrc, sequence, picture| {
        sets.place(Codec::H264, (ssrc, sequence, picture), SLICE).sequence
    };
    assert_eq!(place(8, 500, 1), 500);
    assert_eq!(place(7, 12, 3), 12, "a straggler of the former");
    assert_eq!(place(8, 501, 2), 501);
}

#[test]
fn h265_has_three_of_them() {
    let (vps, sps, pps, idr): (&[u8], &[u8], &[u8], &[u8]) =
        (&[0x40, 1, 0xc], &[0x42, 1, 1], &[0x44, 1, 0xc1], &[0x26, 1, 0xaf]);
    let mut sets = ParameterSets::default();
    for (sequence, unit) in [(1, vps), (2, sps), (3, pps), (4, idr)] {
        assert_eq!(sets.place(Codec::H265, (7, sequence, 1), unit).before, None);
    }
    let placed = sets.place(Codec::H265, (7, 5, 2), idr);
    let all = [&[96, 1, 0, 3][..], vps, &[0, 3], sps, &[0, 3], pps].concat();
    assert_eq!(placed, Placed { sequence: 6, before: Some((5, all.into())) });
}

/// Numbers never repeat and never fall behind, whatever comes in whatever order.
#[test]
fn whatever_comes_numbers_stay_in_order() {
    let mut random = 9_u64;
    let mut below = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % limit
    };
    for _ in 0..200 {
        let mut sets = offered();
        let mut seen = std::collections::BTreeMap::new();
        let mut next = 60_000_u64;
        let mut held: Vec<(u64, u32, &[u8])> = Vec::new();
        for picture in 0..300_u32 {
            let kinds: [&[u8]; 6] = [IDR, SLICE, SPS, STAP, FIRST_OF_IDR, NEXT_OF_IDR];
            for _ in 0..=below(3) {
                let packet = (next, picture, kinds[below(6) as usize]);
                next += 1;
                if below(8) == 0 { held.push(packet) } else { held.insert(0, packet) }
            }
            while held.len() > below(4) as usize {
                let (index, picture, payload) =
                    held.remove(below(2).min(held.len() as u64 - 1) as usize);
                let placed = sets.place(Codec::H264, (7, index as u16, picture), payload);
                let inserted = placed.before.map(|(sequence, _)| (2 * index, sequence));
                for (order, sequence) in
                    inserted.into_iter().chain([(2 * index + 1, placed.sequence)])
                {
                    assert_eq!(seen.insert(order, sequence), None);
                }
            }
        }
        let numbers: Vec<u16> = seen.into_values().collect();
        let is_ahead = |pair: &[u16]| (1..0x4000).contains(&pair[1].wrapping_sub(pair[0]));
        assert!(numbers.windows(2).all(is_ahead));
    }
}
