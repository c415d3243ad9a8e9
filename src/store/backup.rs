//! All of a data folder as one file, and back: `parlor backup FILE`, `parlor restore FILE`.
//!
//! The file is an SQLite database: the tables as they were at one moment (`VACUUM INTO`, which a running
//! box does not notice), and beside them the other files of the folder (keys, certificates) in a table of
//! their own. So it can be looked into with any SQLite, and is whole or not there.
//!
//! A restore writes each file under another name first and gives all of them their own at the end: what is
//! broken off before that has changed nothing. It needs the folder for itself.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{FILE, schema::SCHEMA_VERSION};

/// What a backup is known by (`PRAGMA application_id`): "prlr".
const APPLICATION_ID: i32 = 0x7072_6c72;

/// The folder's other files.
const TABLES: &str = "
CREATE TABLE backup_files (
    path     TEXT PRIMARY KEY,
    mode     INTEGER NOT NULL,
    contents BLOB NOT NULL
) STRICT;
";

/// How the name of a file ends that a restore has written and not given its own yet.
const PARTIAL: &str = "restored";

/// What is not backed up: the tables, which are copied as such, and what each start writes anew.
const LEFT_OUT: [&str; 7] =
    [FILE, "parlor.db-wal", "parlor.db-shm", "parlor.db-journal", "lock", "version", "version.new"];

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error("{path}: it cannot be {attempt}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// `read`, `written`.
        attempt: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The tables could not be read or written.
    #[error("{path}: {source}")]
    Tables {
        /// Of which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// It is something else.
    #[error("{path}: it is no backup of a parlor; name a file that `parlor backup` has written")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// This parlor does not understand it.
    #[error(
        "{path}: it was made by a newer parlor (tables {found}, this one knows up to \
         {SCHEMA_VERSION}); install that version first"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
}

impl BackupError {
    fn file(path: &Path, attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), attempt, source }
    }

    fn tables(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Tables { path: path.to_owned(), source }
    }
}

/// Writes all of a data folder to a file, which is replaced if it is there. The box may run.
///
/// # Errors
/// See [`BackupError`].
pub fn back_up(data_dir: &Path, file: &Path) -> Result<(), BackupError> {
    let partial = beside(file, "partial");
    let _ = fs::remove_file(&partial);
    // It holds keys: nobody else may read it, from its first byte on.
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(&partial);
    made.map_err(BackupError::file(&partial, "written"))?;
    let written = write_backup(data_dir, &partial);
    let finished = written
        .and_then(|()| fs::rename(&partial, file).map_err(BackupError::file(file, "written")));
    if finished.is_err() {
        let _ = fs::remove_file(&partial);
    }
    finished
}

fn write_backup(data_dir: &Path, partial: &Path) -> Result<(), BackupError> {
    let source = data_dir.join(FILE);
    if !source.is_file() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        return Err(BackupError::file(&source, "read")(missing));
    }
    let database = Connection::open(&source).map_err(BackupError::tables(&source))?;
    database.busy_timeout(super::database::BUSY_TIMEOUT).map_err(BackupError::tables(&source))?;
    let target = partial.to_string_lossy().into_owned();
    database.execute("VACUUM INTO ?1", [target]).map_err(BackupError::tables(&source))?;
    drop(database);
    let failed = BackupError::tables(partial);
    let backup = Connection::open(partial).map_err(&failed)?;
    backup.execute_batch(TABLES).map_err(&failed)?;
    for (path, relative) in files_of(data_dir, data_dir)? {
        let contents = fs::read(&path).map_err(BackupError::file(&path, "read"))?;
        let metadata = fs::metadata(&path).map_err(BackupError::file(&path, "read"))?;
        let mode = metadata.mode() & 0o777;
        let text = "INSERT INTO backup_files (path, mode, contents) VALUES (?1, ?2, ?3)";
        backup.execute(text, params![relative, mode, contents]).map_err(&failed)?;
    }
    backup.pragma_update(None, "application_id", APPLICATION_ID).map_err(&failed)?;
    backup.close().map_err(|(_, error)| failed(error))?;
    let synced = fs::File::open(partial).and_then(|file| file.sync_all());
    synced.map_err(BackupError::file(partial, "written"))
}

