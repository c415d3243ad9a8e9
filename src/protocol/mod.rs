//! Signaling messages between a client and its box, both ways, over any `Transport`.
//!
//! `docs/protocol.md` tells what each means; `tests/protocol/*.json` hold one of each and are read by
//! the Rust and by the JavaScript tests. Vocabulary only: nothing here decides.
//!
//! A request is a JSON object with `id` (chosen by the client) and `type`. The answer repeats the id
//! as `re`. An event has neither.

use serde::{Deserialize, Serialize};

use crate::ids::{MemberId, Mid, TrackId};

mod client;
mod direct;
mod error;
mod server;

pub use client::{BadRequest, CLIENT_TYPES, ClientMessage, Request};
pub use direct::{DirectPhase, DirectPolicy, DirectReason, DirectState, PeerSignal};
pub use error::ErrorCode;
pub use server::{Outgoing, ServerMessage};

/// The version spoken here. A client that says another is answered [`ErrorCode::VersionUnsupported`].
pub const VERSION: u32 = 1;

/// Entries of one `tiles`.
pub const MAX_TILES: usize = 256;

/// Longest chat line, in characters.
pub const MAX_CHAT_CHARS: usize = 4_000;

/// One of the two connections between a client and the box; seen from the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The client publishes.
    Up,
    /// The client receives.
    Down,
}

/// A track as its publisher describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishTrack {
    /// Its m-section in the offer.
    pub mid: Mid,
    /// What it shows.
    pub source: TrackSource,
}

/// What a track shows or sounds like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackSource {
    /// A camera: cropped to its tile where a person is in it.
    Camera,
    /// A microphone.
    Microphone,
    /// A screen: never cropped.
    Screen,
    /// The sound of a shared screen.
    ScreenAudio,
}

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// Who stands behind a member; for labels and order only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberKind {
    /// Somebody with a browser.
    Person,
    /// One of the box's cameras.
    Camera,
    /// A WHIP publisher.
    Stream,
}

impl MemberKind {
    /// Whoever watches a room sees one of these first: they show the place itself.
    pub fn shows_a_place(self) -> bool {
        self == Self::Camera
    }
}

/// What a member may do in its room, ordered by that.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Be here.
    #[default]
    Participant,
    /// Mute, remove, let in, lock, and make others moderators.
    Moderator,
    /// That, whoever it is.
    Owner,
}

impl Rank {
    /// Whether it is what everybody is, and so not worth a word.
    pub fn is_usual(&self) -> bool {
        *self == Self::Participant
    }
}

/// How a room is kept.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRules {
    /// Persons allowed; 0 is no limit.
    pub max_participants: usize,
    /// Nobody new comes in.
    pub locked: bool,
    /// Whoever comes waits until a moderator lets them in.
    pub lobby: bool,
    /// What whoever comes in is told; may be empty.
    pub welcome: String,
    /// Whether two people talk directly.
    #[serde(default)]
    pub direct: DirectPolicy,
}

/// Somebody who waits to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    /// Its id, here and once it is a member.
    pub id: MemberId,
    /// What it calls itself; not unique.
    pub name: String,
}

/// What one may show the others for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Agreed.
    ThumbsUp,
    /// Loved.
    Heart,
    /// Funny.
    Laugh,
    /// Well done.
    Bravo,
    /// Something to celebrate.
    Party,
    /// Astonished.
    Wow,
}

/// What the others see of a member's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Joined; no media path yet.
    Connecting,
    /// There.
    Live,
    /// Silent on socket or media path; the place is kept for 30 s.
    Lost,
}

/// A member as the others see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// For ever this member's.
    pub id: MemberId,
    /// Unique in the room: a second equal name has " (2)".
    pub name: String,
    /// Who stands behind it.
    pub kind: MemberKind,
    /// What it may do here; unset: participant.
    #[serde(default, skip_serializing_if = "Rank::is_usual")]
    pub rank: Rank,
    /// What is seen of its media.
    pub state: MemberState,
    /// Why it is not live, or since when, where that is known: a sentence for the tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for programs, and for pages in another language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<MediaFault>,
    /// The microphone is on.
    pub mic: bool,
    /// The camera is on.
    pub cam: bool,
    /// Its hand is raised.
    #[serde(default, skip_serializing_if = "is_down")]
    pub hand: bool,
    /// What it publishes.
    pub tracks: Vec<Track>,
}

/// Why a member of the box's own gives no picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFault {
    /// Stable: `unplugged`, `absent`, `busy` and so on; see `docs/protocol.md`.
    pub code: String,
    /// What the code leaves open: the name of an encoder, the words of a library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since when, in milliseconds since 1970 (UTC).
    pub since_ms: u64,
}

/// A hand that is down is not worth a word.
fn is_down(hand: &bool) -> bool {
    !hand
}

/// Somebody who watches without being a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// As long as it watches.
    pub id: MemberId,
    /// What it calls itself, or its program does; not unique.
    pub name: String,
    /// Whom it sees now; null while it waits for somebody.
    pub watches: Option<MemberId>,
}

/// A published track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Its name.
    pub id: TrackId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// What it shows.
    pub source: TrackSource,
    /// `VP8`, `H264`, `opus` as in SDP's rtpmap; unset until the first packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
}

/// A line of chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatLine {
    /// Growing by one in a room.
    pub seq: u64,
    /// Who said it; may have left.
    pub from: MemberId,
    /// What it was called then.
    pub name: String,
    /// What it said.
    pub text: String,
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
}

/// Why a member is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaveReason {
    /// It said so.
    Left,
    /// It did not come back within 30 s.
    Lost,
    /// Its outbox was full: it could not keep up.
    Slow,
    /// The box ended it.
    Ended,
    /// A moderator removed it.
    Removed,
}

/// Why the server closes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByeReason {
    /// The box stops or restarts.
    ServerStopping,
    /// The same place was resumed from elsewhere.
    Replaced,
    /// The client could not keep up; it may resume.
    Slow,
    /// The client said `leave`.
    Left,
    /// A moderator removed this member; it stays out.
    Removed,
    /// A moderator did not let it in.
    Refused,
    /// What let it in holds no more: it has signed out, or its invite was withdrawn.
    SignedOut,
}

/// What shows in an m-section of a `down` offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Whose.
    pub member: MemberId,
    /// Which track.
    pub track: TrackId,
    /// Sound or picture.
    pub kind: MediaKind,
    /// What it shows.
    pub source: TrackSource,
}

/// How large a client shows a member's picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TileSize {
    /// Whose.
    pub member: MemberId,
    /// Which of its tracks; unset: all that are not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// In device pixels.
    pub width: u16,
    /// In device pixels.
    pub height: u16,
    /// It is on the page and on the screen.
    pub visible: bool,
}

/// An entry of `RTCConfiguration.iceServers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}
