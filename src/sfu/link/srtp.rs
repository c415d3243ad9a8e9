//! SRTP and SRTCP of one connection: key derivation, sealing, opening of feedback.
//!
//! Key derivation RFC 3711 4.3; AES-GCM RFC 7714; AES-CM with HMAC-SHA1-80 RFC 3711 4.1, 4.2 (for
//! clients without GCM and for processors without AES). A packet is sealed straight from the shared
//! payload into the caller's buffer: nothing is allocated and, with GCM, nothing is copied first.
//!
//! A publisher's RTP is opened in `inbound`. It does not choose packet numbers: whoever calls must
//! never seal two packets under one index and SSRC (`table::Numbers` sees to that).

mod inbound;

pub(crate) use inbound::{Inbound, MAX_SOURCES, Refusal};

use super::window::Window;

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey},
    constant_time::verify_slices_are_equal,
    hmac,
    iv::FixedLength,
};

/// Length of the fixed RTP header: no CSRC, no extension.
pub(crate) const RTP_HEADER: usize = 12;
/// What sealing adds to an RTP packet at most (RFC 7714 4).
pub(crate) const MAX_OVERHEAD: usize = 16 + 4;
/// The part of an RTCP packet that is never encrypted.
const RTCP_HEADER: usize = 8;
/// The word after SRTCP's payload: E flag and index.
const INDEX: usize = 4;
const GCM_TAG: usize = 16;
/// HMAC-SHA1 cut to 80 bits.
const CM_TAG: usize = 10;
pub(crate) const KEY: usize = 16;
const E_FLAG: u32 = 1 << 31;
/// Senders whose SRTCP indexes are remembered. A browser reports by one or two SSRCs.
const MAX_SENDERS: usize = 16;

/// A protection profile that parlor speaks (RFC 5764 4.1.2, RFC 7714 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// AEAD_AES_128_GCM: fast where the processor has AES instructions.
    Gcm,
    /// AES128_CM_HMAC_SHA1_80, which every implementation has.
    Cm,
}

impl Profile {
    pub(crate) fn salt_len(self) -> usize {
        match self {
            Self::Gcm => 12,
            Self::Cm => 14,
        }
    }

    /// Bytes of keying material that the DTLS exporter is asked for (RFC 5764 4.2).
    pub(crate) fn keying_len(self) -> usize {
        2 * (KEY + self.salt_len())
    }

    /// The one to fall back to.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Gcm => Self::Cm,
            Self::Cm => Self::Gcm,
        }
    }

    /// What this processor should be offered first: GCM in software is slow and leaks by timing.
    pub(crate) fn preferred() -> Self {
        #[cfg(target_arch = "x86_64")]
        let has_aes =
            std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq");
        #[cfg(target_arch = "aarch64")]
        let has_aes = std::arch::is_aarch64_feature_detected!("aes")
            && std::arch::is_aarch64_feature_detected!("pmull");
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let has_aes = false;
        if has_aes { Self::Gcm } else { Self::Cm }
    }
}

/// Session keys of one direction and one of SRTP, SRTCP.
enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Boxed: 1.7 KB that most connections do not need.
    Cm(Box<CmKeys>),
}

struct CmKeys {
    key: EncryptingKey,
    salt: [u8; 16],
    auth: hmac::Key,
}

impl Cipher {
    /// `label` is 0 for SRTP, 3 for SRTCP (RFC 3711 4.3.1, 4.3.2).
    fn new(profile: Profile, master_key: &[u8], master_salt: &[u8], label: u8) -> Option<Self> {
        let mut key = [0; KEY];
        derive(master_key, master_salt, label, &mut key)?;
        match profile {
            Profile::Gcm => {
                let mut salt = [0; 12];
                derive(master_key, master_salt, label + 2, &mut salt)?;
                let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
                Some(Self::Gcm { key, salt })
            }
            Profile::Cm => {
                let mut salt = [0; 16];
                derive(master_key, master_salt, label + 2, &mut salt[..14])?;
                let mut auth = [0; 20];
                derive(master_key, master_salt, label + 1, &mut auth)?;
                Some(Self::Cm(Box::new(CmKeys {
                    key: EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, &key).ok()?).ok()?,
                    salt,
                    auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
                })))
            }
        }
    }
}

/// One session key of RFC 3711 4.3.1 with a key derivation rate of 0: AES-CM keystream.
fn derive(master_key: &[u8], master_salt: &[u8], label: u8, key: &mut [u8]) -> Option<()> {
    let mut iv = [0; 16];
    iv[..master_salt.len()].copy_from_slice(master_salt);
    iv[7] ^= label;
    key.fill(0);
    counter_mode(
        &EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, master_key).ok()?).ok()?,
        iv,
        key,
    )
}

