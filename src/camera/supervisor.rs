//! One task a camera: performs what [`state`](super::state) decides.
//!
//! Owns the seat in the room, the capture and the publisher. Everything that blocks (opening devices,
//! GStreamer's state changes) runs on blocking threads and reports by one bounded channel, so that the
//! outbox of the room is read at all times. An attempt carries a number; what an older one reports is
//! dropped.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use gstreamer as gst;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{
    cause::Cause,
    encoder::{Codec, profile_level_id},
    feed::FeedBranch,
    house::House,
    outlet::Outlet,
    pipeline::{Capture, CaptureEvent},
    publisher::{Media, Publisher, PublisherEvent},
    slot::Slot,
    state::{Action, Event, Machine, Moment, Phase},
    stop_asked,
};
use crate::{
    config::CameraSettings,
    ids::Mid,
    protocol::Outgoing,
    seams::cameras::{CameraSide, CameraState, CameraStatus},
    telemetry::metrics::metrics,
};

mod demand;
mod seat;
mod sound;

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);
/// An attempt reports a handful of events.
const EVENTS_LEN: usize = 64;

/// All that can happen to a supervisor besides ticks, settings and the end.
#[derive(Debug)]
enum Report {
    CaptureStarted(Result<Capture, Cause>),
    Capture(CaptureEvent),
    PublisherStarted(Result<Publisher, Cause>),
    Publisher(PublisherEvent),
    Offered(Result<String, Cause>),
    Answered(Result<(), Cause>),
    FeedStarted(Result<FeedBranch, Cause>),
    /// The microphone that had failed gives sound again.
    SoundBack,
}

/// One camera.
pub struct Supervisor<H: House> {
    house: H,
    /// The device's path changes where it is plugged in elsewhere.
    settings: watch::Receiver<CameraSettings>,
    /// What others see of it, and ask of it.
    side: CameraSide,
    /// How many ask for stills.
    n_wanted: watch::Receiver<usize>,
    /// How many take media beside the room.
    n_fed: watch::Receiver<usize>,
    machine: Machine,
    place: Option<(H::Place, mpsc::Receiver<Outgoing>)>,
    outlet: Arc<Outlet>,
    base_time: gst::ClockTime,
    capture: Slot<Capture>,
    publisher: Slot<Publisher>,
    /// The branch for RTSP, while somebody takes it.
    feed: Slot<FeedBranch>,
    /// What the publisher that is up or starting was told to send.
    media: Option<Media>,
    /// What the publisher that is up or starting speaks: its codec, and whether there is sound.
    spoken: Option<(Codec, bool)>,
    /// While the microphone does not work the picture goes on alone.
    silence: Option<sound::Silence>,
    generation: u32,
    /// The m-section of the picture in the newest offer.
    picture: Option<Mid>,
    /// That of the sound.
    sound: Option<Mid>,
    wanted: demand::Wanted,
    /// The capture that is starting has shown a picture.
    has_frame: bool,
    /// The publisher that is starting has media to describe.
    is_ready: bool,
    /// The id of the `publish` under way.
    publish_id: Option<u32>,
    next_id: u32,
    /// For whoever reports.
    sender: mpsc::Sender<(u64, Report)>,
    reports: mpsc::Receiver<(u64, Report)>,
}

impl<H: House> Supervisor<H> {
    /// A camera that is off. `base_time` is shared by all its pipelines.
    pub fn new(
        house: H,
        settings: watch::Receiver<CameraSettings>,
        side: CameraSide,
        base_time: gst::ClockTime,
    ) -> Self {
        let (sender, reports) = mpsc::channel(EVENTS_LEN);
        let (n_wanted, n_fed) = (side.stills.wanted(), side.feed.wanted());
        let outlet = Arc::new(Outlet::new(side.stills.clone()));
        Self {
            house,
            settings,
            side,
            n_wanted,
            n_fed,
            machine: Machine::new(Instant::now()),
            place: None,
            outlet,
            base_time,
            capture: Slot::default(),
            publisher: Slot::default(),
            feed: Slot::default(),
            media: None,
            spoken: None,
            silence: None,
            generation: 0,
            picture: None,
            sound: None,
            wanted: demand::Wanted::default(),
            has_frame: false,
            is_ready: false,
            publish_id: None,
            next_id: 1,
            sender,
            reports,
        }
    }

