//! Who the box cannot do without: told when one of them ends, asked now and then whether it answers.
//!
//! ```text
//!  a task that ends ----> its name ----> /readyz 503, the log; the process ends with 70, so that
//!                                        the system starts it anew
//!  one that is silent --> its name ----> /readyz 503, the log; systemd's watchdog is not fed
//!  one that answers ---> /readyz 200 again
//! ```

use std::{future::Future, pin::Pin, time::Duration};

use futures_util::future::select_all;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{error, info};

use crate::{http::Readiness, telemetry::systemd};

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

/// Asks `answers` again and again; tells `/readyz` and systemd what comes of it. Never returns.
pub(super) async fn look_after<F: Future<Output = ()>>(
    name: &'static str,
    every: Duration,
    readiness: watch::Sender<Readiness>,
    mut answers: impl FnMut() -> F,
) {
    let mut ticks = interval(every);
    // After a suspended night one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let silent = Readiness::NotReady(format!("the task of {name} does not answer"));
    loop {
        ticks.tick().await;
        let answered = timeout(every, answers()).await.is_ok();
        if answered {
            systemd::alive();
        }
        // What else keeps the box from being ready is not this look's to say.
        let changed = readiness.send_if_modified(|readiness| match (answered, &*readiness) {
            (false, Readiness::Ready) => {
                *readiness = silent.clone();
                true
            }
            (true, now) if *now == silent => {
                *readiness = Readiness::Ready;
                true
            }
            _ => false,
        });
        match (changed, answered) {
            (true, false) => error!(task = name, "does not answer: the box is not ready"),
            (true, true) => info!(task = name, "answers again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

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

    #[tokio::test]
    async fn one_that_is_silent_makes_the_box_not_ready_until_it_answers_again() {
        const EVERY: Duration = Duration::from_millis(5);
        static HANGS: AtomicBool = AtomicBool::new(false);
        static N_ASKED: AtomicUsize = AtomicUsize::new(0);
        let (sender, mut readiness) = watch::channel(Readiness::Ready);
        let answers = || async {
            N_ASKED.fetch_add(1, Ordering::Relaxed);
            if HANGS.load(Ordering::Relaxed) {
                std::future::pending().await
            }
        };
        let own = sender.clone();
        let looking = tokio::spawn(look_after("rooms", EVERY, own, answers));
        HANGS.store(true, Ordering::Relaxed);
        readiness.changed().await.expect("somebody looks");
        let Readiness::NotReady(reason) = readiness.borrow_and_update().clone() else { panic!() };
        assert_eq!(reason, "the task of rooms does not answer");
        HANGS.store(false, Ordering::Relaxed);
        readiness.changed().await.expect("somebody looks");
        assert_eq!(*readiness.borrow_and_update(), Readiness::Ready);
        // A box that is stopping stays so.
        sender.send_replace(Readiness::NotReady("the box is stopping".into()));
        let (n_before, enough) = (N_ASKED.load(Ordering::Relaxed), 3);
        while N_ASKED.load(Ordering::Relaxed) < n_before + enough {
            tokio::task::yield_now().await;
        }
        assert_ne!(*readiness.borrow(), Readiness::Ready);
        looking.abort();
    }
}
