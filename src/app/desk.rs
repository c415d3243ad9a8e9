//! What the settings page says: taken up at the start, shown, changed.
//!
//! A value of the page that has become wrong (by an update, or by what the file says now) must not keep
//! the box from starting, or nobody could mend it there: it is told and passed over.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use tracing::{error, warn};

use crate::{
    boot,
    config::{Fault, Faults, Loaded, Settings, Source, Sources, unmask},
    seams::desk::{DeskAsk, DeskRefusal, Shown},
    store::StoreHandle,
    trust::TrustError,
};

use super::House;

/// The page's part of the configuration, and who keeps it.
pub(super) struct Page {
    pub(super) sources: Sources,
    store: StoreHandle,
    revision: u64,
}

impl Page {
    /// Reads what the page said before; the settings with it.
    pub(super) async fn open(
        sources: Sources,
        store: StoreHandle,
        without: Arc<Settings>,
    ) -> (Self, Arc<Settings>) {
        // No start has a tag of another's.
        let revision = seconds_now().saturating_mul(1000);
        let mut page = Self { sources, store, revision };
        match page.store.page_settings().await {
            Ok(kept) if kept.is_empty() => return (page, without),
            Ok(kept) => {
                page.sources.page = kept.into_iter().map(|set| (set.key, set.value)).collect();
            }
            Err(fault) => {
                warn!("what the settings page set is not in force: the store {fault}");
                return (page, without);
            }
        }
        match load_without_faults(&mut page.sources) {
            Ok(loaded) => (page, Arc::new(loaded.settings)),
            // The file has become wrong since it was read: the next reload says so.
            Err(_) => (page, without),
        }
    }

    /// The settings as they are.
    ///
    /// `started_with`: with which ones this parlor has started.
    pub(super) fn show(&self, started_with: &Settings) -> Result<Shown, DeskRefusal> {
        let Loaded { keys, settings, .. } = load(&self.sources)?;
        let waiting = started_with.waits_for_restart(&settings);
        // The page's word for what a file writes as `[[camera]]`.
        let plain = |key: &'static str| key.trim_start_matches('[').trim_end_matches(']');
        let waiting = waiting.into_iter().map(plain).collect();
        Ok(Shown { keys, revision: self.revision, waiting })
    }

    /// What a change would lead to, if it may be made.
    pub(super) fn consider(
        &self,
        changes: BTreeMap<String, Option<String>>,
        expected: Option<u64>,
    ) -> Result<Considered, DeskRefusal> {
        if expected.is_some_and(|expected| expected != self.revision) {
            return Err(DeskRefusal::Changed);
        }
        let mut faults = self.fixed(&changes)?;
        let is_fixed = |key: &String| faults.iter().any(|fault| fault.key == *key);
        let mut sources = self.sources.clone();
        let mut kept = Vec::new();
        for (key, value) in changes.into_iter().filter(|(key, _)| !is_fixed(key)) {
            let value = value.map(|value| unmasked(&value, sources.page.get(&key)));
            match &value {
                Some(value) => drop(sources.page.insert(key.clone(), value.clone())),
                None => drop(sources.page.remove(&key)),
            }
            kept.push((key, value));
        }
        let settings = match boot::load(&sources) {
            Ok(loaded) if faults.is_empty() => loaded.settings,
            Ok(_) => return Err(DeskRefusal::Faults(faults)),
            Err(Faults(more)) => {
                faults.extend(more);
                return Err(DeskRefusal::Faults(faults));
            }
        };
        Ok(Considered { sources, settings, changes: kept })
    }

    /// Makes a change.
    pub(super) async fn keep(
        &mut self,
        considered: Considered,
        who: String,
    ) -> Result<(), DeskRefusal> {
        let Considered { sources, changes, .. } = considered;
        let kept = self.store.set_page_settings(changes, who, seconds_now()).await;
        kept.map_err(|fault| DeskRefusal::NotKept(fault.to_string()))?;
        self.sources = sources;
        self.revision += 1;
        Ok(())
    }

    /// What flag, environment or file has set is theirs.
    fn fixed(&self, changes: &BTreeMap<String, Option<String>>) -> Result<Vec<Fault>, DeskRefusal> {
        let shown = load(&self.sources)?.keys.into_iter();
        let fixed = shown.filter(|shown| {
            changes.contains_key(&shown.key)
                && !matches!(shown.source, Source::Default | Source::Page)
        });
        let fault = |shown: crate::config::ShownKey| Fault {
            source: Source::Page,
            value: shown.value.to_string(),
            problem: format!("is set by {}", shown.source),
            remedy: "change it there, or take it out there".into(),
            key: shown.key,
        };
        Ok(fixed.map(fault).collect())
    }
}

