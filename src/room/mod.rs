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
//! A seat has an epoch, which no other seat of this room ever had: who returns to its place gets a new
//! one, and whatever the old socket's owner still says, or an old token still claims, is dropped.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    ids::{MemberId, RoomName},
    protocol::{ByeReason, ErrorCode, LeaveReason, Member, Outgoing, RoomRules, ServerMessage},
    seams::media::Speaking,
};

mod aim;
mod chat;
mod direct;
mod io;
mod lobby;
mod media;
mod moderation;
mod names;
mod place;
mod requests;
mod speaking;
#[cfg(test)]
mod tests;
mod viewers;

pub use chat::{Author, CHAT_HISTORY, CHAT_HISTORY_BYTES, Kept};
pub use io::{Action, Arrival, Input, NoSeat, Now, Return, SeatId, Trouble};
use place::Place;
use viewers::Viewer;
pub use viewers::{CONNECT_WITHIN, Looker, NoView, Target, ViewerNews, WAITING_PER_SOURCE};

/// How long a lost member's place is kept (product contract, section 6).
pub const PLACE_KEPT: Duration = Duration::from_secs(30);

/// One room.
#[derive(Debug)]
pub struct Room {
    name: RoomName,
    rules: RoomRules,
    /// As they were configured; what moderators change since is theirs.
    configured: RoomRules,
    waiting: lobby::Waiting,
    removed: Vec<moderation::Removed>,
    places: BTreeMap<MemberId, Place>,
    /// In order of arrival.
    order: Vec<MemberId>,
    viewers: BTreeMap<MemberId, Viewer>,
    /// As everybody was told last.
    speaking: Speaking,
    chat: chat::History,
    direct: direct::Direct,
    /// Of the next seat.
    next_epoch: u32,
    /// Members of before a restart of the box that have come back, each once.
    returned: BTreeSet<MemberId>,
    actions: Vec<Action>,
}

impl Room {
    /// An empty room.
    pub fn new(name: RoomName, rules: RoomRules) -> Self {
        Self {
            name,
            configured: rules.clone(),
            rules,
            waiting: lobby::Waiting::default(),
            removed: Vec::new(),
            places: BTreeMap::new(),
            order: Vec::new(),
            viewers: BTreeMap::new(),
            speaking: Speaking::default(),
            chat: chat::History::new(),
            direct: direct::Direct::default(),
            next_epoch: 1,
            returned: BTreeSet::new(),
            actions: Vec::new(),
        }
    }

