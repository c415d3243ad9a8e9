//! The capture pipeline in GStreamer's words.
//!
//! ```text
//!  camera -|> rate, size, format -> tee -> queue -> encoder -> parser -> appsink "video"
//!                                   '--> jpegenc -> appsink "stills"
//!  microphone -> convert -> queue -> opusenc               -> appsink "audio"
//! ```
//!
//! At `|` a picture that nobody needs ends (`outlet`), and once more behind the tee (`stills`).
//!
//! Owns descriptions and the properties that come from the configuration, which are set one by one
//! and never pasted into a description: a device called `x ! filesink` stays a device. PURE.

use super::{
    cause::{Cause, Place},
    encoder::{Codec, Encoder},
};
use crate::config::{AudioSource, CameraSettings, VideoSource};

/// The name of the camera's element.
pub const CAMERA: &str = "camera";
/// The name of the microphone's element.
pub const MICROPHONE: &str = "microphone";
/// The name of the encoder's element.
pub const ENCODER: &str = "encoder";
/// The name of the appsink that gives the picture.
pub const VIDEO: &str = "video";
/// The name of the element that pictures for the encoder come to.
pub const TO_ENCODER: &str = "to-encoder";
/// The name of the element that pictures for stills come to.
pub const TO_STILLS: &str = "to-stills";
/// The name of the appsink that gives stills.
pub const STILLS: &str = "stills";
/// The name of the appsink that gives the sound.
pub const AUDIO: &str = "audio";

/// Every sample is taken at once by a callback; the queue behind it never fills.
const SINK: &str =
    "sync=false async=false max-buffers=4 drop=true enable-last-sample=false wait-on-eos=false";

/// A property to be set on an element of a description.
pub type Property = (&'static str, &'static str, String);

/// A pipeline to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// For `gst_parse_launch`.
    pub text: String,
    /// Element, property, value.
    pub properties: Vec<Property>,
}

/// Whether pictures and sound of this camera can be had at all, before anything is opened.
pub fn supported(settings: &CameraSettings) -> Result<(), Cause> {
    match (&settings.source, &settings.audio) {
        (VideoSource::Libcamera, _) => Err(Cause::NotBuilt("libcamera")),
        (VideoSource::Rtsp(_), _) => Err(Cause::NotBuilt("rtsp")),
        (_, Some(AudioSource::Pipewire)) => {
            Err(Cause::Microphone(Box::new(Cause::NotBuilt("pipewire"))))
        }
        _ => Ok(()),
    }
}

/// What a capture has where the plugins for it are installed.
#[derive(Debug, Clone, Copy)]
pub struct Extras {
    /// A clock in the test picture.
    pub clock: bool,
    /// Stills.
    pub stills: bool,
}

/// The capture of a camera.
pub fn capture(
    settings: &CameraSettings,
    encoder: &Encoder,
    extras: Extras,
) -> Result<Description, Cause> {
    supported(settings)?;
    let mut properties = Vec::new();
    let mut text = video(settings, encoder, extras, &mut properties);
    for (name, value) in encoder.properties(settings.bitrate_bps, settings.fps) {
        properties.push((ENCODER, name, value));
    }
    if let Some(source) = &settings.audio {
        text.push_str("  ");
        text.push_str(&audio(source, &mut properties));
    }
    Ok(Description { text, properties })
}

fn video(
    settings: &CameraSettings,
    encoder: &Encoder,
    extras: Extras,
    properties: &mut Vec<Property>,
) -> String {
    let fps = settings.fps.max(1);
    let (width, height) = encoder.size(settings.size);
    let format = encoder.raw_format;
    let raw =
        format!("video/x-raw,format={format},width={width},height={height},pixel-aspect-ratio=1/1");
    let source = match &settings.source {
        VideoSource::V4l2(path) => {
            properties.push((CAMERA, "device", path.display().to_string()));
            // The first two structures are what v4l2src tries to come close to.
            let close = format!("width={width},height={height},framerate={fps}/1");
            format!(
                "v4l2src name={CAMERA} \
                 ! capsfilter caps=\"video/x-raw,{close};image/jpeg,{close};video/x-raw;image/jpeg\" \
                 ! decodebin ! videorate drop-only=true max-rate={fps} \
                 ! videoconvert ! videoscale add-borders=true ! {raw}"
            )
        }
        _ => test_picture(&raw, height, fps, extras.clock),
    };
    let parser = match encoder.codec {
        Codec::H264 => {
            "h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! "
        }
        Codec::Vp8 => "",
    };
    let (tee, stills) = match extras.stills {
        // In the camera's own thread: one still now and then is not worth another.
        true => (
            "tee name=split split. ! ",
            format!(
                "  split. ! videoconvert name={TO_STILLS} ! jpegenc ! appsink name={STILLS} {SINK}"
            ),
        ),
        false => ("", String::new()),
    };
    // Before the encoder what is late is dropped: it would only become later.
    format!(
        "{source} ! {tee}queue name={TO_ENCODER} leaky=downstream max-size-buffers=2 \
         max-size-bytes=0 max-size-time=0 ! {} name={ENCODER} ! {} ! {parser}appsink name={VIDEO} {SINK}{stills}",
        encoder.factory, encoder.caps
    )
}

