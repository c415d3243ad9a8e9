//! PURE. Which worker takes a room, and which of its members' connections others take when it is full.
//!
//! Owns for each room which workers it uses. A room begins on the
//! worker that has least to do, its home; publishers always go there. Viewers go there too until the
//! home is full; then new ones go to a second worker, its first annex, until that is full, and so on.
//! What crosses between workers costs both, so a room spreads only when it must. Connections that
//! exist are never moved: each worker has its own port, and ICE would have to begin anew.

use crate::sfu::worker::load::Load;

/// A worker that spends this share of its time on packets takes no more viewers of a room that can go
/// elsewhere, per mille. What is left is for the viewers it has: more tracks, keyframes, losses.
const FULL: u16 = 700;
/// It takes viewers again below this: joins come in crowds, and the share is a second old.
const FREE: u16 = 550;

/// The worker that has least to do, of those that `may` take something; index into `loads`.
pub(crate) fn least_loaded(loads: &[Load], may: impl Fn(usize) -> bool) -> Option<usize> {
    let workers = loads.iter().enumerate().filter(|(worker, _)| may(*worker));
    workers.min_by_key(|(_, load)| load.rank()).map(|(worker, _)| worker)
}

/// A worker that a room uses.
#[derive(Debug, Clone)]
struct Used {
    worker: usize,
    n_viewers: usize,
    is_full: bool,
}

/// Where a room's connections are.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// The home first, then annexes in the order in which they were needed.
    used: Vec<Used>,
    max_viewers: usize,
}

impl Placement {
    /// A room whose home is this worker. `max_viewers` of it on one worker are enough, however idle
    /// that seems: a crowd that joins within a second is not yet in the measure.
    pub(crate) fn new(home: usize, max_viewers: usize) -> Self {
        let used = vec![Used { worker: home, n_viewers: 0, is_full: false }];
        Self { used, max_viewers: max_viewers.max(1) }
    }

    /// Where a new viewer goes: it counts there until [`Self::remove_viewer`]. `loads` of all workers.
    pub(crate) fn place_viewer(&mut self, loads: &[Load]) -> usize {
        let load = |worker: usize| loads.get(worker).copied().unwrap_or_default();
        for used in &mut self.used {
            let limit = if used.is_full { FREE } else { FULL };
            used.is_full = load(used.worker).busy >= limit;
        }
        let takes = |used: &&mut Used| {
            let load = load(used.worker);
            !used.is_full && used.n_viewers < self.max_viewers && !load.is_gone
        };
        if let Some(used) = self.used.iter_mut().find(takes) {
            used.n_viewers += 1;
            return used.worker;
        }
        let is_used = |worker| self.used.iter().any(|used| used.worker == worker);
        let is_better = |worker: usize| {
            let load = load(worker);
            !is_used(worker) && !load.is_gone && load.busy < FULL
        };
        if let Some(worker) = least_loaded(loads, is_better) {
            self.used.push(Used { worker, n_viewers: 1, is_full: false });
            return worker;
        }
        // All are full: they share what comes.
        let rank = |used: &&mut Used| {
            let load = load(used.worker);
            (load.is_gone, used.is_full, used.n_viewers)
        };
        let Some(used) = self.used.iter_mut().min_by_key(rank) else { return 0 };
        used.n_viewers += 1;
        used.worker
    }

    /// A viewer has left this worker. True if that was an annex and has none any more: the room does
    /// not use it from now on.
    pub(crate) fn remove_viewer(&mut self, worker: usize) -> bool {
        let Some(place) = self.used.iter().position(|used| used.worker == worker) else {
            return false;
        };
        let used = &mut self.used[place];
        used.n_viewers = used.n_viewers.saturating_sub(1);
        let is_over = place > 0 && used.n_viewers == 0;
        if is_over {
            self.used.remove(place);
        }
        is_over
    }

    /// An annex's thread has ended, and its viewers with it.
    pub(crate) fn forget(&mut self, worker: usize) {
        let home = self.home();
        self.used.retain(|used| used.worker != worker || used.worker == home);
    }

    /// Where publishers go.
    pub(crate) fn home(&self) -> usize {
        self.used.first().map_or(0, |used| used.worker)
    }
}

#[cfg(test)]
mod tests;
