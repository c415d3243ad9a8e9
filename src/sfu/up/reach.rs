//! PURE. How long a client has been silent.
//!
//! Only what is authentic is a sign of life: a valid check, DTLS of the association, an opened packet.

use std::time::{Duration, Instant};

use crate::seams::media::QUIET_AFTER;

/// Silence after which a connection is over (RFC 7675 section 5.1).
pub(crate) const CLOSED_AFTER: Duration = Duration::from_secs(30);

/// The client's newest sign of life.
#[derive(Debug)]
pub(super) struct Reach {
    heard_at: Instant,
    is_quiet: bool,
}

impl Reach {
    /// Nothing was heard; the silence counts from `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { heard_at: now, is_quiet: false }
    }

    /// A sign of life.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard_at = self.heard_at.max(now);
        self.is_quiet = false;
    }

    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard_at)
    }

    /// True if the client has been silent for too long.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.is_quiet = self.silence(now) >= QUIET_AFTER;
        self.silence(now) >= CLOSED_AFTER
    }

    /// When the silence means something new.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.heard_at + if self.is_quiet { CLOSED_AFTER } else { QUIET_AFTER }
    }
}
