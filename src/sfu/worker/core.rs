//! The worker's heart, without socket, thread or clock: datagrams, time and wishes come in, messages
//! and news go out.
//!
//! ```text
//!  apply, handle_datagram, handle_timeout   any number of them      } one wake-up
//!  flush(sink)                              everything goes out     }
//!  take_news                                what rooms have to know }
//! ```

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use rand::{SeedableRng, rngs::StdRng};
use slab::Slab;

use crate::{
    ids::MemberId,
    seams::media::{Desired, Observed, Speaking},
    sfu::{
        down::DownShared,
        relay::{feed::Feed, pipe::Pipe},
        router::{
            ConnectionKey, Router,
            context::{Context, RoomId, Shared},
            timers::{TimerKey, Timers},
        },
        up::UpShared,
        wire::{
            demux::{Demux, classify},
            outbox::{Outbox, Sink},
        },
    },
    telemetry::metrics::metrics,
};

/// All rooms of one worker.
pub(crate) struct WorkerCore {
    shared: Shared,
    demux: Demux<ConnectionKey>,
    timers: Timers,
    outbox: Outbox,
    rooms: Slab<Router>,
    numbers: HashMap<RoomId, usize>,
    n_datagrams: u64,
    n_bad: u64,
    n_dropped: u64,
    n_sent: u64,
}

impl WorkerCore {
    /// `local` is the socket's address as candidates have it; `seed` must come from the operating
    /// system's generator.
    pub(crate) fn new(
        up: Arc<UpShared>,
        down: Arc<DownShared>,
        candidates: Arc<[String]>,
        local: SocketAddr,
        seed: [u8; 32],
    ) -> Self {
        let shared = Shared { up, down, candidates, local, rng: StdRng::from_seed(seed) };
        Self {
            shared,
            demux: Demux::default(),
            timers: Timers::default(),
            outbox: Outbox::new(),
            rooms: Slab::new(),
            numbers: HashMap::new(),
            n_datagrams: 0,
            n_bad: 0,
            n_dropped: 0,
            n_sent: 0,
        }
    }

    /// A room and what else of the worker it needs.
    fn room(&mut self, number: usize) -> Option<(&mut Router, Context<'_>)> {
        let context = Context {
            shared: &mut self.shared,
            demux: &mut self.demux,
            timers: &mut self.timers,
            outbox: &mut self.outbox,
        };
        Some((self.rooms.get_mut(number)?, context))
    }

    /// A room begins, of which `max_speakers` voices are forwarded at a time.
    pub(crate) fn open_room(&mut self, now: Instant, room: RoomId, max_speakers: usize) {
        self.insert_room(now, room, max_speakers);
    }

    /// A room of another worker has viewers here.
    pub(crate) fn open_annex(&mut self, now: Instant, room: RoomId, pipe: Arc<Pipe>) {
        let number = self.insert_room(now, room, 0);
        self.rooms[number].relay.feed = Some(Feed::new(pipe));
    }

    /// A room of this worker has viewers on another.
    pub(crate) fn link(&mut self, room: RoomId, pipe: Arc<Pipe>) {
        let number = self.numbers.get(&room).copied();
        match number.and_then(|number| self.rooms.get_mut(number)) {
            Some(room) => room.add_link(pipe),
            None => pipe.close(),
        }
    }

    /// What of a room is watched on other workers.
    #[cfg(test)]
    pub(crate) fn watched_elsewhere(&self, room: RoomId) -> Vec<[bool; 3]> {
        self.rooms[self.numbers[&room]].watched_elsewhere()
    }

    fn insert_room(&mut self, now: Instant, room: RoomId, max_speakers: usize) -> usize {
        let entry = self.rooms.vacant_entry();
        let number = entry.key();
        let mut context = Context {
            shared: &mut self.shared,
            demux: &mut self.demux,
            timers: &mut self.timers,
            outbox: &mut self.outbox,
        };
        entry.insert(Router::new(now, room, number as u32, max_speakers, &mut context));
        self.numbers.insert(room, number);
        number
    }

    /// Makes real what a room wants of a member; `None`: the member is gone. A room that was never
    /// opened, or is closed, wants nothing.
    pub(crate) fn apply(
        &mut self,
        now: Instant,
        room: RoomId,
        member: MemberId,
        want: Option<Desired>,
    ) {
        let Some(&number) = self.numbers.get(&room) else { return };
        if let Some((room, mut context)) = self.room(number) {
            room.apply(now, member, want, &mut context);
        }
    }

