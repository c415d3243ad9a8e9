//! The file: opened, checked, brought to the newest tables.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};

use super::{
    error::{OpenError, StoreError},
    schema::{SCHEMA_VERSION, STEPS},
};

/// How long another process (`parlor owner reset`) may hold the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of 4 KiB after which the write-ahead log goes into the file.
const CHECKPOINT_PAGES: u32 = 256;

/// The open file.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
}

impl Database {
    /// Opens the file, making it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        make_private(path).map_err(|error| {
            OpenError::Unusable(match error.raw_os_error() {
                Some(libc::ENOSPC | libc::EDQUOT) => StoreError::Full,
                Some(libc::EROFS) => StoreError::ReadOnly,
                _ => StoreError::Failing(error.to_string()),
            })
        })?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // A file that is no database says so at the first look.
        let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > SCHEMA_VERSION {
            return Err(OpenError::Newer { found, known: SCHEMA_VERSION });
        }
        check(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        // What is deleted (a code, a hash) is not to be found in free pages.
        connection.pragma_update(None, "secure_delete", "ON")?;
        migrate(&mut connection)?;
        follow_owner(path);
        Ok(Self { connection })
    }

    /// One transaction. It is on the disk when this returns, or (`soon`) after the next that is.
    pub(super) fn transaction<T>(
        &mut self,
        soon: bool,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let level = if soon { "NORMAL" } else { "FULL" };
        self.connection.pragma_update(None, "synchronous", level)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Brings to the disk what earlier transactions wrote. Also the trial whether writing works.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.transaction(false, |connection| {
            connection.execute(
                "INSERT INTO meta (key, value) VALUES ('synced', '1') \
                 ON CONFLICT (key) DO UPDATE SET value = value + 1",
                [],
            )?;
            Ok(())
        })
    }
}

/// Damage is found now and not in the middle of a meeting.
fn check(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Corrupt(verdict)) }
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have been faster.
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in STEPS.iter().skip(found as usize) {
        transaction.execute_batch(step)?;
    }
    if found < SCHEMA_VERSION {
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// SQLite gives its files the umask's mode; its companions get that of the file.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    match options.open(path) {
        // A read-only file can be read still.
        Err(_) if path.is_file() => Ok(()),
        opened => opened.map(drop),
    }
}

/// Whoever runs `parlor owner reset` as root leaves files that the service can use: they belong to
/// the folder's owner. Without the right to do so nothing happens.
fn follow_owner(path: &Path) {
    let Some(folder) = path.parent().and_then(|folder| fs::metadata(folder).ok()) else { return };
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        let differs = fs::metadata(&file).is_ok_and(|file| file.uid() != folder.uid());
        if differs {
            let _ = std::os::unix::fs::chown(&file, Some(folder.uid()), Some(folder.gid()));
        }
    }
}
