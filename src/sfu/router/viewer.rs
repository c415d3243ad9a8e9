//! One member's `down` connection inside its worker: which slot shows which track of the room, and
//! what is to be sealed for it in this wake-up.
//!
//! Owns the forwarders (one a slot: an m-line's stream goes on when another track takes it over) and
//! what a full socket does to this viewer. The connection itself is `down`'s.
//!
//! A viewer whose packets cannot be sent waits before it asks publishers for another keyframe, each
//! time twice as long: its bad link must not cost the others their picture.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use slab::Slab;

mod fed;
mod layers;
mod life;
mod paced;

use super::{
    addresses::KnownAddresses,
    context::{RoomId, Shared},
    published::Published,
};
use crate::{
    ids::MemberId,
    protocol::{MediaKind, TileSize},
    seams::media::{DownWant, Path, SfuError},
    sfu::{
        down::{Downlink, Slot},
        media::forward::Forwarder,
        path::{Allocator, Pacer, Sound},
        wire::{
            outbox::{Outbox, Sink, ViewerKey},
            transmit::Route,
        },
    },
};

/// RTP header, extensions, RTX's OSN and the authentication tag beside a payload; what `seal_*` asks.
const SEAL_ROOM: usize = 64;
/// Room for a sender report with its SDES, sealed.
const REPORT_ROOM: usize = 256;
/// Packets sent again for one viewer in one wake-up; it may ask for the rest again.
const MAX_RESENT: usize = 256;
/// Requests for packets of one wake-up; a viewer asks again for what it still lacks.
const MAX_NACKS: usize = 64;
/// First and longest wait for a keyframe after packets could not be sent.
const STALL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// An m-line of this viewer.
struct SlotState {
    /// The track it shows, as the room numbers them.
    track: Option<usize>,
    forwarder: Forwarder,
    /// What of its track the path could not take yet.
    backlog: Option<paced::Backlog>,
}

/// A `down` connection.
pub(crate) struct Viewer {
    room: RoomId,
    pub(super) member: MemberId,
    pub(super) generation: u32,
    pub(super) downlink: Downlink,
    pub(super) fault: Option<SfuError>,
    /// Revision of the newest answer that was applied.
    pub(super) answered: Option<u32>,
    /// Our answer to the client's newest offer, where it is the client that offers.
    pub(super) reply: Option<(u32, Result<Arc<str>, SfuError>)>,
    pub(super) path: Path,
    /// The addresses that the client knows.
    pub(super) addresses: KnownAddresses,
    pub(super) scheduled: Option<Instant>,
    /// Tracks it is to be shown.
    pub(super) shown: Vec<usize>,
    /// Slots may have been accepted: [`Viewer::sync_slots`].
    pub(super) slots_stale: bool,
    /// When it was last given other tracks: it is about to accept them.
    pub(super) awaits_since: Option<Instant>,
    slots: Vec<Option<SlotState>>,
    /// Slot of each track of the room.
    by_track: Vec<Option<Slot>>,
    /// Tracks to be started from their caches in this wake-up.
    starts: Vec<usize>,
    nacks: Vec<(Slot, Vec<u16>)>,
    report_due: bool,
    stalled_until: Option<Instant>,
    stall: Duration,
    allocator: Allocator,
    sound: Sound,
    sizes: Arc<[TileSize]>,
    /// The estimate that layers were last chosen by.
    chosen_bps: f64,
    /// IPv6 prefixes on the box's links.
    near: Arc<[IpNet]>,
    /// None on loopback.
    pacer: Option<Pacer>,
    /// Some slot has a backlog.
    is_held: bool,
    /// The slot whose backlog is first in turn.
    turn: Slot,
}

impl Viewer {
    pub(crate) fn new(
        now: Instant,
        shared: &mut Shared,
        (room, member): (RoomId, MemberId),
        want: &DownWant,
    ) -> Self {
        let credentials = shared.credentials();
        let seed = shared.random();
        let candidates = Arc::clone(&shared.candidates);
        Self {
            room,
            member,
            generation: want.generation,
            downlink: Downlink::new(Arc::clone(&shared.down), credentials, candidates, seed, now),
            fault: None,
            answered: None,
            reply: None,
            path: Path::New,
            addresses: KnownAddresses::new(&shared.candidates),
            scheduled: None,
            shown: Vec::new(),
            slots_stale: false,
            awaits_since: None,
            slots: Vec::new(),
            by_track: Vec::new(),
            starts: Vec::new(),
            nacks: Vec::new(),
            report_due: false,
            stalled_until: None,
            stall: STALL.0,
            allocator: Allocator::default(),
            sound: Sound::default(),
            sizes: Arc::default(),
            chosen_bps: f64::INFINITY,
            near: Arc::clone(&shared.near),
            pacer: None,
            is_held: false,
            turn: 0,
        }
    }

