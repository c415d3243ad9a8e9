//! Signaling messages between a client and its box, both ways, over any `Transport`.
//!
//! `docs/protocol.md` tells what each means; `tests/protocol/*.json` hold one of each and are read by
//! the Rust and by the JavaScript tests. Vocabulary only: nothing here decides.
//!
//! A request is a JSON object with `id` (chosen by the client) and `type`. The answer repeats the id
//! as `re`. An event has neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{MemberId, Mid, Nickname, RoomName, TrackId};

/// The version spoken here. A client that says another is answered [`ErrorCode::VersionUnsupported`].
pub const VERSION: u32 = 1;

/// Longest chat line, in characters.
pub const MAX_CHAT_CHARS: usize = 4_000;

/// A client's request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, repeated in the answer as `re`.
    pub id: u32,
    /// What is asked.
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ClientMessage {
    /// First of all. Answered by [`ServerMessage::Welcome`].
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Enter a room, or return to the place that `resume` names. Answered by `joined`.
    Join {
        /// As typed; see [`RoomName::parse`].
        room: String,
        /// As typed; see [`Nickname::parse`].
        name: String,
        /// The microphone is on.
        #[serde(default)]
        mic: bool,
        /// The camera is on.
        #[serde(default)]
        cam: bool,
        /// Token of the last `joined`, to keep the place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
    },
    /// The `up` connection's offer. Answered by `published`.
    Publish {
        /// Which `up` connection: a new `RTCPeerConnection` has the next number.
        generation: u32,
        /// The offer.
        sdp: String,
        /// What its m-sections show. A section that is not named publishes nothing.
        tracks: Vec<PublishTrack>,
    },
    /// The answer to the `offer` of the `down` connection. Answered by `done`.
    Answer {
        /// As in the offer.
        generation: u32,
        /// As in the offer.
        revision: u32,
        /// The answer.
        sdp: String,
    },
    /// A trickled candidate (RFC 8838). The box is ICE-lite and learns addresses from checks.
    Candidate {
        /// Which connection.
        direction: Direction,
        /// Which generation of it.
        generation: u32,
        /// The `candidate:` line, or null at the end of candidates.
        candidate: Option<String>,
        /// Its m-section.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
    },
    /// Make a connection anew. For `down` a new offer follows; for `up` the client offers. `done`.
    Restart {
        /// Which connection.
        direction: Direction,
    },
    /// Whose tracks to receive. Everybody's at first. Answered by `done`.
    Watch {
        /// Null is everybody, also who comes later.
        members: Option<Vec<MemberId>>,
    },
    /// Say something to the room. Answered by `done`; all get `chat`, the sender too.
    Chat {
        /// 1-4000 characters.
        text: String,
    },
    /// Microphone and camera were switched on or off. Answered by `done`.
    State {
        /// The microphone is on.
        mic: bool,
        /// The camera is on.
        cam: bool,
    },
    /// Another nickname. Answered by `done`.
    Rename {
        /// As typed; see [`Nickname::parse`].
        name: String,
    },
    /// Go. Answered by `done`, then the socket is closed.
    Leave,
    /// Answered by `pong`.
    Ping,
}

/// The types a client may send, for the error that names them.
pub const CLIENT_TYPES: &[&str] = &[
    "hello",
    "join",
    "publish",
    "answer",
    "candidate",
    "restart",
    "watch",
    "chat",
    "state",
    "rename",
    "leave",
    "ping",
];

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
    /// What is seen of its media.
    pub state: MemberState,
    /// Why it is not live, or since when, where that is known: a sentence for the tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The microphone is on.
    pub mic: bool,
    /// The camera is on.
    pub cam: bool,
    /// What it publishes.
    pub tracks: Vec<Track>,
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
        /// [`VERSION`].
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
    /// Somebody said something.
    Chat {
        /// What.
        line: ChatLine,
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
    /// The client is to make its `up` connection anew: new `RTCPeerConnection`, next generation.
    Restart {
        /// Always `up`: the box restarts `down` by an offer of the next generation.
        direction: Direction,
    },
    /// The last message before the socket is closed.
    Bye {
        /// For programs.
        reason: ByeReason,
    },
}

