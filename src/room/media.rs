//! Between the room and the media plane: what is wanted, what is seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Action, Now, Room, SeatId,
    place::{Place, RESTART_PAUSE, Told},
};
use crate::{
    ids::MemberId,
    protocol::{Direction, LeaveReason, Outgoing, ServerMessage},
    seams::media::{DownSeen, Observed, Path, SfuError, UpSeen},
};

impl Room {
    /// Tells the media plane what is wanted of one member, if that has changed.
    pub(super) fn desire(&mut self, member: MemberId) {
        let everybody: BTreeSet<MemberId> = self.places.keys().copied().collect();
        self.desire_among(member, &everybody);
    }

    /// The same for all: somebody came or went.
    pub(super) fn desire_all(&mut self) {
        let everybody: BTreeSet<MemberId> = self.places.keys().copied().collect();
        for member in &everybody {
            self.desire_among(*member, &everybody);
        }
    }

    fn desire_among(&mut self, member: MemberId, everybody: &BTreeSet<MemberId>) {
        let apart = self.apart_from(member);
        let Some(place) = self.places.get_mut(&member) else { return };
        let want = place.want(everybody, apart);
        if want != place.desired {
            place.desired = want.clone();
            self.actions.push(Action::Desire { member, want });
        }
    }

    /// Takes the newest state of a member's connections.
    pub(super) fn observe(&mut self, now: Now, member: MemberId, observed: Observed) {
        let Some(place) = self.places.get_mut(&member) else { return };
        // What belongs to a connection that was replaced meanwhile says nothing about the new one.
        let up_generation = place.up.as_ref().map(|up| up.generation);
        let down_generation = place.down.as_ref().map(|down| down.generation);
        place.observed = Observed {
            up: observed.up.filter(|up| Some(up.generation) == up_generation),
            down: observed.down.filter(|down| Some(down.generation) == down_generation),
        };
        let up = place.observed.up.clone();
        let down = place.observed.down.clone();
        if let Some(up) = up {
            self.observe_up(member, &up);
        }
        if let Some(down) = down {
            self.observe_down(now, member, &down);
        }
    }

    fn observe_up(&mut self, member: MemberId, up: &UpSeen) {
        let Some(place) = self.places.get_mut(&member) else { return };
        let seat = place.seat();
        let wanted = place.up.as_ref().map(|want| (want.generation, want.revision));
        if wanted == Some((up.generation, up.revision))
            && let Some(pending) = place.pending.take()
        {
            let message = match &up.answer {
                Ok(sdp) => {
                    ServerMessage::Published { generation: up.generation, sdp: sdp.to_string() }
                }
                Err(error) => {
                    ServerMessage::Error { code: error.code(), message: error.to_string() }
                }
            };
            self.answer(pending.seat, pending.id, message);
        }
        self.tell_layers(member);
        let Some(place) = self.places.get_mut(&member) else { return };
        if up.path == Path::Closed && place.by_path {
            return self.end(member, LeaveReason::Lost);
        }
        let is_over = up.path == Path::Closed || up.is_stale;
        if is_over && !place.by_path && place.up_restart_told != Some(up.generation) {
            place.up_restart_told = Some(up.generation);
            if place.is_connected() {
                let message = ServerMessage::Restart { direction: Direction::Up };
                let message = Outgoing { re: None, message };
                self.actions.push(Action::Send { seat, message });
            }
        }
    }

    /// Tells a publisher which layers are wanted, if that is news to it.
    pub(super) fn tell_layers(&mut self, member: MemberId) {
        let Some(place) = self.places.get_mut(&member).filter(|place| place.is_connected()) else {
            return;
        };
        let Some(up) = &place.observed.up else { return };
        let (generation, tracks) = (up.generation, Arc::clone(&up.layers));
        let told = place.layers_told.as_ref();
        // A new connection begins with all layers.
        let is_known = told.is_some_and(|(of, layers)| {
            *layers == tracks && (*of == generation || layers.is_empty())
        });
        if is_known {
            return;
        }
        let message = ServerMessage::Layers { generation, tracks: BTreeMap::clone(&tracks) };
        place.layers_told = Some((generation, tracks));
        let seat = place.seat();
        self.actions.push(Action::Send { seat, message: Outgoing { re: None, message } });
    }

