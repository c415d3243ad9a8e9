//! What the server's decisions do: its sockets, its streams, its connections with peers.
//!
//! Owned by the worker's thread. Nothing here waits: what does (connecting, a stream's client) is a
//! task of the runtime, which speaks to the worker by [`Command`]s.

use std::{
    collections::HashMap,
    io, mem,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::event::epoll::{self, EventData, EventFlags};
use tokio::{
    net::TcpStream,
    runtime::Handle,
    sync::{Notify, mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
};
use tracing::debug;

use super::{
    outbox::{By, Outbox},
    outlet::{Client, ConnectionId, Outlet, Protocol, RelayId, StreamId, Via},
    peer,
    socket::Udp,
    worker::Commands,
};
use crate::seams::places::Place;

/// Bytes that may wait for a stream's client: half a second of 4 Mbit/s. Beyond that peers' data is
/// dropped, as it would be on a full path by UDP.
const MAX_WAITING: usize = 256 * 1024;
/// Beyond that, answers included, the client is not there.
const MAX_WAITING_EVER: usize = 2 * MAX_WAITING;
/// Events of relays begin at this number; below are the bell and the listeners.
pub(super) const FIRST_RELAY: u64 = 1 << 32;

/// Bytes that wait for a stream's client: the worker puts them in, the stream's task takes them out.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    bytes: Mutex<Vec<u8>>,
    /// Those, and what the task writes at the moment.
    waiting: AtomicUsize,
    bell: Notify,
}

impl Outbound {
    /// `bytes` is empty afterwards. Never more than [`MAX_WAITING_EVER`]: see [`World::to_client`].
    fn put(&self, bytes: &mut Vec<u8>) {
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).append(bytes);
        self.bell.notify_one();
    }

    /// Moves all into `into`, which is empty.
    pub(super) fn take(&self, into: &mut Vec<u8>) {
        mem::swap(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner), into);
    }

    /// So many bytes of what was taken are with the system.
    pub(super) fn written(&self, len: usize) {
        self.waiting.fetch_sub(len, Ordering::Relaxed);
    }

    /// Returns when something was put in.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// A peer's connection for a stream.
pub(super) struct Splice {
    pub(super) id: ConnectionId,
    pub(super) peer: TcpStream,
    /// Ends it, when the allocation does.
    pub(super) closed: oneshot::Receiver<()>,
}

/// The worker's end of a stream.
pub(super) struct StreamEnd {
    /// Carry this connection's bytes from here on, until it is closed; `None` is to go on as before.
    pub(super) sender: mpsc::Sender<Option<Splice>>,
    pub(super) outbound: Arc<Outbound>,
    /// Of this wake-up.
    pub(super) pending: Vec<u8>,
    pub(super) place: Arc<Place>,
}

enum RelayEnd {
    Udp(Udp),
    Tcp(JoinHandle<()>),
}

/// A connection with a peer, waiting or given to a stream.
struct Held {
    relay: RelayId,
    state: HeldState,
}

enum HeldState {
    Waits(TcpStream),
    /// Dropping it closes the stream.
    Spliced(#[allow(dead_code, reason = "it is its end that is told")] oneshot::Sender<()>),
}

pub(super) struct World {
    pub(super) epoll: OwnedFd,
    pub(super) listeners: Vec<Udp>,
    relays: Vec<Option<RelayEnd>>,
    outbox: Outbox,
    pub(super) streams: HashMap<StreamId, StreamEnd>,
    dirty: Vec<StreamId>,
    held: HashMap<ConnectionId, Held>,
    /// Those that are being made, and what makes them.
    connecting: HashMap<ConnectionId, (RelayId, AbortHandle)>,
    commands: Commands,
    runtime: Handle,
    /// Datagrams that could not be sent.
    pub(super) n_lost: u64,
}

impl World {
    pub(super) fn new(
        epoll: OwnedFd,
        listeners: Vec<Udp>,
        commands: Commands,
        runtime: Handle,
    ) -> Self {
        Self {
            epoll,
            listeners,
            relays: Vec::new(),
            outbox: Outbox::default(),
            streams: HashMap::new(),
            dirty: Vec::new(),
            held: HashMap::new(),
            connecting: HashMap::new(),
            commands,
            runtime,
            n_lost: 0,
        }
    }

