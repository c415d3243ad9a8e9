//! PURE. Who somebody is to the box.

use super::{Credential, Need, Refusal, Whence};
use crate::{
    config::Role,
    ids::RoomName,
    store::{InviteId, PersonId},
};

/// What an invite makes of whoever comes by it, in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InviteRole {
    /// As somebody from the LAN.
    Guest,
    /// As somebody with an account.
    User,
    /// That, and may mute, remove and lock.
    Moderator,
}

impl InviteRole {
    /// The word for it, in the API and in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "user",
            Self::Moderator => "moderator",
        }
    }

    /// The role of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Guest, Self::User, Self::Moderator].into_iter().find(|role| role.word() == word)
    }
}

/// Who somebody is. Made once for a request, and then carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody that is known, and why not a guest.
    Stranger(Refusal),
    /// Whoever comes from the LAN.
    Guest,
    /// Whoever came by an invite.
    Invited {
        /// Which one.
        invite: InviteId,
        /// To this room.
        room: RoomName,
        /// As this.
        role: InviteRole,
        /// What the invite calls them.
        name: Option<String>,
        /// Why not a guest in other rooms; `None`: a guest there.
        elsewhere: Option<Refusal>,
    },
    /// Whoever has signed in.
    Account {
        /// Who.
        person: PersonId,
        /// By what name.
        name: String,
        /// [`Role::User`] or [`Role::Owner`].
        role: Role,
    },
}

impl Principal {
    /// The role in a room.
    ///
    /// # Errors
    /// They may not be in it.
    pub fn role_in(&self, room: &RoomName) -> Result<Role, Refusal> {
        match self {
            Self::Stranger(why) => Err(why.clone()),
            Self::Guest => Ok(Role::Guest),
            Self::Account { role, .. } => Ok(*role),
            Self::Invited { room: of, role, .. } if of == room => Ok(match role {
                InviteRole::Guest => Role::Guest,
                InviteRole::User | InviteRole::Moderator => Role::User,
            }),
            Self::Invited { elsewhere: None, .. } => Ok(Role::Guest),
            Self::Invited { room, .. } => Err(Refusal::OtherRoom(room.as_str().to_owned())),
        }
    }

    /// Whether they may mute, remove and lock in a room.
    pub fn moderates(&self, room: &RoomName) -> bool {
        match self {
            Self::Account { role, .. } => *role == Role::Owner,
            Self::Invited { room: of, role, .. } => of == room && *role == InviteRole::Moderator,
            Self::Guest | Self::Stranger(_) => false,
        }
    }

    /// Whether they may do what needs this. See [`Need`].
    ///
    /// # Errors
    /// The sentence for whoever asked.
    pub fn may(&self, need: &Need<'_>) -> Result<(), Refusal> {
        let owns = matches!(self, Self::Account { role: Role::Owner, .. });
        match need {
            Need::Nothing => Ok(()),
            Need::Seat => match self {
                Self::Stranger(why) => Err(why.clone()),
                _ => Ok(()),
            },
            Need::House => match self {
                Self::Stranger(why) => Err(why.clone()),
                Self::Invited { elsewhere: Some(_), room, .. } => {
                    Err(Refusal::OtherRoom(room.as_str().to_owned()))
                }
                _ => Ok(()),
            },
            Need::Room(room) => self.role_in(room).map(drop),
            Need::Account if matches!(self, Self::Account { .. }) => Ok(()),
            Need::Account => Err(Refusal::SignInNeeded),
            Need::Owner if owns => Ok(()),
            Need::Owner if matches!(self, Self::Account { .. }) => Err(Refusal::OwnerOnly),
            Need::Owner => Err(Refusal::SignInNeeded),
            Need::Metrics if owns => Ok(()),
            Need::Metrics => Err(Refusal::MachineOnly),
        }
    }

    /// What they are called where that is known.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Account { name, .. } => Some(name),
            Self::Invited { name, .. } => name.as_deref(),
            Self::Guest | Self::Stranger(_) => None,
        }
    }

    /// One word for the API: `stranger`, `guest`, `invited`, `user`, `owner`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stranger(_) => "stranger",
            Self::Guest => "guest",
            Self::Invited { .. } => "invited",
            Self::Account { role: Role::Owner, .. } => "owner",
            Self::Account { .. } => "user",
        }
    }
}

/// Who a request is from, and where from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Who.
    pub principal: Principal,
    /// Where from.
    pub whence: Whence,
    /// The box itself: on it and with its token, or where `access.loopback` says so.
    pub is_machine: bool,
    /// An invite that came as a bearer token with this request: beginning something uses it once.
    pub by_bearer: bool,
    /// What lets them in, where it is not where they come from.
    pub by: Option<Credential>,
}

impl Visitor {
    /// Whether they may do what needs this.
    ///
    /// # Errors
    /// The sentence for whoever asked.
    pub fn may(&self, need: &Need<'_>) -> Result<(), Refusal> {
        if *need == Need::Metrics && self.is_machine {
            return Ok(());
        }
        self.principal.may(need)
    }

    /// For the audit log: a name, else an address.
    pub fn who(&self) -> String {
        match self.principal.name() {
            Some(name) => name.to_owned(),
            None => self.whence.ip().to_string(),
        }
    }
}
