//! Invites: a room, a role, from when until when, how often.

use std::{fmt, str::FromStr};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    PersonId, StoreError, StoreHandle,
    people::{seconds, signed},
};

/// Invites that are kept; those that are over go first.
const MAX_INVITES: u32 = 1000;

/// 63 random bits, written as 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InviteId(i64);

impl InviteId {
    /// From random bits; the sign goes, as SQLite's numbers have one.
    pub fn new(bits: u64) -> Self {
        Self((bits >> 1).cast_signed())
    }

    /// The eight bytes that a token carries.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// From a token's bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(i64::from_be_bytes(bytes))
    }
}

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for InviteId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let bits = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().ok_or(())?;
        i64::try_from(bits).map(Self).map_err(|_| ())
    }
}

/// An invite as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    /// Its id.
    pub id: InviteId,
    /// The room's name.
    pub room: String,
    /// `guest`, `user` or `moderator`.
    pub role: String,
    /// What whoever comes by it is called at first.
    pub name: Option<String>,
    /// Who made it.
    pub created_by: PersonId,
    /// Seconds since 1970.
    pub starts_at: u64,
    /// Seconds since 1970; no longer good at this second.
    pub expires_at: u64,
    /// How often it can be used; `None` is no limit.
    pub uses: Option<u32>,
}

/// An invite as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// The room's name.
    pub room: String,
    /// `guest`, `user` or `moderator`.
    pub role: String,
    /// What whoever comes by it is called at first.
    pub name: Option<String>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970.
    pub starts_at: u64,
    /// Seconds since 1970; no longer good at this second.
    pub expires_at: u64,
    /// How often it can still be used; `None` is no limit.
    pub uses_left: Option<u32>,
}

/// What came of using an invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spent {
    /// It was good, and has one use less.
    Good(Invite),
    /// There is none (any more): it was voided.
    Void,
    /// It is not good yet.
    NotYet(Invite),
    /// It is no longer good.
    Expired,
    /// It has been used as often as it may.
    UsedUp,
}

const COLUMNS: &str = "id, room, role, name, created_at, starts_at, expires_at, uses_left";

fn invite(row: &Row<'_>) -> rusqlite::Result<Invite> {
    Ok(Invite {
        id: InviteId(row.get(0)?),
        room: row.get(1)?,
        role: row.get(2)?,
        name: row.get(3)?,
        created_at: seconds(row, 4)?,
        starts_at: seconds(row, 5)?,
        expires_at: seconds(row, 6)?,
        uses_left: row.get(7)?,
    })
}

pub(super) fn find(connection: &Connection, id: InviteId) -> Result<Option<Invite>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM invites WHERE id = ?1");
    let mut statement = connection.prepare_cached(&text)?;
    Ok(statement.query_row([id.0], invite).optional()?)
}

/// Whether it is good at this time, its uses aside.
fn judge(found: Option<Invite>, now: u64) -> Spent {
    match found {
        None => Spent::Void,
        Some(invite) if now >= invite.expires_at => Spent::Expired,
        Some(invite) if now < invite.starts_at => Spent::NotYet(invite),
        Some(invite) => Spent::Good(invite),
    }
}

impl StoreHandle {
    /// Keeps an invite. Expired ones of more than a week ago are forgotten.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn add_invite(&self, new: NewInvite, now: u64) -> Result<Invite, StoreError> {
        const WEEK: u64 = 7 * 24 * 60 * 60;
        self.write(move |connection| {
            let long_ago = signed(now.saturating_sub(WEEK));
            connection.execute("DELETE FROM invites WHERE expires_at < ?1", [long_ago])?;
            let n_invites: u32 =
                connection.query_row("SELECT count(*) FROM invites", [], |row| row.get(0))?;
            if n_invites >= MAX_INVITES {
                return Err(StoreError::TooMany(MAX_INVITES));
            }
            let mut statement = connection.prepare_cached(&format!(
                "INSERT INTO invites (id, room, role, name, created_by, created_at, starts_at, \
                 expires_at, uses_left) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                 RETURNING {COLUMNS}"
            ))?;
            let values = params![
                new.id.0,
                new.room,
                new.role,
                new.name,
                new.created_by.0,
                signed(now),
                signed(new.starts_at),
                signed(new.expires_at),
                new.uses,
            ];
            Ok(statement.query_row(values, invite)?)
        })
        .await
    }

    /// All that are kept, the newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn invites(&self) -> Result<Vec<Invite>, StoreError> {
        self.read(|connection| {
            let text = format!("SELECT {COLUMNS} FROM invites ORDER BY created_at DESC, id");
            let mut statement = connection.prepare_cached(&text)?;
            let invites = statement.query_map([], invite)?;
            Ok(invites.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Whether an invite is good, without using it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn look_at_invite(&self, id: InviteId, now: u64) -> Result<Spent, StoreError> {
        self.read(move |connection| {
            let verdict = judge(find(connection, id)?, now);
            Ok(match verdict {
                Spent::Good(Invite { uses_left: Some(0), .. }) => Spent::UsedUp,
                verdict => verdict,
            })
        })
        .await
    }

    /// Uses an invite once, if it is good.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn spend_invite(&self, id: InviteId, now: u64) -> Result<Spent, StoreError> {
        self.write(move |connection| spend(connection, id, now)).await
    }

    /// Voids an invite; whoever came in by it has no session any more. False: there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn void_invite(&self, id: InviteId) -> Result<bool, StoreError> {
        self.write(move |connection| {
            Ok(connection.execute("DELETE FROM invites WHERE id = ?1", [id.0])? > 0)
        })
        .await
    }
}

pub(super) fn spend(connection: &Connection, id: InviteId, now: u64) -> Result<Spent, StoreError> {
    match judge(find(connection, id)?, now) {
        Spent::Good(Invite { uses_left: Some(0), .. }) => Ok(Spent::UsedUp),
        Spent::Good(invite) => {
            let text = "UPDATE invites SET uses_left = uses_left - 1 WHERE id = ?1";
            connection.execute(text, [id.0])?;
            let uses_left = invite.uses_left.map(|uses| uses - 1);
            Ok(Spent::Good(Invite { uses_left, ..invite }))
        }
        verdict => Ok(verdict),
    }
}
