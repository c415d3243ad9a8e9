//! The same packets through our own side and through the library's connection: the same comes out.
//!
//! A client's every packet is sealed for both, with what happens on the way drawn once: losses,
//! reordering, doubles, padding, retransmissions, unknown sources and payload types, broken headers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rtc::{
    dtls::extension::extension_use_srtp::SrtpProtectionProfile,
    rtcp::{
        packet::unmarshal, payload_feedbacks::picture_loss_indication::PictureLossIndication,
        receiver_report::ReceiverReport, sender_report::SenderReport,
        transport_feedbacks::transport_layer_nack::TransportLayerNack,
    },
    shared::marshal::Marshal,
};

use super::client::{CLIENT, Random, address, start_of_time, uplink};
use crate::sfu::{
    link::credentials::IceCredentials,
    testing::{
        client::{Client, ClientShared, Incoming},
        reference::{Reference, ReferenceShared, Side},
    },
    up::{UpEvent, UpShared},
};

const SOUND: u32 = 11;
const VIDEO: u32 = 22;
const RTX: u32 = 23;
const SCREEN: u32 = 33;
/// `a=extmap` identifiers.
const LEVEL: u8 = 1;
const NUMBER: u8 = 3;
const MID: u8 = 4;

fn offer(client: &Client) -> String {
    let sections = [("a", "opus", SOUND), ("v", "VP8", VIDEO), ("s", "H264", SCREEN)];
    let cc = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    let extensions = format!(
        "a=extmap:{LEVEL} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:{NUMBER} {cc}\r\n\
         a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\na=rtcp-mux\r\n"
    );
    let rtx = "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 \
               apt=96\r\na=ssrc-group:FID 22 23\r\na=ssrc:23 cname:client\r\n";
    client
        .offer(&sections)
        .replace("a=rtcp-mux\r\n", &extensions)
        .replace("a=rtcp-fb:96 nack\r\n", rtx)
        .replace("SAVPF 96\r\n", "SAVPF 96 97\r\n")
        // The screen's source is not declared: its mid tells it.
        .replace("a=ssrc:33 cname:client\r\n", "")
}

/// A client and one of the sides, without a network.
struct End<S> {
    side: S,
    client: Client,
    events: Vec<String>,
    rtcp: Vec<Vec<u8>>,
}

impl<S: Side> End<S> {
    fn connect(mut side: S, profile: SrtpProtectionProfile, mut now: Instant) -> Self {
        let mut client = Client::new(now, &ClientShared::with_profile(profile), "one");
        let answer = side.offer(now, &offer(&client)).expect("an answer");
        client.take_answer(&answer);
        let mut end = Self { side, client, events: Vec::new(), rtcp: Vec::new() };
        for _ in 0..50 {
            now += Duration::from_millis(10);
            end.client.tick(now);
            let datagrams = std::mem::take(&mut end.client.out);
            datagrams.iter().for_each(|datagram| end.deliver(now, datagram));
        }
        assert!(end.client.connected());
        assert_eq!(end.events, ["Connected"]);
        end
    }

    fn deliver(&mut self, now: Instant, datagram: &[u8]) {
        let mut out = Vec::new();
        self.side.take(now, address(CLIENT), datagram, &mut out);
        if self.side.due().is_some_and(|due| due <= now) {
            self.side.timeout(now, &mut out);
        }
        for (_, answer) in out {
            if let Incoming::Rtcp(compound) = self.client.handle(now, &answer) {
                self.rtcp.push(compound);
            }
        }
        while let Some(event) = self.side.next_event() {
            self.events.push(match event {
                UpEvent::Rtp { mid, mut packet } => {
                    // Time is compared in milliseconds by hand; `Instant` has no number.
                    let at = packet.arrived;
                    packet.arrived = now;
                    assert_eq!(at, now);
                    let sum: Vec<u8> = packet.payload.to_vec();
                    format!(
                        "{mid} {} {} {} {} {:?} {} {:?} {sum:?}",
                        packet.ssrc,
                        packet.sequence,
                        packet.timestamp,
                        packet.marker,
                        packet.codec,
                        packet.keyframe,
                        packet.audio_level,
                    )
                }
                other => format!("{other:?}"),
            });
        }
    }

    fn wait(&mut self, now: Instant) {
        if self.side.due().is_some_and(|due| due <= now) {
            self.deliver(now, &[]);
        }
    }

