//! Sessions: what a browser's cookie stands for.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Invite, InviteId, Person, PersonId, Spent, StoreError, StoreHandle,
    invites::{find, spend},
    people::{role_of, seconds, signed},
};

/// Sessions of one account; the oldest ends when another begins.
const MAX_OF_PERSON: i64 = 50;

/// Sessions of one invite, likewise: a link that went round must not fill the disk.
const MAX_OF_INVITE: i64 = 500;

/// SHA-256 of the token that the browser holds.
pub type TokenHash = [u8; 32];

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// Somebody with an account.
    Person(Person),
    /// Somebody who came by an invite.
    Invited(Invite),
}

/// A session that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub bearer: Bearer,
    /// Seconds since 1970; no longer good at this second.
    pub expires_at: u64,
}

/// All but the newest of somebody's sessions end.
fn trim(connection: &Connection, column: &str, id: i64, keep: i64) -> Result<(), StoreError> {
    let text = format!(
        "DELETE FROM sessions WHERE {column} = ?1 AND token NOT IN (SELECT token FROM sessions \
         WHERE {column} = ?1 ORDER BY created_at DESC, token LIMIT ?2)"
    );
    connection.execute(&text, [id, keep])?;
    Ok(())
}

fn sweep(connection: &Connection, now: u64) -> Result<(), StoreError> {
    connection.execute("DELETE FROM sessions WHERE expires_at <= ?1", [signed(now)])?;
    Ok(())
}

impl StoreHandle {
    /// Begins a session of an account.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin_session(
        &self,
        token: TokenHash,
        person: PersonId,
        now: u64,
        expires_at: u64,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            sweep(connection, now)?;
            trim(connection, "person", person.0, MAX_OF_PERSON - 1)?;
            connection.execute(
                "INSERT INTO sessions (token, person, created_at, expires_at) \
                 VALUES (?1, ?2, ?3, ?4)",
                params![token, person.0, signed(now), signed(expires_at)],
            )?;
            Ok(())
        })
        .await
    }

    /// Uses an invite once and begins a session by it, in one step: `least` seconds long, or as long
    /// as the invite is good where that is longer.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin_invited(
        &self,
        token: TokenHash,
        id: InviteId,
        now: u64,
        least: u64,
    ) -> Result<(Spent, u64), StoreError> {
        self.write(move |connection| {
            let spent = spend(connection, id, now)?;
            let Spent::Good(invite) = &spent else { return Ok((spent, 0)) };
            let expires_at = invite.expires_at.max(now.saturating_add(least));
            sweep(connection, now)?;
            trim(connection, "invite", i64::from_be_bytes(id.to_bytes()), MAX_OF_INVITE - 1)?;
            connection.execute(
                "INSERT INTO sessions (token, invite, created_at, expires_at) \
                 VALUES (?1, ?2, ?3, ?4)",
                params![token, i64::from_be_bytes(id.to_bytes()), signed(now), signed(expires_at)],
            )?;
            Ok((spent, expires_at))
        })
        .await
    }

    /// The session of a token, if it is in force.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn session(&self, token: TokenHash, now: u64) -> Result<Option<Session>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT s.expires_at, s.invite, p.id, p.name, p.role, p.password IS NOT NULL, \
                 p.created_at FROM sessions s LEFT JOIN people p ON p.id = s.person \
                 WHERE s.token = ?1 AND s.expires_at > ?2",
            )?;
            let found = statement.query_row(params![token, signed(now)], |row| {
                let invite: Option<i64> = row.get(1)?;
                let person = match row.get::<_, Option<i64>>(2)? {
                    None => None,
                    Some(id) => Some(Person {
                        id: PersonId(id),
                        name: row.get(3)?,
                        role: role_of(&row.get::<_, String>(4)?),
                        has_password: row.get(5)?,
                        created_at: seconds(row, 6)?,
                    }),
                };
                Ok((seconds(row, 0)?, invite, person))
            });
            let Some((expires_at, invite, person)) = found.optional()? else { return Ok(None) };
            let bearer = match (person, invite) {
                (Some(person), _) => Some(Bearer::Person(person)),
                (None, Some(id)) => {
                    find(connection, InviteId::from_bytes(id.to_be_bytes()))?.map(Bearer::Invited)
                }
                (None, None) => None,
            };
            Ok(bearer.map(|bearer| Session { bearer, expires_at }))
        })
        .await
    }

    /// Ends a session. False: there was none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn end_session(&self, token: TokenHash) -> Result<bool, StoreError> {
        self.write(move |connection| {
            Ok(connection.execute("DELETE FROM sessions WHERE token = ?1", [token])? > 0)
        })
        .await
    }

    /// Ends all sessions of an account, and says how many there were.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn end_sessions_of(&self, person: PersonId) -> Result<usize, StoreError> {
        self.write(move |connection| {
            Ok(connection.execute("DELETE FROM sessions WHERE person = ?1", [person.0])?)
        })
        .await
    }
}