fn counter_mode(key: &EncryptingKey, iv: [u8; 16], text: &mut [u8]) -> Option<()> {
    key.less_safe_encrypt(text, EncryptionContext::Iv128(FixedLength::from(iv))).ok().map(drop)
}

/// RFC 7714 8.1: SSRC, roll-over counter and sequence number, over the salt.
fn gcm_rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 9.1.
fn gcm_rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[8..12], &index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 3711 4.1.1.
fn cm_iv(salt: &[u8; 16], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = *salt;
    xor(&mut iv[4..8], &ssrc.to_be_bytes());
    xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
    iv
}

fn xor(bytes: &mut [u8], other: &[u8]) {
    bytes.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

fn cm_tag(auth: &hmac::Key, parts: [&[u8]; 2]) -> [u8; CM_TAG] {
    let mut context = hmac::Context::with_key(auth);
    parts.iter().for_each(|part| context.update(part));
    let mut tag = [0; CM_TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..CM_TAG]);
    tag
}

/// Both directions of a connection: we seal RTP and RTCP, and open RTCP.
pub(crate) struct Srtp {
    rtp: Cipher,
    rtcp: Cipher,
    /// SRTCP's index of the next packet, over all our SSRCs: 31 bits.
    next_index: u32,
    peer_rtcp: Cipher,
    peer_indexes: Vec<PeerIndexes>,
}

impl Srtp {
    /// From the DTLS exporter's output (RFC 5764 4.2), we being the DTLS server. `None` if it has
    /// not [`Profile::keying_len`] bytes.
    pub(crate) fn new(profile: Profile, keying: &[u8]) -> Option<Self> {
        if keying.len() != profile.keying_len() {
            return None;
        }
        let (client_key, rest) = keying.split_at(KEY);
        let (server_key, rest) = rest.split_at(KEY);
        let (client_salt, server_salt) = rest.split_at(profile.salt_len());
        Some(Self {
            rtp: Cipher::new(profile, server_key, server_salt, 0)?,
            rtcp: Cipher::new(profile, server_key, server_salt, 3)?,
            next_index: 1,
            peer_rtcp: Cipher::new(profile, client_key, client_salt, 3)?,
            peer_indexes: Vec::new(),
        })
    }

    /// Seals `head` and `payload`, one after the other, behind the header of `header_len` bytes that
    /// `out` begins with. `index` is roll-over counter and sequence number: 48 bits. Returns the
    /// packet's length; `None` if `out` is too small.
    #[inline]
    pub(crate) fn seal_rtp(
        &self,
        (ssrc, index): (u32, u64),
        header_len: usize,
        head: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let middle = header_len + head.len();
        let end = middle + payload.len();
        match &self.rtp {
            Cipher::Gcm { key, salt } => {
                let (header, rest) = out.get_mut(..end + GCM_TAG)?.split_at_mut(header_len);
                // What is shared is sealed from where it lies, also behind a head of our own.
                let (first, then) = if head.is_empty() { (payload, head) } else { (head, payload) };
                let (text, tag) = rest.split_at_mut(first.len());
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                key.seal_out_of_place_scatter(nonce, Aad::from(header), first, text, then, tag)
                    .ok()?;
                Some(end + GCM_TAG)
            }
            Cipher::Cm(keys) => {
                let CmKeys { key, salt, auth } = &**keys;
                let out = out.get_mut(..end + CM_TAG)?;
                out[header_len..middle].copy_from_slice(head);
                out[middle..end].copy_from_slice(payload);
                counter_mode(key, cm_iv(salt, ssrc, index), &mut out[header_len..end])?;
                let rollover = ((index >> 16) as u32).to_be_bytes();
                let tag = cm_tag(auth, [&out[..end], &rollover]);
                out[end..].copy_from_slice(&tag);
                Some(end + CM_TAG)
            }
        }
    }

