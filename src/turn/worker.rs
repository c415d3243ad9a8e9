//! The server's thread: waits for its sockets, its commands and the next deadline; batches all the
//! way through.
//!
//! ```text
//!  epoll --listener, relay--> batch --> Server --> World: outbox, streams --flush--> sockets, tasks
//!    ^------------- bell <--Command-- tasks of streams and of peers' connections, settings
//! ```
//!
//! No runtime here: a relayed frame is one read and one write (compare
//! `docs/decisions/2026-11-27-a-worker-waits-by-itself.md`).

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Instant, SystemTime},
};

use rustix::{
    event::{
        EventfdFlags, Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
        eventfd,
    },
    io::Errno,
};
use tokio::{net::TcpStream, runtime::Handle, sync::mpsc};
use tracing::error;

use super::{
    frame,
    outlet::{Client, ConnectionId, RelayId, StreamId, Via},
    server::{Now, Rules, Server},
    socket::{Room, Udp},
    world::{FIRST_RELAY, StreamEnd, World},
};
use crate::telemetry::metrics::metrics;

/// Commands that wait. Streams await their turn.
const MAX_COMMANDS: usize = 256;
/// The bell's number among epoll's events; listeners follow.
const BELL: u64 = 0;
/// Batches of one socket before the others have their turn.
const MAX_BATCHES: usize = 4;
/// Events of one wake-up.
const N_EVENTS: usize = 128;

/// What tasks tell the worker.
pub(super) enum Command {
    /// Settings or addresses have changed.
    Rules(Arc<Rules>),
    /// A stream is there.
    Opened(StreamId, StreamEnd),
    /// Whole frames of a stream.
    Frames(Client, Vec<u8>),
    /// A stream is gone.
    Closed(Client),
    /// A peer has connected to a relay, of which this task accepts.
    Accepted(RelayId, tokio::task::Id, SocketAddr, TcpStream),
    /// What came of a connection that was asked for.
    Connected(ConnectionId, Option<TcpStream>),
    /// A connection that a stream had has ended.
    Disconnected(ConnectionId),
    /// The box is stopping.
    Stop,
}

/// Tells the worker.
#[derive(Clone)]
pub(super) struct Commands {
    sender: mpsc::Sender<Command>,
    bell: Arc<OwnedFd>,
}

impl Commands {
    /// False if the worker has ended.
    pub(super) async fn tell(&self, command: Command) -> bool {
        // overflow: awaited; whoever sends by a stream is slowed down to what is taken.
        let told = self.sender.send(command).await.is_ok();
        // It cannot fail: the counter would have to be full, and then it wakes all the same.
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
        told
    }
}

/// Commands for a worker and their other end.
pub(super) fn commands() -> io::Result<(Commands, mpsc::Receiver<Command>)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (sender, receiver) = mpsc::channel(MAX_COMMANDS);
    Ok((Commands { sender, bell }, receiver))
}

/// The thread's state.
pub(super) struct Worker {
    server: Server,
    world: World,
    commands: mpsc::Receiver<Command>,
    bell: Arc<OwnedFd>,
    room: Room,
}

impl Worker {
    pub(super) fn new(
        rules: Arc<Rules>,
        seed: [u8; 32],
        listeners: Vec<Udp>,
        (commands, receiver): (Commands, mpsc::Receiver<Command>),
        runtime: Handle,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = commands.bell.clone();
        epoll::add(&epoll, &*bell, EventData::new_u64(BELL), EventFlags::IN)?;
        for (index, listener) in listeners.iter().enumerate() {
            let number = EventData::new_u64(BELL + 1 + index as u64);
            epoll::add(&epoll, listener, number, EventFlags::IN)?;
        }
        let world = World::new(epoll, listeners, commands, runtime);
        let server = Server::new(rules, seed, now());
        Ok(Self { server, world, commands: receiver, bell, room: Room::new() })
    }

