//! Single pictures of a camera, made only while somebody asks for them.
//!
//! ```text
//!  asker --wants--> number of askers --> camera: one picture is encoded as JPEG now and then
//!    ^                                              |
//!    '------------- the newest still <--------------'
//! ```
//! There is no queue: whoever is slow gets the newest one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::watch, time::timeout};

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Still {
    /// JPEG.
    pub jpeg: Bytes,
    /// When it was taken.
    pub taken: Instant,
    /// The same by the wall, in milliseconds since 1970.
    pub taken_ms: u64,
}

/// What there is to see. Both by one lock: a picture that was on its way while the camera was closed
/// is not shown after it.
#[derive(Debug, Default)]
struct Shown {
    newest: Option<Arc<Still>>,
    is_closed: bool,
}

#[derive(Debug)]
struct Shared {
    shown: watch::Sender<Shown>,
    n_wanted: watch::Sender<usize>,
}

/// The stills of one camera. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stills(Arc<Shared>);

impl Default for Stills {
    fn default() -> Self {
        let (shown, n_wanted) = (watch::Sender::default(), watch::Sender::new(0));
        Self(Arc::new(Shared { shown, n_wanted }))
    }
}

impl Stills {
    /// The newest one, however old.
    pub fn newest(&self) -> Option<Arc<Still>> {
        self.0.shown.borrow().newest.clone()
    }

    /// One that is not older than `max_age`; `None` where none comes `within` this time.
    pub async fn fresh(&self, max_age: Duration, within: Duration) -> Option<Arc<Still>> {
        let young = |still: &Arc<Still>| still.taken.elapsed() <= max_age;
        if let Some(still) = self.newest().filter(young) {
            return Some(still);
        }
        let mut flow = self.flow();
        timeout(within, flow.next()).await.ok().flatten()
    }

    /// Those that come from now on, as long as it is held.
    pub fn flow(&self) -> StillFlow {
        let mut shown = self.0.shown.subscribe();
        shown.mark_unchanged();
        // overflow: none, it is a number.
        self.0.n_wanted.send_modify(|n_wanted| *n_wanted += 1);
        StillFlow { stills: self.clone(), shown }
    }

    /// How many ask, for the camera.
    pub fn wanted(&self) -> watch::Receiver<usize> {
        self.0.n_wanted.subscribe()
    }

    /// The camera gives one; it is dropped where the camera is closed.
    pub fn give(&self, still: Still) {
        // overflow: none, a watch channel holds the newest still only.
        self.0.shown.send_if_modified(|shown| {
            if !shown.is_closed {
                shown.newest = Some(Arc::new(still));
            }
            !shown.is_closed
        });
    }

    /// Nothing is to be seen of what was, nor of what is still on its way.
    pub fn close(&self) {
        self.0.shown.send_if_modified(|shown| {
            let was_closed = std::mem::replace(&mut shown.is_closed, true);
            shown.newest.take().is_some() || !was_closed
        });
    }

    /// What comes from now on is to be seen.
    pub fn open(&self) {
        // Nothing has come yet: nobody is told.
        self.0.shown.send_if_modified(|shown| {
            shown.is_closed = false;
            false
        });
    }
}

/// Stills that come; while it is held they are made.
#[derive(Debug)]
pub struct StillFlow {
    stills: Stills,
    shown: watch::Receiver<Shown>,
}

impl StillFlow {
    /// The next one; `None` when the camera is gone or closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Still>> {
        self.shown.changed().await.ok()?;
        self.shown.borrow_and_update().newest.clone()
    }
}

impl Drop for StillFlow {
    fn drop(&mut self) {
        // overflow: none, it is a number.
        self.stills.0.n_wanted.send_modify(|n_wanted| *n_wanted = n_wanted.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn still(n: u8) -> Still {
        Still { jpeg: Bytes::from(vec![n]), taken: Instant::now(), taken_ms: n.into() }
    }

    #[tokio::test]
    async fn a_camera_is_asked_only_while_somebody_waits_and_only_for_what_is_old() {
        let stills = Stills::default();
        let mut wanted = stills.wanted();
        let camera = stills.clone();
        let camera = tokio::spawn(async move {
            wanted.wait_for(|n_wanted| *n_wanted == 1).await.expect("somebody asks");
            camera.give(still(1));
            wanted.wait_for(|n_wanted| *n_wanted == 0).await.expect("nobody asks any more");
            wanted
        });
        let first = stills.fresh(LONG, LONG).await.expect("a still");
        let wanted = camera.await.expect("the camera");
        assert_eq!(first.taken_ms, 1);
        assert_eq!(stills.fresh(LONG, LONG).await, Some(first.clone()), "young enough");
        assert!(!wanted.has_changed().expect("it is there"), "nobody was asked for that");
        assert_eq!(stills.fresh(Duration::ZERO, Duration::ZERO).await, None, "nobody gives one");
        assert_eq!(stills.newest(), Some(first));
    }

    #[tokio::test]
    async fn whoever_is_slow_gets_the_newest_and_a_closed_camera_ends_it() {
        let stills = Stills::default();
        stills.give(still(1));
        let mut flow = stills.flow();
        stills.give(still(2));
        stills.give(still(3));
        assert_eq!(flow.next().await.map(|still| still.taken_ms), Some(3));
        stills.close();
        assert_eq!(flow.next().await, None);
        stills.give(still(4));
        assert_eq!(stills.newest(), None, "it was on its way when the camera was closed");
        stills.open();
        stills.give(still(5));
        assert_eq!(flow.next().await.map(|still| still.taken_ms), Some(5));
    }
}