/// Files to be kept, and their path in the folder.
fn files_of(root: &Path, folder: &Path) -> Result<Vec<(PathBuf, String)>, BackupError> {
    let failed = || BackupError::file(folder, "read");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let path = entry.path();
        let kind = entry.file_type().map_err(failed())?;
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let is_partial = [PARTIAL, "partial"].iter().any(|end| relative.ends_with(end));
        if kind.is_dir() {
            files.extend(files_of(root, &path)?);
        } else if kind.is_file() && !is_partial && !LEFT_OUT.contains(&relative.as_str()) {
            files.push((path, relative));
        }
    }
    files.sort();
    Ok(files)
}

/// Puts a backup into a data folder, which nobody else uses meanwhile.
///
/// # Errors
/// See [`BackupError`].
pub fn restore(file: &Path, data_dir: &Path) -> Result<(), BackupError> {
    let files = read_backup(file)?;
    let mut renames = Vec::new();
    for Kept { path, mode, contents } in files {
        let target = data_dir.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(BackupError::file(folder, "written"))?;
        }
        let partial = beside(&target, PARTIAL);
        write_as(&partial, mode, &contents).map_err(BackupError::file(&partial, "written"))?;
        renames.push((partial, target));
    }
    let target = data_dir.join(FILE);
    let partial = beside(&target, PARTIAL);
    write_as(&partial, 0o600, &[]).map_err(BackupError::file(&partial, "written"))?;
    // Not `fs::copy`, which would take over the backup's mode.
    let copied = fs::read(file).and_then(|bytes| fs::write(&partial, bytes));
    copied.map_err(BackupError::file(&partial, "written"))?;
    let only_tables = || -> rusqlite::Result<()> {
        let database = Connection::open(&partial)?;
        database.execute_batch("DROP TABLE backup_files; VACUUM; PRAGMA application_id = 0;")?;
        database.close().map_err(|(_, error)| error)
    };
    only_tables().map_err(BackupError::tables(&partial))?;
    renames.push((partial, target.clone()));
    // What was written ahead belongs to the tables that go.
    for ending in ["-wal", "-shm", "-journal"] {
        let mut path = target.clone().into_os_string();
        path.push(ending);
        let _ = fs::remove_file(path);
    }
    for (partial, target) in renames {
        fs::rename(&partial, &target).map_err(BackupError::file(&target, "written"))?;
        follow_owner(&target, data_dir);
    }
    let synced = fs::File::open(data_dir).and_then(|folder| folder.sync_all());
    synced.map_err(BackupError::file(data_dir, "written"))
}

/// One file of a backup.
struct Kept {
    path: PathBuf,
    mode: u32,
    contents: Vec<u8>,
}

fn read_backup(file: &Path) -> Result<Vec<Kept>, BackupError> {
    fs::File::open(file).map_err(BackupError::file(file, "read"))?;
    let foreign = || BackupError::Foreign { path: file.to_owned() };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let backup = Connection::open_with_flags(file, flags).map_err(|_| foreign())?;
    let number = |name: &str| -> rusqlite::Result<i64> {
        backup.pragma_query_value(None, name, |row| row.get(0))
    };
    if number("application_id").map_err(|_| foreign())? != i64::from(APPLICATION_ID) {
        return Err(foreign());
    }
    let found = number("user_version").map_err(|_| foreign())?;
    if found > i64::from(SCHEMA_VERSION) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(BackupError::Newer { path: file.to_owned(), found });
    }
    let failed = BackupError::tables(file);
    let damage: Option<String> = backup
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .optional()
        .map_err(&failed)?;
    if damage.as_deref() != Some("ok") {
        return Err(foreign());
    }
    let mut statement =
        backup.prepare("SELECT path, mode, contents FROM backup_files").map_err(&failed)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, Vec<u8>>(2)?))
    });
    let mut files = Vec::new();
    for row in rows.map_err(&failed)? {
        let (path, mode, contents) = row.map_err(&failed)?;
        let path = PathBuf::from(path);
        // Whatever wrote it: nothing is put outside the folder.
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(foreign());
        }
        files.push(Kept { path, mode: mode & 0o777, contents });
    }
    Ok(files)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn write_as(path: &Path, mode: u32, contents: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(contents)?;
    file.sync_all()
}