impl House {
    /// Settings, for the owner.
    pub(super) async fn answer(&self, page: &mut Page, ask: DeskAsk) {
        let DeskAsk { changes, expected, who, reply } = ask;
        let changed = match changes.is_empty() {
            true => Ok(()),
            false => self.change(page, changes, expected, who).await,
        };
        // overflow: none, because it is a oneshot.
        let _ = reply.send(changed.and_then(|()| page.show(&self.started_with)));
    }

    async fn change(
        &self,
        page: &mut Page,
        changes: BTreeMap<String, Option<String>>,
        expected: Option<u64>,
        who: String,
    ) -> Result<(), DeskRefusal> {
        let mut considered = page.consider(changes, expected)?;
        self.hash_room_passwords(&mut considered).await?;
        // What is no certificate is known only when it is tried, and it would keep the box from its
        // next start.
        let certificate = considered.settings.http.certificate.clone();
        let tried = self.trust.reload(certificate).await;
        tried.map_err(|fault| refused_certificate(&considered, &fault))?;
        let kept = page.keep(considered, who).await;
        self.reload(&page.sources).await;
        kept
    }
}

impl House {
    /// What the owner writes as a room's password is kept as its hash.
    async fn hash_room_passwords(&self, considered: &mut Considered) -> Result<(), DeskRefusal> {
        let mut changes = considered.changes.iter_mut();
        let Some((key, Some(json))) = changes.find(|(key, _)| key == "room") else { return Ok(()) };
        let Ok(mut rooms) = serde_json::from_str::<Vec<serde_json::Value>>(json) else {
            return Ok(());
        };
        for room in &mut rooms {
            let Some(password) = room.get("password").and_then(serde_json::Value::as_str) else {
                continue;
            };
            if password.is_empty() || password.starts_with("$argon2id$") {
                continue;
            }
            let hash = self.access.hash_room_password(password.to_owned()).await;
            room["password"] = hash.map_err(|_| DeskRefusal::Busy)?.into();
        }
        *json = serde_json::Value::from(rooms).to_string();
        considered.sources.page.insert(key.clone(), json.clone());
        Ok(())
    }
}

fn refused_certificate(considered: &Considered, fault: &TrustError) -> DeskRefusal {
    let path = considered.settings.http.certificate.as_ref().map(|(path, _)| path);
    DeskRefusal::Faults(vec![Fault {
        source: Source::Page,
        key: "http.certificate".into(),
        value: format!("{:?}", path.map(|path| path.display().to_string()).unwrap_or_default()),
        problem: fault.to_string(),
        remedy: "name a PEM file with the certificate chain, and its key".into(),
    }])
}

/// A change that may be made.
pub(super) struct Considered {
    sources: Sources,
    /// The settings as they will be.
    pub(super) settings: Settings,
    changes: Vec<(String, Option<String>)>,
}

fn load(sources: &Sources) -> Result<Loaded, DeskRefusal> {
    boot::load(sources).map_err(|faults| DeskRefusal::Faults(faults.0))
}

/// JSON with the secrets that are held already where `***` stands for them.
fn unmasked(sent: &str, held: Option<&String>) -> String {
    let Ok(mut value) = serde_json::from_str(sent) else { return sent.to_owned() };
    let held = held.and_then(|held| serde_json::from_str(held).ok());
    unmask(&mut value, held.as_ref());
    value.to_string()
}

fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Loads; keys of the page that have a fault are told and passed over.
fn load_without_faults(sources: &mut Sources) -> Result<Loaded, Faults> {
    loop {
        let faults = match boot::load(sources) {
            Ok(loaded) => return Ok(loaded),
            Err(faults) => faults,
        };
        let n_before = sources.page.len();
        for fault in faults.0.iter().filter(|fault| fault.source == Source::Page) {
            error!("{fault}; it is passed over");
            // `room.name` is of the list `room`.
            let is_of = |key: &String| {
                fault
                    .key
                    .strip_prefix(key.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            sources.page.retain(|key, _| !is_of(key));
        }
        if sources.page.len() == n_before {
            return Err(faults);
        }
    }
}
