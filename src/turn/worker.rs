//! The server's thread: waits for its sockets, its commands and the next deadline; batches all the
//! way through.
//!
//! ```text
//!  epoll --listener, relay--> batch --> Server --> World: outbox, streams --flush--> sockets, tasks
//!    ^------------- bell <--Command-- tasks of streams and of peers' connections, settings
//! ```
//!
//! A panic costs the relays that there are, whose clients make new ones, and neither the thread nor the
//! rest of the box.
//!
//! No runtime here: a relayed frame is one read and one write (compare
//! `docs/decisions/2026-11-27-a-worker-waits-by-itself.md`).

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
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
use crate::{seams::restarts::Restarts, telemetry::metrics::metrics};

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
    /// The thread panics, as it would by a fault of ours.
    #[cfg(test)]
    Panic,
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

    /// Until it is told to stop, or panics again and again.
    pub(super) fn run(mut self) {
        let mut restarts = Restarts::default();
        while catch_unwind(AssertUnwindSafe(|| self.go_on())).is_err() {
            if !restarts.allows(Instant::now()) {
                error!("the TURN server panics again and again and ends; please report this");
                return;
            }
            error!("the TURN server panicked and begins anew; please report this");
            self.server.begin_anew(now());
            self.world.begin_anew();
        }
    }

    fn go_on(&mut self) {
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
            #[cfg(test)]
            Command::Panic => panic!("the fault that a test wants"),
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;
    use crate::stun::{Integrity, Kind, Message, Method, Writer, attribute::XOR_MAPPED_ADDRESS};

    /// Where the server sees a client that asks, and asks again: what came with a panic is lost.
    fn binding(client: &UdpSocket, nth: u8) -> Option<SocketAddr> {
        (0..40).find_map(|_| ask(client, nth))
    }

    fn ask(client: &UdpSocket, nth: u8) -> Option<SocketAddr> {
        let (mut question, mut answer) = (Vec::new(), [0; 500]);
        let writer = Writer::new(&mut question, Kind::request(Method::BINDING), [nth; 12]);
        writer.finish_bare(Integrity::None).expect("it is short");
        client.send(&question).expect("loopback sends");
        let len = client.recv(&mut answer).ok()?;
        let answer = Message::parse(&answer[..len]).expect("a message");
        // One that is late is no answer to this.
        let is_its = answer.transaction_id() == [nth; 12];
        answer.xor_address(XOR_MAPPED_ADDRESS).filter(|_| is_its)
    }

    #[tokio::test]
    async fn a_panic_is_not_the_servers_end_unless_it_comes_again_and_again() {
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = Udp::listener(any, false).expect("a free port");
        let client = UdpSocket::bind(any).expect("a free port");
        client.connect(listener.local_addr().expect("bound")).expect("an address");
        client.set_read_timeout(Some(std::time::Duration::from_millis(500))).expect("a time");
        let (commands, receiver) = commands().expect("a bell");
        let (rules, runtime) = (Arc::default(), Handle::current());
        let ends = (commands.clone(), receiver);
        let worker = Worker::new(rules, [1; 32], vec![listener], ends, runtime).expect("epoll");
        let thread = std::thread::spawn(|| worker.run());
        for nth in 0..5 {
            assert!(commands.tell(Command::Panic).await);
            assert_eq!(binding(&client, nth), client.local_addr().ok(), "after {nth} panics");
        }
        assert!(commands.tell(Command::Panic).await);
        thread.join().expect("it ends in order");
        assert!(!commands.tell(Command::Stop).await, "nobody is there any more");
    }
}
