//! `[[camera]]`: what a camera is to be.

use std::path::PathBuf;

use super::Secret;
use crate::ids::{CameraId, RoomName};

/// `[[camera]]`
#[derive(Debug, Clone, PartialEq)]
pub struct CameraSettings {
    /// Its id in URLs.
    pub id: CameraId,
    /// Its name as a member; default the id.
    pub name: String,
    /// The picture.
    pub source: VideoSource,
    /// The sound.
    pub audio: Option<AudioSource>,
    /// The room it is a member of.
    pub room: RoomName,
    /// Width and height in pixels (default 1280×720).
    pub size: (u32, u32),
    /// Frames a second (default 30).
    pub fps: u32,
    /// Bits a second (default 1 500 000).
    pub bitrate_bps: u32,
    /// A GStreamer encoder to use instead of the best one found.
    pub encoder: Option<String>,
    /// What becomes of the device while nobody needs its picture or sound (default `close`).
    pub unwatched: Unwatched,
}

/// `camera.unwatched`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwatched {
    /// It is closed, and opened for whoever comes: its lamp tells when somebody looks.
    Close,
    /// It stays open, so that a slow one is there at once.
    Warm,
}

/// `camera.source`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoSource {
    /// A test picture with a running clock.
    Test,
    /// `v4l2:/dev/videoN`
    V4l2(PathBuf),
    /// Accepted; comes later.
    Libcamera,
    /// An `rtsp://` URL, which may hold a password. Accepted; comes later.
    Rtsp(Secret),
}

/// `camera.audio`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioSource {
    /// A tone.
    Test,
    /// `alsa:DEVICE`
    Alsa(String),
    /// Accepted; comes later.
    Pipewire,
}
