//! The ranking as a table, and what is chosen on machines that people have, by faked probes.

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
        (&["nvh264enc", "vp8enc"], Ok("nvh264enc"), 5),
        (&["mpph264enc"], Ok("mpph264enc"), 6),
        (&["vp8enc", "openh264enc", "x264enc"], Ok("x264enc"), 7),
        (&["vp8enc", "openh264enc"], Ok("openh264enc"), 8),
        (&["vp8enc"], Ok("vp8enc"), 9),
        (&[], Err(Cause::NoEncoder), 9),
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
        ("vah264lpenc", "bitrate", "1500"),
        ("vaapih264enc", "bitrate", "1500"),
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

/// What GStreamer has on a machine, and what of it encodes when it is tried.
struct MachineAtHand {
    name: &'static str,
    /// Installed and works.
    works: &'static [&'static str],
    /// Installed, and fails when it is tried: no driver, no right, another program has it.
    fails: &'static [&'static str],
    chosen: Result<&'static str, Cause>,
}

/// Debian's plugins: those of the CPU are the same everywhere.
const CPU: &[&str] = &["x264enc", "openh264enc", "vp8enc"];

#[rustfmt::skip]
const MACHINES: &[MachineAtHand] = &[
    // bcm2835-codec, with Raspberry Pi's own kernel.
    MachineAtHand { name: "Pi 3", works: &["v4l2h264enc", "x264enc", "openh264enc", "vp8enc"], fails: &[], chosen: Ok("v4l2h264enc") },
    MachineAtHand { name: "Pi 4", works: &["v4l2h264enc", "x264enc", "openh264enc", "vp8enc"], fails: &[], chosen: Ok("v4l2h264enc") },
    MachineAtHand { name: "Pi Zero 2", works: &["v4l2h264enc", "openh264enc", "vp8enc"], fails: &[], chosen: Ok("v4l2h264enc") },
    // Debian's kernel has no such driver, and a container without the device cannot open it.
    MachineAtHand { name: "Pi 4, Debian's kernel", works: CPU, fails: &[], chosen: Ok("x264enc") },
    MachineAtHand { name: "Pi 4, in a container without /dev/video11", works: CPU, fails: &["v4l2h264enc"], chosen: Ok("x264enc") },
    // It has no encoder at all.
    MachineAtHand { name: "Pi 5", works: CPU, fails: &[], chosen: Ok("x264enc") },
    MachineAtHand { name: "Pi 5, without GPL plugins", works: &["openh264enc", "vp8enc"], fails: &[], chosen: Ok("openh264enc") },
    MachineAtHand { name: "Intel NAS (J4125, i965 or iHD)", works: &["vah264enc", "vah264lpenc", "vaapih264enc", "x264enc"], fails: &[], chosen: Ok("vah264enc") },
    MachineAtHand { name: "Intel NAS (N100: low power alone)", works: &["vah264lpenc", "x264enc"], fails: &["vah264enc"], chosen: Ok("vah264lpenc") },
    MachineAtHand { name: "Intel NAS, old plugins", works: &["vaapih264enc", "x264enc"], fails: &[], chosen: Ok("vaapih264enc") },
    MachineAtHand { name: "Intel NAS, not in the group render", works: CPU, fails: &["vah264enc", "vah264lpenc", "vaapih264enc"], chosen: Ok("x264enc") },
    MachineAtHand { name: "AMD (radeonsi)", works: &["vah264enc", "vaapih264enc", "x264enc"], fails: &[], chosen: Ok("vah264enc") },
    MachineAtHand { name: "NVIDIA", works: &["nvh264enc", "x264enc"], fails: &["vah264enc"], chosen: Ok("nvh264enc") },
    MachineAtHand { name: "Rockchip", works: &["mpph264enc", "x264enc", "openh264enc", "vp8enc"], fails: &["v4l2h264enc"], chosen: Ok("mpph264enc") },
    MachineAtHand { name: "no H.264 at all", works: &["vp8enc"], fails: &[], chosen: Ok("vp8enc") },
    MachineAtHand { name: "nothing", works: &[], fails: &["v4l2h264enc", "vah264enc"], chosen: Err(Cause::NoEncoder) },
];

#[test]
fn each_machine_gets_the_best_that_works_on_it() {
    for machine in MACHINES {
        let mut failed = Vec::new();
        let chosen = choose(None, |encoder| {
            if machine.fails.contains(&encoder.factory) {
                failed.push(encoder.factory);
            }
            machine.works.contains(&encoder.factory)
        });
        let chosen = chosen.map(|encoder| encoder.factory);
        assert_eq!(chosen, machine.chosen, "{}", machine.name);
        // What is better and is there was really tried, not guessed by its name.
        let rank = |factory: &str| RANKING.iter().position(|encoder| encoder.factory == factory);
        let better = |factory: &&&str| match chosen {
            Ok(chosen) => rank(factory) < rank(chosen),
            Err(_) => true,
        };
        let mut tried: Vec<&str> = machine.fails.iter().filter(better).copied().collect();
        tried.sort_by_key(|factory| rank(factory));
        assert_eq!(failed, tried, "{}", machine.name);
    }
}

#[test]
fn the_cpu_is_asked_last() {
    let first = RANKING.iter().position(|encoder| encoder.software).expect("there are some");
    assert!(RANKING[first..].iter().all(|encoder| encoder.software));
    assert!(RANKING[..first].iter().all(|encoder| encoder.codec == Codec::H264));
}
