//! Rooms and the threads they are on, over real sockets: a room on two workers has viewers on both
//! ports, and a thread that panics begins anew with all its rooms.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::loopback::{Peer, keyframe, news};
use crate::{
    config::MediaSettings,
    ids::MemberId,
    protocol::{PublishTrack, TrackSource},
    seams::{
        Addresses,
        media::{Desired, DownWant, Path, UpWant},
    },
    sfu::{
        SfuHandle, SfuRoom,
        testing::client::{ClientShared, Incoming},
    },
};

const PUBLISHER: MemberId = MemberId(1);

/// A publisher that sends a keyframe whenever it has its turn.
struct Camera {
    peer: Peer,
    sequence: u16,
}

impl Camera {
    async fn new(shared: &Arc<ClientShared>, room: &SfuRoom, generation: u32) -> Self {
        let mut peer = Peer::new(shared, "up").await;
        let want = Self::want(&peer, generation);
        room.desire(PUBLISHER, Desired { up: Some(want), down: None });
        let seen = news(room, PUBLISHER, |seen| {
            seen.up.as_ref().is_some_and(|up| up.generation == generation)
        })
        .await;
        peer.client.take_answer(&seen.up.expect("an up").answer.expect("an answer"));
        while !peer.client.connected() {
            peer.turn().await;
        }
        Self { peer, sequence: 0 }
    }

    fn want(peer: &Peer, generation: u32) -> UpWant {
        let track = PublishTrack { mid: "0".parse().expect("a mid"), source: TrackSource::Camera };
        let offer = peer.client.offer(&[("0", "VP8", 1)]).into();
        UpWant { generation, revision: 1, offer, tracks: Arc::new([track]) }
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
        let mut want = DownWant {
            generation,
            watch,
            hear: None,
            tiles: Arc::default(),
            answer: None,
            offer: None,
        };
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

fn start(workers: usize) -> SfuHandle {
    let (_addresses, addresses) = watch::channel(Arc::new(Addresses::loopback()));
    let settings = MediaSettings { ports: 0..=0, workers, viewers_per_worker: 1, tcp: true };
    SfuHandle::start(&settings, addresses).expect("free ports")
}

async fn two_workers() {
    let handle = start(2);
    let room = handle.open_room(8);
    let shared = ClientShared::new();
    let mut camera = Camera::new(&shared, &room, 1).await;
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

    // Its thread panics: only its viewer is told, and begins anew.
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
    assert_ne!(again.port(), home, "that thread has begun anew");
    let other = handle.open_room(8);
    Camera::new(&shared, &other, 1).await;
    handle.stop().await;
}

#[tokio::test]
async fn viewers_of_one_room_are_on_both_ports_and_one_threads_end_is_not_the_rooms() {
    let whole = tokio::time::timeout(Duration::from_secs(30), two_workers());
    whole.await.expect("it does not hang");
}

/// The only thread panics: all are told, and come back to the same room on the same port.
async fn one_worker() {
    let handle = start(1);
    let room = handle.open_room(8);
    let shared = ClientShared::new();
    let mut camera = Camera::new(&shared, &room, 1).await;
    let mut viewer = Viewer::new(&shared, &room, &mut camera, (2, 1)).await;
    handle.fail(viewer.port());
    // Clients that know nothing of rooms (of WHIP and WHEP) hear it by their connection, and come back.
    for peer in [&mut camera.peer, &mut viewer.peer] {
        while !peer.turn().await.iter().any(|incoming| matches!(incoming, Incoming::Closed)) {}
    }
    let mut told = BTreeSet::new();
    while told.len() < 2 {
        for (member, seen) in room.changed().await.members {
            let up = seen.up.is_some_and(|up| up.path == Path::Closed);
            let down = seen.down.is_some_and(|down| down.path == Path::Closed);
            told.extend((up || down).then_some(member));
        }
    }
    assert_eq!(told, BTreeSet::from([PUBLISHER, viewer.member]));

    // A wish of before, which comes late, does not bring back what was lost.
    let stale = Camera::want(&camera.peer, 1);
    room.desire(PUBLISHER, Desired { up: Some(stale), down: None });
    let mut camera = Camera::new(&shared, &room, 2).await;
    let again = Viewer::new(&shared, &room, &mut camera, (2, 2)).await;
    assert_eq!(again.port(), viewer.port());
    let other = handle.open_room(8);
    Camera::new(&shared, &other, 1).await;
    handle.stop().await;
}

#[tokio::test]
async fn a_thread_that_panics_begins_anew_and_its_rooms_go_on() {
    let whole = tokio::time::timeout(Duration::from_secs(30), one_worker());
    whole.await.expect("it does not hang");
}

#[tokio::test]
async fn a_thread_that_panics_again_and_again_ends_and_that_is_told() {
    let handle = start(1);
    let port = handle.ports()[0];
    assert_eq!(handle.turns(0).await, Ok(()));
    let again_and_again = async {
        loop {
            handle.fail(port);
            tokio::task::yield_now().await;
        }
    };
    let ended = async {
        tokio::select! {
            () = handle.ended() => {}
            () = again_and_again => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("it gives up");
    let fault = handle.turns(0).await.expect_err("nobody is there").to_string();
    assert_eq!(fault, format!("media thread 1 of 1 (UDP port {port}) has ended"));
    handle.stop().await;
}

#[tokio::test]
async fn a_thread_that_hangs_does_not_turn_and_the_others_do() {
    const ENOUGH: usize = 50;
    let handle = start(2);
    let go_on = handle.hang(handle.ports()[0]);
    let other = async {
        for _ in 0..ENOUGH {
            handle.turns(1).await.expect("it has not ended");
        }
    };
    tokio::select! {
        biased;
        _ = handle.turns(0) => panic!("it does not turn"),
        () = other => {}
    }
    drop(go_on);
    assert_eq!(handle.turns(0).await, Ok(()));
    handle.stop().await;
}
