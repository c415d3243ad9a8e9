//! A room as its task sees it: one, on however many workers.
//!
//! Owns which worker has which viewer. A member's wish is taken apart: what it publishes goes to the
//! room's home, what it receives to the worker where that connection is; what both have made of it is
//! put together again. A worker on which nobody is left is not used any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Workers,
    placement::{self, Placement},
};
use crate::{
    ids::MemberId,
    seams::media::{Desired, News, Observed, Path},
    sfu::{
        relay::pipe::Pipe,
        router::context::RoomId,
        worker::{Opened, Outcome},
    },
};

/// A room of the media plane. Dropping it closes the room's connections.
pub struct SfuRoom {
    outcome: Arc<Outcome>,
    /// Only the room's task comes here, so nobody waits for it.
    parts: Mutex<Parts>,
}

impl fmt::Debug for SfuRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SfuRoom")
            .field("placement", &self.parts().placement)
            .finish_non_exhaustive()
    }
}

impl SfuRoom {
    pub(super) fn open(workers: Arc<Workers>, home: usize, max_speakers: usize) -> Self {
        let outcome = Arc::new(Outcome::default());
        let id = workers.next_room();
        workers.mailbox(home).open(id, &outcome, Opened::Home(max_speakers));
        let parts = Parts {
            id,
            home,
            max_speakers,
            placement: Placement::new(home, workers.max_viewers),
            annexes: BTreeMap::new(),
            members: BTreeMap::new(),
            news: BTreeSet::new(),
            workers,
        };
        Self { outcome, parts: Mutex::new(parts) }
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this member's media should be. The newest wish wins; this never blocks on a worker.
    pub fn desire(&self, member: MemberId, want: Desired) {
        let mut parts = self.parts();
        parts.desire(member, want, &self.outcome);
        if !parts.news.is_empty() {
            self.outcome.nudge();
        }
    }

    /// The member is gone: its connections are closed and nothing is told of it any more.
    pub fn remove(&self, member: MemberId) {
        self.parts().remove(member);
    }

    /// Waits for news, and takes them all. Cancel-safe.
    pub async fn changed(&self) -> News {
        loop {
            let news = self.take_news();
            if !news.members.is_empty() || news.speaking.is_some() {
                return news;
            }
            self.outcome.wait().await;
        }
    }

    fn take_news(&self) -> News {
        let changed = self.outcome.take();
        let mut parts = self.parts();
        for ((part, member), observed) in changed.members {
            parts.merge(part, member, observed);
        }
        changed.gone.into_iter().for_each(|part| parts.lose(part, &self.outcome));
        News { members: parts.take_news(), speaking: changed.speaking }
    }
}

/// A worker that has viewers of the room beside its home.
struct Annex {
    id: RoomId,
    pipe: Arc<Pipe>,
}

/// A member's connections.
#[derive(Default)]
struct Member {
    /// Generation of its `down`, and the worker that has it.
    place: Option<(u32, usize)>,
    seen: Observed,
    /// Generations of `up` and `down` that a worker has lost: they are not made again, the client
    /// begins the next. What nobody had seen yet may be made still.
    lost: (Option<u32>, Option<u32>),
}

impl Member {
    fn lose(&mut self, up: bool, down: bool) {
        if up && let Some(up) = &mut self.seen.up {
            up.path = Path::Closed;
            self.lost.0 = Some(up.generation);
        }
        if down {
            self.place = None;
        }
        if down && let Some(down) = &mut self.seen.down {
            down.path = Path::Closed;
            self.lost.1 = Some(down.generation);
        }
    }
}

/// The room's workers, and who is on which.
struct Parts {
    /// The home's part.
    id: RoomId,
    home: usize,
    max_speakers: usize,
    placement: Placement,
    annexes: BTreeMap<usize, Annex>,
    members: BTreeMap<MemberId, Member>,
    /// Members whose state is to be told.
    news: BTreeSet<MemberId>,
    /// Keeps the threads going while a room is held.
    workers: Arc<Workers>,
}

impl Parts {
    fn desire(&mut self, id: MemberId, mut want: Desired, outcome: &Arc<Outcome>) {
        let Member { place: former, lost, .. } = self.members.entry(id).or_default();
        want.up = want.up.filter(|up| lost.0 != Some(up.generation));
        want.down = want.down.filter(|down| lost.1 != Some(down.generation));
        let former = *former;
        let generation = want.down.as_ref().map(|down| down.generation);
        let place = match (generation, former) {
            (None, _) => None,
            (Some(wanted), Some((had, worker))) if wanted == had => Some((had, worker)),
            (Some(wanted), _) => {
                former.inspect(|(_, worker)| self.leave(id, *worker, false));
                Some((wanted, self.placement.place_viewer(&self.workers.loads())))
            }
        };
        if let (None, Some((_, worker))) = (place, former) {
            self.leave(id, worker, false);
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        member.place = place;
        let elsewhere = place.map(|(_, worker)| worker).filter(|worker| *worker != self.home);
        let Some(worker) = elsewhere else {
            return self.workers.mailbox(self.home).want(self.id, id, Some(want));
        };
        let Desired { up, down } = want;
        self.workers.mailbox(self.home).want(self.id, id, Some(Desired { up, down: None }));
        let is_new = place != former;
        if let Some(annex) = self.annex(worker, is_new, outcome) {
            let want = Some(Desired { up: None, down });
            self.workers.mailbox(worker).want(annex, id, want);
        }
    }

    /// The part of the room on this worker, opened if need be. `None`: it is gone.
    fn annex(&mut self, worker: usize, is_new: bool, outcome: &Arc<Outcome>) -> Option<RoomId> {
        if let Some(annex) = self.annexes.get(&worker) {
            return Some(annex.id);
        }
        if !is_new {
            return None;
        }
        let (home, mailbox) = (self.workers.mailbox(self.home), self.workers.mailbox(worker));
        let pipe = Arc::new(Pipe::new(Arc::clone(home.bell()), Arc::clone(mailbox.bell())));
        let id = self.workers.next_room();
        mailbox.open(id, outcome, Opened::Annex(Arc::clone(&pipe)));
        home.link(self.id, Arc::clone(&pipe));
        self.annexes.insert(worker, Annex { id, pipe });
        tracing::info!(room = self.id, worker, "a room goes on on another worker");
        Some(id)
    }

    /// A member's `down` is no longer on this worker.
    fn leave(&mut self, id: MemberId, worker: usize, is_gone: bool) {
        let is_over = self.placement.remove_viewer(worker);
        if worker == self.home {
            return;
        }
        if let Some(annex) = self.annexes.get(&worker) {
            self.workers.mailbox(worker).want(annex.id, id, None);
        }
        if is_over && let Some(annex) = self.annexes.remove(&worker) {
            annex.pipe.close();
            self.workers.mailbox(worker).close(annex.id);
        }
        // What the annex has to say of it comes too late for anybody to be listening.
        if let Some(member) = self.members.get_mut(&id).filter(|_| !is_gone)
            && member.seen.down.take().is_some()
        {
            self.news.insert(id);
        }
    }

    fn remove(&mut self, id: MemberId) {
        self.workers.mailbox(self.home).want(self.id, id, None);
        let Some(member) = self.members.remove(&id) else { return };
        member.place.inspect(|(_, worker)| self.leave(id, *worker, true));
        self.news.remove(&id);
    }

    /// Takes in what one part has made of a member's wish.
    fn merge(&mut self, part: RoomId, id: MemberId, observed: Observed) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let before = member.seen.clone();
        let elsewhere =
            member.place.map(|(_, worker)| worker).filter(|worker| *worker != self.home);
        if part == self.id {
            member.seen.up = observed.up;
        }
        let speaks = match elsewhere {
            Some(worker) => self.annexes.get(&worker).is_some_and(|annex| annex.id == part),
            None => part == self.id,
        };
        if speaks {
            member.seen.down = observed.down;
        }
        if member.seen != before {
            self.news.insert(id);
        }
    }

