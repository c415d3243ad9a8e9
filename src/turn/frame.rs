//! Messages in a stream (RFC 8656 2.1, 12.5): where one ends and the next begins.
//!
//! PURE: bytes in, values out.

use crate::stun::Message;

/// ChannelData: number and length.
pub(crate) const CHANNEL_HEAD: usize = 4;
/// The numbers that channels may have: RFC 5766's, which clients in the field still draw from (coturn's
/// among them). RFC 8656 section 12 has narrowed them to 0x4fff, so that DTLS and RTP can share a port
/// with channels; here no port is shared with those.
pub(crate) const CHANNEL_NUMBERS: std::ops::RangeInclusive<u16> = 0x4000..=0x7fff;

/// How a ConnectionBind request begins.
pub(crate) const CONNECTION_BIND: [u8; 2] = [0, 0x0b];

/// What cannot be a message: the stream has no place from which to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither STUN nor ChannelData")]
pub(crate) struct NoFrame;

/// The length, padding included, of the message that `bytes` begin with; `None` while too little of
/// it is there to tell.
pub(crate) fn len_of(bytes: &[u8]) -> Result<Option<usize>, NoFrame> {
    match bytes {
        [] => Ok(None),
        [0x40..=0x7f, ..] => Ok(bytes.get(..CHANNEL_HEAD).map(|head| {
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            CHANNEL_HEAD + len.next_multiple_of(4)
        })),
        [0..=3, ..] => Message::len_of(bytes).map_err(|_| NoFrame),
        _ => Err(NoFrame),
    }
}

/// How many bytes at the front are whole messages, up to a ConnectionBind and with it, and whether
/// it was one: what follows may be a peer's (RFC 6062 section 4.3).
pub(crate) fn cut(bytes: &[u8]) -> Result<(usize, bool), NoFrame> {
    let mut at = 0;
    while let Some(len) = len_of(&bytes[at..])?.filter(|len| at + len <= bytes.len()) {
        let binds = bytes[at..].starts_with(&CONNECTION_BIND);
        at += len;
        if binds {
            return Ok((at, true));
        }
    }
    Ok((at, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{Integrity, Kind, Method, Writer};

    #[test]
    fn messages_are_cut_where_they_end_wherever_the_stream_was() {
        let mut stream = Vec::new();
        let mut ends = vec![0];
        for n in 0..9 {
            if n % 2 == 0 {
                let writer = Writer::new(&mut stream, Kind::request(Method::BINDING), [n; 12]);
                writer.finish(Integrity::None).expect("short");
            } else {
                stream.extend_from_slice(&[0x40, n, 0, n]);
                stream.resize(stream.len() + usize::from(n).next_multiple_of(4), 7);
            }
            ends.push(stream.len());
        }
        for cut in 0..=stream.len() {
            let expected = ends.iter().copied().filter(|end| *end <= cut).max();
            assert_eq!(
                Some(super::cut(&stream[..cut])),
                expected.map(|end| Ok((end, false))),
                "{cut}"
            );
        }
        for bad in [&[0x16, 3, 1][..], &[0x80, 0, 0, 0], &[0, 1, 0, 3, 0, 0, 0, 0]] {
            assert_eq!(super::cut(bad), Err(NoFrame), "{bad:?}");
        }
        let mut binding = Vec::new();
        let writer = Writer::new(&mut binding, Kind::request(Method::CONNECTION_BIND), [1; 12]);
        writer.finish(Integrity::None).expect("short");
        let len = stream.len() + binding.len();
        let all = [&stream[..], &binding, b"for the peer"].concat();
        assert_eq!(super::cut(&all), Ok((len, true)));
    }
}
