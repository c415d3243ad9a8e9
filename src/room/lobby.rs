//! The door: who may come in, who waits to be let in, who is sent away.
//!
//! ```text
//!   join -> Waiting --admit, lobby off--> a place (`joined`)
//!              '---- refuse, leave, socket lost ----> gone
//! ```
//!
//! Lobby before lock: where both are on, whoever comes may knock. Moderators, whoever returns to a
//! place that is proven theirs, and this process itself are let in.

use super::{Action, Arrival, NoSeat, Room, SeatId};
use crate::{
    ids::MemberId,
    protocol::{
        ByeReason, ClientMessage, DirectPolicy, ErrorCode, Knock, MemberKind, Outgoing, Rank,
        ServerMessage,
    },
};

/// Who wait at once; whoever comes then is told that it is crowded.
const MAX_WAITING: usize = 50;

/// Of these, so many from one source.
const WAITING_PER_SOURCE: usize = 5;

/// Those who wait, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<(SeatId, Arrival)>);

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, seat: SeatId) -> bool {
        self.0.iter().any(|(waits, _)| *waits == seat)
    }

    fn take(&mut self, member: MemberId) -> Option<(SeatId, Arrival)> {
        let at = self.0.iter().position(|(seat, _)| seat.member == member)?;
        Some(self.0.remove(at))
    }

    fn list(&self) -> Vec<Knock> {
        let knock = |(seat, arrival): &(SeatId, Arrival)| Knock {
            id: seat.member,
            name: arrival.name.to_string(),
        };
        self.0.iter().map(knock).collect()
    }
}

impl Room {
    /// Whether a newcomer may come in: `None`. Otherwise it waits, by that seat.
    pub(super) fn stop_at_the_door(&mut self, arrival: &Arrival) -> Result<Option<SeatId>, NoSeat> {
        let is_known = arrival.rank >= Rank::Moderator || arrival.resume.is_some();
        if self.was_removed(arrival) {
            return Err(NoSeat::Removed);
        }
        if arrival.source.is_none() || is_known {
            return self.has_room_for(arrival.kind).map(|()| None);
        }
        if self.rules.lobby && arrival.kind == MemberKind::Person {
            return self.knock(arrival).map(Some);
        }
        if self.rules.locked || self.rules.lobby {
            return Err(NoSeat::Locked);
        }
        self.has_room_for(arrival.kind).map(|()| None)
    }

    fn has_room_for(&self, kind: MemberKind) -> Result<(), NoSeat> {
        let limit = match (self.rules.direct, self.rules.max_participants) {
            (DirectPolicy::Only, 0) => 2,
            (DirectPolicy::Only, limit) => limit.min(2),
            (_, limit) => limit,
        };
        let n_persons = self.places.values().filter(|p| p.kind == MemberKind::Person).count();
        let is_full = limit != 0 && kind == MemberKind::Person && n_persons >= limit;
        if is_full { Err(NoSeat::Full { limit }) } else { Ok(()) }
    }

    fn knock(&mut self, arrival: &Arrival) -> Result<SeatId, NoSeat> {
        let of_source = |(_, other): &&(SeatId, Arrival)| other.source == arrival.source;
        let n_mine = self.waiting.0.iter().filter(of_source).count();
        if self.waiting.0.len() >= MAX_WAITING || n_mine >= WAITING_PER_SOURCE {
            return Err(NoSeat::Crowded);
        }
        let seat = SeatId { member: arrival.fresh, epoch: self.fresh_epoch() };
        self.waiting.0.push((seat, arrival.clone()));
        let message = ServerMessage::Waiting { room: self.name.clone(), you: seat.member };
        self.actions.push(Action::Send { seat, message: Outgoing { re: arrival.re, message } });
        self.tell_knocks();
        Ok(seat)
    }

    /// What somebody who waits may ask.
    pub(super) fn handle_knock(&mut self, seat: SeatId, id: u32, message: &ClientMessage) {
        match message {
            ClientMessage::Ping => self.answer(seat, id, ServerMessage::Pong),
            ClientMessage::Leave => {
                self.answer(seat, id, ServerMessage::Done);
                self.end_wait(seat.member, Some(ByeReason::Left));
            }
            _ => {
                let message = "you have not been let in yet";
                self.refuse(seat, id, ErrorCode::NotAdmitted, message);
            }
        }
    }

    /// Lets somebody in, whatever the rules say but for the limit.
    pub(super) fn admit(&mut self, member: MemberId) -> Result<(), (ErrorCode, String)> {
        let found = self.waiting.0.iter().find(|(seat, _)| seat.member == member);
        let Some(kind) = found.map(|(_, arrival)| arrival.kind) else {
            return Err(nobody_waits(member));
        };
        if let Err(NoSeat::Full { limit }) = self.has_room_for(kind) {
            return Err((ErrorCode::RoomFull, format!("the room has its {limit} participants")));
        }
        if let Some((seat, arrival)) = self.waiting.take(member) {
            self.sit_down(seat, &arrival, None);
        }
        self.tell_knocks();
        Ok(())
    }

    pub(super) fn turn_away(&mut self, member: MemberId) -> Result<(), (ErrorCode, String)> {
        if self.end_wait(member, Some(ByeReason::Refused)) {
            Ok(())
        } else {
            Err(nobody_waits(member))
        }
    }

    /// False if nobody of that id waits. Without a reason there is nobody to tell.
    pub(super) fn end_wait(&mut self, member: MemberId, reason: Option<ByeReason>) -> bool {
        let Some((seat, _)) = self.waiting.take(member) else { return false };
        if let Some(reason) = reason {
            let message = Outgoing { re: None, message: ServerMessage::Bye { reason } };
            self.actions.push(Action::Send { seat, message });
        }
        self.actions.push(Action::Close { seat });
        self.tell_knocks();
        true
    }

    pub(super) fn end_waits(&mut self, reason: ByeReason) {
        for (seat, _) in std::mem::take(&mut self.waiting.0) {
            let message = Outgoing { re: None, message: ServerMessage::Bye { reason } };
            self.actions.push(Action::Send { seat, message });
            self.actions.push(Action::Close { seat });
        }
    }

    /// The lobby is no more: whoever waits comes in as far as there is room.
    pub(super) fn open_the_lobby(&mut self) {
        let all: Vec<MemberId> = self.waiting.0.iter().map(|(seat, _)| seat.member).collect();
        for member in all {
            if self.admit(member).is_err() {
                self.end_wait(member, Some(ByeReason::Refused));
            }
        }
    }

    /// Tells moderators who waits.
    fn tell_knocks(&mut self) {
        let seats = self.connected_seats();
        for seat in seats {
            let is_moderator =
                self.places.get(&seat.member).is_some_and(|place| place.rank >= Rank::Moderator);
            if is_moderator {
                self.send_knocks(seat);
            }
        }
    }

    /// A moderator has come, or has become one.
    pub(super) fn show_knocks_to(&mut self, seat: SeatId) {
        let place = self.places.get(&seat.member);
        let is_moderator = place.is_some_and(|place| place.rank >= Rank::Moderator);
        if is_moderator && !self.waiting.is_empty() {
            self.send_knocks(seat);
        }
    }

    fn send_knocks(&mut self, seat: SeatId) {
        let message = ServerMessage::Knocks { waiting: self.waiting.list() };
        self.actions.push(Action::Send { seat, message: Outgoing { re: None, message } });
    }
}

fn nobody_waits(member: MemberId) -> (ErrorCode, String) {
    (ErrorCode::MemberUnknown, format!("nobody with id {member} waits to be let in"))
}
