//! PURE. Which TCP connections a worker has: how many of one source, how many in all, who makes room,
//! and how long one may say nothing.
//!
//! ```text
//!  accepted --> unfinished --a check of ICE is believed--> finished
//!                  | 10 s, or first to make room             | 60 s of silence, or its connection is over
//!                  '------------------> ended <--------------'
//! ```
//! Whoever has not proven that a member of a room sent it holds a place only as long as nobody else
//! wants it, and the one who makes room is of the source that has most of them. A finished one is never
//! ended for a stranger. Behind a tunnel all come from one source, so that may have many.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::super::transmit::StreamId;
use crate::seams::Source;

/// How many a worker has at most: two for each of [`crate::config::MediaSettings`]' 400 viewers, and
/// some that try.
pub(crate) const MAX_STREAMS: usize = 1024;
/// Of one source.
pub(crate) const MAX_OF_SOURCE: usize = 512;
/// So long one may take to its first check that is believed.
pub(crate) const UNFINISHED: Duration = Duration::from_secs(10);
/// A browser checks the way that it uses every few seconds, others every 25 s.
pub(crate) const SILENT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Entry {
    source: Source,
    is_finished: bool,
    since: Instant,
    heard_at: Instant,
}

/// Whether there is a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is.
    Free,
    /// This one makes room.
    Instead(StreamId),
    /// There is none.
    Full,
}

/// A worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    entries: HashMap<StreamId, Entry>,
    counts: HashMap<Source, Count>,
}

/// Connections of one source.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    all: usize,
    unfinished: usize,
}

impl Crowd {
    /// Whether one more may come from there.
    pub(crate) fn admit(&self, from: IpAddr) -> Admission {
        let source = Source::from(from);
        let is_full = self.count(source).all >= MAX_OF_SOURCE;
        if !is_full && self.entries.len() < MAX_STREAMS {
            return Admission::Free;
        }
        let may = |entry: &Entry| !entry.is_finished && (!is_full || entry.source == source);
        let unfinished = self.entries.iter().filter(|(_, entry)| may(entry));
        let first = unfinished.min_by_key(|(stream, entry)| {
            let n_unfinished = self.count(entry.source).unfinished;
            (Reverse(n_unfinished), entry.source != source, entry.since, stream.nth)
        });
        first.map_or(Admission::Full, |(stream, _)| Admission::Instead(*stream))
    }

    fn count(&self, source: Source) -> Count {
        self.counts.get(&source).copied().unwrap_or_default()
    }

    fn add(&mut self, source: Source, all: isize, unfinished: isize) {
        let count = self.counts.entry(source).or_default();
        count.all = count.all.saturating_add_signed(all);
        count.unfinished = count.unfinished.saturating_add_signed(unfinished);
        if count.all == 0 {
            self.counts.remove(&source);
        }
    }

    /// One has come.
    pub(crate) fn insert(&mut self, now: Instant, stream: StreamId, from: IpAddr) {
        let source = Source::from(from);
        let entry = Entry { source, is_finished: false, since: now, heard_at: now };
        self.entries.insert(stream, entry);
        self.add(source, 1, 1);
    }

    /// It is a member's.
    pub(crate) fn finish(&mut self, stream: StreamId) {
        let Some(entry) = self.entries.get_mut(&stream) else { return };
        if !std::mem::replace(&mut entry.is_finished, true) {
            let source = entry.source;
            self.add(source, 0, -1);
        }
    }

    /// Something came by it.
    pub(crate) fn heard(&mut self, now: Instant, stream: StreamId) {
        if let Some(entry) = self.entries.get_mut(&stream) {
            entry.heard_at = now;
        }
    }

    /// It has gone.
    pub(crate) fn remove(&mut self, stream: StreamId) {
        let Some(entry) = self.entries.remove(&stream) else { return };
        self.add(entry.source, -1, if entry.is_finished { 0 } else { -1 });
    }

