//! Whether media reaches the box: a browser's or a probe's offer is answered in a room of the media plane
//! that no list has and nobody else is in.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use crate::{
    ids::MemberId,
    protocol::{MediaKind, PublishTrack, TrackSource},
    seams::media::{Desired, Path, SfuError, UpWant},
    sfu::{SfuHandle, SfuRoom, published_sections},
};

/// How many are tried at a time; each is a connection like a publisher's.
pub(super) const MAX_TRIALS: usize = 16;
/// The media plane answers within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// So long a trial may take: checks of ICE give up earlier.
const OVER_AFTER: Duration = Duration::from_secs(30);

/// Why an offer is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMedia {
    /// So many are tried now.
    #[error("{MAX_TRIALS} are being tried at this moment; try again soon")]
    Busy,
    /// The media plane is silent.
    #[error("the media plane did not answer")]
    Silent,
    /// It cannot be answered.
    #[error(transparent)]
    Refused(#[from] SfuError),
}

pub(super) async fn answer(
    sfu: &SfuHandle,
    trials: &Arc<Semaphore>,
    offer: &str,
) -> Result<Arc<str>, NoMedia> {
    let trial = trials.clone().try_acquire_owned().map_err(|_| NoMedia::Busy)?;
    let tracks: Vec<PublishTrack> = published_sections(offer)?
        .into_iter()
        .map(|(mid, kind)| match kind {
            MediaKind::Audio => PublishTrack { mid, source: TrackSource::Microphone },
            MediaKind::Video => PublishTrack { mid, source: TrackSource::Camera },
        })
        .collect();
    let room = sfu.open_room(0);
    let up = UpWant { generation: 1, revision: 1, offer: offer.into(), tracks: tracks.into() };
    room.desire(MemberId(0), Desired { up: Some(up), down: None });
    let answer = timeout(ANSWER_WITHIN, answered(&room)).await.map_err(|_| NoMedia::Silent)??;
    tokio::spawn(async move {
        let _ = timeout(OVER_AFTER, closed(&room)).await;
        drop(trial);
    });
    Ok(answer)
}

async fn answered(room: &SfuRoom) -> Result<Arc<str>, SfuError> {
    loop {
        let news = room.changed().await.members;
        if let Some(up) = news.into_iter().find_map(|(_, seen)| seen.up) {
            return up.answer;
        }
    }
}

async fn closed(room: &SfuRoom) {
    loop {
        let news = room.changed().await.members;
        if news.into_iter().any(|(_, seen)| seen.up.is_none_or(|up| up.path == Path::Closed)) {
            return;
        }
    }
}
