//! Picture numbers of VP8 (RFC 7741 section 4.2): read, and written anew where a viewer's have to go
//! on over a change of source.
//!
//! A decoder orders frames by them: numbers that jump back make it throw frames away. Only bytes
//! before the picture itself change, and never their number: the picture's bytes stay shared.

/// PictureID (7 or 15 bits) and TL0PICIDX of a packet, or what is to be added to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Numbers {
    picture: u16,
    tl0: u8,
}

impl Numbers {
    pub(super) fn plus(self, other: Self) -> Self {
        let picture = self.picture.wrapping_add(other.picture) & 0x7fff;
        Self { picture, tl0: self.tl0.wrapping_add(other.tl0) }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        let picture = self.picture.wrapping_sub(other.picture) & 0x7fff;
        Self { picture, tl0: self.tl0.wrapping_sub(other.tl0) }
    }

    /// Those of the next picture.
    pub(super) fn next(self) -> Self {
        self.plus(Self { picture: 1, tl0: 1 })
    }
}

/// The first bytes of a payload, changed; as many as they replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    bytes: [u8; 5],
    len: u8,
}

impl Head {
    /// The bytes, which stand in place of as many of the payload's.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// What of the payload stays.
    #[inline]
    pub fn rest<'p>(&self, payload: &'p [u8]) -> &'p [u8] {
        payload.get(usize::from(self.len)..).unwrap_or_default()
    }
}

/// Where a descriptor has its numbers.
struct Places {
    picture: Option<(usize, bool)>,
    tl0: Option<usize>,
    end: usize,
}

fn places(payload: &[u8]) -> Option<Places> {
    let [first, extension, ..] = payload else { return None };
    if first & 0x80 == 0 {
        return None;
    }
    let mut at = 2;
    let mut picture = None;
    if extension & 0x80 != 0 {
        let is_long = payload.get(at)? & 0x80 != 0;
        picture = Some((at, is_long));
        at += if is_long { 2 } else { 1 };
    }
    let tl0 = (extension & 0x40 != 0).then_some(at);
    at += usize::from(tl0.is_some());
    (at <= payload.len()).then_some(Places { picture, tl0, end: at })
}

/// The numbers of a packet; `None` if it has none.
pub(super) fn read(payload: &[u8]) -> Option<Numbers> {
    let Places { picture, tl0, .. } = places(payload)?;
    let (at, is_long) = picture?;
    let high = u16::from(payload[at] & 0x7f);
    let picture = if is_long { high << 8 | u16::from(payload[at + 1]) } else { high };
    Some(Numbers { picture, tl0: tl0.map_or(0, |at| payload[at]) })
}

/// The descriptor of a payload with `offset` added to its numbers.
pub(super) fn head(payload: &[u8], offset: Numbers) -> Head {
    let (Some(Places { picture: Some((at, is_long)), tl0, end }), Some(own)) =
        (places(payload), read(payload))
    else {
        return Head::default();
    };
    let numbers = own.plus(offset);
    let mut head = Head { bytes: [0; 5], len: end as u8 };
    head.bytes[..end].copy_from_slice(&payload[..end]);
    let [high, low] = numbers.picture.to_be_bytes();
    if is_long {
        head.bytes[at] = high | 0x80;
        head.bytes[at + 1] = low;
    } else {
        head.bytes[at] = low & 0x7f;
    }
    if let Some(at) = tl0 {
        head.bytes[at] = numbers.tl0;
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_and_the_rest_stays() {
        let numbers = |picture, tl0| Numbers { picture, tl0 };
        let cases: &[(&[u8], Option<Numbers>, &[u8])] = &[
            (&[0x10, 1, 2], None, &[]),
            (&[0x90, 0x20, 0x40, 1], None, &[]),
            (&[0x90, 0x80, 0x81, 0x02, 9], Some(numbers(0x102, 0)), &[0x90, 0x80, 0x81, 0x07]),
            (&[0x90, 0x80, 0x7e, 9], Some(numbers(0x7e, 0)), &[0x90, 0x80, 0x03]),
            (
                &[0x90, 0xe0, 0xff, 0xff, 0xfe, 0x20, 9],
                Some(numbers(0x7fff, 0xfe)),
                &[0x90, 0xe0, 0x80, 0x04, 0x01],
            ),
            (&[0x90, 0x80, 0x81], None, &[]),
            (&[0x90, 0xc0, 0x81, 0x02], None, &[]),
            (&[0x90], None, &[]),
            (&[], None, &[]),
        ];
        for (payload, expected, written) in cases {
            // A descriptor that is cut off has no numbers.
            assert_eq!(read(payload), *expected, "{payload:?}");
            let head = head(payload, numbers(5, 3));
            assert_eq!(head.bytes(), *written, "{payload:?}");
            assert_eq!(head.rest(payload), &payload[written.len()..]);
        }
    }
}
