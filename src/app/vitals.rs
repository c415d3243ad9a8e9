//! Who the box cannot do without: told when one of them ends, asked now and then whether it answers.
//!
//! ```text
//!  a task that ends ----> its name ----> /readyz 503, the log; the process ends with 70, so that
//!                                        the system starts it anew
//!  one that is silent --> its name ----> /readyz 503, the log; systemd's watchdog is not fed
//!  one in trouble ------> its fault ---> /readyz 503, the log
//!  all answer ----------> /readyz 200 again
//! ```
//! Asked are the registry of the rooms, every media thread (does it turn?) and the store (can it
//! write?).

use std::{future::Future, pin::Pin, time::Duration};

use futures_util::future::{join_all, select_all};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{error, info};

use crate::{
    http::Readiness,
    rooms::RoomsHandle,
    sfu::SfuHandle,
    store::{Health, StoreError, StoreHandle},
};

/// After a store had too much to do to be asked.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Something that lasts as long as a task does.
type Ends = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that never end while the box runs, by name.
#[derive(Default)]
pub(super) struct Vitals(Vec<(&'static str, Ends)>);

impl Vitals {
    /// The task that ends with this future is one of them.
    pub(super) fn with(
        mut self,
        name: &'static str,
        ends: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.0.push((name, Box::pin(ends)));
        self
    }

    /// The name of the first that ends. Safe to be dropped while it waits, as in `select!`.
    pub(super) async fn first_ended(&mut self) -> &'static str {
        let each = self.0.iter_mut().map(|(name, ends)| {
            Box::pin(async move {
                ends.as_mut().await;
                *name
            })
        });
        select_all(each).await.0
    }
}

/// What comes of asking: that all is well, or what is not.
type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Somebody who is asked now and then.
struct Look {
    name: String,
    ask: Box<dyn FnMut() -> Answer + Send>,
}

/// Everybody who is asked now and then.
#[derive(Default)]
pub(super) struct Looks(Vec<Look>);

impl Looks {
    /// Every media thread, the store, the registry of the rooms.
    pub(super) fn of(sfu: &SfuHandle, store: &StoreHandle, rooms: &RoomsHandle) -> Self {
        let (store, rooms) = (store.clone(), rooms.clone());
        let mut looks = Self::default()
            .with("the task of rooms", move || {
                let rooms = rooms.clone();
                async move {
                    rooms.list().await;
                    Ok(())
                }
            })
            .with("the store", move || write_trial(store.clone()));
        for worker in 0..sfu.ports().len() {
            let sfu = sfu.clone();
            looks = looks.with(sfu.thread_name(worker), move || {
                let sfu = sfu.clone();
                async move { sfu.turns(worker).await.map_err(|error| error.to_string()) }
            });
        }
        looks
    }

    /// One more, who is asked by this.
    pub(super) fn with<F: Future<Output = Result<(), String>> + Send + 'static>(
        mut self,
        name: impl Into<String>,
        mut ask: impl FnMut() -> F + Send + 'static,
    ) -> Self {
        self.0.push(Look { name: name.into(), ask: Box::new(move || Box::pin(ask())) });
        self
    }

    /// Asks all of them at once. What is not well, and whether somebody did not answer in time.
    async fn ask(&mut self, patience: Duration) -> (Vec<String>, bool) {
        let each = self.0.iter_mut().map(|look| {
            let answer = timeout(patience, (look.ask)());
            async { (&look.name, answer.await) }
        });
        let (mut faults, mut silent) = (Vec::new(), false);
        for (name, answer) in join_all(each).await {
            match answer {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => faults.push(fault),
                Err(_) => {
                    faults.push(format!("{name} does not answer"));
                    silent = true;
                }
            }
        }
        (faults, silent)
    }
}

/// A store that has too much to do is asked again: only one that hangs stays silent.
async fn write_trial(store: StoreHandle) -> Result<(), String> {
    loop {
        match store.try_write().await {
            Ok(Health::Well) => return Ok(()),
            Ok(Health::Failing(fault)) => return Err(fault),
            Err(StoreError::Busy) => sleep(ASK_AGAIN).await,
            Err(fault) => return Err(format!("the store {fault}")),
        }
    }
}