    /// Runs until `stop` says so, or its sender is gone.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if self.side.closed.borrow().is_some() {
            self.closed_or_opened().await;
        }
        self.handle(Event::Start).await;
        let mut looked = tokio::time::Instant::now();
        loop {
            let look_at = looked + self.tick();
            tokio::select! {
                () = stop_asked(&mut stop) => break,
                Some((attempt, report)) = self.reports.recv() => self.report(attempt, report).await,
                said = seat::next_said(&mut self.place) => self.said(said).await,
                Ok(()) = self.n_wanted.changed() => self.stills_wanted().await,
                Ok(()) = self.n_fed.changed() => self.feed_wanted().await,
                Ok(()) = self.side.closed.changed() => self.closed_or_opened().await,
                () = tokio::time::sleep_until(look_at) => {
                    looked = tokio::time::Instant::now();
                    self.look().await;
                }
            }
        }
        self.handle(Event::Stop).await;
        self.feed.end();
        self.feed.ended().await;
        self.publisher.ended().await;
        self.capture.ended().await;
    }

    async fn handle(&mut self, event: Event) {
        let mut queue = VecDeque::from([event]);
        while let Some(event) = queue.pop_front() {
            let before = self.machine.phase();
            let moment =
                Moment { now: Instant::now(), wall: SystemTime::now(), jitter: rand::random() };
            for action in self.machine.handle(event, moment) {
                // Nothing more than the seat's loss can follow from an action, and that once.
                queue.extend(self.perform(action).await);
            }
            self.log(before);
        }
        self.tell_status();
    }

    /// Keeps up to date what others see of it.
    fn tell_status(&self) {
        let settings = self.settings.borrow();
        let fault = self.machine.fault().map(seat::told);
        let state = match self.machine.phase() {
            Phase::Live => CameraState::Live,
            Phase::Resting => CameraState::Resting,
            _ if self.machine.is_closed() => CameraState::Closed,
            _ if fault.is_some() => CameraState::Faulty,
            Phase::Closed | Phase::Off | Phase::Starting | Phase::Backoff => CameraState::Starting,
        };
        let encoder = self.capture.running.as_ref().map(|capture| capture.encoder.factory);
        // overflow: none, a watch channel holds the newest value only.
        self.side.status.send_if_modified(|status| {
            let new = CameraStatus {
                name: settings.name.clone(),
                room: settings.room.clone(),
                state,
                fault,
                sound: settings.audio.is_some() && self.silence.is_none(),
                encoder: encoder.or(status.encoder),
            };
            let is_news = *status != new;
            *status = new;
            is_news
        });
    }

    fn log(&self, before: Phase) {
        let phase = self.machine.phase();
        if phase != before {
            let settings = self.settings.borrow();
            info!(camera = %settings.id, room = %settings.room, ?phase, "camera");
        }
    }

    async fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Join => return Some(self.join().await),
            Action::Leave => self.leave().await,
            Action::StartCapture => self.start_capture(),
            Action::StopCapture => self.capture.end(),
            Action::StartPublisher { generation } => self.start_publisher(generation),
            Action::StopPublisher => {
                self.publisher.end();
                self.publish_id = None;
                self.spoken = None;
            }
            Action::Show(fault) => return self.show(fault).await,
            Action::Declare { open } => self.declare(open).await,
        }
        None
    }

    fn start_capture(&mut self) {
        if self.machine.n_failures() > 0 {
            metrics().camera_restarts.inc();
        }
        self.has_frame = false;
        let settings = self.effective();
        let (outlet, base_time) = (Arc::clone(&self.outlet), self.base_time);
        let events = self.sender.clone();
        let make = move |attempt| {
            // overflow: DROPS; a lost fault is found by the deadline or by the missing pictures.
            let report = move |event| drop(events.try_send((attempt, Report::Capture(event))));
            Capture::start(&settings, base_time, outlet, report)
        };
        self.capture.start(make, Report::CaptureStarted, self.sender.clone());
    }

    fn start_publisher(&mut self, generation: u32) {
        let Some(capture) = &self.capture.running else { return };
        let settings = self.effective();
        let size = capture.encoder.size(settings.size);
        let media = Media {
            codec: capture.encoder.codec,
            profile_level_id: profile_level_id(size, settings.fps),
            audio: settings.audio.is_some(),
        };
        self.generation = generation;
        self.want_all();
        if self.media.replace(media) != Some(media) {
            self.feed_anew();
        }
        self.is_ready = false;
        self.spoken = Some((media.codec, media.audio));
        let (outlet, base_time) = (Arc::clone(&self.outlet), self.base_time);
        let events = self.sender.clone();
        let make = move |attempt| {
            // overflow: DROPS; what is lost here is made up for by the deadline.
            let report = move |event| drop(events.try_send((attempt, Report::Publisher(event))));
            Publisher::start(media, base_time, outlet, report)
        };
        self.publisher.start(make, Report::PublisherStarted, self.sender.clone());
    }

    async fn report(&mut self, attempt: u64, report: Report) {
        match report {
            Report::CaptureStarted(Ok(capture)) => {
                if self.capture.accept(attempt, capture) {
                    self.capture_up().await;
                }
            }
            Report::PublisherStarted(Ok(publisher)) => {
                if self.publisher.accept(attempt, publisher) {
                    self.make_offer();
                }
            }
            Report::CaptureStarted(Err(cause)) | Report::Capture(CaptureEvent::Failed(cause)) => {
                if self.capture.is_current(attempt) {
                    match cause {
                        cause if cause.is_of_sound() && self.hears() => self.fall_silent(&cause),
                        cause => self.handle(Event::CaptureLost(cause)).await,
                    }
                }
            }
            Report::SoundBack => self.sound_is_back(),
            Report::FeedStarted(Ok(branch)) => drop(self.feed.accept(attempt, branch)),
            Report::FeedStarted(Err(cause)) => {
                warn!(camera = %self.settings.borrow().id, %cause, "nothing for RTSP");
            }
            Report::Capture(CaptureEvent::FirstFrame) => {
                if self.capture.is_current(attempt) {
                    self.has_frame = true;
                    self.capture_up().await;
                }
            }
            _ if !self.publisher.is_current(attempt) => {}
            Report::Publisher(PublisherEvent::Ready) => {
                self.is_ready = true;
                self.make_offer();
            }
            Report::Publisher(PublisherEvent::Connected) => {
                self.outlet.request_keyframe();
                self.handle(Event::PublisherUp).await;
            }
            Report::Offered(Ok(sdp)) => self.publish(sdp).await,
            Report::Answered(Ok(())) => {}
            Report::PublisherStarted(Err(cause))
            | Report::Publisher(PublisherEvent::Failed(cause))
            | Report::Offered(Err(cause))
            | Report::Answered(Err(cause)) => self.handle(Event::PublisherLost(cause)).await,
        }
    }

    /// The capture is up when it is ours to stop and has shown a picture, in whichever order.
    async fn capture_up(&mut self) {
        if let (Some(capture), true) = (&self.capture.running, self.has_frame) {
            let codec_changed = self.has_to_be_made_anew(capture.encoder.codec);
            self.handle(Event::CaptureUp { codec_changed }).await;
        }
    }

    /// An offer can be made when the publisher is ours and media have arrived, in whichever order.
    fn make_offer(&mut self) {
        if let (Some(publisher), true) = (&self.publisher.running, self.is_ready) {
            // Once: later a new offer is a new generation.
            self.is_ready = false;
            let (attempt, sender) = (self.publisher.attempt(), self.sender.clone());
            let offer = Publisher::offer(publisher.webrtcbin());
            tokio::spawn(async move {
                // overflow: awaited; without it the attempt cannot go on.
                let _ = sender.send((attempt, Report::Offered(offer.await))).await;
            });
        }
    }
}
