//! The doors of the media plane, over real sockets on loopback.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    sync::watch,
    time::timeout,
};

use crate::{
    config::MediaSettings,
    ids::MemberId,
    protocol::{PublishTrack, TrackSource},
    seams::{
        Addresses,
        media::{Desired, DownWant, Observed, Path, UpWant},
    },
    sfu::{
        SfuHandle, SfuRoom, StartError,
        testing::client::{Client, ClientShared, Incoming},
        wire::tcp::frame::Deframer,
    },
};

fn start() -> (SfuHandle, watch::Sender<Arc<Addresses>>) {
    let (sender, addresses) = watch::channel(Arc::new(Addresses::loopback()));
    let settings = MediaSettings { ports: 0..=0, workers: 2, viewers_per_worker: 400, tcp: true };
    (SfuHandle::start(&settings, addresses).expect("free ports"), sender)
}

/// By what a client talks.
enum Socket {
    Udp(UdpSocket),
    /// Connected with the first datagram.
    Tcp(Option<TcpStream>, Deframer),
}

/// A client on a socket of its own.
pub(super) struct Peer {
    pub(super) client: Client,
    socket: Socket,
}

impl Peer {
    pub(super) async fn new(shared: &Arc<ClientShared>, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        Self { client: Client::new(Instant::now(), shared, name), socket: Socket::Udp(socket) }
    }

    /// One that UDP does not reach.
    fn by_tcp(shared: &Arc<ClientShared>, name: &str) -> Self {
        let socket = Socket::Tcp(None, Deframer::default());
        Self { client: Client::new(Instant::now(), shared, name), socket }
    }

    async fn send(&mut self, datagram: &[u8]) {
        let server = self.client.server.expect("a candidate");
        match &mut self.socket {
            Socket::Udp(socket) => {
                socket.send_to(datagram, server).await.expect("loopback sends");
            }
            Socket::Tcp(stream, _) => {
                if stream.is_none() {
                    *stream = Some(TcpStream::connect(server).await.expect("it listens"));
                }
                let framed = [&(datagram.len() as u16).to_be_bytes()[..], datagram].concat();
                let stream = stream.as_mut().expect("it is connected");
                // The box may have ended it: then nothing more comes.
                let _ = stream.write_all(&framed).await;
            }
        }
    }

    /// Datagrams that come within 5 ms; none if nothing does.
    async fn receive(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        let mut datagrams = Vec::new();
        let waited = match &mut self.socket {
            Socket::Udp(socket) => {
                timeout(Duration::from_millis(5), socket.recv(&mut buffer)).await
            }
            Socket::Tcp(Some(stream), _) => {
                timeout(Duration::from_millis(5), stream.read(&mut buffer)).await
            }
            Socket::Tcp(None, _) => return datagrams,
        };
        let Ok(Ok(len)) = waited else { return datagrams };
        match &mut self.socket {
            Socket::Udp(_) => datagrams.push(buffer[..len].to_vec()),
            Socket::Tcp(_, deframer) => {
                let taken = deframer.take(&buffer[..len], |frame| {
                    datagrams.push(frame.to_vec());
                    Ok(())
                });
                taken.expect("the box sends frames");
            }
        }
        datagrams
    }

    /// Sends what is to be sent, then takes what comes within 5 ms.
    pub(super) async fn turn(&mut self) -> Vec<Incoming> {
        self.client.tick(Instant::now());
        let mut incoming = Vec::new();
        loop {
            for datagram in std::mem::take(&mut self.client.out) {
                self.send(&datagram).await;
            }
            let datagrams = self.receive().await;
            if datagrams.is_empty() {
                return incoming;
            }
            for datagram in datagrams {
                incoming.push(self.client.handle(Instant::now(), &datagram));
            }
        }
    }
}

/// Waits for this member's next news.
pub(super) async fn news(
    room: &SfuRoom,
    member: MemberId,
    fits: impl Fn(&Observed) -> bool,
) -> Observed {
    loop {
        for (who, observed) in room.changed().await.members {
            if who == member && fits(&observed) {
                return observed;
            }
        }
    }
}

pub(super) fn keyframe(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96 | 0x80];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 3000).to_be_bytes());
    packet.extend_from_slice(&1_u32.to_be_bytes());
    packet.extend_from_slice(&[0x10, 0, 1, 2, 3, 4, 5, 6]);
    packet
}

