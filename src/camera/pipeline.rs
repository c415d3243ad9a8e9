//! The capture: camera and microphone to encoded samples.
//!
//! Owns one GStreamer pipeline from start to stop. Deliberately starts nothing again by itself: each
//! fault is reported once and the supervisor decides. Callbacks only report, and cannot panic.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks};
use tokio::sync::mpsc;

use super::{
    cause::{Cause, ErrorCode, GstFault},
    elements::{by_name, parse, set, share_clock},
    encoder::{Codec, Encoder},
    outlet::{Kind, Outlet},
    probe,
    source::{self, Extras},
    stills,
};
use crate::config::{CameraSettings, VideoSource};

/// What a capture reports.
#[derive(Debug)]
pub enum CaptureEvent {
    /// The first picture is encoded.
    FirstFrame,
    /// It has failed and is to be stopped.
    Failed(Cause),
}

/// A running capture. Stops when dropped; both block, so neither belongs on an async thread.
#[derive(Debug)]
pub struct Capture {
    pipeline: gst::Pipeline,
    outlet: Arc<Outlet>,
    /// What it encodes with.
    pub encoder: &'static Encoder,
}

impl Capture {
    /// Opens the camera. Blocks while encoders are tried and the device opens.
    ///
    /// `events` takes one [`CaptureEvent::FirstFrame`] and what goes wrong later.
    pub fn start(
        settings: &CameraSettings,
        base_time: gst::ClockTime,
        outlet: Arc<Outlet>,
        report: impl Fn(CaptureEvent) + Clone + Send + Sync + 'static,
    ) -> Result<Self, Cause> {
        source::supported(settings)?;
        let encoder = probe::choose(settings.encoder.as_deref())?;
        let clock = gst::ElementFactory::find("clockoverlay").is_some();
        if !clock && settings.source == VideoSource::Test {
            tracing::warn!(camera = %settings.id, "no clockoverlay: the test picture has no clock");
        }
        let has_stills = stills::can_be_made();
        if !has_stills {
            tracing::warn!(camera = %settings.id, "no jpegenc: there are no stills");
        }
        let description = source::capture(settings, encoder, Extras { clock, stills: has_stills })?;
        tracing::debug!(camera = %settings.id, pipeline = description.text, "capture");
        let pipeline = parse(&description.text)?;
        for (element, name, value) in &description.properties {
            set(&by_name::<gst::Element>(&pipeline, element)?, name, value);
        }
        share_clock(&pipeline, base_time);
        let camera: gst::Element = by_name(&pipeline, source::CAMERA)?;
        end_at(&camera, &outlet, |outlet| outlet.admits(Instant::now()))?;
        if has_stills {
            stills::attach(&pipeline, &outlet)?;
        }
        let live = Arc::new(AtomicBool::new(false));
        let video: AppSink = by_name(&pipeline, source::VIDEO)?;
        let pad =
            video.static_pad("sink").ok_or_else(|| Cause::ElementMissing("appsink".into()))?;
        take(&video, Kind::Video, &outlet, &live, report.clone());
        if settings.audio.is_some() {
            let microphone: gst::Element = by_name(&pipeline, source::MICROPHONE)?;
            end_at(&microphone, &outlet, Outlet::admits_sound)?;
            let audio: AppSink = by_name(&pipeline, source::AUDIO)?;
            take(&audio, Kind::Audio, &outlet, &live, report.clone());
        }
        // From here on dropping it stops what has begun.
        let capture = Self { pipeline, outlet, encoder };
        let first_fault = capture.watch(settings, live, report)?;
        capture.outlet.attach_capture(pad);
        if capture.pipeline.set_state(gst::State::Playing).is_err() {
            let unknown = || Cause::Other("the pipeline does not start".into());
            return Err(first_fault.try_recv_first().unwrap_or_else(unknown));
        }
        Ok(capture)
    }

