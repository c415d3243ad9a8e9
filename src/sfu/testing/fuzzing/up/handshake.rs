//! A real client's handshake over a network that the fuzzer has in its hand.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use super::{CLIENT, Input, OFFER, UpShared, Uplink, check, credentials, shared};
use crate::{
    seams::media::Path,
    sfu::link::transport::CLOSED_AFTER,
    sfu::testing::{
        dtls_client::{Client, Repeats},
        fuzzing::dtls::{Stage, Weak, begin},
    },
};

/// Between two checks of a client that connects.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// By when a handshake is through that nothing disturbs any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// Datagrams that may be lost, doubled or late where a handshake must succeed all the same: what
/// comes twice counts towards the bytes that are taken.
const MAX_TROUBLES: u32 = 16;
/// The fingerprint that the offer names, and which nobody has.
const NOBODYS: &str = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

/// Datagrams on their way, oldest first, and what has arrived.
#[derive(Default)]
struct Wire {
    queue: VecDeque<(bool, Vec<u8>)>,
    past: Vec<(bool, Vec<u8>)>,
}

/// What has been done to the handshake.
#[derive(Default)]
struct Harm {
    n_troubles: u32,
    /// Something was changed or made up.
    is_forged: bool,
}

impl Wire {
    fn put(&mut self, to_server: bool, datagrams: impl IntoIterator<Item = Vec<u8>>) {
        self.queue.extend(datagrams.into_iter().map(|datagram| (to_server, datagram)));
        assert!(self.queue.len() <= 1000, "they talk without end");
    }

    /// The next datagram that arrives, after what the fuzzer does to it.
    fn next(&mut self, input: &mut Input<'_>, harm: &mut Harm) -> Option<(bool, Vec<u8>)> {
        let (to_server, mut datagram) = self.queue.pop_front()?;
        let kind = input.byte();
        harm.n_troubles += u32::from((6..=9).contains(&(kind & 15)));
        harm.is_forged |= (10..=13).contains(&(kind & 15));
        match kind & 15 {
            6 => return None,
            7 => self.queue.push_front((to_server, datagram.clone())),
            8 => {
                self.queue.push_back((to_server, datagram));
                return None;
            }
            9 if !self.past.is_empty() => {
                let old = usize::from(input.byte()) % self.past.len();
                self.queue.push_front(self.past[old].clone());
            }
            10 => datagram.truncate(input.word().into()),
            11 => {
                let at = usize::from(input.word()) % datagram.len().max(1);
                let bits = input.byte();
                datagram.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
            }
            12 => {
                let at = usize::from(input.word()) % datagram.len().max(1);
                let (n_old, new) = (usize::from(input.byte()), input.chunk());
                let end = datagram.len().min(at + n_old);
                datagram.splice(at..end, new.iter().copied());
            }
            13 => self.queue.push_front((kind & 16 == 0, input.long_chunk().to_vec())),
            14 => {
                let fits = |next: &(bool, Vec<u8>)| {
                    next.0 == to_server && next.1.len() + datagram.len() <= 1400
                };
                if self.queue.front().is_some_and(fits) {
                    datagram.extend(self.queue.pop_front().unwrap_or_default().1);
                }
            }
            _ => {}
        }
        if self.past.len() < 256 {
            self.past.push((to_server, datagram.clone()));
        }
        Some((to_server, datagram))
    }
}

struct Scene {
    now: Instant,
    uplink: Uplink,
    client: Client,
    wire: Wire,
    check: Vec<u8>,
    next_check: Instant,
    out: Vec<(SocketAddr, Vec<u8>)>,
}

