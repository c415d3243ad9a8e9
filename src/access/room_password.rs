//! A room's password: whoever knows it is a user of that room, and of no other.
//!
//! Guests are asked for it as well as strangers; whoever has an account, or an invite to that room, is
//! not. Guesses are counted as those at an account are, so that a crowd from elsewhere cannot try one
//! room's password together, and locks out nobody who is near.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{
    Access, Answer, Principal, Refusal, Visitor,
    door::hash_of,
    password::{MAX_BYTES, normalized},
};
use crate::{
    config::{Role, Secret},
    ids::RoomName,
};

/// Before a room's name in the table of accounts: no account's name has a control character.
const ROOM: char = '\0';

impl Principal {
    /// Whether it takes a password, where a room has one, to be let into it.
    pub fn is_asked_for_password(&self, room: &RoomName) -> bool {
        match self {
            Self::Stranger(_) | Self::Guest => true,
            Self::Invited { room: of, .. } => of != room,
            Self::Account { .. } => false,
        }
    }
}

impl Access {
    /// The role of somebody in a room whose password is this (`None`: it has none).
    ///
    /// # Errors
    /// They may not be in it: without a password, by a wrong one, or whatever they give.
    pub async fn role_in(
        &self,
        from: &Visitor,
        room: &RoomName,
        password: Option<&Secret>,
        given: Option<&str>,
    ) -> Answer<Role> {
        let Some(password) = password.filter(|_| from.principal.is_asked_for_password(room)) else {
            return from.principal.role_in(room);
        };
        let given = given.filter(|given| !given.is_empty()).ok_or(Refusal::RoomPasswordRequired)?;
        let account = format!("{ROOM}{}", room.folded());
        self.may_guess(from, Some(&account)).await?;
        if !self.is_room_password(password.reveal(), given, self.is_near(from)).await? {
            return Err(Refusal::RoomPasswordWrong);
        }
        self.was_right(from, Some(&account));
        Ok(Role::User)
    }

    /// A room's password as it is kept: an argon2id hash.
    ///
    /// # Errors
    /// Too many passwords are being hashed.
    pub async fn hash_room_password(&self, password: String) -> Answer<String> {
        self.hash(password, true).await
    }

    async fn is_room_password(&self, password: &str, given: &str, near: bool) -> Answer<bool> {
        if password.starts_with("$argon2id$") {
            return self.verify(given.to_owned(), Some(password.to_owned()), near).await;
        }
        if given.len() > MAX_BYTES {
            return Ok(false);
        }
        // Hashes are of one length, whatever was typed.
        let [password, given] = [password, given].map(|text| hash_of(&normalized(text)));
        Ok(verify_slices_are_equal(&password, &given).is_ok())
    }
}
