//! Sessions of WHIP and WHEP: a table of them and one task each.
//!
//! ```text
//!  POST -> joined or watching, first offer answered -> task -- room ends it, DELETE --> gone (404)
//!                                                      | PATCH: trickle 204, ICE restart 200
//! ```
//!
//! A session is known by 128 random bits in its URL: whoever has the URL may change and end it. Its
//! entity tag is the number of ICE sessions it had (RFC 9725 4.3.1). The task owns the place in the
//! room; it hears by it when the media path is gone.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::info;

use super::sdp_fragment::{self, Credentials};
use crate::{
    protocol::{ClientMessage, ErrorCode, Outgoing, PublishTrack, Request, ServerMessage},
    rooms::{Seat, ViewerNews, ViewerSeat},
    seams::media::SfuError,
};

/// Requests that wait for one session; more than one client would make is held up.
const QUEUE_LEN: usize = 8;

/// The media plane answers within milliseconds; beyond this something is broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Why a session says no.
pub(super) type Refusal = (ErrorCode, String);

/// What a PATCH came to.
#[derive(Debug)]
pub(super) enum Patched {
    /// Candidates were taken note of.
    Trickled,
    /// ICE begins anew: our end, and the new entity tag.
    Restarted {
        /// An SDP fragment.
        fragment: String,
        /// As it stands in `ETag`, with its quotes.
        etag: String,
    },
}

/// What a request's `If-Match` says (RFC 9110 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// `*`
    Any,
    /// A list of entity tags, with their quotes.
    Tags(Vec<String>),
}

enum Command {
    Patch(IfMatch, Option<Credentials>, oneshot::Sender<Result<Patched, Refusal>>),
    Delete(oneshot::Sender<()>),
}

/// All sessions.
#[derive(Clone, Default)]
pub(super) struct Streams {
    all: Arc<Mutex<HashMap<String, mpsc::Sender<Command>>>>,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("n", &self.locked().len()).finish()
    }
}

/// The place that a session has in its room.
pub(super) enum Place {
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

impl Place {
    /// Has an offer answered.
    pub(super) async fn negotiate(&mut self, offer: &str) -> Result<String, Refusal> {
        let late = || (ErrorCode::Internal, "the media plane did not answer".to_owned());
        timeout(ANSWER_WITHIN, self.negotiate_now(offer)).await.map_err(|_| late())?
    }

    async fn negotiate_now(&mut self, offer: &str) -> Result<String, Refusal> {
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
    async fn renegotiate(&mut self, offer: &str) -> Result<String, Refusal> {
        if let Self::Viewer { seat, .. } = self {
            seat.offer(offer.into()).await.map_err(|_| over())?;
        }
        self.negotiate(offer).await
    }

    /// Returns when the room has ended it. Cancel-safe.
    async fn ended(&mut self) {
        match self {
            Self::Publisher { outbox, .. } => while outbox.recv().await.is_some() {},
            Self::Viewer { seat, .. } => {
                while !matches!(seat.next().await, Some(ViewerNews::Ended(_)) | None) {}
            }
        }
    }

    pub(super) async fn leave(self) {
        match self {
            Self::Publisher { seat, .. } => seat.leave().await,
            Self::Viewer { seat, .. } => seat.leave().await,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Publisher { .. } => "WHIP",
            Self::Viewer { .. } => "WHEP",
        }
    }
}

fn over() -> Refusal {
    (ErrorCode::NotFound, "the session has ended".to_owned())
}

impl Streams {
    /// No request holds this over a wait.
    fn locked(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Command>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the session of a place whose first offer has been answered; returns its id and entity
    /// tag.
    pub(super) fn begin(&self, place: Place, offer: String) -> (String, String) {
        let id = format!("{:032x}", rand::random::<u128>());
        let (commands, receiver) = mpsc::channel(QUEUE_LEN);
        self.locked().insert(id.clone(), commands);
        let stream = Stream { place, offer, n_ice: 1 };
        let etag = stream.etag();
        let (streams, own) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let place = stream.run(receiver).await;
            streams.locked().remove(&own);
            if let Some((place, done)) = place {
                place.leave().await;
                // overflow: none, because a oneshot has room for its one.
                let _ = done.send(());
            }
        });
        (id, etag)
    }

    fn find(&self, id: &str) -> Option<mpsc::Sender<Command>> {
        self.locked().get(id).cloned()
    }

    /// Candidates, or an ICE restart. `None`: there is no such session.
    pub(super) async fn patch(
        &self,
        id: &str,
        if_match: IfMatch,
        credentials: Option<Credentials>,
    ) -> Option<Result<Patched, Refusal>> {
        let (reply, answer) = oneshot::channel();
        // overflow: awaited; a client that asks much waits for its session.
        self.find(id)?.send(Command::Patch(if_match, credentials, reply)).await.ok()?;
        answer.await.ok()
    }

    /// Ends a session; returns when it has left its room. `None`: there is no such session.
    pub(super) async fn delete(&self, id: &str) -> Option<()> {
        let (reply, done) = oneshot::channel();
        // overflow: awaited, as above.
        self.find(id)?.send(Command::Delete(reply)).await.ok()?;
        done.await.ok()
    }

    /// Whether there is such a session.
    pub(super) fn has(&self, id: &str) -> bool {
        self.locked().contains_key(id)
    }
}

/// One session.
struct Stream {
    place: Place,
    /// The client's newest.
    offer: String,
    /// ICE sessions it had.
    n_ice: u32,
}

impl Stream {
    fn etag(&self) -> String {
        format!("\"{}\"", self.n_ice)
    }

    /// Runs until it is over. If a client ended it, its place is still to be left.
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
    ) -> Option<(Place, oneshot::Sender<()>)> {
        let kind = self.place.kind();
        loop {
            tokio::select! {
                command = commands.recv() => match command? {
                    Command::Patch(if_match, credentials, reply) => {
                        let patched = self.patch(&if_match, credentials).await;
                        // overflow: none, because a oneshot has room for its one; whoever asked may
                        // have hung up.
                        let _ = reply.send(patched);
                    }
                    Command::Delete(done) => {
                        info!(kind, "session ended by its client");
                        return Some((self.place, done));
                    }
                },
                () = self.place.ended() => {
                    info!(kind, "session over");
                    return None;
                }
            }
        }
    }

    async fn patch(
        &mut self,
        if_match: &IfMatch,
        credentials: Option<Credentials>,
    ) -> Result<Patched, Refusal> {
        let etag = self.etag();
        if let IfMatch::Tags(tags) = if_match
            && !tags.contains(&etag)
        {
            let detail = format!("If-Match names another ICE session; the present one is {etag}");
            return Err((ErrorCode::PreconditionFailed, detail));
        }
        let present = sdp_fragment::credentials(&self.offer);
        let Some(next) = credentials.filter(|next| present.as_ref() != Some(next)) else {
            return Ok(Patched::Trickled);
        };
        let offer = sdp_fragment::restarted(&self.offer, &next);
        let answer = self.place.renegotiate(&offer).await?;
        self.offer = offer;
        self.n_ice += 1;
        Ok(Patched::Restarted { fragment: sdp_fragment::of_answer(&answer), etag: self.etag() })
    }
}
