//! What members are called: unique in the room, and by their own name as soon as that is free.

use std::collections::BTreeSet;

use super::Room;
use crate::ids::{MemberId, Nickname};

impl Room {
    /// The name, or the first of "NAME (2)", "NAME (3)", ... that nobody else has.
    pub(super) fn free_name(&self, wanted: &Nickname, member: MemberId) -> String {
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

    /// Gives a member another name.
    pub(super) fn call(&mut self, member: MemberId, wanted: Nickname) {
        let name = self.free_name(&wanted, member);
        self.change(member, |place| (place.name, place.wanted) = (name, wanted));
        self.give_names_back();
    }

    /// A name may be free now: whoever has a number after it, and came first, loses the number.
    pub(super) fn give_names_back(&mut self) {
        for member in self.order.clone() {
            let Some(place) = self.places.get(&member) else { continue };
            let wanted = place.wanted.to_string();
            if place.name != wanted && !self.places.values().any(|place| place.name == wanted) {
                self.change(member, |place| place.name = wanted);
            }
        }
    }
}
