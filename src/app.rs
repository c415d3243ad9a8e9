//! Composition root: starts every task in order, wires handles, drains in reverse.
//!
//! Knows everyone, known by nobody but `main`.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tracing::{error, info, warn};

use crate::{
    access::{Access, Keys},
    cli::exit,
    config::{RoomSettings, Settings, Sources, data_folder::DataFolderError},
    http::{self, HttpServer, Readiness},
    net,
    rooms::RoomsHandle,
    seams::Addresses,
    sfu::{self, SfuHandle},
    store::{OpenError, StoreHandle},
    telemetry::{
        port_holder,
        shutdown::{Signal, Signals},
        systemd,
    },
    trust::{self, TrustHandle},
};

/// Why the service ended, or never began; each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// 71
    #[error(
        "{protocol} {address} is in use{}; stop that, or choose another address for {key}",
        holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    AddressInUse {
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// Which address could not be bound.
        address: SocketAddr,
        /// The key it was written at: `http.listen`, `media.ports`.
        key: &'static str,
        /// The process that has it, where the system tells.
        holder: Option<String>,
    },
    /// 65 or 73
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// 78: found only when it was tried, such as a certificate that is none.
    #[error("{0}")]
    Configuration(String),
    /// 70
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl AppError {
    /// The process's exit code (product contract, section 2).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AddressInUse { .. } => exit::ADDRESS_IN_USE,
            Self::DataFolder(DataFolderError::Newer { .. }) => exit::DATA_NEWER,
            Self::DataFolder(DataFolderError::NotWritable { .. }) => exit::DATA_NOT_WRITABLE,
            Self::Configuration(_) => exit::CONFIGURATION,
            Self::Internal(_) => exit::INTERNAL,
        }
    }
}

impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Longest drain after a stop signal: the contract's 5 s, less what ending the process takes.
const DRAIN: Duration = Duration::from_millis(4_500);

/// Runs until a stop signal. The data folder is there and may be written; logging is on.
///
/// # Errors
/// See [`AppError`].
pub async fn run(settings: Arc<Settings>, sources: Sources) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let watchdog = tokio::spawn(systemd::watchdog());
    let mut house = House::start(settings).await?;
    for line in house.open_lines() {
        info!("{line}");
    }
    house.say_set_up().await;
    systemd::ready("running");
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop => break,
                Signal::Reload => {
                    systemd::reloading();
                    house.reload(&sources).await;
                    systemd::ready("running");
                }
            },
            // A box that gets its address by DHCP after its start tells it when it is there.
            Ok(()) = house.addresses.changed() => {
                for line in house.open_lines() {
                    info!("{line}");
                }
            }
        }
    }
    info!("stopping");
    systemd::stopping();
    if tokio::time::timeout(DRAIN, house.stop()).await.is_err() {
        warn!("not everything ended within {DRAIN:?}; ending all the same");
    }
    watchdog.abort();
    Ok(())
}

/// Everything that runs, in the order in which it was started.
struct House {
    settings: watch::Sender<Arc<Settings>>,
    addresses: watch::Receiver<Arc<Addresses>>,
    sfu: SfuHandle,
    room_settings: watch::Sender<Arc<RoomSettings>>,
    rooms: RoomsHandle,
    access: Arc<Access>,
    trust: TrustHandle,
    listening: Vec<SocketAddr>,
    close_door: oneshot::Sender<()>,
    door: JoinHandle<()>,
    readiness: watch::Sender<Readiness>,
    #[cfg(feature = "camera")]
    cameras: crate::camera::CameraHandle,
}

impl House {
    async fn start(settings: Arc<Settings>) -> Result<Self, AppError> {
        let net = net::start(&settings.network).await.map_err(anyhow::Error::from)?;
        let addresses = net.addresses;
        let now = SystemTime::now();
        let (keeper, trust) = trust::Keeper::open(&settings, &addresses.borrow().clone(), now)
            .map_err(trust_error)?;
        tokio::spawn(keeper.run(addresses.clone()));
        let sfu = SfuHandle::start(&settings.media, addresses.clone()).map_err(media_error)?;
        let (room_settings, receiver) = watch::channel(Arc::new(settings.rooms.clone()));
        let rooms = RoomsHandle::start(receiver, sfu.clone());
        let access = Arc::new(open_access(&settings.data_dir, &trust)?);
        let (settings_sender, settings_receiver) = watch::channel(settings.clone());
        let (readiness, readiness_receiver) = watch::channel(Readiness::Ready);
        let server = HttpServer::bind(http::Doors {
            settings: settings_receiver,
            rooms: rooms.clone(),
            access: access.clone(),
            trust: trust.clone(),
            addresses: addresses.clone(),
            readiness: readiness_receiver,
        })
        .map_err(bind_error)?;
        let listening = server.local_addrs();
        let (close_door, closing) = oneshot::channel();
        let door = tokio::spawn(server.run(async {
            // Dropped or told: both mean to close.
            let _ = closing.await;
        }));
        #[cfg(feature = "camera")]
        let cameras = crate::camera::start(&settings, rooms.clone());
        #[cfg(not(feature = "camera"))]
        if settings.demo || settings.cameras.is_some() {
            warn!("this parlor was built without cameras; none will be in any room");
        }
        Ok(Self {
            settings: settings_sender,
            addresses,
            sfu,
            room_settings,
            rooms,
            access,
            trust,
            listening,
            close_door,
            door,
            readiness,
            #[cfg(feature = "camera")]
            cameras,
        })
    }

