//! Small secret files, written so that a power cut leaves the old one or the new one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use super::TrustError;

/// Only the service itself may read it.
pub(super) const SECRET: u32 = 0o600;
/// Anybody may.
pub(super) const PUBLIC: u32 = 0o644;

/// Reads a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, TrustError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TrustError::File { path: path.to_owned(), source }),
    }
}

/// Writes a whole file under another name, then gives it its own: it is never half there.
pub(super) fn write(path: &Path, mode: u32, contents: &[u8]) -> Result<(), TrustError> {
    try_write(path, mode, contents)
        .map_err(|source| TrustError::File { path: path.to_owned(), source })
}

fn try_write(path: &Path, mode: u32, contents: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&partial)?;
    // Left over from an interrupted write, it may have another mode.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_us_alone_even_after_an_interrupted_write() {
        let folder = crate::trust::tests::folder();
        let path = folder.path().join("secret.key");
        assert!(read(&path).expect("readable").is_none());
        fs::write(path.with_extension("partial"), "half").expect("writable");
        write(&path, SECRET, b"whole").expect("writable");
        assert_eq!(read(&path).expect("readable").as_deref(), Some(&b"whole"[..]));
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write(&folder.path().join("none/secret.key"), SECRET, b"").is_err());
    }
}