/// Stable codes of errors, the same in signaling and in `application/problem+json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// Not JSON, not an object, or a field is missing or of the wrong type.
    MessageMalformed,
    /// The `type` is not one of [`CLIENT_TYPES`].
    MessageUnknown,
    /// Larger than `http.max_message`.
    MessageTooLarge,
    /// `hello` asked for another version.
    VersionUnsupported,
    /// `hello` has to come first.
    HelloMissing,
    /// The request needs a `join` before it.
    NotJoined,
    /// This socket has joined already.
    AlreadyJoined,
    /// See [`RoomName::parse`].
    RoomNameInvalid,
    /// See [`Nickname::parse`].
    NameInvalid,
    /// `rooms.max_participants` are there.
    RoomFull,
    /// The room is not there and this client may not make it.
    RoomCreateRefused,
    /// The resume token is forged, expired or for another room.
    ResumeInvalid,
    /// The SDP was not understood.
    SdpInvalid,
    /// No codec, no ICE, no fingerprint: understood, but nothing parlor can answer.
    SdpUnacceptable,
    /// An answer without its offer, or of another generation.
    OfferUnknown,
    /// Empty or over [`MAX_CHAT_CHARS`].
    ChatInvalid,
    /// Nobody of that id is in the room.
    MemberUnknown,
    /// Too many requests, joins or connections from this address.
    RateLimited,
    /// Not from the LAN, or no right to do this.
    Forbidden,
    /// The page comes from elsewhere (Origin).
    OriginForbidden,
    /// No such resource.
    NotFound,
    /// The resource is there, the method is not.
    MethodNotAllowed,
    /// Body, header or SDP over its limit.
    TooLarge,
    /// The box is stopping.
    Stopping,
    /// A fault of ours, already logged.
    Internal,
}

/// Why a text is no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// The request's id, where that could be read.
    pub id: Option<u32>,
    /// [`ErrorCode::MessageMalformed`] or [`ErrorCode::MessageUnknown`].
    pub code: ErrorCode,
    /// What was wrong and what would be right.
    pub message: String,
}

impl Request {
    /// Parses one message of a client.
    pub fn parse(text: &str) -> Result<Self, BadRequest> {
        let malformed = |id, message| BadRequest { id, code: ErrorCode::MessageMalformed, message };
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| malformed(None, format!("the message is not JSON: {error}")))?;
        let Some(object) = value.as_object() else {
            return Err(malformed(None, "the message is not a JSON object".into()));
        };
        let id = object.get("id").and_then(serde_json::Value::as_u64);
        let Some(id) = id.and_then(|id| u32::try_from(id).ok()) else {
            return Err(malformed(
                None,
                "`id` is missing or not a number from 0 to 4294967295".into(),
            ));
        };
        let Some(kind) = object.get("type").and_then(serde_json::Value::as_str) else {
            return Err(malformed(Some(id), "`type` is missing or not a string".into()));
        };
        if !CLIENT_TYPES.contains(&kind) {
            let known = CLIENT_TYPES.join(", ");
            let shown: String = kind.chars().take(40).collect();
            return Err(BadRequest {
                id: Some(id),
                code: ErrorCode::MessageUnknown,
                message: format!("{shown:?} is not a message type; known are {known}"),
            });
        }
        let kind = kind.to_owned();
        serde_json::from_value(value)
            .map_err(|error| malformed(Some(id), format!("`{kind}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_request_is_told_what_would_be_right() {
        let cases = [
            ("{", None, ErrorCode::MessageMalformed),
            ("[]", None, ErrorCode::MessageMalformed),
            (r#"{"type":"ping"}"#, None, ErrorCode::MessageMalformed),
            (r#"{"id":-1,"type":"ping"}"#, None, ErrorCode::MessageMalformed),
            (r#"{"id":7}"#, Some(7), ErrorCode::MessageMalformed),
            (r#"{"id":7,"type":"dance"}"#, Some(7), ErrorCode::MessageUnknown),
            (r#"{"id":7,"type":"chat"}"#, Some(7), ErrorCode::MessageMalformed),
            (r#"{"id":7,"type":"watch","members":["x"]}"#, Some(7), ErrorCode::MessageMalformed),
        ];
        for (text, id, code) in cases {
            let bad = Request::parse(text).expect_err(text);
            assert_eq!((bad.id, bad.code), (id, code), "{text}");
            assert!(!bad.message.is_empty());
        }
        let ping = Request::parse(r#"{"id":7,"type":"ping"}"#).expect("a good request");
        assert_eq!(ping, Request { id: 7, message: ClientMessage::Ping });
    }
}
