//! Which connections are open: how many of one source, how many in all, and who makes room.
//!
//! ```text
//!  accepted --> Unfinished --a request is answered--> Idle <--> Asking  <--> Busy
//!                   |  first to make room               |  then   |  then      |  never
//! ```
//!
//! One source may have so many, and all together so many. When all places are taken, whoever has not
//! asked for anything yet makes room, after them whoever has nothing going on, then strangers, whatever
//! they ask: of the source that has most of them, the one that has waited longest. So nobody who is
//! nobody here keeps anybody out, from however many addresses, and whoever talks is left alone. Counted under a lock that is held for a look-up and never across an
//! await.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::seams::Source;

/// How many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Of one source.
    pub(super) of_one: usize,
    /// In all.
    pub(super) of_all: usize,
}

/// What a connection does; the first makes room first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Unfinished,
    Idle,
    /// A stranger asks for something.
    Asking,
    /// A request, a socket or a stream of somebody who may have it.
    Busy,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    is_finished: bool,
    is_known: bool,
    n_busy: usize,
    gone: CancellationToken,
}

impl Entry {
    fn state(&self) -> State {
        match (self.n_busy > 0, self.is_known) {
            (true, true) => State::Busy,
            (true, false) => State::Asking,
            (false, _) if self.is_finished => State::Idle,
            (false, _) => State::Unfinished,
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// By the order in which they came.
    open: BTreeMap<u64, Entry>,
    by_source: HashMap<Source, usize>,
    next: u64,
}

/// All open connections.
#[derive(Debug, Default, Clone)]
pub(super) struct Crowd(Arc<Mutex<Inner>>);

/// One open connection; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Slot {
    crowd: Crowd,
    id: u64,
    gone: CancellationToken,
}

/// Something that a connection does; dropping it ends that.
#[derive(Debug)]
pub(super) struct Errand {
    crowd: Crowd,
    id: u64,
}

impl Crowd {
    /// A place for one more connection from `ip`, if there is one or somebody can make room.
    pub(super) fn enter(&self, ip: IpAddr, limits: Limits) -> Option<Slot> {
        let source = Source::from(ip);
        let mut inner = self.0.lock();
        if inner.by_source.get(&source).copied().unwrap_or(0) >= limits.of_one {
            return None;
        }
        if inner.open.len() >= limits.of_all {
            let id = inner.who_makes_room()?;
            if let Some(entry) = inner.remove(id) {
                entry.gone.cancel();
            }
        }
        let (id, gone) = (inner.next, CancellationToken::new());
        inner.next += 1;
        *inner.by_source.entry(source).or_default() += 1;
        let (is_finished, is_known) = (false, false);
        let entry = Entry { source, is_finished, is_known, n_busy: 0, gone: gone.clone() };
        inner.open.insert(id, entry);
        Some(Slot { crowd: self.clone(), id, gone })
    }
}

impl Crowd {
    fn know(&self, id: u64) {
        if let Some(entry) = self.0.lock().open.get_mut(&id) {
            entry.is_known = true;
        }
    }
}

impl Errand {
    /// Whoever does it has got in.
    pub(super) fn know(&self) {
        self.crowd.know(self.id);
    }
}

impl Inner {
    /// Of the source that has most in the lowest state, the one that came first.
    fn who_makes_room(&self) -> Option<u64> {
        let lowest = self.open.values().map(Entry::state).min()?;
        if lowest == State::Busy {
            return None;
        }
        let candidates = || self.open.iter().filter(|(_, entry)| entry.state() == lowest);
        let mut counts: HashMap<Source, usize> = HashMap::new();
        for (_, entry) in candidates() {
            *counts.entry(entry.source).or_default() += 1;
        }
        let most = counts.values().copied().max()?;
        candidates().find(|(_, entry)| counts[&entry.source] == most).map(|(&id, _)| id)
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        if let Some(count) = self.by_source.get_mut(&entry.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&entry.source);
            }
        }
        Some(entry)
    }
}

impl Slot {
    /// Returns when this connection has to make room.
    pub(super) async fn made_room(&self) {
        self.gone.cancelled().await;
    }

    /// Somebody has asked for something here that they may have.
    pub(super) fn know(&self) {
        self.crowd.know(self.id);
    }

