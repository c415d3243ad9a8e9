//! Viewers: who watches without being a member (WHEP, or by a way that the media plane does not know:
//! stills, RTSP). They are counted and limited, see one target, and whoever is connected is seen by all
//! members.
//!
//! ```text
//!  look -> Waiting --its path--> Connected
//!             '------ Gone <------'   target left, path closed, box stops, owner is gone
//! ```
//!
//! A viewer that does not connect within [`CONNECT_WITHIN`] is over; before that it makes way for
//! others, and one source has few of them. Whom a target means is in `aim`.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Action, Now, Room};
use crate::{
    ids::{Label, MemberId, Nickname},
    protocol::{ServerMessage, Viewer as Shown},
    seams::{
        Source,
        media::{Desired, DownSeen, DownWant, Observed, Path, SfuError},
    },
};

/// How long a viewer may take from our answer to its path.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Viewers of one source that have not connected yet; the next one takes the place of the oldest.
pub const WAITING_PER_SOURCE: usize = 8;

/// However small the limit: that many viewers one source may have where there is room.
const LEAST_SHARE: usize = 8;

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
    /// What the members shall call it.
    pub name: Nickname,
    /// Where it comes from.
    pub source: Source,
    /// Its offer; `None`: its pictures come by another way than the media plane's.
    pub offer: Option<Arc<str>>,
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
    /// So many from the same source are watching already.
    SourceFull {
        /// What one source may have of `rooms.max_viewers`.
        share: usize,
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
    pub(super) target: Target,
    pub(super) watching: Option<MemberId>,
    /// Whose voice it hears, where that is another's.
    pub(super) hearing: Option<MemberId>,
    name: Nickname,
    source: Source,
    /// Until then its path has to be there; `None`: it is.
    connect_by: Option<Instant>,
    /// Revision and text of its newest offer, if the media plane serves it.
    offer: Option<(u32, Arc<str>)>,
    /// Revision of the newest answer it was told.
    answered: u32,
    /// What the media plane was last told.
    desired: Desired,
}

impl Viewer {
    /// As the members see it; nobody sees one that has no path.
    fn view(&self, id: MemberId) -> Option<Shown> {
        let name = self.name.to_string();
        self.connect_by.is_none().then_some(Shown { id, name, watches: self.watching })
    }

