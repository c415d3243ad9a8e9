//! The camera's connection to the media plane: one webrtcbin over loopback.
//!
//! ```text
//!  outlet -> appsrc "video" -> payloader -> webrtcbin -> SRTP over 127.0.0.1 -> media plane
//!  outlet -> appsrc "audio" -> payloader ----^
//!  outlet <- keyframe requests (PLI) --------'
//! ```
//!
//! Owns one pipeline of one generation. We offer (RFC 8829), bundled; the media plane is ICE-lite and
//! learns our address from the checks, so no candidate of ours is ever signaled. Deliberately makes
//! nothing anew: a publisher that has failed is stopped and another takes its place. Callbacks only
//! report, and cannot panic.

use std::{fmt::Write as _, sync::Arc};

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_app::AppSrc;
use gstreamer_sdp::SDPMessage;
use gstreamer_webrtc::{
    WebRTCICE, WebRTCPeerConnectionState as ConnectionState, WebRTCSDPType,
    WebRTCSessionDescription, prelude::WebRTCICEExt,
};

use tokio::sync::oneshot;

use super::{
    cause::Cause,
    elements::{by_name, child, parse, set, share_clock},
    encoder::Codec,
    outlet::Outlet,
};

const WEBRTC: &str = "webrtc";
const LOOPBACK: &str = "127.0.0.1";

/// What a publisher reports.
#[derive(Debug)]
pub enum PublisherEvent {
    /// Media have arrived at it: an offer can be made.
    Ready,
    /// ICE and DTLS are done.
    Connected,
    /// It has failed and is to be stopped.
    Failed(Cause),
}

/// What is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// Of the picture.
    pub codec: Codec,
    /// For H.264, see [`super::encoder::profile_level_id`].
    pub profile_level_id: &'static str,
    /// There is sound.
    pub audio: bool,
}

/// A connection. Stops when dropped; both block, so neither belongs on an async thread.
#[derive(Debug)]
pub struct Publisher {
    pipeline: gst::Pipeline,
    webrtcbin: gst::Element,
    outlet: Arc<Outlet>,
}

/// The pipeline in GStreamer's words.
pub fn description(media: Media) -> String {
    // One second of media at most waits for the connection; then the oldest goes.
    let source = "is-live=true format=time leaky-type=downstream max-bytes=0 max-buffers=0 \
                  max-time=1000000000";
    let pay = match media.codec {
        Codec::H264 => format!(
            "rtph264pay pt=96 config-interval=-1 aggregate-mode=zero-latency \
             ! application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,\
             packetization-mode=(string)1,profile-level-id=(string){}",
            media.profile_level_id
        ),
        Codec::Vp8 => "rtpvp8pay pt=97 picture-id-mode=15-bit \
             ! application/x-rtp,media=video,encoding-name=VP8,payload=97,clock-rate=90000"
            .to_owned(),
    };
    let mut text = format!(
        "webrtcbin name={WEBRTC} bundle-policy=max-bundle latency=20 \
         appsrc name=video {source} ! {pay} ! {WEBRTC}."
    );
    if media.audio {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  appsrc name=audio {source} ! rtpopuspay pt=111 \
             ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000 \
             ! {WEBRTC}."
        );
    }
    text
}

impl Publisher {
    /// Makes the pipeline and lets media flow to it. [`PublisherEvent::Ready`] follows.
    pub fn start(
        media: Media,
        base_time: gst::ClockTime,
        outlet: Arc<Outlet>,
        report: impl Fn(PublisherEvent) + Clone + Send + Sync + 'static,
    ) -> Result<Self, Cause> {
        let pipeline = parse(&description(media))?;
        share_clock(&pipeline, base_time);
        let webrtcbin: gst::Element = by_name(&pipeline, WEBRTC)?;
        stay_on_loopback(&webrtcbin)?;
        send_only(&webrtcbin, if media.audio { 2 } else { 1 })?;
        let video: AppSrc = by_name(&pipeline, "video")?;
        let audio = if media.audio { Some(by_name(&pipeline, "audio")?) } else { None };
        forward_keyframe_requests(&video, &outlet)?;
        watch(&pipeline, &webrtcbin, &report)?;
        let publisher = Self { pipeline, webrtcbin, outlet };
        if publisher.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(Cause::NoPath("the pipeline does not start".into()));
        }
        publisher.outlet.attach_publisher(video, audio);
        Ok(publisher)
    }

    /// The offer, which is in force from now on.
    pub async fn offer(webrtcbin: gst::Element) -> Result<String, Cause> {
        let reply = ask(&webrtcbin, "create-offer", &None::<gst::Structure>);
        let reply = answered("no offer was made", reply).await?;
        let reply = reply.ok_or_else(|| Cause::NoPath("the offer is empty".into()))?;
        let offer: WebRTCSessionDescription =
            reply.get("offer").map_err(|error| failed("no offer was made", &error))?;
        let reply = ask(&webrtcbin, "set-local-description", &offer);
        answered("our offer was refused", reply).await?;
        offer.sdp().as_text().map_err(|error| failed("the offer is no text", &error))
    }

    /// Takes the answer, whose candidates have been filtered.
    pub async fn answer(webrtcbin: gst::Element, sdp: String) -> Result<(), Cause> {
        let sdp = SDPMessage::parse_buffer(sdp.as_bytes())
            .map_err(|error| failed("the answer was not understood", &error))?;
        let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, sdp);
        let reply = ask(&webrtcbin, "set-remote-description", &answer);
        answered("the answer was refused", reply).await.map(drop)
    }

    /// For [`Publisher::offer`] and [`Publisher::answer`], which outlive a borrow.
    pub fn webrtcbin(&self) -> gst::Element {
        self.webrtcbin.clone()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.outlet.detach_publisher();
        let _ = self.pipeline.set_state(gst::State::Null);
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> Cause {
    Cause::NoPath(format!("{what}: {why}"))
}

type Reply = Result<Option<gst::Structure>, gst::PromiseError>;

/// Emits a signal that takes a promise. The binding's own future panics if that is dropped unanswered.
fn ask(webrtcbin: &gst::Element, signal: &str, argument: &dyn ToValue) -> oneshot::Receiver<Reply> {
    let (sender, receiver) = oneshot::channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        // overflow: DROPS; one reply, and nobody may be there any more to hear it.
        let _ = sender.send(reply.map(|reply| reply.map(ToOwned::to_owned)));
    });
    webrtcbin.emit_by_name::<()>(signal, &[argument, &promise]);
    receiver
}

