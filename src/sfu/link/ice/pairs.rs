//! PURE. By which ways a client can be reached, which of them media takes, and what proves that.
//!
//! Whoever knows the password could make a check with a false source address, or have one replayed, and
//! have a flood sent there. So a way is not believed because a check came by it: media takes it when an
//! answer to a check of our own came back by it, or the end of a DTLS handshake whose flights went
//! nowhere else (RFC 7675, RFC 8445 19.4.1). Until then it gets no more than three times what came.
//!
//! ```text
//!             a check came              our check was answered
//!  unknown ----------------> claimed --------------------------> proven --nominated--> taken by media
//!                               ^                                   |
//!                               '---- no answer for 30 s -----------'
//! ```
//! A way that is proven once and then taken is asked again and again (consent). A client that has never
//! answered a check of ours keeps the way that its handshake has proven, and has no other.
//!
//! It sends nothing: whoever does asks [`Pairs::may_send`], and makes the checks that are due.

use std::time::{Duration, Instant};

use crate::{
    sfu::wire::transmit::{Peer, Route},
    stun::TransactionId,
};

/// Ways of one client that are remembered: Wi-Fi, mobile, VPN, each by IPv4 and IPv6, to several
/// addresses of ours, by UDP and TCP.
pub(super) const MAX_PAIRS: usize = 32;
/// How long a proof holds (RFC 7675 5.1).
const CONSENT: Duration = Duration::from_secs(30);
/// A way that media takes is asked so often.
const CONSENT_EVERY: Duration = Duration::from_secs(5);
/// First and longest wait for an answer before a check is sent once more.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// A way by which no check came for so long is not asked any more.
const GONE: Duration = Duration::from_secs(15);
/// A way that nobody has proven gets so many times what came by it (RFC 9000 8.1).
const AMPLIFICATION: usize = 3;
/// A client's media may come by two ways while it goes over: it moves us no more often than this.
const SETTLE: Duration = Duration::from_millis(500);

/// A way and what is known of it.
#[derive(Debug)]
struct Pair {
    route: Route,
    n_received: usize,
    n_sent: usize,
    heard_at: Instant,
    proven_at: Option<Instant>,
    /// The check of ours that waits for its answer.
    asked: Option<TransactionId>,
    /// When the next one is due.
    ask_at: Instant,
    wait: Duration,
}

/// The ways of one client.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// The one heard longest ago is first.
    pairs: Vec<Pair>,
    /// What media takes if it is proven.
    selected: Option<Route>,
    /// What media is to take as soon as it is proven.
    nominated: Option<Route>,
    moved_at: Option<Instant>,
    n_moves: u32,
    /// The client answers checks of ours.
    answers: bool,
    /// Its credentials are known, which a check needs.
    pub(super) can_ask: bool,
}