/// A ball that wanders over a dark ground, and the time: cheap to make, cheap to encode, and any
/// stall is seen at once.
fn test_picture(raw: &str, height: u32, fps: u32, clock: bool) -> String {
    let size = (height / 6).max(8);
    let clock = if clock {
        format!(
            " ! clockoverlay time-format=\"%H:%M:%S\" font-desc=\"Sans Bold {size}px\" \
             halignment=center valignment=center draw-outline=false draw-shadow=false"
        )
    } else {
        String::new()
    };
    format!(
        "videotestsrc name={CAMERA} is-live=true pattern=ball motion=wavy \
         background-color=0xff16202b foreground-color=0xfff2b84b \
         ! {raw},framerate={fps}/1{clock}"
    )
}

/// A microphone alone, to find out whether it gives anything; nothing for one that is not built yet.
pub fn microphone_alone(source: &AudioSource) -> Option<Description> {
    if *source == AudioSource::Pipewire {
        return None;
    }
    let mut properties = Vec::new();
    let text = microphone(source, &mut properties);
    properties.push((MICROPHONE, "num-buffers", "5".into()));
    Some(Description { text: format!("{text} ! fakesink sync=false"), properties })
}

fn audio(source: &AudioSource, properties: &mut Vec<Property>) -> String {
    let source = microphone(source, properties);
    format!(
        "{source} ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 \
         ! queue leaky=downstream max-size-buffers=0 max-size-bytes=0 max-size-time=200000000 \
         ! opusenc bitrate=32000 frame-size=20 inband-fec=true ! appsink name={AUDIO} {SINK}"
    )
}

fn microphone(source: &AudioSource, properties: &mut Vec<Property>) -> String {
    match source {
        AudioSource::Alsa(device) => {
            properties.push((MICROPHONE, "device", device.clone()));
            format!("alsasrc name={MICROPHONE}")
        }
        // A soft tick a second, like a clock on the wall: heard by who listens, easy to live with.
        _ => format!(
            "audiotestsrc name={MICROPHONE} is-live=true wave=ticks freq=660 volume=0.08 \
             sine-periods-per-tick=12 apply-tick-ramp=true samplesperbuffer=960"
        ),
    }
}

/// Which part of the capture an element of this name belongs to.
pub fn place_of(element: &str) -> Place {
    match element {
        MICROPHONE => Place::Sound,
        ENCODER => Place::Encoder,
        _ if element.starts_with("audio") || element.starts_with("opus") => Place::Sound,
        _ => Place::Picture,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{camera::encoder::RANKING, config::Unwatched, ids::RoomName};

    fn settings(source: VideoSource, audio: Option<AudioSource>) -> CameraSettings {
        CameraSettings {
            id: "door".parse().expect("an id"),
            name: "Door".into(),
            source,
            audio,
            room: RoomName::parse("home").expect("a room"),
            size: (640, 360),
            fps: 15,
            bitrate_bps: 500_000,
            encoder: None,
            unwatched: Unwatched::Close,
        }
    }

    const ALL: Extras = Extras { clock: true, stills: true };

    fn described(source: VideoSource, audio: Option<AudioSource>, encoder: &str) -> Description {
        let encoder = RANKING.iter().find(|e| e.factory == encoder).expect("it is ranked");
        capture(&settings(source, audio), encoder, ALL).expect("it is supported")
    }

    #[test]
    fn a_description_holds_what_its_settings_ask_for() {
        let test = described(VideoSource::Test, Some(AudioSource::Test), "x264enc");
        for part in [
            "videotestsrc name=camera is-live=true",
            "format=I420,width=640,height=360,pixel-aspect-ratio=1/1,framerate=15/1",
            "clockoverlay",
            "x264enc name=encoder ! video/x-h264,profile=constrained-baseline ! h264parse",
            "tee name=split split. ! queue name=to-encoder",
            "split. ! videoconvert name=to-stills ! jpegenc ! appsink name=stills",
            "appsink name=video",
            "opusenc",
            "appsink name=audio",
        ] {
            assert!(test.text.contains(part), "{part:?} in {}", test.text);
        }
        assert!(test.properties.contains(&("encoder", "bitrate", "500".into())));
        let silent = described(VideoSource::Test, None, "vp8enc");
        assert!(!silent.text.contains("opusenc") && !silent.text.contains("h264"));
    }

    #[test]
    fn what_is_configured_is_never_part_of_the_description() {
        let evil = "x ! filesink location=y";
        let v4l2 = VideoSource::V4l2(evil.into());
        let description = described(v4l2, Some(AudioSource::Alsa(evil.into())), "openh264enc");
        assert!(!description.text.contains("filesink"), "{}", description.text);
        assert!(description.properties.contains(&("camera", "device", evil.into())));
        assert!(description.properties.contains(&("microphone", "device", evil.into())));
    }

    #[test]
    fn what_comes_later_says_so() {
        let rtsp = VideoSource::Rtsp(crate::config::Secret::new("rtsp://10.0.0.2/"));
        let microphone = Cause::Microphone(Box::new(Cause::NotBuilt("pipewire")));
        let cases = [
            (VideoSource::Libcamera, None, Cause::NotBuilt("libcamera")),
            (rtsp, None, Cause::NotBuilt("rtsp")),
            (VideoSource::Test, Some(AudioSource::Pipewire), microphone),
        ];
        for (source, audio, cause) in cases {
            let result = capture(&settings(source, audio), &RANKING[4], ALL);
            assert_eq!(result, Err(cause));
        }
    }

    #[test]
    fn elements_have_their_place() {
        let cases = [
            ("camera", Place::Picture),
            ("decodebin0", Place::Picture),
            ("microphone", Place::Sound),
            ("audioconvert0", Place::Sound),
            ("opusenc1", Place::Sound),
            ("encoder", Place::Encoder),
        ];
        for (element, place) in cases {
            assert_eq!(place_of(element), place, "{element}");
        }
    }
}
