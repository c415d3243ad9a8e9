use super::*;
use crate::sfu::wire::tcp::frame::Deframer;

const SOUND: ViewerKey = ViewerKey { room: 0, viewer: 1, is_sound: true };
const PICTURE: ViewerKey = ViewerKey { room: 0, viewer: 1, is_sound: false };

fn start() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// As much as a stream takes of it.
fn take(queue: &mut Queue, at_most: usize) -> Vec<u8> {
    let slices: Vec<IoSlice<'_>> = queue.slices().collect();
    assert!(slices.len() <= MAX_SLICES);
    let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
    assert_eq!(bytes.len(), queue.n_bytes());
    bytes.truncate(at_most);
    queue.wrote(bytes.len());
    bytes
}

fn frames(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut each = |frame: &[u8]| {
        frames.push(frame.to_vec());
        Ok(())
    };
    Deframer::default().take(stream, &mut each).expect("whole frames");
    frames
}

#[test]
fn control_goes_before_sound_and_that_before_pictures_but_what_is_begun_is_finished() {
    let now = start();
    for begun in 0..=12 {
        let mut queue = Queue::default();
        assert!(queue.push(now, Some(PICTURE), &[1; 10]));
        let mut stream = take(&mut queue, begun);
        assert!(queue.push(now, Some(PICTURE), &[2; 10]));
        assert!(queue.push(now, Some(SOUND), &[3; 5]));
        assert!(queue.push(now, None, &[4; 5]));
        stream.extend(take(&mut queue, usize::MAX));
        assert!(queue.is_empty());
        let order: Vec<u8> = frames(&stream).iter().map(|frame| frame[0]).collect();
        let expected = if begun == 0 { [4, 3, 1, 2] } else { [1, 4, 3, 2] };
        assert_eq!(order, expected, "{begun} bytes were out");
    }
}

#[test]
fn whatever_a_stream_takes_at_a_time_frames_stay_whole() {
    let mut now = start();
    let (mut queue, mut stream, mut n_pushed, mut n_lost) = (Queue::default(), Vec::new(), 0, 0);
    let mut random = 88172645463325252_u64;
    for _ in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let dice = |shift: u32, n: u64| (random >> shift) % n;
        let owner = [None, Some(SOUND), Some(PICTURE)][dice(0, 3) as usize];
        let lane = [1, 2, 3][Lane::of(owner) as usize];
        if queue.push(now, owner, &vec![lane; 1 + dice(8, 1400) as usize]) {
            n_pushed += 1;
        }
        stream.extend(take(&mut queue, dice(16, 1300) as usize));
        n_lost += queue.expire(now).n_frames;
        now += Duration::from_micros(dice(32, 10_000));
    }
    stream.extend(take(&mut queue, usize::MAX));
    let frames = frames(&stream);
    assert_eq!(frames.len() + n_lost, n_pushed);
    assert!(n_lost > 100 && frames.len() > 1000, "{n_lost} of {n_pushed}");
    for frame in frames {
        assert!(frame.iter().all(|byte| *byte == frame[0]), "a frame of two");
    }
}

#[test]
fn what_lies_too_long_is_dropped_up_to_the_frame_that_is_begun() {
    let begin = start();
    let at = |ms: u64| begin + Duration::from_millis(ms);
    let mut queue = Queue::default();
    for n in 0..10 {
        assert!(queue.push(at(n * 50), Some(PICTURE), &[n as u8; 1000]));
        assert!(queue.push(at(n * 50), Some(SOUND), &[100 + n as u8; 100]));
    }
    // Sound is all out, and a part of the first picture.
    let mut stream = take(&mut queue, 10 * 102 + 500);
    assert!(queue.push(at(500), Some(SOUND), &[200; 100]));
    assert_eq!(queue.expire(at(640)), Lost::default(), "the first is begun, the second young");
    let lost = queue.expire(at(651));
    assert_eq!(lost, Lost { n_frames: 9, n_bytes: 9 * 1002, viewers: vec![PICTURE] });
    // Packets of sound go one by one.
    assert!(queue.push(at(900), Some(SOUND), &[201; 100]));
    assert_eq!(queue.expire(at(1101)), Lost { n_frames: 1, n_bytes: 102, viewers: vec![] });
    stream.extend(take(&mut queue, usize::MAX));
    let frames = frames(&stream);
    let kept: Vec<u8> = frames.iter().skip(10).map(|frame| frame[0]).collect();
    assert_eq!(kept, [0, 201], "the begun one, whole, and the newest sound");
    assert_eq!(frames[10].len(), 1000);
}

#[test]
fn each_lane_has_its_bound_and_none_takes_anothers_room() {
    let now = start();
    let mut queue = Queue::default();
    for owner in [Some(PICTURE), Some(SOUND), None] {
        let n_taken = (0..1000).filter(|_| queue.push(now, owner, &[0; 1000])).count();
        assert_eq!(n_taken, MAX_BYTES[Lane::of(owner) as usize] / 1002);
    }
    assert!(queue.n_bytes() <= MAX_QUEUED);
    assert!(!queue.push(now, None, &[0; 70_000]), "no frame is so long");
}
