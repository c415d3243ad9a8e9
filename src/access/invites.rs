//! Invites as people make them.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Access, Answer, InviteRole, Principal, Refusal, Visitor, people};
use crate::{
    ids::RoomName,
    store::{Invite, InviteId, NewInvite, PersonId},
};

const DAY_S: u64 = 24 * 60 * 60;

/// A minute to a year.
const LIFE_S: RangeInclusive<u64> = 60..=365 * DAY_S;

/// How often one invite may be used at most, where that is limited.
const USES: RangeInclusive<u32> = 1..=100_000;

/// An invite as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InviteWanted {
    /// The room.
    pub room: String,
    /// `guest`, `user` (the default) or `moderator`.
    #[serde(default = "user")]
    pub role: String,
    /// How long it is good, in seconds from its start; a day by default.
    #[serde(default = "a_day")]
    pub expires_in_s: u64,
    /// From when on, in seconds from now.
    #[serde(default)]
    pub starts_in_s: u64,
    /// How often; without limit by default.
    #[serde(default)]
    pub uses: Option<u32>,
    /// What whoever comes by it is called at first.
    #[serde(default)]
    pub name: Option<String>,
}

fn user() -> String {
    InviteRole::User.word().to_owned()
}

fn a_day() -> u64 {
    DAY_S
}

/// An invite as the API shows it; never with its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownInvite {
    /// Its id.
    pub id: String,
    /// The room.
    pub room: String,
    /// `guest`, `user` or `moderator`.
    pub role: String,
    /// What whoever comes by it is called at first.
    pub name: Option<String>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970.
    pub starts_at: u64,
    /// Seconds since 1970.
    pub expires_at: u64,
    /// `null` is no limit.
    pub uses_left: Option<u32>,
}

impl From<Invite> for ShownInvite {
    fn from(invite: Invite) -> Self {
        Self {
            id: invite.id.to_string(),
            room: invite.room,
            role: invite.role,
            name: invite.name,
            created_at: invite.created_at,
            starts_at: invite.starts_at,
            expires_at: invite.expires_at,
            uses_left: invite.uses_left,
        }
    }
}

/// What was asked for, if it can be had.
fn checked(wanted: InviteWanted, id: InviteId, by: PersonId, now: u64) -> Answer<NewInvite> {
    let unfit = |text: String| Err(Refusal::Unfit(text));
    let room = RoomName::parse(&wanted.room)
        .map_err(|fault| Refusal::Unfit(format!("The room name cannot be used: {fault}.")))?;
    let Some(role) = InviteRole::parse(&wanted.role) else {
        return unfit(format!(
            "The role {:.40?} is none of an invite; write \"guest\", \"user\" or \"moderator\".",
            wanted.role
        ));
    };
    if !LIFE_S.contains(&wanted.expires_in_s) {
        return unfit("expires_in_s must be from 60 (a minute) to 31536000 (a year).".into());
    }
    if wanted.starts_in_s > *LIFE_S.end() {
        return unfit("starts_in_s must be at most 31536000 (a year).".into());
    }
    if wanted.uses.is_some_and(|uses| !USES.contains(&uses)) {
        return unfit("uses must be from 1 to 100000, or left out.".into());
    }
    let name = wanted.name.map(|name| people::check_name(&name)).transpose()?;
    let starts_at = now + wanted.starts_in_s;
    Ok(NewInvite {
        id,
        room: room.as_str().to_owned(),
        role: role.word().to_owned(),
        name,
        created_by: by,
        starts_at,
        expires_at: starts_at + wanted.expires_in_s,
        uses: wanted.uses,
    })
}

impl Access {
    /// Makes an invite; the second is its token, which is shown this once.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn invite(
        &self,
        by: &Visitor,
        wanted: InviteWanted,
    ) -> Answer<(ShownInvite, String)> {
        let Principal::Account { person, .. } = &by.principal else {
            return Err(Refusal::SignInNeeded);
        };
        let now = self.now();
        let id = InviteId::new(u64::from_ne_bytes(super::door::random()));
        let new = checked(wanted, id, *person, now)?;
        let invite = self.store().add_invite(new, now).await?;
        self.note(by, "invite made", &format!("{} for {}", invite.id, invite.room)).await;
        Ok((invite.into(), self.keys().invite(id)))
    }

    /// All invites.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn invites(&self) -> Answer<Vec<ShownInvite>> {
        Ok(self.store().invites().await?.into_iter().map(ShownInvite::from).collect())
    }

    /// Voids an invite; whoever came by it is a stranger again.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn void_invite(&self, by: &Visitor, id: &str) -> Answer<()> {
        let id: InviteId = id.parse().map_err(|()| Refusal::Unknown)?;
        if !self.store().void_invite(id).await? {
            return Err(Refusal::Unknown);
        }
        self.has_ended();
        self.note(by, "invite voided", &id.to_string()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_is_what_was_asked_for_or_it_is_said_what_would_be_right() {
        let made = |json: &str| {
            let wanted = serde_json::from_str(json).map_err(|error| error.to_string())?;
            checked(wanted, InviteId::new(2), PersonId(1), 1000).map_err(|fault| fault.to_string())
        };
        let least = made(r#"{"room":" Kitchen "}"#).expect("fit");
        assert_eq!((least.room.as_str(), least.role.as_str()), ("Kitchen", "user"));
        assert_eq!((least.starts_at, least.expires_at, least.uses), (1000, 1000 + DAY_S, None));
        let full = r#"{"room":"a","role":"moderator","expires_in_s":60,"starts_in_s":5,"uses":1,
                       "name":"Bob"}"#;
        let full = made(full).expect("fit");
        assert_eq!((full.starts_at, full.expires_at, full.uses), (1005, 1065, Some(1)));
        for (json, word) in [
            (r#"{"room":"a/b"}"#, "room name"),
            (r#"{"room":"a","role":"owner"}"#, "\"moderator\""),
            (r#"{"room":"a","expires_in_s":59}"#, "from 60"),
            (r#"{"room":"a","expires_in_s":18446744073709551615}"#, "from 60"),
            (r#"{"room":"a","starts_in_s":18446744073709551615}"#, "starts_in_s"),
            (r#"{"room":"a","uses":0}"#, "from 1"),
            (r#"{"room":"a","name":""}"#, "name"),
            (r#"{"room":"a","expires":1}"#, "unknown field"),
        ] {
            let fault = made(json).expect_err("unfit");
            assert!(fault.contains(word), "{json}: {fault}");
        }
    }
}
