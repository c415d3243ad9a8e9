//! PURE. Which streams a door has accepted: how many of one source, how many in all, who makes room, and
//! how long one may say nothing.
//!
//! ```text
//!  accepted --> unfinished --it has proven who it is--> finished
//!                  | its time is over, or first to make room  | silence, or its owner has gone
//!                  '------------------> ended <---------------'
//! ```
//! Whoever has not proven that somebody who may be here sent it holds a place only as long as nobody else
//! wants it, and the one who makes room is of the source that has most of them. A finished one is never
//! ended for a stranger. Behind a tunnel all come from one source, so that may have many.

use std::{
    cmp::Reverse,
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::Source;

/// What a door allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Streams at a time.
    pub all: usize,
    /// Of one source.
    pub of_source: usize,
    /// So long one may take to prove who it is.
    pub unfinished: Duration,
    /// So long a finished one may say nothing.
    pub silent: Duration,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    is_finished: bool,
    since: Instant,
    heard_at: Instant,
}

/// Whether there is a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<K> {
    /// There is.
    Free,
    /// This one makes room.
    Instead(K),
    /// There is none.
    Full,
}

/// A door's streams, each by its name.
#[derive(Debug)]
pub struct Crowd<K> {
    limits: Limits,
    entries: HashMap<K, Entry>,
    counts: HashMap<Source, Count>,
}

/// Streams of one source.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    all: usize,
    unfinished: usize,
}

impl<K: Copy + Ord + Hash> Crowd<K> {
    /// Nobody is there yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, entries: HashMap::new(), counts: HashMap::new() }
    }

    /// Whether one more may come from there.
    pub fn admit(&self, from: IpAddr) -> Admission<K> {
        let source = Source::from(from);
        let is_full = self.count(source).all >= self.limits.of_source;
        if !is_full && self.entries.len() < self.limits.all {
            return Admission::Free;
        }
        let may = |entry: &Entry| !entry.is_finished && (!is_full || entry.source == source);
        let unfinished = self.entries.iter().filter(|(_, entry)| may(entry));
        let first = unfinished.min_by_key(|(stream, entry)| {
            let n_unfinished = self.count(entry.source).unfinished;
            (Reverse(n_unfinished), entry.source != source, entry.since, **stream)
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
    pub fn insert(&mut self, now: Instant, stream: K, from: IpAddr) {
        let source = Source::from(from);
        let entry = Entry { source, is_finished: false, since: now, heard_at: now };
        self.entries.insert(stream, entry);
        self.add(source, 1, 1);
    }

    /// It has proven who it is.
    pub fn finish(&mut self, stream: K) {
        let Some(entry) = self.entries.get_mut(&stream) else { return };
        if !std::mem::replace(&mut entry.is_finished, true) {
            let source = entry.source;
            self.add(source, 0, -1);
        }
    }

    /// Something came by it.
    pub fn heard(&mut self, now: Instant, stream: K) {
        if let Some(entry) = self.entries.get_mut(&stream) {
            entry.heard_at = now;
        }
    }

    /// It has gone.
    pub fn remove(&mut self, stream: K) {
        let Some(entry) = self.entries.remove(&stream) else { return };
        self.add(entry.source, -1, if entry.is_finished { 0 } else { -1 });
    }

    /// Those whose time is over.
    pub fn overdue(&self, now: Instant) -> Vec<K> {
        let is_over = |entry: &Entry| match entry.is_finished {
            false => now >= entry.since + self.limits.unfinished,
            true => now >= entry.heard_at + self.limits.silent,
        };
        let over = self.entries.iter().filter(|(_, entry)| is_over(entry));
        over.map(|(stream, _)| *stream).collect()
    }

    /// Those that have proven who they are.
    pub fn finished(&self) -> impl Iterator<Item = K> {
        self.entries.iter().filter(|(_, entry)| entry.is_finished).map(|(stream, _)| *stream)
    }

    /// Nobody is there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LIMITS: Limits = Limits {
        all: 1024,
        of_source: 512,
        unfinished: Duration::from_secs(10),
        silent: Duration::from_secs(60),
    };

    fn ip(n: usize) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + n as u32).into()
    }

    struct Gate {
        crowd: Crowd<u32>,
        now: Instant,
        nth: u32,
    }

    impl Gate {
        fn new() -> Self {
            let now = Instant::now() + Duration::from_secs(3600);
            Self { crowd: Crowd::new(LIMITS), now, nth: 0 }
        }

        /// One comes: its number, unless there is no place for it.
        fn come(&mut self, from: IpAddr) -> Option<u32> {
            match self.crowd.admit(from) {
                Admission::Full => return None,
                Admission::Instead(stream) => self.crowd.remove(stream),
                Admission::Free => {}
            }
            let stream = self.nth;
            self.nth += 1;
            self.crowd.insert(self.now, stream, from);
            assert!(self.crowd.entries.len() <= LIMITS.all);
            let n_counted: usize = self.crowd.counts.values().map(|count| count.all).sum();
            assert_eq!(n_counted, self.crowd.entries.len());
            Some(stream)
        }

        fn has(&self, stream: u32) -> bool {
            self.crowd.entries.contains_key(&stream)
        }
    }

    #[test]
    fn a_flood_from_one_source_or_many_ends_nobody_who_is_in_a_room_and_keeps_nobody_out() {
        for n_sources in [1, 3, 1000] {
            let mut gate = Gate::new();
            let members: Vec<u32> = (0..100)
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
        for _ in 0..LIMITS.of_source {
            let stream = gate.come(ip(1)).expect("there is room");
            gate.crowd.finish(stream);
        }
        assert_eq!(gate.come(ip(1)), None);
        assert!(gate.come(ip(2)).is_some());
        // An IPv6 source is its /64.
        let of = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let n_in = (0..2 * LIMITS.of_source)
            .filter(|n| {
                let stream = gate.come(of(*n as u16));
                stream.inspect(|stream| gate.crowd.finish(*stream)).is_some()
            })
            .count();
        assert!(n_in <= LIMITS.of_source);
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
        gate.crowd.heard(start + LIMITS.unfinished - just, stranger);
        assert!(over(&gate, LIMITS.unfinished - just).is_empty());
        assert_eq!(over(&gate, LIMITS.unfinished), [stranger]);
        gate.crowd.remove(stranger);
        gate.crowd.heard(start + LIMITS.silent - just, member);
        assert!(over(&gate, LIMITS.silent).is_empty());
        assert_eq!(over(&gate, 2 * LIMITS.silent - just), [member]);
        assert_eq!(gate.crowd.finished().collect::<Vec<_>>(), [member]);
    }
}