impl Scene {
    fn new(stage: &Stage, setup: u8) -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        let fingerprint = shared::hex(stage.server.fingerprint());
        let up = Arc::new(UpShared { dtls: stage.server.clone(), fingerprint });
        let candidates = ["candidate:1 1 udp 1 192.0.2.3 3 typ host".to_owned()];
        let mut uplink = Uplink::new(&up, credentials(), Arc::new(candidates), CLIENT, now)
            .expect("it cannot fail");
        let named = shared::hex(&stage.fingerprint);
        let offer = if is_vouched(setup) { OFFER.replace(NOBODYS, &named) } else { OFFER.into() };
        uplink.handle_offer(now, &offer).expect("the offer is good");
        let config = stage.client(setup & 4 == 0);
        let mut client = Client::new(now, config, Repeats::Flight);
        let mut wire = Wire::default();
        wire.put(true, client.drain(now));
        let check = check(&credentials());
        let mut scene = Self { now, uplink, client, wire, check, next_check: now, out: Vec::new() };
        scene.check();
        scene
    }

    /// One datagram arrives, or time passes until something is due.
    fn step(&mut self, input: &mut Input<'_>, harm: &mut Harm) {
        if !self.wire.queue.is_empty() {
            self.now += Duration::from_millis(5);
            match self.wire.next(input, harm) {
                Some((true, datagram)) => {
                    self.uplink.handle_datagram(self.now, CLIENT, &datagram, &mut self.out);
                }
                Some((false, datagram)) if !self.client.failed => {
                    let sent = self.client.handle(self.now, &datagram);
                    self.wire.put(true, sent);
                }
                _ => {}
            }
        } else {
            let timers = [self.uplink.poll_timeout(), self.client_timeout()];
            let due = timers.into_iter().flatten().chain([self.next_check]).min();
            assert!(due >= Some(self.now), "something is due that was done");
            self.now = due.unwrap_or(self.next_check);
        }
        self.check();
        if self.client_timeout().is_some_and(|due| due <= self.now) {
            let sent = self.client.handle_timeout(self.now);
            self.wire.put(true, sent);
        }
        if self.uplink.poll_timeout().is_some_and(|due| due <= self.now) {
            self.uplink.handle_timeout(self.now, &mut self.out);
            let next = self.uplink.poll_timeout();
            assert!(next.is_none_or(|due| due > self.now), "it does not come to rest");
        }
        for (to, datagram) in self.out.drain(..) {
            assert!(to == CLIENT && datagram.len() <= 1400, "{} bytes", datagram.len());
            if matches!(datagram.first(), Some(20..=63)) {
                self.wire.put(false, [datagram]);
            }
        }
    }

    /// The client's checks are not the fuzzer's: without them nothing is heard.
    fn check(&mut self) {
        if self.next_check <= self.now {
            self.uplink.handle_datagram(self.now, CLIENT, &self.check, &mut self.out);
            self.next_check = self.now + CHECK_EVERY;
        }
    }

    fn client_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout().filter(|_| !self.client.failed)
    }

    fn is_connected(&self) -> bool {
        self.uplink.link.is_connected()
    }
}

fn is_vouched(setup: u8) -> bool {
    setup & 1 == 0
}

/// A handshake whose datagrams are lost, doubled, late, cut, changed or made up. It succeeds where
/// nothing was changed; where it does, both have the same keys and the client's certificate is the
/// one that its offer names; and where it does not, the connection ends with the client's checks.
pub fn dtls_handshake(bytes: &[u8]) {
    static STAGES: LazyLock<[Stage; 2]> =
        LazyLock::new(|| [Weak::Nothing, Weak::Records].map(Stage::new));
    begin();
    let mut input = Input::new(bytes);
    let setup = input.byte();
    let stage = &STAGES[usize::from(setup >> 1 & 1)];
    let mut scene = Scene::new(stage, setup);
    let mut harm = Harm::default();
    // It has half a minute in all.
    let until = scene.now + CLOSED_AFTER - PATIENCE - CHECK_EVERY;
    while !input.is_empty() && scene.now < until {
        scene.step(&mut input, &mut harm);
        check_keys(&scene, stage, setup);
    }
    let undisturbed_at = scene.now;
    while scene.now < undisturbed_at + PATIENCE && !(scene.is_connected() && scene.client.completed)
    {
        scene.step(&mut Input::new(&[]), &mut harm);
        check_keys(&scene, stage, setup);
    }
    if is_vouched(setup) && !harm.is_forged && harm.n_troubles <= MAX_TROUBLES {
        assert!(scene.is_connected() && scene.client.completed, "{:?}", scene.uplink);
    }
    scene.now += CLOSED_AFTER;
    scene.uplink.handle_timeout(scene.now, &mut scene.out);
    assert_eq!(scene.uplink.path(scene.now), Path::Closed);
    assert_eq!(scene.uplink.poll_timeout(), None);
}

fn check_keys(scene: &Scene, stage: &Stage, setup: u8) {
    if !scene.is_connected() {
        return;
    }
    assert!(is_vouched(setup), "connected, and the certificate is not the offer's");
    let keys = scene.uplink.link.dtls().keys().expect("it is connected");
    assert_eq!(keys.fingerprint, stage.fingerprint);
    assert!(!scene.client.completed || scene.client.agrees(&keys), "the keys differ");
}