    /// The name as whoever made the room typed it.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Nobody is here, no place is kept, nobody waits to be let in or to see somebody.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.viewers.is_empty() && self.waiting.is_empty()
    }

    /// Whether something would be lost if it ended while it is empty.
    pub fn is_worth_keeping(&self) -> bool {
        self.history_bytes() > 0 || !self.removed.is_empty() || self.rules != self.configured
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
        let places = self.places.values().filter_map(Place::deadline);
        places.chain(self.viewers_deadline()).chain(self.direct_deadline()).min()
    }

    /// Sits somebody down, anew or at the place that was kept. The first action for the seat is
    /// `joined`.
    pub fn join(&mut self, arrival: Arrival) -> Result<SeatId, NoSeat> {
        let kept = match arrival.resume {
            None => self.left_by(&arrival),
            Some(of) if of.this_run => {
                let place = self.places.get(&of.member).filter(|p| p.seat().epoch == of.epoch);
                Some(place.ok_or(NoSeat::NotKept)?.member)
            }
            // After a restart of the box the place is gone, yet the client keeps its id: the others'
            // browsers know it by that. Once: what comes later is the token of a stay that is over.
            Some(of) if self.returned.contains(&of.member) => return Err(NoSeat::NotKept),
            Some(_) => None,
        };
        if let Some(member) = kept {
            return Ok(self.resume(member, &arrival));
        }
        if let Some(waits) = self.stop_at_the_door(&arrival)? {
            return Ok(waits);
        }
        if let Some(of) = arrival.resume {
            self.returned.insert(of.member);
        }
        let member = arrival.resume.map_or(arrival.fresh, |of| of.member);
        let seat = SeatId { member, epoch: self.fresh_epoch() };
        let re = arrival.re;
        self.sit_down(seat, &arrival, re);
        Ok(seat)
    }

    /// A new place; the first that its seat hears is `joined`.
    fn sit_down(&mut self, seat: SeatId, arrival: &Arrival, re: Option<u32>) {
        let member = seat.member;
        let name = self.free_name(&arrival.name, member);
        let place = Place::new(member, name, seat.epoch, arrival);
        let view = place.view();
        self.places.insert(member, place);
        self.order.push(member);
        self.send_joined(seat, re, false);
        self.tell_others(member, ServerMessage::MemberJoined { member: view });
        self.show_knocks_to(seat);
        self.desire_all();
        self.aim_viewers();
    }

    /// The place that somebody lost who comes back by the same device without a token: a tab that
    /// crashed leaves none to the next.
    fn left_by(&self, arrival: &Arrival) -> Option<MemberId> {
        let device = arrival.device.as_ref()?;
        let mut places = self.order.iter().filter_map(|id| self.places.get(id));
        let left = places.find(|p| p.device.as_ref() == Some(device) && !p.is_connected())?;
        Some(left.member)
    }

    fn fresh_epoch(&mut self) -> u32 {
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        epoch
    }

    fn resume(&mut self, member: MemberId, arrival: &Arrival) -> SeatId {
        let epoch = self.fresh_epoch();
        let place = self.places.get_mut(&member).expect("the caller has found the place");
        let old = place.seat();
        let was_connected = place.is_connected();
        place.take_again(epoch, arrival);
        let seat = place.seat();
        if was_connected {
            let message = ServerMessage::Bye { reason: ByeReason::Replaced };
            self.actions.push(Action::Send { seat: old, message: Outgoing { re: None, message } });
        }
        self.actions.push(Action::Close { seat: old });
        if arrival.resume.is_none() {
            // Another tab: what was typed there counts.
            self.call(member, arrival.name.clone());
        }
        self.send_joined(seat, arrival.re, true);
        self.show_knocks_to(seat);
        self.resend_offer(member);
        self.tell_layers(member);
        self.retell_direct(member);
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
            chat: self.chat_for(seat.member),
            ice_servers: Vec::new(),
            viewers: self.viewers_shown(),
            rules: self.rules.clone(),
        };
        self.actions.push(Action::Send { seat, message: Outgoing { re, message } });
        self.send_speakers(seat);
    }

    /// Takes one input. An input of an older epoch, or of nobody here, does nothing.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Request { seat, id, message } => {
                if self.waiting.has(seat) {
                    self.handle_knock(seat, id, &message);
                } else if self.is_current(seat) {
                    self.handle_request(now, seat, id, message);
                }
            }
            Input::Fault { seat, trouble } => {
                if self.is_current(seat) {
                    self.change(seat.member, |place| place.trouble = trouble);
                }
            }
            Input::SocketLost { seat, .. } | Input::Leave { seat } if self.waiting.has(seat) => {
                self.end_wait(seat.member, None);
            }
            Input::SocketLost { seat, slow } => self.lose_socket(now, seat, slow),
            Input::Leave { seat } => {
                if self.places.get(&seat.member).is_some_and(|place| place.seat() == seat) {
                    self.end(seat.member, LeaveReason::Left);
                }
            }
            Input::Observed { member, observed } => {
                if !self.observe_viewer(member, &observed) {
                    self.observe(now, member, observed);
                }
            }
            Input::Speaking(speaking) => self.hear_speakers(speaking),
            Input::ViewerOffer { viewer, offer } => self.offer_of_viewer(viewer, offer),
            Input::ViewerGone { viewer } => self.end_view(viewer, "it has left"),
            Input::Rules(rules) => self.take_rules(rules),
            Input::Older { seat, id, lines, more } => {
                if self.is_current(seat) {
                    self.show_older(seat, id, &lines, more);
                }
            }
            Input::Recalled { seat, id, seq, found } => {
                if self.is_current(seat) {
                    self.take_back_found(seat, id, seq, found.as_ref());
                }
            }
            Input::TrimChat { max_bytes } => self.chat.trim(max_bytes),
            Input::Tick => self.tick(now),
            Input::Stop => self.stop(),
        }
        self.aim_viewers();
        self.step_direct(now);
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
        self.viewers_due(now);
    }

    fn stop(&mut self) {
        let seats: Vec<SeatId> =
            self.places.values().filter(|p| p.is_connected()).map(Place::seat).collect();
        for seat in seats {
            let message = ServerMessage::Bye { reason: ByeReason::ServerStopping };
            self.actions.push(Action::Send { seat, message: Outgoing { re: None, message } });
            self.actions.push(Action::Close { seat });
        }
        self.end_waits(ByeReason::ServerStopping);
        self.end_views("the box is stopping");
    }

    /// Ends a stay for good.
    fn end(&mut self, member: MemberId, reason: LeaveReason) {
        let bye = match reason {
            LeaveReason::Removed => ByeReason::Removed,
            _ => ByeReason::Left,
        };
        let Some(place) = self.places.remove(&member) else { return };
        self.order.retain(|id| *id != member);
        self.forget_speaker(member);
        if place.is_connected() {
            let message = ServerMessage::Bye { reason: bye };
            let message = Outgoing { re: None, message };
            self.actions.push(Action::Send { seat: place.seat(), message });
            self.actions.push(Action::Close { seat: place.seat() });
        }
        self.actions.push(Action::Remove { member });
        self.tell_others(member, ServerMessage::MemberLeft { id: member, reason });
        self.forget_direct(member);
        self.give_names_back();
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
}