    /// Those whose time is over.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<StreamId> {
        let is_over = |entry: &Entry| match entry.is_finished {
            false => now >= entry.since + UNFINISHED,
            true => now >= entry.heard_at + SILENT,
        };
        let over = self.entries.iter().filter(|(_, entry)| is_over(entry));
        over.map(|(stream, _)| *stream).collect()
    }

    /// Those of members.
    pub(crate) fn finished(&self) -> impl Iterator<Item = StreamId> {
        self.entries.iter().filter(|(_, entry)| entry.is_finished).map(|(stream, _)| *stream)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(n: usize) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + n as u32).into()
    }

    struct Gate {
        crowd: Crowd,
        now: Instant,
        nth: u32,
    }

    impl Gate {
        fn new() -> Self {
            let now = Instant::now() + Duration::from_secs(3600);
            Self { crowd: Crowd::default(), now, nth: 0 }
        }

        /// One comes: its number, unless there is no place for it.
        fn come(&mut self, from: IpAddr) -> Option<StreamId> {
            match self.crowd.admit(from) {
                Admission::Full => return None,
                Admission::Instead(stream) => self.crowd.remove(stream),
                Admission::Free => {}
            }
            let stream = StreamId { slot: self.nth, nth: self.nth };
            self.nth += 1;
            self.crowd.insert(self.now, stream, from);
            assert!(self.crowd.entries.len() <= MAX_STREAMS);
            let n_counted: usize = self.crowd.counts.values().map(|count| count.all).sum();
            assert_eq!(n_counted, self.crowd.entries.len());
            Some(stream)
        }

        fn has(&self, stream: StreamId) -> bool {
            self.crowd.entries.contains_key(&stream)
        }
    }

    #[test]
    fn a_flood_from_one_source_or_many_ends_nobody_who_is_in_a_room_and_keeps_nobody_out() {
        for n_sources in [1, 3, 1000] {
            let mut gate = Gate::new();
            let members: Vec<StreamId> = (0..100)
                .map(|n| {
                    let stream = gate.come(ip(n / 20)).expect("there is room");
                    gate.crowd.finish(stream);
                    stream
                })
                .collect();
            for n in 0..5000 {
                gate.come(ip(1000 + n % n_sources)).expect("strangers make room for strangers");
            }
            assert!(members.iter().all(|member| gate.has(*member)));
            let late = gate.come(ip(7)).expect("whoever comes from elsewhere has a place");
            for n in 0..300 {
                gate.come(ip(1000 + n % n_sources));
            }
            assert!(gate.has(late), "and keeps it while it connects: {n_sources} sources");
        }
    }

    #[test]
    fn a_source_full_of_members_is_full_and_no_other() {
        let mut gate = Gate::new();
        for _ in 0..MAX_OF_SOURCE {
            let stream = gate.come(ip(1)).expect("there is room");
            gate.crowd.finish(stream);
        }
        assert_eq!(gate.come(ip(1)), None);
        assert!(gate.come(ip(2)).is_some());
        // An IPv6 source is its /64.
        let of = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let n_in = (0..2 * MAX_OF_SOURCE)
            .filter(|n| {
                let stream = gate.come(of(*n as u16));
                stream.inspect(|stream| gate.crowd.finish(*stream)).is_some()
            })
            .count();
        assert!(n_in <= MAX_OF_SOURCE);
    }

    #[test]
    fn who_says_nothing_goes_a_stranger_soon_and_a_member_late() {
        let mut gate = Gate::new();
        let (stranger, member) = (gate.come(ip(1)).expect("room"), gate.come(ip(2)).expect("room"));
        gate.crowd.finish(member);
        let start = gate.now;
        let over = |gate: &Gate, after: Duration| gate.crowd.overdue(start + after);
        let just = Duration::from_millis(1);
        // What a stranger says does not count.
        gate.crowd.heard(start + UNFINISHED - just, stranger);
        assert_eq!(over(&gate, UNFINISHED - just), []);
        assert_eq!(over(&gate, UNFINISHED), [stranger]);
        gate.crowd.remove(stranger);
        gate.crowd.heard(start + SILENT - just, member);
        assert_eq!(over(&gate, SILENT), []);
        assert_eq!(over(&gate, 2 * SILENT - just), [member]);
        assert_eq!(gate.crowd.finished().collect::<Vec<_>>(), [member]);
    }
}