    /// What to open in a browser, best first.
    fn open_lines(&mut self) -> Vec<String> {
        let addresses = self.addresses.borrow_and_update().clone();
        open_lines(&self.listening, &addresses, &self.access.local_token())
    }

    /// How the box gets an owner, while it has none.
    async fn say_set_up(&self) {
        match self.access.setup_code().await {
            Ok(Some(code)) => info!("set-up code: {code}"),
            Ok(None) => {}
            // The store has said why.
            Err(fault) => warn!("no set-up code: the store {fault}"),
        }
    }

    /// Takes what can change while calls go on: rooms, limits, access, certificate.
    async fn reload(&self, sources: &Sources) {
        let settings = match sources.load() {
            Ok(loaded) => Arc::new(loaded.settings),
            Err(faults) => {
                for fault in &faults.0 {
                    error!("{fault}");
                }
                warn!("the configuration has faults; the one in force stays");
                return;
            }
        };
        if let Err(fault) = self.trust.reload(settings.http.certificate.clone()).await {
            error!("{fault}; the certificate in force stays");
        }
        self.room_settings.send_replace(Arc::new(settings.rooms.clone()));
        self.settings.send_replace(settings);
        info!(
            "loaded again; listening addresses, media ports and cameras change at the next start"
        );
    }

    /// In reverse: first nobody new comes in, at last the packets stop.
    async fn stop(self) {
        self.readiness.send_replace(Readiness::NotReady("the box is stopping".into()));
        let door = async {
            self.rooms.stop().await;
            // overflow: none, because it is a oneshot.
            let _ = self.close_door.send(());
            if let Err(fault) = self.door.await {
                error!(%fault, "the door did not close by itself");
            }
        };
        // Beside the rooms, not after them: a camera whose room has ended would look for another.
        #[cfg(feature = "camera")]
        tokio::join!(self.cameras.stop(), door);
        #[cfg(not(feature = "camera"))]
        door.await;
        self.sfu.stop().await;
    }
}

/// One line a URL: each announced address where a socket listens on all, else the address itself.
fn open_lines(listening: &[SocketAddr], addresses: &Addresses, local: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for socket in listening {
        let port = socket.port();
        if socket.ip().is_loopback() {
            lines.push(format!("open https://{socket}/#local={local}"));
            continue;
        }
        if !socket.ip().is_unspecified() {
            lines.push(format!("open https://{socket}"));
            continue;
        }
        for ip in addresses.ips().filter(|ip| ip.is_ipv4() || socket.is_ipv6()) {
            lines.push(format!("open https://{}", SocketAddr::new(ip, port)));
        }
        lines.push(format!("open https://localhost:{port}/#local={local} on this machine"));
    }
    lines
}

/// Who is who, by what is kept in the data folder.
fn open_access(data_dir: &Path, trust: &TrustHandle) -> Result<Access, AppError> {
    let store = StoreHandle::open(data_dir).map_err(|error| match error {
        OpenError::Newer { found, .. } => {
            // The tables' version is the folder's, and one less.
            let (path, found) = (data_dir.to_owned(), (found + 1).to_string());
            AppError::DataFolder(DataFolderError::Newer { path, found })
        }
        error => AppError::Internal(error.into()),
    })?;
    Ok(Access::new(store, Keys::new(trust.tokens().derive("access"))))
}

/// `parlor owner reset`: the new set-up code.
///
/// # Errors
/// The store cannot be opened or written.
pub async fn reset_owner(data_dir: &Path) -> Result<String, AppError> {
    let store = StoreHandle::open(data_dir).map_err(anyhow::Error::from)?;
    // It makes no tokens, so any key will do.
    let access = Access::new(store, Keys::new([0; 32]));
    let code = access.reset_owner().await.map_err(|fault| {
        AppError::Internal(anyhow::anyhow!("the store {} {fault}", data_dir.display()))
    })?;
    Ok(code.as_str().to_owned())
}

fn trust_error(error: trust::TrustError) -> AppError {
    match error {
        trust::TrustError::Given { .. } => AppError::Configuration(error.to_string()),
        trust::TrustError::File { path, source } => {
            AppError::DataFolder(DataFolderError::NotWritable { path, attempt: "used", source })
        }
        error => AppError::Internal(error.into()),
    }
}

fn media_error(error: sfu::StartError) -> AppError {
    match error {
        sfu::StartError::PortInUse { port } => AppError::AddressInUse {
            protocol: "udp",
            address: (std::net::Ipv6Addr::UNSPECIFIED, port).into(),
            key: "media.ports",
            holder: port_holder("udp", port),
        },
        error => AppError::Internal(error.into()),
    }
}

fn bind_error(error: http::BindError) -> AppError {
    match error {
        http::BindError::InUse { address, holder } => {
            AppError::AddressInUse { protocol: "tcp", address, key: "http.listen", holder }
        }
        error @ http::BindError::Refused { .. } => {
            AppError::Configuration(format!("http.listen: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_answers_is_told_and_no_other() {
        let loopback = Addresses::loopback();
        let cases = [
            ("127.0.0.1:1", vec!["open https://127.0.0.1:1/#local=T"]),
            ("[::1]:2", vec!["open https://[::1]:2/#local=T"]),
            (
                "[::]:8172",
                vec![
                    "open https://127.0.0.1:8172",
                    "open https://localhost:8172/#local=T on this machine",
                ],
            ),
        ];
        for (listen, expected) in cases {
            let listen = listen.parse().expect("an address");
            assert_eq!(open_lines(&[listen], &loopback, "T"), expected);
        }
    }
}
