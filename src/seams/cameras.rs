//! What others may know of the box's cameras, and by which way they ask one for something.
//!
//! `camera` publishes, `http` and whoever comes later read: neither knows the other.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use tokio::sync::watch;

use super::{feed::Feed, stills::Stills};
use crate::{
    ids::{CameraId, RoomName},
    protocol::MediaFault,
};

/// What a camera does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraState {
    /// On its way up.
    Starting,
    /// Its pictures can be had.
    Live,
    /// They can, and nobody asks for them: it rests.
    Resting,
    /// There is no picture; the fault says why.
    Faulty,
    /// The owner has closed it.
    Closed,
}

impl CameraState {
    /// The word for it in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Resting => "resting",
            Self::Faulty => "faulty",
            Self::Closed => "closed",
        }
    }
}

/// A camera at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraStatus {
    /// Its name for people.
    pub name: String,
    /// The room that it is a member of.
    pub room: RoomName,
    /// What it does.
    pub state: CameraState,
    /// Why there is no picture.
    pub fault: Option<MediaFault>,
    /// It has sound.
    pub sound: bool,
    /// The GStreamer encoder in use, or that was in use last.
    pub encoder: Option<&'static str>,
}

/// Who has closed a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedBy {
    /// A name.
    pub who: String,
    /// When.
    pub since: SystemTime,
}

/// The way to one camera.
#[derive(Debug, Clone)]
pub struct CameraDoor {
    /// How it is.
    pub status: watch::Receiver<CameraStatus>,
    /// Its single pictures.
    pub stills: Stills,
    /// Its encoded media.
    pub feed: Feed,
    closed: watch::Sender<Option<ClosedBy>>,
}

impl CameraDoor {
    /// A way, and what the camera's own side keeps of it.
    pub fn new(status: CameraStatus, closed: Option<ClosedBy>) -> (Self, CameraSide) {
        let (status, received) = watch::channel(status);
        let (stills, feed) = (Stills::default(), Feed::default());
        let (closed, closed_received) = watch::channel(closed);
        let door = Self { status: received, stills: stills.clone(), feed: feed.clone(), closed };
        (door, CameraSide { status, stills, feed, closed: closed_received })
    }

    /// Closes the camera's device, or lets it be opened again. True if that is news.
    pub fn close(&self, by: Option<ClosedBy>) -> bool {
        // overflow: none, a watch channel holds the newest wish only.
        self.closed.send_if_modified(|closed| {
            let is_news = closed.is_some() != by.is_some();
            if is_news {
                *closed = by;
            }
            is_news
        })
    }

    /// Who has closed it.
    pub fn closed(&self) -> Option<ClosedBy> {
        self.closed.borrow().clone()
    }
}

/// The camera's end of its [`CameraDoor`].
#[derive(Debug)]
pub struct CameraSide {
    /// To be kept up to date.
    pub status: watch::Sender<CameraStatus>,
    /// To be given when they are wanted.
    pub stills: Stills,
    /// Likewise.
    pub feed: Feed,
    /// To be obeyed.
    pub closed: watch::Receiver<Option<ClosedBy>>,
}

/// All cameras there are, by id.
pub type CameraMap = Arc<BTreeMap<CameraId, CameraDoor>>;

/// The cameras of this box. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cameras(watch::Receiver<CameraMap>);

impl Cameras {
    /// What its cameras tell of themselves there.
    pub fn new(cameras: watch::Receiver<CameraMap>) -> Self {
        Self(cameras)
    }

    /// Those there are now.
    pub fn all(&self) -> CameraMap {
        self.0.borrow().clone()
    }

    /// One of them.
    pub fn find(&self, id: &CameraId) -> Option<CameraDoor> {
        self.0.borrow().get(id).cloned()
    }
}
