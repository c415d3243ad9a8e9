//! What rooms want of the media plane, and what the media plane has made of it: plain values.
//!
//! They lie here and not in `sfu` because the pure `room` speaks in them, and knows no shell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    ids::{MemberId, Mid},
    protocol::{ErrorCode, PublishTrack, Shown, TileSize, Track},
};

/// What a room wants of one member's media. The newest replaces all before it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// The connection by which the member publishes.
    pub up: Option<UpWant>,
    /// The connection by which the member receives.
    pub down: Option<DownWant>,
}

/// A wanted `up` connection.
#[derive(Debug, Clone, PartialEq)]
pub struct UpWant {
    /// A new number is a new connection.
    pub generation: u32,
    /// Counts the offers of one generation; a new number is a new offer on the same connection.
    pub revision: u32,
    /// The client's offer.
    pub offer: Arc<str>,
    /// What its m-sections show.
    pub tracks: Arc<[PublishTrack]>,
}

/// A wanted `down` connection.
#[derive(Debug, Clone, PartialEq)]
pub struct DownWant {
    /// A new number is a new connection.
    pub generation: u32,
    /// Whose tracks to send, as far as they publish.
    pub watch: BTreeSet<MemberId>,
    /// Whose sound to send in place of theirs; `None`: theirs.
    pub hear: Option<MemberId>,
    /// How large the client shows what it watches. What is not named is shown, at an unknown size.
    pub tiles: Arc<[TileSize]>,
    /// The client's newest answer, and the offer's revision that it answers.
    pub answer: Option<(u32, Arc<str>)>,
    /// Where the client offers (WHEP): its newest offer and that one's revision. Nothing is offered to
    /// it then. A later offer restarts ICE.
    pub offer: Option<(u32, Arc<str>)>,
}

/// What the worker has made of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The `up` connection.
    pub up: Option<UpSeen>,
    /// The `down` connection.
    pub down: Option<DownSeen>,
}

/// Which layers of some m-sections' pictures are wanted, in the order of
/// the offer.
pub type Layers = Arc<BTreeMap<Mid, Vec<bool>>>;

/// Who speaks in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speaking {
    /// Who dominated last; it stays that while nobody speaks.
    pub active: Option<MemberId>,
    /// Everybody who speaks now.
    pub members: BTreeSet<MemberId>,
}

/// What is new of a room's media.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct News {
    /// Members that changed, each once, with its newest state.
    pub members: Vec<(MemberId, Observed)>,
    /// Who speaks now, if that has changed.
    pub speaking: Option<Speaking>,
}

/// The state of an `up` connection.
#[derive(Debug, Clone, PartialEq)]
pub struct UpSeen {
    /// As wanted.
    pub generation: u32,
    /// As wanted.
    pub revision: u32,
    /// Our answer, or why there is none.
    pub answer: Result<Arc<str>, SfuError>,
    /// Whether packets can come.
    pub path: Path,
    /// The client tries other addresses than the box has by now, or goes by one that the box has lost:
    /// it should begin anew.
    pub is_stale: bool,
    /// What is published, in the order of the m-sections.
    pub tracks: Vec<Track>,
    /// Which layers of a picture are wanted, in the order of the offer. All are of those that are not
    /// named.
    pub layers: Layers,
}

/// The state of a `down` connection.
#[derive(Debug, Clone, PartialEq)]
pub struct DownSeen {
    /// As wanted.
    pub generation: u32,
    /// The newest offer's number; 0 before the first.
    pub revision: u32,
    /// The newest offer.
    pub offer: Option<Arc<str>>,
    /// What each m-section shows; may change without an offer.
    pub mids: Vec<(Mid, Shown)>,
    /// Whether packets can go.
    pub path: Path,
    /// As in [`UpSeen::is_stale`].
    pub is_stale: bool,
    /// Why the newest answer was refused.
    pub fault: Option<SfuError>,
    /// Our answer to the client's newest offer, or why there is none, with that offer's revision.
    pub answer: Option<(u32, Result<Arc<str>, SfuError>)>,
}

/// How a connection's path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Not yet connected.
    New,
    /// ICE and DTLS are done and something came within [`QUIET_AFTER`].
    Connected,
    /// Nothing came for [`QUIET_AFTER`]; it returns to `Connected` by itself.
    Quiet,
    /// Closed by the client, or silent for 30 s (RFC 7675): make it anew.
    Closed,
}

/// Silence on the media path after which a member counts as lost. Browsers check consent at least
/// every 2.5 s.
pub const QUIET_AFTER: std::time::Duration = std::time::Duration::from_secs(4);

/// Why the media plane refused an offer or answer. The text is fit for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SfuError {
    /// It does not parse.
    #[error("the SDP was not understood: {0}")]
    SdpInvalid(String),
    /// It parses, but there is nothing parlor can answer.
    #[error("the SDP cannot be answered: {0}")]
    SdpUnacceptable(String),
    /// An answer to an offer that is not in flight.
    #[error("no offer of revision {0} is in flight")]
    OfferUnknown(u32),
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl SfuError {
    /// The stable code that clients get.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::SdpInvalid(_) => ErrorCode::SdpInvalid,
            Self::SdpUnacceptable(_) => ErrorCode::SdpUnacceptable,
            Self::OfferUnknown(_) => ErrorCode::OfferUnknown,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}
