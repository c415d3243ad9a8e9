//! Which keys are in force from the next start on only.
//!
//! PURE. All others are taken up by what lives already when the configuration is loaded again.

use super::settings::Settings;

/// Whether a key is in force from the next start on only.
pub fn needs_restart(key: &str) -> bool {
    // The page's word for what a file writes as `[[camera]]`.
    key == "camera" || WAITING.contains(&key)
}

/// The keys of [`Settings::waits_for_restart`].
const WAITING: [&str; 7] = [
    "http.listen",
    "media.ports",
    "media.workers",
    "media.viewers_per_worker",
    "rooms.max_speakers",
    "rtsp.listen",
    "storage.data_dir",
];

impl Settings {
    /// The keys that `newer` has changed and that what runs with these settings cannot take up.
    pub fn waits_for_restart(&self, newer: &Self) -> Vec<&'static str> {
        let (old, new) = (self, newer);
        let keys = [
            ("http.listen", old.http.listen != new.http.listen),
            ("media.ports", old.media.ports != new.media.ports),
            ("media.workers", old.media.workers != new.media.workers),
            (
                "media.viewers_per_worker",
                old.media.viewers_per_worker != new.media.viewers_per_worker,
            ),
            ("turn.listen", old.turn.listen != new.turn.listen),
            ("rooms.max_speakers", old.rooms.max_speakers != new.rooms.max_speakers),
            ("[[camera]]", old.cameras != new.cameras),
            ("rtsp.listen", old.rtsp.listen != new.rtsp.listen),
            ("storage.data_dir", old.data_dir != new.data_dir),
        ];
        keys.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::config::{NoFiles, Sources};

    #[test]
    fn what_needs_a_restart_is_named_key_by_key() {
        let sources = Sources { data: Some(PathBuf::from("/srv/parlor")), ..Sources::default() };
        let old = sources.understand([], &NoFiles).expect("defaults are right").settings;
        assert!(old.waits_for_restart(&old).is_empty());
        let mut new = old.clone();
        new.rooms.max_participants = 3;
        new.network.exclude.clear();
        new.log.filter = "debug".into();
        new.metrics.enabled = false;
        assert!(old.waits_for_restart(&new).is_empty());
        new.http.listen.clear();
        new.media.ports = 1..=2;
        new.media.workers = 2;
        new.media.viewers_per_worker = 1;
        new.turn.listen.clear();
        new.rooms.max_speakers = 1;
        new.rtsp.listen.clear();
        new.cameras = Some(Vec::new());
        new.data_dir = PathBuf::from("/elsewhere");
        let expected = [
            "http.listen",
            "media.ports",
            "media.workers",
            "media.viewers_per_worker",
            "turn.listen",
            "rooms.max_speakers",
            "[[camera]]",
            "rtsp.listen",
            "storage.data_dir",
        ];
        assert_eq!(old.waits_for_restart(&new), expected);
        let named = expected.into_iter().filter(|key| super::needs_restart(key));
        assert_eq!(named.collect::<Vec<_>>(), super::WAITING);
    }
}