    /// The socket of a relay, where it is there and speaks UDP.
    pub(super) fn relay(&self, relay: usize) -> Option<&Udp> {
        match self.relays.get(relay)?.as_ref()? {
            RelayEnd::Udp(udp) => Some(udp),
            RelayEnd::Tcp(_) => None,
        }
    }

    /// Sends all that waits.
    pub(super) fn flush(&mut self) {
        self.flush_udp();
        for stream in mem::take(&mut self.dirty) {
            self.flush_stream(stream);
        }
    }

    fn flush_udp(&mut self) {
        let (listeners, relays, n_lost) = (&self.listeners, &self.relays, &mut self.n_lost);
        self.outbox.drain(|message, bytes| {
            let socket = match message.by {
                By::Listener(index) => listeners.get(usize::from(index)),
                By::Relay(relay) => match relays.get(relay.0) {
                    Some(Some(RelayEnd::Udp(udp))) => Some(udp),
                    _ => None,
                },
            };
            // overflow: DROPS, as UDP does, and counts it.
            *n_lost += socket.map_or(1, |socket| socket.send(message, bytes)) as u64;
        });
    }

    fn flush_stream(&mut self, id: StreamId) {
        if let Some(end) = self.streams.get_mut(&id).filter(|end| !end.pending.is_empty()) {
            end.outbound.put(&mut end.pending);
        }
    }

    /// Closes everything but the listeners.
    pub(super) fn begin_anew(&mut self) {
        self.outbox = Outbox::default();
        (0..self.relays.len()).for_each(|relay| self.close(RelayId(relay)));
        self.streams.clear();
        self.dirty.clear();
    }

    /// A connection with a peer is there, asked for or come by itself.
    pub(super) fn hold(&mut self, id: ConnectionId, relay: RelayId, peer: TcpStream) {
        self.held.insert(id, Held { relay, state: HeldState::Waits(peer) });
    }

    /// The relay of a connection that was asked for.
    pub(super) fn asked(&mut self, id: ConnectionId) -> Option<RelayId> {
        self.connecting.remove(&id).map(|(relay, _)| relay)
    }

    /// It has ended.
    pub(super) fn release(&mut self, id: ConnectionId) {
        self.held.remove(&id);
    }

    /// Whether a relay still is the one that accepted something: it may be another by now.
    pub(super) fn is_tcp(&self, relay: RelayId, task: tokio::task::Id) -> bool {
        matches!(self.relays.get(relay.0), Some(Some(RelayEnd::Tcp(own))) if own.id() == task)
    }

    fn open_udp(&mut self, relay: RelayId, at: SocketAddr) -> io::Result<RelayEnd> {
        let udp = Udp::relay(at)?;
        let number = EventData::new_u64(FIRST_RELAY + relay.0 as u64);
        epoll::add(&self.epoll, &udp, number, EventFlags::IN)?;
        Ok(RelayEnd::Udp(udp))
    }

    fn open_tcp(&mut self, relay: RelayId, at: SocketAddr) -> io::Result<RelayEnd> {
        let _entered = self.runtime.enter();
        let listener = peer::listen(at)?;
        let accepting = peer::accept(listener, relay, self.commands.clone());
        Ok(RelayEnd::Tcp(self.runtime.spawn(accepting)))
    }
}

impl Outlet for World {
    fn to_client(&mut self, client: &Client, is_data: bool, parts: &[&[u8]]) {
        let stream = match client.via {
            Via::Udp(listener) => {
                let by = By::Listener(listener);
                let source = Some(client.local);
                if self.outbox.push(by, client.remote, source, false, parts) {
                    self.flush_udp();
                }
                return;
            }
            Via::Stream(stream) => stream,
        };
        let Some(end) = self.streams.get_mut(&stream) else { return };
        let waiting = end.outbound.waiting.load(Ordering::Relaxed) + end.pending.len();
        if is_data && waiting > MAX_WAITING {
            // overflow: DROPS; it is a datagram of a peer, which may be lost on any path.
            self.n_lost += 1;
            return;
        }
        if waiting > MAX_WAITING_EVER {
            // overflow: DROPS the stream; whoever does not take even answers is not there.
            self.streams.remove(&stream);
            return;
        }
        if end.pending.is_empty() {
            self.dirty.push(stream);
        }
        parts.iter().for_each(|part| end.pending.extend_from_slice(part));
    }

