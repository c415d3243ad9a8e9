//! PURE. Datagrams in a stream (RFC 4571): two bytes of length, then so many of the datagram.
//!
//! Owns the front of a frame that has not come whole. A frame of nothing says nothing (RFC 4571 2). What
//! is longer than any datagram of ours is no frame: a stream that has lost its place, or that never was
//! one of ours, is not read on. TLS's and HTTP's first bytes are such lengths.

/// The length before each datagram.
pub(crate) const HEAD: usize = 2;
/// The longest datagram. Browsers and GStreamer stay below 1500 bytes, and a flight of DTLS goes in
/// pieces of that size; TLS's greeting reads as 5635.
pub(crate) const MAX_FRAME: usize = 4096;

/// Why a stream is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoFrame {
    #[error("a frame of {0} bytes, and the longest is of {MAX_FRAME}")]
    TooLong(usize),
    #[error("no STUN, DTLS, RTP or RTCP")]
    Strange,
    #[error("something else before a check of ICE")]
    Early,
}

/// Cuts a stream into datagrams.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    /// The front of a frame, head and all.
    partial: Vec<u8>,
}

/// The first frame of these bytes, if it is whole.
fn cut(bytes: &[u8]) -> Result<Option<&[u8]>, NoFrame> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes(*head));
    if len > MAX_FRAME {
        return Err(NoFrame::TooLong(len));
    }
    Ok(rest.get(..len))
}

impl Deframer {
    /// Takes what came next, and calls `each` with each datagram that is whole by that.
    ///
    /// # Errors
    /// The stream has no place from which to go on; or what `each` says.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), NoFrame>,
    ) -> Result<(), NoFrame> {
        let mut each = |frame: &[u8]| if frame.is_empty() { Ok(()) } else { each(frame) };
        while !self.partial.is_empty() && !bytes.is_empty() {
            let wanted = match self.partial.first_chunk::<HEAD>() {
                Some(head) => HEAD + usize::from(u16::from_be_bytes(*head)),
                None => HEAD,
            };
            let missing = wanted.saturating_sub(self.partial.len()).min(bytes.len());
            let (now, later) = bytes.split_at(missing);
            self.partial.extend_from_slice(now);
            bytes = later;
            if let Some(frame) = cut(&self.partial)? {
                each(frame)?;
                self.partial.clear();
            }
        }
        while let Some(frame) = cut(bytes)? {
            each(frame)?;
            bytes = &bytes[HEAD + frame.len()..];
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// How many bytes wait for the rest of their frame.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn n_waiting(&self) -> usize {
        self.partial.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
        let one = |frame: &Vec<u8>| [&(frame.len() as u16).to_be_bytes()[..], frame].concat();
        frames.iter().flat_map(one).collect()
    }

    /// What comes out if the stream comes in pieces of these sizes, round and round.
    fn cut_in(stream: &[u8], sizes: &[usize]) -> Result<Vec<Vec<u8>>, NoFrame> {
        let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
        let mut rest = stream;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            deframer.take(now, |frame| {
                frames.push(frame.to_vec());
                Ok(())
            })?;
            assert!(deframer.n_waiting() <= HEAD + MAX_FRAME);
            rest = later;
        }
        Ok(frames)
    }

    #[test]
    fn a_stream_is_the_same_datagrams_wherever_it_is_broken() {
        let frames: Vec<Vec<u8>> =
            [1, 2, 1200, MAX_FRAME, 3, 40].map(|len| vec![len as u8; len]).into();
        let mut stream = framed(&frames[..3]);
        // Null frames, at the front, in the middle and at the end, are nobody's.
        stream.splice(0..0, [0, 0]);
        stream.extend([0, 0, 0, 0]);
        stream.extend(framed(&frames[3..]));
        stream.extend([0, 0]);
        for sizes in [&[1][..], &[2], &[3], &[1, 2, 1500], &[1202], &[7, 65_536], &[65_536]] {
            assert_eq!(cut_in(&stream, sizes).as_ref(), Ok(&frames), "{sizes:?}");
        }
        for end in 0..stream.len().min(1300) {
            let whole = cut_in(&stream[..end], &[9]).expect("all frames are short");
            assert!(frames.starts_with(&whole), "cut at {end}");
        }
    }

    #[test]
    fn what_is_longer_than_any_datagram_ends_the_stream() {
        for (first, len) in [(&b"GET / HTTP/1.1\r\n"[..], 0x4745), (&[0x16, 3, 1, 2, 0], 0x1603)] {
            for size in [1, 2, 100] {
                assert_eq!(cut_in(first, &[size]), Err(NoFrame::TooLong(len)), "{first:?}");
            }
        }
        let mut stream = framed(&[vec![1; 30]]);
        stream.extend(((MAX_FRAME + 1) as u16).to_be_bytes());
        assert_eq!(cut_in(&stream, &[5]), Err(NoFrame::TooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn whoever_takes_the_frames_may_end_the_stream() {
        let stream = framed(&[vec![1], vec![2], vec![3]]);
        for size in [1, 100] {
            let (mut deframer, mut n_seen) = (Deframer::default(), 0);
            let ended = stream.chunks(size).find_map(|chunk| {
                let taken = deframer.take(chunk, |frame| {
                    n_seen += 1;
                    if frame == [2] { Err(NoFrame::Strange) } else { Ok(()) }
                });
                taken.err()
            });
            assert_eq!((ended, n_seen), (Some(NoFrame::Strange), 2));
        }
    }
}
