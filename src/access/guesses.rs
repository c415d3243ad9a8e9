//! PURE. How often somebody may guess a password or a code.
//!
//! Whoever is *near* (the LAN, or this machine where it counts as that) is slowed down and never shut
//! out: after [`FREE`] wrong tries one a second. Whoever comes from elsewhere waits twice as long
//! after each, up to [`LONGEST`]; so does everybody from elsewhere together, for one account. What
//! happens elsewhere changes nothing for those who are near.
//!
//! A try is counted when it begins, so that a hundred at once are a hundred; one that was right is
//! taken back, and takes nothing else back: an own account does not buy guesses at another.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use crate::seams::Source;

/// Wrong tries that everybody has.
const FREE: u32 = 10;

/// Wrong tries at one account from elsewhere: people mistype from the train, too.
const FREE_OF_ACCOUNT: u32 = 20;

/// Wrong tries from elsewhere in all, a minute; over that they wait for the next.
const ELSEWHERE_A_MINUTE: u32 = 120;

/// Whoever is near waits this long between tries.
const NEAR_PACE: Duration = Duration::from_secs(1);

/// Tries of one near source that wait for their turn; more are refused.
const NEAR_QUEUE: Duration = Duration::from_secs(5);

/// Nobody waits longer than this.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// After this time without a try, it is as if there had been none.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Sources and accounts that are remembered, each; the longest idle goes.
const MAX_REMEMBERED: usize = 4096;

/// What somebody may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try, after this time.
    Go(Duration),
    /// Come back after this time.
    Refused(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    n_wrong: u32,
    next_at: Instant,
    last_at: Instant,
}

/// All that is remembered of tries.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    sources: HashMap<Source, Tries>,
    accounts: HashMap<String, Tries>,
    minute: Option<(Instant, u32)>,
}

fn remembered<K: Hash + Eq + Clone>(
    map: &mut HashMap<K, Tries>,
    key: K,
    now: Instant,
) -> &mut Tries {
    let is_old = |tries: &Tries| now.saturating_duration_since(tries.last_at) >= FORGOTTEN;
    if map.len() >= MAX_REMEMBERED && !map.contains_key(&key) {
        map.retain(|_, tries| !is_old(tries));
        let idlest = map.iter().min_by_key(|(_, tries)| tries.last_at).map(|(key, _)| key.clone());
        if let Some(idlest) = idlest.filter(|_| map.len() >= MAX_REMEMBERED) {
            map.remove(&idlest);
        }
    }
    let fresh = Tries { n_wrong: 0, next_at: now, last_at: now };
    let tries = map.entry(key).or_insert(fresh);
    if is_old(tries) {
        *tries = fresh;
    }
    tries
}

/// How long after the `n`th wrong try.
fn penalty(n_wrong: u32, free: u32) -> Duration {
    let over = n_wrong.saturating_sub(free);
    if over == 0 {
        return Duration::ZERO;
    }
    Duration::from_secs(1 << over.min(12)).min(LONGEST)
}

impl Guesses {
    /// Counts a try, if it may be made.
    pub(super) fn begin(
        &mut self,
        source: Source,
        near: bool,
        account: Option<&str>,
        now: Instant,
    ) -> Verdict {
        if near { self.begin_near(source, now) } else { self.begin_elsewhere(source, account, now) }
    }

    fn begin_near(&mut self, source: Source, now: Instant) -> Verdict {
        let tries = remembered(&mut self.sources, source, now);
        let wait = tries.next_at.saturating_duration_since(now);
        if wait > NEAR_QUEUE {
            return Verdict::Refused(wait);
        }
        tries.n_wrong = tries.n_wrong.saturating_add(1);
        tries.last_at = now;
        if tries.n_wrong >= FREE {
            tries.next_at = now + wait + NEAR_PACE;
        }
        Verdict::Go(wait)
    }

    fn begin_elsewhere(&mut self, source: Source, account: Option<&str>, now: Instant) -> Verdict {
        let minute = Duration::from_secs(60);
        let (began, n_tries) = match self.minute {
            Some((began, n_tries)) if now.saturating_duration_since(began) < minute => {
                (began, n_tries)
            }
            _ => (now, 0),
        };
        if n_tries >= ELSEWHERE_A_MINUTE {
            return Verdict::Refused((began + minute).saturating_duration_since(now));
        }
        let of_source = remembered(&mut self.sources, source, now);
        let mut wait = of_source.next_at.saturating_duration_since(now);
        if let Some(account) = account {
            let of_account = remembered(&mut self.accounts, account.to_owned(), now);
            wait = wait.max(of_account.next_at.saturating_duration_since(now));
            if wait.is_zero() {
                count(of_account, FREE_OF_ACCOUNT, now);
            }
        }
        if !wait.is_zero() {
            return Verdict::Refused(wait);
        }
        count(remembered(&mut self.sources, source, now), FREE, now);
        self.minute = Some((began, n_tries + 1));
        Verdict::Go(Duration::ZERO)
    }