/// A refusal comes as a reply that has an `error`.
async fn answered(
    what: &str,
    reply: oneshot::Receiver<Reply>,
) -> Result<Option<gst::Structure>, Cause> {
    let reply = reply.await.map_err(|_| failed(what, &"it was closed"))?;
    let reply = reply.map_err(|error| failed(what, &format!("{error:?}")))?;
    match reply.as_ref().map(|reply| reply.get::<glib::Error>("error")) {
        Some(Ok(error)) => Err(failed(what, &error)),
        _ => Ok(reply),
    }
}

/// Binds to 127.0.0.1 alone, by UDP alone, and asks no router for a port: by itself the agent leaves
/// loopback out, opens TCP on every interface, and multicasts for UPnP.
fn stay_on_loopback(webrtcbin: &gst::Element) -> Result<(), Cause> {
    let ice = child(webrtcbin, "ice-agent").and_then(|ice| ice.downcast::<WebRTCICE>().ok());
    let ice = ice.ok_or_else(|| Cause::ElementMissing("nice (libnice)".into()))?;
    if let Some(agent) = child(&ice, "agent") {
        set(&agent, "upnp", "false");
        set(&agent, "ice-tcp", "false");
    }
    if !ice.emit_add_local_ip_address(LOOPBACK) {
        return Err(Cause::NoPath("the ICE agent does not bind to loopback".into()));
    }
    Ok(())
}

fn send_only(webrtcbin: &gst::Element, n_transceivers: i32) -> Result<(), Cause> {
    for index in 0..n_transceivers {
        let transceiver: Option<glib::Object> =
            webrtcbin.emit_by_name("get-transceiver", &[&index]);
        let transceiver =
            transceiver.ok_or_else(|| Cause::NoPath("webrtcbin has no transceiver".into()))?;
        set(&transceiver, "direction", "sendonly");
        set(&transceiver, "do-nack", "true");
    }
    Ok(())
}

/// A PLI (RFC 4585, 6.3.1) arrives at the appsrc as an upstream `GstForceKeyUnit`; the encoder is in
/// another pipeline.
fn forward_keyframe_requests(video: &AppSrc, outlet: &Arc<Outlet>) -> Result<(), Cause> {
    let pad = video.static_pad("src").ok_or_else(|| Cause::ElementMissing("appsrc".into()))?;
    let outlet = Arc::clone(outlet);
    pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        if let Some(event) = info.event()
            && gstreamer_video::ForceKeyUnitEvent::is(event)
        {
            outlet.request_keyframe();
            // Not `Drop`: the binding has freed the event by then, and GStreamer complains.
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn watch(
    pipeline: &gst::Pipeline,
    webrtcbin: &gst::Element,
    report: &(impl Fn(PublisherEvent) + Clone + Send + Sync + 'static),
) -> Result<(), Cause> {
    let bus = pipeline.bus().ok_or_else(|| Cause::NoPath("no bus".into()))?;
    let on_error = report.clone();
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            tracing::debug!(debug = error.debug().as_deref(), "error");
            on_error(PublisherEvent::Failed(Cause::NoPath(error.error().message().to_owned())));
        }
        gst::BusSyncReply::Drop
    });
    let on_ready = report.clone();
    webrtcbin.connect("on-negotiation-needed", false, move |_| {
        on_ready(PublisherEvent::Ready);
        None
    });
    let on_change = report.clone();
    webrtcbin.connect_notify(Some("connection-state"), move |webrtcbin, _| {
        match webrtcbin.property_value("connection-state").get::<ConnectionState>() {
            Ok(ConnectionState::Connected) => on_change(PublisherEvent::Connected),
            Ok(ConnectionState::Failed | ConnectionState::Closed) => {
                on_change(PublisherEvent::Failed(Cause::NoPath("it was lost".into())));
            }
            _ => {}
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_one_payload_a_medium() {
        let h264 = Media { codec: Codec::H264, profile_level_id: "42e01f", audio: true };
        let text = description(h264);
        for part in ["bundle-policy=max-bundle", "payload=96", "(string)42e01f", "payload=111"] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        let vp8 = Media { codec: Codec::Vp8, audio: false, ..h264 };
        let text = description(vp8);
        assert!(text.contains("picture-id-mode=15-bit") && !text.contains("OPUS"), "{text}");
        assert!(!text.contains("H264"), "{text}");
    }
}
