//! What outlives a restart: people, invites, sessions, the page's settings, the audit log, chat.
//!
//! One SQLite file, `parlor.db` in the data folder (mode 0600), and one thread that reads and writes
//! it. Whoever wants something sends a job and awaits its answer; nobody else opens the file while
//! the service runs but `parlor owner reset` and `parlor backup`, which SQLite's own locks allow.
//!
//! ```text
//!  StoreHandle --job--> [bounded mailbox] --> thread: BEGIN, work, COMMIT --oneshot--> answer
//!                                              '--> watch<Health> --> /readyz, the log
//! ```
//!
//! Durability: the log is written ahead (WAL), so `kill -9` loses nothing that was answered. What
//! people do by hand is on the disk before it is answered; what comes in a stream (chat, the audit
//! log of the machine itself) is on it within [`SYNC_WITHIN`].
//!
//! A store that cannot write (full disk, read-only, a corrupt file) says so in its [`Health`] and in
//! each answer, and is tried again every [`RETRY`]; rooms go on without it. A corrupt file is left as
//! it is: silently beginning anew would make a box without an owner.
//!
//! It decides nothing about people or rights: `access` does. RFC 3339 and time zones are for whoever
//! shows what is in here; times are whole seconds since 1970.

mod audit;
mod backup;
mod cameras;
mod chat;
mod database;
mod error;
mod invites;
mod people;
mod schema;
mod sessions;
mod settings;
#[cfg(test)]
mod tests;
mod thread;

use std::{path::Path, sync::mpsc, time::Duration};

use tokio::sync::{oneshot, watch};

pub use audit::AuditEntry;
pub use backup::{BackupError, back_up, restore};
pub use cameras::ClosedCamera;
pub use chat::{ChatChange, ChatLine};
pub use error::{OpenError, StoreError};
pub use invites::{Invite, InviteId, NewInvite, Spent};
pub use people::{NewPerson, Person, PersonId};
pub use schema::SCHEMA_VERSION;
pub use sessions::{Bearer, Session, TokenHash};
pub use settings::PageSetting;

use database::Database;
use thread::{Job, Work};

/// The file's name in the data folder.
pub const FILE: &str = "parlor.db";

/// What is not awaited by anybody is on the disk within this time.
pub const SYNC_WITHIN: Duration = Duration::from_secs(1);

/// A store that cannot write is tried again this often.
pub const RETRY: Duration = Duration::from_secs(10);

/// Whoever asks whether the store can be written gets what was seen at most this long ago. A write for
/// trial wakes a disk and wears a memory card a little, so it is not made more often.
const TRIED_WITHIN: Duration = Duration::from_secs(30);

/// Jobs that wait for the thread. A disk that takes a second for each would hold as many requests.
const MAILBOX_LEN: usize = 256;

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It reads and writes.
    Well,
    /// It does not; a sentence for the operator, without secrets.
    Failing(String),
}

/// Asks the store. Cheap to clone; the thread ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct StoreHandle {
    jobs: mpsc::SyncSender<Job>,
    health: watch::Receiver<Health>,
}

impl StoreHandle {
    /// Opens the file in a data folder (made at the first start) and starts the thread.
    ///
    /// A file that cannot be used is no error: the handle is there, and says why in its health.
    ///
    /// # Errors
    /// The file was written by a newer parlor, or the system gives no thread.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let path = data_dir.join(FILE);
        let opened = match Database::open(&path) {
            Err(OpenError::Unusable(fault)) => Err(fault),
            Err(fatal) => return Err(fatal),
            Ok(database) => Ok(database),
        };
        let (jobs, mailbox) = mpsc::sync_channel(MAILBOX_LEN);
        let first = opened.as_ref().err().map_or(Health::Well, |fault| failing(&path, fault));
        let (teller, health) = watch::channel(first);
        thread::start(path, opened, mailbox, teller).map_err(OpenError::Thread)?;
        Ok(Self { jobs, health })
    }

    /// How the store is, now and from now on.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Whether it can be written: tried, where nobody has written for a while.
    ///
    /// # Errors
    /// The thread has too much to do, or has ended.
    pub async fn try_write(&self) -> Result<Health, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::trial(reply))?;
        answer.await.map_err(|_| StoreError::Stopping)?;
        Ok(self.health.borrow().clone())
    }

    /// SQLite refuses all writes from now on, as on a disk that is read-only; or takes them again.
    #[cfg(test)]
    pub(crate) async fn refuse_writes(&self, refuse: bool) {
        let refused =
            self.read(move |file| Ok(file.pragma_update(None, "query_only", refuse)?)).await;
        refused.expect("SQLite knows this");
    }

    /// Work that changes nothing.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(Work::Read, work).await
    }

    /// Work in one transaction that is on the disk when this returns.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(Work::WriteNow, work).await
    }

    /// Work in one transaction that is on the disk within [`SYNC_WITHIN`].
    async fn write_soon<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(Work::WriteSoon, work).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        kind: Work,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::new(kind, work, reply))?;
        answer.await.map_err(|_| StoreError::Stopping)?
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        // overflow: DROPS the job, and the caller is told that the store is busy: a disk that hangs
        // must not hold requests in memory without end.
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => StoreError::Busy,
            mpsc::TrySendError::Disconnected(_) => StoreError::Stopping,
        })
    }
}

fn failing(path: &Path, fault: &StoreError) -> Health {
    Health::Failing(format!("the store {} {fault}", path.display()))
}
