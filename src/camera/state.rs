//! What a camera's supervisor does next.
//!
//! ```text
//!  Off --start--> Starting --all three up--> Live
//!                  ^   |                      |
//!                  |   +--- anything lost ----+
//!             retry_at     or not in time     |
//!                  |            v             |
//!                  +-------- Backoff <--------+      1 s to 60 s, doubling, jittered
//!
//!  Live --nobody needs it--> Resting --somebody does--> Starting
//!  any  --its owner closes it--> Closed --opens it--> Starting
//! ```
//!
//! Three parts come up in this order: the seat in the room, the capture, the publisher (the connection
//! to the media plane). Each is kept while another is started anew: viewers keep the tile while the
//! camera is gone, and the connection waits for pictures to come back. Resting and Closed have a seat
//! and perhaps a connection, and no capture.
//!
//! PURE: time and jitter come with each event. Deliberately does not know GStreamer.

use std::time::{Duration, Instant};

use super::cause::{Cause, lasting};
pub use words::{Action, Event, Fault, Moment, Phase};

mod words;

/// Shortest pause before another try.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest pause before another try.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A picture that lasted this long makes the next fault a first one.
pub const STABLE_AFTER: Duration = Duration::from_secs(30);
/// No picture for this long while live is a fault.
pub const STALLED_AFTER: Duration = Duration::from_secs(5);
/// A camera whose picture nobody needs goes on for so long: whoever looks every few seconds does not
/// switch it on and off.
pub const RESTS_AFTER: Duration = Duration::from_secs(10);
/// The room has to answer a join within.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// The first picture has to come within. Trying encoders on a slow machine is part of it.
const CAPTURE_WITHIN: Duration = Duration::from_secs(45);
/// The media plane has to be connected within.
const PUBLISH_WITHIN: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Down,
    Starting,
    Up,
}

/// The state of one camera.
#[derive(Debug)]
pub struct Machine {
    phase: Phase,
    seat: Part,
    capture: Part,
    publisher: Part,
    generation: u32,
    /// Failures since a picture was stable.
    n_failures: u32,
    fault: Option<Fault>,
    /// Its owner has closed it.
    closed: Option<Fault>,
    /// Since when nobody needs it.
    idle_since: Option<Instant>,
    /// The end of the step under way (Starting) or of the pause (Backoff).
    deadline: Option<Instant>,
    live_since: Option<Instant>,
    /// The newest count of pictures, and when it last grew.
    frames: (u64, Instant),
}

/// The pause after the `n_failures`th failure in a row (from 1), `jitter` in `0.0..1.0`.
pub fn backoff(n_failures: u32, jitter: f64) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(1 << n_failures.saturating_sub(1).min(6));
    doubled
        .min(BACKOFF_MAX)
        .mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0)
        .clamp(BACKOFF_MIN, BACKOFF_MAX)
}

impl Machine {
    /// A camera that is off.
    pub fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Off,
            seat: Part::Down,
            capture: Part::Down,
            publisher: Part::Down,
            generation: 0,
            n_failures: 0,
            fault: None,
            closed: None,
            idle_since: None,
            deadline: None,
            live_since: None,
            frames: (0, now),
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Why there is no picture.
    pub fn fault(&self) -> Option<&Fault> {
        self.closed.as_ref().or(self.fault.as_ref())
    }

    /// Its owner has closed it.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Failures since a picture was stable.
    pub fn n_failures(&self) -> u32 {
        self.n_failures
    }

