//! A publisher's decrypted packets: whose they are, what they are, and the RTCP that answers them.
//!
//! Owns the sorting of packets to m-sections (RFC 9143 section 9.2: by declared SSRC, by mid, by
//! payload type), the unwrapping of retransmissions (RFC 4588), and the library's generators of
//! NACK, receiver reports and transport-cc. Retransmissions are unwrapped *before* NACK sees them:
//! the library's own order asks again for what has just come.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{
        AttributedPacket, Interceptor, NackGeneratorBuilder, NackGeneratorInterceptor,
        Packet as LibraryPacket, RTCPFeedback, RTPHeaderExtension, ReceiverReportBuilder,
        ReceiverReportInterceptor, StreamInfo, TaggedPacket, TwccReceiverBuilder,
        TwccReceiverInterceptor,
    },
    rtcp,
    rtcp::{
        payload_feedbacks::{
            full_intra_request::{FirEntry, FullIntraRequest},
            picture_loss_indication::PictureLossIndication,
        },
        sender_report::SenderReport,
    },
    rtp,
    sansio::Protocol as _,
    shared::TransportContext,
};

use super::published::{self, Published};
use crate::{
    ids::Mid,
    protocol::MediaKind,
    sfu::{
        media::{
            packet::Packet,
            payload,
            sdp::offer::{Extension, Offer},
        },
        up::UpEvent,
    },
};

/// A missing packet is asked for this often, this many times: over a path of 100 ms, twice before
/// its retransmission can be there.
const NACK_INTERVAL: Duration = Duration::from_millis(50);
const NACK_TIMES: u16 = 10;
/// SSRCs of one connection; a client that makes more has its new ones dropped.
const MAX_STREAMS: usize = 256;
/// Events that wait for the worker, which takes them after every datagram.
const MAX_EVENTS: usize = 4096;
/// SSRC of what we say ourselves: a receiver has no stream, any number will do (RFC 3550 8).
const OWN_SSRC: u32 = 1;

/// An SSRC and what it carries.
#[derive(Debug, Clone, Copy)]
struct Stream {
    section: usize,
    /// This one carries retransmissions, of this primary where that was declared.
    repairs: Option<Option<u32>>,
}

/// The media of one connection.
pub(super) struct Media {
    sections: Vec<Published>,
    streams: HashMap<u32, Stream>,
    nack: NackGeneratorInterceptor,
    report: ReceiverReportInterceptor,
    transport_cc: TwccReceiverInterceptor,
    writes: VecDeque<TaggedPacket>,
    events: VecDeque<UpEvent>,
    /// Keyframes asked for before the SSRC was known.
    wanted: HashSet<Mid>,
}

impl Media {
    pub(super) fn new() -> Self {
        Self {
            sections: Vec::new(),
            streams: HashMap::new(),
            nack: NackGeneratorBuilder::new()
                .with_interval(NACK_INTERVAL)
                .with_max_nacks_per_packet(NACK_TIMES)
                .build(),
            report: ReceiverReportBuilder::new().build(),
            transport_cc: TwccReceiverBuilder::new().build(),
            writes: VecDeque::new(),
            events: VecDeque::new(),
            wanted: HashSet::new(),
        }
    }

    /// Takes over what a new offer says; streams that go on keep their state.
    pub(super) fn apply(&mut self, offer: &Offer) {
        let mut former = std::mem::take(&mut self.sections);
        for section in &offer.sections {
            let Some(accepted) = section.accepted.clone().filter(|accepted| accepted.sends) else {
                continue;
            };
            let known = former.iter().position(|known| known.mid == section.mid);
            let known = known.map(|index| former.swap_remove(index));
            let declared = accepted.sources.first().map(|(ssrc, _)| *ssrc);
            let learned = known.as_ref().and_then(|known| known.primary);
            let is_declared =
                learned.is_some_and(|ssrc| accepted.sources.iter().any(|(s, _)| *s == ssrc));
            self.sections.push(Published {
                mid: section.mid.clone(),
                primary: if is_declared { learned } else { declared.or(learned) },
                fir_sequence: known.map_or(0, |known| known.fir_sequence),
                accepted,
            });
        }
        // Every stream is sorted anew by its next packet: mids and payload types may have moved.
        for (ssrc, _) in std::mem::take(&mut self.streams) {
            self.unbind(ssrc);
        }
        self.wanted.retain(|mid| self.sections.iter().any(|section| section.mid == *mid));
    }

