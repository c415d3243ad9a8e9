//! Who speaks: what the media plane has heard, told to everybody.

use super::{Action, Room, SeatId};
use crate::{
    ids::MemberId,
    protocol::{Outgoing, ServerMessage},
    seams::media::Speaking,
};

impl Room {
    /// Takes who speaks now. Whoever has left meanwhile does not.
    pub(super) fn hear_speakers(&mut self, heard: Speaking) {
        let Speaking { active, mut members } = heard;
        members.retain(|member| self.places.contains_key(member));
        let active = active.filter(|member| self.places.contains_key(member));
        let speaking = Speaking { active, members };
        if speaking != self.speaking {
            self.speaking = speaking;
            let message = self.speakers();
            self.tell_all(&message);
        }
    }

    /// `member-left` says it all: it takes the member out of what was told.
    pub(super) fn forget_speaker(&mut self, member: MemberId) {
        self.speaking.members.remove(&member);
        self.speaking.active = self.speaking.active.filter(|active| *active != member);
    }

    /// What whoever has just come has missed.
    pub(super) fn send_speakers(&mut self, seat: SeatId) {
        if self.speaking != Speaking::default() {
            let message = Outgoing { re: None, message: self.speakers() };
            self.actions.push(Action::Send { seat, message });
        }
    }

    fn speakers(&self) -> ServerMessage {
        let Speaking { active, members } = self.speaking.clone();
        ServerMessage::Speakers { active, speaking: members }
    }
}
