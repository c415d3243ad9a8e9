//! What members may ask of their room.

use std::{collections::BTreeSet, sync::Arc};

use super::{Action, Now, Room, SeatId, place::PendingPublish};
use crate::{
    ids::{MemberId, Nickname},
    protocol::{
        ClientMessage, Direction, ErrorCode, LeaveReason, MAX_TILES, Outgoing, PublishTrack,
        ServerMessage, TileSize,
    },
    seams::media::UpWant,
};

/// Tracks of one member. A camera, a microphone, a screen and its sound are four.
pub(super) const MAX_TRACKS: usize = 8;

impl Room {
    pub(super) fn handle_request(
        &mut self,
        now: Now,
        seat: SeatId,
        id: u32,
        message: ClientMessage,
    ) {
        match message {
            ClientMessage::Hello { .. } | ClientMessage::Join { .. } => {
                self.refuse(seat, id, ErrorCode::AlreadyJoined, "this socket has joined already");
            }
            ClientMessage::Publish { generation, sdp, tracks } => {
                self.publish(seat, id, generation, sdp.into(), tracks);
            }
            ClientMessage::Answer { generation, revision, sdp } => {
                self.take_answer(seat, id, generation, (revision, sdp.into()));
            }
            // ICE-lite: addresses are learned from checks, so a candidate tells nothing new.
            ClientMessage::Candidate { .. } => self.answer(seat, id, ServerMessage::Done),
            ClientMessage::Restart { direction } => self.restart(now, seat, id, direction),
            ClientMessage::Watch { members } => self.watch(seat, id, members),
            ClientMessage::Tiles { tiles } => self.take_tiles(seat, id, tiles),
            ClientMessage::Chat { text } => self.say(now, seat, id, &text),
            ClientMessage::State { mic, cam } => {
                self.answer(seat, id, ServerMessage::Done);
                self.change(seat.member, |place| (place.mic, place.cam) = (mic, cam));
            }
            ClientMessage::Rename { name } => self.rename(seat, id, &name),
            ClientMessage::DirectSignal { peer, generation, signal } => {
                self.relay_direct(seat, id, (peer, generation), signal);
            }
            ClientMessage::DirectState { generation, revision, state } => {
                self.hear_direct_state(seat, id, (generation, revision), state);
            }
            ClientMessage::ChatDelete { seq } => self.take_back(seat, id, seq),
            ClientMessage::History { before } => self.ask_older(seat, id, before),
            ClientMessage::Hand { on } => {
                self.answer(seat, id, ServerMessage::Done);
                self.change(seat.member, |place| place.hand = on);
            }
            ClientMessage::React { reaction } => {
                self.answer(seat, id, ServerMessage::Done);
                self.tell_all(&ServerMessage::Reaction { from: seat.member, reaction });
            }
            ClientMessage::Admit { .. }
            | ClientMessage::Refuse { .. }
            | ClientMessage::Mute { .. }
            | ClientMessage::Remove { .. }
            | ClientMessage::Moderator { .. }
            | ClientMessage::Lock { .. }
            | ClientMessage::Lobby { .. } => self.moderate(seat, id, message),
            ClientMessage::Leave => {
                self.answer(seat, id, ServerMessage::Done);
                self.end(seat.member, LeaveReason::Left);
            }
            ClientMessage::Ping => self.answer(seat, id, ServerMessage::Pong),
        }
    }

    fn publish(
        &mut self,
        seat: SeatId,
        id: u32,
        generation: u32,
        offer: Arc<str>,
        tracks: Vec<PublishTrack>,
    ) {
        let mids: BTreeSet<_> = tracks.iter().map(|track| &track.mid).collect();
        if mids.len() != tracks.len() || tracks.len() > MAX_TRACKS {
            let message = format!("`tracks` names a mid twice or more than {MAX_TRACKS} tracks");
            return self.refuse(seat, id, ErrorCode::MessageMalformed, message);
        }
        let Some(place) = self.places.get_mut(&seat.member) else { return };
        let current = place.up.as_ref().map_or(0, |up| up.generation);
        if generation < current || generation == 0 {
            let message =
                format!("generation {generation} is over; {current} or a higher one is wanted");
            return self.refuse(seat, id, ErrorCode::OfferUnknown, message);
        }
        let revision = match &place.up {
            Some(up) if up.generation == generation => up.revision + 1,
            _ => 1,
        };
        place.up = Some(UpWant { generation, revision, offer, tracks: tracks.into() });
        let superseded = place.pending.replace(PendingPublish { seat, id });
        if let Some(old) = superseded {
            let message = "a newer publish replaced this one";
            self.refuse(old.seat, old.id, ErrorCode::OfferUnknown, message);
        }
        self.desire(seat.member);
    }

    fn take_answer(&mut self, seat: SeatId, id: u32, generation: u32, answer: (u32, Arc<str>)) {
        let down = self.places.get_mut(&seat.member).and_then(|place| place.down.as_mut());
        let told = down.as_ref().and_then(|down| down.told.as_ref());
        let in_flight = told.map(|told| (told.generation, told.revision));
        match down {
            Some(down) if in_flight == Some((generation, answer.0)) => {
                down.answer = Some(answer);
                self.answer(seat, id, ServerMessage::Done);
                self.desire(seat.member);
            }
            _ => {
                let message = format!(
                    "no offer of generation {generation}, revision {} is in flight",
                    answer.0
                );
                self.refuse(seat, id, ErrorCode::OfferUnknown, message);
            }
        }
    }

    fn restart(&mut self, now: Now, seat: SeatId, id: u32, direction: Direction) {
        self.answer(seat, id, ServerMessage::Done);
        match direction {
            Direction::Up => {
                let message = ServerMessage::Restart { direction };
                let message = Outgoing { re: None, message };
                self.actions.push(Action::Send { seat, message });
            }
            Direction::Down => self.restart_down(now, seat.member),
        }
    }

    fn watch(&mut self, seat: SeatId, id: u32, members: Option<Vec<MemberId>>) {
        let chosen: Option<BTreeSet<MemberId>> = members.map(|list| list.into_iter().collect());
        let unknown =
            chosen.iter().flatten().find(|member| !self.places.contains_key(member)).copied();
        if let Some(member) = unknown {
            let message = format!("nobody with id {member} is in this room");
            return self.refuse(seat, id, ErrorCode::MemberUnknown, message);
        }
        if let Some(down) = self.places.get_mut(&seat.member).and_then(|p| p.down.as_mut()) {
            down.watch = chosen;
        }
        self.answer(seat, id, ServerMessage::Done);
        self.desire(seat.member);
    }

    fn take_tiles(&mut self, seat: SeatId, id: u32, tiles: Vec<TileSize>) {
        if tiles.len() > MAX_TILES {
            let message = format!("`tiles` has {} entries; at most {MAX_TILES}", tiles.len());
            return self.refuse(seat, id, ErrorCode::MessageMalformed, message);
        }
        if let Some(down) = self.places.get_mut(&seat.member).and_then(|p| p.down.as_mut()) {
            // Members that are gone meanwhile do no harm.
            down.tiles = tiles.into();
        }
        self.answer(seat, id, ServerMessage::Done);
        self.desire(seat.member);
    }

    fn rename(&mut self, seat: SeatId, id: u32, name: &str) {
        let name = match Nickname::parse(name) {
            Ok(name) => name,
            Err(error) => {
                let message = format!("the name cannot be used: {error}");
                return self.refuse(seat, id, ErrorCode::NameInvalid, message);
            }
        };
        self.answer(seat, id, ServerMessage::Done);
        self.call(seat.member, name);
    }
}
