//! How much one source may do: joins, requests. What it may have open is in `crowd`.
//!
//! A source is an IPv4 address or the /64 of an IPv6 address ([`Source`]). Rates are token buckets
//! (`governor`, GCRA): so much at once, so much a second after that. There is no bucket for all sources
//! together, since whoever empties it would lock the others out; what costs the house something that
//! is scarce (rooms, viewers, connections) has a total and a share where it is kept.
//!
//! | what | a session | a source |
//! |---|---|---|
//! | requests | 100, then 20 a second | 500, then 100 a second |
//! | of these, what all members hear or read: `chat`, `rename` | 20, then 2 a second | 100, then 10 a second |
//! | what is said, in bytes: all of it is kept | | 64 KiB, then 1 KiB a second |
//! | of these, what all members are shown: `state`, `mute`, `lock` | 40, then 5 a second | 200, then 25 a second |
//! | of these, what costs the media plane: `publish`, `restart` | 30, then 1 a second | 150, then 5 a second |
//! | joins, WHIP and WHEP sessions | | `http.joins_per_minute` |
//! | entries by an invite | | `http.joins_per_minute` |
//! | returns to a place that is kept | | ten times as many |
//!
//! Requests over HTTP count as those of sessions do.
//!
//! All is counted under locks that are held for a look-up and never across an await. A source
//! whose buckets are full is forgotten.

use std::{
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed, keyed::HashMapStateStore},
};

use crate::{protocol::ClientMessage, seams::Source};

/// Sources remembered before idle ones are swept out.
const SWEEP_ABOVE: usize = 256;

/// What a request costs others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nothing but our time to read it.
    Light,
    /// All members are shown it.
    Shown,
    /// All members hear of it.
    Heard,
    /// The media plane works for it.
    Media,
}

impl Weight {
    pub(super) fn of(message: &ClientMessage) -> Self {
        match message {
            ClientMessage::Chat { .. }
            | ClientMessage::Rename { .. }
            | ClientMessage::Hand { .. }
            | ClientMessage::React { .. }
            // Read from the disk.
            | ClientMessage::History { .. } => Self::Heard,
            ClientMessage::State { .. }
            | ClientMessage::Mute { .. }
            | ClientMessage::Moderator { .. }
            | ClientMessage::Lock { .. }
            | ClientMessage::Lobby { .. } => Self::Shown,
            ClientMessage::Publish { .. } | ClientMessage::Restart { .. } => Self::Media,
            _ => Self::Light,
        }
    }
}

const SLOWER: &str = "too many requests; slow down";
const SAY_LESS: &str = "too many messages or names in a short time; wait a few seconds";
const SWITCH_LESS: &str = "too many switches in a short time; wait a few seconds";
const PUBLISH_LESS: &str = "too many publications or restarts in a short time; wait a few seconds";

/// So much at once, and so much a second after that.
const fn quota(burst: u32, per_second: u32) -> Quota {
    let (Some(burst), Some(per_second)) = (NonZeroU32::new(burst), NonZeroU32::new(per_second))
    else {
        panic!("a rate is no zero")
    };
    Quota::per_second(per_second).allow_burst(burst)
}

type Direct<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;
type Keyed<C> =
    RateLimiter<Source, HashMapStateStore<Source>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// What one session may ask.
#[derive(Debug)]
pub(super) struct SessionRates<C: Clock = DefaultClock> {
    all: Direct<C>,
    shown: Direct<C>,
    heard: Direct<C>,
    media: Direct<C>,
}

impl SessionRates {
    pub(super) fn new() -> Self {
        Self::by(&DefaultClock::default())
    }
}

impl<C: Clock + Clone> SessionRates<C> {
    fn by(clock: &C) -> Self {
        let direct = |quota| RateLimiter::direct_with_clock(quota, clock.clone());
        Self {
            all: direct(quota(100, 20)),
            shown: direct(quota(40, 5)),
            heard: direct(quota(20, 2)),
            media: direct(quota(30, 1)),
        }
    }

