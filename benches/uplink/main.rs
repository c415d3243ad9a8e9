//! What a packet that comes in costs, from the datagram to the event, in memory.
//!
//! A client publishes 1200 B packets with a transport-wide number, 1000 a second of virtual time; they
//! are sealed beforehand and not counted. Our own up side and the library's connection behind the same
//! interface take the same traffic in the same run; a track's cache of 1024 packets is kept, and what
//! is due (receiver reports, transport-cc) is done. The floor is aws-lc alone: opening the same bytes
//! into one buffer. CPU is that of the thread. A second table has our own side with all around it:
//! a worker with its socket on loopback, 1000 packets a second, nobody watching.
//!
//! `cargo bench --bench uplink --features reference` prints the table.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};
use parlor::sfu::{
    link::credentials::IceCredentials,
    media::packet::Packet,
    testing::reference::{Reference, ReferenceShared, Side},
    up::{UpEvent, UpShared, Uplink},
};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use self::{
    client::{Client, ClientShared},
    floor::Floor,
};

#[path = "../../src/sfu/testing/client.rs"]
#[allow(dead_code)]
mod client;
mod counting;
mod floor;
mod socket;

const SSRC: u32 = 77;
const PAYLOAD_LEN: usize = 1160;
const CACHE_PACKETS: usize = 1024;
/// Packets sealed at a time: they stay in the processor's cache, as fresh datagrams do.
const BATCH: usize = 256;
const BATCHES: usize = 120;
const ROUNDS: usize = 7;
const CANDIDATE: &str = "candidate:1 1 udp 2130706431 127.0.0.1 10000 typ host";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// CPU time of this thread.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has it").into()
}

/// An offer of one picture, with transport-wide numbers.
fn offer(client: &Client) -> String {
    client.offer(&[("v", "VP8", SSRC)]).replace(
        "a=rtcp-fb:96 nack\r\n",
        &format!("a=rtcp-fb:96 nack\r\na=rtcp-fb:96 transport-cc\r\na=extmap:3 {TRANSPORT_CC}\r\n"),
    )
}

/// A packet of it, which begins no keyframe.
fn packet(sequence: u16) -> Vec<u8> {
    let number = sequence.to_be_bytes();
    let mut packet = vec![0x90, 96];
    packet.extend(number);
    packet.extend((u32::from(sequence) * 90).to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 1, 0x31, number[0], number[1], 0]);
    packet.extend([0x10, 0x01]);
    packet.resize(packet.len() + PAYLOAD_LEN - 2, 7);
    packet
}

/// One publisher and its connection.
struct Bench<S> {
    side: S,
    client: Client,
    now: Instant,
    sequence: u16,
    cache: Vec<Option<Packet>>,
    n_taken: usize,
}

fn from() -> SocketAddr {
    ([127, 0, 0, 1], 5000).into()
}

impl<S: Side> Bench<S> {
    fn connect(mut side: S, profile: SrtpProtectionProfile) -> Self {
        let now = Instant::now();
        let mut client = Client::new(now, &ClientShared::with_profile(profile), "one");
        let offer = offer(&client);
        let answer = side.offer(now, &offer).expect("an answer");
        client.take_answer(&answer);
        let cache = (0..CACHE_PACKETS).map(|_| None).collect();
        let mut bench = Self { side, client, now, sequence: 0, cache, n_taken: 0 };
        let mut is_connected = false;
        while !(is_connected && bench.client.connected()) {
            assert!(bench.now < now + Duration::from_secs(30), "the connection comes up");
            bench.now += Duration::from_millis(10);
            bench.client.tick(bench.now);
            for datagram in std::mem::take(&mut bench.client.out) {
                let mut out = Vec::new();
                bench.side.take(bench.now, from(), &datagram, &mut out);
                for (_, answer) in out {
                    bench.client.handle(bench.now, &answer);
                }
            }
            while let Some(event) = bench.side.next_event() {
                is_connected |= matches!(event, UpEvent::Connected);
            }
        }
        bench.client.out.clear();
        bench
    }

