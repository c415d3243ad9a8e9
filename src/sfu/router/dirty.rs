//! What a wake-up has called forth and not yet done: one value, and the order in which a flush does it.
//!
//! Owns no decision. Whatever happens in a room only notes here what it has made stale; a flush does each
//! of it once, however often it was noted, and in an order in which nothing that comes later can call
//! forth what comes before.

use std::{collections::BTreeSet, mem::take};

use crate::ids::MemberId;

/// The steps of a flush, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// What other workers have handed over comes in, and what they want.
    Hear,
    /// Who is shown what: viewers' connections are offered by that.
    Tables,
    /// Which layers somebody needs: that follows from the tables, and from what viewers are aimed at.
    Demand,
    /// Packets go to viewers.
    Seal,
    /// The same packets go to other outlets.
    HandOver,
    /// The packets of this wake-up are behind us.
    Forget,
    /// Keyframes are asked for: also those that sealing has found to be lacking.
    Keyframes,
    /// The home hears what is needed here.
    TellHome,
}

impl Step {
    /// All of them.
    pub(super) const ORDER: [Self; 8] = [
        Self::Hear,
        Self::Tables,
        Self::Demand,
        Self::Seal,
        Self::HandOver,
        Self::Forget,
        Self::Keyframes,
        Self::TellHome,
    ];
}

/// What is stale.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// Tracks with packets of this wake-up.
    pub(super) fresh: Vec<usize>,
    /// Tracks and layers that somebody needs a keyframe of.
    pub(super) keyframes: Vec<(usize, u8)>,
    /// A viewer has something to be sealed beside fresh packets.
    work: bool,
    /// Viewers' tables have to be made anew.
    tables: bool,
    /// What viewers need of publishers' layers may have changed.
    demand: bool,
    /// What there is and what it costs may have changed: other outlets are told of it.
    tracks: bool,
    /// Who speaks may have changed.
    speaking: bool,
    /// Members whose observed state may have changed.
    members: BTreeSet<MemberId>,
}

impl Dirty {
    /// This track has packets that go out in this wake-up.
    #[inline]
    pub(super) fn packets_of(&mut self, track: usize) {
        self.fresh.push(track);
    }

    /// Somebody cannot go on without a keyframe of it.
    pub(super) fn keyframe(&mut self, track: usize, layer: u8) {
        self.keyframes.push((track, layer));
    }

    /// A viewer may have something to be sealed beside fresh packets.
    #[inline]
    pub(super) fn work(&mut self, has_work: bool) {
        self.work |= has_work;
    }

    pub(super) fn take_work(&mut self) -> bool {
        take(&mut self.work)
    }

    /// Who is shown what has changed. That changes what is told of tracks, too.
    pub(super) fn tables(&mut self) {
        (self.tables, self.tracks) = (true, true);
    }

    pub(super) fn take_tables(&mut self) -> bool {
        take(&mut self.tables)
    }

    /// What viewers need may have changed.
    pub(super) fn demand(&mut self) {
        self.demand = true;
    }

    pub(super) fn take_demand(&mut self) -> bool {
        take(&mut self.demand)
    }

    /// What tracks cost may have changed.
    pub(super) fn tracks(&mut self) {
        self.tracks = true;
    }

    pub(super) fn take_tracks(&mut self) -> bool {
        take(&mut self.tracks)
    }

    /// Who speaks may have changed, where this is so.
    #[inline]
    pub(super) fn speaking(&mut self, may_have_changed: bool) {
        self.speaking |= may_have_changed;
    }

    pub(super) fn take_speaking(&mut self) -> bool {
        take(&mut self.speaking)
    }

    /// The room is to hear how this member is.
    pub(super) fn member(&mut self, member: MemberId) {
        self.members.insert(member);
    }

    pub(super) fn take_members(&mut self) -> BTreeSet<MemberId> {
        take(&mut self.members)
    }

    /// Nothing is to be told of this member any more.
    pub(super) fn forget_member(&mut self, member: MemberId) {
        self.members.remove(&member);
    }

    /// A track is gone; another may get its number.
    pub(super) fn forget_track(&mut self, track: usize) {
        self.fresh.retain(|fresh| *fresh != track);
        self.keyframes.retain(|(wanted, _)| *wanted != track);
    }
}