    /// Takes in what happened; gives what is to be done, in order.
    pub fn handle(&mut self, event: Event, at: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Start if self.phase == Phase::Off => self.phase = Phase::Starting,
            Event::Stop if self.phase != Phase::Off => self.stop(&mut actions),
            Event::Needed(needed) => self.need(needed, at),
            Event::Close { who, since } => {
                self.close(Fault { cause: Cause::Closed(who), since }, &mut actions);
            }
            Event::Open => self.open(&mut actions),
            // What comes after the end belongs to what has ended.
            _ if self.phase == Phase::Off => {}
            Event::Start | Event::Stop => {}
            Event::Seated => {
                self.seat = Part::Up;
                if let Some(fault) = self.fault() {
                    actions.push(Action::Show(Some(fault.clone())));
                }
            }
            Event::SeatLost(cause) => {
                self.drop_publisher(&mut actions);
                self.seat = Part::Down;
                self.fail(cause, at, &mut actions);
            }
            Event::CaptureUp { codec_changed } => {
                self.capture = Part::Up;
                self.frames.1 = at.now;
                if codec_changed {
                    self.drop_publisher(&mut actions);
                }
            }
            Event::CaptureLost(cause) => {
                self.drop_capture(&mut actions);
                self.fail(cause, at, &mut actions);
            }
            Event::PublisherUp => self.publisher = Part::Up,
            Event::PublisherLost(_) if self.phase == Phase::Closed => {
                self.drop_publisher(&mut actions);
            }
            Event::PublisherLost(cause) => {
                self.drop_publisher(&mut actions);
                self.fail(cause, at, &mut actions);
            }
            Event::RestartAsked => self.restart_publisher(at, &mut actions),
            Event::Tick { n_frames } => self.tick(n_frames, at, &mut actions),
        }
        self.advance(at, &mut actions);
        actions
    }

    fn stop(&mut self, actions: &mut Vec<Action>) {
        self.drop_publisher(actions);
        self.drop_capture(actions);
        if self.seat == Part::Up {
            actions.push(Action::Leave);
        }
        self.seat = Part::Down;
        self.phase = Phase::Off;
        self.deadline = None;
    }

    fn need(&mut self, needed: bool, at: Moment) {
        self.idle_since = match needed {
            true => None,
            false => self.idle_since.or(Some(at.now)),
        };
        if needed && self.phase == Phase::Resting {
            self.phase = Phase::Starting;
        }
    }

    fn rest(&mut self, actions: &mut Vec<Action>) {
        self.drop_capture(actions);
        self.phase = Phase::Resting;
        self.live_since = None;
    }

    fn close(&mut self, fault: Fault, actions: &mut Vec<Action>) {
        let is_news = self.closed.is_none();
        self.closed = Some(fault.clone());
        if self.phase == Phase::Off || !is_news {
            return;
        }
        self.drop_capture(actions);
        self.live_since = None;
        if self.seat == Part::Up {
            actions.push(Action::Declare { open: false });
            actions.push(Action::Show(Some(fault)));
            self.stay_closed();
        }
    }

    fn stay_closed(&mut self) {
        self.phase = Phase::Closed;
        self.deadline = None;
        self.fault = None;
        self.n_failures = 0;
    }

    fn open(&mut self, actions: &mut Vec<Action>) {
        if self.closed.take().is_none() || self.phase != Phase::Closed {
            return;
        }
        self.phase = Phase::Starting;
        actions.push(Action::Declare { open: true });
        actions.push(Action::Show(None));
    }

    fn drop_capture(&mut self, actions: &mut Vec<Action>) {
        if self.capture != Part::Down {
            self.capture = Part::Down;
            actions.push(Action::StopCapture);
        }
    }

    fn drop_publisher(&mut self, actions: &mut Vec<Action>) {
        if self.publisher != Part::Down {
            self.publisher = Part::Down;
            actions.push(Action::StopPublisher);
        }
    }

    /// A picture that was stable may come back at once and unseen; one that was not waits its turn.
    fn restart_publisher(&mut self, at: Moment, actions: &mut Vec<Action>) {
        if self.publisher == Part::Down {
            return;
        }
        self.drop_publisher(actions);
        self.forgive(at);
        if self.phase == Phase::Closed {
            return;
        }
        if matches!(self.phase, Phase::Live | Phase::Resting) && self.n_failures == 0 {
            self.n_failures = 1;
            self.live_since = None;
            self.phase = Phase::Starting;
        } else {
            self.fail(Cause::NoPath("it was closed".into()), at, actions);
        }
    }

    fn tick(&mut self, n_frames: u64, at: Moment, actions: &mut Vec<Action>) {
        if n_frames != self.frames.0 {
            self.frames = (n_frames, at.now);
        }
        let is_idle = |since| at.now.saturating_duration_since(since) >= RESTS_AFTER;
        let is_idle = self.idle_since.is_some_and(is_idle);
        let late = self.deadline.is_some_and(|deadline| at.now >= deadline);
        match self.phase {
            Phase::Backoff if late => {
                self.phase = Phase::Starting;
                self.deadline = None;
            }
            Phase::Starting if late => self.step_took_too_long(at, actions),
            Phase::Live if is_idle => {
                self.forgive(at);
                self.rest(actions);
            }
            Phase::Live if at.now.saturating_duration_since(self.frames.1) >= STALLED_AFTER => {
                self.drop_capture(actions);
                self.fail(Cause::Stalled, at, actions);
            }
            _ => {}
        }
    }

    fn step_took_too_long(&mut self, at: Moment, actions: &mut Vec<Action>) {
        let cause = if self.seat != Part::Up {
            self.seat = Part::Down;
            Cause::NoRoom("the room did not answer".into())
        } else if self.capture != Part::Up {
            self.drop_capture(actions);
            Cause::NoPicture
        } else {
            self.drop_publisher(actions);
            Cause::NoPath("it was not ready in time".into())
        };
        self.fail(cause, at, actions);
    }

    fn forgive(&mut self, at: Moment) {
        let stable = |since| at.now.saturating_duration_since(since) >= STABLE_AFTER;
        if self.live_since.is_some_and(stable) {
            self.n_failures = 0;
        }
    }

    fn fail(&mut self, cause: Cause, at: Moment, actions: &mut Vec<Action>) {
        self.forgive(at);
        // A second part that is lost during the pause does not make the pause longer.
        if self.phase != Phase::Backoff {
            self.n_failures = self.n_failures.saturating_add(1);
            self.deadline = Some(at.now + backoff(self.n_failures, at.jitter));
            self.phase = Phase::Backoff;
        }
        self.live_since = None;
        let since = self.fault.as_ref().map_or(at.wall, |fault| fault.since);
        let cause = lasting(self.fault.as_ref().map(|fault| &fault.cause), cause);
        let fault = Some(Fault { cause, since });
        if fault != self.fault {
            self.fault = fault;
            if self.seat == Part::Up && self.closed.is_none() {
                actions.push(Action::Show(self.fault.clone()));
            }
        }
    }

    /// Starts the next part, one at a time.
    fn advance(&mut self, at: Moment, actions: &mut Vec<Action>) {
        if self.phase != Phase::Starting {
            return;
        }
        if self.closed.is_some() && self.seat == Part::Up {
            return self.stay_closed();
        }
        let mut step = |action, within| {
            actions.push(action);
            self.deadline = Some(at.now + within);
            Part::Starting
        };
        match (self.seat, self.capture, self.publisher) {
            (Part::Down, ..) => self.seat = step(Action::Join, JOIN_WITHIN),
            (Part::Up, Part::Down, _) => self.capture = step(Action::StartCapture, CAPTURE_WITHIN),
            (Part::Up, Part::Up, Part::Down) => {
                self.generation += 1;
                let action = Action::StartPublisher { generation: self.generation };
                self.publisher = step(action, PUBLISH_WITHIN);
            }
            (Part::Up, Part::Up, Part::Up) => {
                self.phase = Phase::Live;
                self.deadline = None;
                self.live_since = Some(at.now);
                self.frames.1 = at.now;
                if self.fault.take().is_some() {
                    actions.push(Action::Show(None));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
