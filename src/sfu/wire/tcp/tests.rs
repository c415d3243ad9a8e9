//! Real connections over loopback; time is the test's.

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::TcpStream,
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{frame::Deframer, queue::MAX_QUEUED, *};
use crate::sfu::wire::outbox::{Outbox, Sink};

const SOUND: ViewerKey = ViewerKey { room: 0, viewer: 1, is_sound: true };
const PICTURE: ViewerKey = ViewerKey { room: 0, viewer: 1, is_sound: false };

/// A binding request of nobody: the shape is what streams look at.
const CHECK: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
const MEDIA: [u8; 40] = [0x80; 40];

/// Believes every check but those that end with an odd byte.
#[derive(Default)]
struct Everybody {
    seen: Vec<(Peer, Vec<u8>)>,
    known: HashSet<Peer>,
    gone: Vec<Peer>,
    newest: Option<Route>,
}

impl Intake for Everybody {
    fn take(&mut self, from: Route, frame: &[u8]) {
        self.newest = Some(from);
        self.seen.push((from.peer, frame.to_vec()));
        if frame[0] == 0 && frame[frame.len() - 1].is_multiple_of(2) {
            self.known.insert(from.peer);
        }
    }

    fn knows(&self, peer: Peer) -> bool {
        self.known.contains(&peer)
    }

    fn gone(&mut self, peer: Peer) {
        self.known.remove(&peer);
        self.gone.push(peer);
    }
}

struct Bench {
    now: Instant,
    port: u16,
    streams: Streams,
    all: Everybody,
    outbox: Outbox,
}

/// Sends by TCP alone.
struct ByTcp<'a>(&'a mut Streams, Instant);

impl Sink for ByTcp<'_> {
    fn send(&mut self, arena: &[u8], messages: &[Message], dropped: &mut Vec<usize>) {
        self.0.send(self.1, arena, messages, dropped);
        self.0.flush(self.1);
    }
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u16).to_be_bytes()[..], frame].concat()
}

fn believed() -> Vec<u8> {
    let mut check = CHECK;
    check[19] = 8;
    framed(&check)
}

impl Bench {
    fn new() -> Self {
        let listener = bind(0).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        Self {
            now: Instant::now() + Duration::from_secs(3600),
            port,
            streams: Streams::new(listener).expect("it listens"),
            all: Everybody::default(),
            outbox: Outbox::new(),
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).expect("it listens")
    }

    /// Until something is so.
    fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        while !so(self) {
            let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
            let epoll = self.streams.as_fd();
            let n = poll(&mut [PollFd::from_borrowed_fd(epoll, PollFlags::IN)], Some(&limit));
            assert_eq!(n, Ok(1), "nothing more happens: {what}");
            self.streams.receive(self.now, &mut self.all);
        }
    }

    /// A connection of a member.
    fn member(&mut self) -> (TcpStream, Route) {
        let mut client = self.connect();
        let n_before = self.all.known.len();
        client.write_all(&believed()).expect("it is read");
        self.until("it is known", |bench| bench.all.known.len() > n_before);
        (client, self.all.newest.expect("it has spoken"))
    }

    /// Sends one packet; the viewers that lost something by it.
    fn send(&mut self, owner: ViewerKey, to: Route, len: usize, mark: u8) -> Vec<ViewerKey> {
        let sink = &mut ByTcp(&mut self.streams, self.now);
        self.outbox.seal(owner, to, len, sink, |space| {
            space[..len].fill(mark);
            Some(len)
        });
        self.outbox.send(sink);
        let mut losses = self.outbox.take_losses();
        losses.extend(self.streams.take_losses());
        losses
    }

    fn tick(&mut self) {
        self.streams.handle_timeout(self.now, &mut self.all);
    }
}

/// It was ended by us.
fn has_ended(client: &mut TcpStream) -> bool {
    // What came too late for us to read makes the end a reset.
    !matches!(client.read(&mut [0; 64]), Ok(len) if len > 0)
}

#[test]
fn frames_come_whole_however_they_are_written_and_answers_go_framed() {
    let mut bench = Bench::new();
    let mut client = bench.connect();
    let stream = [believed(), framed(&MEDIA), framed(&[]), believed()].concat();
    let mut n_sent = 0;
    for piece in stream.chunks(9) {
        client.write_all(piece).expect("it is read");
        n_sent += piece.len();
        let n_whole = [22, 64, 88].iter().filter(|end| **end <= n_sent).count();
        bench.until("whole frames are taken", move |bench| bench.all.seen.len() >= n_whole);
        assert_eq!(bench.all.seen.len(), n_whole);
    }
    let route = bench.all.newest.expect("it has spoken");
    assert_eq!(route.peer.address, client.local_addr().expect("it is connected"));
    assert_eq!(route.local, Some([127, 0, 0, 1].into()));
    for (len, mark) in [(100, 1), (1200, 2), (1200, 3)] {
        assert_eq!(bench.send(PICTURE, route, len, mark), []);
    }
    let mut answer = vec![0; 102 + 2 * 1202];
    client.read_exact(&mut answer).expect("all was sent");
    let expected = [framed(&[1; 100]), framed(&[2; 1200]), framed(&[3; 1200])].concat();
    assert_eq!(answer, expected);
}

