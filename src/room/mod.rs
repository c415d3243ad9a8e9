//! One room, pure: members, chat, who publishes, who watches. Inputs in, actions out.
//!
//! Owns: who is here and what each may hear; the desired state of each member's media. Does not: send
//! anything, read a clock, know how a member makes its picture or by which transport it is reached.
//!
//! ```text
//!   join -> Connecting -> Live <-> Lost -> (30 s) -> gone
//!                           \-- leave -------------^
//! ```
//!
//! A seat has an epoch: who returns to its place gets the next one, and whatever the old socket's
//! owner still says is dropped.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    ids::{MemberId, Nickname, RoomName},
    protocol::{
        ByeReason, ChatLine, ErrorCode, LeaveReason, Member, MemberKind, Outgoing, ServerMessage,
    },
    seams::media::Speaking,
};

mod io;
mod media;
mod place;
mod requests;
mod speaking;
#[cfg(test)]
mod tests;
mod viewers;

pub use io::{Action, Arrival, Input, Now, RoomFull, SeatId};
use place::Place;
use viewers::Viewer;
pub use viewers::{Looker, NoView, Target, ViewerNews};

/// How long a lost member's place is kept (product contract, section 6).
pub const PLACE_KEPT: Duration = Duration::from_secs(30);

/// Lines of chat that whoever joins is given.
pub const CHAT_HISTORY: usize = 200;

/// One room.
#[derive(Debug)]
pub struct Room {
    name: RoomName,
    /// Persons allowed; 0 is no limit.
    max_participants: usize,
    places: BTreeMap<MemberId, Place>,
    /// In order of arrival.
    order: Vec<MemberId>,
    viewers: BTreeMap<MemberId, Viewer>,
    /// As everybody was told last.
    speaking: Speaking,
    chat: VecDeque<ChatLine>,
    next_chat_seq: u64,
    actions: Vec<Action>,
}

impl Room {
    /// An empty room.
    pub fn new(name: RoomName, max_participants: usize) -> Self {
        Self {
            name,
            max_participants,
            places: BTreeMap::new(),
            order: Vec::new(),
            viewers: BTreeMap::new(),
            speaking: Speaking::default(),
            chat: VecDeque::new(),
            next_chat_seq: 1,
            actions: Vec::new(),
        }
    }

