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
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
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
    seams::{Addresses, Source, cameras::Cameras},
};

/// Clients of one source, and in all.
const CLIENTS_OF_ONE: usize = 16;
const CLIENTS: usize = 64;
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
    let crowd = Arc::<Crowd>::default();
    let (living, alive) = watch::channel(());
    let accepting = tokio::spawn(async move {
        let mut all = JoinSet::new();
        for listener in listeners {
            all.spawn(accept(listener, doors.clone(), crowd.clone(), stopped.clone()));
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

/// Who is connected.
#[derive(Debug, Default)]
struct Crowd(Mutex<HashMap<Source, usize>>);

/// One client's place among all.
#[derive(Debug)]
struct Place {
    crowd: Arc<Crowd>,
    source: Source,
}

impl Crowd {
    fn enter(self: &Arc<Self>, source: Source) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let n_all: usize = all.values().sum();
        let of_one = all.entry(source).or_default();
        if n_all >= CLIENTS || *of_one >= CLIENTS_OF_ONE {
            return None;
        }
        *of_one += 1;
        Some(Place { crowd: self.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_one) = all.get_mut(&self.source) {
            *of_one -= 1;
            if *of_one == 0 {
                all.remove(&self.source);
            }
        }
    }
}

async fn accept(
    listener: TcpListener,
    doors: Doors,
    crowd: Arc<Crowd>,
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
                let Some(place) = crowd.enter(ip.into()) else { continue };
                let scope = match peer {
                    SocketAddr::V6(peer) => peer.scope_id(),
                    SocketAddr::V4(_) => 0,
                };
                let (doors, mut stopped) = (doors.clone(), stopped.clone());
                sessions.spawn(async move {
                    let _place = place;
                    let mut session = session::Session::new(doors, ip, scope);
                    tokio::select! {
                        () = session.run(stream) => {}
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
