//! What goes into a room and what comes out of it.

use std::{sync::Arc, time::Instant};

use super::{Author, Kept, ViewerNews};
use crate::{
    ids::{AccountId, Device, Label, MemberId, Nickname},
    protocol::{ClientMessage, MediaFault, MemberKind, Outgoing, Rank, RoomRules},
    seams::{
        Source,
        media::{Desired, Observed, Speaking},
    },
};

/// A moment, by both clocks that a room needs.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For deadlines.
    pub instant: Instant,
    /// Milliseconds since 1970 (UTC), for chat.
    pub unix_ms: u64,
}

/// Which sitting of which member: an input of an older epoch is from a socket that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatId {
    /// Who.
    pub member: MemberId,
    /// No other sitting in this room has it, whoever's it is.
    pub epoch: u32,
}

/// A seat that somebody had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// Who.
    pub member: MemberId,
    /// Which sitting; only the last one of a place is good for anything.
    pub epoch: u32,
    /// The seat is of this run of the box, so that its place is here or over.
    pub this_run: bool,
}

/// Somebody wants to sit down.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// A fresh id, used unless the place of `resume` is still there.
    pub fresh: MemberId,
    /// The seat to be taken again, as a token proves it.
    pub resume: Option<Return>,
    /// By which a browser is known that has lost its token.
    pub device: Option<Device>,
    /// By which its lines of chat are known as its own later.
    pub author: Option<Author>,
    /// Whose account it comes by.
    pub account: Option<AccountId>,
    /// Where it comes from; `None` is this process itself, which is always let in.
    pub source: Option<Source>,
    /// As asked for.
    pub name: Nickname,
    /// Who stands behind it.
    pub kind: MemberKind,
    /// What it may do.
    pub rank: Rank,
    /// The microphone is on.
    pub mic: bool,
    /// The camera is on.
    pub cam: bool,
    /// Whether it receives what others publish.
    pub receives: bool,
    /// Whether silence makes it lost.
    pub watched: bool,
    /// Its media path is all there is of it: it goes when that ends.
    pub by_path: bool,
    /// By which id it is known outside, as a camera is.
    pub label: Option<Label>,
    /// The request that `joined` answers.
    pub re: Option<u32>,
}

/// Why a member gives no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A sentence.
    pub reason: String,
    /// The same for programs.
    pub fault: MediaFault,
    /// Somebody wants it so: nothing is lost.
    pub by_choice: bool,
}

/// What can happen to a room.
#[derive(Debug, Clone)]
pub enum Input {
    /// A member asks for something.
    Request {
        /// Who.
        seat: SeatId,
        /// The request's id.
        id: u32,
        /// What.
        message: ClientMessage,
    },
    /// A member's owner tells why there is no picture, or that there is one again.
    Fault {
        /// Who.
        seat: SeatId,
        /// Why.
        trouble: Option<Trouble>,
    },
    /// A member's socket is gone, or its outbox overflowed (`slow`).
    SocketLost {
        /// Who.
        seat: SeatId,
        /// It could not keep up.
        slow: bool,
    },
    /// A member's owner ends its stay.
    Leave {
        /// Who.
        seat: SeatId,
    },
    /// The media plane has something new about a member.
    Observed {
        /// Who.
        member: MemberId,
        /// The whole newest state.
        observed: Observed,
    },
    /// Who speaks now, by the media plane's ear.
    Speaking(Speaking),
    /// A viewer brings its next offer, which restarts ICE.
    ViewerOffer {
        /// Who.
        viewer: MemberId,
        /// The offer.
        offer: Arc<str>,
    },
    /// A viewer's owner is gone.
    ViewerGone {
        /// Who.
        viewer: MemberId,
    },
    /// Other rules are configured. Whoever is here stays.
    Rules(RoomRules),
    /// Older lines, as [`Action::Older`] asked for them.
    Older {
        /// For whom.
        seat: SeatId,
        /// The request's id.
        id: u32,
        /// Oldest first.
        lines: Vec<Kept>,
        /// There are still older ones.
        more: bool,
    },
    /// The line that [`Action::Recall`] asked for.
    Recalled {
        /// For whom.
        seat: SeatId,
        /// The request's id.
        id: u32,
        /// Which.
        seq: u64,
        /// Nothing: it is not kept.
        found: Option<Kept>,
    },
    /// The rooms' chat is too large in all: forget the oldest lines of this one.
    TrimChat {
        /// What may stay.
        max_bytes: usize,
    },
    /// [`super::Room::next_deadline`] has come.
    Tick,
    /// The box stops.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write to a member's outbox.
    Send {
        /// Whose.
        seat: SeatId,
        /// What.
        message: Outgoing,
    },
    /// Hand the media plane a member's desired state.
    Desire {
        /// Whose.
        member: MemberId,
        /// The whole newest state.
        want: Desired,
    },
    /// The member has no media any more.
    Remove {
        /// Whose.
        member: MemberId,
    },
    /// Keep a line of chat for good.
    Keep(Kept),
    /// A line was taken back: keep it no longer.
    TakenBack {
        /// Which.
        seq: u64,
    },
    /// Older lines are wanted: hand them in by [`Input::Older`].
    Older {
        /// By whom.
        seat: SeatId,
        /// The request's id.
        id: u32,
        /// Before which line.
        before: u64,
    },
    /// A line is wanted that may be kept: hand it in by [`Input::Recalled`].
    Recall {
        /// By whom.
        seat: SeatId,
        /// The request's id.
        id: u32,
        /// Which.
        seq: u64,
    },
    /// Tell a viewer's owner.
    Tell {
        /// Whose.
        viewer: MemberId,
        /// What.
        news: ViewerNews,
    },
    /// Forget the seat's outbox; its socket is closed by that.
    Close {
        /// Whose.
        seat: SeatId,
    },
}

/// Why nobody could sit down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSeat {
    /// As many are here as may be.
    Full {
        /// `rooms.max_participants`.
        limit: usize,
    },
    /// Nobody new comes in.
    Locked,
    /// As many wait to be let in as may.
    Crowded,
    /// A moderator removed whoever this is.
    Removed,
    /// The seat to return to is over, or somebody sits there by a newer token.
    NotKept,
}
