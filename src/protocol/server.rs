//! What the server says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    ByeReason, ChatLine, DirectPhase, DirectReason, Direction, ErrorCode, IceServer, Knock,
    LeaveReason, Member, PeerSignal, Reaction, RoomRules, Shown, Viewer,
};
use crate::ids::{MemberId, Mid, RoomName};

/// What the server writes to a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The request that this answers; an event has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<u32>,
    /// What is said.
    #[serde(flatten)]
    pub message: ServerMessage,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// Answer to `hello`.
    Welcome {
        /// [`super::VERSION`].
        version: u32,
        /// `parlor/0.1.0`.
        server: String,
    },
    /// Answer to `join`.
    Joined {
        /// The room's name as it is shown.
        room: RoomName,
        /// The client's own id.
        you: MemberId,
        /// To keep this place over a lost socket: send it with the next `join`.
        token: String,
        /// True if the place was kept and this is a return.
        resumed: bool,
        /// Everybody, the client itself included.
        members: Vec<Member>,
        /// The last lines, oldest first.
        chat: Vec<ChatLine>,
        /// For `RTCPeerConnection`.
        ice_servers: Vec<IceServer>,
        /// Who watches without being a member.
        #[serde(default)]
        viewers: Vec<Viewer>,
        /// How the room is kept.
        #[serde(default)]
        rules: RoomRules,
    },
    /// Answer to `join` where a moderator lets people in: `joined` comes as an event then, or `bye`.
    Waiting {
        /// The room's name as it is shown.
        room: RoomName,
        /// The client's own id.
        you: MemberId,
    },
    /// Answer to `publish`.
    Published {
        /// As asked.
        generation: u32,
        /// The SDP answer.
        sdp: String,
    },
    /// Answer to what has no other answer.
    Done,
    /// Answer to `ping`.
    Pong,
    /// The request failed, or (without `re`) something did that no request asked for.
    Error {
        /// Stable, for programs.
        code: ErrorCode,
        /// What was wrong and what would be right.
        message: String,
    },
    /// Somebody came.
    MemberJoined {
        /// Who.
        member: Member,
    },
    /// Name, state, mute or tracks of a member changed.
    MemberChanged {
        /// As it is now.
        member: Member,
    },
    /// Somebody is gone.
    MemberLeft {
        /// Who.
        id: MemberId,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody watches who is no member (WHEP).
    ViewerJoined {
        /// Who.
        viewer: Viewer,
    },
    /// It watches another member now.
    ViewerChanged {
        /// As it is now.
        viewer: Viewer,
    },
    /// It watches no more.
    ViewerLeft {
        /// Who.
        id: MemberId,
    },
    /// Somebody said something.
    Chat {
        /// What.
        line: ChatLine,
    },
    /// Answer to `history`.
    History {
        /// Oldest first.
        lines: Vec<ChatLine>,
        /// There are still older ones.
        more: bool,
    },
    /// Somebody shows what they feel, for a moment.
    Reaction {
        /// Who.
        from: MemberId,
        /// What.
        reaction: Reaction,
    },
    /// A line was taken back.
    ChatDeleted {
        /// Which.
        seq: u64,
    },
    /// The room is kept in another way now.
    RoomChanged {
        /// As it is now.
        rules: RoomRules,
    },
    /// To moderators: who waits to be let in, the whole list.
    Knocks {
        /// In order of arrival.
        waiting: Vec<Knock>,
    },
    /// To whoever is muted: switch your microphone off.
    Muted {
        /// Who asked for it.
        by: MemberId,
    },
    /// Servers for connections made from here on: the passwords of those before expire soon, or the
    /// owner has changed something.
    IceServers {
        /// For `RTCPeerConnection`, instead of those of `joined`.
        ice_servers: Vec<IceServer>,
    },
    /// Who speaks has changed. Also after `joined`, unless nobody has spoken yet.
    Speakers {
        /// Who dominates, or did last while nobody speaks.
        active: Option<MemberId>,
        /// Everybody who speaks now.
        speaking: BTreeSet<MemberId>,
    },
    /// An offer of the `down` connection; answer it with `answer`. One is in flight at a time.
    Offer {
        /// A higher generation than the client's is a new `RTCPeerConnection`.
        generation: u32,
        /// Counts the offers of one generation.
        revision: u32,
        /// The offer.
        sdp: String,
        /// What each m-section shows; one that is missing shows nothing now.
        mids: BTreeMap<Mid, Shown>,
    },
    /// What the m-sections show changed without a new offer.
    Mids {
        /// As in the last offer.
        generation: u32,
        /// The whole table.
        mids: BTreeMap<Mid, Shown>,
    },
    /// Which layers of what the client publishes somebody needs; the rest need not be encoded. The
    /// newest counts, and all that it does not name is wanted.
    Layers {
        /// The `up` connection.
        generation: u32,
        /// For each m-section its layers, in the order of the offer's `a=simulcast`.
        tracks: BTreeMap<Mid, Vec<bool>>,
    },
    /// The client is to make its `up` connection anew: new `RTCPeerConnection`, next generation.
    Restart {
        /// Always `up`: the box restarts `down` by an offer of the next generation.
        direction: Direction,
    },
    /// How far this client and another are on their way to talking directly, or back.
    Direct {
        /// Which direct connection.
        generation: u32,
        /// Counts these events of one generation.
        revision: u32,
        /// Who the other is.
        peer: MemberId,
        /// Which of the two offers.
        offerer: MemberId,
        /// How far.
        phase: DirectPhase,
        /// Why not, with `return` and `over`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<DirectReason>,
    },
    /// A word of the other of a pair.
    DirectSignal {
        /// Whose.
        peer: MemberId,
        /// Which direct connection.
        generation: u32,
        /// What.
        signal: PeerSignal,
    },
    /// The last message before the socket is closed.
    Bye {
        /// For programs.
        reason: ByeReason,
    },
}
