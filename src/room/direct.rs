//! Two people who are alone in a room talk directly, browser to browser; and back again.
//!
//! ```text
//!                  alone, able            both see each other directly
//!   (forwarded) -> Settling -> Preparing -----------------------------> Direct
//!        ^            |            |  failed, deadline                     |
//!        |<-----------+------------'                                      | somebody came, watches,
//!        |                                                                 v the path is bad
//!        '---- both see what the box forwards --------------------- Returning
//!                                                    (alone again: Direct)
//! ```
//!
//! Make before break: the box forwards between the two in all states but Direct, and the direct path
//! is given up only when both have said that they see the forwarded one (or when it is dead anyway).
//! Where that does not come about in time the others are told why, and the pair stays as it is.
//! Where the policy is `only` nothing is forwarded between two, and there is no way back.
//!
//! Owns who can talk directly, the state of the one pair there can be, and how often it is tried. The
//! browsers' words to each other are in `relay`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{Now, Room, SeatId};
use crate::{
    ids::MemberId,
    protocol::{DirectPhase, DirectPolicy, DirectReason, DirectState, MemberKind, ServerMessage},
    seams::media::Path,
};

mod relay;
mod tell;
mod tries;

#[cfg(test)]
pub(super) use tries::{FIRST_PAUSE, MOST_TRIES};

/// Two are alone for that long, and see each other by way of the box, before they are tried.
pub(super) const SETTLE: Duration = Duration::from_secs(1);
/// The same where the box's own path does not come about.
pub(super) const SETTLE_ANYWAY: Duration = Duration::from_secs(3);
/// From the first word to a decoded frame at both; ICE gives up after some 15 s.
pub(super) const PREPARE_WITHIN: Duration = Duration::from_secs(12);
/// From the wish to return to a decoded frame at both; then the others are told.
pub(super) const RETURN_WITHIN: Duration = Duration::from_secs(8);
/// Transitions that can follow each other at one moment; more would be a fault of ours.
const MOST_STEPS: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Direct {
    /// Whose client has said that it can.
    ready: BTreeSet<MemberId>,
    pair: Option<Pair>,
    last_generation: u32,
    trouble: Option<tries::Trouble>,
    /// The policy became `only` while the box forwarded: it does so until they are direct.
    lenient: bool,
}

#[derive(Debug)]
struct Pair {
    /// In order of arrival; the first offers.
    members: [MemberId; 2],
    generation: u32,
    /// Events of this generation.
    revision: u32,
    phase: Phase,
    /// Who has said that it sees what this phase waits for.
    acks: BTreeSet<MemberId>,
    /// One of them has said that the direct path is gone.
    failed: bool,
    relayed: relay::Relayed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Settling { since: Instant },
    Preparing { until: Instant },
    Direct { since: Instant },
    Returning { since: Instant, until: Instant, why: DirectReason, told: bool },
}

impl Pair {
    fn has(&self, member: MemberId) -> bool {
        self.members.contains(&member)
    }

    fn peer(&self, member: MemberId) -> Option<MemberId> {
        let [one, other] = self.members;
        [(one, other), (other, one)].into_iter().find(|(of, _)| *of == member).map(|(_, peer)| peer)
    }

    fn is_agreed(&self) -> bool {
        self.members.iter().all(|member| self.acks.contains(member))
    }
}

impl Room {
    /// The one person whose pictures the box does not send to this member.
    pub(super) fn apart_from(&self, member: MemberId) -> Option<MemberId> {
        let is_direct = |pair: &&Pair| matches!(pair.phase, Phase::Direct { .. });
        if let Some(pair) = self.direct.pair.as_ref().filter(is_direct) {
            return pair.peer(member);
        }
        if self.rules.direct != DirectPolicy::Only || self.direct.lenient {
            return None;
        }
        match self.persons()[..] {
            [one, other] if one == member => Some(other),
            [one, other] if other == member => Some(one),
            _ => None,
        }
    }

    /// People, in order of arrival; those whose place is kept as well.
    fn persons(&self) -> Vec<MemberId> {
        let places = self.order.iter().filter_map(|id| self.places.get(id));
        places.filter(|place| place.kind == MemberKind::Person).map(|place| place.member).collect()
    }