    fn observe_down(&mut self, now: Now, member: MemberId, seen: &DownSeen) {
        let Some(place) = self.places.get_mut(&member) else { return };
        let seat = place.seat();
        let connected = place.is_connected();
        let Some(down) = place.down.as_mut() else { return };
        let told =
            Told { generation: seen.generation, revision: seen.revision, mids: seen.mids.clone() };
        if down.told.as_ref() != Some(&told)
            && let Some(message) = offer_or_mids(down.told.as_ref(), &told, seen)
        {
            down.told = Some(told);
            if connected {
                let message = Outgoing { re: None, message };
                self.actions.push(Action::Send { seat, message });
            }
        }
        // Once: while a restart waits for its pause the same fault is seen again and again.
        if let Some(fault) = seen.fault.as_ref().filter(|_| down.restart_at.is_none()) {
            self.report_fault(seat, fault);
        }
        if seen.path == Path::Closed || seen.is_stale || seen.fault.is_some() {
            self.restart_down(now, member);
        }
    }

    fn report_fault(&mut self, seat: SeatId, fault: &SfuError) {
        let message = ServerMessage::Error { code: fault.code(), message: fault.to_string() };
        self.actions.push(Action::Send { seat, message: Outgoing { re: None, message } });
    }

    /// Begins the next generation of `down`, at most one in [`RESTART_PAUSE`].
    pub(super) fn restart_down(&mut self, now: Now, member: MemberId) {
        let Some(place) = self.places.get_mut(&member) else { return };
        let Some(down) = place.down.as_mut() else { return };
        let earliest = down.restarted_at.map(|at| at + RESTART_PAUSE);
        if let Some(earliest) = earliest.filter(|earliest| *earliest > now.instant) {
            down.restart_at = Some(earliest);
            return;
        }
        down.restarted_at = Some(now.instant);
        down.restart_at = None;
        down.generation += 1;
        down.answer = None;
        place.observed.down = None;
        self.desire(member);
    }

    /// Restarts whose pause is over.
    pub(super) fn restart_due(&mut self, now: Now) {
        let due: Vec<MemberId> = self
            .places
            .iter()
            .filter(|(_, place)| {
                let at = place.down.as_ref().and_then(|down| down.restart_at);
                at.is_some_and(|at| at <= now.instant)
            })
            .map(|(member, _)| *member)
            .collect();
        for member in due {
            self.restart_down(now, member);
        }
    }

    /// Whoever returns may have missed the newest offer: it is told again.
    pub(super) fn resend_offer(&mut self, member: MemberId) {
        let Some(place) = self.places.get(&member) else { return };
        let answered = place.down.as_ref().and_then(|down| down.answer.as_ref()).map(|a| a.0);
        let Some(seen) = place.observed.down.as_ref() else { return };
        if answered == Some(seen.revision) {
            return;
        }
        let told =
            Told { generation: seen.generation, revision: seen.revision, mids: seen.mids.clone() };
        if let Some(message) = offer_or_mids(None, &told, seen) {
            let message = Outgoing { re: None, message };
            let seat = Place::seat(place);
            self.actions.push(Action::Send { seat, message });
        }
    }
}

/// A higher revision is an offer; the same one with another table is `mids`.
fn offer_or_mids(before: Option<&Told>, now: &Told, seen: &DownSeen) -> Option<ServerMessage> {
    let mids: BTreeMap<_, _> = now.mids.iter().cloned().collect();
    let known = before.is_some_and(|before| {
        (before.generation, before.revision) == (now.generation, now.revision)
    });
    if known {
        return Some(ServerMessage::Mids { generation: now.generation, mids });
    }
    let offer = seen.offer.as_ref()?;
    Some(ServerMessage::Offer {
        generation: now.generation,
        revision: now.revision,
        sdp: offer.to_string(),
        mids,
    })
}