    /// Until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(N_EVENTS);
        loop {
            let due = self.server.poll_timeout();
            let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            events.clear();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.world.epoll, spare, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(fault) => {
                    error!(%fault, "the TURN server cannot wait for its sockets and ends");
                    return;
                }
            }
            for event in &events {
                let number = event.data.u64();
                match number {
                    BELL => {
                        let _ = rustix::io::read(&*self.bell, &mut [0_u8; 8]);
                    }
                    FIRST_RELAY.. => self.relay((number - FIRST_RELAY) as usize),
                    _ => self.listener((number - BELL - 1) as usize),
                }
            }
            for n_taken in 1..=MAX_COMMANDS {
                let Ok(command) = self.commands.try_recv() else { break };
                if matches!(command, Command::Stop) {
                    return;
                }
                self.handle(command);
                if n_taken == MAX_COMMANDS {
                    // There may be more, but sockets and deadlines have their turn.
                    let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
                }
            }
            if self.server.poll_timeout().is_some_and(|due| due <= Instant::now()) {
                self.server.handle_timeout(now(), &mut self.world);
            }
            self.world.flush();
            self.report();
        }
    }

    fn listener(&mut self, index: usize) {
        let Self { server, world, room, .. } = self;
        let via = Via::Udp(index as u16);
        for _ in 0..MAX_BATCHES {
            let Some(socket) = world.listeners.get(index) else { return };
            let bound = socket.local_addr().map(|local| local.ip());
            let more = socket.receive(room).unwrap_or(false);
            let now = now();
            for (remote, local, bytes) in room.datagrams() {
                let Some(local) = local.or(bound.as_ref().ok().copied()) else { continue };
                server.handle(now, &Client { via, remote, local }, bytes, world);
            }
            if !more {
                return;
            }
        }
    }

    fn relay(&mut self, index: usize) {
        let Self { server, world, room, .. } = self;
        for _ in 0..MAX_BATCHES {
            let Some(socket) = world.relay(index) else { return };
            // A fault ends nothing: a peer's ICMP message shows up as one, and the next read goes on.
            let more = socket.receive(room).unwrap_or(false);
            let instant = Instant::now();
            for (from, _, bytes) in room.datagrams() {
                server.handle_peer(instant, RelayId(index), from, bytes, world);
            }
            if !more {
                return;
            }
        }
    }

    fn handle(&mut self, command: Command) {
        let Self { server, world, .. } = self;
        match command {
            Command::Rules(rules) => server.set_rules(rules, world),
            Command::Opened(id, end) => drop(world.streams.insert(id, end)),
            Command::Frames(client, bytes) => {
                let mut rest = &bytes[..];
                while let Ok(Some(len)) = frame::len_of(rest) {
                    let (frame, after) = rest.split_at(len.min(rest.len()));
                    server.handle(now(), &client, frame, world);
                    rest = after;
                }
            }
            Command::Closed(client) => {
                server.stream_closed(&client, world);
                if let Via::Stream(id) = client.via {
                    world.streams.remove(&id);
                }
            }
            Command::Accepted(relay, task, from, stream) if world.is_tcp(relay, task) => {
                if let Some(id) = server.accepted(now(), relay, from, world) {
                    world.hold(id, relay, stream);
                }
            }
            Command::Connected(id, stream) => {
                let relay = world.asked(id);
                let is_open = stream.is_some();
                if let (Some(relay), Some(stream)) = (relay, stream) {
                    world.hold(id, relay, stream);
                }
                server.connected(now(), id, is_open, world);
            }
            Command::Disconnected(id) => {
                server.disconnected(id);
                world.release(id);
            }
            Command::Accepted(..) | Command::Stop => {}
        }
    }

    fn report(&mut self) {
        let counts = self.server.counts();
        let metrics = metrics();
        metrics.turn_allocations.set(self.server.n_allocations() as i64);
        let up_to = |counter: &prometheus_client::metrics::counter::Counter, total: u64| {
            counter.inc_by(total.saturating_sub(counter.get()));
        };
        up_to(&metrics.turn_relayed, counts.to_peers + counts.to_clients);
        up_to(&metrics.turn_relayed_bytes, counts.bytes);
        up_to(&metrics.turn_dropped, counts.dropped + self.world.n_lost);
        up_to(&metrics.turn_refused, counts.refused);
        up_to(&metrics.turn_unanswered, counts.unanswered);
        up_to(&metrics.turn_bad, counts.bad);
    }
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), unix }
}
