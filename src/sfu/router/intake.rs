//! What comes into a room: datagrams to connections, and what those have to say into tracks and wishes.
//!
//! Owns nothing. It only notes what it has called forth (`dirty`); `fan_out` does that at the end of the
//! wake-up.

use std::time::Instant;

use super::{
    ConnectionKey, Router, codec::Admission, context::Context, guard::guarded, timers::TimerKey,
};
use crate::{
    ids::Mid,
    sfu::{
        down::DownEvent,
        link::transport::Claim,
        media::packet::Packet,
        up::{UpEvent, Uplink},
        wire::{
            demux::Class,
            transmit::{Peer, Route},
        },
    },
    telemetry::metrics::metrics,
};

impl Router {
    /// A datagram of one of this room's connections, and the way by which it came.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        class: Class,
        from: Route,
        data: &[u8],
        context: &mut Context<'_>,
    ) {
        let claim = match key {
            ConnectionKey::Up { index, .. } => {
                let Some(publisher) = self.publishers.get_mut(index) else { return };
                if guarded("up", || publisher.feed(now, from, data, context.outbox)).is_none() {
                    return self.fail_publisher(index);
                }
                let uplink = publisher.uplink.as_mut().filter(|_| class != Class::Media);
                let claim = uplink.and_then(Uplink::take_claim);
                self.pump_publisher(now, index, context);
                claim
            }
            ConnectionKey::Down { index, .. } => {
                let Some(viewer) = self.viewers.get_mut(index) else { return };
                if viewer.is_over() {
                    return;
                }
                let downlink = &mut viewer.downlink;
                let feed = || downlink.handle_datagram(now, from, data, context.outbox);
                if guarded("down", feed).is_none() {
                    return self.fail_viewer(now, index);
                }
                let claim = viewer.downlink.take_claim();
                self.pump_viewer(now, index, context);
                claim
            }
        };
        if let Some(Claim { peer, is_proven }) = claim {
            context.demux.learn(now, peer, key, is_proven);
        }
    }

    /// Nothing goes to this peer of a connection any more.
    pub(crate) fn peer_gone(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        peer: Peer,
        context: &mut Context<'_>,
    ) {
        match key {
            ConnectionKey::Up { index, .. } => {
                let Some(publisher) = self.publishers.get_mut(index) else { return };
                if let Some(uplink) = &mut publisher.uplink {
                    uplink.peer_gone(now, peer);
                }
                self.pump_publisher(now, index, context);
            }
            ConnectionKey::Down { index, .. } => {
                let Some(viewer) = self.viewers.get_mut(index) else { return };
                viewer.downlink.peer_gone(now, peer);
                self.pump_viewer(now, index, context);
            }
        }
    }

    /// A connection whose code failed is not asked again.
    pub(super) fn fail_publisher(&mut self, index: usize) {
        self.publishers[index].fail();
        self.note_publisher(index);
    }

    pub(super) fn fail_viewer(&mut self, now: Instant, index: usize) {
        self.viewers[index].end("parlor has failed");
        self.viewers[index].sync_slots(now, &self.tracks);
        self.dirty.demand();
        self.dirty.member(self.viewers[index].member);
    }

    /// Takes everything out of an `up` connection that it has to say.
    pub(crate) fn pump_publisher(&mut self, now: Instant, index: usize, context: &mut Context<'_>) {
        let mut path_changed = false;
        while let Some(uplink) = &mut self.publishers[index].uplink
            && let Some(event) = uplink.poll_event()
        {
            match event {
                UpEvent::Rtp { mid, packet } => self.take_packet(now, index, &mid, packet),
                UpEvent::SenderReport { mid, layer, ntp, rtp_timestamp } => {
                    if let Some(number) = self.publishers[index].track(&mid)
                        && let Some(track) = self.tracks[number].layer_mut(layer)
                    {
                        track.sender_report(ntp, rtp_timestamp);
                    }
                }
                UpEvent::Connected | UpEvent::Closed => path_changed = true,
            }
        }
        let publisher = &mut self.publishers[index];
        let Some(uplink) = &publisher.uplink else { return };
        let key = TimerKey::Up(self.index, index);
        context.timers.schedule_again(now, key, uplink.poll_timeout(), &mut publisher.scheduled);
        if path_changed && publisher.look(now) {
            self.note_publisher(index);
        }
    }

    fn take_packet(&mut self, now: Instant, publisher: usize, mid: &Mid, packet: Packet) {
        metrics().packets_in.inc();
        if let Some(number) = self.publishers[publisher].track(mid) {
            self.take_track_packet(now, number, packet);
        }
    }

    /// A packet of a track, whoever brings it.
    #[inline]
    pub(crate) fn take_track_packet(&mut self, now: Instant, number: usize, packet: Packet) {
        let published = &mut self.tracks[number];
        let (layer, level) = (packet.layer, packet.audio_level);
        match published.admit(now, &packet) {
            Admission::Same => {}
            Admission::Other => {
                self.dirty.tables();
                self.dirty.member(published.track.id().member);
            }
            Admission::Refused { wants_keyframe } => {
                metrics().packets_stray.inc();
                if wants_keyframe {
                    self.dirty.keyframe(number, layer);
                }
                return;
            }
        }
        let needs_keyframe = published.begins(layer) && !packet.keyframe;
        let Some(index) = published.push(now, packet) else { return };
        if needs_keyframe {
            self.dirty.keyframe(number, layer);
        }
        if published.is_voice && !self.hears(now, number, level) {
            return;
        }
        let published = &mut self.tracks[number];
        if published.fresh.is_empty() {
            self.dirty.packets_of(number);
        }
        published.fresh.push((layer, index));
    }

    /// Takes everything out of a `down` connection that it has to say.
    pub(crate) fn pump_viewer(&mut self, now: Instant, index: usize, context: &mut Context<'_>) {
        let viewer = &mut self.viewers[index];
        if viewer.is_over() {
            return;
        }
        let mut path_changed = false;
        while let Some(event) = viewer.downlink.poll_event() {
            match event {
                DownEvent::Connected => {
                    path_changed = true;
                    viewer.slots_stale = true;
                }
                DownEvent::OfferReady => {
                    viewer.slots_stale = true;
                    self.dirty.member(viewer.member);
                }
                DownEvent::KeyframeWanted(slot) => self.dirty.keyframes.extend(viewer.pleads(slot)),
                DownEvent::Nack(slot, sequences) => viewer.nack(slot, sequences),
                DownEvent::Closed => path_changed = true,
            }
        }
        if viewer.slots_stale {
            viewer.sync_slots(now, &self.tracks);
            viewer.choose_layers(now, &self.tracks, &mut self.dirty.keyframes);
            self.dirty.demand();
        } else if viewer.has_less() {
            viewer.choose_layers(now, &self.tracks, &mut self.dirty.keyframes);
            self.dirty.demand();
        }
        self.dirty.work(viewer.has_work());
        let key = TimerKey::Down(self.index, index);
        let due = viewer.downlink.poll_timeout();
        context.timers.schedule_again(now, key, due, &mut viewer.scheduled);
        if path_changed && viewer.look(now) {
            self.dirty.member(viewer.member);
            if viewer.is_over() {
                viewer.sync_slots(now, &self.tracks);
            }
        }
    }
}
