//! One room on two workers, over real sockets: its viewers are on both ports, and one thread's end is
//! not the room's.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    client::{ClientShared, Incoming},
    loopback::{Peer, keyframe, news},
};
use crate::{
    config::MediaSettings,
    ids::MemberId,
    ports::Addresses,
    protocol::{PublishTrack, TrackSource},
    sfu::{Desired, DownWant, Path, SfuHandle, SfuRoom, UpWant},
};

const PUBLISHER: MemberId = MemberId(1);

/// A publisher that sends a keyframe whenever it has its turn.
struct Camera {
    peer: Peer,
    sequence: u16,
}

impl Camera {
    async fn new(shared: &Arc<ClientShared>, room: &SfuRoom) -> Self {
        let mut peer = Peer::new(shared, "up").await;
        let track = PublishTrack { mid: "0".parse().expect("a mid"), source: TrackSource::Camera };
        let offer = peer.client.offer(&[("0", "VP8", 1)]).into();
        let want = UpWant { generation: 1, revision: 1, offer, tracks: Arc::new([track]) };
        room.desire(PUBLISHER, Desired { up: Some(want), down: None });
        let seen = news(room, PUBLISHER, |seen| seen.up.is_some()).await;
        peer.client.take_answer(&seen.up.expect("an up").answer.expect("an answer"));
        while !peer.client.connected() {
            peer.turn().await;
        }
        Self { peer, sequence: 0 }
    }

    async fn turn(&mut self) {
        self.sequence += 1;
        self.peer.client.send_rtp(&keyframe(self.sequence));
        self.peer.turn().await;
    }
}

/// A member that watches, from its wish to its first picture.
struct Viewer {
    peer: Peer,
    member: MemberId,
}

impl Viewer {
    async fn new(
        shared: &Arc<ClientShared>,
        room: &SfuRoom,
        camera: &mut Camera,
        (number, generation): (u64, u32),
    ) -> Self {
        let member = MemberId(number);
        let mut peer = Peer::new(shared, &format!("down{number}")).await;
        let watch = BTreeSet::from([PUBLISHER]);
        let mut want =
            DownWant { generation, watch, tiles: Arc::default(), answer: None, offer: None };
        room.desire(member, Desired { up: None, down: Some(want.clone()) });
        camera.turn().await;
        let seen = news(room, member, |seen| {
            let down = seen.down.as_ref().filter(|down| down.generation == generation);
            down.is_some_and(|down| down.offer.is_some())
        });
        let seen = seen.await.down.expect("a down");
        let (answer, _) = peer.client.answer(&seen.offer.expect("an offer"));
        want.answer = Some((seen.revision, answer.into()));
        room.desire(member, Desired { up: None, down: Some(want) });
        let mut viewer = Self { peer, member };
        while !viewer.sees().await {
            camera.turn().await;
        }
        viewer
    }

    /// A picture comes within a turn.
    async fn sees(&mut self) -> bool {
        self.peer.turn().await.iter().any(|incoming| matches!(incoming, Incoming::Rtp(_)))
    }

    fn port(&self) -> u16 {
        self.peer.client.server.expect("a candidate").port()
    }
}

async fn two_workers() {
    let (_addresses, addresses) = watch::channel(Arc::new(Addresses::loopback()));
    let settings = MediaSettings { ports: 0..=0, workers: 2, viewers_per_worker: 1 };
    let handle = SfuHandle::start(&settings, addresses).expect("free ports");
    let room = handle.open_room(8);
    let shared = ClientShared::new();
    let mut camera = Camera::new(&shared, &room).await;
    let home = camera.peer.client.server.expect("a candidate").port();

    let mut first = Viewer::new(&shared, &room, &mut camera, (2, 1)).await;
    let second = Viewer::new(&shared, &room, &mut camera, (3, 1)).await;
    assert_eq!(first.port(), home, "the first is where the publisher is");
    assert_ne!(second.port(), home, "and the second is not");
    assert!(handle.ports().contains(&second.port()));

    // Who leaves the second worker makes it superfluous, and it is there when it is needed again.
    room.remove(second.member);
    let mut again = Viewer::new(&shared, &room, &mut camera, (4, 1)).await;
    assert_ne!(again.port(), home);

    // Its thread ends: only its viewer is told, and begins anew where there is somebody.
    handle.fail(again.port());
    let closed = news(&room, again.member, |seen| {
        seen.down.as_ref().is_some_and(|down| down.path == Path::Closed)
    });
    closed.await;
    camera.turn().await;
    while !first.sees().await {
        camera.turn().await;
    }
    again = Viewer::new(&shared, &room, &mut camera, (4, 2)).await;
    assert_eq!(again.port(), home, "the only one that is left");
    let other = handle.open_room(8);
    Camera::new(&shared, &other).await;
    handle.stop().await;
}

#[tokio::test]
async fn viewers_of_one_room_are_on_both_ports_and_one_threads_end_is_not_the_rooms() {
    let whole = tokio::time::timeout(Duration::from_secs(30), two_workers());
    whole.await.expect("it does not hang");
}
