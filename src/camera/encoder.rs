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
            "vah264enc" => words(&[
                ("bitrate", &kbps),
                ("rate-control", "cbr"),
                ("key-int-max", &gop),
                ("b-frames", "0"),
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
mod tests {
    use super::*;

    fn choice(
        forced: Option<&str>,
        working: &[&str],
    ) -> (Result<&'static str, Cause>, Vec<&'static str>) {
        let mut tried = Vec::new();
        let chosen = choose(forced, |encoder| {
            tried.push(encoder.factory);
            working.contains(&encoder.factory)
        });
        (chosen.map(|encoder| encoder.factory), tried)
    }

    #[test]
    fn the_first_that_works_is_taken_and_no_more_are_tried() {
        let cases: &[(&[&str], Result<&str, Cause>, usize)] = &[
            (&["v4l2h264enc", "x264enc"], Ok("v4l2h264enc"), 1),
            (&["x264enc", "vah264enc"], Ok("vah264enc"), 2),
            (&["nvh264enc", "vp8enc"], Ok("nvh264enc"), 3),
            (&["mpph264enc"], Ok("mpph264enc"), 4),
            (&["vp8enc", "openh264enc", "x264enc"], Ok("x264enc"), 5),
            (&["vp8enc", "openh264enc"], Ok("openh264enc"), 6),
            (&["vp8enc"], Ok("vp8enc"), 7),
            (&[], Err(Cause::NoEncoder), 7),
        ];
        for (working, expected, n_tried) in cases {
            let (chosen, tried) = choice(None, working);
            assert_eq!((chosen, tried.len()), (expected.clone(), *n_tried), "{working:?}");
        }
    }

    #[test]
    fn a_forced_encoder_is_the_only_one_tried() {
        let all = &["v4l2h264enc", "openh264enc"];
        assert_eq!(choice(Some("openh264enc"), all), (Ok("openh264enc"), vec!["openh264enc"]));
        let fails = Err(Cause::EncoderFails("x264enc".into()));
        assert_eq!(choice(Some("x264enc"), all), (fails, vec!["x264enc"]));
        let unknown = Err(Cause::EncoderUnknown("mjpegenc ! filesink".into()));
        assert_eq!(choice(Some("mjpegenc ! filesink"), all), (unknown, vec![]));
    }

    #[test]
    fn vp8_is_kept_small_and_keeps_its_shape() {
        let by_name = |name| RANKING.iter().find(|e| e.factory == name).expect("it is ranked");
        let cases = [
            ((1280, 720), (640, 360)),
            ((640, 480), (480, 360)),
            ((720, 1280), (202, 360)),
            ((2000, 100), (640, 32)),
            ((320, 240), (320, 240)),
            ((321, 241), (320, 240)),
        ];
        for (wanted, size) in cases {
            assert_eq!(by_name("vp8enc").size(wanted), size, "{wanted:?}");
        }
        assert_eq!(by_name("x264enc").size((1921, 1081)), (1920, 1080));
    }

    #[test]
    fn levels_follow_size_and_rate() {
        let cases = [
            ((640, 360), 15, "42e01f"),
            ((1280, 720), 30, "42e01f"),
            ((1280, 720), 60, "42e020"),
            ((1920, 1080), 30, "42e028"),
            ((1920, 1080), 60, "42e02a"),
            ((2560, 1440), 30, "42e032"),
            ((3840, 2160), 30, "42e033"),
        ];
        for (size, fps, id) in cases {
            assert_eq!(profile_level_id(size, fps), id, "{size:?} {fps}");
        }
    }

    #[test]
    fn each_is_told_the_bitrate_in_its_own_unit() {
        let controls =
            "controls,video_bitrate=1500000,repeat_sequence_header=1,h264_i_frame_period=300";
        let expected = [
            ("v4l2h264enc", "extra-controls", controls),
            ("vah264enc", "bitrate", "1500"),
            ("nvh264enc", "bitrate", "1500"),
            ("mpph264enc", "bps", "1500000"),
            ("x264enc", "bitrate", "1500"),
            ("openh264enc", "bitrate", "1500000"),
            ("vp8enc", "target-bitrate", "1500000"),
        ];
        let ranked: Vec<&str> = RANKING.iter().map(|encoder| encoder.factory).collect();
        assert_eq!(ranked, expected.map(|(factory, _, _)| factory));
        for (encoder, (factory, name, value)) in RANKING.iter().zip(expected) {
            let properties = encoder.properties(1_500_000, 30);
            let found = properties.iter().find(|(property, _)| *property == name);
            assert_eq!(found.map(|(_, value)| value.as_str()), Some(value), "{factory}");
        }
    }
}
