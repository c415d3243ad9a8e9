//! The doors of the media plane, over a real socket on loopback.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::UdpSocket, sync::watch};

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
    },
};

fn start() -> (SfuHandle, watch::Sender<Arc<Addresses>>) {
    let (sender, addresses) = watch::channel(Arc::new(Addresses::loopback()));
    let settings = MediaSettings { ports: 0..=0, workers: 2, viewers_per_worker: 400, tcp: true };
    (SfuHandle::start(&settings, addresses).expect("free ports"), sender)
}

/// A client on a socket of its own.
pub(super) struct Peer {
    pub(super) client: Client,
    socket: UdpSocket,
}

impl Peer {
    pub(super) async fn new(shared: &Arc<ClientShared>, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        Self { client: Client::new(Instant::now(), shared, name), socket }
    }

    /// Sends what is to be sent, then takes what comes within 5 ms.
    pub(super) async fn turn(&mut self) -> Vec<Incoming> {
        self.client.tick(Instant::now());
        let mut incoming = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            for datagram in std::mem::take(&mut self.client.out) {
                let server = self.client.server.expect("a candidate");
                self.socket.send_to(&datagram, server).await.expect("loopback sends");
            }
            let received = self.socket.recv_from(&mut buffer);
            match tokio::time::timeout(Duration::from_millis(5), received).await {
                Ok(Ok((len, _))) => {
                    incoming.push(self.client.handle(Instant::now(), &buffer[..len]));
                }
                _ => return incoming,
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

async fn publish_and_watch() {
    let (handle, _addresses) = start();
    assert_eq!(handle.ports().len(), 2);
    let room = handle.open_room(8);
    let shared = ClientShared::new();
    let (publisher, viewer) = (MemberId(1), MemberId(2));

    let mut up = Peer::new(&shared, "up").await;
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

    let mut down = Peer::new(&shared, "down").await;
    let mut want = DownWant {
        generation: 1,
        watch: BTreeSet::from([publisher]),
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
    let whole = tokio::time::timeout(Duration::from_secs(30), publish_and_watch());
    whole.await.expect("it does not hang");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (handle, addresses) = start();
    let port = handle.ports()[0];
    let settings =
        MediaSettings { ports: port..=port, workers: 1, viewers_per_worker: 400, tcp: true };
    let error = SfuHandle::start(&settings, addresses.subscribe()).expect_err("it is in use");
    assert!(matches!(error, StartError::PortInUse { port: named } if named == port));
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
    while crate::sfu::wire::socket::bind(port).is_err() {
        assert!(Instant::now() < deadline, "the port is still held");
        tokio::task::yield_now().await;
    }
}