    pub(super) fn poll_event(&mut self) -> Option<UpEvent> {
        self.events.pop_front()
    }

    /// What the generators and [`Self::request_keyframe`] have to send.
    pub(super) fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes
            .pop_front()
            .or_else(|| self.nack.poll_write())
            .or_else(|| self.report.poll_write())
            .or_else(|| self.transport_cc.poll_write())
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let timeouts = [
            self.nack.poll_timeout(),
            self.report.poll_timeout(),
            self.transport_cc.poll_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Lets the generators say what is due; [`Self::poll_write`] has it.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        // None of the three can fail here.
        let _ = self.nack.handle_timeout(now);
        let _ = self.report.handle_timeout(now);
        let _ = self.transport_cc.handle_timeout(now);
    }

    /// Asks the publisher for a keyframe: PLI (RFC 4585 section 6.3.1), or FIR (RFC 5104 section
    /// 4.3.1) where only that was offered. Before the first packet of an undeclared SSRC it waits
    /// for that.
    pub(super) fn request_keyframe(&mut self, now: Instant, mid: &Mid) {
        let Some(section) = self.sections.iter_mut().find(|section| section.mid == *mid) else {
            return;
        };
        if section.accepted.kind != MediaKind::Video {
            return;
        }
        let Some(media_ssrc) = section.primary else {
            self.wanted.insert(mid.clone());
            return;
        };
        let codecs = &section.accepted.codecs;
        let wants_fir = codecs.iter().any(|c| c.fir) && !codecs.iter().any(|c| c.pli);
        let request: Box<dyn rtcp::Packet> = if wants_fir {
            section.fir_sequence = section.fir_sequence.wrapping_add(1);
            let entry = FirEntry { ssrc: media_ssrc, sequence_number: section.fir_sequence };
            Box::new(FullIntraRequest { sender_ssrc: OWN_SSRC, media_ssrc, fir: vec![entry] })
        } else {
            Box::new(PictureLossIndication { sender_ssrc: OWN_SSRC, media_ssrc })
        };
        self.writes.push_back(tagged(now, LibraryPacket::Rtcp(vec![request])));
    }

    /// Takes a decrypted packet from the library.
    pub(super) fn take(&mut self, packet: TaggedPacket) {
        let now = packet.now;
        match packet.message.packet {
            LibraryPacket::Rtp(packet) => self.take_rtp(now, packet),
            LibraryPacket::Rtcp(packets) => self.take_rtcp(now, packets),
            _ => {}
        }
    }

    fn take_rtp(&mut self, now: Instant, packet: rtp::Packet) {
        let Some(stream) = self.stream_of(&packet.header) else { return };
        let Some(packet) = through(&mut self.transport_cc, now, packet) else { return };
        let Some(mut packet) = through(&mut self.report, now, packet) else { return };
        if let Some(declared) = stream.repairs {
            let section = &self.sections[stream.section];
            let primary = declared.or(section.primary);
            if section.unwrap_retransmission(primary, &mut packet).is_none() {
                return;
            }
        }
        let Some(packet) = through(&mut self.nack, now, packet) else { return };
        let section = &mut self.sections[stream.section];
        let Some(codec) = section.codec(packet.header.payload_type).map(|codec| codec.codec) else {
            return;
        };
        // Padding alone, as browsers send to probe the path.
        if packet.payload.is_empty() {
            return;
        }
        if stream.repairs.is_none() {
            section.primary = Some(packet.header.ssrc);
        }
        let audio_level = section
            .extension(Extension::AudioLevel)
            .and_then(|id| packet.header.get_extension(id))
            .and_then(|level| level.first().map(|level| level & 0x7f));
        let mid = section.mid.clone();
        let wants_keyframe = !self.wanted.is_empty() && self.wanted.remove(&mid);
        let packet = Packet {
            ssrc: packet.header.ssrc,
            layer: 0,
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            codec,
            keyframe: payload::begins_keyframe(codec, &packet.payload),
            audio_level,
            red: None,
            arrived: now,
            payload: packet.payload,
        };
        if wants_keyframe && !packet.keyframe {
            self.request_keyframe(now, &mid);
        }
        self.tell(UpEvent::Rtp { mid, packet });
    }

