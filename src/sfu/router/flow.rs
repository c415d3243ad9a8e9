//! Packets through a room: from its publishers' connections into tracks, from tracks to viewers.
//!
//! Owns the order of one wake-up: first everything comes in, then viewer by viewer everything goes
//! out, so that a viewer's packets lie side by side for one GSO message.

use std::time::Instant;

use super::{
    ConnectionKey, Router, codec::Admission, context::Context, guard::guarded, timers::TimerKey,
};
use crate::{
    ids::Mid,
    protocol::MediaKind,
    sfu::{
        down::DownEvent,
        link::transport::Claim,
        media::packet::Packet,
        up::{UpEvent, Uplink},
        wire::{
            demux::Class,
            outbox::{Sink, ViewerKey},
            transmit::Route,
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

    /// A connection whose code failed is not asked again.
    pub(super) fn fail_publisher(&mut self, index: usize) {
        self.publishers[index].fail();
        self.note_publisher(index);
    }

    pub(super) fn fail_viewer(&mut self, now: Instant, index: usize) {
        self.viewers[index].end("parlor has failed");
        self.viewers[index].sync_slots(now, &self.tracks);
        self.demand_stale = true;
        self.changed.insert(self.viewers[index].member);
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
                self.tables_stale = true;
                self.changed.insert(published.track.id().member);
            }
            Admission::Refused { wants_keyframe } => {
                metrics().packets_stray.inc();
                if wants_keyframe {
                    self.wanted.push((number, layer));
                }
                return;
            }
        }
        let needs_keyframe = published.begins(layer) && !packet.keyframe;
        let Some(index) = published.push(now, packet) else { return };
        if needs_keyframe {
            self.wanted.push((number, layer));
        }
        if published.is_voice && !self.hears(now, number, level) {
            return;
        }
        let published = &mut self.tracks[number];
        if published.fresh.is_empty() {
            self.fresh.push(number);
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
                    self.changed.insert(viewer.member);
                }
                DownEvent::KeyframeWanted(slot) => self.wanted.extend(viewer.pleads(slot)),
                DownEvent::Nack(slot, sequences) => viewer.nack(slot, sequences),
                DownEvent::Closed => path_changed = true,
            }
        }
        if viewer.slots_stale {
            viewer.sync_slots(now, &self.tracks);
            viewer.choose_layers(now, &self.tracks, &mut self.wanted);
            self.demand_stale = true;
        } else if viewer.has_less() {
            viewer.choose_layers(now, &self.tracks, &mut self.wanted);
            self.demand_stale = true;
        }
        self.busy |= viewer.has_work();
        let key = TimerKey::Down(self.index, index);
        let due = viewer.downlink.poll_timeout();
        context.timers.schedule_again(now, key, due, &mut viewer.scheduled);
        if path_changed && viewer.look(now) {
            self.changed.insert(viewer.member);
            if viewer.is_over() {
                viewer.sync_slots(now, &self.tracks);
            }
        }
    }

    pub(super) fn request_keyframe(
        &mut self,
        now: Instant,
        number: usize,
        layer: u8,
        context: &mut Context<'_>,
    ) {
        let published = &self.tracks[number];
        let Some(publisher) = self.publishers.get_mut(published.publisher) else {
            let feed = self.relay.feed.as_mut();
            return feed.map_or((), |feed| feed.want_keyframe(published.lane, layer));
        };
        let Some(uplink) = &mut publisher.uplink else { return };
        metrics().keyframe_requests.inc();
        uplink.request_keyframe(now, &published.track.id().mid, layer, context.outbox);
    }

    /// Seals everything that goes to viewers, then asks publishers for the keyframes that are
    /// wanted.
    pub(crate) fn flush(&mut self, now: Instant, context: &mut Context<'_>, sink: &mut impl Sink) {
        #[cfg(test)]
        if !self.viewers.is_empty() {
            super::guard::fault::strike("flush");
        }
        self.take_feed(now);
        self.hear_annexes(now);
        self.refresh_tables(now, context);
        if self.demand_stale {
            self.refresh_demand(now);
        }
        self.seal_for_viewers(now, context, sink);
        self.hand_over(now);
        for number in self.fresh.drain(..) {
            self.tracks[number].fresh.clear();
        }
        let mut wanted = std::mem::take(&mut self.wanted);
        for (number, layer) in wanted.drain(..) {
            let Some(published) = self.tracks.get_mut(number) else { continue };
            if published.track.kind() == MediaKind::Audio {
                continue;
            }
            // One that sleeps begins with a keyframe by itself, or is asked when it has begun.
            if published.sleeps(now, layer) {
                continue;
            }
            let Some(track) = published.layer_mut(layer) else { continue };
            if track.want_keyframe(now) {
                self.request_keyframe(now, number, layer, context);
            }
            self.schedule_track(now, number, context);
        }
        self.wanted = wanted;
        self.tell_home(now);
    }

    fn seal_for_viewers(&mut self, now: Instant, context: &mut Context<'_>, sink: &mut impl Sink) {
        if self.fresh.is_empty() && !std::mem::take(&mut self.busy) {
            return;
        }
        let outbox = &mut *context.outbox;
        // Another viewer is first each time: where the socket takes no more, all lose alike.
        let n_places = self.viewers.capacity();
        self.first = (self.first + 1) % n_places.max(1);
        for index in (self.first..n_places).chain(0..self.first) {
            let Some(viewer) = self.viewers.get_mut(index) else { continue };
            let key = ViewerKey { room: self.index, viewer: index as u32, is_sound: false };
            viewer.wake(now);
            if viewer.has_work() {
                viewer.flush_work(now, key, &self.tracks, &mut self.wanted, outbox, sink);
            }
            if !self.fresh.is_empty()
                && let Some(to) = viewer.downlink.route()
            {
                for &number in &self.fresh {
                    if viewer.takes(number) {
                        viewer.flush_fresh(key, to, number, &self.tracks[number], outbox, sink);
                    }
                }
            }
            if let Some(due) = viewer.held_until(now) {
                let key = TimerKey::Down(self.index, index);
                context.timers.schedule(key, Some(due), &mut viewer.scheduled);
            }
        }
    }

    /// This viewer's packets could not be sent.
    pub(crate) fn viewer_stalled(&mut self, now: Instant, index: usize) {
        if let Some(viewer) = self.viewers.get_mut(index) {
            viewer.stalled(now, &self.tracks);
        }
    }
}
