//! What was said in rooms, as long as the settings say that it is kept.

use rusqlite::{Connection, OptionalExtension, Row, params};

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

/// Bytes of a line: text and name, and what the table has beside them.
const LINE_BYTES: &str = "octet_length(text) + octet_length(name) + 64";

/// Brings all rooms together below so many bytes, if the file is so large that they may have more.
fn thin_out(connection: &Connection, max_bytes: u64) -> Result<usize, StoreError> {
    let number = |name: &str| -> Result<u64, StoreError> {
        let number: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    // Looked at first, since to add all lines up takes a disk its time.
    let used = number("page_count")?.saturating_sub(number("freelist_count")?);
    if used.saturating_mul(number("page_size")?) <= max_bytes {
        return Ok(0);
    }
    let text = format!("SELECT room, sum({LINE_BYTES}) FROM chat GROUP BY room");
    let mut statement = connection.prepare(&text)?;
    let rooms = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
    })?;
    let rooms: Vec<(String, u64)> = rooms.collect::<Result<_, _>>()?;
    let share = fair_share(rooms.iter().map(|(_, n_bytes)| *n_bytes).collect(), max_bytes);
    let mut forget = connection.prepare(&format!(
        "DELETE FROM chat WHERE room = ?1 AND seq <= (SELECT max(seq) FROM (SELECT seq, \
         sum({LINE_BYTES}) OVER (ORDER BY seq DESC) AS so_far FROM chat WHERE room = ?1) \
         WHERE so_far > ?2)"
    ))?;
    let mut n_lines = 0;
    for (room, _) in rooms.into_iter().filter(|(_, n_bytes)| *n_bytes > share) {
        n_lines += forget.execute(params![room, i64::try_from(share).unwrap_or(i64::MAX)])?;
    }
    Ok(n_lines)
}

/// What each may have at most, so that all together have no more than `total`: whoever has less keeps all.
fn fair_share(mut sizes: Vec<u64>, total: u64) -> u64 {
    sizes.sort_unstable();
    let (mut left, mut n_left) = (total, sizes.len() as u64);
    for size in sizes {
        let share = left / n_left;
        if size > share {
            return share;
        }
        left -= size;
        n_left -= 1;
    }
    u64::MAX
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

    /// Forgets lines from before a time (milliseconds since 1970), of each room all but its last `lines`,
    /// and where all rooms together have more than `max_bytes` of lines, the oldest of those rooms that
    /// have most: nobody who talks much takes the lines of others.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trim_chat(
        &self,
        before_ms: u64,
        lines: u32,
        max_bytes: u64,
    ) -> Result<usize, StoreError> {
        self.write_soon(move |connection| {
            let aged =
                connection.execute("DELETE FROM chat WHERE at_ms < ?1", [signed(before_ms)])?;
            let surplus = connection.execute(
                "DELETE FROM chat WHERE (room, seq) IN (SELECT room, seq FROM (SELECT room, seq, \
                 row_number() OVER (PARTITION BY room ORDER BY seq DESC) AS place FROM chat) \
                 WHERE place > ?1)",
                [lines],
            )?;
            Ok(aged + surplus + thin_out(connection, max_bytes)?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_little_keeps_it() {
        let cases: [(&[u64], u64, u64); 6] = [
            (&[], 10, u64::MAX),
            (&[3, 4], 10, u64::MAX),
            (&[3, 7], 10, u64::MAX),
            (&[1, 100, 100], 21, 10),
            (&[100, 1, 9], 20, 10),
            (&[100], 0, 0),
        ];
        for (sizes, total, expected) in cases {
            let share = fair_share(sizes.to_vec(), total);
            assert_eq!(share, expected, "{sizes:?} {total}");
            let kept: u64 = sizes.iter().map(|size| size.min(&share)).sum();
            assert!(kept <= total);
        }
    }
}
