//! An RTP packet between a publisher and its viewers: decrypted once, shared by all.

use std::time::Instant;

use bytes::Bytes;

/// A codec that is forwarded. Payload formats: RFC 7587, RFC 7741, RFC 6184.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus, 48 kHz, 2 channels.
    Opus,
    /// VP8.
    Vp8,
    /// H.264, constrained baseline, packetization mode 1.
    H264,
}

impl Codec {
    /// As in SDP's rtpmap.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
        }
    }

    /// Ticks a second of its RTP clock.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 | Self::H264 => 90_000,
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
    /// True on the packet that begins a keyframe (VP8: S=1, PID=0, P=0; H.264: SPS or IDR start).
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
