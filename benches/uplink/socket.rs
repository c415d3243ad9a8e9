//! The same with everything around it: a worker's thread with its socket, demultiplexer and cache.
//!
//! One publisher on loopback, nobody watches. CPU is that of the worker's thread.

use std::{
    fs,
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parlor::{
    config::MediaSettings,
    ids::MemberId,
    protocol::{PublishTrack, TrackSource},
    seams::Addresses,
    sfu::{Desired, SfuHandle, UpWant},
    telemetry::metrics::metrics,
};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use tokio::sync::watch;

use super::{
    client::{Client, ClientShared},
    median, offer, packet,
};

const RATE: u32 = 1000;
const RUNS: usize = 3;
const RUN_FOR: Duration = Duration::from_secs(2);

/// On-CPU time of the worker's thread.
fn worker_cpu() -> Duration {
    for task in fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim() == "sfu-0" {
            let stat = fs::read_to_string(task.path().join("schedstat")).expect("schedstat");
            let first = stat.split(' ').next().and_then(|ns| ns.parse().ok());
            return Duration::from_nanos(first.expect("nanoseconds on the CPU"));
        }
    }
    panic!("no worker thread");
}

/// Microseconds of the worker a packet, for packets in frames and for single ones.
pub(crate) async fn measure(profile: SrtpProtectionProfile, bursts: &[u64]) -> Vec<f64> {
    let (_sender, addresses) = watch::channel(Arc::new(Addresses::loopback()));
    let settings = MediaSettings { ports: 0..=0, workers: 1, viewers_per_worker: 400, tcp: true };
    let handle = SfuHandle::start(&settings, addresses).expect("a free port");
    let room = handle.open_room(8);
    let mut client = Client::new(Instant::now(), &ClientShared::with_profile(profile), "one");
    let track = PublishTrack { mid: "v".parse().expect("a mid"), source: TrackSource::Camera };
    let up = UpWant {
        generation: 1,
        revision: 1,
        offer: offer(&client).into(),
        tracks: Arc::new([track]),
    };
    room.desire(MemberId(1), Desired { up: Some(up), down: None });
    let answer = loop {
        let seen = room.changed().await;
        if let Some(up) = seen.members.into_iter().find_map(|(_, seen)| seen.up) {
            break up.answer.expect("an answer");
        }
    };
    client.take_answer(&answer);
    let (per_burst, end) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
    let publisher = std::thread::spawn({
        let (per_burst, end) = (per_burst.clone(), end.clone());
        move || publish(client, &per_burst, &end)
    });
    let begin = metrics().packets_in.get();
    while metrics().packets_in.get() < begin + 100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut costs = Vec::new();
    for burst in bursts {
        per_burst.store(*burst, Ordering::Relaxed);
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let (cpu, n) = (worker_cpu(), metrics().packets_in.get());
            tokio::time::sleep(RUN_FOR).await;
            let (cpu, n) = (worker_cpu() - cpu, metrics().packets_in.get() - n);
            runs.push(cpu.as_secs_f64() * 1e6 / n as f64);
        }
        costs.push(median(runs));
    }
    end.store(true, Ordering::Relaxed);
    let _ = publisher.join();
    handle.stop().await;
    costs
}

/// Connects and paces.
#[allow(clippy::disallowed_methods, reason = "the pauses are what is wanted")]
fn publish(mut client: Client, per_burst: &AtomicU64, end: &AtomicBool) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_nonblocking(true).expect("a socket");
    let server = client.server.expect("a candidate");
    let mut sequence = 0_u16;
    let mut next = Instant::now();
    let mut buffer = [0; 2048];
    while !end.load(Ordering::Relaxed) {
        client.tick(Instant::now());
        while let Ok(len) = socket.recv(&mut buffer) {
            client.handle(Instant::now(), &buffer[..len]);
        }
        if client.connected() && Instant::now() >= next {
            let n_packets = per_burst.load(Ordering::Relaxed) as u32;
            next = (next + Duration::from_secs(1) * n_packets / RATE)
                .max(Instant::now() - Duration::from_millis(50));
            for _ in 0..n_packets {
                sequence = sequence.wrapping_add(1);
                client.send_rtp(&packet(sequence));
            }
        }
        for datagram in client.out.drain(..) {
            let _ = socket.send_to(&datagram, server);
        }
        let wait = next.saturating_duration_since(Instant::now());
        std::thread::sleep(wait.clamp(Duration::from_micros(20), Duration::from_millis(5)));
    }
}

/// Microseconds a packet of a thread that blocks in `recv` and does nothing with what it gets.
#[allow(clippy::disallowed_methods, reason = "the pauses are what is wanted")]
pub(crate) fn bare_receive(per_burst: u32) -> f64 {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = receiver.local_addr().expect("bound");
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        let (mut n_packets, before) = (0_u32, super::cpu());
        while receiver.recv(&mut buffer).is_ok_and(|length| length > 1) {
            n_packets += 1;
        }
        (super::cpu() - before).as_secs_f64() * 1e6 / f64::from(n_packets)
    });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let datagram = [9; 1200];
    let mut next = Instant::now();
    let end = next + RUN_FOR;
    while next < end {
        for _ in 0..per_burst {
            let _ = socket.send_to(&datagram, server);
        }
        next += Duration::from_secs(1) * per_burst / RATE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let _ = socket.send_to(&[0], server);
    thread.join().expect("it ends")
}