/// Asks again and again; tells `/readyz` what comes of it, and that all answer by `alive`. Whoever
/// answers that it is not well is alive: a restart makes no room on a disk. Never returns.
pub(super) async fn look_after(
    mut looks: Looks,
    every: Duration,
    readiness: watch::Sender<Readiness>,
    alive: impl Fn(),
) {
    let mut ticks = interval(every);
    // After a suspended night one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Readiness::Ready;
    loop {
        ticks.tick().await;
        let (faults, silent) = looks.ask(every).await;
        if !silent {
            alive();
        }
        let now = match faults.is_empty() {
            true => Readiness::Ready,
            false => Readiness::NotReady(faults.join("; ")),
        };
        if now == told {
            continue;
        }
        match &now {
            Readiness::NotReady(reason) => error!(reason, "the box is not ready"),
            Readiness::Ready => info!("the box is ready again"),
        }
        // What else keeps the box from being ready is not this look's to say.
        readiness.send_if_modified(|readiness| {
            let is_ours = *readiness == told;
            if is_ours {
                readiness.clone_from(&now);
            }
            is_ours
        });
        told = now;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{
        config::{NoFiles, Sources},
        seams::Addresses,
    };

    #[tokio::test]
    async fn a_task_that_panics_or_returns_is_named() {
        for panics in [true, false] {
            let task = tokio::spawn(async move { assert!(!panics, "as it must") });
            let mut vitals = Vitals::default()
                .with("addresses", std::future::pending())
                .with("rooms", async { drop(task.await) })
                .with("door", std::future::pending());
            assert_eq!(vitals.first_ended().await, "rooms");
        }
    }

    #[tokio::test]
    async fn waiting_for_the_end_can_be_given_up_and_begun_anew() {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let mut vitals = Vitals::default().with("rooms", async { drop(ended.await) });
        assert!(timeout(Duration::ZERO, vitals.first_ended()).await.is_err());
        drop(end);
        assert_eq!(vitals.first_ended().await, "rooms");
    }

    const EVERY: Duration = Duration::from_millis(5);

    /// Looks after these until the readiness is as `expected`; how often all were said to be alive.
    async fn until(looks: Looks, start: Readiness, expected: &str) -> usize {
        let (sender, mut readiness) = watch::channel(start);
        let n_alive = AtomicUsize::new(0);
        let looking = look_after(looks, EVERY, sender, || {
            n_alive.fetch_add(1, Ordering::Relaxed);
        });
        let told = readiness.wait_for(|readiness| match readiness {
            Readiness::NotReady(reason) => reason == expected,
            Readiness::Ready => expected.is_empty(),
        });
        tokio::select! {
            () = looking => unreachable!("it never returns"),
            told = timeout(Duration::from_secs(20), told) => {
                told.expect("in time").expect("somebody looks");
            }
        }
        n_alive.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn one_that_is_silent_makes_the_box_not_ready_until_it_answers_again() {
        static HANGS: AtomicBool = AtomicBool::new(true);
        static N_ASKED: AtomicUsize = AtomicUsize::new(0);
        let (sender, mut readiness) = watch::channel(Readiness::Ready);
        let n_alive = Arc::new(AtomicUsize::new(0));
        let looks = Looks::default()
            .with("the task of rooms", || async {
                N_ASKED.fetch_add(1, Ordering::Relaxed);
                if HANGS.load(Ordering::Relaxed) {
                    std::future::pending().await
                }
                Ok(())
            })
            .with("the other", || async { Ok(()) });
        let counted = n_alive.clone();
        let looking = tokio::spawn(look_after(looks, EVERY, sender.clone(), move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        readiness.changed().await.expect("somebody looks");
        let Readiness::NotReady(reason) = readiness.borrow_and_update().clone() else { panic!() };
        assert_eq!(reason, "the task of rooms does not answer");
        assert_eq!(n_alive.load(Ordering::Relaxed), 0, "systemd starts it anew");
        HANGS.store(false, Ordering::Relaxed);
        readiness.changed().await.expect("somebody looks");
        assert_eq!(*readiness.borrow_and_update(), Readiness::Ready);
        assert!(n_alive.load(Ordering::Relaxed) > 0);
        // A box that is stopping stays so.
        sender.send_replace(Readiness::NotReady("the box is stopping".into()));
        let (n_before, enough) = (N_ASKED.load(Ordering::Relaxed), 3);
        while N_ASKED.load(Ordering::Relaxed) < n_before + enough {
            tokio::task::yield_now().await;
        }
        assert_ne!(*readiness.borrow(), Readiness::Ready);
        looking.abort();
    }

    #[tokio::test]
    async fn whoever_is_in_trouble_is_named_and_is_alive() {
        let looks = || {
            Looks::default()
                .with("a", || async { Err("the disk is full".to_owned()) })
                .with("b", || async { Err("a thread has ended".to_owned()) })
        };
        let reason = "the disk is full; a thread has ended";
        assert!(until(looks(), Readiness::Ready, reason).await > 0);
    }

    /// A box's media plane, store and rooms.
    async fn box_of(workers: usize) -> (SfuHandle, StoreHandle, RoomsHandle, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("the folder for temporary files is writable");
        let sources = Sources { data: Some(folder.path().into()), ..Sources::default() };
        let mut settings = sources.understand([], &NoFiles).expect("defaults are right").settings;
        settings.media.ports = 0..=0;
        settings.media.workers = workers;
        let (_, addresses) = watch::channel(Arc::new(Addresses::loopback()));
        let sfu = SfuHandle::start(&settings.media, addresses).expect("free ports");
        let store = StoreHandle::open(folder.path()).expect("a store");
        let (_, settings) = watch::channel(Arc::new(settings));
        let rooms = RoomsHandle::start(settings, sfu.clone(), Some(store.clone()));
        (sfu, store, rooms, folder)
    }

    #[tokio::test]
    async fn a_media_thread_that_does_not_turn_is_named_and_the_watchdog_is_not_fed() {
        let (sfu, store, rooms, _folder) = box_of(2).await;
        let port = sfu.ports()[1];
        let go_on = sfu.hang(port);
        let expected = format!("media thread 2 of 2 (UDP port {port}) does not answer");
        let looks = Looks::of(&sfu, &store, &rooms);
        assert_eq!(until(looks, Readiness::Ready, &expected).await, 0);
        drop(go_on);
        sfu.turns(1).await.expect("it turns again");
        sfu.stop().await;
    }

    #[tokio::test]
    async fn a_store_that_cannot_write_is_told_without_anybody_writing() {
        let (sfu, store, rooms, folder) = box_of(1).await;
        store.refuse_writes(true).await;
        let path = folder.path().join(crate::store::FILE);
        let expected = format!("the store {} {}", path.display(), StoreError::ReadOnly);
        let looks = Looks::of(&sfu, &store, &rooms);
        assert!(until(looks, Readiness::Ready, &expected).await > 0, "it answers");
        sfu.stop().await;
    }
}
