//! Who changed what, and when. Holds no secrets; the newest [`KEPT`] entries are kept.

use rusqlite::{Connection, params};

use super::{
    StoreError, StoreHandle,
    people::{seconds, signed},
};

/// Entries that are kept.
const KEPT: i64 = 10_000;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Seconds since 1970.
    pub at: u64,
    /// Who did it: a name, or an address.
    pub who: String,
    /// A word: `settings`, `sign-in`, `invite` and so on.
    pub what: String,
    /// On what.
    pub detail: String,
}

pub(super) fn note(
    connection: &Connection,
    now: u64,
    who: &str,
    what: &str,
    detail: &str,
) -> Result<(), StoreError> {
    let text = "INSERT INTO audit (at, who, what, detail) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(text)?.execute(params![signed(now), who, what, detail])?;
    let oldest = connection.last_insert_rowid() - KEPT;
    connection.prepare_cached("DELETE FROM audit WHERE id <= ?1")?.execute([oldest])?;
    Ok(())
}

impl StoreHandle {
    /// Notes a change. On the disk within [`super::SYNC_WITHIN`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note(
        &self,
        now: u64,
        who: String,
        what: &'static str,
        detail: String,
    ) -> Result<(), StoreError> {
        self.write_soon(move |connection| note(connection, now, &who, what, &detail)).await
    }

    /// The newest entries, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(move |connection| {
            let text = "SELECT at, who, what, detail FROM audit ORDER BY id DESC LIMIT ?1";
            let mut statement = connection.prepare_cached(text)?;
            let all = statement.query_map([limit], |row| {
                Ok(AuditEntry {
                    at: seconds(row, 0)?,
                    who: row.get(1)?,
                    what: row.get(2)?,
                    detail: row.get(3)?,
                })
            })?;
            Ok(all.collect::<Result<_, _>>()?)
        })
        .await
    }
}
