//! Starting, stopping, and the way in for streams.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    handout::hand_out,
    rules::rules,
    socket::Udp,
    stream,
    worker::{Command, Commands, Worker, commands},
};
use crate::{
    config::{Secret, Settings},
    seams::{
        Addresses,
        crowd::Limits,
        places::{Place, Places},
        turn::{Asker, ByteStream, Handout, TlsDoor, TurnDoor, Wire, is_tls},
    },
    telemetry::port_holder,
};

/// Of one source there may be a household of browsers, with a stream for each relay candidate and each
/// connection of RFC 6062.
const LIMITS: Limits =
    Limits { all: 2_048, of_source: 256, unfinished: stream::STRANGER, silent: stream::IDLE };
/// Until its first byte and, where that begins a handshake, the end of that.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
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
    places: Places,
    ended: watch::Receiver<()>,
    listening: Vec<SocketAddr>,
    tls: Arc<dyn TlsDoor>,
    settings: watch::Receiver<Arc<Settings>>,
    /// What passwords are minted with where the settings name nothing.
    secret: Secret,
}

impl fmt::Debug for TurnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnHandle").field("listening", &self.0.listening).finish_non_exhaustive()
    }
}

/// Starts the server; the settings' `turn.listen` is bound when this returns. `secret` is what
/// passwords are minted with where the settings name none; `tls` is for those who begin with a handshake.
///
/// # Errors
/// Where an address cannot be had: see [`StartError`].
pub fn start(
    settings: watch::Receiver<Arc<Settings>>,
    addresses: watch::Receiver<Arc<Addresses>>,
    secret: Secret,
    tls: Arc<dyn TlsDoor>,
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
    // Whoever holds the sender is the thread.
    let (runs, ended) = watch::channel(());
    std::thread::Builder::new().name("turn".into()).spawn(move || {
        worker.run();
        drop(runs);
    })?;
    let inner = Inner {
        commands: commands.clone(),
        places: Places::new(LIMITS),
        ended,
        listening,
        tls,
        settings: settings.clone(),
        secret: secret.clone(),
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
            handle.accepted(stream, remote, local);
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
        self.0.commands.tell(Command::Stop).await;
        self.ended().await;
    }

    /// Returns when its thread has ended, asked to or not.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ended = self.0.ended.clone();
        async move { while ended.changed().await.is_ok() {} }
    }
}

impl TurnHandle {
    /// A stream that was accepted here: TLS or not, by its first byte.
    fn accepted(&self, stream: TcpStream, remote: SocketAddr, local: SocketAddr) {
        let Some(place) = self.0.places.take(Instant::now(), remote.ip()) else { return };
        let handle = self.clone();
        tokio::spawn(async move {
            let opened = tokio::select! {
                opened = timeout(OPEN_WITHIN, handle.opened(stream)) => opened,
                () = place.evicted() => return,
            };
            match opened {
                Ok(Ok((stream, wire))) => handle.serve(stream, wire, (remote, local), place).await,
                Ok(Err(error)) => debug!(%remote, %error, "no stream of TURN"),
                Err(_) => debug!(%remote, "it says nothing"),
            }
        });
    }

    async fn opened(&self, stream: TcpStream) -> io::Result<(Box<dyn ByteStream>, Wire)> {
        let mut first = [0];
        match stream.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if is_tls(first[0]) => Ok((self.0.tls.open(stream).await?, Wire::Tls)),
            _ => Ok((Box::new(stream), Wire::Plain)),
        }
    }

    async fn serve(
        &self,
        stream: Box<dyn ByteStream>,
        wire: Wire,
        ends: (SocketAddr, SocketAddr),
        place: Arc<Place>,
    ) {
        stream::serve(stream, wire, place, ends, self.0.commands.clone()).await;
    }
}

impl TurnDoor for TurnHandle {
    fn enter(
        &self,
        stream: Box<dyn ByteStream>,
        wire: Wire,
        remote: SocketAddr,
        local: SocketAddr,
    ) {
        let Some(place) = self.0.places.take(Instant::now(), remote.ip()) else { return };
        let handle = self.clone();
        tokio::spawn(async move { handle.serve(stream, wire, (remote, local), place).await });
    }

    fn hand_out(&self, asker: &Asker) -> Handout {
        let port = self.0.listening.first().map(SocketAddr::port);
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        hand_out(&self.0.settings.borrow(), &self.0.secret, port, asker, unix)
    }
}