    /// The try was right, and is taken back.
    pub(super) fn was_right(
        &mut self,
        source: Source,
        near: bool,
        account: Option<&str>,
        now: Instant,
    ) {
        if let Some(tries) = self.sources.get_mut(&source) {
            tries.n_wrong = tries.n_wrong.saturating_sub(1);
            if !near {
                tries.next_at = tries.next_at.min(now + penalty(tries.n_wrong, FREE));
            }
        }
        let of_account = account.filter(|_| !near).and_then(|name| self.accounts.get_mut(name));
        if let Some(tries) = of_account {
            tries.n_wrong = tries.n_wrong.saturating_sub(1);
            tries.next_at = tries.next_at.min(now + penalty(tries.n_wrong, FREE_OF_ACCOUNT));
        }
    }
}

fn count(tries: &mut Tries, free: u32, now: Instant) {
    tries.n_wrong = tries.n_wrong.saturating_add(1);
    tries.last_at = now;
    tries.next_at = now + penalty(tries.n_wrong, free);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn ip(text: &str) -> Source {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn whoever_guesses_from_elsewhere_waits_longer_each_time() {
        let mut guesses = Guesses::default();
        let mut now = Instant::now();
        let far = ip("203.0.113.9");
        for _ in 0..=FREE {
            assert_eq!(guesses.begin(far, false, None, now), Verdict::Go(Duration::ZERO));
        }
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let Verdict::Refused(wait) = guesses.begin(far, false, None, now) else {
                panic!("too many tries")
            };
            assert!(wait >= last && wait <= LONGEST);
            last = wait;
            now += wait;
            assert_eq!(guesses.begin(far, false, None, now), Verdict::Go(Duration::ZERO));
        }
        assert_eq!(last, LONGEST);
        now += FORGOTTEN;
        assert_eq!(guesses.begin(far, false, None, now), Verdict::Go(Duration::ZERO));
    }

    #[test]
    fn nobody_elsewhere_locks_the_lan_out() {
        let mut guesses = Guesses::default();
        let now = Instant::now();
        let mut n_tries = 0;
        for host in 0..=255 {
            let far = IpAddr::from([203, 0, 113, host]).into();
            while guesses.begin(far, false, Some("ada"), now) == Verdict::Go(Duration::ZERO) {
                n_tries += 1;
            }
        }
        assert_eq!(n_tries, FREE_OF_ACCOUNT + 1, "all addresses together, at one account");
        let near = ip("192.168.1.9");
        for _ in 0..FREE {
            let verdict = guesses.begin(near, true, Some("ada"), now);
            assert_eq!(verdict, Verdict::Go(Duration::ZERO));
        }
    }

    #[test]
    fn whoever_is_near_is_slowed_down_and_not_shut_out() {
        let mut guesses = Guesses::default();
        let mut now = Instant::now();
        let near = ip("fd00::1");
        for _ in 0..100 {
            let Verdict::Go(wait) = guesses.begin(near, true, None, now) else { panic!("near") };
            assert!(wait <= NEAR_PACE);
            now += wait;
        }
        let mut at_once = 0;
        while matches!(guesses.begin(near, true, None, now), Verdict::Go(_)) {
            at_once += 1;
        }
        assert!((3..=8).contains(&at_once), "{at_once}");
    }

    #[test]
    fn what_was_right_is_not_held_against_anybody() {
        let mut guesses = Guesses::default();
        let mut now = Instant::now();
        let far = ip("2001:db8::1");
        for _ in 0..500 {
            let go = guesses.begin(far, false, Some("ada"), now);
            assert_eq!(go, Verdict::Go(Duration::ZERO));
            guesses.was_right(far, false, Some("ada"), now);
            now += Duration::from_secs(1);
        }
        // A right one does not buy a wrong one: the wrong ones of before still count.
        for _ in 0..=FREE {
            guesses.begin(far, false, Some("bob"), now);
        }
        assert!(matches!(guesses.begin(far, false, Some("bob"), now), Verdict::Refused(_)));
        let neighbour = guesses.begin(ip("2001:db8::ffff"), false, None, now);
        assert!(matches!(neighbour, Verdict::Refused(_)), "the same /64");
    }

    #[test]
    fn memory_is_bounded() {
        let mut guesses = Guesses::default();
        let start = Instant::now();
        for n in 0..3 * MAX_REMEMBERED as u32 {
            let now = start + Duration::from_secs(u64::from(n));
            let far = IpAddr::from((n | 0x0b00_0000).to_be_bytes()).into();
            guesses.begin(far, false, Some(&n.to_string()), now);
        }
        assert!(guesses.sources.len() <= MAX_REMEMBERED);
        assert!(guesses.accounts.len() <= MAX_REMEMBERED);
    }
}
