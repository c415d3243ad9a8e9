//! A part of a camera that is made and dropped on blocking threads, one after the other.
//!
//! Owns the order: a device opens again only after it was closed, whether its owner saw it open or
//! had given up on it. Attempts are numbered; what an older one reports is not ours any more.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::cause::Cause;

/// No attempt has this number.
const NONE: u64 = 0;
/// Unique in the process, so that an attempt is of one slot alone.
static NEXT_ATTEMPT: AtomicU64 = AtomicU64::new(1);

/// Ends with the number of the attempt whose part lies in a report, perhaps unread.
type UnderWay = JoinHandle<Option<u64>>;

/// Holds one part or none.
#[derive(Debug)]
pub struct Slot<T> {
    attempt: watch::Sender<u64>,
    /// The newest attempt whose part was taken out of its report.
    settled: watch::Sender<u64>,
    /// The part, once it was accepted.
    pub running: Option<T>,
    /// Whatever still starts or ends; the next start waits for it.
    under_way: Option<UnderWay>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let (attempt, settled) = (watch::Sender::new(NONE), watch::Sender::new(NONE));
        Self { attempt, settled, running: None, under_way: None }
    }
}

async fn outcome(under_way: Option<UnderWay>) -> Option<u64> {
    match under_way {
        // It can only have been cancelled, by the end of everything.
        Some(under_way) => under_way.await.unwrap_or(None),
        None => None,
    }
}

async fn drop_on_a_blocking_thread<R: Send + 'static>(part: R) {
    let _ = tokio::task::spawn_blocking(move || drop(part)).await;
}

impl<T: Send + 'static> Slot<T> {
    /// Makes a part on a blocking thread. What comes of it is sent, wrapped, with its number.
    pub fn start<R: Send + 'static>(
        &mut self,
        make: impl FnOnce(u64) -> Result<T, Cause> + Send + 'static,
        wrap: impl FnOnce(Result<T, Cause>) -> R + Send + 'static,
        sender: mpsc::Sender<(u64, R)>,
    ) {
        self.end();
        let attempt = NEXT_ATTEMPT.fetch_add(1, Ordering::Relaxed);
        self.attempt.send_replace(attempt);
        let mut newest = self.attempt.subscribe();
        let mut settled = self.settled.subscribe();
        let before = self.under_way.take();
        self.under_way = Some(tokio::spawn(async move {
            if let Some(unread) = outcome(before).await {
                // A report that nobody has read yet holds the device.
                tokio::select! {
                    _ = settled.wait_for(|settled| *settled >= unread) => {}
                    _ = newest.wait_for(|newest| *newest != attempt) => return Some(unread),
                    () = sender.closed() => {}
                }
            }
            let wanted = move || *newest.borrow() == attempt;
            // Nothing is opened for who has gone, and what was opened meanwhile is closed here.
            let made = tokio::task::spawn_blocking(move || {
                wanted().then(|| make(attempt)).filter(|_| wanted())
            });
            let made = match made.await {
                Ok(Some(made)) => made,
                Ok(None) => return None,
                Err(_) => Err(Cause::Other("a fault inside parlor".into())),
            };
            let holds_a_part = made.is_ok().then_some(attempt);
            // overflow: awaited; it holds a device.
            if let Err(unread) = sender.send((attempt, wrap(made))).await {
                drop_on_a_blocking_thread(unread).await;
                return None;
            }
            holds_a_part
        }));
    }

    /// The number of the newest attempt, 0 if none is wanted.
    pub fn attempt(&self) -> u64 {
        *self.attempt.borrow()
    }

    /// Whether a report is of the newest attempt.
    pub fn is_current(&self, attempt: u64) -> bool {
        attempt != NONE && attempt == self.attempt()
    }

    /// Keeps a part of the newest attempt; closes one that comes too late.
    pub fn accept(&mut self, attempt: u64, part: T) -> bool {
        let current = self.is_current(attempt);
        if current {
            self.running = Some(part);
            self.settled.send_replace(attempt);
        } else {
            // The start that may wait for this stands in `under_way`: not behind it.
            let (settled, before) = (self.settled.clone(), self.under_way.take());
            self.under_way = Some(tokio::spawn(async move {
                drop_on_a_blocking_thread(part).await;
                settled.send_modify(|settled| *settled = attempt.max(*settled));
                outcome(before).await
            }));
        }
        current
    }

    /// Closes what runs, and wants nothing any more.
    pub fn end(&mut self) {
        self.attempt.send_replace(NONE);
        if let Some(part) = self.running.take() {
            let before = self.under_way.take();
            self.under_way = Some(tokio::spawn(async move {
                let unread = outcome(before).await;
                drop_on_a_blocking_thread(part).await;
                unread
            }));
        }
    }

    /// Waits for whatever still starts or ends.
    pub async fn ended(&mut self) {
        outcome(self.under_way.take()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    /// Counts how many are open, and never allows two.
    struct Device(Arc<AtomicUsize>);

    impl Device {
        fn open(n_open: &Arc<AtomicUsize>) -> Self {
            assert_eq!(n_open.fetch_add(1, Ordering::SeqCst), 0, "it opens after it was closed");
            Self(Arc::clone(n_open))
        }
    }

    impl Drop for Device {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_device_is_open_once_however_often_it_is_started() {
        let n_open = Arc::new(AtomicUsize::new(0));
        let mut slot = Slot::<Device>::default();
        let (sender, mut reports) = mpsc::channel(64);
        for _ in 0..20 {
            let n_open = Arc::clone(&n_open);
            slot.start(move |_| Ok(Device::open(&n_open)), |made| made, sender.clone());
            tokio::task::yield_now().await;
            slot.end();
        }
        let last = Arc::clone(&n_open);
        slot.start(move |_| Ok(Device::open(&last)), |made| made, sender.clone());
        // Those given up on are not accepted, the last one is.
        loop {
            let (attempt, made) = reports.recv().await.expect("the last one reports");
            if slot.accept(attempt, made.expect("it opens")) {
                break;
            }
        }
        assert_eq!(n_open.load(Ordering::SeqCst), 1);
        slot.end();
        slot.ended().await;
        assert_eq!(n_open.load(Ordering::SeqCst), 0);
    }
}
