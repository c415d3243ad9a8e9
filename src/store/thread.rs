//! The one thread that has the file open.

use std::{
    io,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::Instant,
};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use super::{
    Health, RETRY, SYNC_WITHIN, TRIED_WITHIN, database::Database, error::OpenError,
    error::StoreError, failing,
};

/// What a job does to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Nothing.
    Read,
    /// Changes that are on the disk before they are answered.
    WriteNow,
    /// Changes that are on the disk soon.
    WriteSoon,
}

/// All that can happen to the thread: work to do, with its answer.
pub(super) struct Job(Box<dyn FnOnce(&mut Keeper) + Send>);

impl Job {
    pub(super) fn new<T: Send + 'static>(
        kind: Work,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        reply: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        Self(Box::new(move |keeper| {
            let result = keeper.perform(kind, work);
            // overflow: none, because it is a oneshot; whoever no longer waits has what was done.
            let _ = reply.send(result);
        }))
    }
}

impl Job {
    /// Writes, if that was not done lately; what comes of it is in the health.
    pub(super) fn trial(reply: oneshot::Sender<()>) -> Self {
        Self(Box::new(move |keeper| {
            if keeper.is_trial_due() {
                keeper.sync();
            }
            // overflow: none, because it is a oneshot; whoever no longer waits asks again.
            let _ = reply.send(());
        }))
    }
}

/// Starts it. It ends when nobody can send jobs any more.
pub(super) fn start(
    path: PathBuf,
    opened: Result<Database, StoreError>,
    mailbox: Receiver<Job>,
    health: watch::Sender<Health>,
) -> io::Result<()> {
    let now = Instant::now();
    let mut keeper = Keeper {
        path,
        database: opened,
        health,
        tried_at: now,
        written_at: None,
        unsynced_since: None,
    };
    keeper.report_start();
    thread::Builder::new().name("store".into()).spawn(move || keeper.run(&mailbox)).map(drop)
}

/// The file and how it is.
pub(super) struct Keeper {
    path: PathBuf,
    database: Result<Database, StoreError>,
    health: watch::Sender<Health>,
    /// When writing was last tried, while it fails.
    tried_at: Instant,
    /// When writing last went well.
    written_at: Option<Instant>,
    /// Since when something waits to be brought to the disk.
    unsynced_since: Option<Instant>,
}

impl Keeper {
    fn run(&mut self, mailbox: &Receiver<Job>) {
        loop {
            let due = self.due();
            let received = match due {
                Some(due) => mailbox.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => mailbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(Job(work)) => work(self),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.due().is_some_and(|due| due <= Instant::now()) {
                self.sync();
            }
        }
        if self.unsynced_since.is_some() {
            self.sync();
        }
    }

    fn is_failing(&self) -> bool {
        *self.health.borrow() != Health::Well
    }

    /// While it fails it is tried anyway.
    fn is_trial_due(&self) -> bool {
        !self.is_failing() && self.written_at.is_none_or(|at| at.elapsed() >= TRIED_WITHIN)
    }

    fn due(&self) -> Option<Instant> {
        if self.is_failing() {
            return Some(self.tried_at + RETRY);
        }
        self.unsynced_since.map(|since| since + SYNC_WITHIN)
    }

    /// Brings everything to the disk, or tries whether a failing store works again.
    fn sync(&mut self) {
        self.tried_at = Instant::now();
        self.unsynced_since = None;
        if self.database.is_err() {
            self.database = match Database::open(&self.path) {
                Ok(database) => Ok(database),
                Err(OpenError::Unusable(fault)) => Err(fault),
                Err(other) => Err(StoreError::Failing(other.to_string())),
            };
        }
        let result = match &mut self.database {
            Ok(database) => database.sync(),
            Err(fault) => Err(fault.clone()),
        };
        // Whoever else has the file lets go of it soon, or is in the way.
        let result = result.map_err(|fault| match fault {
            StoreError::Busy => StoreError::Failing("another program has it locked".into()),
            fault => fault,
        });
        if result.is_ok() {
            self.written_at = Some(Instant::now());
        }
        self.judge(&result);
    }

    fn perform<T>(
        &mut self,
        kind: Work,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let database = match &mut self.database {
            Ok(database) => database,
            Err(fault) => return Err(fault.clone()),
        };
        if kind == Work::Read {
            let result = work(&database.connection);
            // That reading works says nothing of writing.
            if result.is_err() {
                self.judge(&result);
            }
            return result;
        }
        let result = database.transaction(kind == Work::WriteSoon, work);
        if result.is_ok() {
            self.written_at = Some(Instant::now());
            self.unsynced_since = match kind {
                Work::WriteSoon => self.unsynced_since.or_else(|| Some(Instant::now())),
                // Its sync has taken along what was before it.
                _ => None,
            };
        }
        self.judge(&result);
        result
    }

    fn judge<T>(&mut self, result: &Result<T, StoreError>) {
        let health = match result {
            Err(StoreError::Busy) => return,
            Err(fault) if fault.is_trouble() => failing(&self.path, fault),
            Err(_) => return,
            Ok(_) => Health::Well,
        };
        let path = &self.path;
        self.health.send_if_modified(|before| {
            if *before == health {
                return false;
            }
            match &health {
                Health::Failing(fault) => error!(
                    "{fault}; rooms go on, accounts and settings cannot be changed until it works"
                ),
                Health::Well => info!(path = %path.display(), "the store can be written again"),
            }
            *before = health;
            true
        });
    }

    fn report_start(&self) {
        if let Health::Failing(fault) = &*self.health.borrow() {
            error!("{fault}; rooms go on, nobody can sign in until it works");
        }
    }
}
