//! What the settings page says: taken up at the start, shown, changed.
//!
//! A value of the page that has become wrong (by an update, or by what the file says now) must not keep
//! the box from starting, or nobody could mend it there: it is told and passed over.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use tracing::{error, warn};

use crate::{
    boot,
    config::{Fault, Faults, Loaded, Settings, Source, Sources},
    seams::desk::{DeskRefusal, Shown},
    store::StoreHandle,
};

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
    pub(super) fn show(&self) -> Result<Shown, DeskRefusal> {
        let loaded = boot::load(&self.sources).map_err(|faults| DeskRefusal::Faults(faults.0))?;
        Ok(Shown { keys: loaded.keys, revision: self.revision })
    }

    /// Changes keys, all of them or none.
    pub(super) async fn change(
        &mut self,
        changes: BTreeMap<String, Option<String>>,
        expected: Option<u64>,
        who: String,
    ) -> Result<(), DeskRefusal> {
        if expected.is_some_and(|expected| expected != self.revision) {
            return Err(DeskRefusal::Changed);
        }
        let fixed = self.fixed(&changes)?;
        if !fixed.is_empty() {
            return Err(DeskRefusal::Faults(fixed));
        }
        let mut sources = self.sources.clone();
        for (key, value) in &changes {
            match value {
                Some(value) => drop(sources.page.insert(key.clone(), value.clone())),
                None => drop(sources.page.remove(key)),
            }
        }
        boot::load(&sources).map_err(|faults| DeskRefusal::Faults(faults.0))?;
        let changes = changes.into_iter().collect();
        let kept = self.store.set_page_settings(changes, who, seconds_now()).await;
        kept.map_err(|fault| DeskRefusal::NotKept(fault.to_string()))?;
        self.sources = sources;
        self.revision += 1;
        Ok(())
    }

    /// What flag, environment or file has set is theirs.
    fn fixed(&self, changes: &BTreeMap<String, Option<String>>) -> Result<Vec<Fault>, DeskRefusal> {
        let shown = self.show()?.keys.into_iter();
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
            sources.page.remove(&fault.key);
        }
        if sources.page.len() == n_before {
            return Err(faults);
        }
    }
}
