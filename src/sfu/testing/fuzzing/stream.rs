//! The door for fuzzing TCP: a stream that comes however it likes, and one that takes as it likes.

use std::{
    io::IoSlice,
    time::{Duration, Instant},
};

use super::Input;
use crate::sfu::wire::{
    outbox::ViewerKey,
    tcp::{
        frame::{Deframer, HEAD, MAX_FRAME, NoFrame},
        queue::{MAX_QUEUED, MAX_SLICES, Queue},
    },
};

/// A stream is the same datagrams and ends the same way however it is broken; and what a queue gives to
/// a stream that takes little, late or nothing is whole frames of what it was given, and never much.
pub fn tcp_stream(bytes: &[u8]) {
    let (whole, end) = cut(bytes, &[usize::MAX]);
    let sizes: Vec<usize> = bytes.iter().take(8).map(|byte| 1 + usize::from(*byte)).collect();
    for sizes in [&[1][..], &[2, 3], &sizes] {
        if !sizes.is_empty() {
            assert_eq!(cut(bytes, sizes), (whole.clone(), end), "{sizes:?}");
        }
    }
    let n_whole: usize = whole.iter().map(|frame| HEAD + frame.len()).sum();
    assert!(n_whole <= bytes.len());
    pour(bytes);
}

fn cut(mut stream: &[u8], sizes: &[usize]) -> (Vec<Vec<u8>>, Option<NoFrame>) {
    let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
    for size in sizes.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (now, later) = stream.split_at((*size).min(stream.len()));
        stream = later;
        let taken = deframer.take(now, |frame| {
            assert!((1..=MAX_FRAME).contains(&frame.len()));
            frames.push(frame.to_vec());
            Ok(())
        });
        if let Err(end) = taken {
            return (frames, Some(end));
        }
        assert!(deframer.n_waiting() < HEAD + MAX_FRAME);
    }
    (frames, None)
}

fn pour(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now = Instant::now();
    let (mut queue, mut stream) = (Queue::default(), Vec::new());
    let (mut n_pushed, mut n_lost) = (0, 0);
    while !input.is_empty() {
        let kind = input.byte();
        match kind & 7 {
            0..=2 => {
                let key = ViewerKey { room: 0, viewer: 1, is_sound: kind & 7 == 1 };
                let owner = (kind & 7 != 0).then_some(key);
                let frame = [kind, 1].repeat(1 + usize::from(input.word() % 1000));
                n_pushed += usize::from(queue.push(now, owner, &frame));
            }
            3 => now += Duration::from_millis(input.word().into()),
            4 => n_lost += queue.expire(now).n_frames,
            _ => take(&mut queue, &mut stream, input.word().into()),
        }
        assert!(queue.n_bytes() <= MAX_QUEUED);
    }
    take(&mut queue, &mut stream, usize::MAX);
    assert!(queue.is_empty());
    let (frames, end) = cut(&stream, &[usize::MAX]);
    assert_eq!((frames.len() + n_lost, end), (n_pushed, None));
    assert!(frames.iter().all(|frame| frame.chunks(2).all(|pair| pair == &frame[..2])));
}

fn take(queue: &mut Queue, stream: &mut Vec<u8>, at_most: usize) {
    let slices: Vec<IoSlice<'_>> = queue.slices().collect();
    assert!(slices.len() <= MAX_SLICES);
    let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
    bytes.truncate(at_most);
    queue.wrote(bytes.len());
    stream.extend(bytes);
}
