//! The doctor: whether the box is reached wherever it can be, and what to do where it is not.
//!
//! ```text
//!  settings, places --> gather: asks ports, services, the machine --facts--> verdicts (pure) --> Report
//!                         |                                                                       |
//!                         '--> probe, as any client would                 parlor doctor, /api/v1/doctor
//!  a browser's offer --> media: a room of its own in the media plane, in which nobody is
//! ```
//! Owns the order of the checks and their names, which stay the same from version to version. It changes
//! nothing; what it asks of other machines is what they serve everybody.

mod gather;
mod machine;
mod media;
mod services;
pub mod verdicts;

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, watch};

use crate::{
    config::{Secret, Settings},
    probe::Url,
    seams::report::Report,
    sfu::SfuHandle,
    trust,
};

pub use media::NoMedia;

/// A report is shown again for so long: it costs the box some work, and pages ask for it again.
const FRESH: Duration = Duration::from_secs(5);

/// Which encoder works here, and whether the CPU does it; or why none does. Blocks.
pub type TryEncoder = Arc<dyn Fn() -> Result<(String, bool), String> + Send + Sync>;

/// Where the box's services are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// https.
    pub https: Vec<SocketAddr>,
    /// Each worker's port, by UDP and TCP.
    pub media: Vec<u16>,
    /// STUN and TURN, by UDP, TCP and TLS.
    pub turn: Vec<SocketAddr>,
}

impl Places {
    /// Where a box with these settings is to be found, if it runs.
    pub fn expected(settings: &Settings) -> Self {
        let media = settings.media.ports.clone().take(settings.media.workers);
        Self {
            https: settings.http.listen.clone(),
            media: media.collect(),
            turn: settings.turn.listen.clone(),
        }
    }
}

/// What is looked at.
#[derive(Clone)]
pub struct Ground {
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Where the services are.
    pub places: Places,
    /// What TURN's passwords are minted with where the settings name nothing; `None`: it is not known.
    pub secret: Option<Secret>,
    /// Tries encoders.
    pub encoder: TryEncoder,
    /// By what people reach the box; `None`: by this machine's own name.
    pub url: Option<Url>,
}

/// Looks at all of it: a few seconds at most.
pub async fn examine(ground: &Ground) -> Report {
    gather::all(ground).await.into()
}

/// The doctor of a box that runs.
#[derive(Clone)]
pub struct DoctorHandle(Arc<Inner>);

struct Inner {
    settings: watch::Receiver<Arc<Settings>>,
    media: Vec<u16>,
    turn: Vec<SocketAddr>,
    /// Known when the door is open.
    https: OnceLock<Vec<SocketAddr>>,
    data_dir: PathBuf,
    encoder: TryEncoder,
    sfu: SfuHandle,
    /// Whoever looks has it.
    look: Semaphore,
    newest: Mutex<Option<(Instant, Arc<Report>)>>,
    trials: Arc<Semaphore>,
}

impl fmt::Debug for DoctorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoctorHandle").field("media", &self.0.media).finish_non_exhaustive()
    }
}

impl DoctorHandle {
    /// Nothing is looked at before it is asked for. `turn`: where that listens.
    pub fn new(
        settings: watch::Receiver<Arc<Settings>>,
        turn: &[SocketAddr],
        encoder: TryEncoder,
        sfu: SfuHandle,
    ) -> Self {
        let data_dir = settings.borrow().data_dir.clone();
        let trials = Arc::new(Semaphore::new(media::MAX_TRIALS));
        let (look, newest) = (Semaphore::new(1), Mutex::default());
        Self(Arc::new(Inner {
            settings,
            media: sfu.ports(),
            turn: turn.to_vec(),
            https: OnceLock::new(),
            data_dir,
            encoder,
            sfu,
            look,
            newest,
            trials,
        }))
    }

    /// https is served there. Said once.
    pub fn served_at(&self, listening: Vec<SocketAddr>) {
        // Said twice, the first stands.
        let _ = self.0.https.set(listening);
    }

    /// What is known of the box: looked at now, or a moment ago. One look at a time serves all who ask.
    pub async fn report(&self) -> Arc<Report> {
        let _looking = self.0.look.acquire().await;
        if let Some(report) = self.fresh() {
            return report;
        }
        let data_dir = self.0.data_dir.clone();
        let secret = tokio::task::spawn_blocking(move || trust::turn_secret_of(&data_dir));
        let secret = secret.await.ok().flatten();
        let ground = Ground {
            settings: self.0.settings.borrow().clone(),
            places: Places {
                https: self.0.https.get().cloned().unwrap_or_default(),
                media: self.0.media.clone(),
                turn: self.0.turn.clone(),
            },
            secret,
            encoder: self.0.encoder.clone(),
            url: None,
        };
        let report = Arc::new(examine(&ground).await);
        let mut newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Some((Instant::now(), report.clone()));
        report
    }

    fn fresh(&self) -> Option<Arc<Report>> {
        let newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, report) = newest.as_ref()?;
        (at.elapsed() < FRESH).then(|| report.clone())
    }

    /// Answers the offer of somebody who tries whether media reaches the box. Nobody sees or hears what
    /// comes; it is over after a while by itself.
    ///
    /// # Errors
    /// See [`NoMedia`].
    pub async fn try_media(&self, offer: &str) -> Result<Arc<str>, NoMedia> {
        media::answer(&self.0.sfu, &self.0.trials, offer).await
    }
}
