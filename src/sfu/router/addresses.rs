//! Which of the box's addresses a client has been told, and whether it lacks one that matters.
//!
//! A connection that stands needs no other, as long as the box has the address it goes by. One that does
//! not come about, or has gone quiet, may be waiting for an address that came up after the client was
//! told. ICE would find out about either after many seconds.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::Router;
use crate::seams::media::Path;

/// What one client knows.
#[derive(Debug, Clone)]
pub(crate) struct KnownAddresses {
    candidates: Arc<[String]>,
    newest: Arc<[String]>,
    /// The box has lost the address by which the client talks to it.
    has_lost_own: bool,
}

impl KnownAddresses {
    pub(crate) fn new(candidates: &Arc<[String]>) -> Self {
        let newest = Arc::clone(candidates);
        Self { candidates: Arc::clone(candidates), newest, has_lost_own: false }
    }

    /// The box's addresses have changed. True if that is news for a connection whose path is so, and
    /// goes by this address of the box.
    pub(crate) fn set_candidates(
        &mut self,
        candidates: &Arc<[String]>,
        path: Path,
        own: Option<IpAddr>,
    ) -> bool {
        let was_stale = self.is_stale(path);
        // One that was never told, of a port map or of one link alone, says nothing by not being there.
        if let Some(own) = own.map(|ip| ip.to_canonical().to_string()) {
            let is_there = has(candidates, &own);
            self.has_lost_own = !is_there && (self.has_lost_own || has(&self.newest, &own));
        }
        self.newest = Arc::clone(candidates);
        was_stale != self.is_stale(path)
    }

    /// The client has been told the newest.
    pub(crate) fn tell(&mut self) {
        self.candidates = Arc::clone(&self.newest);
        self.has_lost_own = false;
    }

    /// It does not reach the box, which has an address by now that the client does not know, or has lost
    /// the one that it uses.
    pub(crate) fn is_stale(&self, path: Path) -> bool {
        let is_unknown = |candidate: &&String| {
            let own = address(candidate);
            !self.candidates.iter().any(|known| address(known) == own)
        };
        let is_known_to_all = || !self.newest.iter().any(|c| is_unknown(&c));
        match path {
            Path::Closed => false,
            _ if self.has_lost_own => true,
            Path::Connected => false,
            Path::New | Path::Quiet => !is_known_to_all(),
        }
    }
}

impl Router {
    /// The prefixes of the house have changed.
    pub(crate) fn set_near(&mut self, near: &Arc<[IpNet]>) {
        self.viewers.iter_mut().for_each(|(_, viewer)| viewer.set_near(near));
    }

    /// The box's addresses have changed: offers and answers to come have the new ones. Connections
    /// that stand are not disturbed; those that do not come about without them, and those whose address
    /// the box has lost, are begun anew.
    pub(crate) fn set_candidates(&mut self, candidates: &Arc<[String]>) {
        for (_, viewer) in &mut self.viewers {
            viewer.downlink.set_candidates(Arc::clone(candidates));
            let own = viewer.downlink.route().and_then(|route| route.local);
            if viewer.addresses.set_candidates(candidates, viewer.path, own) {
                self.dirty.member(viewer.member);
            }
        }
        for (_, publisher) in &mut self.publishers {
            let mut own = None;
            if let Some(uplink) = &mut publisher.uplink {
                uplink.set_candidates(Arc::clone(candidates));
                own = uplink.route().and_then(|route| route.local);
            }
            if publisher.addresses.set_candidates(candidates, publisher.path, own) {
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

fn has(candidates: &[String], ip: &str) -> bool {
    candidates.iter().any(|candidate| address(candidate).is_some_and(|(known, _)| known == ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(hosts: &[&str]) -> Arc<[String]> {
        let line = |(n, host): (usize, &&str)| {
            format!("candidate:{n} 1 udp {} {host} 10000 typ host", 9000 - n)
        };
        hosts.iter().enumerate().map(line).collect()
    }

    #[test]
    fn who_does_not_come_through_is_told_new_addresses() {
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
            assert_eq!(
                told.set_candidates(after, path, None),
                is_stale,
                "{before:?} {after:?} {path:?}"
            );
            assert!(!told.set_candidates(after, path, None), "once");
            told.tell();
            assert!(!told.is_stale(path));
        }
    }

    #[test]
    fn who_goes_by_an_address_that_the_box_has_lost_begins_anew_unless_it_is_back() {
        let (a, ab, b) =
            (list(&["10.0.0.1"]), list(&["10.0.0.1", "10.0.0.2"]), list(&["10.0.0.2"]));
        let own = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let connected = Path::Connected;
        let mut told = KnownAddresses::new(&ab);
        assert!(!told.set_candidates(&b, connected, own(2)), "its own is there");
        let mut told = KnownAddresses::new(&ab);
        assert!(told.set_candidates(&b, connected, own(1)));
        assert!(!told.set_candidates(&list(&["10.0.0.2", "10.0.0.3"]), connected, own(1)), "once");
        assert!(told.is_stale(connected));
        assert!(told.set_candidates(&ab, connected, own(1)), "it is back");
        assert!(!told.is_stale(connected));
        assert!(told.set_candidates(&b, connected, own(1)));
        told.tell();
        assert!(!told.is_stale(connected));
        // Behind a port map the box's own address is none that was announced.
        let mut told = KnownAddresses::new(&a);
        assert!(!told.set_candidates(&b, connected, own(9)));
        assert!(!told.set_candidates(&b, connected, None));
    }
}
