//! Who is shown what: the tables that viewers' connections are offered by.

use std::time::Instant;

use super::{Router, context::Context};
use crate::{
    protocol::{MediaKind, Shown, TrackSource},
    sfu::{
        down::ShownTrack,
        media::{packet::Codec, track::SourceTrack},
    },
};

impl Router {
    /// Makes viewers' tables from who watches whom and what is published. All of a member's tracks
    /// whose codec is known are shown: sound first, then screens, then cameras.
    pub(crate) fn refresh_tables(&mut self, now: Instant, context: &mut Context<'_>) {
        if !self.dirty.take_tables() {
            return;
        }
        let mut order: Vec<usize> = self.tracks.iter().map(|(number, _)| number).collect();
        order.sort_by_key(|number| {
            let track = &self.tracks[*number].track;
            let rank = match track.source() {
                _ if track.kind() == MediaKind::Audio => 0,
                TrackSource::Screen => 1,
                _ => 2,
            };
            (rank, track.id().clone())
        });
        let indices: Vec<usize> = self.viewers.iter().map(|(index, _)| index).collect();
        for index in indices {
            let viewer = &mut self.viewers[index];
            let want = self.members.get(&viewer.member).and_then(|m| m.want.down.as_ref());
            let Some(want) = want.filter(|_| !viewer.is_over()) else { continue };
            let mut table = Vec::new();
            let before = std::mem::take(&mut viewer.shown);
            for &number in &order {
                let published = &self.tracks[number];
                let Some(codec) = published.codec else { continue };
                let heard = want.hear.filter(|_| published.track.kind() == MediaKind::Audio);
                let member = published.track.id().member;
                if heard.map_or_else(|| want.watch.contains(&member), |heard| heard == member) {
                    viewer.shown.push(number);
                    table.push(shown_track(&published.track, codec));
                }
            }
            viewer.downlink.show(now, &table);
            viewer.slots_stale = true;
            viewer.awaits_since = Some(now);
            self.dirty.demand();
            self.fetch_keyframes(now, index, &before);
            self.pump_viewer(now, index, context);
        }
    }
}

fn shown_track(track: &SourceTrack, codec: Codec) -> ShownTrack {
    let shown = Shown {
        member: track.id().member,
        track: track.id().clone(),
        kind: track.kind(),
        source: track.source(),
    };
    ShownTrack { shown, codec }
}