    /// Seals the RTCP packet in `out[..length]`, whose first sender is `ssrc`, where it lies.
    pub(crate) fn seal_rtcp(&mut self, ssrc: u32, length: usize, out: &mut [u8]) -> Option<usize> {
        let index = self.next_index;
        if index >= E_FLAG || length < RTCP_HEADER || out.len() < length + MAX_OVERHEAD {
            return None;
        }
        self.next_index += 1;
        let word = (index | E_FLAG).to_be_bytes();
        match &self.rtcp {
            Cipher::Gcm { key, salt } => {
                let mut aad = [0; RTCP_HEADER + INDEX];
                aad[..RTCP_HEADER].copy_from_slice(&out[..RTCP_HEADER]);
                aad[RTCP_HEADER..].copy_from_slice(&word);
                let nonce = gcm_rtcp_nonce(salt, ssrc, index);
                let text = &mut out[RTCP_HEADER..length];
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), text).ok()?;
                out[length..length + GCM_TAG].copy_from_slice(tag.as_ref());
                out[length + GCM_TAG..][..INDEX].copy_from_slice(&word);
                Some(length + GCM_TAG + INDEX)
            }
            Cipher::Cm(keys) => {
                let CmKeys { key, salt, auth } = &**keys;
                let iv = cm_iv(salt, ssrc, u64::from(index));
                counter_mode(key, iv, &mut out[RTCP_HEADER..length])?;
                out[length..length + INDEX].copy_from_slice(&word);
                let tag = cm_tag(auth, [&out[..length + INDEX], &[]]);
                out[length + INDEX..][..CM_TAG].copy_from_slice(&tag);
                Some(length + INDEX + CM_TAG)
            }
        }
    }

    /// Opens an SRTCP packet of the peer into `buffer`. `None`: forged, repeated, too long, or not
    /// encrypted (browsers always encrypt).
    pub(crate) fn open_rtcp<'b>(
        &mut self,
        packet: &[u8],
        buffer: &'b mut [u8],
    ) -> Option<&'b [u8]> {
        let ssrc = u32::from_be_bytes(packet.get(4..8)?.try_into().ok()?);
        let buffer = buffer.get_mut(..packet.len())?;
        buffer.copy_from_slice(packet);
        let (length, index) = match &self.peer_rtcp {
            Cipher::Gcm { key, salt } => {
                let sealed =
                    packet.len().checked_sub(INDEX).filter(|n| *n >= RTCP_HEADER + GCM_TAG)?;
                let word: [u8; 4] = packet[sealed..].try_into().ok()?;
                let index = u32::from_be_bytes(word) & !E_FLAG;
                let mut aad = [0; RTCP_HEADER + INDEX];
                aad[..RTCP_HEADER].copy_from_slice(&packet[..RTCP_HEADER]);
                aad[RTCP_HEADER..].copy_from_slice(&word);
                // An unencrypted packet fails here as well: its tag covers other things.
                let nonce = gcm_rtcp_nonce(salt, ssrc, index);
                key.open_in_place(nonce, Aad::from(aad), &mut buffer[RTCP_HEADER..sealed]).ok()?;
                (sealed - GCM_TAG, index)
            }
            Cipher::Cm(keys) => {
                let CmKeys { key, salt, auth } = &**keys;
                let tagged =
                    packet.len().checked_sub(CM_TAG).filter(|n| *n >= RTCP_HEADER + INDEX)?;
                let tag = cm_tag(auth, [&packet[..tagged], &[]]);
                verify_slices_are_equal(&tag, &packet[tagged..]).ok()?;
                let length = tagged - INDEX;
                let word = u32::from_be_bytes(packet[length..tagged].try_into().ok()?);
                if word & E_FLAG == 0 {
                    return None;
                }
                let index = word & !E_FLAG;
                let iv = cm_iv(salt, ssrc, u64::from(index));
                counter_mode(key, iv, &mut buffer[RTCP_HEADER..length])?;
                (length, index)
            }
        };
        self.accept_index(ssrc, index).then_some(&buffer[..length])
    }

    /// RFC 3711 3.3.2. When there are too many senders the oldest is forgotten: repeated feedback
    /// does little harm, unbounded memory would.
    fn accept_index(&mut self, ssrc: u32, index: u32) -> bool {
        if let Some(known) = self.peer_indexes.iter_mut().find(|known| known.ssrc == ssrc) {
            return known.seen.take(index.into());
        }
        if self.peer_indexes.len() == MAX_SENDERS {
            self.peer_indexes.remove(0);
        }
        let mut seen = Window::default();
        seen.mark(index.into());
        self.peer_indexes.push(PeerIndexes { ssrc, seen });
        true
    }
}

impl std::fmt::Debug for Srtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Srtp").field("next_index", &self.next_index).finish_non_exhaustive()
    }
}

/// Which SRTCP indexes of one sender were seen.
struct PeerIndexes {
    ssrc: u32,
    seen: Window,
}

#[cfg(test)]
mod tests;
