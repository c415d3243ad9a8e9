//! PURE. What a route needs of whoever asks for it.
//!
//! | need | stranger | guest | invited | user | owner |
//! |---|---|---|---|---|---|
//! | `Nothing` | yes | yes | yes | yes | yes |
//! | `Seat`: a place in some room | | yes | yes | yes | yes |
//! | `Room`: a place in this room | | yes | in theirs | yes | yes |
//! | `House`: what tells of all rooms | | yes | | yes | yes |
//! | `Account` | | | | yes | yes |
//! | `Owner` | | | | | yes |
//! | `Metrics` | | | | | yes, and the box itself |
//!
//! Whoever is invited and comes from the LAN is a guest in all other rooms.

use crate::ids::RoomName;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// Open to all: the page's files, `/signin`, `/trust`, an invite's room page.
    Nothing,
    /// A place in some room.
    Seat,
    /// A place in this room.
    Room(&'a RoomName),
    /// All rooms: lists, cameras, addresses.
    House,
    /// An account.
    Account,
    /// The owner.
    Owner,
    /// The owner, or the box itself.
    Metrics,
}
