//! Which encoders really work here, and whether a microphone gives anything.
//!
//! That a factory exists says little: a driver may be missing, a device taken. Each is made to encode
//! five pictures, once a process, one at a time (probes beside each other time out). Blocks; for
//! blocking threads only.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};

use super::{
    cause::Cause,
    elements::{by_name, lock, parse, set},
    encoder::{self, Encoder},
    source::{self, ENCODER},
};
use crate::config::AudioSource;

/// Hardware that needs longer is not working.
const HARDWARE_WITHIN: Duration = Duration::from_secs(3);
/// VP8 on a slow CPU was seen to need more than three seconds.
const SOFTWARE_WITHIN: Duration = Duration::from_secs(10);

static RESULTS: Mutex<BTreeMap<&'static str, bool>> = Mutex::new(BTreeMap::new());

/// The forced encoder, or the best that works.
pub fn choose(forced: Option<&str>) -> Result<&'static Encoder, Cause> {
    let mut results = lock(&RESULTS);
    let chosen = encoder::choose(forced, |encoder| {
        *results.entry(encoder.factory).or_insert_with(|| works(encoder))
    });
    if chosen.is_err() {
        // Perhaps a device was busy; the next try is a backoff away and may find it free.
        results.clear();
    }
    chosen
}

/// The encoder that a camera of this machine would get: its name, and whether the CPU does the work.
///
/// # Errors
/// Why there is none.
pub fn on_this_machine() -> Result<(String, bool), String> {
    gst::init().map_err(|why| why.to_string())?;
    let chosen = choose(None).map_err(|cause| cause.to_string())?;
    Ok((chosen.factory.to_owned(), chosen.software))
}

/// It stopped while it was used: the next choice is another, as long as there is one.
pub fn reject(factory: &str) {
    if let Some(works) = lock(&RESULTS).get_mut(factory) {
        *works = false;
    }
}

/// Whether an encoder encodes. No result is kept.
pub fn works(encoder: &Encoder) -> bool {
    if gst::ElementFactory::find(encoder.factory).is_none() {
        return false;
    }
    let started = Instant::now();
    let outcome = try_out(encoder);
    let took_ms = started.elapsed().as_millis() as u64;
    match &outcome {
        Ok(()) => tracing::info!(encoder = encoder.factory, took_ms, "encoder works"),
        Err(why) => {
            tracing::warn!(encoder = encoder.factory, took_ms, why, "encoder does not work")
        }
    }
    outcome.is_ok()
}

fn try_out(encoder: &Encoder) -> Result<(), String> {
    let text = format!(
        "videotestsrc num-buffers=5 ! video/x-raw,format={},width=640,height=360,framerate=30/1 \
         ! {} name={ENCODER} ! {} ! fakesink sync=false",
        encoder.raw_format, encoder.factory, encoder.caps
    );
    let pipeline = parse(&text).map_err(|cause| cause.to_string())?;
    let element: gst::Element = by_name(&pipeline, ENCODER).map_err(|cause| cause.to_string())?;
    for (name, value) in encoder.properties(1_000_000, 30) {
        set(&element, name, &value);
    }
    let within = if encoder.software { SOFTWARE_WITHIN } else { HARDWARE_WITHIN };
    let outcome = run_to_end(&pipeline, within);
    let _ = pipeline.set_state(gst::State::Null);
    outcome
}

/// Whether a microphone opens and gives sound.
pub fn hears(microphone: &AudioSource) -> bool {
    let Some(description) = source::microphone_alone(microphone) else { return false };
    let Ok(pipeline) = parse(&description.text) else { return false };
    for (element, name, value) in &description.properties {
        match by_name::<gst::Element>(&pipeline, element) {
            Ok(element) => {
                set(&element, name, value);
            }
            Err(_) => return false,
        }
    }
    let outcome = run_to_end(&pipeline, HARDWARE_WITHIN);
    let _ = pipeline.set_state(gst::State::Null);
    outcome.is_ok()
}

fn run_to_end(pipeline: &gst::Pipeline, within: Duration) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("it has no bus")?;
    pipeline.set_state(gst::State::Playing).map_err(|error| error.to_string())?;
    let within = gst::ClockTime::from_mseconds(within.as_millis() as u64);
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(within, &kinds).ok_or("it was not done in time")?;
    match message.view() {
        gst::MessageView::Error(error) => Err(error.error().to_string()),
        _ => Ok(()),
    }
}
