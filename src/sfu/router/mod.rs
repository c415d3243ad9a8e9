//! One room inside its worker: members' wanted state made real.
//!
//! Owns the room's connections and tracks, and the tables of who sees what. Reconciling is
//! idempotent: the same wish twice changes nothing. Packets come by `intake` and go by `fan_out`.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use slab::Slab;

mod addresses;
mod codec;
pub(crate) mod context;
mod demand;
mod dirty;
mod due;
mod fan_out;
mod from_home;
pub(crate) mod guard;
mod intake;
mod meter;
mod outlets;
mod published;
mod publisher;
mod quality;
mod signaling;
mod speech;
mod tables;
pub(crate) mod timers;
mod viewer;

use self::{
    context::{Context, RoomId},
    dirty::Dirty,
    due::TICK,
    published::Published,
    publisher::Publisher,
    signaling::down_seen,
    timers::TimerKey,
    viewer::Viewer,
};
use crate::{
    ids::{MemberId, Mid, TrackId},
    protocol::{MediaKind, Track, TrackSource},
    seams::media::{Desired, Observed, Path, Speaking, UpSeen},
    sfu::{
        media::{speakers::Speakers, track::SourceTrack},
        relay::{Relay, from_home::FromHome, pipe::Pipe},
    },
};

/// A connection of a worker: room and index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ConnectionKey {
    Up { room: u32, index: usize },
    Down { room: u32, index: usize },
}

impl ConnectionKey {
    /// The room's number in its worker.
    pub(crate) fn room(self) -> usize {
        let (Self::Up { room, .. } | Self::Down { room, .. }) = self;
        room as usize
    }
}

/// A member as its room in the worker has it.
#[derive(Default)]
struct Member {
    want: Desired,
    up: Option<usize>,
    down: Option<usize>,
    seen: Observed,
}

/// A room's media.
pub(crate) struct Router {
    pub(crate) id: RoomId,
    /// Its number in the worker.
    index: u32,
    members: BTreeMap<MemberId, Member>,
    publishers: Slab<Publisher>,
    viewers: Slab<Viewer>,
    /// The viewer that was first in the newest wake-up.
    first: usize,
    tracks: Slab<Published>,
    dirty: Dirty,
    scheduled: Option<Instant>,
    n_ticks: usize,
    speakers: Speakers,
    relay: Relay,
    /// As was told last.
    speaking: Speaking,
}

impl Router {
    /// `max_speakers` voices are forwarded at a time.
    pub(crate) fn new(
        now: Instant,
        id: RoomId,
        index: u32,
        max_speakers: usize,
        context: &mut Context<'_>,
    ) -> Self {
        let mut scheduled = None;
        context.timers.schedule(TimerKey::Room(index), Some(now + TICK), &mut scheduled);
        Self {
            id,
            index,
            members: BTreeMap::new(),
            publishers: Slab::new(),
            viewers: Slab::new(),
            first: 0,
            tracks: Slab::new(),
            dirty: Dirty::default(),
            scheduled,
            n_ticks: 0,
            speakers: Speakers::new(max_speakers),
            relay: Relay::default(),
            speaking: Speaking::default(),
        }
    }

    /// One whose tracks come from its home on another worker.
    pub(crate) fn annex(
        now: Instant,
        id: RoomId,
        index: u32,
        pipe: Arc<Pipe>,
        context: &mut Context<'_>,
    ) -> Self {
        let mut router = Self::new(now, id, index, 0, context);
        router.relay.home = Some(FromHome::new(pipe));
        router
    }

    /// How many connections it has.
    pub(crate) fn n_connections(&self) -> usize {
        self.publishers.len() + self.viewers.len()
    }

    /// Its connections, as the worker knows them.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionKey> + '_ {
        let room = self.index;
        let ups = self.publishers.iter().map(move |(index, _)| ConnectionKey::Up { room, index });
        let downs = self.viewers.iter().map(move |(index, _)| ConnectionKey::Down { room, index });
        ups.chain(downs)
    }

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
        let watched = |want: &Desired| want.down.as_ref().map(|down| down.watch.clone());
        if watched(&member.want) != watched(&want) {
            self.dirty.tables();
        }
        member.want = want;
        self.reconcile_up(now, id, context);
        self.reconcile_down(now, id, context);
        self.dirty.member(id);
    }

    fn remove(&mut self, now: Instant, id: MemberId, context: &mut Context<'_>) {
        let Some(member) = self.members.remove(&id) else { return };
        member.up.inspect(|index| self.close_publisher(now, *index, context));
        member.down.inspect(|index| self.close_viewer(now, *index, context));
        self.keep_tracks(id, |_| false);
        self.dirty.forget_member(id);
    }

    /// Says goodbye to everybody.
    pub(crate) fn close(&mut self, now: Instant, context: &mut Context<'_>) {
        let members: Vec<MemberId> = self.members.keys().copied().collect();
        for member in members {
            self.remove(now, member, context);
        }
    }

    fn close_publisher(&mut self, now: Instant, index: usize, context: &mut Context<'_>) {
        context.demux.remove(ConnectionKey::Up { room: self.index, index });
        let mut publisher = self.publishers.remove(index);
        context.timers.cancel(TimerKey::Up(self.index, index), &mut publisher.scheduled);
        publisher.close(now, context.outbox);
    }

    fn close_viewer(&mut self, now: Instant, index: usize, context: &mut Context<'_>) {
        context.demux.remove(ConnectionKey::Down { room: self.index, index });
        let mut viewer = self.viewers.remove(index);
        context.timers.cancel(TimerKey::Down(self.index, index), &mut viewer.scheduled);
        viewer.close(now, context.outbox);
        self.dirty.demand();
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
