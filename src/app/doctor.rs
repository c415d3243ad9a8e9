//! `parlor doctor`, and what the doctor of a box that runs is given.

use std::sync::Arc;

use tokio::sync::watch;

use super::{desk::Page, keeping::open_store};
use crate::{
    config::{Settings, Sources},
    doctor::{self, DoctorHandle, Ground, Places, TryEncoder},
    probe::Url,
    seams::report::Report,
    sfu::SfuHandle,
    store, trust,
    turn::TurnHandle,
};

/// Looks at the box whose settings these are, whether it runs or not. Nothing is made that is not there.
pub async fn examine(settings: Arc<Settings>, sources: Sources, url: Option<Url>) -> Report {
    let data_dir = settings.data_dir.clone();
    let settings = match data_dir.join(store::FILE).exists().then(|| open_store(&data_dir)) {
        // What the settings page said counts as well.
        Some(Ok(store)) => Page::open(sources, store, settings).await.1,
        _ => settings,
    };
    let secret = trust::turn_secret_of(&data_dir);
    let places = Places::expected(&settings);
    doctor::examine(&Ground { settings, places, secret, encoder: encoder(), url }).await
}

/// The doctor of a box that runs.
pub(super) fn of_the_house(
    settings: &watch::Receiver<Arc<Settings>>,
    turn: &TurnHandle,
    sfu: &SfuHandle,
) -> DoctorHandle {
    DoctorHandle::new(settings.clone(), turn.local_addrs(), encoder(), sfu.clone())
}

/// Tries the encoders of this machine.
#[cfg(feature = "camera")]
fn encoder() -> TryEncoder {
    Arc::new(crate::camera::probe::on_this_machine)
}

/// There is none.
#[cfg(not(feature = "camera"))]
fn encoder() -> TryEncoder {
    Arc::new(|| Err("this parlor was built without cameras".to_owned()))
}