    /// The name as whoever made the room typed it.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Nobody is here, no place is kept, and nobody waits to see somebody.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.viewers.is_empty()
    }

    /// Everybody, in order of arrival.
    pub fn members(&self) -> Vec<Member> {
        self.order.iter().filter_map(|id| self.places.get(id)).map(Place::view).collect()
    }

    /// What is to be done since the last call, in order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`Input::Tick`] is wanted next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.places.values().filter_map(Place::deadline).min()
    }

    /// Sits somebody down, anew or at the place that was kept. The first action for the seat is
    /// `joined`.
    pub fn join(&mut self, arrival: Arrival) -> Result<SeatId, RoomFull> {
        let kept = arrival.resume.filter(|member| self.places.contains_key(member));
        if let Some(member) = kept {
            return Ok(self.resume(member, &arrival));
        }
        let n_persons = self.places.values().filter(|p| p.kind == MemberKind::Person).count();
        let limited = self.max_participants != 0 && arrival.kind == MemberKind::Person;
        if limited && n_persons >= self.max_participants {
            return Err(RoomFull { limit: self.max_participants });
        }
        // After a restart of the box the place is gone, yet the client keeps its id: the others'
        // browsers know it by that.
        let member = arrival.resume.unwrap_or(arrival.fresh);
        let name = self.free_name(&arrival.name, member);
        let place = Place::new(member, name, &arrival);
        let seat = place.seat();
        self.places.insert(member, place);
        self.order.push(member);
        self.send_joined(seat, arrival.re, false);
        if let Some(view) = self.places.get(&member).map(Place::view) {
            self.tell_others(member, ServerMessage::MemberJoined { member: view });
        }
        self.desire_all();
        self.aim_viewers();
        Ok(seat)
    }

    fn resume(&mut self, member: MemberId, arrival: &Arrival) -> SeatId {
        let place = self.places.get_mut(&member).expect("the caller has found the place");
        let old = place.seat();
        let was_connected = place.is_connected();
        place.take_again(arrival);
        let seat = place.seat();
        if was_connected {
            let message = ServerMessage::Bye { reason: ByeReason::Replaced };
            self.actions.push(Action::Send { seat: old, message: Outgoing { re: None, message } });
        }
        self.actions.push(Action::Close { seat: old });
        self.send_joined(seat, arrival.re, true);
        self.resend_offer(member);
        self.tell_layers(member);
        self.tell_changes();
        seat
    }

    fn send_joined(&mut self, seat: SeatId, re: Option<u32>, resumed: bool) {
        let message = ServerMessage::Joined {
            room: self.name.clone(),
            you: seat.member,
            token: String::new(),
            resumed,
            members: self.members(),
            chat: self.chat.iter().cloned().collect(),
            ice_servers: Vec::new(),
        };
        self.actions.push(Action::Send { seat, message: Outgoing { re, message } });
        self.send_speakers(seat);
    }

    /// Takes one input. An input of an older epoch, or of nobody here, does nothing.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Request { seat, id, message } => {
                if self.is_current(seat) {
                    self.handle_request(now, seat, id, message);
                }
            }
            Input::Fault { seat, reason } => {
                if self.is_current(seat) {
                    self.change(seat.member, |place| place.fault = reason);
                }
            }
            Input::SocketLost { seat, slow } => self.lose_socket(now, seat, slow),
            Input::Leave { member } => self.end(member, LeaveReason::Left),
            Input::Observed { member, observed } => {
                if !self.observe_viewer(member, &observed) {
                    self.observe(now, member, observed);
                }
            }
            Input::Speaking(speaking) => self.hear_speakers(speaking),
            Input::ViewerOffer { viewer, offer } => self.offer_of_viewer(viewer, offer),
            Input::ViewerGone { viewer } => self.end_view(viewer, "it has left"),
            Input::Tick => self.tick(now),
            Input::Stop => self.stop(),
        }
        self.aim_viewers();
        self.tell_changes();
    }

    fn is_current(&self, seat: SeatId) -> bool {
        self.places.get(&seat.member).is_some_and(|p| p.seat() == seat && p.is_connected())
    }

    fn lose_socket(&mut self, now: Now, seat: SeatId, slow: bool) {
        if !self.is_current(seat) {
            return;
        }
        self.actions.push(Action::Close { seat });
        let watched = self.places.get(&seat.member).is_some_and(|place| place.watched);
        if watched {
            self.change(seat.member, |place| place.lose_socket(now.instant, slow));
        } else {
            // A member of this process cannot come back by a socket: its owner is gone.
            self.end(seat.member, LeaveReason::Ended);
        }
    }

    fn tick(&mut self, now: Now) {
        let expired: Vec<(MemberId, LeaveReason)> = self
            .places
            .iter()
            .filter_map(|(id, place)| Some((*id, place.expired(now.instant)?)))
            .collect();
        for (member, reason) in expired {
            self.end(member, reason);
        }
        self.restart_due(now);
    }

    fn stop(&mut self) {
        let seats: Vec<SeatId> =
            self.places.values().filter(|p| p.is_connected()).map(Place::seat).collect();
        for seat in seats {
            let message = ServerMessage::Bye { reason: ByeReason::ServerStopping };
            self.actions.push(Action::Send { seat, message: Outgoing { re: None, message } });
            self.actions.push(Action::Close { seat });
        }
        self.end_views("the box is stopping");
    }

    /// Ends a stay for good.
    fn end(&mut self, member: MemberId, reason: LeaveReason) {
        let Some(place) = self.places.remove(&member) else { return };
        self.order.retain(|id| *id != member);
        self.forget_speaker(member);
        if place.is_connected() {
            let message = ServerMessage::Bye { reason: ByeReason::Left };
            let message = Outgoing { re: None, message };
            self.actions.push(Action::Send { seat: place.seat(), message });
            self.actions.push(Action::Close { seat: place.seat() });
        }
        self.actions.push(Action::Remove { member });
        self.tell_others(member, ServerMessage::MemberLeft { id: member, reason });
        self.desire_all();
    }

    fn change(&mut self, member: MemberId, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.places.get_mut(&member) {
            change(place);
        }
    }

    /// Tells everybody what looks different since it was told last; the member itself included: its
    /// own tile is drawn from the same state.
    fn tell_changes(&mut self) {
        let changed: Vec<Member> =
            self.places.values_mut().filter_map(Place::take_change).collect();
        for member in changed {
            self.tell_all(&ServerMessage::MemberChanged { member });
        }
    }

    fn tell_all(&mut self, message: &ServerMessage) {
        for seat in self.connected_seats() {
            let message = Outgoing { re: None, message: message.clone() };
            self.actions.push(Action::Send { seat, message });
        }
    }

    fn tell_others(&mut self, member: MemberId, message: ServerMessage) {
        for seat in self.connected_seats() {
            if seat.member != member {
                let message = Outgoing { re: None, message: message.clone() };
                self.actions.push(Action::Send { seat, message });
            }
        }
    }

    fn connected_seats(&self) -> Vec<SeatId> {
        let places = self.order.iter().filter_map(|id| self.places.get(id));
        places.filter(|place| place.is_connected()).map(Place::seat).collect()
    }

    fn answer(&mut self, seat: SeatId, re: u32, message: ServerMessage) {
        self.actions.push(Action::Send { seat, message: Outgoing { re: Some(re), message } });
    }

    fn refuse(&mut self, seat: SeatId, re: u32, code: ErrorCode, message: impl Into<String>) {
        self.answer(seat, re, ServerMessage::Error { code, message: message.into() });
    }

    /// The name, or the first of "NAME (2)", "NAME (3)", ... that nobody else has.
    fn free_name(&self, wanted: &Nickname, member: MemberId) -> String {
        let taken: BTreeSet<&str> = self
            .places
            .values()
            .filter(|place| place.member != member)
            .map(|place| place.name.as_str())
            .collect();
        let numbered = (2..).map(|n: u32| format!("{wanted} ({n})"));
        std::iter::once(wanted.to_string())
            .chain(numbered)
            .find(|name| !taken.contains(name.as_str()))
            .expect("an endless sequence has a free name")
    }
}
