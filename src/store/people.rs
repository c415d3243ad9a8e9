//! Accounts, and the set-up code that makes the first.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, StoreHandle};
use crate::config::Role;

/// Accounts of one box. Nobody's household is larger, and a list of them stays one page.
const MAX_PEOPLE: u32 = 1000;

/// An account's number. It is never given anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(pub i64);

/// Somebody with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The number.
    pub id: PersonId,
    /// As it is shown.
    pub name: String,
    /// [`Role::User`] or [`Role::Owner`].
    pub role: Role,
    /// False while nobody can sign in as this one: after `parlor owner reset`.
    pub has_password: bool,
    /// Seconds since 1970.
    pub created_at: u64,
}

/// Somebody who is to have an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// As it is shown.
    pub name: String,
    /// As names are compared: two of one are the same.
    pub folded: String,
    /// [`Role::User`] or [`Role::Owner`].
    pub role: Role,
    /// A PHC string.
    pub password: String,
}

pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::User => "user",
        Role::Guest => "guest",
    }
}

pub(super) fn role_of(word: &str) -> Role {
    if word == "owner" { Role::Owner } else { Role::User }
}

pub(super) fn seconds(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0))
}

/// SQLite's integers are signed; no clock is that far.
pub(super) fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

const COLUMNS: &str = "id, name, role, password IS NOT NULL, created_at";

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        id: PersonId(row.get(0)?),
        name: row.get(1)?,
        role: role_of(&row.get::<_, String>(2)?),
        has_password: row.get(3)?,
        created_at: seconds(row, 4)?,
    })
}

fn insert(connection: &Connection, new: &NewPerson, now: u64) -> Result<Person, StoreError> {
    let n_people: u32 =
        connection.query_row("SELECT count(*) FROM people", [], |row| row.get(0))?;
    if n_people >= MAX_PEOPLE {
        return Err(StoreError::TooMany(MAX_PEOPLE));
    }
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO people (name, folded, role, password, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         RETURNING {COLUMNS}"
    ))?;
    let values = params![new.name, new.folded, role_word(new.role), new.password, signed(now)];
    Ok(statement.query_row(values, person)?)
}

fn owners_with_password(connection: &Connection) -> Result<u32, StoreError> {
    let text = "SELECT count(*) FROM people WHERE role = 'owner' AND password IS NOT NULL";
    Ok(connection.query_row(text, [], |row| row.get(0))?)
}

const SETUP_CODE: &str = "setup_code";

fn setup_code(connection: &Connection) -> Result<Option<String>, StoreError> {
    let text = "SELECT value FROM meta WHERE key = ?1";
    Ok(connection.query_row(text, [SETUP_CODE], |row| row.get(0)).optional()?)
}

fn put_setup_code(connection: &Connection, code: &str) -> Result<(), StoreError> {
    let text = "INSERT INTO meta (key, value) VALUES (?1, ?2) \
                ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.execute(text, [SETUP_CODE, code])?;
    Ok(())
}

impl StoreHandle {
    /// The code by which an owner can be made, while the box has none; `fresh` becomes it where
    /// there is no code yet. `None`: there is an owner.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn setup_code(&self, fresh: String) -> Result<Option<String>, StoreError> {
        let known = self
            .read(|connection| Ok((owners_with_password(connection)? > 0, setup_code(connection)?)))
            .await?;
        match known {
            (true, _) => Ok(None),
            (false, Some(code)) => Ok(Some(code)),
            (false, None) => {
                self.write(move |connection| {
                    if let Some(code) = setup_code(connection)? {
                        return Ok(Some(code));
                    }
                    put_setup_code(connection, &fresh)?;
                    Ok(Some(fresh))
                })
                .await
            }
        }
    }

    /// The first owner, and the code is used up. An owner whose password `owner reset` took gives
    /// way: the one of the same name gets this password, others without one are gone.
    ///
    /// `None`: there is an owner already, or the code has changed meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn make_owner(
        &self,
        code: String,
        new: NewPerson,
        now: u64,
    ) -> Result<Option<Person>, StoreError> {
        self.write(move |connection| {
            let still = setup_code(connection)?.is_some_and(|stored| stored == code);
            if owners_with_password(connection)? > 0 || !still {
                return Ok(None);
            }
            connection.execute(
                "DELETE FROM people WHERE role = 'owner' AND password IS NULL AND folded <> ?1",
                [&new.folded],
            )?;
            let mut take_over = connection.prepare(&format!(
                "UPDATE people SET name = ?1, role = 'owner', password = ?2 WHERE folded = ?3 \
                 AND role = 'owner' RETURNING {COLUMNS}"
            ))?;
            let values = params![new.name, new.password, new.folded];
            let owner = match take_over.query_row(values, person).optional()? {
                Some(owner) => owner,
                None => insert(connection, &new, now)?,
            };
            connection.execute("DELETE FROM meta WHERE key = ?1", [SETUP_CODE])?;
            Ok(Some(owner))
        })
        .await
    }

    /// Takes all owners' passwords and sessions, and puts this set-up code.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn reset_owner(&self, code: String) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection.execute(
                "DELETE FROM sessions WHERE person IN (SELECT id FROM people WHERE role = 'owner')",
                [],
            )?;
            connection.execute("UPDATE people SET password = NULL WHERE role = 'owner'", [])?;
            put_setup_code(connection, &code)
        })
        .await
    }

    /// A further account.
    ///
    /// # Errors
    /// [`StoreError::Taken`] and others.
    pub async fn add_person(&self, new: NewPerson, now: u64) -> Result<Person, StoreError> {
        self.write(move |connection| insert(connection, &new, now)).await
    }

    /// Everybody, in the order in which they came.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        self.read(|connection| {
            let text = format!("SELECT {COLUMNS} FROM people ORDER BY id");
            let mut statement = connection.prepare_cached(&text)?;
            let people = statement.query_map([], person)?;
            Ok(people.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Somebody by name, with the PHC string of the password.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn person_named(
        &self,
        folded: String,
    ) -> Result<Option<(Person, Option<String>)>, StoreError> {
        self.read(move |connection| {
            let text = format!("SELECT {COLUMNS}, password FROM people WHERE folded = ?1");
            let mut statement = connection.prepare_cached(&text)?;
            let found = statement.query_row([folded], |row| Ok((person(row)?, row.get(5)?)));
            Ok(found.optional()?)
        })
        .await
    }

    /// Another password; all sessions of this person end. False: there is no such person.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_password(&self, id: PersonId, password: String) -> Result<bool, StoreError> {
        self.write(move |connection| {
            connection.execute("DELETE FROM sessions WHERE person = ?1", [id.0])?;
            let text = "UPDATE people SET password = ?2 WHERE id = ?1";
            Ok(connection.execute(text, params![id.0, password])? > 0)
        })
        .await
    }

    /// Removes somebody, with sessions and invites; the last owner stays. `None`: there is no such
    /// person; false: it is the last owner.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn remove_person(&self, id: PersonId) -> Result<Option<bool>, StoreError> {
        self.write(move |connection| {
            let text = format!("SELECT {COLUMNS} FROM people WHERE id = ?1");
            let found = connection.query_row(&text, [id.0], person).optional()?;
            let Some(found) = found else { return Ok(None) };
            let owns = found.role == Role::Owner && found.has_password;
            if owns && owners_with_password(connection)? <= 1 {
                return Ok(Some(false));
            }
            connection.execute("DELETE FROM people WHERE id = ?1", [id.0])?;
            Ok(Some(true))
        })
        .await
    }
}