    /// Reports errors of the bus, the first one also to whoever started it.
    fn watch(
        &self,
        settings: &CameraSettings,
        live: Arc<AtomicBool>,
        report: impl Fn(CaptureEvent) + Send + Sync + 'static,
    ) -> Result<FirstFault, Cause> {
        let bus = self.pipeline.bus().ok_or_else(|| Cause::Other("no bus".into()))?;
        let device = match &settings.source {
            VideoSource::V4l2(path) => Some(path.clone()),
            _ => None,
        };
        let encoder = self.encoder.factory;
        let (sender, receiver) = mpsc::channel(1);
        bus.set_sync_handler(move |_, message| {
            let cause = match message.view() {
                gst::MessageView::Error(error) => {
                    cause_of(error, encoder, device.as_ref(), live.load(Ordering::Relaxed))
                }
                gst::MessageView::Eos(_) => Cause::Other("the source has ended".into()),
                _ => return gst::BusSyncReply::Drop,
            };
            if matches!(cause, Cause::EncoderStopped(_)) {
                probe::reject(encoder);
            }
            // overflow: DROPS all but the first; the others follow from it.
            let _ = sender.try_send(cause.clone());
            report(CaptureEvent::Failed(cause));
            gst::BusSyncReply::Drop
        });
        Ok(FirstFault(receiver))
    }

