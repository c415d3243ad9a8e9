//! What the owner's settings page has set: keys as in the file, values as JSON.

use rusqlite::params;

use super::{
    StoreError, StoreHandle, audit,
    people::{seconds, signed},
};

/// One key as the page has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSetting {
    /// With its section, as in the file: `network.announce`.
    pub key: String,
    /// JSON.
    pub value: String,
    /// Seconds since 1970.
    pub changed_at: u64,
    /// The owner's name.
    pub changed_by: String,
}

impl StoreHandle {
    /// Everything that the page has set, by key.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn page_settings(&self) -> Result<Vec<PageSetting>, StoreError> {
        self.read(|connection| {
            let text = "SELECT key, value, changed_at, changed_by FROM page_settings ORDER BY key";
            let mut statement = connection.prepare_cached(text)?;
            let all = statement.query_map([], |row| {
                Ok(PageSetting {
                    key: row.get(0)?,
                    value: row.get(1)?,
                    changed_at: seconds(row, 2)?,
                    changed_by: row.get(3)?,
                })
            })?;
            Ok(all.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Sets keys (`None`: as if the page had never set it), all of them or none, and notes who did.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_page_settings(
        &self,
        changes: Vec<(String, Option<String>)>,
        who: String,
        now: u64,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            for (key, value) in &changes {
                match value {
                    None => {
                        connection.execute("DELETE FROM page_settings WHERE key = ?1", [key])?;
                    }
                    Some(value) => {
                        connection.execute(
                            "INSERT INTO page_settings (key, value, changed_at, changed_by) \
                             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET \
                             value = excluded.value, changed_at = excluded.changed_at, \
                             changed_by = excluded.changed_by",
                            params![key, value, signed(now), who],
                        )?;
                    }
                }
                // The key alone: a value may be a secret.
                audit::note(connection, now, &who, "settings", key)?;
            }
            Ok(())
        })
        .await
    }
}
