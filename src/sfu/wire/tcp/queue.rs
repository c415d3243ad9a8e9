//! PURE. What a stream has not taken yet: three lanes, each of so many bytes, and none older than it is
//! worth.
//!
//! ```text
//!  rest of the frame that is begun -> control (STUN, DTLS, RTCP) -> sound -> pictures
//! ```
//! TCP delivers all that it was given, however late. So as little as possible is given to it, and what
//! lies here too long is thrown away: pictures all at once, since the next one that can be shown is a
//! keyframe, and sound packet by packet. A frame that is begun is finished whatever happens: the stream
//! would lose its place.

use std::{
    collections::VecDeque,
    io::IoSlice,
    time::{Duration, Instant},
};

use super::frame::HEAD;
use crate::sfu::wire::outbox::ViewerKey;

/// Bytes of each lane: a quarter of a megabyte in all, a keyframe of a large picture among them.
const MAX_BYTES: [usize; 3] = [16 * 1024, 48 * 1024, 192 * 1024];
/// What a stream holds at most.
#[cfg(any(test, fuzzing))]
pub(crate) const MAX_QUEUED: usize = MAX_BYTES[0] + MAX_BYTES[1] + MAX_BYTES[2];
/// How long what is in a lane is worth something. Longer than TCP needs for a lost packet or two
/// (RFC 6298: 200 ms where the path is short), no longer than a listener waits.
const MAX_AGE: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_millis(600), Duration::from_millis(600)];
/// The most slices that [`Queue::slices`] fills: both halves of each lane's ring, and the front of one
/// of them by itself.
pub(crate) const MAX_SLICES: usize = 8;

/// What goes before what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Control,
    Sound,
    Picture,
}

const LANES: [Lane; 3] = [Lane::Control, Lane::Sound, Lane::Picture];

impl Lane {
    fn of(owner: Option<ViewerKey>) -> Self {
        match owner {
            None => Self::Control,
            Some(owner) if owner.is_sound => Self::Sound,
            Some(_) => Self::Picture,
        }
    }
}

#[derive(Debug)]
struct Frame {
    /// Head and all.
    len: usize,
    at: Instant,
    owner: Option<ViewerKey>,
}

#[derive(Debug, Default)]
struct Frames {
    bytes: VecDeque<u8>,
    /// What the bytes are; of a frame that is begun only the rest is there.
    frames: VecDeque<Frame>,
}

/// What was thrown away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) n_frames: usize,
    pub(crate) n_bytes: usize,
    /// Whose pictures.
    pub(crate) viewers: Vec<ViewerKey>,
}

/// What a stream has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: [Frames; 3],
    /// The lane whose first frame is begun, and how much of that is left.
    begun: Option<(Lane, usize)>,
}

impl Queue {
    /// One more datagram. False if there is no room for it.
    pub(crate) fn push(&mut self, now: Instant, owner: Option<ViewerKey>, datagram: &[u8]) -> bool {
        let lane = Lane::of(owner) as usize;
        let Ok(head) = u16::try_from(datagram.len()).map(u16::to_be_bytes) else { return false };
        let len = HEAD + datagram.len();
        let Frames { bytes, frames } = &mut self.lanes[lane];
        // overflow: DROPS; the caller tells whose it was.
        if bytes.len() + len > MAX_BYTES[lane] {
            return false;
        }
        bytes.extend(head);
        bytes.extend(datagram);
        frames.push_back(Frame { len, at: now, owner });
        true
    }

    /// What is left of this lane's first frame, if that is begun.
    fn begun_of(&self, lane: Lane) -> usize {
        self.begun.filter(|begun| begun.0 == lane).map_or(0, |(_, left)| left)
    }

    /// Throws away what has become worthless.
    pub(crate) fn expire(&mut self, now: Instant) -> Lost {
        let mut lost = Lost::default();
        for lane in LANES {
            let max_age = MAX_AGE[lane as usize];
            let left = self.begun_of(lane);
            let first = usize::from(left > 0);
            let Frames { bytes, frames } = &mut self.lanes[lane as usize];
            let is_old = |frame: &Frame| now.saturating_duration_since(frame.at) > max_age;
            let n_old = frames.iter().skip(first).take_while(|frame| is_old(frame)).count();
            let end = match lane {
                _ if n_old == 0 => continue,
                Lane::Picture => frames.len(),
                Lane::Control | Lane::Sound => first + n_old,
            };
            let mut n_bytes = 0;
            for frame in frames.drain(first..end) {
                n_bytes += frame.len;
                lost.n_frames += 1;
                let viewer = frame.owner.filter(|owner| !owner.is_sound);
                if let Some(viewer) = viewer.filter(|viewer| !lost.viewers.contains(viewer)) {
                    lost.viewers.push(viewer);
                }
            }
            bytes.drain(left..left + n_bytes);
            lost.n_bytes += n_bytes;
        }
        lost
    }

    /// Everything, in the order in which it is to go.
    pub(crate) fn slices(&self) -> impl Iterator<Item = IoSlice<'_>> {
        let part = |lane: Lane, from: usize, to: Option<usize>| {
            let (one, two) = self.lanes[lane as usize].bytes.as_slices();
            let to = to.unwrap_or(one.len() + two.len());
            let middle = one.len();
            [
                &one[from.min(middle)..to.min(middle)],
                &two[from.saturating_sub(middle)..to.saturating_sub(middle)],
            ]
        };
        let begun = self.begun.map(|(lane, left)| part(lane, 0, Some(left)));
        let rest = LANES.into_iter().map(move |lane| part(lane, self.begun_of(lane), None));
        begun.into_iter().chain(rest).flatten().filter(|slice| !slice.is_empty()).map(IoSlice::new)
    }

    /// So many bytes of that are gone.
    pub(crate) fn wrote(&mut self, mut n_bytes: usize) {
        while n_bytes > 0 {
            let next = || {
                let lane =
                    LANES.into_iter().find(|lane| !self.lanes[*lane as usize].frames.is_empty());
                lane.map(|lane| (lane, self.lanes[lane as usize].frames[0].len))
            };
            let Some((lane, left)) = self.begun.or_else(next) else { return };
            let gone = n_bytes.min(left);
            let Frames { bytes, frames } = &mut self.lanes[lane as usize];
            bytes.drain(..gone);
            n_bytes -= gone;
            self.begun = (gone < left).then_some((lane, left - gone));
            if self.begun.is_none() {
                frames.pop_front();
            }
        }
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.lanes.iter().map(|lane| lane.bytes.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.bytes.is_empty())
    }
}

#[cfg(test)]
mod tests;
