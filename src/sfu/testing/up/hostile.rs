//! What a publisher, or somebody in its place, should not send: dropped and counted, and what is
//! honest goes on.

use std::time::{Duration, Instant};

use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::client::{CLIENT, Random, address, start_of_time, uplink};
use crate::{
    seams::media::Path,
    sfu::{
        link::srtp::MAX_SOURCES,
        testing::client::{Client, ClientShared},
        up::{UpEvent, UpShared, Uplink},
    },
    telemetry::metrics::metrics,
};

const SSRC: u32 = 22;

/// A connected publisher of one VP8 track.
struct Fixture {
    uplink: Uplink,
    client: Client,
    now: Instant,
    out: Vec<(std::net::SocketAddr, Vec<u8>)>,
}

impl Fixture {
    fn new() -> Self {
        let shared = UpShared::new().expect("a certificate");
        let now = start_of_time();
        let gcm = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
        let client = Client::new(now, &ClientShared::with_profile(gcm), "one");
        let mut fixture = Self { uplink: uplink(&shared, now), client, now, out: Vec::new() };
        let offer = fixture.client.offer(&[("v", "VP8", SSRC)]).replace(
            "a=rtcp-fb:96 nack\r\n",
            "a=rtcp-fb:96 nack\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
        );
        let offer = offer.replace("SAVPF 96\r\n", "SAVPF 96 97\r\n");
        let answer = fixture.uplink.handle_offer(now, &offer).expect("an answer");
        fixture.client.take_answer(&answer);
        for _ in 0..50 {
            fixture.now += Duration::from_millis(10);
            fixture.client.tick(fixture.now);
            for datagram in std::mem::take(&mut fixture.client.out) {
                fixture.take(&datagram);
                for (_, answer) in std::mem::take(&mut fixture.out) {
                    fixture.client.handle(fixture.now, &answer);
                }
            }
        }
        assert_eq!(fixture.uplink.path(fixture.now), Path::Connected);
        fixture
    }

    fn take(&mut self, datagram: &[u8]) {
        self.uplink.handle_datagram(self.now, address(CLIENT), datagram, &mut self.out);
    }

    fn sealed(&mut self, packet: &[u8]) -> Vec<u8> {
        self.client.send_rtp(packet);
        self.client.out.pop().expect("it was sealed")
    }

    fn n_events(&mut self) -> usize {
        let mut n_events = 0;
        while let Some(event) = self.uplink.poll_event() {
            n_events += usize::from(matches!(event, UpEvent::Rtp { .. }));
        }
        n_events
    }

    /// Seals and takes a packet; how many come out.
    fn n_of(&mut self, packet: &[u8]) -> usize {
        let datagram = self.sealed(packet);
        self.take(&datagram);
        self.n_events()
    }
}

fn packet(ssrc: u32, sequence: u16, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(body);
    packet
}

#[test]
fn a_replay_a_forgery_and_lies_about_lengths_are_dropped_and_counted() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.n_of(&packet(SSRC, 1, b"\x10\x00one")), 1);
    let datagram = fixture.sealed(&packet(SSRC, 2, b"\x10\x01two"));

    let before = metrics().packets_forged.get();
    for byte in [1, 3, 9, 12, datagram.len() - 1] {
        let mut forged = datagram.clone();
        forged[byte] ^= 1;
        fixture.take(&forged);
    }
    assert_eq!(fixture.n_events(), 0);
    assert!(metrics().packets_forged.get() >= before + 5);

    let before = metrics().packets_replayed.get();
    for _ in 0..3 {
        fixture.take(&datagram);
    }
    assert_eq!(fixture.n_events(), 1);
    assert!(metrics().packets_replayed.get() >= before + 2);

    let before = metrics().packets_malformed.get();
    // More padding than there is, and none though it is announced.
    for (sequence, last) in [(3, 200), (4, 0)] {
        let mut padded = packet(SSRC, sequence, &[0x10, 1, 2, last]);
        padded[0] |= 0x20;
        assert_eq!(fixture.n_of(&padded), 0);
    }
    // 1200 bytes of extensions; extensions longer than the packet; a packet longer than any path's.
    let mut bomb = packet(SSRC, 5, &[0xbe, 0xde, 1, 44]);
    bomb[0] |= 0x10;
    bomb.resize(bomb.len() + 1200 + 10, 0x10);
    assert_eq!(fixture.n_of(&bomb), 0);
    let mut cut = fixture.sealed(&packet(SSRC, 6, &[0x10; 40]));
    cut[0] |= 0x10;
    cut[14..16].copy_from_slice(&[0, 99]);
    fixture.take(&cut);
    assert_eq!(fixture.n_of(&packet(SSRC, 7, &[0x10; 9100])), 0);
    assert!(metrics().packets_malformed.get() >= before + 5);

    assert_eq!(fixture.n_of(&packet(SSRC, 8, b"\x10\x01still here")), 1);
    assert_eq!(fixture.uplink.path(fixture.now), Path::Connected);
}

