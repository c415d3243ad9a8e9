//! Where encoded media leave the capture and enter the publisher, if there is one.
//!
//! The two pipelines come and go without each other; this stays. Deliberately holds no queue: a
//! sample is passed on or dropped, on the streaming thread that brought it. Keyframe requests go the
//! other way, through a [`KeyframeGate`].
//!
//! ```text
//!  awake --rest: nobody needs the picture--> resting --wake: somebody does--> awake
//! ```
//! While it rests the camera's pictures end where they leave the camera ([`Outlet::admits`]): they
//! are counted, and neither converted nor encoded, but for those that become stills. Sound
//! that nobody hears ends at the microphone likewise.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSrc;

use super::{elements::lock, keyframes::KeyframeGate, still_gate::StillGate};
use crate::seams::stills::Stills;

/// The one outlet of a camera.
#[derive(Debug, Default)]
pub struct Outlet {
    video: Mutex<Option<AppSrc>>,
    audio: Mutex<Option<AppSrc>>,
    /// The branch for RTSP, likewise: picture and sound.
    feed: Mutex<Option<(AppSrc, Option<AppSrc>)>>,
    /// It begins with a keyframe, too.
    feed_wants_keyframe: AtomicBool,
    /// Upstream of it is the encoder.
    encoder_pad: Mutex<Option<gst::Pad>>,
    gate: Mutex<KeyframeGate>,
    /// A new publisher begins with a keyframe: what comes before it could not be decoded.
    wants_keyframe: AtomicBool,
    /// Nobody needs the picture.
    rests: AtomicBool,
    /// The capture has shown that it encodes.
    has_begun: AtomicBool,
    n_frames: AtomicU64,
    stills: Stills,
    /// Nobody hears it.
    is_mute: AtomicBool,
    /// How many ask for stills.
    n_wanted: AtomicUsize,
    still_gate: Mutex<StillGate>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The picture.
    Video,
    /// The sound.
    Audio,
}

impl Outlet {
    /// One whose stills go there.
    pub fn new(stills: Stills) -> Self {
        Self { stills, ..Self::default() }
    }

    /// Where its stills go.
    pub fn stills(&self) -> &Stills {
        &self.stills
    }

    /// So many ask for stills now.
    pub fn want_stills(&self, n_wanted: usize) {
        self.n_wanted.store(n_wanted, Ordering::Release);
    }

    fn still_is_due(&self, now: Instant) -> bool {
        let is_wanted = self.n_wanted.load(Ordering::Acquire) > 0;
        lock(&self.still_gate).is_due(now, is_wanted, self.needs_picture())
    }

    /// A picture has come as far as the stills. True: it becomes one.
    pub fn takes_still(&self, now: Instant) -> bool {
        let takes = self.still_is_due(now);
        if takes {
            lock(&self.still_gate).taken(now);
        }
        takes
    }

    /// Pictures since the start of the process that were encoded, or that nobody needed: they stand
    /// still where the camera does, and where its encoder does while that is to encode.
    pub fn n_frames(&self) -> u64 {
        self.n_frames.load(Ordering::Relaxed)
    }

    /// The capture has begun; its encoder lies upstream of this pad.
    pub fn attach_capture(&self, pad: gst::Pad) {
        *lock(&self.encoder_pad) = Some(pad);
        *lock(&self.gate) = KeyframeGate::default();
        self.has_begun.store(false, Ordering::Release);
    }

    /// The capture has ended.
    pub fn detach_capture(&self) {
        *lock(&self.encoder_pad) = None;
    }

    /// A publisher wants media: it cannot connect without a picture.
    pub fn attach_publisher(&self, video: AppSrc, audio: Option<AppSrc>) {
        self.wants_keyframe.store(true, Ordering::Release);
        *lock(&self.video) = Some(video);
        *lock(&self.audio) = audio;
        if self.rests.load(Ordering::Acquire) {
            self.wake();
        } else {
            self.request_keyframe();
        }
    }

    /// The publisher has ended.
    pub fn detach_publisher(&self) {
        *lock(&self.video) = None;
        *lock(&self.audio) = None;
    }

    /// Whether somebody hears it.
    pub fn want_sound(&self, is_wanted: bool) {
        self.is_mute.store(!is_wanted, Ordering::Release);
    }

    /// Whether sound is to go further than the microphone.
    pub fn admits_sound(&self) -> bool {
        !self.is_mute.load(Ordering::Acquire) || lock(&self.feed).is_some()
    }

    /// Somebody takes media beside the publisher.
    pub fn attach_feed(&self, video: AppSrc, audio: Option<AppSrc>) {
        self.feed_wants_keyframe.store(true, Ordering::Release);
        *lock(&self.feed) = Some((video, audio));
        self.request_keyframe();
    }