    /// After the table, an answer or the connection changed: which slot takes which track now. A
    /// track that is new to its slot is started.
    pub(crate) fn sync_slots(&mut self, now: Instant, tracks: &Slab<Published>) {
        self.slots_stale = false;
        if self.is_over() {
            self.slots.clear();
            self.by_track.clear();
            return;
        }
        let mut by_track = vec![None; tracks.capacity()];
        for &index in &self.shown {
            let Some(published) = tracks.get(index) else { continue };
            let Some(slot) = self.downlink.slot(published.track.id()) else { continue };
            let Some((sequence, timestamp)) = self.downlink.first_numbers(slot, now) else {
                continue;
            };
            by_track[index] = Some(slot);
            if self.slots.len() <= slot {
                self.slots.resize_with(slot + 1, || None);
            }
            match &mut self.slots[slot] {
                Some(state) if state.track == Some(index) => continue,
                Some(state) => {
                    state.track = Some(index);
                    state.forwarder.change_track();
                    state.backlog = None;
                }
                empty => {
                    let forwarder = Forwarder::new(sequence, timestamp);
                    *empty = Some(SlotState { track: Some(index), forwarder, backlog: None });
                }
            }
            if !self.starts.contains(&index) {
                self.starts.push(index);
            }
        }
        for (slot, state) in self.slots.iter_mut().enumerate() {
            let Some(state) = state else { continue };
            if state.track.is_some_and(|track| by_track.get(track) != Some(&Some(slot))) {
                state.track = None;
            }
        }
        self.by_track = by_track;
    }

    /// Packets of this track were left out, and now it goes on: without a gap.
    pub(crate) fn resume(&mut self, index: usize) {
        let slot = self.by_track.get(index).copied().flatten();
        if let Some(Some(state)) = slot.and_then(|slot| self.slots.get_mut(slot)) {
            state.forwarder.skip_to_keyframe();
        }
    }

    /// The track of this number is gone; another may get its number.
    pub(crate) fn forget_track(&mut self, index: usize) {
        self.shown.retain(|shown| *shown != index);
        self.starts.retain(|start| *start != index);
        if let Some(slot) = self.by_track.get_mut(index) {
            *slot = None;
        }
        for state in self.slots.iter_mut().flatten() {
            state.track = state.track.filter(|track| *track != index);
        }
    }

    /// The track that a slot shows, and of which layer.
    pub(crate) fn layer_of(&self, slot: Slot) -> Option<(usize, u8)> {
        let state = self.slots.get(slot)?.as_ref()?;
        Some((state.track?, state.forwarder.target()?))
    }

    /// The track and layer of which a viewer that pleads needs a keyframe; `None` if one is on its way.
    pub(crate) fn pleads(&self, slot: Slot) -> Option<(usize, u8)> {
        let is_held = self.slots.get(slot)?.as_ref()?.backlog.is_some();
        self.layer_of(slot).filter(|_| !is_held)
    }

    /// What brings a track of the room to this viewer, once that is negotiated.
    pub(crate) fn forwarder_of(&self, track: usize) -> Option<&Forwarder> {
        let slot = self.by_track.get(track).copied().flatten()?;
        Some(&self.slots.get(slot)?.as_ref()?.forwarder)
    }

    /// The viewer lacks these packets.
    pub(crate) fn nack(&mut self, slot: Slot, sequences: Vec<u16>) {
        // overflow: DROPS the newest, which is asked for again.
        if self.nacks.len() < MAX_NACKS {
            self.nacks.push((slot, sequences));
        }
    }