#[test]
fn elements_of_extensions_without_end_are_no_burden() {
    let mut fixture = Fixture::new();
    for (sequence, element) in [(1, 0x00), (2, 0x10), (3, 0x20)] {
        let mut packet = packet(SSRC, sequence, &[0xbe, 0xde, 0, 127]);
        packet[0] |= 0x10;
        packet.resize(packet.len() + 508, element);
        packet.extend(b"\x10\x01body");
        assert_eq!(fixture.n_of(&packet), 1, "{element}");
    }
}

#[test]
fn sources_without_end_are_bounded_and_the_known_go_on() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.n_of(&packet(SSRC, 1, b"\x10\x00")), 1);
    for n in 0..10_000 {
        assert_eq!(fixture.n_of(&packet(1000 + n, 1, b"\x10\x00")), 1, "{n}");
        assert_eq!(fixture.n_of(&packet(SSRC, n as u16 + 2, b"\x10\x01")), 1, "{n}");
    }
    fixture.out.clear();
    // All of them are reported on, in datagrams of a size that goes through.
    fixture.now += Duration::from_secs(1);
    fixture.uplink.handle_timeout(fixture.now, &mut fixture.out);
    assert_eq!(fixture.out.len(), MAX_SOURCES.div_ceil(31));
    assert!(fixture.out.iter().all(|(_, datagram)| datagram.len() < 1200));
}

#[test]
fn gaps_without_end_ask_for_a_bounded_number() {
    let mut fixture = Fixture::new();
    for step in 0..60_u16 {
        fixture.n_of(&packet(SSRC, step * 500, b"\x10\x01"));
    }
    fixture.now += Duration::from_millis(20);
    fixture.out.clear();
    fixture.uplink.handle_timeout(fixture.now, &mut fixture.out);
    let n_bytes: usize = fixture.out.iter().map(|(_, datagram)| datagram.len()).sum();
    assert!(n_bytes < 200, "{n_bytes} bytes of requests");
}

/// Authentic noise: the client itself sends nonsense, in every section's and nobody's name.
#[test]
fn authentic_nonsense_makes_no_panic() {
    let mut fixture = Fixture::new();
    let mut random = Random(5);
    for round in 0..4000_u16 {
        let length = (random.next() % 60) as usize;
        let body: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        let mut noise = packet(SSRC + u32::from(round % 3), round, &body);
        noise[0] = 0x80 | if random.chance(30) { 0x20 } else { 0 };
        noise[1] = [96, 97, 225, 224, 120][(random.next() % 5) as usize];
        if random.chance(30) && body.len() >= 12 {
            noise[0] |= 0x10;
            // The library would not seal broken elements of RFC 8285; `rtp` has a test of its own.
            noise[12..16].copy_from_slice(&[0x12, 0x34, 0, (random.next() % 3) as u8]);
        }
        let datagram = fixture.sealed(&noise);
        fixture.take(&datagram);
        if round % 50 == 0 {
            let mut report = vec![0x80 | random.next() as u8 & 31, 200 + (round % 7) as u8, 0, 6];
            report.extend((0..24).map(|_| random.next() as u8));
            fixture.client.send_rtcp(&report);
            let datagram = fixture.client.out.pop().expect("it was sealed");
            fixture.take(&datagram);
        }
        fixture.now += Duration::from_millis(1);
        if fixture.uplink.poll_timeout().is_some_and(|due| due <= fixture.now) {
            fixture.uplink.handle_timeout(fixture.now, &mut fixture.out);
        }
        fixture.n_events();
    }
    assert_eq!(fixture.uplink.path(fixture.now), Path::Connected);
}
