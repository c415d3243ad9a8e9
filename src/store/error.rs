//! Why the store says no.

use std::{fmt, io};

use rusqlite::ErrorCode as Sqlite;

/// Why nothing was read or written. What it was about has not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full.
    Full,
    /// The file or its disk is read-only.
    ReadOnly,
    /// The file is damaged, or is no database.
    Corrupt(String),
    /// The disk does not do what it is told.
    Failing(String),
    /// Somebody else holds the file, or too much is waiting already.
    Busy,
    /// There is one of that name already.
    Taken,
    /// There are as many as may be.
    TooMany(u32),
    /// The service is stopping.
    Stopping,
    /// A fault of ours.
    Internal(String),
}

impl StoreError {
    /// True if the store itself is in trouble, and not the request.
    pub fn is_trouble(&self) -> bool {
        matches!(
            self,
            Self::Full | Self::ReadOnly | Self::Corrupt(_) | Self::Failing(_) | Self::Busy
        )
    }
}

impl fmt::Display for StoreError {
    /// A predicate: "the store FILE ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("cannot be written: the disk is full; make room on it"),
            Self::ReadOnly => {
                f.write_str("cannot be written: it is read-only; mount its disk read-write")
            }
            Self::Corrupt(fault) => write!(
                f,
                "is damaged ({fault}) and is left as it is; stop parlor and put a backup in its \
                 place, or move it away to begin without accounts"
            ),
            Self::Failing(fault) => write!(f, "cannot be used: {fault}"),
            Self::Busy => f.write_str("has too much to do just now; try again"),
            Self::Taken => f.write_str("has one of that name already"),
            Self::TooMany(limit) => write!(f, "keeps {limit} of these and no more"),
            Self::Stopping => f.write_str("is closed: the box is stopping"),
            Self::Internal(fault) => write!(f, "was asked wrongly: {fault}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, _) = &error else {
            return Self::Internal(error.to_string());
        };
        let text = error.to_string();
        match failure.code {
            Sqlite::DiskFull => Self::Full,
            Sqlite::ReadOnly => Self::ReadOnly,
            Sqlite::DatabaseCorrupt | Sqlite::NotADatabase => Self::Corrupt(text),
            Sqlite::DatabaseBusy | Sqlite::DatabaseLocked => Self::Busy,
            Sqlite::SystemIoFailure
            | Sqlite::CannotOpen
            | Sqlite::PermissionDenied
            | Sqlite::FileLockingProtocolFailed
            | Sqlite::OutOfMemory
            | Sqlite::NoLargeFileSupport => Self::Failing(text),
            Sqlite::ConstraintViolation
                if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE =>
            {
                Self::Taken
            }
            _ => Self::Internal(text),
        }
    }
}

/// Why there is no store at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Exit code 65.
    #[error(
        "it was written by a newer parlor (tables of version {found}, this one knows up to {known})"
    )]
    Newer {
        /// What the file says.
        found: u32,
        /// The newest this parlor knows.
        known: u32,
    },
    /// The file cannot be used now; the service runs without it.
    #[error("{0}")]
    Unusable(StoreError),
    /// The system gives no thread.
    #[error("the store's thread cannot be started: {0}")]
    Thread(io::Error),
}

impl<E: Into<StoreError>> From<E> for OpenError {
    fn from(error: E) -> Self {
        Self::Unusable(error.into())
    }
}
