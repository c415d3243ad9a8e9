//! The house's front door: https, wss, the API, the page. The only place that names `hyper`.
//!
//! ```text
//!  accept --> first byte --TLS--> HTTP/1.1 or 2 --> who --> routes --> page, API, accounts
//!    |            '--plain HTTP--> redirect (and the CA)          |--> WebSocket, events --> session (task)
//!    |                                                           '--> WHIP, WHEP --> stream (task)
//!    '--> connections of one address
//! ```
//!
//! Owns sockets, limits, headers, one session task a browser, one stream task a WHIP or WHEP client. It does not decide who may do what in a
//! room (`room`), nor keep certificates (`trust`). TURN over TLS comes by the same door later. RFC 9110,
//! 9112, 9113, 6455, 9725.

mod account;
mod activity;
mod api;
mod assets;
mod body;
mod cameras;
mod connection;
mod crowd;
mod demux;
mod denied;
mod doctor;
mod error_page;
mod events;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod go2rtc;
mod handler;
mod host;
mod ice;
mod ingest;
mod invites;
mod limits;
mod listener;
mod near_miss;
mod people;
mod reply;
mod routes;
mod sdp_fragment;
mod session;
mod settings;
mod socket;
mod stills;
mod streams;
mod transport;
mod user_agent;
mod whep;
mod whip;

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::{info, warn};

pub use connection::TurnTls;
pub use listener::BindError;

use crate::{
    access::Access,
    config::Settings,
    doctor::DoctorHandle,
    rooms::RoomsHandle,
    seams::{Addresses, cameras::Cameras, desk::Desk, turn::TurnDoor},
    telemetry::metrics::metrics,
    trust::TrustHandle,
};

/// How long a stopping server waits for its clients to hear of it. A frozen browser never closes its
/// connection, and cameras and media still have to end within the 5 s of the contract.
const DRAIN: Duration = Duration::from_secs(3);

/// After the system had no descriptor for a connection.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Whether the box can serve, as `/readyz` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot yet or no more; the reason is for the operator and holds no secrets.
    NotReady(String),
}

/// What the server needs of the others.
#[derive(Debug)]
pub struct Doors {
    /// The settings in force. `http.listen` is read once.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Where sessions join.
    pub rooms: RoomsHandle,
    /// The box's cameras.
    pub cameras: Cameras,
    /// Who is who.
    pub access: Arc<Access>,
    /// Where the owner changes settings.
    pub desk: Desk,
    /// Certificate and resume tokens.
    pub trust: TrustHandle,
    /// The box's own addresses, by which the LAN is known.
    pub addresses: watch::Receiver<Arc<Addresses>>,
    /// For `/readyz`.
    pub readiness: watch::Receiver<Readiness>,
    /// Where streams go that speak TURN.
    pub turn: Option<Arc<dyn TurnDoor>>,
    /// Who looks whether the box is well, and whether it is reached.
    pub doctor: Option<DoctorHandle>,
    /// How many connections there may be in all, whatever `http.max_connections` says: what the system
    /// has descriptors for.
    pub max_connections: usize,
}

/// The https server: bound, then run.
#[derive(Debug)]
pub struct HttpServer {
    listeners: Vec<TcpListener>,
    house: Arc<House>,
    stopping: watch::Sender<bool>,
    running: Running,
    ended: mpsc::Receiver<Infallible>,
}

/// What all connections share.
#[derive(Debug)]
struct House {
    settings: watch::Receiver<Arc<Settings>>,
    rooms: RoomsHandle,
    cameras: Cameras,
    access: Arc<Access>,
    desk: Desk,
    trust: TrustHandle,
    addresses: watch::Receiver<Arc<Addresses>>,
    readiness: watch::Receiver<Readiness>,
    tls: Arc<rustls::ServerConfig>,
    turn: Option<Arc<dyn TurnDoor>>,
    doctor: Option<DoctorHandle>,
    crowd: crowd::Crowd,
    max_connections: usize,
    rates: limits::Rates,
    streams: streams::Streams,
    conversations: events::Conversations,
    stopping: watch::Receiver<bool>,
}

impl House {
    /// The settings in force now.
    fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// How many connections there may be now.
    fn limits(&self) -> crowd::Limits {
        let http = &self.settings.borrow().http;
        let of_all = http.max_connections.min(self.max_connections);
        crowd::Limits { of_one: http.connections_per_address, of_all }
    }
}

/// Held by whatever the server waits for when it stops.
type Running = mpsc::Sender<Infallible>;

/// One connection, and the socket it may become: counted until both are gone.
#[derive(Debug)]
struct Visit {
    house: Arc<House>,
    /// The client's address; IPv4 is written as such.
    peer: IpAddr,
    /// The number of the interface that a link-local address is on, else 0.
    scope: u32,
    slot: crowd::Slot,
    _running: Running,
}

impl HttpServer {
    /// Listens on `http.listen`; nothing is accepted before [`HttpServer::run`].
    ///
    /// # Errors
    /// An address is in use (with its holder, where the system tells) or cannot be had.
    pub fn bind(doors: Doors) -> Result<Self, BindError> {
        let listeners = listener::bind_all(&doors.settings.borrow().http.listen)?;
        let (stopping, stopping_receiver) = watch::channel(false);
        let (running, ended) = mpsc::channel(1);
        let tls = connection::tls_config(doors.trust.identity(), doors.turn.is_some());
        let house = Arc::new(House {
            settings: doors.settings,
            rooms: doors.rooms,
            cameras: doors.cameras,
            access: doors.access,
            desk: doors.desk,
            trust: doors.trust,
            addresses: doors.addresses,
            readiness: doors.readiness,
            tls: Arc::new(tls),
            turn: doors.turn,
            doctor: doors.doctor,
            crowd: crowd::Crowd::default(),
            max_connections: doors.max_connections,
            rates: limits::Rates::new(),
            streams: streams::Streams::default(),
            conversations: events::Conversations::default(),
            stopping: stopping_receiver,
        });
        Ok(Self { listeners, house, stopping, running, ended })
    }

    /// Where it listens, in the order of `http.listen`; port 0 has become a real one.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `shutdown`, then tells every client and waits for them, 3 s at most.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { listeners, house, stopping, running, mut ended } = self;
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, house.clone(), running.clone()));
        }
        drop(running);
        shutdown.await;
        accepting.shutdown().await;
        // overflow: none, because the newest is all there is.
        stopping.send_replace(true);
        // Nothing is ever sent: it ends when the last connection has dropped its sender.
        if tokio::time::timeout(DRAIN, ended.recv()).await.is_err() {
            warn!("clients were still connected {} s after the stop", DRAIN.as_secs());
        }
        info!("the door is closed");
    }
}

fn scope_of(peer: SocketAddr) -> u32 {
    match peer {
        SocketAddr::V6(peer) => peer.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

async fn accept(listener: TcpListener, house: Arc<House>, running: Running) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let ip = peer.ip().to_canonical();
                let Some(slot) = house.crowd.enter(ip, house.limits()) else {
                    metrics().http_refused.inc();
                    continue;
                };
                let visit = Arc::new(Visit {
                    house: house.clone(),
                    peer: ip,
                    scope: scope_of(peer),
                    slot,
                    _running: running.clone(),
                });
                tokio::spawn(connection::serve(stream, visit));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of descriptors, as a rule; those of before have to end first.
                warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
