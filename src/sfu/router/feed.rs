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
        feed::Feed,
        pipe::{Item, Lane, Told},
    },
};

/// No connection of this worker brings the track.
const ELSEWHERE: usize = usize::MAX;

impl Router {
    /// Takes in what the home has handed over, before packets go out.
    pub(crate) fn take_feed(&mut self, now: Instant) {
        let Some(mut feed) = self.relay.feed.take() else { return };
        if feed.pipe.take_batch(&mut feed.batch) {
            if let Some(told) = feed.batch.tracks.take() {
                self.mirror(&mut feed, told);
            }
            let mut begun = Vec::new();
            for item in feed.batch.items.drain(..) {
                self.take_item(now, &feed.numbers, item, &mut begun);
            }
            for (number, layer) in begun {
                for (_, viewer) in &mut self.viewers {
                    self.busy |= viewer.start_again(number, layer);
                }
            }
            for (lane, layer) in std::mem::take(&mut feed.batch.lost) {
                let Some(&number) = feed.numbers.get(&lane) else { continue };
                for (_, viewer) in &mut self.viewers {
                    if viewer.lose(number, layer) {
                        self.wanted.push((number, layer));
                    }
                }
            }
        }
        self.relay.feed = Some(feed);
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
    fn mirror(&mut self, feed: &mut Feed, told: Vec<Told>) {
        let lanes: BTreeSet<Lane> = told.iter().map(|told| told.lane).collect();
        let gone = feed.numbers.extract_if(|lane, _| !lanes.contains(lane));
        let gone: Vec<usize> = gone.map(|(_, number)| number).collect();
        gone.into_iter().for_each(|number| self.drop_track(number));
        for told in told {
            let number = *feed.numbers.entry(told.lane).or_insert_with(|| {
                let track = SourceTrack::new(told.id.clone(), told.kind, told.source);
                let mut published = Published::new(told.lane, track);
                published.publisher = ELSEWHERE;
                // Who is heard was decided at home.
                published.is_voice = false;
                self.tables_stale = true;
                self.tracks.insert(published)
            });
            let published = &mut self.tracks[number];
            if published.codec != told.codec {
                published.codec = told.codec;
                self.tables_stale = true;
            }
            published.mirror(told);
        }
    }

    /// Tells the home what is needed here, where that has changed.
    pub(crate) fn tell_home(&mut self, now: Instant) {
        let Some(feed) = &mut self.relay.feed else { return };
        let mut watched = None;
        if std::mem::take(&mut self.demand_stale) {
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
            if now_watched != feed.watched {
                feed.watched.clone_from(&now_watched);
                watched = Some(now_watched);
            }
        }
        if watched.is_some() || !feed.keyframes.is_empty() {
            feed.pipe.ask(watched, &mut feed.keyframes);
        }
    }
}