async fn publish_and_watch(by_tcp: bool) {
    let (handle, _addresses) = start();
    assert_eq!(handle.ports().len(), 2);
    let room = handle.open_room(8);
    let shared = ClientShared::new();
    let (publisher, viewer) = (MemberId(1), MemberId(2));

    let mut up = match by_tcp {
        true => Peer::by_tcp(&shared, "up"),
        false => Peer::new(&shared, "up").await,
    };
    let track = PublishTrack { mid: "0".parse().expect("a mid"), source: TrackSource::Screen };
    let want = UpWant {
        generation: 1,
        revision: 1,
        offer: up.client.offer(&[("0", "VP8", 1)]).into(),
        tracks: Arc::new([track]),
    };
    room.desire(publisher, Desired { up: Some(want), down: None });
    let seen = news(&room, publisher, |seen| seen.up.is_some()).await;
    up.client.take_answer(&seen.up.expect("an up").answer.expect("an answer"));
    while !up.client.connected() {
        up.turn().await;
    }

    let mut down = match by_tcp {
        true => Peer::by_tcp(&shared, "down"),
        false => Peer::new(&shared, "down").await,
    };
    let mut want = DownWant {
        generation: 1,
        watch: BTreeSet::from([publisher]),
        hear: None,
        tiles: Arc::default(),
        answer: None,
        offer: None,
    };
    room.desire(viewer, Desired { up: None, down: Some(want.clone()) });
    // The track is offered as soon as its codec is known, and that by its first packet.
    up.client.send_rtp(&keyframe(1));
    up.turn().await;
    let offered = |seen: &Observed| seen.down.as_ref().is_some_and(|down| down.offer.is_some());
    let seen = news(&room, viewer, offered).await.down.expect("a down");
    let (answer, _) = down.client.answer(&seen.offer.expect("an offer"));
    want.answer = Some((seen.revision, answer.into()));
    room.desire(viewer, Desired { up: None, down: Some(want) });

    let mut sequence = 1;
    let payload = loop {
        sequence += 1;
        up.client.send_rtp(&keyframe(sequence));
        up.turn().await;
        let incoming = down.turn().await;
        let rtp = incoming.into_iter().find_map(|incoming| match incoming {
            Incoming::Rtp(packet) => Some(crate::sfu::testing::peer::parse_rtp(&packet).1.to_vec()),
            _ => None,
        });
        if let Some(payload) = rtp {
            break payload;
        }
    };
    assert_eq!(payload, [0x10, 0, 1, 2, 3, 4, 5, 6]);
    let connected =
        |seen: &Observed| seen.down.as_ref().is_some_and(|down| down.path == Path::Connected);
    news(&room, viewer, connected).await;

    handle.stop().await;
    assert!(down.turn().await.contains(&Incoming::Closed), "the viewer is told");
}

#[tokio::test]
async fn packets_cross_real_sockets_and_stopping_is_told() {
    let whole = timeout(Duration::from_secs(30), publish_and_watch(false));
    whole.await.expect("it does not hang");
}

#[tokio::test]
async fn packets_cross_streams_and_stopping_is_told() {
    let whole = timeout(Duration::from_secs(30), publish_and_watch(true));
    whole.await.expect("it does not hang");
}

#[tokio::test]
async fn a_worker_that_begins_anew_listens_again() {
    let (handle, _addresses) = start();
    let port = handle.ports()[0];
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    handle.fail(port);
    let mut buffer = [0; 8];
    let ended = timeout(Duration::from_secs(30), client.read(&mut buffer)).await;
    assert!(!matches!(ended.expect("it is ended with its thread"), Ok(1..)));
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens again");
    client.write_all(b"GET / HTTP/1.1\r\n").await.expect("it is read");
    let ended = timeout(Duration::from_secs(30), client.read(&mut buffer)).await;
    assert!(!matches!(ended.expect("and judged"), Ok(1..)));
    handle.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (handle, addresses) = start();
    let port = handle.ports()[0];
    let settings =
        MediaSettings { ports: port..=port, workers: 1, viewers_per_worker: 400, tcp: true };
    let error = SfuHandle::start(&settings, addresses.subscribe()).expect_err("it is in use");
    assert!(matches!(error, StartError::PortInUse { port: named, .. } if named == port));
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let settings =
        MediaSettings { ports: 10_000..=10_000, workers: 2, viewers_per_worker: 400, tcp: true };
    let error = SfuHandle::start(&settings, addresses.subscribe()).expect_err("too few");
    assert!(matches!(error, StartError::TooFewPorts { wanted: 2, found: 1 }));
    handle.stop().await;
}

#[tokio::test]
async fn dropping_every_handle_ends_the_threads() {
    let (handle, _addresses) = start();
    let port = handle.ports()[0];
    let room = handle.open_room(8);
    drop(handle);
    drop(room);
    let deadline = Instant::now() + Duration::from_secs(10);
    let is_held = |port| {
        crate::sfu::wire::socket::bind(port).is_err() || crate::sfu::wire::tcp::bind(port).is_err()
    };
    while is_held(port) {
        assert!(Instant::now() < deadline, "the port is still held");
        tokio::task::yield_now().await;
    }
}