    fn to_peer(&mut self, relay: RelayId, peer: SocketAddr, payload: &[u8], whole: bool) {
        if self.outbox.push(By::Relay(relay), peer, None, whole, &[payload]) {
            self.flush_udp();
        }
    }

    fn open(&mut self, relay: RelayId, protocol: Protocol, at: SocketAddr) -> bool {
        let opened = match protocol {
            Protocol::Udp => self.open_udp(relay, at),
            Protocol::Tcp => self.open_tcp(relay, at),
        };
        match opened {
            Ok(end) => {
                if self.relays.len() <= relay.0 {
                    self.relays.resize_with(relay.0 + 1, || None);
                }
                self.relays[relay.0] = Some(end);
                true
            }
            Err(error) => {
                debug!(%at, %error, "no relay here");
                false
            }
        }
    }

    fn close(&mut self, relay: RelayId) {
        self.flush_udp();
        if let Some(Some(RelayEnd::Tcp(accepting))) = self.relays.get_mut(relay.0).map(Option::take)
        {
            accepting.abort();
        }
        self.held.retain(|_, held| held.relay != relay);
        for (_, (_, connecting)) in self.connecting.extract_if(|_, (of, _)| *of == relay) {
            connecting.abort();
        }
    }

    fn connect(&mut self, relay: RelayId, at: SocketAddr, id: ConnectionId, peer: SocketAddr) {
        let connecting = peer::connect(at, peer, id, self.commands.clone());
        let connecting = self.runtime.spawn(connecting).abort_handle();
        self.connecting.insert(id, (relay, connecting));
    }

    fn splice(&mut self, stream: StreamId, connection: Option<ConnectionId>) {
        self.flush_stream(stream);
        let splice = connection.and_then(|id| {
            let Held { relay, state: HeldState::Waits(peer) } = self.held.remove(&id)? else {
                return None;
            };
            let (closing, closed) = oneshot::channel();
            self.held.insert(id, Held { relay, state: HeldState::Spliced(closing) });
            Some(Splice { id, peer, closed })
        });
        // overflow: DROPS the stream; nobody asks again before the last was answered.
        if self.streams.get(&stream).is_some_and(|end| end.sender.try_send(splice).is_err()) {
            self.streams.remove(&stream);
        }
    }

    fn hang_up(&mut self, connection: ConnectionId) {
        self.held.remove(&connection);
        if let Some((_, connecting)) = self.connecting.remove(&connection) {
            connecting.abort();
        }
    }

    fn known(&mut self, stream: StreamId) {
        if let Some(end) = self.streams.get(&stream) {
            end.place.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustix::event::epoll::CreateFlags;

    use super::{super::worker::commands, *};

    /// A listener that accepts nobody and has no room for more to wait: whoever connects goes on trying.
    fn never() -> (socket2::Socket, TcpStream, SocketAddr) {
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&any.into()).expect("a free port");
        socket.listen(0).expect("it listens");
        let at = socket.local_addr().expect("bound").as_socket().expect("an address");
        let first = std::net::TcpStream::connect(at).expect("the one that may wait");
        first.set_nonblocking(true).expect("a socket");
        (socket, TcpStream::from_std(first).expect("a stream"), at)
    }

    #[tokio::test]
    async fn with_its_relay_what_is_being_connected_ends() {
        let (_listener, _first, at) = never();
        let (commands, _receiver) = commands().expect("a bell");
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
        let runtime = Handle::current();
        let mut world = World::new(epoll, Vec::new(), commands, runtime.clone());
        let from: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let relay = RelayId(0);
        for turn in 0..1000 {
            assert!(world.open(relay, Protocol::Tcp, from));
            world.connect(relay, from, ConnectionId(turn), at);
            tokio::task::yield_now().await;
            world.close(relay);
        }
        // What is aborted ends when the runtime comes to it.
        let n_alive = || runtime.metrics().num_alive_tasks();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((n_alive(), world.connecting.len()), (0, 0));
    }
}
