//! Who is who, and who may do what: the only place that decides it.
//!
//! ```text
//!  request --address, cookie, bearer--> Access::who --> Visitor { Principal, Whence }
//!                                          |                 '-- may(Need) --> Ok, or a Refusal
//!     lan (where from) --------------------'                      with the sentence for the visitor
//!     store (sessions, invites) -----------'
//! ```
//!
//! One [`Visitor`] is made once, at the door, and carried by the page's session, WHIP, WHEP and the
//! API. Owns: the LAN rule (product contract, section 6), roles and what they may, invites, the
//! set-up code, passwords, cookies, how often somebody may guess. It does not know requests: `http`
//! hands it plain values. It keeps nothing but how often somebody guessed: people, invites and
//! sessions are the store's.
//!
//! PURE: `bearer`, `cookie`, `guesses`, `lan`, `need`, `principal`, `setup_code`. The rest: `door`
//! and `signing` (ask the store), `people`, `invites` and `standing` (likewise), `room_password`, `password` (takes its time by design).

mod bearer;
mod cookie;
mod door;
mod guesses;
mod invites;
mod lan;
mod need;
mod password;
mod people;
mod principal;
mod room_password;
mod setup_code;
mod signing;
mod standing;
#[cfg(test)]
mod tests;

pub use bearer::Keys;
pub use cookie::{LOCAL_COOKIE, SESSION_COOKIE, clear, cookies, set};
pub use door::{Access, Facts};
pub use invites::{InviteWanted, ShownInvite};
pub use lan::{Rules, Whence, whence};
pub use need::Need;
pub use people::ShownPerson;
pub use principal::{InviteRole, Principal, Visitor};
pub use setup_code::SetupCode;
pub use signing::NewSession;
pub use standing::{Credential, Standing};

use std::time::Duration;

use crate::store::StoreError;

/// Why somebody is not let in, or may not do this. Its text is for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `access.guests = "none"`.
    #[error("This box takes no guests (access.guests = \"none\"). Sign in, or ask for an invite.")]
    NoGuests,
    /// From outside the LAN; the sentence says why it is not the LAN.
    #[error("{0} Sign in, or ask whoever keeps this box for an invite.")]
    NotLan(String),
    /// Invited to another room.
    #[error("Your invite is for the room {0:?}, not for this one.")]
    OtherRoom(String),
    /// An account is needed.
    #[error("Sign in first: this is for people with an account on this box.")]
    SignInNeeded,
    /// The owner alone.
    #[error("This is for the owner of the box.")]
    OwnerOnly,
    /// Metrics.
    #[error(
        "Metrics are for the box itself and its owner: send the token of the local URL as a bearer \
         token, sign in as owner, or set access.loopback = \"guest\" where nothing forwards to \
         this machine."
    )]
    MachineOnly,
    /// Name or password, it is not said which.
    #[error("The name or the password is wrong.")]
    PasswordWrong,
    /// A room has a password, and none came.
    #[error(
        "This room has a password. Ask somebody who is in it for the password, or for an invite."
    )]
    RoomPasswordRequired,
    /// Not the room's.
    #[error("That is not the password of this room.")]
    RoomPasswordWrong,
    /// Not the set-up code.
    #[error(
        "The set-up code is wrong. The box prints it when it starts; `parlor owner reset` prints \
         a new one."
    )]
    SetupCodeWrong,
    /// There is an owner.
    #[error("This box has an owner already. `parlor owner reset` on the box makes a new code.")]
    AlreadySetUp,
    /// Not a token of this box.
    #[error("The invite was not made by this box, or a part of the link is missing.")]
    InviteForged,
    /// Voided.
    #[error("The invite has been withdrawn. Ask for a new one.")]
    InviteVoid,
    /// Not yet.
    #[error("The invite is not good yet. Come back in {0} minutes.")]
    InviteEarly(u64),
    /// Over.
    #[error("The invite has expired. Ask for a new one.")]
    InviteExpired,
    /// Used up.
    #[error("The invite has been used as often as it may be. Ask for a new one.")]
    InviteUsedUp,
    /// Not the token of the URL that this box printed.
    #[error("The local token is wrong. Open the URL that parlor printed when it started.")]
    LocalTokenWrong,
    /// A name that cannot be one, or a password that is none.
    #[error("{0}")]
    Unfit(String),
    /// Too many tries.
    #[error("Too many tries. Wait {} seconds.", .0.as_secs().max(1))]
    Guessing(Duration),
    /// There is no such person or invite.
    #[error("There is no such thing here.")]
    Unknown,
    /// The last owner cannot go.
    #[error("This is the only owner; make another one first.")]
    LastOwner,
    /// The store says no.
    #[error("The store {0}.")]
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken => Self::Unfit("Somebody of that name is there already.".into()),
            error => Self::Store(error),
        }
    }
}

/// What came of something that may be refused.
pub type Answer<T> = Result<T, Refusal>;
