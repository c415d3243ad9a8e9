//! What a session of WHIP or WHEP is in its room: a publisher, who is a member, or a viewer, who is none.
//!
//! Owns how an offer reaches the media plane and how its answer comes back. Knows no HTTP.

use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};

use super::Denied;
use crate::{
    protocol::{ClientMessage, ErrorCode, Outgoing, PublishTrack, Request, ServerMessage},
    rooms::{Seat, ViewerNews, ViewerSeat},
    seams::media::SfuError,
};

/// The media plane answers within milliseconds; beyond this something is broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a session is in its room, and how its offers are answered there.
pub(in crate::http) enum Stay {
    /// A WHIP publisher is a member.
    Publisher {
        /// Its seat.
        seat: Seat,
        /// What the room says to it.
        outbox: mpsc::Receiver<Outgoing>,
        /// What its sections show.
        tracks: Vec<PublishTrack>,
        /// Id of the last request.
        request: u32,
    },
    /// A WHEP viewer is none.
    Viewer {
        /// Its seat.
        seat: ViewerSeat,
        /// Of its last offer.
        revision: u32,
    },
}

impl Stay {
    /// Has an offer answered.
    pub(in crate::http) async fn negotiate(&mut self, offer: &str) -> Result<String, Denied> {
        let late = || (ErrorCode::Internal, "the media plane did not answer".to_owned());
        timeout(ANSWER_WITHIN, self.negotiate_now(offer)).await.map_err(|_| late())?
    }

    async fn negotiate_now(&mut self, offer: &str) -> Result<String, Denied> {
        match self {
            Self::Publisher { seat, outbox, tracks, request } => {
                *request += 1;
                let message = ClientMessage::Publish {
                    generation: 1,
                    sdp: offer.to_owned(),
                    tracks: tracks.clone(),
                };
                seat.request(Request { id: *request, message }).await.map_err(|_| over())?;
                while let Some(Outgoing { re, message }) = outbox.recv().await {
                    match message {
                        ServerMessage::Published { sdp, .. } if re == Some(*request) => {
                            return Ok(sdp);
                        }
                        ServerMessage::Error { code, message } if re == Some(*request) => {
                            return Err((code, message));
                        }
                        _ => {}
                    }
                }
                Err(over())
            }
            Self::Viewer { seat, revision } => {
                *revision += 1;
                loop {
                    match seat.next().await {
                        // One of an offer before, which came too late for whoever had asked.
                        Some(ViewerNews::Answered { revision: of, .. }) if of != *revision => {}
                        Some(ViewerNews::Answered { answer, .. }) => {
                            let refused = |error: SfuError| (error.code(), error.to_string());
                            return answer.map(|sdp| sdp.to_string()).map_err(refused);
                        }
                        Some(ViewerNews::Ended(reason)) => {
                            return Err((ErrorCode::NotFound, reason.to_owned()));
                        }
                        None => return Err(over()),
                    }
                }
            }
        }
    }

    /// The next offer, after the first.
    pub(super) async fn renegotiate(&mut self, offer: &str) -> Result<String, Denied> {
        if let Self::Viewer { seat, .. } = self {
            seat.offer(offer.into()).await.map_err(|_| over())?;
        }
        self.negotiate(offer).await
    }

    /// Returns when the room has ended it. Cancel-safe.
    pub(super) async fn ended(&mut self) {
        match self {
            Self::Publisher { outbox, .. } => while outbox.recv().await.is_some() {},
            Self::Viewer { seat, .. } => {
                while !matches!(seat.next().await, Some(ViewerNews::Ended(_)) | None) {}
            }
        }
    }

    pub(in crate::http) async fn leave(self) {
        match self {
            Self::Publisher { seat, .. } => seat.leave().await,
            Self::Viewer { seat, .. } => seat.leave().await,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Publisher { .. } => "WHIP",
            Self::Viewer { .. } => "WHEP",
        }
    }
}

fn over() -> Denied {
    (ErrorCode::NotFound, "the session has ended".to_owned())
}