    fn take_rtcp(&mut self, now: Instant, packets: Vec<Box<dyn rtcp::Packet>>) {
        let mut reports = Vec::new();
        for packet in &packets {
            if let Some(report) = packet.as_any().downcast_ref::<SenderReport>()
                && let Some(stream) = self.streams.get(&report.ssrc)
                && stream.repairs.is_none()
            {
                let mid = self.sections[stream.section].mid.clone();
                let (ntp, rtp_timestamp) = (report.ntp_time, report.rtp_time);
                reports.push(UpEvent::SenderReport { mid, layer: 0, ntp, rtp_timestamp });
            }
        }
        let packets = tagged(now, LibraryPacket::Rtcp(packets));
        let _ = self.report.handle_read(packets);
        while self.report.poll_read().is_some() {}
        reports.into_iter().for_each(|report| self.tell(report));
    }

    fn tell(&mut self, event: UpEvent) {
        // overflow: DROPS the newest; only a worker that has stopped taking events gets here.
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    /// The stream of a packet; a new SSRC is sorted and bound to the generators.
    fn stream_of(&mut self, header: &rtp::Header) -> Option<Stream> {
        if let Some(stream) = self.streams.get(&header.ssrc) {
            let section = &self.sections[stream.section];
            return section.knows(header.payload_type).then_some(*stream);
        }
        if self.streams.len() >= MAX_STREAMS {
            return None;
        }
        let index = published::section_of(&self.sections, header)?;
        let section = &self.sections[index];
        let declared = section.accepted.sources.iter();
        let repaired = section.repaired_codec(header.payload_type).map(|_| {
            declared.clone().find(|(_, rtx)| *rtx == Some(header.ssrc)).map(|(primary, _)| *primary)
        });
        let stream = Stream { section: index, repairs: repaired };
        self.streams.insert(header.ssrc, stream);
        self.bind(header.ssrc, header.payload_type, index);
        Some(stream)
    }

    fn bind(&mut self, ssrc: u32, payload_type: u8, index: usize) {
        let section = &self.sections[index];
        let codec = section.codec(payload_type);
        let Some(any) = codec.or_else(|| section.repaired_codec(payload_type)) else { return };
        let feedback = |typ: &str| RTCPFeedback { typ: typ.to_owned(), parameter: String::new() };
        let mut info = StreamInfo {
            ssrc,
            payload_type,
            clock_rate: any.codec.clock_rate(),
            mime_type: any.codec.name().to_owned(),
            ..StreamInfo::default()
        };
        if codec.is_some_and(|codec| codec.nack) {
            info.rtcp_feedback.push(feedback("nack"));
        }
        if any.transport_cc {
            info.rtcp_feedback.push(feedback("transport-cc"));
            let id = section.extension(Extension::TransportCc);
            info.rtp_header_extensions.extend(id.map(|id| RTPHeaderExtension {
                uri: Extension::TransportCc.uri().to_owned(),
                id: u16::from(id),
            }));
        }
        self.nack.bind_remote_stream(&info);
        self.report.bind_remote_stream(&info);
        self.transport_cc.bind_remote_stream(&info);
    }

    fn unbind(&mut self, ssrc: u32) {
        let info = StreamInfo { ssrc, ..StreamInfo::default() };
        self.nack.unbind_remote_stream(&info);
        self.report.unbind_remote_stream(&info);
        self.transport_cc.unbind_remote_stream(&info);
    }
}

fn tagged(now: Instant, packet: LibraryPacket) -> TaggedPacket {
    TaggedPacket {
        now,
        transport: TransportContext::default(),
        message: AttributedPacket::new(packet),
    }
}

/// Shows a packet to one of the library's generators, which gives it back.
fn through(
    generator: &mut impl Interceptor,
    now: Instant,
    packet: rtp::Packet,
) -> Option<rtp::Packet> {
    generator.handle_read(tagged(now, LibraryPacket::Rtp(packet))).ok()?;
    match generator.poll_read()?.message.packet {
        LibraryPacket::Rtp(packet) => Some(packet),
        _ => None,
    }
}
