//! What is seen of a camera beside its room: its state, its stills, and that it is open at all.

use std::time::{Duration, Instant};

use parlor::{
    camera::{self, CameraHandle, devices::demo, encoder::Codec},
    config::CameraSettings,
    protocol::{ClientMessage, Direction, Request, ServerMessage},
    seams::cameras::{CameraDoor, CameraMap, CameraState, Cameras, ClosedBy},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    camera_peer::{
        FakeHouse, PATIENCE, Peer, Published, Room, Said, is_idr, keyframe, next, packet,
    },
    home,
};

struct Eyes {
    handle: CameraHandle,
    said: mpsc::Receiver<Said>,
    cameras: Cameras,
}

fn open(settings: CameraSettings, closed: camera::Closed) -> Eyes {
    let (house, said) = FakeHouse::new();
    let (directory, seen) = watch::channel(CameraMap::default());
    let handle = camera::start_fleet(Some(vec![settings]), None, house, directory, closed);
    Eyes { handle, said, cameras: Cameras::new(seen) }
}

async fn door(cameras: &Cameras) -> CameraDoor {
    let id = demo(&home()).id;
    let found = async {
        loop {
            match cameras.find(&id) {
                Some(door) => return door,
                None => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, found).await.expect("it is listed")
}

async fn until(door: &CameraDoor, state: CameraState) {
    let mut status = door.status.clone();
    let so = status.wait_for(|status| status.state == state);
    timeout(PATIENCE, so).await.expect("in time").expect("it is there");
}

fn wanted(published: &Published, picture: bool, sound: bool) -> ServerMessage {
    let tracks = published.tracks.iter().map(|track| track.mid.clone());
    let wishes = [picture, sound].map(|wish| vec![wish]);
    ServerMessage::Layers {
        generation: published.generation,
        tracks: tracks.zip(wishes).filter(|(_, wish)| !wish[0]).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_nobody_needs_closes_its_device_and_whoever_comes_has_a_keyframe_within_a_second()
{
    let eyes = open(demo(&home()), camera::Closed::new());
    let (mut room, _) = Room::enter(eyes.said).await;
    let door = door(&eyes.cameras).await;
    let published = room.publish().await;
    let mut peer = Box::pin(Peer::answering(&published.sdp)).await;
    let sdp = peer.answer.clone();
    room.say(Some(published.id), ServerMessage::Published { generation: 1, sdp }).await;
    let (picture, _sound) = peer.picture_and_sound().await;
    keyframe(&picture, Codec::H264, None).await;
    until(&door, CameraState::Live).await;
    let (shows, mut keyframes) = watch::channel(0);
    let mut watching = tokio::task::JoinSet::new();
    watching.spawn(async move {
        loop {
            let packet = packet(&picture).await;
            if is_idr(&packet.payload) {
                shows.send_replace(packet.timestamp);
            }
        }
    });

    room.say(None, wanted(&published, false, false)).await;
    until(&door, CameraState::Resting).await;
    // Whoever takes a still wakes it, and nobody else is disturbed.
    let still = door.stills.fresh(Duration::ZERO, PATIENCE).await.expect("a still");
    assert_eq!(still.jpeg[..2], [0xff, 0xd8], "JPEG");
    until(&door, CameraState::Live).await;
    until(&door, CameraState::Resting).await;

    keyframes.mark_unchanged();
    let came = Instant::now();
    room.say(None, wanted(&published, true, true)).await;
    timeout(PATIENCE, keyframes.changed()).await.expect("in time").expect("it is read");
    assert!(came.elapsed() < Duration::from_secs(5), "{:?} on a busy machine", came.elapsed());
    assert!(room.said.try_recv().is_err(), "it is the same connection, and nothing went wrong");
    eyes.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_owner_closes_the_device_and_all_are_told() {
    let eyes = open(demo(&home()), camera::Closed::new());
    let (mut room, _) = Room::enter(eyes.said).await;
    let door = door(&eyes.cameras).await;
    let published = room.publish().await;
    let mut peer = Box::pin(Peer::answering(&published.sdp)).await;
    let sdp = peer.answer.clone();
    room.say(Some(published.id), ServerMessage::Published { generation: 1, sdp }).await;
    let (picture, _sound) = peer.picture_and_sound().await;
    keyframe(&picture, Codec::H264, None).await;
    until(&door, CameraState::Live).await;
    door.stills.fresh(Duration::ZERO, PATIENCE).await.expect("a still");

    let by = ClosedBy { who: "Ana".into(), since: std::time::SystemTime::now() };
    assert!(door.close(Some(by.clone())));
    assert!(!door.close(Some(by)), "it is closed");
    until(&door, CameraState::Closed).await;
    let Said::Asked(Request { message, .. }) = next(&mut room.said, "its state").await else {
        panic!("it tells the room")
    };
    assert_eq!(message, ClientMessage::State { mic: false, cam: false });
    let why = room.fault().await.expect("a reason");
    assert!(why.starts_with("The camera was closed by Ana, since "), "{why}");
    assert_eq!(door.stills.newest(), None, "nothing of before is shown");
    let none = door.stills.fresh(Duration::ZERO, Duration::from_millis(300)).await;
    assert_eq!(none, None, "whoever asks does not open it");
    // Nor does its room.
    room.say(None, ServerMessage::Restart { direction: Direction::Up }).await;
    assert_eq!(door.status.borrow().state, CameraState::Closed);

    assert!(door.close(None));
    let Said::Asked(Request { message, .. }) = next(&mut room.said, "its state").await else {
        panic!("it tells the room")
    };
    assert_eq!(message, ClientMessage::State { mic: true, cam: true });
    assert_eq!(room.fault().await, None);
    let still = door.stills.fresh(Duration::ZERO, PATIENCE).await;
    assert!(still.is_some(), "it is open again");
    eyes.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_closed_before_the_start_stays_so() {
    let by = ClosedBy { who: "Ana".into(), since: std::time::SystemTime::now() };
    let closed = camera::Closed::from([(demo(&home()).id, by)]);
    let eyes = open(demo(&home()), closed);
    let (mut room, join) = Room::enter(eyes.said).await;
    assert_eq!((join.mic, join.cam), (false, false));
    assert!(room.fault().await.is_some_and(|why| why.contains("closed by Ana")));
    let door = door(&eyes.cameras).await;
    until(&door, CameraState::Closed).await;
    assert_eq!(door.status.borrow().fault.as_ref().map(|fault| &*fault.code), Some("closed"));
    eyes.handle.stop().await;
}
