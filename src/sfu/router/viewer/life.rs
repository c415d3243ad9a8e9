//! How a viewer's connection stands, and how it ends: once, for a reason, and for good.
//!
//! Owns nothing.

use std::time::Instant;

use super::{
    super::context::{GOODBYE, SILENCE, live},
    Viewer,
};
use crate::{seams::media::Path, sfu::wire::outbox::Outbox, telemetry::metrics::metrics};

/// Where the thread panics, nobody closes it.
impl Drop for Viewer {
    fn drop(&mut self) {
        self.end("what it was of has failed");
    }
}

impl Viewer {
    /// Takes over how the path is now; true if that is news.
    fn set_path(&mut self, path: Path) -> bool {
        metrics().viewers.inc_by(live(path) - live(self.path));
        std::mem::replace(&mut self.path, path) != path
    }

    /// It is over, and stays so: nothing is sent to it any more. Its connection is not asked again.
    pub(crate) fn is_over(&self) -> bool {
        self.path == Path::Closed
    }

    /// Looks how the path is now; true if that is news.
    pub(crate) fn look(&mut self, now: Instant) -> bool {
        if self.is_over() {
            return false;
        }
        match self.downlink.path(now) {
            Path::Closed => {
                let is_silent = self.downlink.poll_timeout().is_some();
                let otherwise = if is_silent { SILENCE } else { GOODBYE };
                let reason = self.downlink.closed_because().unwrap_or(otherwise).to_owned();
                self.end(&reason)
            }
            path => self.set_path(path),
        }
    }

    /// It is over, for this reason, which is told once. True if that is news.
    pub(crate) fn end(&mut self, reason: &str) -> bool {
        if self.is_over() {
            return false;
        }
        tracing::info!(
            room = self.room, member = %self.member, direction = "down", path = ?self.path,
            peer = ?self.downlink.route(), n_ignored = self.downlink.n_ignored(), reason,
            "a connection has ended",
        );
        self.set_path(Path::Closed)
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant, outbox: &mut Outbox) {
        if !self.is_over() {
            self.downlink.close(now, outbox);
        }
        self.end("its room has no use for it");
    }
}