/// Root restores for the service: files belong to whom the folder belongs.
fn follow_owner(path: &Path, data_dir: &Path) {
    let Ok(folder) = fs::metadata(data_dir) else { return };
    if fs::metadata(path).is_ok_and(|file| file.uid() != folder.uid()) {
        let _ = std::os::unix::fs::chown(path, Some(folder.uid()), Some(folder.gid()));
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::StoreHandle;

    fn folder() -> TempDir {
        tempfile::tempdir().expect("the folder for temporary files is writable")
    }

    async fn with_setting(data: &Path, value: &str) -> StoreHandle {
        let store = StoreHandle::open(data).expect("a store");
        let change = vec![("rooms.default".to_owned(), Some(value.to_owned()))];
        store.set_page_settings(change, "Ada".into(), 1).await.expect("written");
        store
    }

    /// Returns when the store has let go of its file.
    async fn closed(store: StoreHandle) {
        let mut health = store.health();
        drop(store);
        while health.changed().await.is_ok() {}
    }

    async fn setting(data: &Path) -> String {
        let store = StoreHandle::open(data).expect("a store");
        store.page_settings().await.expect("read").remove(0).value
    }

    #[tokio::test]
    async fn what_was_backed_up_while_the_box_ran_comes_back_as_it_was() {
        let (data, other, outside) = (folder(), folder(), folder());
        let store = with_setting(data.path(), "\"Kitchen\"").await;
        write_as(&data.path().join("token.key"), 0o600, b"secret").expect("written");
        write_as(&data.path().join("ca.crt"), 0o644, b"public").expect("written");
        fs::create_dir(data.path().join("files")).expect("made");
        write_as(&data.path().join("files/a"), 0o600, b"deep").expect("written");
        write_as(&data.path().join("lock"), 0o600, b"").expect("written");
        let file = outside.path().join("backup");
        fs::write(&file, "an older one").expect("written");
        back_up(data.path(), &file).expect("written");
        assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o600);
        closed(store).await;

        closed(with_setting(other.path(), "\"Attic\"").await).await;
        fs::write(other.path().join("token.key"), "another").expect("written");
        restore(&file, other.path()).expect("restored");
        assert_eq!(setting(other.path()).await, "\"Kitchen\"");
        for (name, mode, contents) in [
            ("token.key", 0o600, "secret"),
            ("ca.crt", 0o644, "public"),
            ("files/a", 0o600, "deep"),
        ] {
            let path = other.path().join(name);
            assert_eq!(fs::read_to_string(&path).expect("there"), contents);
            assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, mode, "{name}");
        }
        let names: Vec<_> = fs::read_dir(other.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect();
        assert!(!names.contains(&"lock".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.ends_with(PARTIAL)), "{names:?}");
    }

    #[tokio::test]
    async fn what_is_no_backup_or_a_newer_one_changes_nothing() {
        let (data, outside) = (folder(), folder());
        closed(with_setting(data.path(), "\"Kitchen\"").await).await;
        let file = outside.path().join("backup");
        back_up(data.path(), &file).expect("written");
        let change = |name: &str, text: &str| {
            let path = outside.path().join(name);
            fs::copy(&file, &path).expect("copied");
            let database = Connection::open(&path).expect("a database");
            database.execute_batch(text).expect("changed");
            path
        };
        let newer = change("newer", &format!("PRAGMA user_version = {}", SCHEMA_VERSION + 1));
        assert!(matches!(restore(&newer, data.path()), Err(BackupError::Newer { .. })));
        let evil = "INSERT INTO backup_files VALUES ('../evil', 384, x'00')";
        let broken = outside.path().join("broken");
        let mut bytes = fs::read(&file).expect("read");
        let middle = bytes.len() / 2;
        bytes.truncate(middle);
        fs::write(&broken, bytes).expect("written");
        let text = outside.path().join("text");
        fs::write(&text, "hello").expect("written");
        for foreign in [
            change("evil", evil),
            change("plain", "PRAGMA application_id = 0"),
            data.path().join(FILE),
            broken,
            text,
        ] {
            let refused = restore(&foreign, data.path()).expect_err("refused");
            let is_ours =
                matches!(refused, BackupError::Foreign { .. } | BackupError::Tables { .. });
            assert!(is_ours, "{}: {refused}", foreign.display());
        }
        let none = restore(&outside.path().join("none"), data.path());
        assert!(matches!(none, Err(BackupError::File { attempt: "read", .. })));
        assert!(!outside.path().join("evil/../../evil").exists());
        assert_eq!(setting(data.path()).await, "\"Kitchen\"");
        let empty = folder();
        let nothing = back_up(empty.path(), &outside.path().join("x"));
        assert!(matches!(nothing, Err(BackupError::File { attempt: "read", .. })));
        assert!(!outside.path().join("x").exists() && !outside.path().join("x.partial").exists());
    }
}