    /// Who may talk directly now, or why nobody.
    fn outlook(&self) -> Result<[MemberId; 2], DirectReason> {
        if self.rules.direct == DirectPolicy::Never {
            return Err(DirectReason::Policy);
        }
        let members = match self.persons()[..] {
            [one, other] => [one, other],
            [] | [_] => return Err(DirectReason::Gone),
            _ => return Err(DirectReason::ThirdPerson),
        };
        let watched =
            self.viewers.values().flat_map(|viewer| [viewer.watching, viewer.hearing]).flatten();
        if self.rules.direct != DirectPolicy::Only && { watched }.any(|m| members.contains(&m)) {
            return Err(DirectReason::Viewer);
        }
        let is_able = |member: &MemberId| self.direct.ready.contains(member);
        if members.iter().all(is_able) { Ok(members) } else { Err(DirectReason::Unable) }
    }

    /// Both can be spoken to.
    fn are_connected(&self, members: [MemberId; 2]) -> bool {
        members.iter().all(|id| self.places.get(id).is_some_and(|place| place.is_connected()))
    }

    /// Whether the box's path to a member stands.
    fn is_forwarded_to(&self, member: MemberId) -> bool {
        let seen = self.places.get(&member).and_then(|place| place.observed.down.as_ref());
        seen.is_some_and(|down| down.path == Path::Connected)
    }

    /// How a client's paths are, as it says.
    pub(super) fn hear_direct_state(
        &mut self,
        seat: SeatId,
        id: u32,
        (generation, revision): (u32, u32),
        state: DirectState,
    ) {
        self.answer(seat, id, ServerMessage::Done);
        let member = seat.member;
        if state == DirectState::Ready {
            if !self.direct.ready.insert(member)
                && let Some(trouble) = &mut self.direct.trouble
            {
                trouble.needs_news &= !trouble.members.contains(&member);
            }
            return;
        }
        if state == DirectState::Unable {
            self.direct.ready.remove(&member);
            return;
        }
        // What is said of a connection that is over is no fault: it was under way.
        let current = |pair: &&mut Pair| pair.has(member) && pair.generation == generation;
        let Some(pair) = self.direct.pair.as_mut().filter(current) else { return };
        match (state, pair.phase) {
            (DirectState::Connected, Phase::Preparing { .. })
            | (DirectState::Forwarded, Phase::Returning { .. })
                if pair.revision == revision =>
            {
                pair.acks.insert(member);
            }
            (DirectState::Failed, phase) => {
                pair.failed |= !matches!(phase, Phase::Settling { .. });
            }
            _ => {}
        }
    }

    /// Does what has become due or possible.
    pub(super) fn step_direct(&mut self, now: Now) {
        if self.direct.lenient && self.persons().len() < 2 {
            self.direct.lenient = false;
            self.desire_all();
        }
        let mut n_steps = 0;
        while n_steps < MOST_STEPS && self.step_once(now.instant) {
            n_steps += 1;
        }
        if n_steps > 0 {
            self.desire_all();
        }
    }

    /// One transition; false if there is none.
    fn step_once(&mut self, now: Instant) -> bool {
        let outlook = self.outlook();
        let Some((members, phase)) = self.direct.pair.as_ref().map(|p| (p.members, p.phase)) else {
            return match outlook {
                Ok(members) if self.may_be_tried(members, now) => self.settle(members, now),
                _ => false,
            };
        };
        match (phase, outlook) {
            (_, Ok(others)) if others != members => self.give_up(DirectReason::Gone),
            (Phase::Settling { since }, Ok(_)) => self.settled(members, since, now),
            (Phase::Settling { .. }, Err(_)) => {
                self.direct.pair = None;
                true
            }
            (Phase::Preparing { .. }, Err(why)) => self.give_up(why),
            (Phase::Preparing { until }, Ok(_)) => self.prepared(until, now),
            (Phase::Direct { since }, outlook) => self.hold(since, outlook.err(), now),
            (Phase::Returning { since, why, .. }, Ok(_))
                if why != DirectReason::Path && !self.has_failed() =>
            {
                self.enter(Phase::Direct { since }, DirectPhase::Direct, None)
            }
            (Phase::Returning { .. }, _) => self.returned(now),
        }
    }

    fn has_failed(&self) -> bool {
        self.direct.pair.as_ref().is_some_and(|pair| pair.failed)
    }

    fn settle(&mut self, members: [MemberId; 2], now: Instant) -> bool {
        self.direct.last_generation += 1;
        self.direct.pair = Some(Pair {
            members,
            generation: self.direct.last_generation,
            revision: 0,
            phase: Phase::Settling { since: now },
            acks: BTreeSet::new(),
            failed: false,
            relayed: relay::Relayed::default(),
        });
        true
    }

