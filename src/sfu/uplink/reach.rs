//! PURE. Where a client is, and how long it has been silent.
//!
//! An address is believed once a valid check came from it: only who holds the connection's password
//! can make one. What comes from elsewhere is not even shown to the DTLS and SRTP parts.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::sfu::QUIET_AFTER;

/// Silence after which a connection is over (RFC 7675 section 5.1).
pub(super) const CLOSED_AFTER: Duration = Duration::from_secs(30);
/// Addresses that are believed at a time: IPv4, IPv6, VPN, and each anew after a move.
const MAX_BELIEVED: usize = 8;

/// The client's addresses and its newest sign of life.
#[derive(Debug)]
pub(super) struct Reach {
    remote: Option<SocketAddr>,
    /// The newest last.
    believed: Vec<SocketAddr>,
    heard_at: Instant,
    is_quiet: bool,
}

impl Reach {
    /// Nothing was heard; the silence counts from `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { remote: None, believed: Vec::new(), heard_at: now, is_quiet: false }
    }

    /// Where answers go: the newest nominated address, else the first that checked.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    pub(super) fn is_believed(&self, from: SocketAddr) -> bool {
        self.believed.contains(&from)
    }

    /// A sign of life that is not a check.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard_at = self.heard_at.max(now);
        self.is_quiet = false;
    }

    /// A valid check.
    pub(super) fn checked(&mut self, now: Instant, from: SocketAddr, nominates: bool) {
        self.hear(now);
        if self.believed.last() != Some(&from) {
            self.believed.retain(|known| *known != from);
            if self.believed.len() == MAX_BELIEVED {
                self.believed.remove(0);
            }
            self.believed.push(from);
        }
        if nominates || self.remote.is_none() {
            self.remote = Some(from);
        }
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