    /// A room is gone: its connections are closed.
    pub(crate) fn close_room(&mut self, now: Instant, room: RoomId) {
        let Some(number) = self.numbers.remove(&room) else { return };
        if let Some((room, mut context)) = self.room(number) {
            room.close(now, &mut context);
        }
        self.rooms.remove(number);
    }

    /// All rooms are closed; [`WorkerCore::flush`] sends the goodbyes.
    pub(crate) fn close(&mut self, now: Instant) {
        let rooms: Vec<RoomId> = self.numbers.keys().copied().collect();
        for room in rooms {
            self.close_room(now, room);
        }
    }

    /// The box's addresses have changed.
    pub(crate) fn set_candidates(&mut self, candidates: Arc<[String]>, local: SocketAddr) {
        for (_, room) in &mut self.rooms {
            room.set_candidates(&candidates);
        }
        self.shared.candidates = candidates;
        self.shared.local = local;
    }

    /// Connections of all rooms.
    pub(crate) fn n_connections(&self) -> usize {
        self.rooms.iter().map(|(_, room)| room.n_connections()).sum()
    }

    /// Packets that could not be sent since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.n_dropped)
    }

    /// Packets of tracks that were sent since the last call.
    pub(crate) fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.n_sent)
    }

    /// A datagram came to our address `local`, where that is known.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        local: Option<IpAddr>,
        data: &[u8],
    ) {
        self.n_datagrams += 1;
        let found = classify(data)
            .and_then(|class| Some((class, self.demux.find(now, from, class, data)?)));
        let Some((class, key)) = found else {
            self.n_bad += 1;
            return;
        };
        let (ConnectionKey::Up { room, .. } | ConnectionKey::Down { room, .. }) = key;
        if let Some((room, mut context)) = self.room(room as usize) {
            room.handle_datagram(now, key, class, from, local, data, &mut context);
        }
    }

    /// Does all that is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, key)) = self.timers.pop(now) {
            let Some((room, mut context)) = self.room(key.room() as usize) else { continue };
            match key {
                TimerKey::Up(_, index) => room.publisher_timeout(now, due, index, &mut context),
                TimerKey::Down(_, index) => room.viewer_timeout(now, due, index, &mut context),
                TimerKey::Track(_, number) => room.track_timeout(now, due, number, &mut context),
                TimerKey::Room(_) => room.tick(now, due, &mut context),
            }
        }
    }

    /// When [`WorkerCore::handle_timeout`] is to be called, at the latest.
    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        let Self { timers, rooms, .. } = self;
        timers.next(|due, key| rooms.get_mut(key.room() as usize)?.deadline(due, key))
    }

    /// Sends everything that this wake-up has called forth.
    pub(crate) fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        for number in 0..self.rooms.capacity() {
            if let Some((room, mut context)) = self.room(number) {
                room.flush(now, &mut context, sink);
            }
        }
        // overflow: DROPS the batch that the socket does not take; its viewers are told below.
        self.outbox.send(sink);
        for key in self.outbox.take_losses() {
            if let Some((room, _)) = self.room(key.room as usize) {
                room.viewer_stalled(now, key.viewer as usize);
            }
        }
        self.count();
    }

    fn count(&mut self) {
        let sent = self.outbox.take_sent();
        self.n_dropped += sent.packets_dropped;
        self.n_sent += sent.packets;
        metrics().datagrams_in.inc_by(std::mem::take(&mut self.n_datagrams));
        metrics().datagrams_bad.inc_by(std::mem::take(&mut self.n_bad));
        metrics().datagrams_out.inc_by(sent.datagrams);
        metrics().packets_out.inc_by(sent.packets);
        metrics().packets_dropped.inc_by(sent.packets_dropped);
    }

    /// Members whose state has changed, each with its newest.
    pub(crate) fn take_news(&mut self) -> Vec<(RoomId, MemberId, Observed)> {
        let mut news = Vec::new();
        for (_, room) in &mut self.rooms {
            room.take_changed(&mut news);
        }
        news
    }

    /// Rooms where who speaks has changed.
    pub(crate) fn take_speaking(&mut self) -> impl Iterator<Item = (RoomId, Speaking)> {
        self.rooms.iter_mut().filter_map(|(_, room)| Some((room.id, room.take_speaking()?)))
    }
}