    /// When two who settle are tried.
    fn settled_at(&self, members: [MemberId; 2], since: Instant) -> Instant {
        // There is nothing that comes before.
        if self.rules.direct == DirectPolicy::Only && !self.direct.lenient {
            return since;
        }
        let is_forwarded = members.iter().all(|member| self.is_forwarded_to(*member));
        since + if is_forwarded { SETTLE } else { SETTLE_ANYWAY }
    }

    fn settled(&mut self, members: [MemberId; 2], since: Instant, now: Instant) -> bool {
        if !self.are_connected(members) {
            self.direct.pair = None;
            return true;
        }
        if self.settled_at(members, since) > now {
            return false;
        }
        let until = now + PREPARE_WITHIN;
        self.enter(Phase::Preparing { until }, DirectPhase::Prepare, None)
    }

    fn prepared(&mut self, until: Instant, now: Instant) -> bool {
        let Some(pair) = &self.direct.pair else { return false };
        if pair.failed || until <= now {
            self.note_failure(now, Duration::ZERO);
            return self.give_up(DirectReason::Path);
        }
        if !pair.is_agreed() {
            return false;
        }
        self.direct.lenient = false;
        self.enter(Phase::Direct { since: now }, DirectPhase::Direct, None)
    }

    /// While they talk directly.
    fn hold(&mut self, since: Instant, against: Option<DirectReason>, now: Instant) -> bool {
        let why = match against {
            Some(why) => why,
            None if self.has_failed() => DirectReason::Path,
            None => return false,
        };
        if self.rules.direct == DirectPolicy::Only && why == DirectReason::Path {
            self.note_failure(now, now.saturating_duration_since(since));
            return self.give_up(why);
        }
        let until = now + RETURN_WITHIN;
        let phase = Phase::Returning { since, until, why, told: false };
        self.enter(phase, DirectPhase::Return, Some(why))
    }

    fn returned(&mut self, now: Instant) -> bool {
        let Some(pair) = &mut self.direct.pair else { return false };
        let Phase::Returning { since, until, why, told } = &mut pair.phase else { return false };
        let (held, why, is_late) = (now.saturating_duration_since(*since), *why, *until <= now);
        let is_new = is_late && !std::mem::replace(told, *told || is_late);
        if pair.is_agreed() || (is_late && pair.failed) {
            if why == DirectReason::Path || pair.failed {
                self.note_failure(now, held);
            }
            return self.give_up(why);
        }
        if is_new {
            self.tell_that_they_stay();
        }
        is_new
    }

    /// Enters a phase and tells both.
    fn enter(&mut self, phase: Phase, told: DirectPhase, reason: Option<DirectReason>) -> bool {
        if let Some(pair) = &mut self.direct.pair {
            pair.phase = phase;
            pair.revision += 1;
            pair.acks.clear();
            for member in pair.members {
                self.tell_direct(member, told, reason);
            }
        }
        true
    }

    /// The direct connection is no more, if it ever was.
    fn give_up(&mut self, why: DirectReason) -> bool {
        let was_told = self.direct.pair.as_ref().is_some_and(|pair| pair.revision > 0);
        if was_told && let Some(pair) = &mut self.direct.pair {
            pair.revision += 1;
            for member in pair.members {
                self.tell_direct(member, DirectPhase::Over, Some(why));
            }
        }
        self.direct.pair = None;
        true
    }

    /// A stay is over.
    pub(super) fn forget_direct(&mut self, member: MemberId) {
        self.direct.ready.remove(&member);
        if self.direct.pair.as_ref().is_some_and(|pair| pair.has(member)) {
            self.give_up(DirectReason::Gone);
        }
        if self.direct.trouble.is_some_and(|trouble| trouble.members.contains(&member)) {
            self.direct.trouble = None;
        }
    }

    /// The room is kept in another way: what is forwarded now is not broken off.
    pub(super) fn take_direct_policy(&mut self, before: DirectPolicy) {
        let is_only = self.rules.direct == DirectPolicy::Only;
        if is_only && before != DirectPolicy::Only && self.persons().len() >= 2 {
            self.direct.lenient = true;
        } else if !is_only {
            self.direct.lenient = false;
        }
        self.desire_all();
    }

    /// When the next step is due by itself.
    pub(super) fn direct_deadline(&self) -> Option<Instant> {
        let Some(pair) = &self.direct.pair else {
            let members = self.outlook().ok().filter(|members| self.are_connected(*members))?;
            return self.again_at(members).flatten();
        };
        match pair.phase {
            Phase::Settling { since } => Some(self.settled_at(pair.members, since)),
            Phase::Preparing { until } => Some(until),
            Phase::Returning { until, told: false, .. } => Some(until),
            Phase::Direct { .. } | Phase::Returning { .. } => None,
        }
    }
}
