//! Opens a peer's SRTP: roll-over counters and replay windows, source by source.
//!
//! RFC 3711 3.3.1 (a packet's index from its sequence number) and 3.3.2 (replay). A packet is opened
//! from the received datagram straight into memory that its payload then shares with the cache: one
//! pass over the bytes, and an allocation for sixteen packets. Nothing of a source is remembered
//! before one of its packets has proven authentic.
//!
//! # Departure: a new source may have wrapped already
//! RFC 3711 begins with a roll-over counter of 0. Where the first packets of a source are lost just
//! before its sequence number wraps, the counter is 1 and nothing would ever authenticate; so a new
//! source's first packet is tried with both.
//!
//! # Departure: a source may be forgotten
//! A client that shares its screen again and again uses up sources without end. Of more than
//! [`MAX_SOURCES`] the one that was silent longest gives its place away; how far it was is kept, so
//! that what it sent before cannot come again, and it goes on where it was.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{
    super::window::Window, Aad, CM_TAG, Cipher, CmKeys, GCM_TAG, KEY, Profile, cm_iv, cm_tag,
    counter_mode, gcm_rtp_nonce, verify_slices_are_equal,
};

/// Sources of one connection. A browser's has two for each section, six with simulcast.
pub(crate) const MAX_SOURCES: usize = 256;
/// Sources that gave their place away and are remembered: 12 bytes each.
const MAX_RETIRED: usize = 4096;
/// Roll-over counter and sequence number have 48 bits; then the key is used up.
const MAX_INDEX: u64 = (1 << 48) - 1;
/// Memory is taken for so many packets of a source at once. A cached packet holds on to all of it,
/// which is why each source has its own: sound must not keep pictures alive.
const PACKETS_A_CHUNK: usize = 16;
const SMALLEST_CHUNK: usize = 2 * 1024;
const LARGEST_CHUNK: usize = 20 * 1024;

/// Why a packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too short for its header and tag.
    Malformed,
    /// It was opened before, or is too old to know.
    Replayed,
    /// Not made with the key.
    Forged,
}

/// What a client sends as RTP.
pub(crate) struct Inbound {
    cipher: Cipher,
    sources: Vec<Source>,
    /// Sources that gave their place away, and their highest index; the oldest first.
    retired: VecDeque<(u32, u64)>,
    /// Where the packet before was found: video comes in bursts.
    recent: usize,
    n_opened: u64,
}

/// An opened packet.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Roll-over counter and sequence number.
    pub(crate) index: u64,
    /// What follows the header, with its padding.
    pub(crate) payload: Bytes,
}

impl Inbound {
    /// From the DTLS exporter's output, we being the DTLS server. `None` if it has not
    /// [`Profile::keying_len`] bytes.
    pub(crate) fn new(profile: Profile, keying: &[u8]) -> Option<Self> {
        if keying.len() != profile.keying_len() {
            return None;
        }
        let salt = keying.get(2 * KEY..2 * KEY + profile.salt_len())?;
        let cipher = Cipher::new(profile, &keying[..KEY], salt, 0)?;
        let (sources, retired) = (Vec::new(), VecDeque::new());
        Some(Self { cipher, sources, retired, recent: 0, n_opened: 0 })
    }

    /// Opens a packet of `ssrc` and `sequence` whose header, in clear, is `header_len` bytes long.
    pub(crate) fn open(
        &mut self,
        ssrc: u32,
        sequence: u16,
        header_len: usize,
        datagram: &[u8],
    ) -> Result<Opened, Refusal> {
        let tag = self.cipher.tag_len();
        if datagram.len() < header_len + tag {
            return Err(Refusal::Malformed);
        }
        let sealed =
            Sealed { ssrc, header_len, length: datagram.len() - header_len - tag, datagram };
        let Some(at) = self.position(ssrc) else { return self.open_first(sequence, &sealed) };
        self.recent = at;
        let source = &mut self.sources[at];
        let index = source.place(sequence).ok_or(Refusal::Replayed)?;
        let payload = source.open(&self.cipher, index, &sealed).ok_or(Refusal::Forged)?;
        source.seen.mark(index);
        self.n_opened += 1;
        source.used = self.n_opened;
        Ok(Opened { index, payload })
    }

