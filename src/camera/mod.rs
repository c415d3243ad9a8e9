//! The box's own cameras: each a member of its room like any other.
//!
//! ```text
//!  fleet --scan--> one supervisor a camera --> capture pipeline --outlet--> publisher --> media plane
//!                        |   ^                                                  |
//!                        v   | reports from GStreamer's threads ----------------+
//!                    seat in its room
//! ```
//!
//! Owns which cameras there are, their pipelines and their backoff; the only place that names
//! `gstreamer`. Deliberately knows the rooms by [`House`] alone, and forwards nothing: packets go to the
//! media plane over loopback as everybody's do.
//!
//! PURE: `cause`, `devices`, `encoder`, `keyframes`, `offer`, `source`, `state`, `still_gate`. The rest are tasks and
//! GStreamer's threads, which only report: a panic in one of its callbacks would abort the process.

pub mod cause;
pub mod devices;
pub mod elements;
pub mod encoder;
pub mod feed;
pub mod house;
pub mod keyframes;
pub mod local_time;
pub mod offer;
pub mod outlet;
pub mod pipeline;
pub mod probe;
pub mod publisher;
pub mod scan;
pub mod slot;
pub mod source;
pub mod state;
pub mod still_gate;
pub mod stills;
pub mod supervisor;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gstreamer::{self as gst, prelude::*};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, timeout},
};
use tracing::{error, info, warn};

pub use house::{House, Place};

use self::{
    devices::{Change, Key, Known},
    scan::Scanner,
    supervisor::Supervisor,
};
use crate::{
    config::{CameraSettings, Settings, VideoSource},
    ids::{CameraId, RoomName},
    seams::cameras::{CameraDoor, CameraMap, CameraState, CameraStatus, ClosedBy},
};

/// A device that is plugged in becomes a camera within this time.
const RESCAN_EVERY: Duration = Duration::from_secs(4);
/// Cameras that take longer to close are left to the end of the process.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// Where devices that nobody configured go (product contract, section 4).
const FOUND_GO_TO: &str = "home";

/// Cameras that their owner has closed.
pub type Closed = BTreeMap<CameraId, ClosedBy>;

/// Stops the cameras.
#[derive(Debug)]
pub struct CameraHandle {
    stop: watch::Sender<bool>,
    fleet: JoinHandle<()>,
    /// Closed when the fleet has ended, be it by a panic.
    open: watch::Receiver<()>,
}

impl CameraHandle {
    /// Returns when the cameras have ended, which without [`CameraHandle::stop`] is a fault of ours.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut open = self.open.clone();
        async move { while open.changed().await.is_ok() {} }
    }

    /// Leaves the rooms and closes the devices, within 3 s.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if timeout(STOP_WITHIN, self.fleet).await.is_err() {
            warn!("a camera does not close; leaving it to the end of the process");
        }
    }
}

/// Starts the configured cameras, or those that are found, and tells of them by `directory`; those of
/// `closed` open no device. Returns at once; must be called inside a tokio runtime.
pub fn start<H: House>(
    settings: &Settings,
    house: H,
    directory: watch::Sender<CameraMap>,
    closed: Closed,
) -> CameraHandle {
    let demo_room = settings.demo.then(|| settings.rooms.default.clone());
    start_fleet(settings.cameras.clone(), demo_room, house, directory, closed)
}

/// The same of what it needs alone: the cameras, or `None` to look for them; and the room of the test
/// picture that stands in where none is found.
pub fn start_fleet<H: House>(
    cameras: Option<Vec<CameraSettings>>,
    demo_room: Option<RoomName>,
    house: H,
    directory: watch::Sender<CameraMap>,
    closed: Closed,
) -> CameraHandle {
    let (stop, stopped) = watch::channel(false);
    let (closes, open) = watch::channel(());
    let fleet = Fleet { house, cameras, demo_room, stopped, directory, closed };
    let fleet = tokio::spawn(async move {
        let _closes = closes;
        fleet.run().await;
    });
    CameraHandle { stop, fleet, open }
}

struct Fleet<H: House> {
    house: H,
    cameras: Option<Vec<CameraSettings>>,
    demo_room: Option<RoomName>,
    stopped: watch::Receiver<bool>,
    /// The cameras, as others see them.
    directory: watch::Sender<CameraMap>,
    closed: Closed,
}

