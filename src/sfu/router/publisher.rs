//! One member's `up` connection inside its worker, and the tracks that come by it.
//!
//! Owns which m-section feeds which track of the room. The connection itself is `up`'s, a
//! track's packets are `track`'s; who watches is the router's affair.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::context::{Shared, live};
use crate::{
    ids::{MemberId, Mid},
    protocol::{MediaKind, TrackSource},
    seams::media::{Path, SfuError, UpWant},
    sfu::{up::Uplink, wire::outbox::Outbox},
};

/// An `up` connection.
pub(crate) struct Publisher {
    pub(crate) member: MemberId,
    pub(crate) generation: u32,
    pub(crate) revision: u32,
    /// `None` if it could not even be made.
    pub(crate) uplink: Option<Uplink>,
    pub(crate) answer: Result<Arc<str>, SfuError>,
    /// Which track each publishing section feeds, in the order of the sections.
    pub(crate) tracks: Vec<(Mid, usize)>,
    pub(crate) path: Path,
    pub(crate) scheduled: Option<Instant>,
}

impl Publisher {
    /// A new connection with its first offer answered, or refused.
    pub(crate) fn new(now: Instant, shared: &mut Shared, member: MemberId, want: &UpWant) -> Self {
        let credentials = shared.credentials();
        let made =
            Uplink::new(&shared.up, credentials, Arc::clone(&shared.candidates), shared.local, now);
        let (uplink, answer) = match made {
            Ok(mut uplink) => {
                let answer = uplink.handle_offer(now, &want.offer);
                (Some(uplink), answer)
            }
            Err(error) => (None, Err(error)),
        };
        Self {
            member,
            generation: want.generation,
            revision: want.revision,
            uplink,
            answer,
            tracks: Vec::new(),
            path: Path::New,
            scheduled: None,
        }
    }

    /// The next offer on the same connection.
    pub(crate) fn reoffer(&mut self, now: Instant, want: &UpWant) {
        self.revision = want.revision;
        if let Some(uplink) = &mut self.uplink {
            self.answer = uplink.handle_offer(now, &want.offer);
        }
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
    pub(crate) fn set_path(&mut self, path: Path) -> bool {
        let change = live(path) - live(self.path);
        crate::telemetry::metrics::metrics().publishers.inc_by(change);
        std::mem::replace(&mut self.path, path) != path
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant, outbox: &mut Outbox) {
        if let Some(uplink) = &mut self.uplink {
            uplink.close(now, outbox);
        }
        self.set_path(Path::Closed);
    }

    /// A datagram came.
    pub(crate) fn feed(
        &mut self,
        now: Instant,
        from: SocketAddr,
        data: &[u8],
        outbox: &mut Outbox,
    ) {
        if let Some(uplink) = &mut self.uplink {
            uplink.handle_datagram(now, from, data, outbox);
        }
    }
}

/// Where the thread panics, nobody closes it.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.set_path(Path::Closed);
    }
}
