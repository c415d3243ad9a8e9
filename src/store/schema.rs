//! The tables, as the steps by which they came about. A step that was released never changes.
//!
//! `PRAGMA user_version` is the number of steps that a file has taken. The data folder's `version`
//! (`boot::data_folder`) is that number and one: the layout before there was a store is 1. A parlor
//! that knows less of either refuses the folder.

/// Each step brings a file from the version of its index to the next.
pub(super) const STEPS: [&str; 2] = [FIRST, CHAT_OF_ROOMS];

/// How many steps this parlor knows.
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// `folded` columns are names after case folding: by them they are compared. `token` of a session is
/// a SHA-256 of what the browser holds. `password` is a PHC string (argon2id), or NULL where nobody
/// can sign in by one. Roles are words, so that the file can be read by people.
const FIRST: &str = "
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    folded     TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL CHECK (role IN ('user', 'owner')),
    password   TEXT,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE invites (
    id         INTEGER PRIMARY KEY,
    room       TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('guest', 'user', 'moderator')),
    name       TEXT,
    created_by INTEGER REFERENCES people (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    starts_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER CHECK (uses_left >= 0)
) STRICT;

CREATE TABLE sessions (
    token      BLOB PRIMARY KEY CHECK (length(token) = 32),
    person     INTEGER REFERENCES people (id) ON DELETE CASCADE,
    invite     INTEGER REFERENCES invites (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CHECK ((person IS NULL) <> (invite IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_person ON sessions (person, created_at);
CREATE INDEX sessions_of_invite ON sessions (invite, created_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE page_settings (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    who    TEXT NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE chat (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    room   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    author TEXT NOT NULL,
    person INTEGER REFERENCES people (id) ON DELETE SET NULL,
    text   TEXT NOT NULL
) STRICT;
CREATE INDEX chat_of_room ON chat (room, id);
CREATE INDEX chat_by_age ON chat (at);
";

/// Chat as rooms number it. No parlor ever wrote a line into the table before. `member` is the author's
/// id in the room then, `author` what tells its browser again (a hash), NULL where that is not known.
const CHAT_OF_ROOMS: &str = "
DROP TABLE chat;
CREATE TABLE chat (
    room   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    at_ms  INTEGER NOT NULL,
    member INTEGER NOT NULL,
    name   TEXT NOT NULL,
    author BLOB,
    text   TEXT NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX chat_by_age ON chat (at_ms);
";