    /// Packets of a source that were asked for.
    fn asked(&self, ssrc: u32) -> BTreeSet<u16> {
        let mut asked = BTreeSet::new();
        for compound in &self.rtcp {
            for packet in unmarshal(&mut &compound[..]).expect("the library reads it") {
                if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>()
                    && nack.media_ssrc == ssrc
                {
                    asked.extend(nack.nacks.iter().flat_map(|pair| pair.packet_list()));
                }
            }
        }
        asked
    }

    /// The newest block of each source: highest number, lost in all, jitter.
    fn reported(&self) -> BTreeMap<u32, (u32, u32, u32)> {
        let mut newest = BTreeMap::new();
        for compound in &self.rtcp {
            for packet in unmarshal(&mut &compound[..]).expect("the library reads it") {
                let Some(report) = packet.as_any().downcast_ref::<ReceiverReport>() else {
                    continue;
                };
                for block in &report.reports {
                    let value = (block.last_sequence_number, block.total_lost, block.jitter);
                    newest.insert(block.ssrc, value);
                }
            }
        }
        newest
    }

    fn n_plis(&self) -> usize {
        let packets = self.rtcp.iter().filter_map(|c| unmarshal(&mut &c[..]).ok()).flatten();
        packets.filter(|packet| packet.as_any().is::<PictureLossIndication>()).count()
    }
}

/// What the client sends at one moment: plain packets with what the path does to each.
struct Script {
    random: Random,
    n: u16,
    number: u16,
    lost: BTreeSet<u16>,
    repaired: u16,
}

impl Script {
    fn packet(&mut self, ssrc: u32, payload_type: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
        self.number = self.number.wrapping_add(1);
        let [high, low] = self.number.to_be_bytes();
        let mut packet = vec![0x90, payload_type | u8::from(self.random.chance(20)) << 7];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 960).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        let mid = match ssrc {
            SOUND => b'a',
            SCREEN => b's',
            _ => b'v',
        };
        packet.extend([0xbe, 0xde, 0, 2, LEVEL << 4, self.n as u8, NUMBER << 4 | 1, high, low]);
        packet.extend([MID << 4, mid, 0]);
        packet.extend(body);
        match self.random.next() % 12 {
            0 => {
                packet[0] |= 0x20;
                packet.extend([0, 0, 3]);
            }
            // More padding than there is.
            1 if self.random.chance(20) => {
                packet[0] |= 0x20;
                packet.push(255);
            }
            _ => {}
        }
        packet
    }

    /// Packets of one moment, each with the milliseconds that it is late; lost ones are left out.
    fn step(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.n += 1;
        let n = self.n;
        let body = [0x10, u8::from(!n.is_multiple_of(50)), n as u8, 9];
        let mut sent = Vec::new();
        let sequence = n.wrapping_add(65_400);
        let what = self.random.next() % 25;
        let mut video = match what {
            // A payload type that was not negotiated.
            0 => self.packet(VIDEO, 120, sequence, &body),
            _ => self.packet(VIDEO, 96, sequence, &body),
        };
        if what == 1 {
            // Padding alone, as browsers send to probe the path.
            video.truncate(24);
            video[0] = 0xb0;
            video.extend([0, 0, 3]);
        }
        // What is broken is lost for both.
        let is_lost = self.random.chance(8) && n > 1;
        if is_lost || what == 0 || video.last() == Some(&255) {
            self.lost.insert(sequence);
        }
        if !is_lost {
            sent.push((if self.random.chance(5) { 3 } else { 0 }, video));
        }
        sent.push((0, self.packet(SOUND, 111, n, &[0x78, n as u8])));
        sent.push((
            0,
            self.packet(SCREEN, 102, n, &[if n.is_multiple_of(40) { 0x65 } else { 0x41 }, 1]),
        ));
        if what == 2 {
            // A source that nobody knows, and a retransmission of nothing.
            sent.push((0, self.packet(99, 120, n, &body)));
            self.repaired += 1;
            let number = self.repaired;
            sent.push((0, self.packet(RTX, 97, number, &[])));
        }
        sent
    }

    /// A retransmission of the oldest loss.
    fn repair(&mut self) -> Option<Vec<u8>> {
        let sequence = self.lost.pop_first()?;
        self.repaired += 1;
        let mut body = sequence.to_be_bytes().to_vec();
        body.extend([0x10, 1, 5, 5, 5]);
        let number = self.repaired;
        let mut packet = self.packet(RTX, 97, number, &body);
        packet[0] &= !0x20;
        Some(packet)
    }
}