impl Pairs {
    fn pair(&self, route: Route) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.route == route)
    }

    fn pair_mut(&mut self, route: Route) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.route == route)
    }

    /// A valid check of `len` bytes came by this way.
    pub(super) fn heard(&mut self, now: Instant, route: Route, len: usize) {
        let pair = match self.pairs.iter().position(|pair| pair.route == route) {
            Some(at) => self.pairs.remove(at),
            None => {
                self.make_room();
                Pair {
                    route,
                    n_received: 0,
                    n_sent: 0,
                    heard_at: now,
                    proven_at: None,
                    asked: None,
                    ask_at: now,
                    wait: RETRY.0,
                }
            }
        };
        let n_received = pair.n_received.saturating_add(len);
        self.pairs.push(Pair { n_received, heard_at: now, ..pair });
        if self.selected.is_none() {
            self.select(now, route);
        }
    }

    /// What was replayed from elsewhere must not make us forget where the client is.
    fn make_room(&mut self) {
        if self.pairs.len() < MAX_PAIRS {
            return;
        }
        let is_taken = |pair: &Pair| [self.selected, self.nominated].contains(&Some(pair.route));
        let free = |pair: &&Pair| !is_taken(pair);
        let worst = self.pairs.iter().filter(free).find(|pair| pair.proven_at.is_none());
        let worst = worst.or_else(|| self.pairs.iter().find(free)).map(|pair| pair.route);
        self.pairs.retain(|pair| Some(pair.route) != worst);
    }

    /// The client wants media by this way.
    pub(super) fn nominate(&mut self, now: Instant, route: Route) {
        let Some(pair) = self.pair(route) else { return };
        let is_proven = pair.proven_at.is_some();
        self.nominated = Some(route);
        // As long as nothing is proven, what is said last counts.
        if is_proven || self.route().is_none() {
            self.select(now, route);
        }
    }

    /// What is authentic came by this way: what the client uses is what it has chosen.
    pub(crate) fn used(&mut self, now: Instant, route: Route) {
        let has_settled = self.moved_at.is_none_or(|at| now >= at + SETTLE);
        if self.selected != Some(route) && has_settled {
            self.nominate(now, route);
        }
    }

    fn select(&mut self, now: Instant, route: Route) {
        if self.selected != Some(route) {
            self.n_moves = self.n_moves.wrapping_add(1);
            self.moved_at = Some(now);
            self.selected = Some(route);
        }
    }

    /// The client is there, beyond doubt.
    pub(crate) fn prove(&mut self, now: Instant, route: Route) {
        let has_route = self.route().is_some();
        let Some(pair) = self.pair_mut(route) else { return };
        pair.proven_at = Some(now);
        pair.asked = None;
        pair.ask_at = now + CONSENT_EVERY;
        pair.wait = RETRY.1;
        if self.nominated == Some(route) || !has_route {
            self.select(now, route);
        }
    }

    /// The answer to a check of ours came by this way, and its integrity is right.
    pub(super) fn answered(&mut self, now: Instant, route: Route) {
        self.answers = true;
        self.prove(now, route);
    }

    /// The check that waits for its answer by this way.
    pub(super) fn asked(&self, route: Route) -> Option<&TransactionId> {
        self.pair(route)?.asked.as_ref()
    }

    /// Nothing goes to this peer any more. What media took is left for what stands: proven, if there is
    /// such a way.
    pub(crate) fn gone(&mut self, now: Instant, peer: Peer) {
        self.pairs.retain(|pair| pair.route.peer != peer);
        self.nominated = self.nominated.filter(|route| route.peer != peer);
        if self.selected.is_none_or(|route| route.peer != peer) {
            return;
        }
        self.selected = None;
        let is_proven = |pair: &&Pair| pair.proven_at.is_some();
        let next = self.pairs.iter().rev().find(is_proven).or(self.pairs.last());
        if let Some(route) = next.map(|pair| pair.route) {
            self.select(now, route);
        }
    }

    /// Where media goes: `None` until a way is proven.
    #[inline]
    pub(crate) fn route(&self) -> Option<Route> {
        let selected = self.selected?;
        self.is_proven(selected).then_some(selected)
    }

    /// Where a handshake goes on, as far as [`Pairs::may_send`] lets it.
    pub(crate) fn towards(&self) -> Option<Route> {
        self.selected
    }

    /// How often media took another way. Whoever compares knows that there is a new path.
    pub(crate) fn n_moves(&self) -> u32 {
        self.n_moves
    }

    /// A valid check came from this peer.
    #[inline]
    pub(crate) fn knows(&self, peer: Peer) -> bool {
        self.selected.is_some_and(|selected| selected.peer == peer)
            || self.pairs.iter().any(|pair| pair.route.peer == peer)
    }

    /// It is beyond doubt that the client is there.
    pub(crate) fn is_proven(&self, route: Route) -> bool {
        self.pair(route).is_some_and(|pair| pair.proven_at.is_some())
    }

    /// Something other than a check came by this way.
    pub(crate) fn received(&mut self, route: Route, len: usize) {
        if let Some(pair) = self.pair_mut(route) {
            pair.n_received = pair.n_received.saturating_add(len);
        }
    }

    /// Whether so many bytes may go by this way; they are counted.
    pub(crate) fn may_send(&mut self, route: Route, len: usize) -> bool {
        let Some(pair) = self.pair_mut(route) else { return false };
        let n_sent = pair.n_sent.saturating_add(len);
        let may =
            pair.proven_at.is_some() || n_sent <= AMPLIFICATION.saturating_mul(pair.n_received);
        if may {
            pair.n_sent = n_sent;
        }
        may
    }

    /// When a check of ours is due by this way; `None`: it is not asked. Whoever wakes late makes it late:
    /// what is due stays due until it is done.
    fn asks_at(&self, pair: &Pair) -> Option<Instant> {
        let is_proven = pair.proven_at.is_some();
        let is_selected = self.selected == Some(pair.route);
        let is_wanted = is_selected || (!is_proven && self.nominated == Some(pair.route));
        let is_there = is_proven || pair.ask_at <= pair.heard_at + GONE;
        (self.can_ask && is_wanted && is_there).then_some(pair.ask_at)
    }

    /// When a check of ours is due, or a proof runs out.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = |pair: &Pair| {
            let ends = pair.proven_at.map(|at| at + CONSENT).filter(|_| self.runs_out(pair));
            [self.asks_at(pair), ends].into_iter().flatten().min()
        };
        self.pairs.iter().filter_map(due).min()
    }

    fn runs_out(&self, pair: &Pair) -> bool {
        self.answers || self.selected != Some(pair.route)
    }

    /// Forgets proofs that have run out.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let (answers, selected) = (self.answers, self.selected);
        for pair in &mut self.pairs {
            let runs_out = answers || selected != Some(pair.route);
            if runs_out && pair.proven_at.is_some_and(|at| now >= at + CONSENT) {
                pair.proven_at = None;
                pair.n_received = 0;
                pair.n_sent = 0;
            }
        }
        // Another way may still stand.
        if self.route().is_none()
            && let Some(pair) = self.pairs.iter().rev().find(|pair| pair.proven_at.is_some())
        {
            self.select(now, pair.route);
        }
    }

    /// A way by which a check of ours is to go now, of so many bytes. `fresh` makes its number, which
    /// stays until the answer comes.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        len: usize,
        fresh: impl FnOnce() -> TransactionId,
    ) -> Option<(Route, TransactionId)> {
        let is_due = |pairs: &Self, pair: &Pair| pairs.asks_at(pair).is_some_and(|at| at <= now);
        while let Some(at) = self.pairs.iter().position(|pair| is_due(self, pair)) {
            let pair = &mut self.pairs[at];
            pair.ask_at = now + pair.wait;
            pair.wait = (2 * pair.wait).min(RETRY.1);
            let route = pair.route;
            if self.may_send(route, len) {
                let number = *self.pairs[at].asked.get_or_insert_with(fresh);
                return Some((route, number));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
