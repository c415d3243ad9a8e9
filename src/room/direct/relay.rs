//! What the two of a pair say to each other while their connection is made: passed on as it came, only
//! between the two, only of the present generation, and not more than a connection needs.

use super::{Phase, SeatId};
use crate::{
    ids::MemberId,
    protocol::{ErrorCode, Outgoing, PeerSignal, ServerMessage},
    room::{Action, Room, requests::MAX_TRACKS},
};

/// Offers and answers of one member and generation.
const MOST_DESCRIPTIONS: usize = 4;
/// Candidates of one member and generation: some addresses, each by UDP, TCP and relays.
pub(in crate::room) const MOST_CANDIDATES: usize = 200;
/// Longest candidate line, in bytes; they have about 120.
const CANDIDATE_BYTES: usize = 1024;
/// Longest name of an m-section, in bytes.
const MID_BYTES: usize = 32;

/// How much each has said: the offerer, the other.
#[derive(Debug, Default)]
pub(super) struct Relayed([Count; 2]);

#[derive(Debug, Default)]
struct Count {
    n_descriptions: usize,
    n_candidates: usize,
}

impl Count {
    /// Counts one more; false if that is too many.
    fn allows(&mut self, signal: &PeerSignal) -> bool {
        let (count, most) = match signal {
            PeerSignal::Candidate { .. } => (&mut self.n_candidates, MOST_CANDIDATES),
            _ => (&mut self.n_descriptions, MOST_DESCRIPTIONS),
        };
        *count += 1;
        *count <= most
    }
}

impl Room {
    /// Passes a word on to the other of a pair.
    pub(in crate::room) fn relay_direct(
        &mut self,
        seat: SeatId,
        id: u32,
        (peer, generation): (MemberId, u32),
        signal: PeerSignal,
    ) {
        match self.try_relay(seat, peer, generation, signal) {
            Ok(()) => self.answer(seat, id, ServerMessage::Done),
            Err((code, message)) => self.refuse(seat, id, code, message),
        }
    }

    fn try_relay(
        &mut self,
        seat: SeatId,
        peer: MemberId,
        generation: u32,
        signal: PeerSignal,
    ) -> Result<(), (ErrorCode, String)> {
        check(&signal).map_err(|message| (ErrorCode::MessageMalformed, message))?;
        let from = seat.member;
        let pair = self.direct.pair.as_mut().filter(|pair| {
            let is_settled = !matches!(pair.phase, Phase::Settling { .. });
            is_settled && pair.generation == generation && pair.peer(from) == Some(peer)
        });
        let Some(pair) = pair else {
            let message = format!(
                "no direct connection of generation {generation} with {peer} is made or stands"
            );
            return Err((ErrorCode::DirectUnknown, message));
        };
        let index = usize::from(pair.members[0] != from);
        if !pair.relayed.0[index].allows(&signal) {
            let message = format!(
                "a direct connection has at most {MOST_DESCRIPTIONS} descriptions and \
                 {MOST_CANDIDATES} candidates of each side"
            );
            return Err((ErrorCode::RateLimited, message));
        }
        // One who is away will have missed it; the deadline or a failure tells.
        if let Some(place) = self.places.get(&peer).filter(|place| place.is_connected()) {
            let message = ServerMessage::DirectSignal { peer: from, generation, signal };
            let message = Outgoing { re: None, message };
            self.actions.push(Action::Send { seat: place.seat(), message });
        }
        Ok(())
    }
}

fn check(signal: &PeerSignal) -> Result<(), String> {
    match signal {
        PeerSignal::Offer { tracks, .. } if tracks.len() > MAX_TRACKS => {
            Err(format!("`tracks` has {} entries; at most {MAX_TRACKS}", tracks.len()))
        }
        PeerSignal::Candidate { candidate, mid } => {
            let is_long =
                |text: &Option<String>, most| text.as_ref().is_some_and(|t| t.len() > most);
            if is_long(candidate, CANDIDATE_BYTES) || is_long(mid, MID_BYTES) {
                return Err(format!(
                    "a candidate has at most {CANDIDATE_BYTES} bytes, its mid {MID_BYTES}"
                ));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
