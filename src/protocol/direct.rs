//! What two people's browsers say to each other by way of the room, to talk directly.

use serde::{Deserialize, Serialize};

use super::PublishTrack;

/// Whether two people of a room talk directly.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectPolicy {
    /// While they are alone and their browsers reach each other.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, and there is no place for a third.
    Only,
}

/// A word from one browser of a pair to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PeerSignal {
    /// Of whoever offers.
    Offer {
        /// The offer.
        sdp: String,
        /// What its m-sections are for, both ways.
        tracks: Vec<PublishTrack>,
    },
    /// To that.
    Answer {
        /// The answer.
        sdp: String,
    },
    /// A trickled candidate (RFC 8838).
    Candidate {
        /// The `candidate:` line, or null at the end of candidates.
        candidate: Option<String>,
        /// Its m-section.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mid: Option<String>,
    },
}

impl PeerSignal {
    /// Bytes of its description; other parts of a message are small.
    pub fn sdp_len(&self) -> usize {
        match self {
            Self::Offer { sdp, .. } | Self::Answer { sdp } => sdp.len(),
            Self::Candidate { .. } => 0,
        }
    }
}

/// What a client tells of its paths to the other of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectState {
    /// This client can talk directly. Once more: its network is another one, it may be tried again.
    Ready,
    /// It cannot, or does not want to, until it says `ready` again.
    Unable,
    /// What the other sends directly is decoded here.
    Connected,
    /// What the box forwards of the other is decoded here.
    Forwarded,
    /// The direct path does not come about, or has gone bad.
    Failed,
}

/// How far a pair is on its way from one path to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectPhase {
    /// Make a connection to each other, and tell when it shows something. The box goes on.
    Prepare,
    /// Both see each other directly. The box forwards nothing between them.
    Direct,
    /// Publish to the box again, and tell when what it forwards is seen. The direct one goes on.
    Return,
    /// Close the direct connection.
    Over,
}

/// Why a pair does not talk directly any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectReason {
    /// Somebody else came.
    ThirdPerson,
    /// Somebody watches one of the two who is no member.
    Viewer,
    /// The room is kept in another way now.
    Policy,
    /// The path does not come about, or has gone bad.
    Path,
    /// One of the two cannot, or does not want to.
    Unable,
    /// The other has left.
    Gone,
}
