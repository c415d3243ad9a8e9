//! What a client asks for.

use serde::{Deserialize, Serialize};

use super::{DirectState, Direction, ErrorCode, PeerSignal, PublishTrack, Reaction, TileSize};
use crate::ids::{Device, MemberId};

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
    /// First of all. Answered by `welcome`.
    Hello {
        /// [`super::VERSION`].
        version: u32,
    },
    /// Enter a room, or return to the place that `resume` names. Answered by `joined`.
    Join {
        /// As typed; see [`crate::ids::RoomName::parse`].
        room: String,
        /// As typed; see [`crate::ids::Nickname::parse`].
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
        /// Of the room, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String>,
        /// By which a browser finds the place of a tab that crashed: its own secret, the same in all
        /// its tabs. See [`crate::ids::Device`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<Device>,
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
    /// How large what is received is shown, so that no more is sent than is seen: all tiles at
    /// once, anew after each change. What is not named is taken for large. Answered by `done`.
    Tiles {
        /// At most [`super::MAX_TILES`].
        tiles: Vec<TileSize>,
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
        /// As typed; see [`crate::ids::Nickname::parse`].
        name: String,
    },
    /// Lines from before one that is known. Answered by `history`.
    History {
        /// The `seq` of that line.
        before: u64,
    },
    /// Raise one's hand, or take it down. Answered by `done`; all get `member-changed`.
    Hand {
        /// It is up.
        on: bool,
    },
    /// Show the others what one feels, for a moment. Answered by `done`; all get `reaction`.
    React {
        /// What.
        reaction: Reaction,
    },
    /// Take a line back: its author, a moderator or the owner. Answered by `done`; all get `chat-deleted`.
    ChatDelete {
        /// Which line.
        seq: u64,
    },
    /// Moderators: let somebody in who waits. Answered by `done`.
    Admit {
        /// Whom.
        member: MemberId,
    },
    /// Moderators: send somebody away who waits. Answered by `done`.
    Refuse {
        /// Whom.
        member: MemberId,
    },
    /// Moderators: switch somebody's microphone off, who may switch it on again. Answered by `done`.
    Mute {
        /// Whose.
        member: MemberId,
    },
    /// Moderators: end somebody's stay for good. Answered by `done`.
    Remove {
        /// Whose.
        member: MemberId,
    },
    /// Moderators: make somebody a moderator; only the owner takes that back from another. `done`.
    Moderator {
        /// Whom.
        member: MemberId,
        /// Or no longer.
        on: bool,
    },
    /// Moderators: let nobody new in. Answered by `done`; all get `room-changed`.
    Lock {
        /// Or no longer.
        on: bool,
    },
    /// Moderators: have whoever comes wait. Answered by `done`; all get `room-changed`.
    Lobby {
        /// Or no longer; whoever waits is let in then.
        on: bool,
    },
    /// A word to the other of a pair that is to talk directly, or does. Answered by `done`.
    DirectSignal {
        /// To whom.
        peer: MemberId,
        /// As in the newest `direct`.
        generation: u32,
        /// What.
        signal: PeerSignal,
    },
    /// How this client's paths to the other are. Answered by `done`.
    DirectState {
        /// As in the newest `direct`; of no account with `ready`.
        generation: u32,
        /// As in the newest `direct`, so that what was true before it is not taken for an answer to it.
        revision: u32,
        /// What.
        state: DirectState,
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
    "tiles",
    "chat",
    "state",
    "rename",
    "history",
    "hand",
    "react",
    "chat-delete",
    "admit",
    "refuse",
    "mute",
    "remove",
    "moderator",
    "lock",
    "lobby",
    "direct-signal",
    "direct-state",
    "leave",
    "ping",
];

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

/// Longest sentence about a bad request, in characters.
const MAX_REASON_CHARS: usize = 240;

impl Request {
    /// Parses one message of a client.
    pub fn parse(text: &str) -> Result<Self, BadRequest> {
        // What serde says may quote as much of the message as it likes.
        let malformed = |id, message: String| BadRequest {
            id,
            code: ErrorCode::MessageMalformed,
            message: message.chars().take(MAX_REASON_CHARS).collect(),
        };
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
        let long =
            format!(r#"{{"id":7,"type":"state","mic":true,"cam":"{}"}}"#, "x".repeat(60_000));
        let bad = Request::parse(&long).expect_err("no truth value");
        assert!(bad.message.len() < 1000, "it is no echo");
        let ping = Request::parse(r#"{"id":7,"type":"ping"}"#).expect("a good request");
        assert_eq!(ping, Request { id: 7, message: ClientMessage::Ping });
    }
}