    fn want(&self) -> Desired {
        let down = DownWant {
            generation: 1,
            tiles: [].into(),
            watch: self.watching.into_iter().collect(),
            hear: self.hearing,
            answer: None,
            offer: self.offer.clone(),
        };
        Desired { up: None, down: self.offer.is_some().then_some(down) }
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

    /// Who watches, as the members see it.
    pub fn viewers_shown(&self) -> Vec<Shown> {
        self.viewers.iter().filter_map(|(id, viewer)| viewer.view(*id)).collect()
    }

    /// Lets somebody watch. Its answer comes as [`Action::Tell`].
    pub fn look(&mut self, now: Now, looker: Looker) -> Result<(), NoView> {
        let Looker { viewer, target, name, source, offer, limit } = looker;
        let watching = self.find(&target);
        if watching.is_some_and(|member| !self.may_be_watched(member)) {
            return Err(NoView::Nothing);
        }
        if watching.is_none() {
            let is_room = target == Target::Room;
            return Err(if is_room { NoView::Nothing } else { NoView::Unknown });
        }
        self.make_way(source, limit)?;
        let (offer, desired) = (offer.map(|offer| (1, offer)), Desired::default());
        // Where there is no path of ours to wait for, it is there.
        let connect_by = offer.is_some().then_some(now.instant + CONNECT_WITHIN);
        let hearing = self.find_voice(&target, watching);
        let new = Viewer {
            target,
            watching,
            hearing,
            name,
            source,
            connect_by,
            offer,
            answered: 0,
            desired,
        };
        self.viewers.insert(viewer, new);
        self.desire_view(viewer);
        if let Some(viewer) = self.viewers.get(&viewer).and_then(|new| new.view(viewer)) {
            self.tell_all(&ServerMessage::ViewerJoined { viewer });
        }
        self.step_direct(now);
        Ok(())
    }

    /// Finds a place for one more viewer of a source: its own that wait go before anybody else's.
    fn make_way(&mut self, source: Source, limit: usize) -> Result<(), NoView> {
        let mine = |viewer: &Viewer| viewer.source == source;
        let waiting = self.waiting(mine);
        if waiting.len() >= WAITING_PER_SOURCE {
            self.end_view(waiting[0], "another viewer took its place before it had connected");
        }
        if limit == 0 {
            return Ok(());
        }
        let share = (limit / 2).max(LEAST_SHARE);
        let n_mine = self.viewers.values().filter(|viewer| mine(viewer)).count();
        if n_mine >= share && limit > share {
            return Err(NoView::SourceFull { share });
        }
        if self.viewers.len() >= limit {
            let oldest = self.waiting(|_| true).first().copied();
            let oldest = oldest.ok_or(NoView::Full { limit })?;
            self.end_view(oldest, "another viewer took its place before it had connected");
        }
        Ok(())
    }

    /// Those that have no path yet, the oldest first.
    fn waiting(&self, which: impl Fn(&Viewer) -> bool) -> Vec<MemberId> {
        let all = self.viewers.iter().filter(|(_, viewer)| which(viewer));
        let mut waiting: Vec<(Instant, MemberId)> =
            all.filter_map(|(id, viewer)| Some((viewer.connect_by?, *id))).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    /// When the next viewer will have waited for too long.
    pub(super) fn viewers_deadline(&self) -> Option<Instant> {
        self.viewers.values().filter_map(|viewer| viewer.connect_by).min()
    }

    /// Ends those that did not connect in time.
    pub(super) fn viewers_due(&mut self, now: Now) {
        let late = |viewer: &Viewer| viewer.connect_by.is_some_and(|by| by <= now.instant);
        for id in self.waiting(late) {
            self.end_view(id, "it did not connect within 10 s");
        }
    }

    /// Somebody came, went, began or ceased to show a picture: who is meant may be another now.
    pub(super) fn aim_viewers(&mut self) {
        type Aim = (MemberId, Option<MemberId>, Option<MemberId>);
        let aim = |(id, viewer): (&MemberId, &Viewer)| {
            let found = self.find(&viewer.target);
            let watching = found.filter(|member| self.may_be_watched(*member));
            let hearing = self.find_voice(&viewer.target, watching);
            let is_news = (viewer.watching, viewer.hearing) != (watching, hearing);
            is_news.then_some((*id, watching, hearing))
        };
        let aims: Vec<Aim> = self.viewers.iter().filter_map(aim).collect();
        for (id, watching, hearing) in aims {
            let Some(viewer) = self.viewers.get_mut(&id) else { continue };
            viewer.hearing = hearing;
            let before = std::mem::replace(&mut viewer.watching, watching);
            if watching.is_none() && matches!(viewer.target, Target::Member(_)) {
                self.end_view(id, "whom it watched has left");
                continue;
            }
            if let Some(viewer) = viewer.view(id).filter(|_| before != watching) {
                self.tell_all(&ServerMessage::ViewerChanged { viewer });
            }
            self.desire_view(id);
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
        if let Some(newest) = &mut viewer.offer {
            *newest = (newest.0 + 1, offer);
            self.desire_view(id);
        }
    }

    /// The media plane has something new about a viewer. False if it is none.
    pub(super) fn observe_viewer(&mut self, id: MemberId, observed: &Observed) -> bool {
        let Some(viewer) = self.viewers.get_mut(&id) else { return false };
        let Some(DownSeen { path, answer, .. }) = &observed.down else { return true };
        if let Some((revision, answer)) = answer
            && viewer.offer.as_ref().is_some_and(|(newest, _)| newest == revision)
            && *revision > viewer.answered
        {
            viewer.answered = *revision;
            let news = ViewerNews::Answered { revision: *revision, answer: answer.clone() };
            self.actions.push(Action::Tell { viewer: id, news });
        }
        let connects = *path == Path::Connected && viewer.connect_by.take().is_some();
        if let Some(viewer) = viewer.view(id).filter(|_| connects) {
            self.tell_all(&ServerMessage::ViewerJoined { viewer });
        }
        if *path == Path::Closed {
            self.end_view(id, "its connection has ended");
        }
        true
    }

    /// Ends a viewer's stay.
    pub(super) fn end_view(&mut self, id: MemberId, reason: &'static str) {
        if let Some(viewer) = self.viewers.remove(&id) {
            if viewer.connect_by.is_none() {
                self.tell_all(&ServerMessage::ViewerLeft { id });
            }
            self.actions.push(Action::Tell { viewer: id, news: ViewerNews::Ended(reason) });
            self.actions.push(Action::Remove { member: id });
        }
    }

    pub(super) fn end_views(&mut self, reason: &'static str) {
        let all: BTreeSet<MemberId> = self.viewers.keys().copied().collect();
        all.into_iter().for_each(|id| self.end_view(id, reason));
    }
}