    /// Counts a request, or says what to do.
    pub(super) fn allow(&self, weight: Weight) -> Result<(), &'static str> {
        self.all.check().map_err(|_| SLOWER)?;
        match weight {
            Weight::Light => Ok(()),
            Weight::Shown => self.shown.check().map_err(|_| SWITCH_LESS),
            Weight::Heard => self.heard.check().map_err(|_| SAY_LESS),
            Weight::Media => self.media.check().map_err(|_| PUBLISH_LESS),
        }
    }
}

/// What one source may ask, by whatever sessions.
pub(super) struct Rates<C: Clock = DefaultClock> {
    clock: C,
    all: Keyed<C>,
    shown: Keyed<C>,
    heard: Keyed<C>,
    media: Keyed<C>,
    /// In bytes.
    said: Keyed<C>,
    joins: Changing<C>,
    entries: Changing<C>,
    returns: Changing<C>,
}

/// Buckets by a limit in force, which may change while we run: they are made anew then.
type Changing<C> = Mutex<(usize, Keyed<C>)>;

/// Returns for each join that one source may make: a household behind one address comes back at once
/// after a restart, and whoever comes back all the time is given all that was said each time.
const RETURNS_FOR_A_JOIN: usize = 10;

impl<C: Clock> std::fmt::Debug for Rates<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").field("n_sources", &self.all.len()).finish()
    }
}

impl Rates {
    pub(super) fn new() -> Self {
        Self::by(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn by(clock: C) -> Self {
        let keyed = |quota| RateLimiter::hashmap_with_clock(quota, clock.clone());
        Self {
            all: keyed(quota(500, 100)),
            shown: keyed(quota(200, 25)),
            heard: keyed(quota(100, 10)),
            media: keyed(quota(150, 5)),
            said: keyed(quota(64 * 1024, 1024)),
            joins: Mutex::new((0, keyed(quota(1, 1)))),
            entries: Mutex::new((0, keyed(quota(1, 1)))),
            returns: Mutex::new((0, keyed(quota(1, 1)))),
            clock,
        }
    }

    /// Counts a request of a source, or says what to do.
    pub(super) fn allow(&self, source: Source, weight: Weight) -> Result<(), &'static str> {
        sweep(&self.all);
        self.all.check_key(&source).map_err(|_| SLOWER)?;
        let (limiter, sentence) = match weight {
            Weight::Light => return Ok(()),
            Weight::Shown => (&self.shown, SWITCH_LESS),
            Weight::Heard => (&self.heard, SAY_LESS),
            Weight::Media => (&self.media, PUBLISH_LESS),
        };
        sweep(limiter);
        limiter.check_key(&source).map_err(|_| sentence)
    }

    /// Counts what a source says, or says what to do.
    pub(super) fn allow_text(&self, source: Source, text: &str) -> Result<(), &'static str> {
        let Some(n_bytes) = u32::try_from(text.len()).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        sweep(&self.said);
        // One that no bucket holds has too many characters, too: its room says so.
        match self.said.check_key_n(&source, n_bytes) {
            Ok(Err(_)) => Err(SAY_LESS),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Counts a join of a source, if it may join once more by so many a minute.
    pub(super) fn allow_join(&self, source: Source, per_minute: usize) -> bool {
        self.allow_by(&self.joins, source, per_minute)
    }

    /// Counts an entry by an invite, which makes a session; as many as joins are allowed.
    pub(super) fn allow_entry(&self, source: Source, joins_per_minute: usize) -> bool {
        self.allow_by(&self.entries, source, joins_per_minute)
    }

    /// Counts a return to a place that is kept, where so many joins a minute are allowed.
    pub(super) fn allow_return(&self, source: Source, joins_per_minute: usize) -> bool {
        let per_minute = joins_per_minute.saturating_mul(RETURNS_FOR_A_JOIN);
        self.allow_by(&self.returns, source, per_minute)
    }

    fn allow_by(&self, limit: &Changing<C>, source: Source, per_minute: usize) -> bool {
        let Some(most) = u32::try_from(per_minute).ok().and_then(NonZeroU32::new) else {
            return false;
        };
        let mut buckets = locked(limit);
        if buckets.0 != per_minute {
            let quota = Quota::per_minute(most);
            *buckets = (per_minute, RateLimiter::hashmap_with_clock(quota, self.clock.clone()));
        }
        sweep(&buckets.1);
        buckets.1.check_key(&source).is_ok()
    }
}

fn sweep<C: Clock>(limiter: &Keyed<C>) {
    if limiter.len() > SWEEP_ABOVE {
        limiter.retain_recent();
    }
}

/// Counting survives a panic elsewhere.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn source(text: &str) -> Source {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn joins_are_counted_by_the_limit_in_force_and_idle_sources_forgotten() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::by(clock.clone());
        let ip = source("10.0.0.1");
        let n_allowed = |limit| (0..100).filter(|_| rates.allow_join(ip, limit)).count();
        assert_eq!(n_allowed(6), 6);
        clock.advance(Duration::from_secs(10));
        assert_eq!(n_allowed(6), 1, "one every ten seconds");
        assert_eq!(n_allowed(8), 8, "another limit");
        for host in 0..=u8::MAX {
            assert!(rates.allow_join(source(&format!("10.0.1.{host}")), 8));
        }
        clock.advance(Duration::from_secs(120));
        assert!(rates.allow_join(source("10.0.2.1"), 8));
        assert_eq!(locked(&rates.joins).1.len(), 1);
        assert!(!rates.allow_join(source("10.0.2.2"), 0));
    }

