//! How much is answered to an address that has not proven that it is there.
//!
//! Whoever writes another's address into the head of a datagram has us send to that one. So a source
//! (an IPv4 address, an IPv6 /64) gets no more than it sent, and beyond that only a small allowance,
//! which a browser needs: its first question is shorter than any answer (28 bytes, and the answer
//! carries a realm and a nonce). A question that cannot be afforded is not answered; asked again it
//! brings its own bytes along. A source that has signed a request with a nonce that was sent to it
//! has proven itself for a while and gets a larger allowance, because behind one address may be many.
//!
//! PURE. The table has a fixed size: sources that fall on one place share what it may get.

use std::{
    hash::BuildHasher,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::rate::Bucket;
use crate::seams::Source;

/// Places of the table: 8,192 of 40 bytes.
const N_PLACES: usize = 8_192;
/// Beyond what they sent, in bytes: at once, and in a second.
const STRANGER: (u64, u64) = (4_096, 128);
/// The same, for one that has proven itself.
const PROVEN: (u64, u64) = (256 * 1024, 64 * 1024);
/// For how long a proof counts.
const PROOF_LASTS: Duration = Duration::from_secs(600);

struct Place {
    bucket: Bucket,
    proven_until: Option<(Source, Instant)>,
}

/// What every source may still get.
pub(crate) struct Sources<S> {
    places: Vec<Option<Place>>,
    hasher: S,
}

impl<S: BuildHasher> Sources<S> {
    /// With a hash that nobody outside can foresee.
    pub(crate) fn new(hasher: S) -> Self {
        let mut places = Vec::new();
        places.resize_with(N_PLACES, || None);
        Self { places, hasher }
    }

    /// A question of `len` bytes came from there.
    pub(crate) fn asked(&mut self, source: IpAddr, len: usize, now: Instant) {
        let (place, (full, _)) = self.place(source, now);
        place.bucket.add(len, full);
    }

    /// Whether an answer of `len` bytes may go there; if so it is counted.
    pub(crate) fn may_answer(&mut self, source: IpAddr, len: usize, now: Instant) -> bool {
        self.place(source, now).0.bucket.spend(len)
    }

    /// It signed with a nonce of ours: it is there.
    pub(crate) fn proven(&mut self, source: IpAddr, now: Instant) {
        let (place, _) = self.place(source, now);
        let is_new = place.proven_until.is_none_or(|(_, until)| until <= now);
        place.proven_until = Some((Source::from(source), now + PROOF_LASTS));
        if is_new {
            place.bucket.add(PROVEN.0 as usize, PROVEN.0);
        }
    }

    fn place(&mut self, source: IpAddr, now: Instant) -> (&mut Place, (u64, u64)) {
        let network = Source::from(source);
        let index = self.hasher.hash_one(network) as usize % N_PLACES;
        let place = self.places[index].get_or_insert_with(|| Place {
            bucket: Bucket::new(STRANGER.0, now),
            proven_until: None,
        });
        let proven = place.proven_until.is_some_and(|(who, until)| who == network && now < until);
        let limits = if proven { PROVEN } else { STRANGER };
        if !proven && place.proven_until.is_some_and(|(_, until)| now >= until) {
            place.proven_until = None;
            place.bucket = Bucket::new(STRANGER.0, now);
        }
        place.bucket.fill(limits.1, limits.0, now);
        (place, limits)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::hash_map::DefaultHasher, hash::BuildHasherDefault};

    use super::*;

    fn sources() -> Sources<BuildHasherDefault<DefaultHasher>> {
        Sources::new(BuildHasherDefault::default())
    }

    #[test]
    fn a_flood_gets_no_more_than_it_sent_and_the_allowance() {
        let mut sources = sources();
        let start = Instant::now();
        let victim = [192, 0, 2, 1].into();
        let (mut sent, mut got) = (0, 0);
        for at_ms in 0..10_000 {
            let now = start + Duration::from_millis(at_ms);
            sources.asked(victim, 28, now);
            sent += 28;
            if sources.may_answer(victim, 100, now) {
                got += 100;
            }
        }
        let allowance = (STRANGER.0 + 10 * STRANGER.1) as usize;
        assert!(got <= sent + allowance, "{got} for {sent}");
        assert!(got > sent, "{got}: whoever retransmits is answered in the end");
    }

    #[test]
    fn a_household_shares_one_place_and_a_proof_widens_it() {
        let mut sources = sources();
        let now = Instant::now();
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (a, b) = (ip("2001:db8:1:2::1"), ip("2001:db8:1:2:ffff::9"));
        let n_answers = |sources: &mut Sources<_>, ip, now| {
            (0..100_000).take_while(|_| sources.may_answer(ip, 100, now)).count()
        };
        assert_eq!(n_answers(&mut sources, a, now), 40);
        assert_eq!(n_answers(&mut sources, b, now), 0, "the same /64");
        sources.proven(b, now);
        assert_eq!(n_answers(&mut sources, a, now), 2_621);
        let later = now + PROOF_LASTS;
        assert_eq!(n_answers(&mut sources, a, later), 40, "a stranger again");
    }
}
