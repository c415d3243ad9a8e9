//! A publisher's opened packets: whose they are, what they are, and the RTCP that answers them.
//!
//! Owns the sorting of packets to m-sections (`publishing`), the unwrapping of retransmissions
//! (RFC 4588), and when NACK, receiver reports and transport-cc feedback are due; what they say is
//! `nack`'s, `reception`'s and `arrivals`'. It opens and seals nothing.
//!
//! ```text
//!  opened packet -> stream -> arrivals, reception -> RTX unwrapped -> missing -> UpEvent::Rtp
//! ```

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    UpEvent,
    arrivals::Arrivals,
    nack::ASK_AFTER,
    parameter_sets::ParameterSets,
    publishing::Publishing,
    rtcp,
    said::{Said, said},
    sources::Sources,
};
use crate::{
    ids::Mid,
    protocol::MediaKind,
    sfu::{
        media::{
            packet::{Codec, Packet},
            payload, red,
            sdp::offer::Offer,
        },
        path::MAX_LAYERS,
        wire::rtp::Header,
    },
    telemetry::metrics::metrics,
};

/// A small share of the bandwidth, and often enough for lip sync (RFC 3550 6.2).
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// A packet that comes so shortly before reports are due takes them along: a wake-up for them alone is
/// dear, and feedback may come every 50 to 250 ms.
const EARLY: Duration = Duration::from_millis(40);
/// Events that wait for the worker, which takes them after every datagram.
pub(crate) const MAX_EVENTS: usize = 4096;

/// The media of one connection.
pub(crate) struct Media {
    sections: Vec<Publishing>,
    sources: Sources,
    arrivals: Arrivals,
    /// What feedback names as its source: the newest that carried a number.
    numbered_ssrc: u32,
    /// RTCP to seal and send.
    writes: VecDeque<Vec<u8>>,
    events: VecDeque<UpEvent>,
    /// Keyframes asked for before the SSRC was known.
    wanted: HashSet<(Mid, u8)>,
    /// All sections take RTCP that is no whole compound (RFC 5506).
    is_reduced: bool,
    cname: Box<str>,
    origin: Instant,
    nack_due: Option<Instant>,
    report_due: Option<Instant>,
}

impl Media {
    /// `cname` names us in what we report.
    pub(crate) fn new(cname: &str, now: Instant) -> Self {
        Self {
            sections: Vec::new(),
            sources: Sources::default(),
            arrivals: Arrivals::new(now),
            numbered_ssrc: 0,
            writes: VecDeque::new(),
            events: VecDeque::new(),
            wanted: HashSet::new(),
            is_reduced: false,
            cname: cname.into(),
            origin: now,
            nack_due: None,
            report_due: None,
        }
    }

    /// Takes over what a new offer says; streams that go on keep their state.
    pub(crate) fn apply(&mut self, offer: &Offer) {
        let mut former = std::mem::take(&mut self.sections);
        for section in &offer.sections {
            let Some(accepted) = section.accepted.clone().filter(|accepted| accepted.sends) else {
                continue;
            };
            let known = former.iter().position(|known| known.mid == section.mid);
            let known = known.map(|index| former.swap_remove(index));
            let n_layers = accepted.rids.len().max(1);
            let mut primary = [None; MAX_LAYERS];
            for (layer, primary) in primary.iter_mut().enumerate().take(n_layers) {
                let declared = accepted.sources.get(layer).map(|(ssrc, _)| *ssrc);
                let learned = known.as_ref().and_then(|known| known.primary[layer]);
                let is_declared =
                    learned.is_some_and(|ssrc| accepted.sources.iter().any(|(s, _)| *s == ssrc));
                *primary = if is_declared { learned } else { declared.or(learned) };
            }
            let mut parameter_sets = match &known {
                Some(known) => known.parameter_sets.clone(),
                None => vec![ParameterSets::default(); n_layers],
            };
            parameter_sets.resize_with(n_layers, ParameterSets::default);
            // Those of several layers would not be one layer's.
            if let [sets] = &mut *parameter_sets {
                accepted.codecs.iter().for_each(|c| sets.offer(c.codec, &c.parameter_sets));
            }
            self.sections.push(Publishing {
                mid: section.mid.clone(),
                primary,
                parameter_sets,
                fir_sequence: known.map_or(0, |known| known.fir_sequence),
                accepted,
            });
        }
        self.is_reduced = self.sections.iter().all(|section| section.accepted.reduced_size);
        self.sources.unplace();
        self.wanted.retain(|(mid, _)| self.sections.iter().any(|section| section.mid == *mid));
    }

