//! Viewers: who watches without being a member (WHEP). They are counted and limited, see one target,
//! and nobody sees them.
//!
//! ```text
//!  look -> Waiting --answer--> Answered <--offer (ICE restart)--.
//!             |                   |  '--------------------------'
//!             '------ Gone <------'   target left, path closed, box stops, owner is gone
//! ```
//!
//! What a viewer watches is a wish: a member, the camera of an id, or the room, which is its first
//! camera, else its active speaker, else its first publisher. Who is meant is found out again whenever
//! somebody comes, goes, begins to publish or becomes the active speaker.

use std::{collections::BTreeSet, sync::Arc};

use super::{Action, Room, place::Place};
use crate::{
    ids::{Label, MemberId},
    seams::media::{Desired, DownSeen, DownWant, Observed, Path, SfuError},
};

/// Whom a viewer wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This member; the viewer goes when it goes.
    Member(MemberId),
    /// Whoever has this id from outside ([`super::Arrival::label`]), also after it was away.
    Label(Label),
    /// The room's first camera, else its active speaker, else (nobody has spoken yet) its first
    /// publisher.
    Room,
}

/// Somebody wants to watch.
#[derive(Debug, Clone)]
pub struct Looker {
    /// A fresh id, by which the media plane knows it.
    pub viewer: MemberId,
    /// Whom.
    pub target: Target,
    /// Its offer.
    pub offer: Arc<str>,
    /// How many may watch; 0 is no limit.
    pub limit: usize,
}

/// Why somebody cannot watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoView {
    /// No such member, no such camera.
    Unknown,
    /// Nobody publishes.
    Nothing,
    /// So many are watching already.
    Full {
        /// `rooms.max_viewers`.
        limit: usize,
    },
}

/// What a viewer is told.
#[derive(Debug, Clone, PartialEq)]
pub enum ViewerNews {
    /// The media plane's word on its offer `revision`, which begins with 1.
    Answered {
        /// Which offer.
        revision: u32,
        /// Our answer, or why there is none.
        answer: Result<Arc<str>, SfuError>,
    },
    /// It is over; the reason is a sentence.
    Ended(&'static str),
}

#[derive(Debug)]
pub(super) struct Viewer {
    target: Target,
    watching: Option<MemberId>,
    /// Revision and text of its newest offer.
    offer: (u32, Arc<str>),
    /// Revision of the newest answer it was told.
    answered: u32,
    /// What the media plane was last told.
    desired: Desired,
}

impl Viewer {
    fn want(&self) -> Desired {
        let down = DownWant {
            generation: 1,
            tiles: [].into(),
            watch: self.watching.into_iter().collect(),
            answer: None,
            offer: Some(self.offer.clone()),
        };
        Desired { up: None, down: Some(down) }
    }
}

impl Room {
    /// How many watch.
    pub fn n_viewers(&self) -> usize {
        self.viewers.len()
    }

    /// By which ids members are known outside, for those that have one.
    pub fn labels(&self) -> Vec<(Label, MemberId)> {
        let places = self.order.iter().filter_map(|id| self.places.get(id));
        places.filter_map(|place| Some((place.label.clone()?, place.member))).collect()
    }

    /// Lets somebody watch. Its answer comes as [`Action::Tell`].
    pub fn look(&mut self, looker: Looker) -> Result<(), NoView> {
        let Looker { viewer, target, offer, limit } = looker;
        let watching = self.find(&target);
        if watching.is_none() {
            let is_room = target == Target::Room;
            return Err(if is_room { NoView::Nothing } else { NoView::Unknown });
        }
        if limit != 0 && self.viewers.len() >= limit {
            return Err(NoView::Full { limit });
        }
        let offer = (1, offer);
        let desired = Desired::default();
        self.viewers.insert(viewer, Viewer { target, watching, offer, answered: 0, desired });
        self.desire_view(viewer);
        Ok(())
    }

    fn find(&self, target: &Target) -> Option<MemberId> {
        let mut places = self.order.iter().filter_map(|id| self.places.get(id));
        match target {
            Target::Member(member) => self.places.contains_key(member).then_some(*member),
            Target::Label(label) => {
                Some(places.find(|place| place.label.as_ref() == Some(label))?.member)
            }
            Target::Room => {
                let all: Vec<&Place> = places.filter(|place| place.up.is_some()).collect();
                let place = all.iter().find(|place| place.kind.shows_a_place());
                let speaks = |place: &&&Place| Some(place.member) == self.speaking.active;
                Some(place.or(all.iter().find(speaks)).or(all.first())?.member)
            }
        }
    }

    /// Somebody came, went or began to publish: who is meant may be another now.
    pub(super) fn aim_viewers(&mut self) {
        let aims: Vec<(MemberId, Option<MemberId>)> = self
            .viewers
            .iter()
            .map(|(id, viewer)| (*id, viewer.watching, self.find(&viewer.target)))
            .filter(|(_, before, now)| before != now)
            .map(|(id, _, now)| (id, now))
            .collect();
        for (id, watching) in aims {
            let Some(viewer) = self.viewers.get_mut(&id) else { continue };
            viewer.watching = watching;
            if watching.is_none() && matches!(viewer.target, Target::Member(_)) {
                self.end_view(id, "whom it watched has left");
            } else {
                self.desire_view(id);
            }
        }
    }

    fn desire_view(&mut self, id: MemberId) {
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        let want = viewer.want();
        if want != viewer.desired {
            viewer.desired = want.clone();
            self.actions.push(Action::Desire { member: id, want });
        }
    }

    /// A viewer's next offer, which restarts ICE.
    pub(super) fn offer_of_viewer(&mut self, id: MemberId, offer: Arc<str>) {
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        viewer.offer = (viewer.offer.0 + 1, offer);
        self.desire_view(id);
    }

    /// The media plane has something new about a viewer. False if it is none.
    pub(super) fn observe_viewer(&mut self, id: MemberId, observed: &Observed) -> bool {
        let Some(viewer) = self.viewers.get_mut(&id) else { return false };
        let Some(DownSeen { path, answer, .. }) = &observed.down else { return true };
        if let Some((revision, answer)) = answer
            && *revision == viewer.offer.0
            && *revision > viewer.answered
        {
            viewer.answered = *revision;
            let news = ViewerNews::Answered { revision: *revision, answer: answer.clone() };
            self.actions.push(Action::Tell { viewer: id, news });
        }
        if *path == Path::Closed {
            self.end_view(id, "its connection has ended");
        }
        true
    }

    /// Ends a viewer's stay.
    pub(super) fn end_view(&mut self, id: MemberId, reason: &'static str) {
        if self.viewers.remove(&id).is_some() {
            self.actions.push(Action::Tell { viewer: id, news: ViewerNews::Ended(reason) });
            self.actions.push(Action::Remove { member: id });
        }
    }

    pub(super) fn end_views(&mut self, reason: &'static str) {
        let all: BTreeSet<MemberId> = self.viewers.keys().copied().collect();
        all.into_iter().for_each(|id| self.end_view(id, reason));
    }
}
