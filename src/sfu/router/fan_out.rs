//! What goes out of a room at the end of a wake-up: to viewers, to other outlets, to publishers.
//!
//! Owns the order of that ([`Step::ORDER`]). Viewer by viewer everything goes out, so that a viewer's
//! packets lie side by side for one GSO message.

use std::time::Instant;

use super::{Router, context::Context, dirty::Step, timers::TimerKey};
use crate::{
    protocol::MediaKind,
    sfu::wire::outbox::{Sink, ViewerKey},
    telemetry::metrics::metrics,
};

impl Router {
    pub(super) fn request_keyframe(
        &mut self,
        now: Instant,
        number: usize,
        layer: u8,
        context: &mut Context<'_>,
    ) {
        let published = &self.tracks[number];
        let Some(publisher) = self.publishers.get_mut(published.publisher) else {
            let home = self.relay.home.as_mut();
            return home.map_or((), |home| home.want_keyframe(published.lane, layer));
        };
        let Some(uplink) = &mut publisher.uplink else { return };
        metrics().keyframe_requests.inc();
        uplink.request_keyframe(now, &published.track.id().mid, layer, context.outbox);
    }

    /// Does all that this wake-up has called forth.
    pub(crate) fn flush(&mut self, now: Instant, context: &mut Context<'_>, sink: &mut impl Sink) {
        #[cfg(test)]
        if !self.viewers.is_empty() {
            super::guard::fault::strike("flush");
        }
        for step in Step::ORDER {
            match step {
                Step::Hear => {
                    self.hear_home(now);
                    self.hear_outlets(now);
                }
                Step::Tables => self.refresh_tables(now, context),
                Step::Demand => self.refresh_demand(now),
                Step::Seal => self.seal_for_viewers(now, context, sink),
                Step::HandOver => self.hand_over(now),
                Step::Forget => self.forget_fresh(),
                Step::Keyframes => self.ask_for_keyframes(now, context),
                Step::TellHome => self.tell_home(now),
            }
        }
    }

    fn forget_fresh(&mut self) {
        for number in self.dirty.fresh.drain(..) {
            self.tracks[number].fresh.clear();
        }
    }

    fn ask_for_keyframes(&mut self, now: Instant, context: &mut Context<'_>) {
        let mut wanted = std::mem::take(&mut self.dirty.keyframes);
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
        self.dirty.keyframes = wanted;
    }

    fn seal_for_viewers(&mut self, now: Instant, context: &mut Context<'_>, sink: &mut impl Sink) {
        if self.dirty.fresh.is_empty() && !self.dirty.take_work() {
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
                viewer.flush_work(now, key, &self.tracks, &mut self.dirty.keyframes, outbox, sink);
            }
            if !self.dirty.fresh.is_empty()
                && let Some(to) = viewer.downlink.route()
            {
                for &number in &self.dirty.fresh {
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