    /// The m-sections that publish, in their order.
    pub(super) fn mids(&self) -> Vec<(Mid, MediaKind)> {
        self.sections.iter().map(|s| (s.mid.clone(), s.accepted.kind)).collect()
    }

    #[inline]
    pub(crate) fn poll_event(&mut self) -> Option<UpEvent> {
        self.events.pop_front()
    }

    /// [`Self::poll_write`] has something.
    #[inline]
    pub(crate) fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Sources, wishes and RTCP that it remembers.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn n_kept(&mut self) -> usize {
        self.sources.iter_mut().count() + self.wanted.len() + self.writes.len()
    }

    /// RTCP to seal and send.
    pub(super) fn poll_write(&mut self) -> Option<Vec<u8>> {
        self.writes.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.nack_due, self.report_due, self.arrivals.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// Writes what is due; [`Self::poll_write`] has it.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.nack_due.is_some_and(|due| due <= now) {
            self.ask(now);
        }
        self.write_due(now, now);
    }

    /// Writes the reports that are due soon, as a packet has just come.
    #[inline]
    pub(super) fn report_early(&mut self, now: Instant) {
        self.write_due(now, now + EARLY);
    }

    /// Writes the reports that are due by then.
    #[inline]
    fn write_due(&mut self, now: Instant, until: Instant) {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= until);
        if is_due(self.report_due) {
            self.report(now);
        }
        if is_due(self.arrivals.poll_timeout()) {
            let mut told = Vec::new();
            self.arrivals.tell(rtcp::OWN_SSRC, self.numbered_ssrc, |packet| {
                told.push(packet.to_vec());
            });
            for packet in told {
                self.write(|out| out.extend(packet));
            }
        }
    }

    /// Asks the publisher for a keyframe: PLI (RFC 4585 section 6.3.1), or FIR (RFC 5104 section
    /// 4.3.1) where only that was offered. Before the first packet of an undeclared SSRC it waits
    /// for that.
    pub(super) fn request_keyframe(&mut self, mid: &Mid, layer: u8) {
        let Some(section) = self.sections.iter_mut().find(|section| section.mid == *mid) else {
            return;
        };
        if section.accepted.kind != MediaKind::Video {
            return;
        }
        let Some(primary) = section.primary.get(usize::from(layer)) else { return };
        let Some(ssrc) = *primary else {
            self.wanted.insert((mid.clone(), layer));
            return;
        };
        let codecs = &section.accepted.codecs;
        let wants_fir = codecs.iter().any(|c| c.fir) && !codecs.iter().any(|c| c.pli);
        if wants_fir {
            section.fir_sequence = section.fir_sequence.wrapping_add(1);
            let number = section.fir_sequence;
            self.write(|out| rtcp::write_fir(out, ssrc, number));
        } else {
            self.write(|out| rtcp::write_pli(out, ssrc));
        }
    }

    /// Takes an opened packet: its header, SRTP's index, and what follows the header.
    pub(crate) fn take_rtp(&mut self, now: Instant, header: &Header<'_>, index: u64, body: Bytes) {
        let Some(length) = header.without_padding(&body) else {
            metrics().packets_malformed.inc();
            return;
        };
        let mut body = body;
        body.truncate(length);
        let Some(at) = self.sources.find(&self.sections, header, index) else {
            metrics().packets_stray.inc();
            return;
        };
        let (stream, place) = self.sources.at(at);
        let mut said = said(header, place);
        if let Some(number) = said.number {
            self.arrivals.received(now, number);
            self.numbered_ssrc = header.ssrc;
        }
        stream.reception.received(self.origin, now, index, header.timestamp);
        self.report_due = self.report_due.or(Some(now + REPORT_EVERY));
        let section = &mut self.sections[place.section];
        let (ssrc, sequence, codec) = if place.repairs {
            // RFC 4588 section 4: the original sequence number comes first.
            let Some(original) = body.first_chunk::<2>().copied() else { return };
            let Some(ssrc) = place.primary.or(section.primary[usize::from(place.layer)]) else {
                return;
            };
            let Some(codec) = section.repaired_codec(header.payload_type) else { return };
            let codec = codec.codec;
            let sequence = u16::from_be_bytes(original);
            body = body.slice(2..);
            if let Some(primary) = self.sources.known(ssrc) {
                primary.missing.received(now, sequence);
            }
            (ssrc, sequence, codec)
        } else {
            let Some(codec) = section.codec(header.payload_type) else { return };
            if codec.nack && stream.missing.received(now, header.sequence) {
                let due = now + ASK_AFTER;
                self.nack_due = Some(self.nack_due.map_or(due, |earlier| earlier.min(due)));
            }
            (header.ssrc, header.sequence, codec.codec)
        };
        // Padding alone, as browsers send to probe the path.
        if body.is_empty() {
            return;
        }
        if let Some(opus) = place.opus_of_red {
            let Some((opened, primary)) = red::open(body, opus) else {
                metrics().packets_malformed.inc();
                return;
            };
            (body, said.red) = (opened, Some(primary));
        }
        if !place.repairs {
            section.primary[usize::from(place.layer)] = Some(ssrc);
        }
        self.emit(now, header, (place.section, place.layer), ssrc, sequence, codec, said, body);
    }

    #[expect(clippy::too_many_arguments, reason = "what a packet is")]
    fn emit(
        &mut self,
        now: Instant,
        header: &Header<'_>,
        (section, layer): (usize, u8),
        ssrc: u32,
        sequence: u16,
        codec: Codec,
        said: Said,
        payload: Bytes,
    ) {
        let keyframe = payload::begins_keyframe(codec, &payload);
        let mid = self.sections[section].mid.clone();
        let waited = !self.wanted.is_empty() && self.wanted.remove(&(mid.clone(), layer));
        if waited && !keyframe {
            self.request_keyframe(&mid, layer);
        }
        let sets = self.sections[section].parameter_sets.get_mut(usize::from(layer));
        let (sequence, before) = match sets.filter(|sets| sets.concern(codec)) {
            Some(sets) => {
                let placed = sets.place(codec, (ssrc, sequence, header.timestamp), &payload);
                (placed.sequence, placed.before)
            }
            None => (sequence, None),
        };
        let packet = Packet {
            ssrc,
            layer,
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            codec,
            keyframe,
            audio_level: said.level,
            red: said.red,
            arrived: now,
            payload,
        };
        if let Some((sequence, payload)) = before {
            let sets =
                Packet { sequence, marker: false, keyframe: true, payload, ..packet.clone() };
            self.tell(UpEvent::Rtp { mid: mid.clone(), packet: sets });
        }
        self.tell(UpEvent::Rtp { mid, packet });
    }

    /// Takes an opened compound packet.
    pub(super) fn take_rtcp(&mut self, now: Instant, compound: &[u8]) {
        let Self { sources, sections, events, .. } = self;
        rtcp::sender_reports(compound, |clocks| {
            let Some((stream, place)) = sources.placed(clocks.ssrc) else { return };
            stream.reception.sender_report(now, clocks.ntp);
            // overflow: DROPS the newest; only a worker that has stopped taking events gets here.
            if !place.repairs && events.len() < MAX_EVENTS {
                let mid = sections[place.section].mid.clone();
                let rtcp::Clocks { ntp, rtp_timestamp, .. } = clocks;
                let layer = place.layer;
                events.push_back(UpEvent::SenderReport { mid, layer, ntp, rtp_timestamp });
            }
        });
    }

    fn tell(&mut self, event: UpEvent) {
        // overflow: DROPS the newest; only a worker that has stopped taking events gets here.
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    /// Queues feedback, as a whole compound where the client wants that (RFC 4585 section 3.1).
    fn write(&mut self, feedback: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::with_capacity(128);
        if !self.is_reduced {
            rtcp::write_report(&mut out, &[]);
            rtcp::write_description(&mut out, &self.cname);
        }
        feedback(&mut out);
        self.writes.push_back(out);
    }

    fn ask(&mut self, now: Instant) {
        let mut asked: Vec<(u32, Vec<u16>)> = Vec::new();
        self.nack_due = None;
        for stream in self.sources.iter_mut() {
            let mut sequences = Vec::new();
            let due = stream.missing.ask(now, |sequence| sequences.push(sequence));
            self.nack_due = [self.nack_due, due].into_iter().flatten().min();
            if !sequences.is_empty() {
                asked.push((stream.ssrc, sequences));
            }
        }
        for (ssrc, sequences) in asked {
            metrics().packets_asked_for.inc_by(sequences.len() as u64);
            self.write(|out| rtcp::write_nack(out, ssrc, &sequences));
        }
    }

    fn report(&mut self, now: Instant) {
        let blocks: Vec<_> = self
            .sources
            .iter_mut()
            .filter_map(|stream| Some((stream.ssrc, stream.reception.block(now)?)))
            .collect();
        // Silence ends it; the next packet begins it again.
        self.report_due = (!blocks.is_empty()).then_some(now + REPORT_EVERY);
        for blocks in blocks.chunks(rtcp::MAX_BLOCKS) {
            let mut out = Vec::with_capacity(8 + 24 * blocks.len() + 24);
            rtcp::write_report(&mut out, blocks);
            rtcp::write_description(&mut out, &self.cname);
            self.writes.push_back(out);
        }
    }
}
