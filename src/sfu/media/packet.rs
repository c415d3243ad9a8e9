//! An RTP packet between a publisher and its viewers: decrypted once, shared by all.

use std::time::Instant;

use bytes::Bytes;

/// A codec that is forwarded. Payload formats: RFC 7587, RFC 7741, RFC 6184, RFC 9628, RFC 7798, and
/// the Alliance for Open Media's "RTP Payload Format For AV1".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus, 48 kHz, 2 channels.
    Opus,
    /// VP8.
    Vp8,
    /// H.264, constrained baseline, packetization mode 1.
    H264,
    /// VP9, profile 0; with spatial layers in one stream as well, which pass as one.
    Vp9,
    /// AV1, main profile.
    Av1,
    /// H.265, main profile.
    H265,
}

impl Codec {
    /// As in SDP's rtpmap.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::H265 => "H265",
        }
    }

    /// Those that carry pictures.
    pub const VIDEO: [Self; 5] = [Self::Vp8, Self::H264, Self::Vp9, Self::Av1, Self::H265];

    /// Whether a description's parameters are of a profile that is forwarded: the one that all who
    /// know the codec can decode. `parameter` looks one up in an fmtp. H.264 has more to it, and is
    /// looked at where it is needed.
    pub fn is_usual<'a>(self, parameter: impl Fn(&str) -> Option<&'a str>) -> bool {
        let is = |key: &str, usual: &str| parameter(key).is_none_or(|value| value == usual);
        match self {
            Self::Opus | Self::Vp8 | Self::H264 => true,
            Self::Vp9 => is("profile-id", "0"),
            Self::Av1 => is("profile", "0"),
            Self::H265 => is("profile-id", "1") && is("tier-flag", "0") && is("tx-mode", "SRST"),
        }
    }

    /// Ticks a second of its RTP clock.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 | Self::H264 | Self::Vp9 | Self::Av1 | Self::H265 => 90_000,
        }
    }
}

/// One packet of a track, without header extensions, padding and publisher's payload type.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The publisher's SSRC. A change of it is a new source: continuity is `forward`'s affair.
    pub ssrc: u32,
    /// Which encoding of the same picture it is of, 0 the lowest; 0 where there is one.
    pub layer: u8,
    /// The publisher's sequence number.
    pub sequence: u16,
    /// The publisher's timestamp, in ticks of the codec's clock.
    pub timestamp: u32,
    /// The marker bit: last packet of a frame (video), first of a talk spurt (audio).
    pub marker: bool,
    /// What the payload is.
    pub codec: Codec,
    /// True on the packet that begins a keyframe (see `payload`).
    pub keyframe: bool,
    /// Level of RFC 6464 in -dBov (0 loud, 127 silent), where the publisher sent one.
    pub audio_level: Option<u8>,
    /// The payload is RED (RFC 2198), whose primary block, the Opus packet, begins here.
    pub red: Option<u16>,
    /// When it came, by the worker's clock.
    pub arrived: Instant,
    /// The payload after header, extensions and padding.
    pub payload: Bytes,
}

impl Packet {
    /// The payload under the codec's own payload type: of RED its primary block, else all of it.
    pub fn plain(&self) -> &[u8] {
        let primary = self.red.map_or(0, usize::from);
        self.payload.get(primary..).unwrap_or_default()
    }
}
