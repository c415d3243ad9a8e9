//! What moderators and the owner may do: mute, remove, let in, lock, make moderators; and the rules.
//!
//! | | participant | moderator | owner |
//! |---|---|---|---|
//! | admit, refuse, lock, lobby | | yes | yes |
//! | mute, remove | | participants, moderators | anybody |
//! | make a moderator | | yes | yes |
//! | take that back | | from itself | from anybody |
//! | delete a line | its own | any | any |
//!
//! Whoever is removed stays out as long as the room lasts, by the device it came with, and by its account
//! from any other; whoever came without a device, by its source.

use super::{Action, Arrival, Room, SeatId, place::Place};
use crate::{
    ids::{AccountId, Device, MemberId, Nickname},
    protocol::{
        ClientMessage, ErrorCode, LeaveReason, MemberKind, Outgoing, Rank, RoomRules, ServerMessage,
    },
    seams::Source,
};

/// Who stays out; beyond that the oldest is forgotten.
const MAX_REMOVED: usize = 256;

/// Somebody who was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Removed {
    /// A browser.
    Device(Device),
    /// Somebody with an account, by whatever browser.
    Account(AccountId),
    /// A program that came as a person.
    Source(Source),
    /// A stream of that name.
    Stream(Source, Nickname),
}

impl Removed {
    fn of(kind: MemberKind, device: Option<&Device>, source: Source, name: &Nickname) -> Self {
        match (kind, device) {
            (MemberKind::Stream, _) => Self::Stream(source, name.clone()),
            (_, Some(device)) => Self::Device(device.clone()),
            (_, None) => Self::Source(source),
        }
    }
}

type Outcome = Result<(), (ErrorCode, String)>;

impl Room {
    /// Takes what only moderators may ask.
    pub(super) fn moderate(&mut self, seat: SeatId, id: u32, message: ClientMessage) {
        match self.try_moderate(seat.member, message) {
            Ok(()) => self.answer(seat, id, ServerMessage::Done),
            Err((code, message)) => self.refuse(seat, id, code, message),
        }
    }

    fn try_moderate(&mut self, by: MemberId, message: ClientMessage) -> Outcome {
        let rank = self.places.get(&by).map_or(Rank::Participant, |place| place.rank);
        if rank < Rank::Moderator {
            let message = "moderators and the owner may do that".to_owned();
            return Err((ErrorCode::Forbidden, message));
        }
        match message {
            ClientMessage::Admit { member } => self.admit(member),
            ClientMessage::Refuse { member } => self.turn_away(member),
            ClientMessage::Mute { member } => self.mute(by, rank, member),
            ClientMessage::Remove { member } => self.remove(rank, member),
            ClientMessage::Moderator { member, on } => self.appoint(by, rank, member, on),
            ClientMessage::Lock { on } => {
                self.rule(|rules| rules.locked = on);
                Ok(())
            }
            ClientMessage::Lobby { on } => {
                self.rule(|rules| rules.lobby = on);
                Ok(())
            }
            _ => unreachable!("handle_request() sends no other here"),
        }
    }

    /// The place of somebody whom this rank may moderate.
    fn subject(&self, rank: Rank, member: MemberId) -> Result<&Place, (ErrorCode, String)> {
        let place = self.places.get(&member).ok_or_else(|| {
            (ErrorCode::MemberUnknown, format!("nobody with id {member} is in this room"))
        })?;
        if place.rank == Rank::Owner && rank < Rank::Owner {
            return Err((ErrorCode::Forbidden, "the owner is nobody's to moderate".to_owned()));
        }
        Ok(place)
    }

    fn mute(&mut self, by: MemberId, rank: Rank, member: MemberId) -> Outcome {
        let place = self.subject(rank, member)?;
        if place.kind != MemberKind::Person {
            let message = format!("{} cannot be muted, only removed", place.name);
            return Err((ErrorCode::Forbidden, message));
        }
        let (seat, is_connected) = (place.seat(), place.is_connected());
        if is_connected {
            let message = Outgoing { re: None, message: ServerMessage::Muted { by } };
            self.actions.push(Action::Send { seat, message });
        }
        self.change(member, |place| place.mic = false);
        Ok(())
    }

    fn remove(&mut self, rank: Rank, member: MemberId) -> Outcome {
        let place = self.subject(rank, member)?;
        let Some(source) = place.source else {
            let message = format!("{} belongs to the box; its settings remove it", place.name);
            return Err((ErrorCode::Forbidden, message));
        };
        let removed = Removed::of(place.kind, place.device.as_ref(), source, &place.wanted);
        // A stream is not its account: whoever has it may still come in.
        let account = place.account.filter(|_| place.kind == MemberKind::Person);
        for removed in std::iter::once(removed).chain(account.map(Removed::Account)) {
            if !self.removed.contains(&removed) {
                self.removed.push(removed);
            }
        }
        let n_forgotten = self.removed.len().saturating_sub(MAX_REMOVED);
        self.removed.drain(..n_forgotten);
        self.end(member, LeaveReason::Removed);
        Ok(())
    }

    fn appoint(&mut self, by: MemberId, rank: Rank, member: MemberId, on: bool) -> Outcome {
        let place = self.subject(rank, member)?;
        if place.kind != MemberKind::Person || place.rank == Rank::Owner {
            return Err((ErrorCode::Forbidden, format!("{} cannot be a moderator", place.name)));
        }
        if !on && rank < Rank::Owner && by != member {
            let message = "only the owner takes that back from another".to_owned();
            return Err((ErrorCode::Forbidden, message));
        }
        let seat = place.seat();
        self.change(member, |place| {
            place.rank = if on { Rank::Moderator } else { Rank::Participant };
        });
        self.show_knocks_to(seat);
        Ok(())
    }

    /// Whether somebody was removed who wants to come in. The owner never is.
    pub(super) fn was_removed(&self, arrival: &Arrival) -> bool {
        let Some(source) = arrival.source.filter(|_| arrival.rank < Rank::Owner) else {
            return false;
        };
        let device = arrival.device.as_ref();
        let account = arrival.account.filter(|_| arrival.kind == MemberKind::Person);
        self.removed.contains(&Removed::of(arrival.kind, device, source, &arrival.name))
            || account.is_some_and(|account| self.removed.contains(&Removed::Account(account)))
    }

    /// Other rules are configured. What moderators changed stays, unless that is what is configured
    /// otherwise now.
    pub(super) fn take_rules(&mut self, rules: RoomRules) {
        let before = std::mem::replace(&mut self.configured, rules.clone());
        self.rule(|own| {
            own.max_participants = rules.max_participants;
            own.welcome = rules.welcome;
            own.direct = rules.direct;
            if rules.locked != before.locked {
                own.locked = rules.locked;
            }
            if rules.lobby != before.lobby {
                own.lobby = rules.lobby;
            }
        });
    }

    fn rule(&mut self, change: impl FnOnce(&mut RoomRules)) {
        let before = self.rules.clone();
        change(&mut self.rules);
        if self.rules == before {
            return;
        }
        let rules = self.rules.clone();
        self.tell_all(&ServerMessage::RoomChanged { rules });
        if before.direct != self.rules.direct {
            self.take_direct_policy(before.direct);
        }
        if before.lobby && !self.rules.lobby {
            self.open_the_lobby();
        }
    }
}