    fn position(&self, ssrc: u32) -> Option<usize> {
        let is_it = |source: &Source| source.ssrc == ssrc;
        if self.sources.get(self.recent).is_some_and(is_it) {
            return Some(self.recent);
        }
        self.sources.iter().position(is_it)
    }

    fn open_first(&mut self, sequence: u16, sealed: &Sealed<'_>) -> Result<Opened, Refusal> {
        let former = self.retired.iter().position(|(ssrc, _)| *ssrc == sealed.ssrc);
        let mut source = Source::new(sealed.ssrc);
        let (index, payload) = match former {
            Some(former) => {
                source.seen = Window::after(self.retired[former].1);
                let index = source.place(sequence).ok_or(Refusal::Replayed)?;
                let payload = source.open(&self.cipher, index, sealed).ok_or(Refusal::Forged)?;
                self.retired.remove(former);
                (index, payload)
            }
            None => {
                let mut first = [0, 1].into_iter().filter_map(|rollover| {
                    let index = rollover << 16 | u64::from(sequence);
                    Some((index, source.open(&self.cipher, index, sealed)?))
                });
                first.next().ok_or(Refusal::Forged)?
            }
        };
        source.seen.mark(index);
        self.n_opened += 1;
        source.used = self.n_opened;
        self.insert(source);
        Ok(Opened { index, payload })
    }

    fn insert(&mut self, source: Source) {
        if self.sources.len() < MAX_SOURCES {
            return self.sources.push(source);
        }
        let Some(silent) = self.sources.iter_mut().min_by_key(|source| source.used) else { return };
        if self.retired.len() == MAX_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back((silent.ssrc, silent.seen.newest().unwrap_or(0)));
        *silent = source;
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound").field("n_sources", &self.sources.len()).finish_non_exhaustive()
    }
}

/// A packet as it came.
struct Sealed<'a> {
    ssrc: u32,
    header_len: usize,
    /// Of the payload.
    length: usize,
    datagram: &'a [u8],
}

/// One SSRC.
struct Source {
    ssrc: u32,
    seen: Window,
    /// Zeroed memory for payloads to come.
    chunk: BytesMut,
    /// The newest of the connection's packets that was its.
    used: u64,
}

impl Source {
    fn new(ssrc: u32) -> Self {
        Self { ssrc, seen: Window::default(), chunk: BytesMut::new(), used: 0 }
    }

    /// The index of `sequence` that is nearest to the highest; `None` if it was seen, or is too old
    /// to know.
    fn place(&self, sequence: u16) -> Option<u64> {
        let index = self.seen.index_of(sequence)?;
        (index <= MAX_INDEX && self.seen.is_new(index)).then_some(index)
    }

    fn open(&mut self, cipher: &Cipher, index: u64, sealed: &Sealed<'_>) -> Option<Bytes> {
        let Sealed { ssrc, header_len, length, datagram } = *sealed;
        if self.chunk.len() < length {
            let wanted = (PACKETS_A_CHUNK * length).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
            self.chunk = BytesMut::zeroed(wanted.max(length));
        }
        let out = &mut self.chunk[..length];
        let (header, rest) = datagram.split_at(header_len);
        let (text, tag) = rest.split_at(length);
        match cipher {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                key.open_separate_gather(nonce, Aad::from(header), text, tag, out).ok()?;
            }
            Cipher::Cm(keys) => {
                let CmKeys { key, salt, auth } = &**keys;
                let rollover = ((index >> 16) as u32).to_be_bytes();
                let expected = cm_tag(auth, [&datagram[..header_len + length], &rollover]);
                verify_slices_are_equal(&expected, tag).ok()?;
                out.copy_from_slice(text);
                counter_mode(key, cm_iv(salt, ssrc, index), out)?;
            }
        }
        Some(self.chunk.split_to(length).freeze())
    }
}

impl Cipher {
    fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG,
            Self::Cm(_) => CM_TAG,
        }
    }
}

#[cfg(test)]
mod tests;