/// A supervisor that runs.
struct Camera {
    id: CameraId,
    settings: watch::Sender<CameraSettings>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Camera {
    async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }
}

impl<H: House> Fleet<H> {
    async fn run(mut self) {
        // The first time on a machine this looks into every plugin: seconds.
        let started = tokio::task::spawn_blocking(|| gst::init().map_err(|why| why.to_string()));
        if let Err(why) = started.await.unwrap_or_else(|why| Err(why.to_string())) {
            error!(why, "GStreamer does not start: there are no cameras");
            return stop_asked(&mut self.stopped).await;
        }
        let base_time = gst::SystemClock::obtain().time();
        info!(gstreamer = %gst::version_string(), "cameras start");
        match self.cameras.take() {
            Some(configured) => {
                let cameras: Vec<Camera> =
                    configured.into_iter().map(|camera| self.camera(camera, base_time)).collect();
                stop_asked(&mut self.stopped).await;
                stop_all(cameras).await;
            }
            None => self.run_found(base_time).await,
        }
    }

    async fn run_found(mut self, base_time: gst::ClockTime) {
        let home = RoomName::parse(FOUND_GO_TO).expect("a literal");
        let (mut scanner, mut known) = (Scanner::default(), Known::default());
        let mut cameras = BTreeMap::<Key, Camera>::new();
        let mut demo = None;
        let mut rescan = tokio::time::interval(RESCAN_EVERY);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop_asked(&mut self.stopped) => break,
                _ = rescan.tick() => {}
            }
            let scanning = tokio::task::spawn_blocking(move || {
                let found = scanner.scan();
                (scanner, found)
            });
            let Ok((returned, found)) = scanning.await else { break };
            scanner = returned;
            for change in known.update(found, self.demo_room.is_some(), &home) {
                match change {
                    Change::Add(key, settings) => {
                        info!(camera = %settings.id, name = settings.name, "camera found");
                        cameras.insert(key, self.camera(*settings, base_time));
                    }
                    Change::Move(key, path) => {
                        if let Some(camera) = cameras.get(&key) {
                            let source = VideoSource::V4l2(path);
                            camera.settings.send_modify(|settings| settings.source = source);
                        }
                    }
                    Change::AddDemo => {
                        let settings = self.demo_room.as_ref().map(devices::demo);
                        demo = settings.map(|settings| self.camera(settings, base_time));
                    }
                    Change::RemoveDemo => {
                        if let Some(demo) = demo.take() {
                            self.forget(&demo.id);
                            demo.stop().await;
                        }
                    }
                }
            }
        }
        stop_all(cameras.into_values().chain(demo)).await;
    }

    fn camera(&self, settings: CameraSettings, base_time: gst::ClockTime) -> Camera {
        let id = settings.id.clone();
        let status = CameraStatus {
            name: settings.name.clone(),
            room: settings.room.clone(),
            state: CameraState::Starting,
            fault: None,
            sound: settings.audio.is_some(),
            encoder: None,
        };
        let (door, side) = CameraDoor::new(status, self.closed.get(&id).cloned());
        // overflow: none, a watch channel holds the newest map only.
        self.directory.send_modify(|cameras| {
            Arc::make_mut(cameras).insert(id.clone(), door);
        });
        let (settings, received) = watch::channel(settings);
        let (stop, stopped) = watch::channel(false);
        let supervisor = Supervisor::new(self.house.clone(), received, side, base_time);
        Camera { id, settings, stop, task: tokio::spawn(supervisor.run(stopped)) }
    }

    /// Others see it no more.
    fn forget(&self, id: &CameraId) {
        // overflow: none, as above.
        self.directory.send_modify(|cameras| {
            Arc::make_mut(cameras).remove(id);
        });
    }
}

/// Returns when the end is asked for, or whoever could ask is gone.
async fn stop_asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn stop_all(cameras: impl IntoIterator<Item = Camera>) {
    let cameras: Vec<Camera> = cameras.into_iter().collect();
    for camera in &cameras {
        camera.stop.send_replace(true);
    }
    for camera in cameras {
        camera.stop().await;
    }
}
