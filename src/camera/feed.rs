//! A camera's encoded media as RTP packets beside its connection to the media plane, while somebody
//! takes them.
//!
//! ```text
//!  outlet -> appsrc "video" -> payloader -> appsink -> Feed
//!  outlet -> appsrc "audio" -> payloader -> appsink --^
//! ```
//! Owns one pipeline. Nothing is encoded here. Callbacks only report, and cannot panic.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::{
    cause::Cause,
    elements::{by_name, lock, parse, share_clock},
    encoder::Codec,
    outlet::Outlet,
    publisher::Media,
};
use crate::seams::feed::{Feed, FeedDescription, FeedFormat, FeedPacket, FeedTrack};

const SINK: &str = "sync=false async=false max-buffers=64 enable-last-sample=false";

/// A branch that runs. Stops when dropped, which blocks.
#[derive(Debug)]
pub struct FeedBranch {
    pipeline: gst::Pipeline,
    outlet: Arc<Outlet>,
    feed: Feed,
}

/// What is known of the formats: the picture's, the sound's.
type Known = Mutex<(Option<FeedFormat>, Option<FeedFormat>)>;

fn description(media: Media) -> String {
    let source = "is-live=true format=time leaky-type=downstream max-bytes=0 max-buffers=0 \
                  max-time=1000000000";
    let pay = match media.codec {
        // Parameter sets before each keyframe: whoever comes later needs them.
        Codec::H264 => "rtph264pay pt=96 config-interval=-1 mtu=1400 aggregate-mode=zero-latency",
        Codec::Vp8 => "rtpvp8pay pt=96 mtu=1400",
    };
    let mut text = format!("appsrc name=video {source} ! {pay} ! appsink name=picture {SINK}");
    if media.audio {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  appsrc name=audio {source} ! rtpopuspay pt=97 ! appsink name=sound {SINK}"
        );
    }
    text
}

impl FeedBranch {
    /// Makes the pipeline and lets media flow to it.
    pub fn start(
        media: Media,
        base_time: gst::ClockTime,
        outlet: Arc<Outlet>,
        feed: Feed,
    ) -> Result<Self, Cause> {
        let pipeline = parse(&description(media))?;
        share_clock(&pipeline, base_time);
        let video: AppSrc = by_name(&pipeline, "video")?;
        let audio = if media.audio { Some(by_name(&pipeline, "audio")?) } else { None };
        let known = Arc::new(Known::default());
        let hears = media.audio;
        take(&by_name(&pipeline, "picture")?, FeedTrack::Picture, &feed, &known, hears);
        if media.audio {
            take(&by_name(&pipeline, "sound")?, FeedTrack::Sound, &feed, &known, hears);
        }
        let branch = Self { pipeline, outlet, feed };
        if branch.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(Cause::Other("the branch for RTSP does not start".into()));
        }
        branch.outlet.attach_feed(video, audio);
        Ok(branch)
    }
}

impl Drop for FeedBranch {
    fn drop(&mut self) {
        self.outlet.detach_feed();
        self.feed.describe(None);
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn take(sink: &AppSink, track: FeedTrack, feed: &Feed, known: &Arc<Known>, hears: bool) {
    let (feed, known) = (feed.clone(), Arc::clone(known));
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(caps) = sample.caps() {
            tell(caps, track, &feed, &known, hears);
        }
        if let Some(map) = sample.buffer().and_then(|buffer| buffer.map_readable().ok()) {
            let rtp = Bytes::copy_from_slice(map.as_slice());
            let begins = begins(&rtp);
            feed.give(FeedPacket { track, rtp, begins });
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
}

/// Says how the camera sends, once that is known of all that it sends.
fn tell(caps: &gst::CapsRef, track: FeedTrack, feed: &Feed, known: &Known, hears: bool) {
    let mut known = lock(known);
    let slot = match track {
        FeedTrack::Picture => &mut known.0,
        FeedTrack::Sound => &mut known.1,
    };
    if slot.is_some() {
        return;
    }
    *slot = caps.structure(0).and_then(format);
    if let (Some(picture), sound) = (known.0.clone(), known.1.clone())
        && sound.is_some() == hears
    {
        feed.describe(Some(FeedDescription { picture, sound }));
    }
}

/// RTP caps in SDP's words: parameters are those fields that stand for no line of their own.
fn format(rtp: &gst::StructureRef) -> Option<FeedFormat> {
    const OTHERS: [&str; 9] = [
        "media",
        "payload",
        "clock-rate",
        "encoding-name",
        "encoding-params",
        "ssrc",
        "timestamp-offset",
        "seqnum-offset",
        "a-framerate",
    ];
    let encoding = rtp.get::<String>("encoding-name").ok()?;
    let payload_type = u8::try_from(rtp.get::<i32>("payload").ok()?).ok()?;
    let clock_rate = u32::try_from(rtp.get::<i32>("clock-rate").ok()?).ok()?;
    let parameters: Vec<String> = rtp
        .iter()
        .filter(|(name, _)| !OTHERS.contains(&name.as_str()))
        .filter_map(|(name, value)| Some(format!("{name}={}", value.get::<String>().ok()?)))
        .collect();
    Some(FeedFormat { encoding, payload_type, clock_rate, parameters: parameters.join(";") })
}

/// Whether a keyframe begins with this packet: its parameter sets do (RFC 6184, 5.2), or the first
/// packet of a VP8 frame says so (RFC 7741, 4.2). Told apart by the payload type alone they are not,
/// but H.264 in this form never looks like the start of a VP8 keyframe.
fn begins(rtp: &[u8]) -> bool {
    let Some(payload) = rtp.get(12..) else { return false };
    let Some(first) = payload.first() else { return false };
    match first & 0x1f {
        7 => true,
        // STAP-A: a NAL unit's size, and then its header.
        24 => payload.get(3).is_some_and(|unit| unit & 0x1f == 7),
        // S bit, partition 0, no extension.
        16 if *first == 0x10 => payload.get(1).is_some_and(|frame| frame & 1 == 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_is_known_by_its_first_packet() {
        let rtp = |payload: &[u8]| [&[0x80; 12], payload].concat();
        let cases: &[(&[u8], bool)] = &[
            (&[0x67, 0x42], true),
            (&[0x78, 0, 2, 0x67, 0x42], true),
            (&[0x78, 0, 2, 0x61, 0x42], false),
            (&[0x65, 0x88], false),
            (&[0x41, 0x9a], false),
            (&[0x7c, 0x81], false),
            (&[0x10, 0x90], true),
            (&[0x10, 0x91], false),
            (&[0x00, 0x90], false),
            (&[], false),
        ];
        for (payload, expected) in cases {
            assert_eq!(begins(&rtp(payload)), *expected, "{payload:x?}");
        }
        assert!(!begins(&[0x80; 5]));
    }

    #[test]
    fn caps_become_the_words_of_sdp() {
        gst::init().expect("GStreamer");
        let caps = gst::Structure::builder("application/x-rtp")
            .field("media", "video")
            .field("clock-rate", 90_000i32)
            .field("encoding-name", "H264")
            .field("payload", 96i32)
            .field("packetization-mode", "1")
            .field("sprop-parameter-sets", "Z0LAH9oBQBbsRA==,aM48gA==")
            .field("ssrc", 7u32)
            .build();
        let format = format(&caps).expect("a format");
        assert_eq!((format.payload_type, format.clock_rate), (96, 90_000));
        let expected = "packetization-mode=1;sprop-parameter-sets=Z0LAH9oBQBbsRA==,aM48gA==";
        assert_eq!(format.parameters, expected);
    }
}
