//! Which of the box's addresses a client has been told, and whether it lacks one that matters.
//!
//! A connection that stands needs no other. One that does not come about, or has gone quiet, may be waiting
//! for an address that came up after the client was told: ICE would find that out after many seconds.

use std::sync::Arc;

use super::Router;
use crate::seams::media::Path;

/// What one client knows.
#[derive(Debug, Clone)]
pub(crate) struct KnownAddresses {
    candidates: Arc<[String]>,
    newest: Arc<[String]>,
}

impl KnownAddresses {
    pub(crate) fn new(candidates: &Arc<[String]>) -> Self {
        Self { candidates: Arc::clone(candidates), newest: Arc::clone(candidates) }
    }

    /// The box's addresses have changed. True if that is news for a connection whose path is so.
    pub(crate) fn set_candidates(&mut self, candidates: &Arc<[String]>, path: Path) -> bool {
        let was_stale = self.is_stale(path);
        self.newest = Arc::clone(candidates);
        was_stale != self.is_stale(path)
    }

    /// The client has been told the newest.
    pub(crate) fn tell(&mut self) {
        self.candidates = Arc::clone(&self.newest);
    }

    /// It does not reach the box, which has an address by now that the client does not know.
    pub(crate) fn is_stale(&self, path: Path) -> bool {
        let is_unknown = |candidate: &&String| {
            let own = address(candidate);
            !self.candidates.iter().any(|known| address(known) == own)
        };
        matches!(path, Path::New | Path::Quiet) && self.newest.iter().any(|c| is_unknown(&c))
    }
}

impl Router {
    /// The box's addresses have changed: offers and answers to come have the new ones. Connections
    /// that stand are not disturbed; those that do not come about without them are begun anew.
    pub(crate) fn set_candidates(&mut self, candidates: &Arc<[String]>) {
        for (_, viewer) in &mut self.viewers {
            viewer.downlink.set_candidates(Arc::clone(candidates));
            if viewer.addresses.set_candidates(candidates, viewer.path) {
                self.dirty.member(viewer.member);
            }
        }
        for (_, publisher) in &mut self.publishers {
            if let Some(uplink) = &mut publisher.uplink {
                uplink.set_candidates(Arc::clone(candidates));
            }
            if publisher.addresses.set_candidates(candidates, publisher.path) {
                self.dirty.member(publisher.member);
            }
        }
    }
}

/// `ADDRESS PORT` of `candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT typ TYPE`: priorities
/// differ from list to list.
fn address(candidate: &str) -> Option<(&str, &str)> {
    let mut words = candidate.split(' ').skip(4);
    Some((words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_come_through_is_told_new_addresses() {
        let list = |hosts: &[&str]| -> Arc<[String]> {
            let line = |(n, host): (usize, &&str)| {
                format!("candidate:{n} 1 udp {} {host} 10000 typ host", 9000 - n)
            };
            hosts.iter().enumerate().map(line).collect()
        };
        let (a, ab, b) =
            (list(&["10.0.0.1"]), list(&["10.0.0.2", "10.0.0.1"]), list(&["10.0.0.2"]));
        let cases = [
            (&a, &a, Path::New, false),
            (&a, &ab, Path::New, true),
            (&a, &ab, Path::Quiet, true),
            (&a, &ab, Path::Connected, false),
            (&a, &ab, Path::Closed, false),
            (&ab, &a, Path::New, false),
            (&a, &b, Path::New, true),
        ];
        for (before, after, path, is_stale) in cases {
            let mut told = KnownAddresses::new(before);
            assert_eq!(told.set_candidates(after, path), is_stale, "{before:?} {after:?} {path:?}");
            assert!(!told.set_candidates(after, path), "once");
            told.tell();
            assert!(!told.is_stale(path));
        }
    }
}