    /// A worker has lost this part: what it had is closed, and its members have to begin anew. Where it
    /// was the home, that is everybody.
    fn lose(&mut self, part: RoomId, outcome: &Arc<Outcome>) {
        let is_home = part == self.id;
        let annex = self.annexes.iter().find(|(_, annex)| annex.id == part);
        let Some(worker) = annex.map(|(worker, _)| *worker).or(is_home.then_some(self.home)) else {
            return;
        };
        if let Some(annex) = self.annexes.remove(&worker) {
            annex.pipe.close();
            self.workers.mailbox(worker).close(annex.id);
            self.placement.forget(worker);
        }
        for (id, member) in &mut self.members {
            let has_down = member.place.is_some_and(|(_, place)| is_home || place == worker);
            if is_home || has_down {
                member.lose(is_home, has_down);
                self.news.insert(*id);
            }
        }
        if is_home {
            self.open_again(outcome);
        }
    }

    /// The home is gone: the room begins anew where there is least to do.
    fn open_again(&mut self, outcome: &Arc<Outcome>) {
        self.close();
        let loads = self.workers.loads();
        // Without any thread there is nobody to open it.
        let home = placement::least_loaded(&loads, |worker| !loads[worker].is_gone);
        self.home = home.unwrap_or(self.home);
        self.id = self.workers.next_room();
        self.placement = Placement::new(self.home, self.workers.max_viewers);
        if home.is_some() {
            let opened = Opened::Home(self.max_speakers);
            self.workers.mailbox(self.home).open(self.id, outcome, opened);
            tracing::info!(room = self.id, worker = self.home, "a room begins anew");
        }
    }

    fn close(&mut self) {
        for (worker, annex) in std::mem::take(&mut self.annexes) {
            annex.pipe.close();
            self.workers.mailbox(worker).close(annex.id);
        }
        self.workers.mailbox(self.home).close(self.id);
    }

    fn take_news(&mut self) -> Vec<(MemberId, Observed)> {
        let news = std::mem::take(&mut self.news).into_iter();
        news.filter_map(|id| Some((id, self.members.get(&id)?.seen.clone()))).collect()
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.close();
    }
}
