//! The box's cameras, where parlor was built with them.

#[cfg(feature = "camera")]
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;

use super::vitals::Vitals;
use crate::{
    config::Settings,
    rooms::RoomsHandle,
    seams::cameras::{CameraMap, Cameras},
    store::StoreHandle,
};
#[cfg(feature = "camera")]
use crate::{seams::cameras::ClosedBy, store::ClosedCamera};

/// The cameras that run, or none.
pub(super) struct CameraPart {
    #[cfg(feature = "camera")]
    handle: crate::camera::CameraHandle,
}

/// Where cameras will be told of, and where that is read.
pub(super) fn directory() -> (watch::Sender<CameraMap>, Cameras) {
    let (directory, seen) = watch::channel(CameraMap::default());
    (directory, Cameras::new(seen))
}

/// Those that their owner has closed.
#[cfg(feature = "camera")]
async fn closed(store: &StoreHandle) -> crate::camera::Closed {
    let cameras = match store.closed_cameras().await {
        Ok(cameras) => cameras,
        Err(fault) => {
            tracing::error!(%fault, "which cameras are closed cannot be read");
            Vec::new()
        }
    };
    let by = |camera: &ClosedCamera| ClosedBy {
        who: camera.who.clone(),
        since: UNIX_EPOCH + Duration::from_secs(camera.since),
    };
    cameras.iter().filter_map(|camera| Some((camera.id.parse().ok()?, by(camera)))).collect()
}

impl CameraPart {
    #[cfg(feature = "camera")]
    pub(super) async fn start(
        settings: &Settings,
        rooms: &RoomsHandle,
        directory: watch::Sender<CameraMap>,
        store: &StoreHandle,
    ) -> Self {
        let closed = closed(store).await;
        Self { handle: crate::camera::start(settings, rooms.clone(), directory, closed) }
    }

    #[cfg(not(feature = "camera"))]
    pub(super) async fn start(
        settings: &Settings,
        _rooms: &RoomsHandle,
        _directory: watch::Sender<CameraMap>,
        _store: &StoreHandle,
    ) -> Self {
        if settings.demo || settings.cameras.is_some() {
            tracing::warn!("this parlor was built without cameras; none will be in any room");
        }
        Self {}
    }

    /// That they end by themselves is a fault of ours.
    #[cfg(feature = "camera")]
    pub(super) fn watched_by(&self, vitals: Vitals) -> Vitals {
        vitals.with("cameras", self.handle.ended())
    }

    #[cfg(not(feature = "camera"))]
    pub(super) fn watched_by(&self, vitals: Vitals) -> Vitals {
        vitals
    }

    /// Leaves the rooms and closes the devices.
    pub(super) async fn stop(self) {
        #[cfg(feature = "camera")]
        self.handle.stop().await;
    }
}