    /// What waits to be sealed for it beside fresh packets.
    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        self.nacks.len() + self.starts.len()
    }

    /// A sender report for each slot goes out with this wake-up.
    pub(crate) fn report(&mut self) {
        self.report_due = true;
    }

    /// True if something other than fresh packets waits to be sealed.
    pub(crate) fn has_work(&self) -> bool {
        let has_padding = self.downlink.is_padding_due();
        let is_asked = !self.starts.is_empty() || !self.nacks.is_empty() || self.report_due;
        is_asked || has_padding || self.is_held
    }

    /// Its packets could not be sent: video waits for a keyframe, and that for its turn.
    pub(crate) fn stalled(&mut self, now: Instant, tracks: &Slab<Published>) {
        let is_video = |index: usize| {
            tracks.get(index).is_some_and(|published| published.track.kind() == MediaKind::Video)
        };
        for state in self.slots.iter_mut().flatten() {
            if state.track.is_some_and(is_video) {
                state.forwarder.skip_to_keyframe();
            }
        }
        self.wait_for_keyframe(now);
    }

    fn wait_for_keyframe(&mut self, now: Instant) {
        if self.stalled_until.is_none_or(|until| until <= now) {
            self.stalled_until = Some(now + self.stall);
            self.stall = (self.stall * 2).min(STALL.1);
        }
    }

    /// Seals starts, packets asked for again, and reports. Tracks that need a keyframe first are
    /// pushed to `wanted`.
    pub(crate) fn flush_work(
        &mut self,
        now: Instant,
        key: ViewerKey,
        tracks: &Slab<Published>,
        wanted: &mut Vec<(usize, u8)>,
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) {
        let Some(to) = self.downlink.route() else {
            // By the time that there is a way these are old, and asked for again.
            self.nacks.clear();
            return;
        };
        for index in std::mem::take(&mut self.starts) {
            let Some(published) = tracks.get(index) else { continue };
            if published.track.kind() == MediaKind::Audio {
                continue;
            }
            let Some(slot) = self.by_track.get(index).copied().flatten() else { continue };
            if !self.begin(now, slot, published) {
                wanted.extend(self.layer_of(slot));
            }
        }
        self.send_held(now, (key, to), tracks, outbox, sink);
        if std::mem::take(&mut self.report_due) {
            self.send_reports(to, tracks, outbox);
        }
        if !self.is_held {
            self.pad(key, to, outbox, sink);
        }
    }

    /// Seals this wake-up's packets of one track.
    pub(crate) fn flush_fresh(
        &mut self,
        key: ViewerKey,
        to: Route,
        index: usize,
        published: &Published,
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) {
        for &place in &published.fresh {
            self.forward(key, to, published, index, place, outbox, sink);
        }
    }

    /// Whether this track's packets go to this viewer.
    pub(crate) fn takes(&self, track: usize) -> bool {
        self.by_track.get(track).is_some_and(Option::is_some)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all borrowed apart; a struct would be built a packet"
    )]
    fn forward(
        &mut self,
        key: ViewerKey,
        to: Route,
        published: &Published,
        index: usize,
        (layer, packet_index): (u8, u64),
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) {
        let Some(Some(slot)) = self.by_track.get(index).copied() else { return };
        let Some(Some(state)) = self.slots.get_mut(slot) else { return };
        if !state.forwarder.takes(layer) {
            return;
        }
        let Some(track) = published.layer(layer) else { return };
        let Some(packet) = track.packet(packet_index) else { return };
        if let Some(pacer) = &self.pacer
            && !state.passes(pacer, packet_index, packet)
        {
            self.is_held |= state.backlog.is_some();
            return;
        }
        let what = (slot, packet_index, packet);
        let sealed = state.seal(&mut self.downlink, what, (key, to), outbox, sink);
        if let (Some(pacer), Some(len)) = (&mut self.pacer, sealed) {
            pacer.spend(len);
        }
    }

    /// The publisher's NTP time is passed on with the viewer's RTP time (RFC 3550 6.4.1): both
    /// tracks of a publisher stay on one clock, which is all that lip sync needs.
    fn send_reports(&mut self, to: Route, tracks: &Slab<Published>, outbox: &mut Outbox) {
        use crate::sfu::wire::transmit::Transmit;
        for (slot, state) in self.slots.iter().enumerate() {
            let Some(state) = state else { continue };
            let Some(published) = state.track.and_then(|track| tracks.get(track)) else { continue };
            let Some(track) = published.layer(state.forwarder.layer()) else { continue };
            let Some((ntp, source_timestamp)) = track.ntp_and_rtp() else { continue };
            let Some(timestamp) = state.forwarder.rtp_timestamp_at(source_timestamp) else {
                continue;
            };
            let mut report = [0; REPORT_ROOM];
            if let Some(len) = self.downlink.seal_sender_report(slot, ntp, timestamp, &mut report) {
                outbox.transmit(to, &report[..len]);
            }
        }
    }
}
