//! Handling GStreamer's elements without a way to panic.
//!
//! The bindings panic on a property that the installed version does not have, and a panic inside a
//! callback aborts the process. What is set here is looked at first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gstreamer::{self as gst, glib, prelude::*};

use super::cause::Cause;

/// Sets a property as written in `gst-launch`. False if the object has none of that name, or the
/// value does not fit it; that is logged.
pub fn set(object: &impl IsA<glib::Object>, name: &str, value: &str) -> bool {
    let object = object.upcast_ref::<glib::Object>();
    let fits = object
        .find_property(name)
        .filter(|property| property.flags().contains(glib::ParamFlags::WRITABLE))
        .and_then(|property| glib::Value::deserialize_with_pspec(value, &property).ok());
    let Some(fits) = fits else {
        tracing::debug!(object = %object.type_(), name, value, "property not there");
        return false;
    };
    object.set_property_from_value(name, &fits);
    true
}

/// Reads a property that holds an object.
pub fn child(object: &impl IsA<glib::Object>, name: &str) -> Option<glib::Object> {
    let object = object.upcast_ref::<glib::Object>();
    object.find_property(name)?;
    object.property_value(name).get::<Option<glib::Object>>().ok().flatten()
}

/// Makes a pipeline of a description.
pub fn parse(text: &str) -> Result<gst::Pipeline, Cause> {
    let missing = |error: glib::Error| match error.kind::<gst::ParseError>() {
        Some(gst::ParseError::NoSuchElement) => {
            // The name stands between quotation marks, whatever the language around it.
            let name = error.message().split('"').nth(1).unwrap_or("element").to_owned();
            Cause::ElementMissing(name)
        }
        _ => Cause::Other(error.message().to_owned()),
    };
    let element =
        gst::parse::launch_full(text, None, gst::ParseFlags::FATAL_ERRORS).map_err(missing)?;
    element.downcast().map_err(|_| Cause::Other("the description is no pipeline".into()))
}

/// The element of a description by its name.
pub fn by_name<T: IsA<gst::Element>>(pipeline: &gst::Pipeline, name: &str) -> Result<T, Cause> {
    let found = pipeline.by_name(name).and_then(|element| element.downcast().ok());
    found.ok_or_else(|| Cause::ElementMissing(name.to_owned()))
}

/// Runs by the system's clock and by a base time shared with others, so that time stamps travel
/// between pipelines unchanged. To be called before the pipeline plays.
pub fn share_clock(pipeline: &gst::Pipeline, base_time: gst::ClockTime) {
    pipeline.use_clock(Some(&gst::SystemClock::obtain()));
    pipeline.set_start_time(gst::ClockTime::NONE);
    pipeline.set_base_time(base_time);
}

/// Locks, also after a panic elsewhere: what is locked here is valid at any time.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
