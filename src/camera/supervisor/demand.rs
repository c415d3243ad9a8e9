//! What is wanted of a camera: by its room, by whoever takes stills, and by its owner, who may close it.
//!
//! Owns what was heard of each. What follows is decided by `state`, and by the gates in `outlet`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tracing::{debug, info};

use super::{Report, Supervisor, TICK};
use crate::{
    camera::{
        cause::Cause,
        feed::FeedBranch,
        house::House,
        state::{Event, Phase},
    },
    config::{Unwatched, VideoSource},
    ids::Mid,
    protocol::ClientMessage,
    telemetry::logging::NOTICE,
};

/// How often deadlines are looked at while there are none, and whether a device that rests is there.
const IDLE_TICK: Duration = Duration::from_secs(2);

/// What somebody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    picture: bool,
    sound: bool,
    stills: bool,
    fed: bool,
}

impl Default for Wanted {
    /// What is not known to be needed by nobody is needed.
    fn default() -> Self {
        Self { picture: true, sound: true, stills: false, fed: false }
    }
}

impl<H: House> Supervisor<H> {
    /// Encodes what somebody needs: what is not named is wanted.
    pub(super) async fn obey(&mut self, tracks: &BTreeMap<Mid, Vec<bool>>) {
        let is_wanted = |mid: &Option<Mid>| {
            let layers = mid.as_ref().and_then(|mid| tracks.get(mid));
            layers.is_none_or(|layers| layers.contains(&true))
        };
        let (picture, sound) = (is_wanted(&self.picture), is_wanted(&self.sound));
        self.want(Wanted { picture, sound, ..self.wanted }).await;
    }

    /// A new connection begins with all that there is.
    pub(super) fn want_all(&mut self) {
        let Wanted { stills, fed, .. } = self.wanted;
        self.wanted = Wanted { stills, fed, ..Wanted::default() };
        self.outlet.wake();
        self.outlet.want_sound(true);
    }

    /// So many ask for stills.
    pub(super) async fn stills_wanted(&mut self) {
        let n_wanted = *self.n_wanted.borrow_and_update();
        self.outlet.want_stills(n_wanted);
        self.want(Wanted { stills: n_wanted > 0, ..self.wanted }).await;
    }

    /// So many take media beside the room; whoever has come needs a keyframe.
    pub(super) async fn feed_wanted(&mut self) {
        let fed = *self.n_fed.borrow_and_update() > 0;
        let has_branch = self.feed.attempt() != 0;
        if fed != has_branch {
            self.feed_anew();
        } else if fed {
            self.outlet.request_keyframe();
        }
        self.want(Wanted { fed, ..self.wanted }).await;
    }

    /// Makes the branch that sends packets beside the room, where somebody takes them.
    pub(super) fn feed_anew(&mut self) {
        self.feed.end();
        let is_wanted = *self.n_fed.borrow() > 0 && !self.machine.is_closed();
        let Some(media) = self.media.filter(|_| is_wanted) else { return };
        let (outlet, base_time) = (Arc::clone(&self.outlet), self.base_time);
        let feed = self.side.feed.clone();
        let make = move |_| FeedBranch::start(media, base_time, outlet, feed);
        self.feed.start(make, Report::FeedStarted, self.sender.clone());
    }

    async fn want(&mut self, wanted: Wanted) {
        debug!(camera = %self.settings.borrow().id, ?wanted, "wanted");
        self.wanted = wanted;
        if wanted.picture {
            self.outlet.wake()
        } else {
            self.outlet.rest()
        }
        self.outlet.want_sound(wanted.sound);
        self.tell_need().await;
    }

    /// Lets the device be closed while nobody needs anything of it, unless it is to be kept warm.
    pub(super) async fn tell_need(&mut self) {
        // Without sound of its own nobody hears it, whatever is said.
        let hears = self.wanted.sound && self.spoken.is_some_and(|(_, sound)| sound);
        let is_warm = self.settings.borrow().unwatched == Unwatched::Warm;
        let needed =
            is_warm || self.wanted.picture || hears || self.wanted.stills || self.wanted.fed;
        self.handle(Event::Needed(needed)).await;
    }

    /// How long until deadlines are looked at again.
    pub(super) fn tick(&self) -> Duration {
        match self.machine.phase() {
            Phase::Resting | Phase::Closed => IDLE_TICK,
            _ => TICK,
        }
    }

    /// A device that rests is not open: that it is gone is seen by its node alone.
    pub(super) fn is_gone(&self) -> bool {
        match &self.settings.borrow().source {
            VideoSource::V4l2(path) if self.machine.phase() == Phase::Resting => !path.exists(),
            _ => false,
        }
    }

    pub(super) async fn look(&mut self) {
        match self.is_gone() {
            true => self.handle(Event::CaptureLost(Cause::Unplugged)).await,
            false => {
                let n_frames = self.outlet.n_frames();
                self.handle(Event::Tick { n_frames }).await;
            }
        }
    }

    /// The owner has closed the camera, or lets it be opened again.
    pub(super) async fn closed_or_opened(&mut self) {
        let closed = self.side.closed.borrow_and_update().clone();
        let id = self.settings.borrow().id.clone();
        match closed {
            Some(by) => {
                info!(target: NOTICE, camera = %id, by = by.who, "camera closed by its owner");
                // First: whoever hears of it finds nothing of before.
                self.side.stills.close();
                self.handle(Event::Close { who: by.who, since: by.since }).await;
                self.feed_anew();
            }
            None => {
                if self.machine.is_closed() {
                    info!(target: NOTICE, camera = %id, "camera opened by its owner");
                }
                self.side.stills.open();
                self.handle(Event::Open).await;
                self.feed_anew();
            }
        }
        self.tell_status();
    }

    /// Tells the room whether the camera is open, by its owner's choice.
    pub(super) async fn declare(&mut self, open: bool) {
        let mic = open && self.hears();
        let _ = self.ask(ClientMessage::State { mic, cam: open }).await;
    }
}