fn compare(profile: SrtpProtectionProfile, seed: u64) {
    let mut now = start_of_time();
    let own_shared = UpShared::new().expect("a certificate");
    let library_shared = ReferenceShared::new().expect("a certificate");
    let credentials = IceCredentials::from_random([7; 32]);
    let mut own = End::connect(uplink(&own_shared, now), profile, now);
    let reference = Reference::new(&library_shared, credentials);
    let mut library = End::connect(reference, profile, now);
    now += Duration::from_secs(1);
    let mut script =
        Script { random: Random(seed), n: 0, number: 65_000, lost: BTreeSet::new(), repaired: 0 };
    let mut waiting: Vec<(Instant, bool, Vec<u8>)> = Vec::new();
    let mut never: BTreeSet<u16> = BTreeSet::new();
    for step in 0..1500_u64 {
        now += Duration::from_millis(1);
        if step % 2 == 0 {
            for (late, packet) in script.step() {
                let doubled = script.random.chance(5);
                waiting.push((now + Duration::from_millis(late * 2), doubled, packet));
            }
        }
        if step % 90 == 0 && step > 200 {
            let repair = script.repair();
            waiting.extend(repair.map(|packet| (now, false, packet)));
        }
        if step % 300 == 0 {
            let report = SenderReport {
                ssrc: VIDEO,
                ntp_time: step << 32,
                rtp_time: step as u32,
                ..Default::default()
            };
            let report = report.marshal().expect("a report");
            own.client.send_rtcp(&report);
            library.client.send_rtcp(&report);
        }
        let due: Vec<_> = waiting.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, doubled, packet) in due {
            send(&mut own, now, &packet, doubled);
            send(&mut library, now, &packet, doubled);
        }
        own.wait(now);
        library.wait(now);
    }
    never.extend(&script.lost);
    finish(&mut own, &mut library, now);
    assert_eq!(own.events.len(), library.events.len(), "{profile:?} {seed}");
    for (ours, theirs) in own.events.iter().zip(&library.events) {
        assert_eq!(ours, theirs, "{profile:?} {seed}");
    }
    for mid in ["a", "v", "s"] {
        let n = own.events.iter().filter(|event| event.starts_with(mid)).count();
        assert!(n > 600, "{n} of {mid}");
    }
    let (ours, theirs) = (own.asked(VIDEO), library.asked(VIDEO));
    for sequence in &never {
        assert!(ours.contains(sequence), "{sequence} is lost and not asked for");
        assert!(theirs.contains(sequence), "nor would the library have");
    }
    let (ours, theirs) = (own.reported(), library.reported());
    assert_eq!(ours.len(), 4, "{ours:?}");
    for (ssrc, (highest, lost, jitter)) in &ours {
        let (their_highest, their_lost, their_jitter) = theirs[ssrc];
        assert_eq!(*highest, their_highest, "{ssrc}");
        // The library counts what comes after a report as lost for ever (RFC 3550 A.3 does not).
        assert!(lost.abs_diff(their_lost) <= 3, "{ssrc}: {lost} {their_lost}");
        assert!(jitter.abs_diff(their_jitter) <= 2, "{ssrc}: {jitter} {their_jitter}");
    }
    assert_eq!((own.n_plis(), library.n_plis()), (2, 2));
}

fn send<S: Side>(end: &mut End<S>, now: Instant, packet: &[u8], doubled: bool) {
    end.client.send_rtp(packet);
    for datagram in std::mem::take(&mut end.client.out) {
        end.deliver(now, &datagram);
        if doubled {
            end.deliver(now, &datagram);
        }
    }
}

/// Keyframes are asked for, and the reports that are due come.
fn finish(own: &mut End<impl Side>, library: &mut End<impl Side>, mut now: Instant) {
    for mid in ["v", "s", "a", "nobody"] {
        let mid = mid.parse().expect("a mid");
        let mut out = Vec::new();
        own.side.ask_keyframe(now, &mid, &mut out);
        collect(own, now, &out);
        out.clear();
        library.side.ask_keyframe(now, &mid, &mut out);
        collect(library, now, &out);
    }
    for _ in 0..120 {
        now += Duration::from_millis(10);
        own.wait(now);
        library.wait(now);
    }
}

fn collect<S>(end: &mut End<S>, now: Instant, out: &[(std::net::SocketAddr, Vec<u8>)]) {
    for (_, datagram) in out {
        if let Incoming::Rtcp(compound) = end.client.handle(now, datagram) {
            end.rtcp.push(compound);
        }
    }
}

#[test]
fn the_same_comes_out_as_of_the_library() {
    for seed in 0..3 {
        compare(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, seed);
    }
    compare(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80, 3);
}
