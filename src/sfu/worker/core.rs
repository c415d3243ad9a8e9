//! The worker's heart, without socket, thread or clock: datagrams, time and wishes come in, messages
//! and news go out.
//!
//! ```text
//!  apply, handle_datagram, handle_timeout   any number of them      } one wake-up
//!  flush(sink)                              everything goes out     }
//!  take_news, take_fallen                   what rooms have to know }
//! ```
//! Whatever is done in a room is done in a guard: a room in which something panics is thrown away, and
//! the others go on.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Instant};

use ipnet::IpNet;
use rand::{SeedableRng, rngs::StdRng};
use slab::Slab;

use crate::{
    ids::MemberId,
    seams::media::{Desired, Observed, Speaking},
    sfu::{
        down::DownShared,
        relay::{pipe::Pipe, to_annex::ToAnnex},
        router::{
            ConnectionKey, Router,
            context::{Context, RoomId, Shared},
            guard::guarded,
            timers::{TimerKey, Timers},
        },
        up::UpShared,
        wire::{
            demux::{Demux, classify},
            greeting::greet,
            outbox::{Outbox, Sink},
            transmit::{Peer, Route, Transmit},
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
    /// Rooms that were thrown away, of which nobody was told yet.
    fallen: Vec<RoomId>,
    /// When it was last told the time.
    newest: Option<Instant>,
    /// The room that sends first in the next wake-up.
    first: usize,
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
        let rng = StdRng::from_seed(seed);
        let shared = Shared { up, down, candidates, local, near: Arc::default(), rng };
        Self {
            shared,
            demux: Demux::default(),
            timers: Timers::default(),
            outbox: Outbox::new(),
            rooms: Slab::new(),
            numbers: HashMap::new(),
            fallen: Vec::new(),
            newest: None,
            first: 0,
            n_datagrams: 0,
            n_bad: 0,
            n_dropped: 0,
            n_sent: 0,
        }
    }

    /// Does something in a room, with what else of the worker that needs. `None`: there is no such
    /// room, or it has fallen by this.
    fn within<T>(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Router, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let room = self.rooms.get_mut(number)?;
        let mut context = Context {
            shared: &mut self.shared,
            demux: &mut self.demux,
            timers: &mut self.timers,
            outbox: &mut self.outbox,
        };
        let done = guarded("room", || act(room, &mut context));
        if done.is_none() {
            self.throw_away(number);
        }
        done
    }

    /// Nothing of it is used any more; its clients are told goodbye, as far as it can still do that.
    fn throw_away(&mut self, number: usize) {
        let Some(mut room) = self.rooms.try_remove(number) else { return };
        if let Some(now) = self.newest {
            guarded("room that has fallen", || room.say_goodbye(now, &mut self.outbox));
        }
        self.numbers.remove(&room.id);
        self.fallen.push(room.id);
        for key in room.connections() {
            self.demux.remove(key);
        }
        guarded("room that has fallen", || drop(room));
    }

    /// A room begins, of which `max_speakers` voices are forwarded at a time.
    pub(crate) fn open_room(&mut self, now: Instant, room: RoomId, max_speakers: usize) {
        self.insert(room, |number, context| Router::new(now, room, number, max_speakers, context));
    }

    /// A room of another worker has viewers here.
    pub(crate) fn open_annex(&mut self, now: Instant, room: RoomId, pipe: Arc<Pipe>) {
        self.insert(room, |number, context| Router::annex(now, room, number, pipe, context));
    }

    /// A room of this worker has viewers on another.
    pub(crate) fn link(&mut self, room: RoomId, pipe: Arc<Pipe>) {
        let number = self.numbers.get(&room).copied();
        match number.and_then(|number| self.rooms.get_mut(number)) {
            Some(room) => room.add_outlet(Box::new(ToAnnex::new(pipe))),
            None => pipe.close(),
        }
    }

    /// What of a room is watched on other workers.
    #[cfg(test)]
    pub(crate) fn watched_elsewhere(
        &self,
        room: RoomId,
    ) -> Vec<[bool; crate::sfu::path::MAX_LAYERS]> {
        self.rooms[self.numbers[&room]].watched_elsewhere()
    }

    fn insert(&mut self, id: RoomId, make: impl FnOnce(u32, &mut Context<'_>) -> Router) {
        let entry = self.rooms.vacant_entry();
        let number = entry.key();
        let mut context = Context {
            shared: &mut self.shared,
            demux: &mut self.demux,
            timers: &mut self.timers,
            outbox: &mut self.outbox,
        };
        entry.insert(make(number as u32, &mut context));
        self.numbers.insert(id, number);
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
        self.within(number, |room, context| room.apply(now, member, want, context));
    }

    /// A room is gone: its connections are closed.
    pub(crate) fn close_room(&mut self, now: Instant, room: RoomId) {
        let Some(number) = self.numbers.remove(&room) else { return };
        if self.within(number, |room, context| room.close(now, context)).is_some() {
            self.rooms.remove(number);
        }
    }

    /// Something panicked outside all rooms, so that nothing here is used any more: clients are told
    /// goodbye, as far as that can still be done. Whoever is behind them comes back at once.
    pub(crate) fn abandon(&mut self, now: Instant, sink: &mut impl Sink) {
        let Self { rooms, outbox, .. } = self;
        for (_, room) in rooms.iter_mut() {
            guarded("worker that has fallen", || room.say_goodbye(now, outbox));
        }
        // overflow: DROPS what the socket does not take; its clients find out by silence.
        guarded("worker that has fallen", || outbox.send(sink));
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
        for number in 0..self.rooms.capacity() {
            self.within(number, |room, _| room.set_candidates(&candidates));
        }
        self.shared.candidates = candidates;
        self.shared.local = local;
    }

    /// Which IPv6 prefixes are on the box's links: whoever comes from there is in the same house.
    pub(crate) fn set_near(&mut self, near: Arc<[IpNet]>) {
        for number in 0..self.rooms.capacity() {
            self.within(number, |room, _| room.set_near(&near));
        }
        self.shared.near = near;
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

    /// A datagram came by this way.
    pub(crate) fn handle_datagram(&mut self, now: Instant, from: Route, data: &[u8]) {
        self.n_datagrams += 1;
        let found = classify(data)
            .and_then(|class| Some((class, self.demux.find(from.peer, class, data)?)));
        let Some((class, key)) = found else {
            match greet(from.peer.address, data) {
                Some(answer) => self.outbox.transmit(from, &answer),
                None => self.n_bad += 1,
            }
            return;
        };
        self.within(key.room(), |room, context| {
            room.handle_datagram(now, key, class, from, data, context);
        });
    }

    /// Whether somebody who knows the password of a connection has spoken from there.
    pub(crate) fn knows(&self, peer: Peer) -> bool {
        self.demux.knows(peer)
    }

    /// Nothing goes to this peer any more: its stream has ended.
    pub(crate) fn peer_gone(&mut self, now: Instant, peer: Peer) {
        let Some(key) = self.demux.forget(peer) else { return };
        self.within(key.room(), |room, context| room.peer_gone(now, key, peer, context));
    }

    /// Does all that is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, key)) = self.timers.pop(now) {
            self.within(key.room() as usize, |room, context| match key {
                TimerKey::Up(_, index) => room.publisher_timeout(now, due, index, context),
                TimerKey::Down(_, index) => room.viewer_timeout(now, due, index, context),
                TimerKey::Track(_, number) => room.track_timeout(now, due, number, context),
                TimerKey::Room(_) => room.tick(now, due, context),
            });
        }
    }

    /// When [`WorkerCore::handle_timeout`] is to be called, at the latest.
    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        let Self { timers, rooms, .. } = self;
        timers.next(|due, key| rooms.get_mut(key.room() as usize)?.deadline(due, key))
    }

    /// Sends everything that this wake-up has called forth.
    pub(crate) fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        self.newest = Some(now);
        // Elsewhere each time: where the socket takes no more, it shall not be the same who lose.
        let n_places = self.rooms.capacity();
        self.first = (self.first + 1) % n_places.max(1);
        for place in 0..n_places {
            let number = (self.first + place) % n_places;
            self.within(number, |room, context| room.flush(now, context, sink));
        }
        // overflow: DROPS what the socket does not take; its viewers are told below.
        self.outbox.send(sink);
        // Sound goes on with its next packet.
        let losses = self.outbox.take_losses().into_iter().chain(sink.take_losses());
        for key in losses.filter(|key| !key.is_sound) {
            self.within(key.room as usize, |room, _| {
                room.viewer_stalled(now, key.viewer as usize);
            });
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
        for number in 0..self.rooms.capacity() {
            self.within(number, |room, _| room.take_changed(&mut news));
        }
        news
    }

    /// Rooms that were thrown away: what they had is gone, and they may be opened again.
    pub(crate) fn take_fallen(&mut self) -> Vec<RoomId> {
        std::mem::take(&mut self.fallen)
    }

    /// How many entries wait to be due.
    #[cfg(test)]
    pub(crate) fn n_timers(&self) -> usize {
        self.timers.len()
    }

    /// What waits to be sealed for viewers beside fresh packets.
    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        self.rooms.iter().map(|(_, room)| room.n_waiting()).sum()
    }

    /// Rooms where who speaks has changed.
    pub(crate) fn take_speaking(&mut self) -> impl Iterator<Item = (RoomId, Speaking)> {
        self.rooms.iter_mut().filter_map(|(_, room)| Some((room.id, room.take_speaking()?)))
    }
}
