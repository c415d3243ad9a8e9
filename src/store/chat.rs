//! What was said in rooms, as long as the settings say that it is kept.

use rusqlite::{OptionalExtension, Row, params};

use super::{StoreError, StoreHandle};

/// A line of a room's chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// Growing by one in a room.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The author's id in the room then.
    pub member: u64,
    /// What the author was called.
    pub name: String,
    /// What tells the author's browser again; `None` where that is not known.
    pub author: Option<[u8; 16]>,
    /// What was said.
    pub text: String,
}

/// A change of what is kept of a room's chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatChange {
    /// Somebody said something.
    Said(ChatLine),
    /// A line was taken back.
    TakenBack(u64),
}

/// SQLite has signed numbers only; the bits are what counts.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn line(row: &Row<'_>) -> rusqlite::Result<ChatLine> {
    let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
    Ok(ChatLine {
        seq: number(0)?,
        at_ms: number(1)?,
        member: number(2)?,
        name: row.get(3)?,
        // A hash of another length is none of ours.
        author: row.get::<_, Option<Vec<u8>>>(4)?.and_then(|hash| hash.try_into().ok()),
        text: row.get(5)?,
    })
}

impl StoreHandle {
    /// Makes changes, each in its room (the name after case folding), in their order. On the disk within
    /// [`super::SYNC_WITHIN`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn change_chat(&self, changes: Vec<(String, ChatChange)>) -> Result<(), StoreError> {
        self.write_soon(move |connection| {
            let mut say = connection.prepare_cached(
                "INSERT OR REPLACE INTO chat (room, seq, at_ms, member, name, author, text) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            let mut take_back =
                connection.prepare_cached("DELETE FROM chat WHERE room = ?1 AND seq = ?2")?;
            for (room, change) in &changes {
                match change {
                    ChatChange::Said(line) => say.execute(params![
                        room,
                        signed(line.seq),
                        signed(line.at_ms),
                        signed(line.member),
                        line.name,
                        line.author,
                        line.text
                    ])?,
                    ChatChange::TakenBack(seq) => take_back.execute(params![room, signed(*seq)])?,
                };
            }
            Ok(())
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
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ChatLine>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, at_ms, member, name, author, text FROM chat \
                 WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
            )?;
            let before = before.map_or(i64::MAX, signed);
            let mut lines = statement
                .query_map(params![room, before, limit], line)?
                .collect::<Result<Vec<_>, _>>()?;
            lines.reverse();
            Ok(lines)
        })
        .await
    }

    /// A line of a room, if it is kept.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn chat_line(&self, room: String, seq: u64) -> Result<Option<ChatLine>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, at_ms, member, name, author, text FROM chat \
                 WHERE room = ?1 AND seq = ?2",
            )?;
            Ok(statement.query_row(params![room, signed(seq)], line).optional()?)
        })
        .await
    }

    /// Forgets lines from before a time (milliseconds since 1970), and of each room all but its last
    /// `lines`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trim_chat(&self, before_ms: u64, lines: u32) -> Result<usize, StoreError> {
        self.write_soon(move |connection| {
            let aged =
                connection.execute("DELETE FROM chat WHERE at_ms < ?1", [signed(before_ms)])?;
            let surplus = connection.execute(
                "DELETE FROM chat WHERE (room, seq) IN (SELECT room, seq FROM (SELECT room, seq, \
                 row_number() OVER (PARTITION BY room ORDER BY seq DESC) AS place FROM chat) \
                 WHERE place > ?1)",
                [lines],
            )?;
            Ok(aged + surplus)
        })
        .await
    }
}
