//! What the machine asks at least: AES-128-GCM of a packet and the system call that sends it.

use std::{
    fs,
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use quinn_udp::{Transmit, UdpSocketState};

const PACKET_LEN: usize = 1200;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 12;
const SINKS: usize = 20;

/// Microseconds of CPU a packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    /// Seal and `sendto`.
    pub(crate) single_us: f64,
    /// Seal eight, and one GSO send.
    pub(crate) gso_us: f64,
}

fn thread_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let first = stat.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(first.expect("nanoseconds on the CPU"))
}

struct Sealer {
    key: LessSafeKey,
    payload: Vec<u8>,
    counter: u64,
}

impl Sealer {
    fn seal(&mut self, out: &mut [u8]) {
        self.counter += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        let (header, rest) = out.split_at_mut(HEADER_LEN);
        header.copy_from_slice(&nonce);
        let body_len = PACKET_LEN - HEADER_LEN;
        rest[..body_len].copy_from_slice(&self.payload);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), &mut rest[..body_len])
            .expect("a packet can be sealed");
        rest[body_len..body_len + TAG_LEN].copy_from_slice(tag.as_ref());
    }
}

/// Medians of three rounds each.
pub(crate) fn measure_floor() -> Floor {
    let stop = Arc::new(AtomicBool::new(false));
    let sinks: Vec<UdpSocket> =
        (0..SINKS).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
    let targets: Vec<_> = sinks.iter().map(|sink| sink.local_addr().expect("bound")).collect();
    let reader = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            super::server::pin(1);
            sinks.iter().for_each(|sink| sink.set_nonblocking(true).expect("a socket"));
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                for sink in &sinks {
                    while sink.recv(&mut buffer).is_ok() {}
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let state = UdpSocketState::new((&socket).into()).expect("socket options");
    let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("sixteen bytes");
    let mut sealer = Sealer {
        key: LessSafeKey::new(key),
        payload: vec![9; PACKET_LEN - HEADER_LEN],
        counter: 0,
    };
    let mut measure = |per_send: usize| {
        let rounds = (0..3).map(|_| {
            let mut n_packets = 0;
            // The kernel brings the count up to date when the thread sleeps.
            std::thread::sleep(Duration::from_micros(500));
            let before = thread_cpu();
            while n_packets < 8_000 {
                for target in targets.iter().chain(&targets) {
                    n_packets += send(&socket, &state, &mut sealer, *target, per_send);
                }
                // The readers are to keep up: dropping is cheaper than delivering.
                std::thread::sleep(Duration::from_micros(500));
            }
            let spent = thread_cpu() - before;
            spent.as_secs_f64() * 1e6 / n_packets as f64
        });
        super::talk::median(rounds.collect())
    };
    let floor = Floor { single_us: measure(1), gso_us: measure(8) };
    stop.store(true, Ordering::Relaxed);
    let _ = reader.join();
    floor
}

/// A frame's worth to one peer.
fn send(
    socket: &UdpSocket,
    state: &UdpSocketState,
    sealer: &mut Sealer,
    target: std::net::SocketAddr,
    per_send: usize,
) -> usize {
    const SEALED: usize = PACKET_LEN + TAG_LEN;
    let mut buffer = [0; 8 * SEALED];
    for slot in buffer.chunks_exact_mut(SEALED).take(per_send) {
        sealer.seal(slot);
    }
    let contents = &buffer[..per_send * SEALED];
    if per_send == 1 {
        let _ = socket.send_to(contents, target);
    } else {
        let segment_size = Some(SEALED);
        let transmit =
            Transmit { destination: target, ecn: None, contents, segment_size, src_ip: None };
        let _ = state.try_send(socket.into(), &transmit);
    }
    per_send
}
