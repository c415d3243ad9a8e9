//! What is due in a room: its connections' deadlines, its tracks' keyframe requests, its ticks.

use std::time::{Duration, Instant};

use super::{Router, context::Context, guard::guarded, timers::TimerKey};
use crate::sfu::{path::MAX_LAYERS, up::Uplink};

/// How often paths are looked at: `lost` is to be seen within 5 s, [`crate::seams::media::QUIET_AFTER`] is 4.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// A viewer gets its sender reports every so many ticks.
const REPORT_TICKS: usize = 4;

impl Router {
    /// What the thing that this entry is of has to say to it, see [`Timers::next`]: an `up`
    /// connection's deadline moves on with its packets, the others stay as they are.
    ///
    /// [`Timers::next`]: super::timers::Timers::next
    pub(crate) fn deadline(&mut self, due: Instant, key: TimerKey) -> Option<Instant> {
        let remembered = match key {
            TimerKey::Up(_, index) => {
                let publisher = self.publishers.get_mut(index)?;
                publisher.scheduled.filter(|scheduled| *scheduled == due)?;
                let uplink = publisher.uplink.as_ref();
                let deadline = uplink.and_then(Uplink::poll_timeout).map(|new| new.max(due));
                publisher.scheduled = deadline;
                return deadline;
            }
            TimerKey::Down(_, index) => self.viewers.get(index)?.scheduled,
            TimerKey::Track(_, number) => self.tracks.get(number)?.scheduled,
            TimerKey::Room(_) => self.scheduled,
        };
        remembered.filter(|scheduled| *scheduled == due)
    }

    /// An `up` connection's deadline.
    pub(crate) fn publisher_timeout(
        &mut self,
        now: Instant,
        due: Instant,
        index: usize,
        context: &mut Context<'_>,
    ) {
        let Some(publisher) = self.publishers.get_mut(index) else { return };
        if publisher.scheduled != Some(due) {
            return;
        }
        publisher.scheduled = None;
        let Some(uplink) = &mut publisher.uplink else { return };
        if uplink.poll_timeout().is_some_and(|due| due <= now)
            && guarded("up", || uplink.handle_timeout(now, context.outbox)).is_none()
        {
            return self.fail_publisher(index);
        }
        self.pump_publisher(now, index, context);
    }

    /// A `down` connection's deadline.
    pub(crate) fn viewer_timeout(
        &mut self,
        now: Instant,
        due: Instant,
        index: usize,
        context: &mut Context<'_>,
    ) {
        let Some(viewer) = self.viewers.get_mut(index) else { return };
        if viewer.scheduled != Some(due) {
            return;
        }
        viewer.scheduled = None;
        if !viewer.is_over() && viewer.downlink.poll_timeout().is_some_and(|due| due <= now) {
            let downlink = &mut viewer.downlink;
            if guarded("down", || downlink.handle_timeout(now, context.outbox)).is_none() {
                return self.fail_viewer(now, index);
            }
        }
        self.pump_viewer(now, index, context);
    }

    /// Looks at paths, and makes sender reports and repeated wishes due.
    pub(crate) fn tick(&mut self, now: Instant, due: Instant, context: &mut Context<'_>) {
        if self.scheduled != Some(due) {
            return;
        }
        self.scheduled = None;
        self.n_ticks += 1;
        let key = TimerKey::Room(self.index);
        context.timers.schedule(key, Some(now + TICK), &mut self.scheduled);
        let mut changed = Vec::new();
        for (index, publisher) in &mut self.publishers {
            if publisher.look(now) {
                changed.push(index);
            }
        }
        changed.into_iter().for_each(|index| self.note_publisher(index));
        self.tracks.iter_mut().for_each(|(_, published)| published.tick(now));
        self.dirty.demand();
        self.dirty.tracks();
        self.report_to_outlets();
        self.dirty.speaking(self.speakers.look(now));
        for (index, viewer) in &mut self.viewers {
            if viewer.look(now) {
                self.dirty.member(viewer.member);
                viewer.slots_stale |= viewer.is_over();
            }
            if viewer.is_over() {
                if viewer.slots_stale {
                    viewer.sync_slots(now, &self.tracks);
                }
                continue;
            }
            viewer.choose_layers(now, &self.tracks, &mut self.dirty.keyframes);
            if (self.n_ticks + index).is_multiple_of(REPORT_TICKS) {
                viewer.report();
                self.dirty.work(true);
            }
            viewer.retry(now, &self.tracks, &mut self.dirty.keyframes);
        }
    }

    /// A track's keyframe request is due.
    pub(crate) fn track_timeout(
        &mut self,
        now: Instant,
        due: Instant,
        number: usize,
        context: &mut Context<'_>,
    ) {
        let Some(published) = self.tracks.get_mut(number) else { return };
        if published.scheduled != Some(due) {
            return;
        }
        published.scheduled = None;
        let mut due_layers = published.layer_numbers().filter(|layer| {
            published.layer_mut(*layer).is_some_and(|track| track.keyframe_due(now))
        });
        let due_layers: [Option<u8>; MAX_LAYERS] = std::array::from_fn(|_| due_layers.next());
        for layer in due_layers.into_iter().flatten() {
            self.request_keyframe(now, number, layer, context);
        }
        self.schedule_track(now, number, context);
    }

    pub(super) fn schedule_track(
        &mut self,
        now: Instant,
        number: usize,
        context: &mut Context<'_>,
    ) {
        let published = &mut self.tracks[number];
        let key = TimerKey::Track(self.index, number);
        let tracks = published.layer_numbers().filter_map(|layer| published.layer(layer));
        let due = tracks.filter_map(|track| track.poll_timeout()).min();
        context.timers.schedule_again(now, key, due, &mut published.scheduled);
    }
}
