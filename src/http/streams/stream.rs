//! One session of WHIP or WHEP: its task, from the first answer to its end.

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::{Command, Denied, IfMatch, Patched, stay::Stay};
use crate::{
    access::Standing,
    http::sdp_fragment::{self, Credentials},
    protocol::ErrorCode,
};

/// One session.
pub(super) struct Stream {
    stay: Stay,
    standing: Standing,
    /// The client's newest.
    offer: String,
    /// ICE sessions it had.
    n_ice: u32,
}

impl Stream {
    /// A session whose first offer has been answered.
    pub(super) fn new(stay: Stay, standing: Standing, offer: String) -> Self {
        Self { stay, standing, offer, n_ice: 1 }
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.n_ice)
    }

    /// Runs until it is over. If a client ended it, its stay is still to be ended.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
    ) -> Option<(Stay, oneshot::Sender<()>)> {
        let kind = self.stay.kind();
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
                        return Some((self.stay, done));
                    }
                },
                () = self.stay.ended() => {
                    info!(kind, "session over");
                    return None;
                }
                () = self.standing.ended() => {
                    info!(kind, "session over: what let it in holds no more");
                    self.stay.leave().await;
                    return None;
                }
            }
        }
    }

    async fn patch(
        &mut self,
        if_match: &IfMatch,
        credentials: Option<Credentials>,
    ) -> Result<Patched, Denied> {
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
        let answer = self.stay.renegotiate(&offer).await?;
        self.offer = offer;
        self.n_ice += 1;
        Ok(Patched::Restarted { fragment: sdp_fragment::of_answer(&answer), etag: self.etag() })
    }
}
