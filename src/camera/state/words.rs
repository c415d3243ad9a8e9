//! What a camera's states are made of: what can happen to it, what is to be done, how far it is.

use std::time::{Instant, SystemTime};

use super::super::cause::Cause;

/// When an event happened, with the chance it brings along.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For deadlines.
    pub now: Instant,
    /// For "since 14:05".
    pub wall: SystemTime,
    /// Evenly distributed in `0.0..1.0`.
    pub jitter: f64,
}

/// What can happen to a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is wanted.
    Start,
    /// The room has taken it in.
    Seated,
    /// The room did not take it in, or has ended its seat.
    SeatLost(Cause),
    /// The first picture has come. `codec_changed`: a publisher that is up speaks another codec.
    CaptureUp {
        /// The publisher has to be made anew.
        codec_changed: bool,
    },
    /// The capture did not start, or failed.
    CaptureLost(Cause),
    /// The media plane is connected.
    PublisherUp,
    /// The connection was refused or failed.
    PublisherLost(Cause),
    /// The room asks for a new connection.
    RestartAsked,
    /// Whether somebody needs its picture or its sound.
    Needed(bool),
    /// The owner closes it.
    Close {
        /// Who that is.
        who: String,
        /// Since when.
        since: SystemTime,
    },
    /// The owner lets it be opened again.
    Open,
    /// A second or so has passed.
    Tick {
        /// Pictures captured since the start of the process.
        n_frames: u64,
    },
    /// The box stops.
    Stop,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Enter the room.
    Join,
    /// Leave the room.
    Leave,
    /// Open the camera.
    StartCapture,
    /// Close the camera; a start that is under way counts for nothing.
    StopCapture,
    /// Make a connection of this generation.
    StartPublisher {
        /// Grows.
        generation: u32,
    },
    /// Close the connection; a start that is under way counts for nothing.
    StopPublisher,
    /// Tell viewers why there is no picture, or that there is one again.
    Show(Option<Fault>),
    /// Tell viewers whether it is open at all, by its owner's choice.
    Declare {
        /// It is.
        open: bool,
    },
}

/// Why and since when there is no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub since: SystemTime,
}

/// How far the camera is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not wanted.
    Off,
    /// On its way up.
    Starting,
    /// Pictures reach the media plane.
    Live,
    /// Nobody needs its picture or its sound: the device is closed until somebody does.
    Resting,
    /// Closed by its owner.
    Closed,
    /// Waiting before the next try.
    Backoff,
}
