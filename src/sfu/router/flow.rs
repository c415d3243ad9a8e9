//! Packets through a room: from its publishers' connections into tracks, from tracks to viewers.
//!
//! Owns the order of one wake-up: first everything comes in, then viewer by viewer everything goes
//! out, so that a viewer's packets lie side by side for one GSO message.

use std::{
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{ConnectionKey, Router, context::Context, timers::TimerKey};
use crate::{
    ids::Mid,
    protocol::MediaKind,
    seams::media::Path,
    sfu::{
        down::DownEvent,
        media::{packet::Packet, track::SourceTrack},
        up::UpEvent,
        wire::{
            demux::Class,
            outbox::{Sink, ViewerKey},
        },
    },
    telemetry::metrics::metrics,
};

/// A fault in one connection (the library behind it is young, and peers send what they like) must
/// not end the others. False if it panicked.
pub(super) fn guarded(what: &'static str, act: impl FnOnce()) -> bool {
    let survived = catch_unwind(AssertUnwindSafe(act)).is_ok();
    if !survived {
        tracing::error!(what, "a media connection panicked and is closed; please report this");
    }
    survived
}

impl Router {
    /// A datagram of one of this room's connections. `local` is our address it came to.
    #[expect(clippy::too_many_arguments, reason = "what a datagram is")]
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        class: Class,
        from: SocketAddr,
        local: Option<IpAddr>,
        data: &[u8],
        context: &mut Context<'_>,
    ) {
        let mark = context.outbox.n_messages();
        context.outbox.set_context(from, local);
        match key {
            ConnectionKey::Up { index, .. } => {
                let Some(publisher) = self.publishers.get_mut(index) else { return };
                if !guarded("up", || publisher.feed(now, from, data, context.outbox)) {
                    return self.fail_publisher(index);
                }
                self.pump_publisher(now, index, context);
            }
            ConnectionKey::Down { index, .. } => {
                let Some(viewer) = self.viewers.get_mut(index) else { return };
                if viewer.path == Path::Closed {
                    return;
                }
                let downlink = &mut viewer.downlink;
                let feed = || downlink.handle_datagram(now, from, data, context.outbox);
                if !guarded("down", feed) {
                    return self.fail_viewer(index);
                }
                // Any datagram of the address that media goes to: it may have moved there by one.
                if viewer.downlink.remote() == Some(from) {
                    viewer.source = local;
                }
                self.pump_viewer(now, index, context);
            }
        }
        if class == Class::Stun && context.outbox.answered_check(mark, from) {
            context.demux.learn(now, from, key);
        }
    }

    /// A connection whose code failed is not asked again.
    pub(super) fn fail_publisher(&mut self, index: usize) {
        self.publishers[index].uplink = None;
        self.publishers[index].set_path(Path::Closed);
        self.note_publisher(index);
    }

    pub(super) fn fail_viewer(&mut self, index: usize) {
        self.viewers[index].set_path(Path::Closed);
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
        if path_changed && publisher.set_path(uplink.path(now)) {
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
        let needs_keyframe = published.begins(layer) && !packet.keyframe;
        let Some(index) = published.push(now, packet) else { return };
        if needs_keyframe {
            self.wanted.push((number, layer));
        }
        // That of the newest packet: a straggler may be of another that the publisher has left.
        let codec = published.layer(layer).and_then(SourceTrack::codec);
        if published.codec != codec {
            published.codec = codec;
            self.tables_stale = true;
            self.changed.insert(published.track.id().member);
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
        if path_changed && viewer.set_path(viewer.downlink.path(now)) {
            self.changed.insert(viewer.member);
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
        for (index, viewer) in &mut self.viewers {
            let key = ViewerKey { room: self.index, viewer: index as u32 };
            viewer.wake(now);
            if viewer.has_work() {
                viewer.flush_work(now, key, &self.tracks, &mut self.wanted, outbox, sink);
            }
            if !self.fresh.is_empty()
                && let Some(remote) = viewer.downlink.remote()
            {
                let to = (remote, viewer.source);
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
