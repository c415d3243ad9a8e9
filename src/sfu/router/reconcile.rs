//! Wishes made real: a member's connections and tracks are what its room wants of it.
//!
//! Idempotent: the same wish twice changes nothing. Owns nothing.

use std::time::Instant;

use super::{
    ConnectionKey, Router, context::Context, published::Published, publisher::Publisher,
    viewer::Viewer,
};
use crate::{
    ids::{MemberId, TrackId},
    protocol::{MediaKind, TrackSource},
    seams::media::Desired,
    sfu::media::track::SourceTrack,
};

impl Router {
    /// Makes real what is wanted of a member; `None`: it is gone.
    pub(crate) fn apply(
        &mut self,
        now: Instant,
        id: MemberId,
        want: Option<Desired>,
        context: &mut Context<'_>,
    ) {
        let Some(want) = want else { return self.remove(now, id, context) };
        let member = self.members.entry(id).or_default();
        let watched =
            |want: &Desired| want.down.as_ref().map(|down| (down.watch.clone(), down.hear));
        if watched(&member.want) != watched(&want) {
            self.dirty.tables();
        }
        member.want = want;
        self.reconcile_up(now, id, context);
        self.reconcile_down(now, id, context);
        self.dirty.member(id);
    }

    pub(super) fn remove(&mut self, now: Instant, id: MemberId, context: &mut Context<'_>) {
        let Some(member) = self.members.remove(&id) else { return };
        member.up.inspect(|index| self.close_publisher(now, *index, context));
        member.down.inspect(|index| self.close_viewer(now, *index, context));
        self.keep_tracks(id, |_| false);
        self.dirty.forget_member(id);
    }

    fn reconcile_up(&mut self, now: Instant, id: MemberId, context: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let want = member.want.up.clone();
        let index = member.up;
        let same = |index: &usize| {
            let publisher = self.publishers.get(*index);
            publisher.map(|publisher| publisher.generation) == want.as_ref().map(|w| w.generation)
        };
        if let Some(index) = index.filter(|index| !same(index)) {
            member.up = None;
            self.close_publisher(now, index, context);
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(want) = want else { return self.keep_tracks(id, |_| false) };
        let index = match member.up {
            Some(index) => {
                let publisher = &mut self.publishers[index];
                if publisher.revision != want.revision {
                    publisher.reoffer(now, &want);
                    // An offer that restarts ICE has made our fragment a new one.
                    if let Some(uplink) = &publisher.uplink {
                        let key = ConnectionKey::Up { room: self.index, index };
                        context.demux.insert(uplink.local_ufrag(), key);
                    }
                }
                index
            }
            None => {
                let publisher = Publisher::new(now, context.shared, (self.id, id), &want);
                let ufrag = publisher.uplink.as_ref().map(|uplink| uplink.local_ufrag().to_owned());
                let index = self.publishers.insert(publisher);
                member.up = Some(index);
                let key = ConnectionKey::Up { room: self.index, index };
                ufrag.inspect(|ufrag| context.demux.insert(ufrag, key));
                index
            }
        };
        self.pump_publisher(now, index, context);
        self.sync_tracks(id);
    }

    fn reconcile_down(&mut self, now: Instant, id: MemberId, context: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let want = member.want.down.clone();
        let generation = want.as_ref().map(|want| want.generation);
        let same =
            |index: &usize| self.viewers.get(*index).map(|viewer| viewer.generation) == generation;
        if let Some(index) = member.down.filter(|index| !same(index)) {
            member.down = None;
            self.close_viewer(now, index, context);
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(want) = want else { return };
        let index = match member.down {
            Some(index) => index,
            None => {
                let viewer = Viewer::new(now, context.shared, (self.id, id), &want);
                let ufrag = viewer.downlink.local_ufrag().to_owned();
                let index = self.viewers.insert(viewer);
                member.down = Some(index);
                context.demux.insert(&ufrag, ConnectionKey::Down { room: self.index, index });
                self.dirty.tables();
                index
            }
        };
        self.take_sdp(now, index, &want, context);
        if self.viewers[index].set_tiles(&want.tiles) {
            self.viewers[index].choose_layers(now, &self.tracks, &mut self.dirty.keyframes);
            self.dirty.demand();
        }
        self.pump_viewer(now, index, context);
    }

    /// Tracks of a member are those of its connection's sections. One that goes on under a new
    /// connection keeps its packets and viewers.
    pub(crate) fn sync_tracks(&mut self, id: MemberId) {
        let Some(member) = self.members.get(&id) else { return };
        let (Some(index), Some(want)) = (member.up, &member.want.up) else { return };
        let sections = self.publishers[index].sections(want);
        let key = |track: &SourceTrack| (track.id().mid.clone(), track.kind(), track.source());
        self.keep_tracks(id, |track| sections.contains(&key(track)));
        let mut table = Vec::with_capacity(sections.len());
        for (mid, kind, source) in sections {
            let number = self.track_number(TrackId { member: id, mid: mid.clone() }, kind, source);
            self.tracks[number].publisher = index;
            table.push((mid, number));
        }
        if self.publishers[index].tracks != table {
            self.publishers[index].tracks = table;
            self.dirty.member(id);
        }
    }

    fn track_number(&mut self, id: TrackId, kind: MediaKind, source: TrackSource) -> usize {
        let known = self.tracks.iter().find(|(_, published)| *published.track.id() == id);
        if let Some((number, _)) = known {
            return number;
        }
        let lane = self.relay.next_lane();
        self.tracks.insert(Published::new(lane, SourceTrack::new(id, kind, source)))
    }

    fn keep_tracks(&mut self, member: MemberId, keep: impl Fn(&SourceTrack) -> bool) {
        let gone: Vec<usize> = self
            .tracks
            .iter()
            .filter(|(_, published)| published.track.id().member == member)
            .filter(|_| self.relay.home.is_none())
            .filter(|(_, published)| !keep(&published.track))
            .map(|(number, _)| number)
            .collect();
        for number in gone {
            self.drop_track(number);
            self.dirty.member(member);
        }
    }

    pub(crate) fn drop_track(&mut self, number: usize) {
        self.tracks.remove(number);
        self.speakers.forget(number);
        self.dirty.forget_track(number);
        self.viewers.iter_mut().for_each(|(_, viewer)| viewer.forget_track(number));
        for (_, publisher) in &mut self.publishers {
            publisher.tracks.retain(|(_, track)| *track != number);
        }
        self.dirty.tables();
    }
}
