//! Who has a stream at a server's doors, and who makes room for another.
//!
//! Owns the count; the streams are their tasks' own. A place is given back when it is dropped.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::crowd::{Admission, Crowd, Limits};

/// All places. Each stream's task sees to how long it may be silent.
#[derive(Debug, Clone)]
pub struct Places(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    crowd: Crowd<u64>,
    /// By which a stream's task hears that it has to make room.
    evictions: HashMap<u64, Arc<Notify>>,
    next: u64,
}

/// One stream's.
pub struct Place {
    places: Places,
    id: u64,
    eviction: Arc<Notify>,
    is_finished: AtomicBool,
}

impl Places {
    /// Nobody is there yet.
    pub fn new(limits: Limits) -> Self {
        let (crowd, evictions) = (Crowd::new(limits), HashMap::new());
        Self(Arc::new(Mutex::new(Inner { crowd, evictions, next: 0 })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one that comes from there; `None`: those who have proven who they are have them all.
    pub fn take(&self, now: Instant, from: IpAddr) -> Option<Arc<Place>> {
        let mut inner = self.inner();
        match inner.crowd.admit(from) {
            Admission::Free => {}
            Admission::Instead(other) => inner.evict(other),
            Admission::Full => return None,
        }
        let id = inner.next;
        inner.next += 1;
        inner.crowd.insert(now, id, from);
        let eviction = Arc::new(Notify::new());
        inner.evictions.insert(id, eviction.clone());
        drop(inner);
        let (places, is_finished) = (self.clone(), AtomicBool::new(false));
        Some(Arc::new(Place { places, id, eviction, is_finished }))
    }
}

impl Inner {
    fn evict(&mut self, stream: u64) {
        self.crowd.remove(stream);
        if let Some(eviction) = self.evictions.remove(&stream) {
            // overflow: nudge; it is kept until the task looks.
            eviction.notify_one();
        }
    }
}

impl Place {
    /// By which it is told from all others of these doors.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whoever speaks by it has proven who they are: it makes room for nobody any more.
    pub fn finish(&self) {
        if !self.is_finished.swap(true, Ordering::Relaxed) {
            self.places.inner().crowd.finish(self.id);
        }
    }

    /// Whether it has proven who it is.
    pub fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Relaxed)
    }

    /// Returns when it has to make room.
    pub async fn evicted(&self) {
        self.eviction.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.places.inner();
        inner.crowd.remove(self.id);
        inner.evictions.remove(&self.id);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future as _, pin::pin, task, time::Duration};

    use super::*;

    const TIME: Duration = Duration::from_secs(30);
    const LIMITS: Limits = Limits { all: 2_048, of_source: 256, unfinished: TIME, silent: TIME };

    fn is_evicted(place: &Place) -> bool {
        let mut context = task::Context::from_waker(task::Waker::noop());
        pin!(place.evicted()).poll(&mut context).is_ready()
    }

    #[test]
    fn strangers_make_room_and_who_has_proven_who_they_are_does_not() {
        let (places, now) = (Places::new(LIMITS), Instant::now());
        let from = |n: usize| IpAddr::from([10, 0, (n >> 8) as u8, n as u8]);
        let take = |n: usize| places.take(now, from(n));
        let known = take(0).expect("there is room");
        known.finish();
        let strangers: Vec<_> = (0..LIMITS.all - 1).filter_map(|n| take(n % 8)).collect();
        assert_eq!(strangers.len(), LIMITS.all - 1);
        let late = take(77).expect("whoever comes from elsewhere has a place");
        let n_evicted = || strangers.iter().filter(|place| is_evicted(place)).count();
        assert_eq!((n_evicted(), is_evicted(&known), is_evicted(&late)), (1, false, false));
        drop(strangers);
        let members: Vec<_> = (0..LIMITS.of_source).map_while(|_| take(1)).collect();
        members.iter().for_each(|place| place.finish());
        assert_eq!(members.len(), LIMITS.of_source);
        assert!(take(1).is_none() && take(2).is_some(), "one source is full, and no other");
        drop(members);
        assert!(take(1).is_some());
    }
}
