//! The data folder: made, tried and claimed for this version before anything starts.
//!
//! Owns the folder itself (mode 0700) and the files `version` and `lock` in it. What else lies there belongs to
//! whoever put it there; this module neither reads nor migrates it.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The layout of the data folder that this parlor writes. A parlor that understands less must not
/// touch it. 1 had no tables; since then it is the version of the tables (`store`) and one.
pub const DATA_VERSION: u32 = 3;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Exit code 73.
    #[error(
        "data folder {path}: it cannot be {attempt}: {source}; name a folder that parlor may write \
         with --data or storage.data_dir"
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// `made`, `written`, `read`, `used`.
        attempt: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Exit code 73.
    #[error(
        "data folder {path}: another parlor uses it; stop that one first, or name another folder \
             with --data"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Exit code 65.
    #[error(
        "data folder {path}: it was written by a newer parlor (layout {found:?}, this one knows up \
         to {DATA_VERSION}); install that version again, or name another folder with --data"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// What its `version` says.
        found: String,
    },
}

/// Makes the folder where it is missing (0700), tries to write in it, and marks it with
/// [`DATA_VERSION`]. Repeating it changes nothing.
///
/// # Errors
/// See [`DataFolderError`].
pub fn prepare(path: &Path) -> Result<(), DataFolderError> {
    let failed = |attempt: &'static str| {
        let path = path.to_owned();
        move |source| DataFolderError::NotWritable { path, attempt, source }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("made"))?;
    let version_file = path.join("version");
    match fs::read_to_string(&version_file) {
        Ok(text) => {
            let found = text.trim();
            // What is no number was not written by a parlor as old as this one either.
            if !found.parse::<u32>().is_ok_and(|version| version <= DATA_VERSION) {
                let (path, found) = (path.to_owned(), found.chars().take(40).collect());
                return Err(DataFolderError::Newer { path, found });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read")(error)),
    }
    // Written anew each time: that is the trial. Renamed into place: a power cut leaves the old one.
    let trial = path.join("version.new");
    write_private(&trial, &format!("{DATA_VERSION}\n")).map_err(failed("written"))?;
    fs::rename(&trial, &version_file).map_err(failed("written"))
}

/// Holds the folder for this process alone, until what comes back is dropped or the process ends, however
/// it ends. `parlor owner reset` and `parlor backup` do not ask.
///
/// # Errors
/// Another process has it, or the file cannot be made.
pub fn hold(path: &Path) -> Result<fs::File, DataFolderError> {
    let failed = |source| {
        let path = path.to_owned();
        DataFolderError::NotWritable { path, attempt: "written", source }
    };
    let mut options = fs::OpenOptions::new();
    let opened =
        options.write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
    let file = opened.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(DataFolderError::InUse { path: path.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
