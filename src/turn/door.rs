//! Starting, stopping, and the way in for streams.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    time::sleep,
};
use tracing::warn;

use super::{
    outlet::StreamId,
    rules::rules,
    socket::Udp,
    stream,
    worker::{Command, Commands, Worker, commands},
};
use crate::{
    config::{Secret, Settings},
    seams::{
        Addresses, Source,
        turn::{ByteStream, TurnDoor},
    },
    telemetry::port_holder,
};

/// Streams at a time, and of one source (an IPv4 address, an IPv6 /64): a household of browsers, with
/// a stream for each relay candidate and each connection of RFC 6062.
const MAX_STREAMS: usize = 2_048;
const MAX_STREAMS_OF_SOURCE: usize = 256;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 256;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else has the address.
    #[error("{protocol} {address} is in use")]
    InUse {
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// Which.
        address: SocketAddr,
        /// `NAME (process N)`, where the system tells.
        holder: Option<String>,
    },
    /// Anything else: no such address here, no right to a low port.
    #[error("{protocol} {address}: {source}")]
    Refused {
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A fault of ours or of the system.
    #[error("the TURN server could not start: {0}")]
    Failed(#[from] io::Error),
}

/// Hands streams over, and stops the server.
#[derive(Clone)]
pub struct TurnHandle(Arc<Inner>);

struct Inner {
    commands: Commands,
    next_stream: AtomicU64,
    sources: Arc<Mutex<HashMap<Source, usize>>>,
    ended: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
    listening: Vec<SocketAddr>,
}

impl fmt::Debug for TurnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnHandle").field("listening", &self.0.listening).finish_non_exhaustive()
    }
}

/// Starts the server; the settings' `turn.listen` is bound when this returns. `secret` is what
/// passwords are minted with where the settings name none.
///
/// # Errors
/// Where an address cannot be had: see [`StartError`].
pub fn start(
    settings: watch::Receiver<Arc<Settings>>,
    addresses: watch::Receiver<Arc<Addresses>>,
    secret: Secret,
) -> Result<TurnHandle, StartError> {
    let first = Arc::new(rules(&settings.borrow(), &addresses.borrow(), &secret));
    let listen = settings.borrow().turn.listen.clone();
    let mut listeners = Vec::new();
    let mut streams = Vec::new();
    for &address in &listen {
        let own_v4 = listen.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        let udp =
            Udp::listener(address, own_v4).map_err(|source| refused("udp", address, source))?;
        // Port 0 is any free one, the same for both.
        let at = SocketAddr::new(address.ip(), udp.local_addr()?.port());
        streams.push(listen_tcp(at, own_v4).map_err(|source| refused("tcp", at, source))?);
        listeners.push(udp);
    }
    let listening = listeners.iter().map(Udp::local_addr).collect::<Result<_, _>>()?;
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no random numbers"))?;
    let (commands, receiver) = commands()?;
    let runtime = tokio::runtime::Handle::current();
    let worker = Worker::new(first, seed, listeners, (commands.clone(), receiver), runtime)?;
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new().name("turn".into()).spawn(move || {
        worker.run();
        // overflow: none, because it is a oneshot.
        let _ = end.send(());
    })?;
    let inner = Inner {
        commands: commands.clone(),
        next_stream: AtomicU64::new(0),
        sources: Arc::default(),
        ended: tokio::sync::Mutex::new(Some(ended)),
        listening,
    };
    let handle = TurnHandle(Arc::new(inner));
    for listener in streams {
        tokio::spawn(accept(listener, handle.clone()));
    }
    tokio::spawn(follow(settings, addresses, secret, commands));
    Ok(handle)
}

fn refused(protocol: &'static str, address: SocketAddr, source: io::Error) -> StartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            StartError::InUse { protocol, address, holder: port_holder(protocol, address.port()) }
        }
        _ => StartError::Refused { protocol, address, source },
    }
}

fn listen_tcp(at: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let bound = try_listen(at, only_v6);
    match bound {
        Err(error)
            if at.ip().is_unspecified()
                && at.is_ipv6()
                && error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
        {
            try_listen((Ipv4Addr::UNSPECIFIED, at.port()).into(), false)
        }
        bound => bound,
    }
}

fn try_listen(at: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // A restart must not wait for connections of before to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, handle: TurnHandle) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Out of descriptors: others must close some first.
            Err(error) => {
                warn!(%error, "no stream was accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        if let Ok(local) = stream.local_addr() {
            handle.enter(Box::new(stream), Vec::new(), remote, local);
        }
    }
}

/// Settings and addresses change while calls go on.
async fn follow(
    mut settings: watch::Receiver<Arc<Settings>>,
    mut addresses: watch::Receiver<Arc<Addresses>>,
    secret: Secret,
    commands: Commands,
) {
    loop {
        tokio::select! {
            changed = settings.changed() => if changed.is_err() { return },
            changed = addresses.changed() => if changed.is_err() { return },
        }
        let rules = rules(&settings.borrow_and_update(), &addresses.borrow_and_update(), &secret);
        if !commands.tell(Command::Rules(Arc::new(rules))).await {
            return;
        }
    }
}

impl TurnHandle {
    /// Where it listens, UDP and TCP.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.0.listening
    }

    /// Ends all relays.
    pub async fn stop(&self) {
        if let Some(ended) = self.0.ended.lock().await.take()
            && self.0.commands.tell(Command::Stop).await
        {
            let _ = ended.await;
        }
    }
}

/// What one source has of streams, given back when it is dropped.
struct Slot {
    sources: Arc<Mutex<HashMap<Source, usize>>>,
    source: Source,
}

impl Slot {
    fn take(sources: &Arc<Mutex<HashMap<Source, usize>>>, remote: IpAddr) -> Option<Self> {
        let source = Source::from(remote);
        let mut held = sources.lock().unwrap_or_else(PoisonError::into_inner);
        let n_all: usize = held.values().sum();
        let n_own = held.get(&source).copied().unwrap_or_default();
        if n_all >= MAX_STREAMS || n_own >= MAX_STREAMS_OF_SOURCE {
            return None;
        }
        held.insert(source, n_own + 1);
        Some(Self { sources: sources.clone(), source })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n_own) = held.get_mut(&self.source) {
            *n_own -= 1;
            if *n_own == 0 {
                held.remove(&self.source);
            }
        }
    }
}

impl TurnDoor for TurnHandle {
    fn enter(
        &self,
        stream: Box<dyn ByteStream>,
        read: Vec<u8>,
        remote: SocketAddr,
        local: SocketAddr,
    ) {
        let Some(slot) = Slot::take(&self.0.sources, remote.ip()) else { return };
        let id = StreamId(self.0.next_stream.fetch_add(1, Ordering::Relaxed));
        let commands = self.0.commands.clone();
        tokio::spawn(async move {
            stream::serve(stream, read, id, (remote, local), commands).await;
            drop(slot);
        });
    }
}
