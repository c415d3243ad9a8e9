//! The clients' process: one publisher that paces, viewers that count.

use std::{
    io::{BufRead, Write},
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    client::{Client, ClientShared},
    parse, quoted,
};

const PACKET_LEN: usize = 1200;
/// Packets a second.
const RATE: u32 = 1000;

/// What the threads share.
#[derive(Default)]
struct State {
    per_burst: AtomicUsize,
    received: AtomicU64,
    connected: AtomicUsize,
    end: AtomicBool,
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Plays one publisher and `n_viewers` until told to end.
pub(crate) fn run(n_viewers: usize) {
    let state = Arc::new(State::default());
    let shared = ClientShared::new();
    let mut publisher = Client::new(Instant::now(), &shared, "publisher");
    say(&format!("publish 1 {}", quoted(&publisher.offer(&[("0", "VP8", 1)]))));
    let mut viewers: Vec<Option<tokio::sync::mpsc::UnboundedSender<String>>> = Vec::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (word, number, text) = parse(&line);
        match word.as_str() {
            "answer" => {
                publisher.take_answer(&text);
                publish(publisher, Arc::clone(&state));
                publisher = Client::new(Instant::now(), &shared, "unused");
                say("published 0");
                for viewer in 0..n_viewers {
                    let (offers, receiver) = tokio::sync::mpsc::unbounded_channel();
                    viewers.push(Some(offers));
                    let client = Client::new(Instant::now(), &shared, &format!("v{viewer}"));
                    let number = viewer as u64 + 2;
                    runtime.spawn(view(client, number, receiver, Arc::clone(&state), n_viewers));
                    say(&format!("watch {number}"));
                }
            }
            "offer" => {
                let viewer = viewers.get(number as usize - 2).and_then(Option::as_ref);
                // overflow: one offer at a time is in flight.
                let _ = viewer.expect("a viewer").send(text);
            }
            "run" => {
                state.per_burst.store(number as usize, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(300));
                say("running 0");
            }
            "count" => say(&format!("received {}", state.received.load(Ordering::Relaxed))),
            _ => break,
        }
    }
    state.end.store(true, Ordering::Relaxed);
}

fn packet(sequence: u16, timestamp: u32, first: bool, marker: bool, keyframe: bool) -> Vec<u8> {
    let mut packet = vec![0x80, 96 | if marker { 0x80 } else { 0 }];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&timestamp.to_be_bytes());
    packet.extend_from_slice(&1_u32.to_be_bytes());
    packet.extend_from_slice(&[if first { 0x10 } else { 0 }, u8::from(!keyframe)]);
    packet.resize(PACKET_LEN, 0x5a);
    packet
}

/// Connects and paces: a keyframe of one packet ten times a second until a pattern is asked for.
fn publish(mut client: Client, state: Arc<State>) {
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        let server = client.server.expect("a candidate");
        let (mut sequence, mut timestamp) = (0_u16, 0_u32);
        let mut next = Instant::now();
        let mut buffer = [0; 2048];
        while !state.end.load(Ordering::Relaxed) {
            client.tick(Instant::now());
            while let Ok(len) = socket.recv(&mut buffer) {
                client.handle(Instant::now(), &buffer[..len]);
            }
            if client.connected() && Instant::now() >= next {
                let per_burst = state.per_burst.load(Ordering::Relaxed);
                let calm = per_burst == 0;
                let n_packets = per_burst.max(1);
                let pause = Duration::from_secs(1) * n_packets as u32 / RATE;
                next += if calm { Duration::from_millis(100) } else { pause };
                next = next.max(Instant::now() - pause);
                timestamp = timestamp.wrapping_add(3000);
                for index in 0..n_packets {
                    sequence = sequence.wrapping_add(1);
                    let last = index + 1 == n_packets;
                    client.send_rtp(&packet(sequence, timestamp, index == 0, last, calm));
                }
            }
            for datagram in client.out.drain(..) {
                let _ = socket.send_to(&datagram, server);
            }
            let wait = next.saturating_duration_since(Instant::now());
            std::thread::sleep(wait.clamp(Duration::from_micros(20), Duration::from_millis(5)));
        }
    });
}

async fn view(
    mut client: Client,
    number: u64,
    mut offers: tokio::sync::mpsc::UnboundedReceiver<String>,
    state: Arc<State>,
    n_viewers: usize,
) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut buffer = [0; 2048];
    let mut connected = false;
    loop {
        tokio::select! {
            offer = offers.recv() => {
                let Some(offer) = offer else { return };
                let (answer, _) = client.answer(&offer);
                say(&format!("answer {number} {}", quoted(&answer)));
            }
            _ = ticks.tick() => client.tick(Instant::now()),
            ready = socket.readable() => if ready.is_ok() {
                let mut n_packets = 0;
                while let Ok(len) = socket.try_recv(&mut buffer) {
                    if (128..192).contains(&buffer[0]) && len > PACKET_LEN {
                        n_packets += 1;
                    } else {
                        client.handle(Instant::now(), &buffer[..len]);
                    }
                }
                state.received.fetch_add(n_packets, Ordering::Relaxed);
            }
        }
        for datagram in std::mem::take(&mut client.out) {
            let server = client.server.expect("a candidate");
            let _ = socket.send_to(&datagram, server).await;
        }
        if client.connected() && !std::mem::replace(&mut connected, true) {
            let before = state.connected.fetch_add(1, Ordering::Relaxed);
            if before + 1 == n_viewers {
                say("connected 0");
            }
        }
    }
}
