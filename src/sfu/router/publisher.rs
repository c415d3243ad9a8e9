//! One member's `up` connection inside its worker, and the tracks that come by it.
//!
//! Owns which m-section feeds which track of the room. The connection itself is `up`'s, a
//! track's packets are `track`'s; who watches is the router's affair.

use std::{sync::Arc, time::Instant};

use super::{
    addresses::KnownAddresses,
    context::{GOODBYE, RoomId, SILENCE, Shared, live},
    guard::guarded,
};
use crate::{
    ids::{MemberId, Mid},
    protocol::{MediaKind, TrackSource},
    seams::media::{Path, SfuError, UpWant},
    sfu::{
        up::Uplink,
        wire::{outbox::Outbox, transmit::Route},
    },
};

/// An `up` connection.
pub(crate) struct Publisher {
    room: RoomId,
    pub(super) member: MemberId,
    pub(super) generation: u32,
    pub(super) revision: u32,
    /// `None` if it could not even be made.
    pub(super) uplink: Option<Uplink>,
    pub(super) answer: Result<Arc<str>, SfuError>,
    /// Which track each publishing section feeds, in the order of the sections.
    pub(super) tracks: Vec<(Mid, usize)>,
    pub(super) path: Path,
    /// The addresses that the client knows.
    pub(super) addresses: KnownAddresses,
    pub(super) scheduled: Option<Instant>,
}

impl Publisher {
    /// A new connection with its first offer answered, or refused.
    pub(crate) fn new(
        now: Instant,
        shared: &mut Shared,
        (room, member): (RoomId, MemberId),
        want: &UpWant,
    ) -> Self {
        let credentials = shared.credentials();
        let made =
            Uplink::new(&shared.up, credentials, Arc::clone(&shared.candidates), shared.local, now);
        let (uplink, refusal) = match made {
            Ok(uplink) => (Some(uplink), SfuError::Internal(String::new())),
            Err(error) => (None, error),
        };
        let mut publisher = Self {
            room,
            member,
            generation: want.generation,
            revision: want.revision,
            uplink,
            answer: Err(refusal),
            tracks: Vec::new(),
            path: Path::New,
            addresses: KnownAddresses::new(&shared.candidates),
            scheduled: None,
        };
        publisher.reoffer(now, want);
        publisher
    }

    /// The next offer on the same connection. One that makes us panic ends it.
    pub(crate) fn reoffer(&mut self, now: Instant, want: &UpWant) {
        self.revision = want.revision;
        let Some(uplink) = &mut self.uplink else { return };
        let answer = guarded("offer of a publisher", || {
            #[cfg(test)]
            super::guard::fault::strike("offer");
            uplink.handle_offer(now, &want.offer)
        });
        self.answer = answer.unwrap_or_else(|| {
            self.fail();
            Err(SfuError::Internal("the offer could not be read".to_owned()))
        });
        self.addresses.tell();
    }

    /// What is published by this connection, as wanted: kind is the section's, source the client's
    /// word. A section that the client does not name publishes nothing.
    pub(crate) fn sections(&self, want: &UpWant) -> Vec<(Mid, MediaKind, TrackSource)> {
        let Some(uplink) = self.uplink.as_ref().filter(|_| self.path != Path::Closed) else {
            return Vec::new();
        };
        let named = |mid: &Mid| want.tracks.iter().find(|track| track.mid == *mid);
        uplink
            .mids()
            .into_iter()
            .filter_map(|(mid, kind)| {
                let source = named(&mid)?.source;
                Some((mid, kind, source))
            })
            .collect()
    }

    /// The track that a section feeds.
    pub(crate) fn track(&self, mid: &Mid) -> Option<usize> {
        self.tracks.iter().find(|(known, _)| known == mid).map(|(_, track)| *track)
    }

    /// Takes over how the path is now; true if that is news.
    fn set_path(&mut self, path: Path) -> bool {
        let change = live(path) - live(self.path);
        crate::telemetry::metrics::metrics().publishers.inc_by(change);
        std::mem::replace(&mut self.path, path) != path
    }

    /// Looks how the path is now; true if that is news.
    pub(crate) fn look(&mut self, now: Instant) -> bool {
        let Some(uplink) = self.uplink.as_ref().filter(|_| self.path != Path::Closed) else {
            return false;
        };
        match uplink.path(now) {
            Path::Closed => {
                let otherwise = if uplink.poll_timeout().is_some() { SILENCE } else { GOODBYE };
                let reason = uplink.closed_because().unwrap_or(otherwise).to_owned();
                self.end(&reason)
            }
            path => self.set_path(path),
        }
    }

    /// Its code has failed, and is not asked again.
    pub(crate) fn fail(&mut self) {
        self.end("parlor has failed");
        self.uplink = None;
    }

    /// It is over, for this reason, which is told once. True if that is news.
    fn end(&mut self, reason: &str) -> bool {
        if self.path == Path::Closed {
            return false;
        }
        tracing::info!(
            room = self.room, member = %self.member, direction = "up", path = ?self.path,
            peer = ?self.uplink.as_ref().and_then(Uplink::route),
            n_ignored = self.uplink.as_ref().map_or(0, Uplink::n_ignored), reason,
            "a connection has ended",
        );
        self.set_path(Path::Closed)
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant, outbox: &mut Outbox) {
        if let Some(uplink) = &mut self.uplink {
            uplink.close(now, outbox);
        }
        self.end("its room has no use for it");
    }

    /// A datagram came.
    pub(crate) fn feed(&mut self, now: Instant, from: Route, data: &[u8], outbox: &mut Outbox) {
        if let Some(uplink) = &mut self.uplink {
            uplink.handle_datagram(now, from, data, outbox);
        }
    }
}

/// Where the thread panics, nobody closes it.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.end("what it was of has failed");
    }
}
