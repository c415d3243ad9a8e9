//! A media thread that panics, as programs live through it that know nothing of rooms: those of WHIP and
//! WHEP, whose session is an HTTP resource and a connection.

use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::*;
use crate::{
    protocol::{PublishTrack, TrackSource},
    sfu::testing::client::{Client, ClientShared, Incoming},
};

/// A program with one connection.
struct Program {
    client: Client,
    socket: UdpSocket,
}

impl Program {
    async fn new(shared: &Arc<ClientShared>, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        Self { client: Client::new(Instant::now(), shared, name), socket }
    }

    /// Sends what is to be sent, then takes what comes within 5 ms. Whether that is a farewell.
    async fn turn(&mut self) -> bool {
        self.client.tick(Instant::now());
        let (mut buffer, mut is_over) = ([0; 2048], false);
        loop {
            for datagram in std::mem::take(&mut self.client.out) {
                let server = self.client.server.expect("a candidate");
                self.socket.send_to(&datagram, server).await.expect("loopback sends");
            }
            let received = self.socket.recv_from(&mut buffer);
            match tokio::time::timeout(Duration::from_millis(5), received).await {
                Ok(Ok((len, _))) => {
                    let incoming = self.client.handle(Instant::now(), &buffer[..len]);
                    is_over |= matches!(incoming, Incoming::Closed);
                }
                _ => return is_over,
            }
        }
    }

    async fn connect(&mut self) {
        while !self.client.connected() {
            self.turn().await;
        }
    }

    fn offer_to_watch(&self) -> String {
        let offer = self.client.offer(&[("0", "VP8", 2)]).replace("a=sendonly", "a=recvonly");
        let theirs = |line: &&str| !line.starts_with("a=ssrc:") && !line.starts_with("a=msid:");
        offer.split_inclusive('\n').filter(theirs).collect()
    }
}

impl Rooms {
    /// What `POST /whip/stage?name=OBS` does, up to the first connection.
    async fn publish(&self, shared: &Arc<ClientShared>) -> (Guest, Program) {
        let mut program = Program::new(shared, "obs").await;
        let mut guest =
            self.join_as("stage", 1, ("OBS", None), Liveness::MediaPath).await.expect("a place");
        let mid = "0".parse().expect("a mid");
        let tracks = vec![PublishTrack { mid, source: TrackSource::Camera }];
        let sdp = program.client.offer(&[("0", "VP8", 1)]);
        let message = ClientMessage::Publish { generation: 1, sdp, tracks };
        guest.seat.request(Request { id: 7, message }).await.expect("the room is there");
        let answer = loop {
            if let ServerMessage::Published { sdp, .. } = guest.hear().await {
                break sdp;
            }
        };
        program.client.take_answer(&answer);
        program.connect().await;
        (guest, program)
    }

    /// What `POST /whep/stage` does.
    async fn watch(&self, shared: &Arc<ClientShared>) -> (ViewerSeat, Program) {
        let mut program = Program::new(shared, "vlc").await;
        let request = WatchRequest {
            watch: Watch::Room(RoomName::parse("stage").expect("a room name")),
            name: Nickname::parse("VLC").expect("a name"),
            source: IpAddr::from([192, 0, 2, 2]).into(),
            offer: Some(program.offer_to_watch().into()),
        };
        let mut seat = self.handle.watch(request).await.expect("somebody publishes");
        let Some(ViewerNews::Answered { answer, .. }) = seat.next().await else { panic!() };
        program.client.take_answer_to_receive(&answer.expect("an answer"));
        program.connect().await;
        (seat, program)
    }
}

async fn whole() {
    let rooms = Rooms::open();
    let shared = ClientShared::new();
    for _ in 0..2 {
        let (mut publisher, mut obs) = rooms.publish(&shared).await;
        let (mut viewer, mut vlc) = rooms.watch(&shared).await;
        // The second time round they are back under their name, and nobody is beside them.
        let views = rooms.handle.list().await;
        let names: Vec<&str> =
            views.iter().flat_map(|view| &view.members).map(|member| &*member.name).collect();
        assert_eq!(names, ["OBS"]);

        rooms.sfu.fail(obs.client.server.expect("a candidate").port());
        // The programs hear it by their connections at once, and not by half a minute of silence.
        while !obs.turn().await {}
        while !vlc.turn().await {}
        // Their sessions are over, so that their resources are 404 and nothing answers for nobody.
        while publisher.outbox.recv().await.is_some() {}
        while !matches!(viewer.next().await, Some(ViewerNews::Ended(_)) | None) {}
    }
}

#[tokio::test]
async fn a_program_whose_media_thread_has_panicked_hears_it_at_once_and_comes_back() {
    tokio::time::timeout(Duration::from_secs(30), whole()).await.expect("it does not hang");
}
