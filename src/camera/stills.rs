//! The branch of the capture that makes stills.
//!
//! ```text
//!  rate, size, format -> tee -|> queue -> encoder ...        | pictures nobody needs end
//!                         '---|> jpegenc -> appsink -> Stills
//! ```
//! Owns what flows where behind the tee. Nothing is encoded that nobody asked for (`still_gate`).
//! Callbacks only report, and cannot panic.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks};

use super::{cause::Cause, elements::by_name, outlet::Outlet, source};
use crate::seams::stills::Still;

/// What the branch is made of, in GStreamer's words.
pub const ELEMENTS: [&str; 2] = ["tee", "jpegenc"];

/// Whether stills can be made here.
pub fn can_be_made() -> bool {
    ELEMENTS.iter().all(|element| gst::ElementFactory::find(element).is_some())
}

/// Lets pictures to the encoder while somebody needs them, and to the stills when one is due.
pub fn attach(pipeline: &gst::Pipeline, outlet: &Arc<Outlet>) -> Result<(), Cause> {
    gate(pipeline, source::TO_ENCODER, {
        let outlet = Arc::clone(outlet);
        move || outlet.admits_to_encoder()
    })?;
    gate(pipeline, source::TO_STILLS, {
        let outlet = Arc::clone(outlet);
        move || outlet.takes_still(Instant::now())
    })?;
    let sink: AppSink = by_name(pipeline, source::STILLS)?;
    let outlet = Arc::clone(outlet);
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if let Some(still) = still(&sample) {
            outlet.stills().give(still);
        }
        Ok(gst::FlowSuccess::Ok)
    });
    sink.set_callbacks(callbacks.build());
    Ok(())
}

fn gate(
    pipeline: &gst::Pipeline,
    element: &str,
    admits: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<(), Cause> {
    let element: gst::Element = by_name(pipeline, element)?;
    let pad = element.static_pad("sink");
    let pad = pad.ok_or_else(|| Cause::ElementMissing(element.name().into()))?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| match admits() {
        true => gst::PadProbeReturn::Ok,
        // Not `Drop`, as in `publisher`.
        false => gst::PadProbeReturn::Handled,
    });
    Ok(())
}

fn still(sample: &gst::Sample) -> Option<Still> {
    let map = sample.buffer()?.map_readable().ok()?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Still {
        jpeg: Bytes::copy_from_slice(map.as_slice()),
        taken: Instant::now(),
        taken_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    })
}