#[test]
fn what_is_no_media_ends_its_own_connection_and_no_other() {
    let mut bench = Bench::new();
    let (mut member, route) = bench.member();
    let early = framed(&MEDIA);
    let strange = [believed(), framed(&[0xff; 30])].concat();
    let long = [believed(), vec![0xff, 0xff, 1, 2, 3]].concat();
    for bad in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01", &early, &strange, &long]
    {
        let mut client = bench.connect();
        client.write_all(bad).expect("it is read");
        let n_gone = bench.all.gone.len();
        bench.until("it is ended", |bench| bench.all.gone.len() > n_gone);
        assert!(has_ended(&mut client), "{bad:?}");
    }
    assert_eq!(bench.streams.streams.len(), 1);
    assert_eq!(bench.send(PICTURE, route, 50, 5), []);
    let mut got = [0; 52];
    member.read_exact(&mut got).expect("it goes on");
    // Another connection from wherever is another peer: nothing goes there that was for this one.
    drop(member);
    bench.until("its end is seen", |bench| bench.all.gone.contains(&route.peer));
    let (_, next) = bench.member();
    assert_ne!(next.peer.protocol, route.peer.protocol);
    assert_eq!(bench.send(PICTURE, route, 50, 5), [PICTURE], "there is nobody any more");
}

#[test]
fn a_client_that_reads_nothing_holds_little_and_hears_what_is_new_when_it_reads_again() {
    let mut bench = Bench::new();
    let (mut client, route) = bench.member();
    let mut n_losses = 0;
    // Ten seconds of 4 Mbit/s and of sound.
    for n in 0..500_u32 {
        for _ in 0..8 {
            n_losses += bench.send(PICTURE, route, 1200, 2).len();
        }
        let losses = bench.send(SOUND, route, 100, n.to_be_bytes()[3]);
        n_losses += losses.iter().filter(|key| !key.is_sound).count();
        bench.now += Duration::from_millis(20);
        assert!(bench.streams.n_held <= MAX_QUEUED, "{} bytes are held", bench.streams.n_held);
    }
    assert!(n_losses > 0, "the router is told, and waits for a keyframe");
    // It reads again: frames are whole, and the end of the sound is there.
    let (mut deframer, mut heard, mut buffer) = (Deframer::default(), Vec::new(), [0; 16 * 1024]);
    client.set_nonblocking(true).expect("it can");
    let newest = Some(&(499_u32.to_be_bytes()[3]));
    while heard.last() != newest || bench.streams.n_held > 0 {
        bench.streams.receive(bench.now, &mut bench.all);
        let Ok(len) = client.read(&mut buffer) else { continue };
        assert!(len > 0, "it was not ended");
        let taken = deframer.take(&buffer[..len], |frame| {
            assert!(frame.iter().all(|byte| *byte == frame[0]), "a frame of two");
            if frame.len() == 100 {
                heard.push(frame[0]);
            }
            Ok(())
        });
        taken.expect("it has kept its place");
    }
    let n_late = heard.len();
    assert!((25..500).contains(&n_late), "a second or less, and what the kernel had: {n_late}");
}

#[test]
fn whoever_says_nothing_is_ended_in_time_and_who_has_left_the_room_at_once() {
    let mut bench = Bench::new();
    let mut stranger = bench.connect();
    bench.until("it is accepted", |bench| bench.streams.streams.len() == 1);
    stranger.write_all(&framed(&CHECK)).expect("it is read");
    bench.until("it has spoken", |bench| bench.all.seen.len() == 1);
    let (mut member, route) = bench.member();
    bench.now += LIMITS.unfinished - SWEEP / 2;
    bench.tick();
    assert_eq!(bench.streams.streams.len(), 2);
    bench.now += SWEEP;
    bench.tick();
    assert!(has_ended(&mut stranger));
    assert_eq!(bench.streams.streams.len(), 1);
    let (mut silent, other) = bench.member();
    bench.all.known.remove(&route.peer);
    bench.now += SWEEP;
    bench.tick();
    assert!(has_ended(&mut member));
    assert!(bench.streams.poll_timeout().is_some_and(|due| due <= bench.now + SWEEP));
    bench.now += LIMITS.silent;
    bench.tick();
    assert!(has_ended(&mut silent));
    assert_eq!(bench.all.gone.last(), Some(&other.peer));
    assert_eq!(bench.streams.poll_timeout(), None, "nothing is left to look after");
}

#[test]
fn a_burst_of_connections_is_taken_little_by_little() {
    let mut bench = Bench::new();
    let clients: Vec<TcpStream> = (0..3 * MAX_ACCEPTS).map(|_| bench.connect()).collect();
    bench.until("some are accepted", |bench| !bench.streams.is_empty());
    assert_eq!(bench.streams.streams.len(), MAX_ACCEPTS);
    assert!(!bench.streams.receive(bench.now, &mut bench.all), "the rest waits");
    while bench.streams.streams.len() < clients.len() {
        bench.now = bench.streams.poll_timeout().expect("it goes on");
        bench.tick();
        let n_before = bench.streams.streams.len();
        bench.until("more are accepted", |bench| bench.streams.streams.len() > n_before);
    }
}
