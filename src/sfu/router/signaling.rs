//! What is said by SDP with a viewer: our offer and its answer, or its offer and ours.
//!
//! Owns no state: it brings what a room wants to the viewer's connection and tells what came of it.

use std::{collections::BTreeSet, time::Instant};

use super::{ConnectionKey, Router, context::Context, guard::guarded, viewer::Viewer};
use crate::{
    ids::MemberId,
    seams::media::{DownSeen, DownWant, SfuError},
    sfu::media::packet::Codec,
};

impl Viewer {
    /// Applies the client's answer, once.
    pub(crate) fn answer(&mut self, now: Instant, want: &DownWant) {
        let Some((revision, sdp)) = &want.answer else { return };
        if self.answered == Some(*revision) || self.is_over() {
            return;
        }
        self.answered = Some(*revision);
        let taken = guarded("answer of a viewer", || {
            #[cfg(test)]
            super::guard::fault::strike("answer");
            self.downlink.handle_answer(now, *revision, sdp)
        });
        self.fault = taken.unwrap_or_else(|| Err(self.is_unreadable())).err();
        self.slots_stale = true;
    }

    /// What the client has said made us panic: that ends it.
    fn is_unreadable(&mut self) -> SfuError {
        self.end("parlor has failed");
        SfuError::Internal("the client's description could not be read".to_owned())
    }

    /// Answers the client's offer, once; `published` are the codecs of what it watches. True if it is
    /// to be reachable by the connection's newest name as well.
    pub(crate) fn take_offer(
        &mut self,
        now: Instant,
        want: &DownWant,
        published: &[Codec],
    ) -> bool {
        let Some((revision, sdp)) = want.offer.as_ref().filter(|_| !self.is_over()) else {
            return false;
        };
        if self.reply.as_ref().is_some_and(|(known, _)| known == revision) {
            return false;
        }
        let reply = guarded("offer of a viewer", || {
            #[cfg(test)]
            super::guard::fault::strike("offer of a viewer");
            self.downlink.handle_offer(now, sdp, published)
        });
        self.reply = Some((*revision, reply.unwrap_or_else(|| Err(self.is_unreadable()))));
        self.slots_stale = true;
        true
    }
}

impl Router {
    /// Passes on what this viewer's client has said last.
    pub(crate) fn take_sdp(
        &mut self,
        now: Instant,
        index: usize,
        want: &DownWant,
        context: &mut Context<'_>,
    ) {
        let published = self.published(&want.watch);
        let viewer = &mut self.viewers[index];
        viewer.answer(now, want);
        if viewer.take_offer(now, want, &published) {
            // An offer that restarts ICE has made our fragment a new one; the first has made lines.
            let key = ConnectionKey::Down { room: self.index, index };
            context.demux.insert(viewer.downlink.local_ufrag(), key);
            self.dirty.tables();
        }
    }

    /// Codecs of what these members publish, as far as known.
    fn published(&self, members: &BTreeSet<MemberId>) -> Vec<Codec> {
        let mut codecs = Vec::new();
        for (_, published) in &self.tracks {
            let is_watched = members.contains(&published.track.id().member);
            if let Some(codec) =
                published.codec.filter(|codec| is_watched && !codecs.contains(codec))
            {
                codecs.push(codec);
            }
        }
        codecs
    }
}

/// The state of a viewer's connection.
pub(crate) fn down_seen(viewer: &Viewer) -> DownSeen {
    let (revision, offer) = viewer.downlink.offer().unzip();
    DownSeen {
        generation: viewer.generation,
        revision: revision.unwrap_or(0),
        offer,
        mids: viewer.downlink.mids(),
        path: viewer.path,
        is_stale: viewer.addresses.is_stale(viewer.path),
        fault: viewer.fault.clone(),
        answer: viewer.reply.clone(),
    }
}
