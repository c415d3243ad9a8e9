//! Which encoder to use, and how each is set up.
//!
//! Owns the ranking and the properties. Deliberately does not try any: whoever asks brings a function
//! that does (`probe` in the house, fakes in tests). PURE.

use super::cause::Cause;

/// What an encoder makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Constrained baseline, packetization-mode 1 (RFC 6184).
    H264,
    /// RFC 7741.
    Vp8,
}

/// An encoder parlor knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Encoder {
    /// Its GStreamer factory.
    pub factory: &'static str,
    /// What it makes.
    pub codec: Codec,
    /// The raw format it is fed with.
    pub raw_format: &'static str,
    /// Caps its output is held to.
    pub caps: &'static str,
    /// Done by the CPU.
    pub software: bool,
}

const H264_CAPS: &str = "video/x-h264,profile=constrained-baseline";
// The Raspberry Pi's driver refuses to stream unless a level is named; it accepts up to 4.
const V4L2_CAPS: &str = "video/x-h264,profile=constrained-baseline,level=(string)4";

const fn hardware(factory: &'static str, raw_format: &'static str, caps: &'static str) -> Encoder {
    Encoder { factory, codec: Codec::H264, raw_format, caps, software: false }
}

const fn software(factory: &'static str, codec: Codec, caps: &'static str) -> Encoder {
    Encoder { factory, codec, raw_format: "I420", caps, software: true }
}

/// Best first: hardware by the product's order, then what costs least CPU. VP8 costs ten times what
/// x264 does (53.8 against 3.7 ms a frame of 720p) and is the last resort.
pub const RANKING: &[Encoder] = &[
    hardware("v4l2h264enc", "I420", V4L2_CAPS),
    hardware("vah264enc", "NV12", H264_CAPS),
    // Newer Intel chips have the low-power half alone.
    hardware("vah264lpenc", "NV12", H264_CAPS),
    hardware("vaapih264enc", "NV12", H264_CAPS),
    hardware("nvh264enc", "NV12", H264_CAPS),
    hardware("mpph264enc", "NV12", "video/x-h264,profile=baseline"),
    software("x264enc", Codec::H264, H264_CAPS),
    software("openh264enc", Codec::H264, H264_CAPS),
    software("vp8enc", Codec::Vp8, "video/x-vp8"),
];

/// VP8 by the CPU is kept to this: above it a small box cannot follow.
const VP8_MAX_SIZE: (u32, u32) = (640, 360);

/// The forced encoder, or the first of [`RANKING`] that `works`.
pub fn choose(
    forced: Option<&str>,
    mut works: impl FnMut(&'static Encoder) -> bool,
) -> Result<&'static Encoder, Cause> {
    let Some(name) = forced else {
        return RANKING.iter().find(|encoder| works(encoder)).ok_or(Cause::NoEncoder);
    };
    let encoder = RANKING.iter().find(|encoder| encoder.factory == name);
    let encoder = encoder.ok_or_else(|| Cause::EncoderUnknown(name.to_owned()))?;
    if works(encoder) { Ok(encoder) } else { Err(Cause::EncoderFails(name.to_owned())) }
}

impl Encoder {
    /// The size it is to be fed with where `wanted` is configured: smaller where it is too slow, of
    /// the same shape, even numbers.
    pub fn size(&self, wanted: (u32, u32)) -> (u32, u32) {
        let even = |(width, height): (u32, u32)| (width.max(16) & !1, height.max(16) & !1);
        let (width, height) = wanted;
        let (max_width, max_height) = VP8_MAX_SIZE;
        if self.codec != Codec::Vp8 || (width <= max_width && height <= max_height) {
            return even(wanted);
        }
        let shrink = |side: u32, max: u32, other: u32| {
            (u64::from(other) * u64::from(max) / u64::from(side.max(1))) as u32
        };
        if u64::from(width) * u64::from(max_height) > u64::from(height) * u64::from(max_width) {
            even((max_width, shrink(width, max_width, height)))
        } else {
            even((shrink(height, max_height, width), max_height))
        }
    }

    /// Its properties by name, as GStreamer writes values. One that the installed version does not
    /// have is left out by whoever sets them.
    ///
    /// Keyframes are asked for where they are needed; the regular interval of ten seconds is for
    /// what asks for none.
    pub fn properties(&self, bitrate_bps: u32, fps: u32) -> Vec<(&'static str, String)> {
        let kbps = (bitrate_bps / 1000).max(1).to_string();
        let bps = bitrate_bps.max(1000).to_string();
        let gop = fps.saturating_mul(10).clamp(10, 600).to_string();
        let words = |list: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            list.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        match self.factory {
            "v4l2h264enc" => vec![(
                "extra-controls",
                format!(
                    "controls,video_bitrate={bps},repeat_sequence_header=1,h264_i_frame_period={gop}"
                ),
            )],
            "vah264enc" | "vah264lpenc" => words(&[
                ("bitrate", &kbps),
                ("rate-control", "cbr"),
                ("key-int-max", &gop),
                ("b-frames", "0"),
            ]),
            "vaapih264enc" => words(&[
                ("bitrate", &kbps),
                ("rate-control", "cbr"),
                ("keyframe-period", &gop),
                ("max-bframes", "0"),
            ]),
            "nvh264enc" => words(&[
                ("bitrate", &kbps),
                ("rc-mode", "cbr"),
                ("gop-size", &gop),
                ("bframes", "0"),
                ("zerolatency", "true"),
                ("preset", "low-latency-hq"),
            ]),
            "mpph264enc" => words(&[("bps", &bps), ("gop", &gop), ("rc-mode", "cbr")]),
            "x264enc" => words(&[
                ("tune", "zerolatency"),
                ("speed-preset", "ultrafast"),
                ("bitrate", &kbps),
                ("key-int-max", &gop),
                ("bframes", "0"),
                ("byte-stream", "true"),
                ("threads", "2"),
                ("vbv-buf-capacity", "300"),
            ]),
            "openh264enc" => words(&[
                ("bitrate", &bps),
                ("rate-control", "bitrate"),
                ("usage-type", "camera"),
                ("complexity", "low"),
                ("gop-size", &gop),
            ]),
            "vp8enc" => words(&[
                ("deadline", "1"),
                ("cpu-used", "8"),
                ("target-bitrate", &bps),
                ("keyframe-max-dist", &gop),
                ("end-usage", "cbr"),
                ("threads", "2"),
                ("lag-in-frames", "0"),
            ]),
            _ => Vec::new(),
        }
    }
}

/// `profile-level-id` (RFC 6184, 8.1) of constrained baseline: the lowest level of Annex A, table A-1,
/// that holds this size and rate, not below 3.1, which every browser offers.
pub fn profile_level_id((width, height): (u32, u32), fps: u32) -> &'static str {
    // Macroblocks a frame and a second.
    const LEVELS: &[(u64, u64, &str)] = &[
        (3_600, 108_000, "42e01f"),
        (5_120, 216_000, "42e020"),
        (8_192, 245_760, "42e028"),
        (8_704, 522_240, "42e02a"),
        (22_080, 589_824, "42e032"),
    ];
    let n_blocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    let per_second = n_blocks * u64::from(fps);
    let fits = |(frame, second, _): &&(u64, u64, &str)| n_blocks <= *frame && per_second <= *second;
    LEVELS.iter().find(fits).map_or("42e033", |(_, _, id)| id)
}

#[cfg(test)]
mod tests;
