//! Cameras for recorders and players: RTSP 1.0 (RFC 2326), `rtsp://BOX:8554/ID`.
//!
//! ```text
//!  accept --> session (task): OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN
//!                |                     packets <-- Feed of the camera
//!                '--> a viewer's seat in the camera's room, from PLAY on
//! ```
//! Owns the listeners and one task a client. Nothing is encoded here and nothing waits for a client: what
//! it cannot take it loses, up to the next keyframe. Whoever may be in the camera's room may watch; others
//! prove who they are by digest credentials (`rtsp.user`). Not over TLS.
//!
//! PURE: `digest`, `message`, `words`.

mod digest;
mod message;
mod player;
mod session;
mod words;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tracing::{error, info, warn};

use crate::{
    access::Access,
    config::Settings,
    rooms::RoomsHandle,
    seams::{Addresses, cameras::Cameras, crowd::Limits, places::Places},
};

/// Clients of one source, and in all. Whoever has not begun to play makes room for others.
const LIMITS: Limits = Limits {
    all: 64,
    of_source: 16,
    unfinished: session::PLAYS_WITHIN,
    silent: session::SILENT_AFTER,
};
/// After the system had no descriptor for a connection.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// What the server needs of the others.
#[derive(Debug, Clone)]
pub struct Doors {
    /// The settings in force. `rtsp.listen` is read once.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// What there is to see.
    pub cameras: Cameras,
    /// Where viewers are counted.
    pub rooms: RoomsHandle,
    /// Who is who.
    pub access: Arc<Access>,
    /// The box's own addresses, by which the LAN is known.
    pub addresses: watch::Receiver<Arc<Addresses>>,
}

/// Stops the server.
#[derive(Debug)]
pub struct RtspHandle {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    /// Closed when nothing is accepted any more.
    alive: watch::Receiver<()>,
    local: Vec<SocketAddr>,
}

impl RtspHandle {
    /// Where it listens.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local
    }

    /// Ends when nobody is let in any more though nobody said [`stop`](Self::stop).
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut alive = self.alive.clone();
        async move { while alive.changed().await.is_ok() {} }
    }

    /// Ends all clients.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.accepting.await;
    }
}

/// Listens where `rtsp.listen` says. An address that cannot be had is said and left out: rooms and
/// cameras are there without it.
pub async fn start(doors: Doors) -> RtspHandle {
    let listen = doors.settings.borrow().rtsp.listen.clone();
    let mut listeners = Vec::new();
    for address in listen {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(fault) => error!(
                "rtsp.listen = {address}: {fault}; recorders and players that use RTSP see nothing \
                 there. Choose another address, or \"\" for none"
            ),
        }
    }
    let local: Vec<_> =
        listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    if !local.is_empty() {
        info!(?local, "RTSP");
    }
    let (stop, stopped) = watch::channel(false);
    let places = Places::new(LIMITS);
    let (living, alive) = watch::channel(());
    let accepting = tokio::spawn(async move {
        let mut all = JoinSet::new();
        for listener in listeners {
            all.spawn(accept(listener, doors.clone(), places.clone(), stopped.clone()));
        }
        if all.is_empty() {
            let _ = stopped.clone().wait_for(|stopped| *stopped).await;
        }
        // One that ends before it is told to is missed.
        let _ = all.join_next().await;
        drop(living);
        while all.join_next().await.is_some() {}
    });
    RtspHandle { stop, accepting, alive, local }
}

async fn accept(
    listener: TcpListener,
    doors: Doors,
    places: Places,
    mut stopped: watch::Receiver<bool>,
) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = sessions.join_next(), if !sessions.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let ip: IpAddr = peer.ip().to_canonical();
                let Some(place) = places.take(Instant::now(), ip) else { continue };
                let scope = match peer {
                    SocketAddr::V6(peer) => peer.scope_id(),
                    SocketAddr::V4(_) => 0,
                };
                let (doors, mut stopped) = (doors.clone(), stopped.clone());
                sessions.spawn(async move {
                    let mut session = session::Session::new(doors, ip, scope, place.clone());
                    tokio::select! {
                        () = session.run(stream) => {}
                        () = place.evicted() => {}
                        _ = stopped.wait_for(|stopped| *stopped) => {}
                    }
                    session.leave().await;
                });
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    while sessions.join_next().await.is_some() {}
}