    /// What it makes.
    pub fn codec(&self) -> Codec {
        self.encoder.codec
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.outlet.detach_capture();
        let _ = self.pipeline.set_state(gst::State::Null);
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

struct FirstFault(mpsc::Receiver<Cause>);

impl FirstFault {
    fn try_recv_first(mut self) -> Option<Cause> {
        self.0.try_recv().ok()
    }
}

/// Pictures and sound that nobody needs end where they begin, before anything is done to them. What
/// comes after a pause is encoded all the same: cameras are asked for formats whose every picture
/// stands alone.
fn end_at(
    source: &gst::Element,
    outlet: &Arc<Outlet>,
    admits: impl Fn(&Outlet) -> bool + Send + Sync + 'static,
) -> Result<(), Cause> {
    let pad = source.static_pad("src");
    let pad = pad.ok_or_else(|| Cause::ElementMissing(source.name().into()))?;
    let outlet = Arc::clone(outlet);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| match admits(&outlet) {
        true => gst::PadProbeReturn::Ok,
        // Not `Drop`, as in `publisher`.
        false => gst::PadProbeReturn::Handled,
    });
    Ok(())
}

/// Passes an appsink's samples to the outlet.
fn take(
    sink: &AppSink,
    kind: Kind,
    outlet: &Arc<Outlet>,
    live: &Arc<AtomicBool>,
    report: impl Fn(CaptureEvent) + Send + Sync + 'static,
) {
    let (outlet, live) = (Arc::clone(outlet), Arc::clone(live));
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        outlet.pass(kind, &sample);
        if kind == Kind::Video && !live.swap(true, Ordering::Relaxed) {
            report(CaptureEvent::FirstFrame);
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
}

fn cause_of(
    message: &gst::message::Error,
    encoder: &str,
    device: Option<&PathBuf>,
    was_live: bool,
) -> Cause {
    let error = message.error();
    let debug = message.debug();
    let element = message.src().map(|source| source.name());
    let fault = GstFault {
        place: source::place_of(element.as_deref().unwrap_or_default()),
        encoder,
        code: code_of(&error),
        text: error.message(),
        debug: debug.as_deref().unwrap_or_default(),
        device_is_there: device.is_none_or(|path| path.exists()),
        was_live,
    };
    tracing::debug!(element = element.as_deref(), text = fault.text, debug = fault.debug, "error");
    fault.cause()
}

fn code_of(error: &glib::Error) -> ErrorCode {
    use gst::{CoreError, ResourceError as R, StreamError};
    match error.kind::<R>() {
        Some(R::Busy) => return ErrorCode::Busy,
        Some(R::NotFound) => return ErrorCode::NotFound,
        Some(R::OpenRead | R::OpenWrite | R::OpenReadWrite) => return ErrorCode::Open,
        Some(R::Read | R::Sync) => return ErrorCode::Read,
        Some(R::NotAuthorized) => return ErrorCode::NotAuthorized,
        _ => {}
    }
    match (error.kind::<CoreError>(), error.kind::<StreamError>()) {
        (Some(CoreError::MissingPlugin), _) => ErrorCode::MissingPlugin,
        (Some(CoreError::Negotiation), _) | (_, Some(StreamError::Format)) => {
            ErrorCode::Negotiation
        }
        _ => ErrorCode::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;
    use crate::{
        camera::{devices, encoder::RANKING},
        ids::RoomName,
    };

    /// More than anything here takes on a loaded machine.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// The test picture comes 15 times a second.
    const SILENCE: Duration = Duration::from_millis(700);

    /// Tells of each buffer that passes a pad of the encoder whether it is a delta.
    fn buffers(capture: &Capture, pad: &str) -> mpsc::Receiver<bool> {
        let encoder: gst::Element =
            by_name(&capture.pipeline, source::ENCODER).expect("it is there");
        let (sender, receiver) = mpsc::channel();
        let pad = encoder.static_pad(pad).expect("encoders have it");
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer() {
                let _ = sender.send(buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
            }
            gst::PadProbeReturn::Ok
        });
        receiver
    }

    /// Each encoder has its own way to come back.
    #[test]
    fn while_nobody_needs_the_picture_the_encoder_gets_none_and_it_begins_again_with_a_keyframe() {
        gst::init().expect("GStreamer");
        let base_time = gst::SystemClock::obtain().time();
        let mut n_tried = 0;
        for encoder in RANKING.iter().filter(|encoder| probe::works(encoder)) {
            n_tried += 1;
            let settings = CameraSettings {
                encoder: Some(encoder.factory.to_owned()),
                audio: None,
                ..devices::demo(&RoomName::parse("home").expect("a room"))
            };
            let outlet = Arc::<Outlet>::default();
            let (sender, events) = mpsc::channel();
            // Nobody looks before it begins: it shows all the same that it can encode.
            outlet.rest();
            let report = move |event| drop(sender.send(event));
            let capture = Capture::start(&settings, base_time, Arc::clone(&outlet), report);
            let capture = capture.expect("a capture");
            let event = events.recv_timeout(PATIENCE).expect("an event");
            assert!(matches!(event, CaptureEvent::FirstFrame), "{event:?}");

            let (taken, given) = (buffers(&capture, "sink"), buffers(&capture, "src"));
            for _ in 0..2 {
                // What was under way.
                let n_taken =
                    std::iter::from_fn(|| taken.recv_timeout(SILENCE).ok()).take(60).count();
                assert!(n_taken < 60, "{} goes on with {n_taken}", encoder.factory);
                // An encoder on a busy machine gives the last of it late.
                std::iter::from_fn(|| given.recv_timeout(SILENCE).ok()).take(60).for_each(drop);
                let before = outlet.n_frames();
                assert_eq!(taken.recv_timeout(SILENCE).ok(), None, "{}", encoder.factory);
                assert!(outlet.n_frames() > before + 5, "the camera is seen to go on");

                outlet.request_keyframe();
                outlet.wake();
                let is_delta = given.recv_timeout(PATIENCE).expect("a picture");
                assert!(!is_delta, "{} begins with a keyframe", encoder.factory);
                let deltas: Vec<bool> =
                    (0..5).map_while(|_| given.recv_timeout(PATIENCE).ok()).collect();
                assert_eq!(deltas, [true; 5], "{}: one is enough", encoder.factory);
                outlet.rest();
            }
            assert!(events.try_recv().is_err(), "nothing went wrong by that");
        }
        assert!(n_tried > 0, "x264enc, openh264enc or vp8enc is needed");
    }
}
