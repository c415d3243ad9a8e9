//! What members are told of a pair: the two, how far they are; the others, why they do not see them.

use super::Phase;
use crate::{
    ids::MemberId,
    protocol::{DirectPhase, DirectReason, ErrorCode, Outgoing, ServerMessage},
    room::{Action, Room},
};

impl Room {
    /// The third are told why they do not see the pair.
    pub(super) fn tell_that_they_stay(&mut self) {
        let Some(pair) = &self.direct.pair else { return };
        let names: Vec<String> =
            pair.members.iter().filter_map(|id| Some(self.places.get(id)?.name.clone())).collect();
        let message = format!(
            "{} talk directly and could not be reached by way of the box; it goes on trying",
            names.join(" and ")
        );
        let members = pair.members;
        for seat in self.connected_seats() {
            if !members.contains(&seat.member) {
                let (code, message) = (ErrorCode::DirectKept, message.clone());
                let message = ServerMessage::Error { code, message };
                self.actions.push(Action::Send { seat, message: Outgoing { re: None, message } });
            }
        }
    }

    /// Tells one of the two how far they are.
    pub(super) fn tell_direct(
        &mut self,
        member: MemberId,
        phase: DirectPhase,
        reason: Option<DirectReason>,
    ) {
        let Some(pair) = &self.direct.pair else { return };
        let place = self.places.get(&member).filter(|place| place.is_connected());
        let (Some(seat), Some(peer)) = (place.map(|place| place.seat()), pair.peer(member)) else {
            return;
        };
        let (generation, revision, offerer) = (pair.generation, pair.revision, pair.members[0]);
        let message = ServerMessage::Direct { generation, revision, peer, offerer, phase, reason };
        self.actions.push(Action::Send { seat, message: Outgoing { re: None, message } });
    }

    /// Whoever returns may have missed how far things are.
    pub(in crate::room) fn retell_direct(&mut self, member: MemberId) {
        let Some(pair) = self.direct.pair.as_ref().filter(|pair| pair.has(member)) else { return };
        let (phase, reason) = match pair.phase {
            Phase::Settling { .. } => return,
            Phase::Preparing { .. } => (DirectPhase::Prepare, None),
            Phase::Direct { .. } => (DirectPhase::Direct, None),
            Phase::Returning { why, .. } => (DirectPhase::Return, Some(why)),
        };
        self.tell_direct(member, phase, reason);
    }
}