    /// The next packets, as they come from the network.
    fn sealed(&mut self) -> Vec<Vec<u8>> {
        for _ in 0..BATCH {
            self.sequence = self.sequence.wrapping_add(1);
            self.client.send_rtp(&packet(self.sequence));
        }
        std::mem::take(&mut self.client.out)
    }

    /// Nanoseconds and allocations a packet.
    fn round(&mut self) -> (f64, f64) {
        let mut spent = Duration::ZERO;
        let mut allocated = 0;
        let mut out = Vec::new();
        for _ in 0..BATCHES {
            let datagrams = self.sealed();
            let (before, allocated_before) = (cpu(), counting::n_allocations());
            for datagram in &datagrams {
                self.now += Duration::from_millis(1);
                self.side.take(self.now, from(), datagram, &mut out);
                while let Some(event) = self.side.next_event() {
                    if let UpEvent::Rtp { packet, .. } = event {
                        let slot = usize::from(packet.sequence) % CACHE_PACKETS;
                        self.cache[slot] = Some(packet);
                        self.n_taken += 1;
                    }
                }
                if self.side.due().is_some_and(|due| due <= self.now) {
                    self.side.timeout(self.now, &mut out);
                }
            }
            spent += cpu() - before;
            allocated += counting::n_allocations() - allocated_before;
            out.clear();
        }
        let n_packets = (BATCH * BATCHES) as f64;
        (spent.as_nanos() as f64 / n_packets, allocated as f64 / n_packets)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn credentials() -> IceCredentials {
    IceCredentials::from_random(std::array::from_fn(|nth| nth as u8))
}

fn main() {
    let mut out = io::stdout();
    let mut print = |line: String| {
        let _ = writeln!(out, "{line}");
    };
    print("| cipher | side | ns a packet | x floor | allocations a packet |".into());
    print("|---|---|---|---|---|".into());
    let up = UpShared::new().expect("a certificate");
    let reference = ReferenceShared::new().expect("a certificate");
    let ciphers = [
        ("AES-GCM", SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm),
        ("AES-CM", SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80),
    ];
    for (name, profile) in ciphers {
        let candidates: Arc<[String]> = [CANDIDATE.to_owned()].into();
        let uplink = Uplink::new(&up, credentials(), candidates, from(), Instant::now());
        let mut own = Bench::connect(uplink.expect("an uplink"), profile);
        let mut library = Bench::connect(Reference::new(&reference, credentials()), profile);
        let mut floor = Floor::new(name == "AES-GCM");
        let (mut of_own, mut of_library, mut of_floor) = (Vec::new(), Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=ROUNDS {
            let rounds = (own.round(), library.round(), floor.round());
            if round > 0 {
                of_own.push(rounds.0);
                of_library.push(rounds.1);
                of_floor.push(rounds.2);
            }
        }
        assert_eq!(own.n_taken, (ROUNDS + 1) * BATCH * BATCHES, "every packet came out");
        assert_eq!(own.n_taken, library.n_taken);
        let floor_ns = median(of_floor);
        for (side, rounds) in [("own", of_own), ("library", of_library)] {
            let ns = median(rounds.iter().map(|(ns, _)| *ns).collect());
            let allocations = median(rounds.iter().map(|(_, n)| *n).collect());
            let times = ns / floor_ns;
            print(format!("| {name} | {side} | {ns:.0} | {times:.2} | {allocations:.2} |"));
        }
        print(format!("| {name} | floor | {floor_ns:.0} | 1.00 | 0 |"));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    print(String::new());
    print("| cipher | with socket and worker | us a packet |".into());
    print("|---|---|---|".into());
    for (name, profile) in ciphers {
        let costs = runtime.block_on(socket::measure(profile, &[33, 1]));
        for (pattern, us) in ["frames of 33", "singly"].iter().zip(costs) {
            print(format!("| {name} | {pattern} | {us:.2} |"));
        }
    }
    for (pattern, per_burst) in [("frames of 33", 33), ("singly", 1)] {
        let us = socket::bare_receive(per_burst);
        print(format!("| none: a thread in `recv` | {pattern} | {us:.2} |"));
    }
}
