//! What the room's task is to know: the state of members' connections, as far as it is news.
//!
//! Owns nothing.

use super::{Router, context::RoomId, signaling::down_seen};
use crate::{
    ids::{MemberId, Mid},
    protocol::Track,
    seams::media::{Observed, Path, UpSeen},
};

impl Router {
    /// The new state of members for whom it is news.
    pub(crate) fn take_changed(&mut self, news: &mut Vec<(RoomId, MemberId, Observed)>) {
        for id in self.dirty.take_members() {
            let Some(member) = self.members.get(&id) else { continue };
            let seen = Observed {
                up: member.up.map(|index| self.up_seen(index)),
                down: member.down.map(|index| down_seen(&self.viewers[index])),
            };
            if seen != member.seen
                && let Some(member) = self.members.get_mut(&id)
            {
                member.seen = seen.clone();
                news.push((self.id, id, seen));
            }
        }
    }

    fn up_seen(&self, index: usize) -> UpSeen {
        let publisher = &self.publishers[index];
        let track = |(_, number): &(Mid, usize)| {
            let published = &self.tracks[*number];
            Track {
                id: published.track.id().clone(),
                kind: published.track.kind(),
                source: published.track.source(),
                codec: published.codec.map(|codec| codec.name().to_owned()),
            }
        };
        UpSeen {
            generation: publisher.generation,
            revision: publisher.revision,
            answer: publisher.answer.clone(),
            path: publisher.path,
            is_stale: publisher.addresses.is_stale(publisher.path),
            tracks: publisher.tracks.iter().map(track).collect(),
            layers: self.wanted_layers(&publisher.tracks).into(),
        }
    }

    /// After a connection's path was looked at: an `up` that is closed publishes nothing.
    pub(crate) fn note_publisher(&mut self, index: usize) {
        let publisher = &self.publishers[index];
        let member = publisher.member;
        self.dirty.member(member);
        if publisher.path == Path::Closed {
            self.sync_tracks(member);
        }
    }
}
