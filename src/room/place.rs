//! A member's place in a room: what the others see of it and what its media should be.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Arrival, Author, PLACE_KEPT, SeatId, Trouble};
use crate::{
    ids::{AccountId, Device, Label, MemberId, Mid, Nickname},
    protocol::{LeaveReason, Member, MemberKind, MemberState, Rank, Shown, TileSize},
    seams::{
        Source,
        media::{Desired, DownWant, Layers, Observed, Path, UpWant},
    },
};

/// Between two restarts of one connection that the room starts by itself.
pub(super) const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// Where the member's owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    Connected,
    /// The place is kept until then.
    Lost {
        until: Instant,
        slow: bool,
    },
}

/// An `offer` or `mids` that was written to the member.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) generation: u32,
    pub(super) revision: u32,
    pub(super) mids: Vec<(Mid, Shown)>,
}

/// The `down` connection as the room wants it.
#[derive(Debug)]
pub(super) struct Down {
    pub(super) generation: u32,
    /// `None` is everybody.
    pub(super) watch: Option<BTreeSet<MemberId>>,
    /// How large the client shows what it watches.
    pub(super) tiles: Arc<[TileSize]>,
    pub(super) answer: Option<(u32, Arc<str>)>,
    /// What the client was last told.
    pub(super) told: Option<Told>,
    /// When the room last began a generation.
    pub(super) restarted_at: Option<Instant>,
    /// A restart waits for its pause to be over.
    pub(super) restart_at: Option<Instant>,
}

/// A `publish` that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingPublish {
    pub(super) seat: SeatId,
    pub(super) id: u32,
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) member: MemberId,
    pub(super) name: String,
    /// Without the number that keeps it apart from others.
    pub(super) wanted: Nickname,
    pub(super) device: Option<Device>,
    pub(super) author: Option<Author>,
    pub(super) account: Option<AccountId>,
    pub(super) hand: bool,
    pub(super) kind: MemberKind,
    pub(super) rank: Rank,
    pub(super) source: Option<Source>,
    pub(super) mic: bool,
    pub(super) cam: bool,
    pub(super) watched: bool,
    /// It goes when its media path ends.
    pub(super) by_path: bool,
    /// By which id it is known outside.
    pub(super) label: Option<Label>,
    pub(super) trouble: Option<Trouble>,
    epoch: u32,
    socket: Socket,
    pub(super) up: Option<UpWant>,
    pub(super) pending: Option<PendingPublish>,
    /// The `up` generation that the client was asked to replace.
    pub(super) up_restart_told: Option<u32>,
    pub(super) down: Option<Down>,
    pub(super) observed: Observed,
    /// What the media plane was last told.
    pub(super) desired: Desired,
    /// Which layers it was last told are wanted, of which `up` generation. `None`: it may have missed
    /// that.
    pub(super) layers_told: Option<(u32, Layers)>,
    /// What the members were last told.
    told: Option<Member>,
}

impl Place {
    pub(super) fn new(member: MemberId, name: String, epoch: u32, arrival: &Arrival) -> Self {
        let down = arrival.receives.then_some(Down {
            generation: 1,
            watch: None,
            tiles: Arc::default(),
            answer: None,
            told: None,
            restarted_at: None,
            restart_at: None,
        });
        let mut place = Self {
            member,
            name,
            wanted: arrival.name.clone(),
            device: arrival.device.clone(),
            author: arrival.author,
            account: arrival.account,
            hand: false,
            kind: arrival.kind,
            rank: arrival.rank,
            source: arrival.source,
            mic: arrival.mic,
            cam: arrival.cam,
            watched: arrival.watched,
            by_path: arrival.by_path,
            label: arrival.label.clone(),
            trouble: None,
            epoch,
            socket: Socket::Connected,
            up: None,
            pending: None,
            up_restart_told: None,
            down,
            observed: Observed::default(),
            desired: Desired::default(),
            layers_told: Some(Default::default()),
            told: None,
        };
        place.told = Some(place.view());
        place
    }

    /// How it looks now, if that is another than what was told last.
    pub(super) fn take_change(&mut self) -> Option<Member> {
        let view = self.view();
        if self.told.as_ref() == Some(&view) {
            return None;
        }
        self.told = Some(view.clone());
        Some(view)
    }

    pub(super) fn seat(&self) -> SeatId {
        SeatId { member: self.member, epoch: self.epoch }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.socket == Socket::Connected
    }

    /// Somebody proved that this place is theirs: from now on only the new socket counts.
    pub(super) fn take_again(&mut self, epoch: u32, arrival: &Arrival) {
        self.epoch = epoch;
        self.socket = Socket::Connected;
        self.mic = arrival.mic;
        self.cam = arrival.cam;
        // Its answer would go to a socket that is gone; the client publishes again.
        self.pending = None;
        self.layers_told = None;
    }

    pub(super) fn lose_socket(&mut self, now: Instant, slow: bool) {
        self.socket = Socket::Lost { until: now + PLACE_KEPT, slow };
    }

    pub(super) fn expired(&self, now: Instant) -> Option<LeaveReason> {
        match self.socket {
            Socket::Lost { until, slow } if until <= now => {
                Some(if slow { LeaveReason::Slow } else { LeaveReason::Lost })
            }
            _ => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let lost = match self.socket {
            Socket::Lost { until, .. } => Some(until),
            Socket::Connected => None,
        };
        let restart = self.down.as_ref().and_then(|down| down.restart_at);
        lost.into_iter().chain(restart).min()
    }

    fn state(&self) -> MemberState {
        let in_trouble = self.trouble.as_ref().is_some_and(|trouble| !trouble.by_choice);
        if in_trouble || matches!(self.socket, Socket::Lost { .. }) {
            return MemberState::Lost;
        }
        let up = self.observed.up.as_ref().map(|up| up.path);
        let down = self.observed.down.as_ref().map(|down| down.path);
        if self.watched {
            // A path that never was is no silence; one that is alive is life enough.
            let mut established =
                up.into_iter().chain(down).filter(|path| *path != Path::New).peekable();
            let any = established.peek().is_some();
            if any && established.all(|path| path != Path::Connected) {
                return MemberState::Lost;
            }
        }
        match (&self.up, up) {
            (None, _) | (Some(_), Some(Path::Connected | Path::Quiet)) => MemberState::Live,
            (Some(_), _) => MemberState::Connecting,
        }
    }

    /// As the others see it.
    pub(super) fn view(&self) -> Member {
        Member {
            id: self.member,
            name: self.name.clone(),
            kind: self.kind,
            rank: self.rank,
            state: self.state(),
            reason: self.trouble.as_ref().map(|trouble| trouble.reason.clone()),
            fault: self.trouble.as_ref().map(|trouble| trouble.fault.clone()),
            mic: self.mic,
            cam: self.cam,
            hand: self.hand,
            tracks: self.observed.up.as_ref().map(|up| up.tracks.clone()).unwrap_or_default(),
        }
    }

    /// What the media plane should have, given who else is here, and whom it sees by another way.
    pub(super) fn want(&self, others: &BTreeSet<MemberId>, apart: Option<MemberId>) -> Desired {
        let down = self.down.as_ref().map(|down| {
            let mut watch = match &down.watch {
                None => others.clone(),
                Some(chosen) => chosen.intersection(others).copied().collect(),
            };
            watch.retain(|other| *other != self.member && Some(*other) != apart);
            DownWant {
                generation: down.generation,
                watch,
                hear: None,
                tiles: Arc::clone(&down.tiles),
                answer: down.answer.clone(),
                offer: None,
            }
        });
        Desired { up: self.up.clone(), down }
    }
}
