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

mod stay;
mod stream;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{mpsc, oneshot};

use super::sdp_fragment::Credentials;
use crate::{access::Standing, protocol::ErrorCode};
pub(super) use stay::Stay;
use stream::Stream;

/// Requests that wait for one session; more than one client would make is held up.
const QUEUE_LEN: usize = 8;

/// Why a session says no.
pub(super) type Denied = (ErrorCode, String);

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
    Patch(IfMatch, Option<Credentials>, oneshot::Sender<Result<Patched, Denied>>),
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

impl Streams {
    /// No request holds this over a wait.
    fn locked(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Command>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the session of a stay whose first offer has been answered; returns its id and entity
    /// tag.
    pub(super) fn begin(&self, stay: Stay, standing: Standing, offer: String) -> (String, String) {
        let id = format!("{:032x}", rand::random::<u128>());
        let (commands, receiver) = mpsc::channel(QUEUE_LEN);
        self.locked().insert(id.clone(), commands);
        let stream = Stream::new(stay, standing, offer);
        let etag = stream.etag();
        let (streams, own) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let left = stream.run(receiver).await;
            streams.locked().remove(&own);
            if let Some((stay, done)) = left {
                stay.leave().await;
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
    ) -> Option<Result<Patched, Denied>> {
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