    #[test]
    fn what_one_source_says_does_not_fill_the_disk_and_whoever_returns_does_so_often_enough() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::by(clock.clone());
        let [ann, bob] = [source("10.0.0.1"), source("10.0.0.2")];
        let line = "\u{1f3e0}".repeat(4_000);
        let n_of = |who| (0..1_000).filter(|_| rates.allow_text(who, &line).is_ok()).count();
        assert_eq!((n_of(ann), n_of(bob)), (4, 4), "16,000 bytes each");
        clock.advance(Duration::from_secs(16));
        assert_eq!(n_of(ann), 1);
        assert!(rates.allow_text(ann, &"x".repeat(100_000)).is_ok(), "the room refuses that");
        assert!(rates.allow_text(ann, "").is_ok());
        let n_returns = (0..1_000).filter(|_| rates.allow_return(ann, 6)).count();
        assert_eq!((n_returns, rates.allow_join(ann, 6)), (60, true));
    }

    #[test]
    fn a_flood_is_stopped_and_its_neighbours_go_on() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::by(clock.clone());
        let session = SessionRates::by(&clock);
        let n_of = |weight| (0..1_000).filter(|_| session.allow(weight).is_ok()).count();
        assert_eq!((n_of(Weight::Heard), n_of(Weight::Light)), (20, 0));
        clock.advance(Duration::from_secs(5));
        assert_eq!((n_of(Weight::Media), n_of(Weight::Heard)), (30, 0), "all are counted together");
        clock.advance(Duration::from_secs(60));
        assert_eq!((n_of(Weight::Light), n_of(Weight::Media)), (100, 0));
        clock.advance(Duration::from_secs(60));
        assert_eq!(n_of(Weight::Shown), 40);
        // Many sessions of one source have no more than it has.
        let from = |host: &str| {
            let source = source(host);
            (0..1_000).filter(|_| rates.allow(source, Weight::Heard).is_ok()).count()
        };
        assert_eq!((from("2001:db8::1"), from("2001:db8::2")), (100, 0));
        assert_eq!(from("2001:db8:0:1::1"), 100, "its neighbour");
    }
}
