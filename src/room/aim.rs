//! Whom a viewer's wish means: a member, the camera of an id, or the room.
//!
//! The room is its first camera, else its active speaker, else its first publisher; yet whoever shows
//! a picture now comes before whoever does not, and of a stream that came anew under its name only the
//! newest counts: the one before has died without a farewell. Sound is of whoever speaks.

use std::cmp::Reverse;

use super::{Room, Target, place::Place};
use crate::{
    ids::MemberId,
    protocol::{DirectPolicy, MediaKind, MemberKind, MemberState, TrackSource},
};

impl Room {
    pub(super) fn find(&self, target: &Target) -> Option<MemberId> {
        let mut places = self.order.iter().filter_map(|id| self.places.get(id));
        match target {
            Target::Member(member) => self.places.contains_key(member).then_some(*member),
            Target::Label(label) => {
                Some(places.find(|place| place.label.as_ref() == Some(label))?.member)
            }
            Target::Room => {
                let may = |place: &&Place| self.may_be_watched(place.member);
                let publishes = places.filter(may).filter(|place| place.up.is_some());
                let all: Vec<&Place> = publishes.filter(|place| !self.came_anew(place)).collect();
                let best = all.iter().enumerate().max_by_key(|(index, place)| {
                    let is_live = place.view().state == MemberState::Live;
                    let shows = is_live && shows_a_picture(place);
                    let speaks = Some(place.member) == self.speaking.active;
                    (shows, place.kind.shows_a_place(), is_live, speaks, Reverse(*index))
                });
                best.map(|(_, place)| place.member)
            }
        }
    }

    /// Where people talk directly only, the box has nothing of them to show.
    pub(super) fn may_be_watched(&self, member: MemberId) -> bool {
        let is_person =
            |id| self.places.get(id).is_some_and(|place| place.kind == MemberKind::Person);
        self.rules.direct != DirectPolicy::Only || !is_person(&member)
    }

    /// Whose voice goes with that: in a room whoever speaks is heard, also where another is seen. A
    /// camera shows a place, and that place is heard.
    pub(super) fn find_voice(
        &self,
        target: &Target,
        watching: Option<MemberId>,
    ) -> Option<MemberId> {
        let active = self.speaking.active.filter(|_| *target == Target::Room)?;
        let publishes = self.may_be_watched(active)
            && self.places.get(&active).is_some_and(|place| place.up.is_some());
        let shown = self.places.get(&watching?)?;
        let is_other = shown.member != active && !shown.kind.shows_a_place();
        (publishes && is_other).then_some(active)
    }

    /// Whether a younger stream goes by the same name.
    fn came_anew(&self, place: &Place) -> bool {
        let of_that_name = |other: &&Place| {
            other.kind == MemberKind::Stream && other.up.is_some() && other.wanted == place.wanted
        };
        let mut youngest_first = self.order.iter().rev().filter_map(|id| self.places.get(id));
        let youngest = youngest_first.find(of_that_name);
        place.kind == MemberKind::Stream
            && youngest.is_some_and(|youngest| youngest.member != place.member)
    }
}

fn shows_a_picture(place: &Place) -> bool {
    let is_off = place.kind == MemberKind::Person && !place.cam;
    let tracks = place.observed.up.iter().flat_map(|up| &up.tracks);
    let mut pictures = tracks.filter(|track| track.kind == MediaKind::Video);
    pictures.any(|track| track.source == TrackSource::Screen || !is_off)
}
