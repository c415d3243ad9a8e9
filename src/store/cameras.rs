//! Which cameras their owner has closed: they stay closed over a restart and a power cut.

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{StoreError, StoreHandle, audit};

/// Before the camera's id, in the table `meta`.
const KEY: &str = "camera-closed:";

/// A camera that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedCamera {
    /// Its id.
    pub id: String,
    /// Who closed it.
    pub who: String,
    /// When, in seconds since 1970.
    pub since: u64,
}

#[derive(Serialize, Deserialize)]
struct Closed {
    who: String,
    since: u64,
}

impl StoreHandle {
    /// All that are closed, by id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn closed_cameras(&self) -> Result<Vec<ClosedCamera>, StoreError> {
        self.read(|connection| {
            let text = "SELECT key, value FROM meta WHERE key GLOB ?1 ORDER BY key";
            let mut statement = connection.prepare_cached(text)?;
            let all = statement.query_map([format!("{KEY}*")], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            let mut closed = Vec::new();
            for camera in all {
                let (key, value) = camera?;
                let id = key[KEY.len()..].to_owned();
                // What cannot be read was written by nobody but us: closed is the safe side.
                let unread = || Closed { who: "owner".into(), since: 0 };
                let Closed { who, since } =
                    serde_json::from_str(&value).unwrap_or_else(|_| unread());
                closed.push(ClosedCamera { id, who, since });
            }
            Ok(closed)
        })
        .await
    }

    /// Closes a camera or opens it, and notes who did. On the disk when this returns.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn close_camera(
        &self,
        id: String,
        is_closed: bool,
        who: String,
        now: u64,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            let key = format!("{KEY}{id}");
            if is_closed {
                let closed = Closed { who: who.clone(), since: now };
                let value = serde_json::to_string(&closed).unwrap_or_default();
                connection.execute(
                    "INSERT INTO meta (key, value) VALUES (?1, ?2) \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    params![key, value],
                )?;
            } else {
                connection.execute("DELETE FROM meta WHERE key = ?1", [key])?;
            }
            let what = if is_closed { "closed" } else { "opened" };
            audit::note(connection, now, &who, "camera", &format!("{id} {what}"))
        })
        .await
    }
}
