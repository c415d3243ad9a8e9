//! The annex's end of a room that outgrew one worker: its tracks come from the home, by the same door
//! as an uplink's packets.
//!
//! Caches, forwarders, layer choice, retransmissions and reports are this worker's own; what a layer
//! costs is the home's word, since only layers that somebody here needs come over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use super::{Router, published::Published};
use crate::sfu::{
    media::{packet::Packet, track::SourceTrack},
    path::MAX_LAYERS,
    relay::{
        from_home::FromHome,
        pipe::{Description, Item, Lane},
    },
};

/// No connection of this worker brings the track.
const ELSEWHERE: usize = usize::MAX;

impl Router {
    /// Takes in what the home has handed over, before packets go out.
    pub(crate) fn hear_home(&mut self, now: Instant) {
        let Some(mut home) = self.relay.home.take() else { return };
        if home.pipe.take_batch(&mut home.batch) {
            if let Some(told) = home.batch.tracks.take() {
                self.mirror(&mut home, told);
            }
            let mut begun = Vec::new();
            for item in home.batch.items.drain(..) {
                self.take_item(now, &home.numbers, item, &mut begun);
            }
            for (number, layer) in begun {
                for (_, viewer) in &mut self.viewers {
                    self.dirty.work(viewer.start_again(number, layer));
                }
            }
            for (lane, layer) in std::mem::take(&mut home.batch.lost) {
                let Some(&number) = home.numbers.get(&lane) else { continue };
                for (_, viewer) in &mut self.viewers {
                    if viewer.lose(number, layer) {
                        self.dirty.keyframe(number, layer);
                    }
                }
            }
        }
        self.relay.home = Some(home);
    }

    fn take_item(
        &mut self,
        now: Instant,
        numbers: &HashMap<Lane, usize>,
        item: Item,
        begun: &mut Vec<(usize, u8)>,
    ) {
        let (Item::Packet { lane, .. } | Item::Report { lane, .. }) = item;
        // A track that has ended meanwhile has no number any more.
        let Some(&number) = numbers.get(&lane) else { return };
        match item {
            Item::Packet { is_past: true, packet, .. } => {
                let place = (number, packet.layer);
                self.tracks[number].push(now, packet);
                if !begun.contains(&place) {
                    begun.push(place);
                }
            }
            Item::Packet { resumes, packet, .. } => self.take_handed(now, number, resumes, packet),
            Item::Report { layer, ntp, rtp_timestamp, .. } => {
                if let Some(track) = self.tracks[number].layer_mut(layer) {
                    track.sender_report(ntp, rtp_timestamp);
                }
            }
        }
    }

    fn take_handed(&mut self, now: Instant, number: usize, resumes: bool, packet: Packet) {
        if resumes {
            self.viewers.iter_mut().for_each(|(_, viewer)| viewer.resume(number));
        }
        self.take_track_packet(now, number, packet);
    }

    /// Has the tracks that the home has.
    fn mirror(&mut self, home: &mut FromHome, told: Vec<Description>) {
        let lanes: BTreeSet<Lane> = told.iter().map(|told| told.lane).collect();
        let gone = home.numbers.extract_if(|lane, _| !lanes.contains(lane));
        let gone: Vec<usize> = gone.map(|(_, number)| number).collect();
        gone.into_iter().for_each(|number| self.drop_track(number));
        for told in told {
            let number = *home.numbers.entry(told.lane).or_insert_with(|| {
                let track = SourceTrack::new(told.id.clone(), told.kind, told.source);
                let mut published = Published::new(told.lane, track);
                published.publisher = ELSEWHERE;
                // Who is heard was decided at home.
                published.is_voice = false;
                self.dirty.tables();
                self.tracks.insert(published)
            });
            let published = &mut self.tracks[number];
            if published.codec != told.codec {
                published.codec = told.codec;
                self.dirty.tables();
            }
            published.mirror(told);
        }
    }

    /// Tells the home what is needed here, where that has changed.
    pub(crate) fn tell_home(&mut self, now: Instant) {
        let Some(home) = &mut self.relay.home else { return };
        let mut watched = None;
        if self.dirty.take_demand() {
            let mut now_watched = BTreeMap::new();
            for (number, published) in &self.tracks {
                let mut needed = [false; MAX_LAYERS];
                for (_, viewer) in &self.viewers {
                    viewer.needs(now, number, published, &mut needed);
                }
                if needed.contains(&true) {
                    now_watched.insert(published.lane, needed);
                }
            }
            if now_watched != home.watched {
                home.watched.clone_from(&now_watched);
                watched = Some(now_watched);
            }
        }
        if watched.is_some() || !home.keyframes.is_empty() {
            home.pipe.ask(watched, &mut home.keyframes);
        }
    }
}
