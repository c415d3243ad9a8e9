//! What was said in rooms, as long as the settings say that it is kept.

use rusqlite::{Row, params};

use super::{
    PersonId, StoreError, StoreHandle,
    people::{seconds, signed},
};

/// A line that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChatLine {
    /// The room's name after case folding.
    pub room: String,
    /// Seconds since 1970.
    pub at: u64,
    /// What the author was called.
    pub author: String,
    /// The author's account, where there is one.
    pub person: Option<PersonId>,
    /// What was said.
    pub text: String,
}

/// A line that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// Grows with time, over all rooms.
    pub id: i64,
    /// Seconds since 1970.
    pub at: u64,
    /// What the author was called.
    pub author: String,
    /// The author's account, where there is one.
    pub person: Option<PersonId>,
    /// What was said.
    pub text: String,
}

fn line(row: &Row<'_>) -> rusqlite::Result<ChatLine> {
    Ok(ChatLine {
        id: row.get(0)?,
        at: seconds(row, 1)?,
        author: row.get(2)?,
        person: row.get::<_, Option<i64>>(3)?.map(PersonId),
        text: row.get(4)?,
    })
}

impl StoreHandle {
    /// Keeps lines, in their order, and says their ids. On the disk within [`super::SYNC_WITHIN`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn add_chat(&self, lines: Vec<NewChatLine>) -> Result<Vec<i64>, StoreError> {
        self.write_soon(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO chat (room, at, author, person, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            let mut ids = Vec::with_capacity(lines.len());
            for line in &lines {
                let person = line.person.map(|person| person.0);
                ids.push(statement.insert(params![
                    line.room,
                    signed(line.at),
                    line.author,
                    person,
                    line.text
                ])?);
            }
            Ok(ids)
        })
        .await
    }

    /// A room's last lines before one (`None`: the very last), the oldest of them first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn chat(
        &self,
        room: String,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChatLine>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, at, author, person, text FROM chat WHERE room = ?1 AND id < ?2 \
                 ORDER BY id DESC LIMIT ?3",
            )?;
            let before = before.unwrap_or(i64::MAX);
            let mut lines = statement
                .query_map(params![room, before, limit], line)?
                .collect::<Result<Vec<_>, _>>()?;
            lines.reverse();
            Ok(lines)
        })
        .await
    }

    /// Deletes a line of a room. False: there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_chat(&self, room: String, id: i64) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let text = "DELETE FROM chat WHERE id = ?1 AND room = ?2";
            Ok(connection.execute(text, params![id, room])? > 0)
        })
        .await
    }

    /// Forgets lines from before a time, and of each room all but its last `lines`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trim_chat(&self, before: u64, lines: u32) -> Result<usize, StoreError> {
        self.write_soon(move |connection| {
            let aged = connection.execute("DELETE FROM chat WHERE at < ?1", [signed(before)])?;
            let surplus = connection.execute(
                "DELETE FROM chat WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER \
                 (PARTITION BY room ORDER BY id DESC) AS place FROM chat) WHERE place > ?1)",
                [lines],
            )?;
            Ok(aged + surplus)
        })
        .await
    }
}
