//! Composition root: starts every task in order, wires handles, watches over them, drains in reverse.
//!
//! Knows everyone, known by nobody but `main`.

mod cameras;
mod desk;
mod doctor;
mod fault;
mod keeping;
mod urls;
mod vitals;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinHandle},
};
use tracing::{error, info, warn};

use crate::{
    access::{Access, Keys, Rules},
    boot,
    config::{Loopback, NetworkSettings, Settings, Sources},
    http::{self, HttpServer, Readiness},
    net,
    rooms::RoomsHandle,
    rtsp::{self, RtspHandle},
    seams::{
        Addresses,
        desk::{Desk, DeskAsk},
    },
    sfu::SfuHandle,
    store::StoreHandle,
    telemetry::{
        logging::{self, NOTICE},
        shutdown::{Signal, Signals},
        systemd,
    },
    trust::{self, TrustHandle},
    turn::{self, TurnHandle},
};

use cameras::CameraPart;
use desk::Page;
pub use doctor::examine;
pub use fault::{AppError, trust_error};
use fault::{bind_error, media_error, turn_error};
use keeping::open_store;
pub use keeping::{back_up, reset_owner, restore};
use urls::open_lines;
use vitals::{Looks, Vitals, look_after};

/// Longest drain after a stop signal: the contract's 5 s, less what ending the process takes.
const DRAIN: Duration = Duration::from_millis(4_500);

/// Runs until a stop signal. The data folder is there and may be written; logging is on.
///
/// # Errors
/// See [`AppError`].
pub async fn run(
    settings: Arc<Settings>,
    sources: Sources,
    max_connections: usize,
) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let store = open_store(&settings.data_dir)?;
    let (mut page, settings) = Page::open(sources, store.clone(), settings).await;
    let mut house = tokio::select! {
        house = House::start(settings, store, max_connections) => house?,
        // A start that hangs does not hold up the end.
        () = stop_signal(&mut signals) => return Ok(()),
    };
    house.tell_urls();
    house.tell_set_up().await;
    systemd::ready("running");
    let ended = loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop => break None,
                Signal::Reload => {
                    systemd::reloading();
                    house.reload(&page.sources).await;
                    systemd::ready("running");
                }
            },
            Some(ask) = house.asks.recv() => house.answer(&mut page, ask).await,
            name = house.vitals.first_ended() => break Some(name),
            // A box that gets its address by DHCP after its start tells it when it is there.
            Ok(()) = house.addresses.changed() => house.tell_urls(),
        }
    };
    match ended {
        None => info!("stopping"),
        Some(name) => house.mourn(name),
    }
    systemd::stopping();
    if tokio::time::timeout(DRAIN, house.stop()).await.is_err() {
        warn!("not everything ended within {DRAIN:?}; ending all the same");
    }
    match ended {
        None => Ok(()),
        Some(name) => Err(anyhow::anyhow!("the task of {name} has ended by itself").into()),
    }
}

