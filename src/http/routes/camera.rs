//! PURE. Paths that are about one camera.

use super::{NoRoute, Route, query_value};
use crate::ids::CameraId;

impl Route {
    /// The camera that it is about.
    pub(in crate::http) fn camera(&self) -> Option<&CameraId> {
        match self {
            Self::WhepCamera(id)
            | Self::CameraPage(id)
            | Self::Camera(id)
            | Self::CameraEvents(id)
            | Self::Snapshot(id)
            | Self::CameraStream(id)
            | Self::CameraSocket(id) => Some(id),
            _ => None,
        }
    }
}

/// `/c/…`, `/api/v1/cameras/…`
pub(super) fn named(parts: &[&str]) -> Result<Route, NoRoute> {
    match parts {
        ["c", id, "whep"] => camera(id).map(Route::WhepCamera),
        ["c", id] => camera(id).map(Route::CameraPage),
        ["api", "v1", "cameras", id] => camera(id).map(Route::Camera),
        ["api", "v1", "cameras", id, "events"] => camera(id).map(Route::CameraEvents),
        ["api", "v1", "cameras", id, "snapshot.jpg"] => camera(id).map(Route::Snapshot),
        ["api", "v1", "cameras", id, "stream.mjpeg"] => camera(id).map(Route::CameraStream),
        _ => Err(NoRoute::NotFound),
    }
}

fn camera(id: &str) -> Result<CameraId, NoRoute> {
    id.parse().map_err(|_| NoRoute::NotFound)
}

/// The camera of `?src=ID`, as clients made for go2rtc ask.
pub(super) fn of_query(query: Option<&str>) -> Result<CameraId, NoRoute> {
    match query_value(query, "src") {
        Some(Ok(id)) => camera(&id),
        _ => Err(NoRoute::NearMiss("say which camera: ?src=ID, as /api/v1/cameras lists".into())),
    }
}