    /// Nobody does any more.
    pub fn detach_feed(&self) {
        *lock(&self.feed) = None;
    }

    /// Nobody needs the picture.
    pub fn rest(&self) {
        self.rests.store(true, Ordering::Release);
    }

    /// Somebody needs the picture: the next one is encoded, as a keyframe.
    pub fn wake(&self) {
        if !self.rests.load(Ordering::Acquire) {
            return;
        }
        // What the encoder still held when it came to rest leads to nothing.
        self.wants_keyframe.store(true, Ordering::Release);
        // At once: whoever asked before the rest has had theirs or is gone.
        *lock(&self.gate) = KeyframeGate::default();
        if lock(&self.gate).ask(Instant::now()) {
            self.force_keyframe();
        }
        self.rests.store(false, Ordering::Release);
    }

    /// Whether somebody needs the picture encoded.
    ///
    /// A capture that begins has to show that it can encode, whether somebody looks or not.
    fn needs_picture(&self) -> bool {
        !self.rests.load(Ordering::Acquire)
            || !self.has_begun.load(Ordering::Acquire)
            || lock(&self.feed).is_some()
    }

    /// A picture leaves the camera. False: nobody needs it, and it is to go no further.
    pub fn admits(&self, now: Instant) -> bool {
        let admits = self.needs_picture() || self.still_is_due(now);
        if !admits {
            self.n_frames.fetch_add(1, Ordering::Relaxed);
        }
        admits
    }

    /// A picture has come as far as the encoder. False: it is there for a still alone.
    pub fn admits_to_encoder(&self) -> bool {
        let admits = self.needs_picture();
        if !admits {
            self.n_frames.fetch_add(1, Ordering::Relaxed);
        }
        admits
    }

    /// Asks the encoder for a keyframe, now or as soon as the gate opens. One that rests begins with
    /// a keyframe by itself.
    pub fn request_keyframe(&self) {
        if !self.needs_picture() {
            return;
        }
        let open = lock(&self.gate).ask(Instant::now());
        if open {
            self.force_keyframe();
        }
    }

    fn force_keyframe(&self) {
        let pad = lock(&self.encoder_pad).clone();
        if let Some(pad) = pad {
            // Events pushed from a sink pad travel upstream. Nobody there to take it is no harm.
            let event = gstreamer_video::UpstreamForceKeyUnitEvent::builder().all_headers(true);
            pad.push_event(event.build());
        }
    }

    /// Passes a sample on, to whoever takes it.
    pub fn pass(&self, kind: Kind, sample: &gst::Sample) {
        let mut rests = false;
        if kind == Kind::Video {
            self.n_frames.fetch_add(1, Ordering::Relaxed);
            self.has_begun.store(true, Ordering::Release);
            rests = self.rests.load(Ordering::Acquire);
            let due = self.needs_picture() && lock(&self.gate).tick(Instant::now());
            if due {
                self.force_keyframe();
            }
        }
        let published = match kind {
            Kind::Video => lock(&self.video).clone().filter(|_| !rests),
            Kind::Audio => lock(&self.audio).clone(),
        };
        let fed = lock(&self.feed).clone().and_then(|(video, audio)| match kind {
            Kind::Video => Some(video),
            Kind::Audio => audio,
        });
        let ways = [(published, &self.wants_keyframe), (fed, &self.feed_wants_keyframe)];
        let Some(buffer) = sample.buffer() else { return };
        let is_delta = buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        for (source, wants_keyframe) in ways {
            let Some(source) = source else { continue };
            if kind == Kind::Video && wants_keyframe.load(Ordering::Acquire) {
                if is_delta {
                    continue;
                }
                wants_keyframe.store(false, Ordering::Release);
            }
            let Some(moved) = in_running_time(sample) else { return };
            // overflow: DROPS the oldest; the appsrc is leaky, and a keyframe is asked for.
            let _ = source.push_sample(&moved);
        }
    }
}

/// The sample with time stamps in running time, which both pipelines share: encoders move theirs by
/// an offset that only their segment explains (x264enc by 1000 hours).
fn in_running_time(sample: &gst::Sample) -> Option<gst::Sample> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let mut buffer = sample.buffer_owned()?;
    let pts = buffer.pts().and_then(|pts| segment.to_running_time(pts));
    let dts = buffer.dts().and_then(|dts| segment.to_running_time(dts));
    {
        // Copies the head alone; the memory is shared.
        let buffer = buffer.make_mut();
        buffer.set_pts(pts);
        buffer.set_dts(dts);
    }
    let mut builder = gst::Sample::builder().buffer(&buffer);
    let caps = sample.caps_owned()?;
    builder = builder.caps(&caps);
    Some(builder.build())
}