async fn stop_signal(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

/// Everything that runs, in the order in which it was started.
struct House {
    /// What needs a restart is compared with these.
    started_with: Arc<Settings>,
    settings: watch::Sender<Arc<Settings>>,
    network: watch::Sender<NetworkSettings>,
    addresses: watch::Receiver<Arc<Addresses>>,
    sfu: SfuHandle,
    turn: TurnHandle,
    rooms: RoomsHandle,
    access: Arc<Access>,
    asks: mpsc::Receiver<DeskAsk>,
    trust: TrustHandle,
    listening: Vec<SocketAddr>,
    close_door: oneshot::Sender<()>,
    door: watch::Receiver<()>,
    readiness: watch::Sender<Readiness>,
    vitals: Vitals,
    stop_looking: AbortHandle,
    cameras: CameraPart,
    rtsp: RtspHandle,
}

/// The keeper of certificates runs until nobody holds its handle.
fn keep_certificates(
    settings: &Settings,
    addresses: &watch::Receiver<Arc<Addresses>>,
) -> Result<(JoinHandle<()>, TrustHandle), AppError> {
    let first = addresses.borrow().clone();
    let opened = trust::Keeper::open(settings, &first, SystemTime::now());
    let (keeper, trust) = opened.map_err(trust_error)?;
    Ok((tokio::spawn(keeper.run(addresses.clone())), trust))
}

fn start_turn(
    settings: &watch::Receiver<Arc<Settings>>,
    addresses: &watch::Receiver<Arc<Addresses>>,
    trust: &TrustHandle,
) -> Result<TurnHandle, AppError> {
    let data_dir = settings.borrow().data_dir.clone();
    let secret = trust::turn_secret(&data_dir).map_err(trust_error)?;
    let tls = Arc::new(http::TurnTls::new(trust.identity()));
    turn::start(settings.clone(), addresses.clone(), secret, tls).map_err(turn_error)
}

/// Looks after everybody from now on.
fn look(looks: Looks, readiness: watch::Sender<Readiness>) -> JoinHandle<()> {
    tokio::spawn(look_after(looks, systemd::look_every(), readiness, systemd::alive))
}

/// Lets people in until the sender is dropped or used; the receiver ends when the door is closed.
fn open_door(server: HttpServer) -> (oneshot::Sender<()>, watch::Receiver<()>) {
    let (close_door, closing) = oneshot::channel();
    // Whoever holds the sender is the door: it is closed when that is gone.
    let (open, door) = watch::channel(());
    tokio::spawn(async move {
        // Dropped or told: both mean to close.
        server.run(async { drop(closing.await) }).await;
        drop(open);
    });
    (close_door, door)
}

/// What RTSP needs is what the pages need, and less.
fn rtsp_doors(doors: &http::Doors) -> rtsp::Doors {
    rtsp::Doors {
        settings: doors.settings.clone(),
        cameras: doors.cameras.clone(),
        rooms: doors.rooms.clone(),
        access: doors.access.clone(),
        addresses: doors.addresses.clone(),
    }
}

impl House {
    async fn start(
        settings: Arc<Settings>,
        store: StoreHandle,
        max_connections: usize,
    ) -> Result<Self, AppError> {
        let (network, network_seen) = watch::channel(settings.network.clone());
        let addresses = net::start(network_seen).await.map_err(anyhow::Error::from)?.addresses;
        let (keeping, trust) = keep_certificates(&settings, &addresses)?;
        let sfu = SfuHandle::start(&settings.media, addresses.clone()).map_err(media_error)?;
        let keys = Keys::new(trust.tokens().derive("access"));
        let access = Arc::new(Access::new(store.clone(), keys));
        let (desk, asks) = Desk::new();
        let (settings_sender, settings_receiver) = watch::channel(settings.clone());
        let rooms = RoomsHandle::start(settings_receiver.clone(), sfu.clone(), Some(store.clone()));
        let (directory, cameras_seen) = cameras::directory();
        let (readiness, readiness_receiver) = watch::channel(Readiness::Ready);
        let turn = start_turn(&settings_receiver, &addresses, &trust)?;
        let doctor = doctor::of_the_house(&settings_receiver, &turn, &sfu);
        let doors = http::Doors {
            settings: settings_receiver,
            rooms: rooms.clone(),
            cameras: cameras_seen,
            access: access.clone(),
            desk,
            trust: trust.clone(),
            addresses: addresses.clone(),
            readiness: readiness_receiver,
            turn: Some(Arc::new(turn.clone())),
            doctor: Some(doctor.clone()),
            max_connections,
        };
        let rtsp = rtsp::start(rtsp_doors(&doors)).await;
        let server = HttpServer::bind(doors).map_err(bind_error)?;
        let listening = server.local_addrs();
        doctor.served_at(listening.clone());
        let (close_door, door) = open_door(server);
        let looking = look(Looks::of(&sfu, &store, &rooms), readiness.clone());
        let stop_looking = looking.abort_handle();
        let vitals = Vitals::default()
            .with("addresses", closed(addresses.clone()))
            .with("the store", closed(store.health()))
            .with("the watchdog", async { drop(looking.await) })
            .with("certificates", async { drop(keeping.await) })
            .with("the door", closed(door.clone()))
            .with("media", sfu.ended())
            .with("TURN", turn.ended())
            .with("RTSP", rtsp.ended())
            .with("rooms", rooms.ended());
        let cameras = CameraPart::start(&settings, &rooms, directory, &store).await;
        Ok(Self {
            vitals: cameras.watched_by(vitals),
            started_with: settings,
            settings: settings_sender,
            network,
            addresses,
            sfu,
            turn,
            rooms,
            access,
            asks,
            trust,
            listening,
            close_door,
            door,
            readiness,
            stop_looking,
            cameras,
            rtsp,
        })
    }

    /// What to open in a browser, best first.
    fn tell_urls(&mut self) {
        let addresses = self.addresses.borrow_and_update().clone();
        let rules = Rules::of(&self.settings.borrow());
        let token = (rules.loopback == Loopback::Token).then(|| self.access.local_token());
        for line in open_lines(&self.listening, &addresses, token.as_deref()) {
            info!(target: NOTICE, "{line}");
        }
    }

    /// How the box gets an owner, while it has none.
    async fn tell_set_up(&self) {
        match self.access.setup_code().await {
            Ok(Some(code)) => info!(target: NOTICE, "set-up code: {code}"),
            Ok(None) => {}
            // The store has said why.
            Err(fault) => warn!("no set-up code: the store {fault}"),
        }
    }

    /// Without this one the box cannot do its work.
    fn mourn(&self, name: &str) {
        error!(
            target: NOTICE,
            "the task of {name} has ended by itself, which is a fault of parlor's: ending, to be \
             started anew"
        );
        self.readiness.send_replace(Readiness::NotReady(format!("the task of {name} has ended")));
        systemd::status(&format!("the task of {name} has ended"));
    }

    /// Takes what can change while calls go on: each part compares what it has with what came. What
    /// needs a restart is named, key by key.
    async fn reload(&self, sources: &Sources) {
        let settings = match boot::load(sources) {
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
        let waiting = self.started_with.waits_for_restart(&settings);
        logging::set_filter(&settings.log.filter);
        // overflow: none, a watch channel holds the newest value only; readers see that one.
        self.network.send_if_modified(|network| {
            let changed = *network != settings.network;
            network.clone_from(&settings.network);
            changed
        });
        self.settings.send_replace(settings);
        info!("loaded again");
        if !waiting.is_empty() {
            warn!(target: NOTICE, "in force at the next start only: {}", waiting.join(", "));
        }
    }

    /// In reverse: first nobody new comes in, at last the packets stop.
    async fn stop(self) {
        self.stop_looking.abort();
        self.readiness.send_replace(Readiness::NotReady("the box is stopping".into()));
        let door = async {
            self.rooms.stop().await;
            // overflow: none, because it is a oneshot.
            let _ = self.close_door.send(());
            closed(self.door).await;
        };
        // Beside the rooms, not after them: a camera whose room has ended would look for another.
        tokio::join!(self.cameras.stop(), self.rtsp.stop(), door);
        self.turn.stop().await;
        self.sfu.stop().await;
    }
}

/// Returns when whoever could send is gone.
async fn closed<T>(mut receiver: watch::Receiver<T>) {
    while receiver.changed().await.is_ok() {}
}
