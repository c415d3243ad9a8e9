//! One room inside its worker: members' wanted state made real.
//!
//! Owns the room's connections and tracks, and the tables of who sees what. Wishes are made real by
//! `reconcile`, what comes of them is told by `news`; packets come by `intake` and go by `fan_out`.

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
mod news;
mod outlets;
mod published;
mod publisher;
mod quality;
mod reconcile;
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
    timers::TimerKey,
    viewer::Viewer,
};
use crate::{
    ids::MemberId,
    seams::media::{Desired, Observed, Speaking},
    sfu::{
        media::speakers::Speakers,
        relay::{Relay, from_home::FromHome, pipe::Pipe},
        wire::outbox::Outbox,
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

    /// What waits to be sealed for its viewers beside fresh packets.
    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        self.viewers.iter().map(|(_, viewer)| viewer.n_waiting()).sum()
    }

    /// Its connections, as the worker knows them.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionKey> + '_ {
        let room = self.index;
        let ups = self.publishers.iter().map(move |(index, _)| ConnectionKey::Up { room, index });
        let downs = self.viewers.iter().map(move |(index, _)| ConnectionKey::Down { room, index });
        ups.chain(downs)
    }

    /// Says goodbye to everybody.
    pub(crate) fn close(&mut self, now: Instant, context: &mut Context<'_>) {
        let members: Vec<MemberId> = self.members.keys().copied().collect();
        for member in members {
            self.remove(now, member, context);
        }
    }

    /// Tells all clients that it is over, and does no more: what it has is thrown away.
    pub(crate) fn say_goodbye(&mut self, now: Instant, outbox: &mut Outbox) {
        for (_, viewer) in &mut self.viewers {
            if !viewer.is_over() {
                viewer.downlink.close(now, outbox);
            }
        }
        for (_, publisher) in &mut self.publishers {
            if let Some(uplink) = &mut publisher.uplink {
                uplink.close(now, outbox);
            }
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
}