    /// Does something until what it returns is dropped.
    pub(super) fn busy(&self) -> Errand {
        if let Some(entry) = self.crowd.0.lock().open.get_mut(&self.id) {
            entry.n_busy += 1;
        }
        Errand { crowd: self.crowd.clone(), id: self.id }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.crowd.0.lock().remove(self.id);
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(entry) = self.crowd.0.lock().open.get_mut(&self.id) {
            entry.n_busy -= 1;
            entry.is_finished = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Limits = Limits { of_one: 3, of_all: 4 };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_source_has_so_many_and_no_more() {
        let crowd = Crowd::default();
        let [a, b] = [ip("10.0.0.1"), ip("10.0.0.2")];
        let limits = Limits { of_one: 2, of_all: 100 };
        let first = crowd.enter(a, limits).expect("the first");
        let _second = crowd.enter(a, limits).expect("the second");
        assert!(crowd.enter(a, limits).is_none());
        assert!(crowd.enter(b, limits).is_some());
        drop(first);
        assert!(crowd.enter(a, limits).is_some());
        assert!(crowd.enter(b, Limits { of_one: 0, ..limits }).is_none());
        assert_eq!(crowd.0.lock().by_source.len(), 1, "who is gone is forgotten");
    }

    #[test]
    fn a_household_is_one_source_by_ipv6_too() {
        let cases = [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("fd00::1", "fd00::2", true),
            ("fe80::1", "fe80::2", false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(Source::from(ip(a)) == Source::from(ip(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn who_says_nothing_makes_room_and_who_talks_stays() {
        let crowd = Crowd::default();
        let enter = |from: &str| crowd.enter(ip(from), FEW);
        let talking = enter("10.0.0.1").expect("a place");
        let talk = talking.busy();
        talking.know();
        let silent = enter("10.0.0.2").expect("a place");
        let more = [enter("10.0.0.3"), enter("10.0.0.3")].map(|slot| slot.expect("a place"));
        // The source with most of those who have said nothing loses its oldest, whoever comes.
        let _newcomer = enter("10.0.0.4").expect("somebody makes room");
        let gone = |slot: &Slot| slot.gone.is_cancelled();
        assert!(gone(&more[0]) && !gone(&more[1]) && !gone(&silent) && !gone(&talking));
        // All equal: the oldest of those who have said nothing.
        let _next = enter("10.0.0.5").expect("somebody makes room");
        assert!(gone(&silent) && !gone(&more[1]) && !gone(&talking));
        // One that has been answered stays longer than those who have said nothing.
        drop(talk);
        for n in 6..20 {
            let entered = enter(&format!("10.0.0.{n}")).expect("somebody makes room");
            assert!(!gone(&talking), "{n}");
            drop(entered);
            let _filling = enter(&format!("10.0.1.{n}"));
        }
        assert_eq!(crowd.0.lock().open.len(), 3);
    }

    #[test]
    fn idle_ones_make_room_after_those_and_busy_ones_never() {
        let crowd = Crowd::default();
        let slots: Vec<Slot> = (0..4)
            .map(|n| crowd.enter(ip(&format!("10.0.0.{n}")), FEW).expect("a place"))
            .collect();
        let mut errands: Vec<Errand> = slots.iter().map(Slot::busy).collect();
        errands.iter().for_each(Errand::know);
        assert!(crowd.enter(ip("10.0.0.9"), FEW).is_none(), "all are at work");
        drop(errands.remove(2));
        let _entered = crowd.enter(ip("10.0.0.9"), FEW).expect("the idle one makes room");
        assert!(slots[2].gone.is_cancelled() && !slots[0].gone.is_cancelled());
        // Whoever has made room is not counted out a second time.
        drop(slots);
        assert_eq!(crowd.0.lock().open.len(), 1);
    }

    #[test]
    fn strangers_keep_nobody_out_whatever_they_ask_from_however_many_addresses() {
        let crowd = Crowd::default();
        let enter = |from: &str| crowd.enter(ip(from), FEW);
        let guest = enter("10.0.0.1").expect("a place");
        let errand = guest.busy();
        errand.know();
        let strangers: Vec<(Slot, Errand)> = (1..4)
            .map(|n| enter(&format!("2001:db8:0:{n}::1")).expect("a place"))
            .map(|slot| {
                let errand = slot.busy();
                (slot, errand)
            })
            .collect();
        let mut newcomers = Vec::new();
        for (n, (slot, _)) in strangers.iter().enumerate() {
            assert!(!slot.gone.is_cancelled(), "{n}");
            let newcomer = enter(&format!("10.0.0.{}", n + 2)).expect("a stranger makes room");
            assert!(slot.gone.is_cancelled(), "{n}");
            newcomer.know();
            newcomers.push((newcomer.busy(), newcomer));
        }
        assert!(enter("10.0.0.9").is_none(), "nobody who is known does");
        assert!(!guest.gone.is_cancelled());
    }
}
