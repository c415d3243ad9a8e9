//! What happens before anything runs: the configuration is read, the data folder
//! made and claimed, the limit of open files raised.
//!
//! Owns the only looks at files, environment and working folder that a configuration needs; what is
//! written there is understood by `config`, which is pure.

pub mod data_folder;
pub mod descriptors;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::config::{Faults, Files, Loaded, Sources};

/// Reads file and environment of this process.
///
/// # Errors
/// All that is wrong, in the order of sections.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    load_with(sources, std::env::vars_os())
}

/// [`load`] in another environment: for tests.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    sources: &Sources,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Faults> {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let data = sources.data.as_ref().map(absolute);
    let web_dir = sources.web_dir.as_ref().map(absolute);
    Sources { data, web_dir, ..sources.clone() }.understand(environment, &Disk)
}

/// The disk of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
    fn exists(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }
    fn can_be_read(&self, path: &Path) -> io::Result<()> {
        if fs::File::open(path)?.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(())
    }
    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }
}
