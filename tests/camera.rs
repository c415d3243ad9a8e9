//! The box's camera from end to end: GStreamer, webrtcbin, and a peer that answers.
//!
//! No room and no media plane take part: a fake house sees every request, so that a failure here is
//! the camera's alone.

#![cfg(feature = "camera")]

mod camera_peer;
#[path = "camera_peer/eyes.rs"]
mod eyes;
#[path = "support/skipped.rs"]
mod skipped;

use std::sync::Arc;

use camera_peer::{
    FakeHouse, Peer, Rests, Room, Said, keyframe, keyframes_on_demand, next, packet,
};
use gstreamer::prelude::*;
use parlor::{
    camera::{
        self, CameraHandle,
        devices::demo,
        encoder::{Codec, RANKING},
        outlet::Outlet,
        pipeline::{Capture, CaptureEvent},
        probe,
        publisher::{Media, Publisher, PublisherEvent},
    },
    config::{AudioSource, CameraSettings, VideoSource},
    ids::RoomName,
    protocol::{Direction, ErrorCode, MemberKind, ServerMessage, TrackSource},
    rooms::Liveness,
    seams::cameras::CameraMap,
};
use skipped::skipped;
use tokio::sync::{mpsc, watch};

fn home() -> RoomName {
    RoomName::parse("home").expect("a room")
}

fn start(cameras: Vec<CameraSettings>) -> (CameraHandle, mpsc::Receiver<Said>) {
    let (house, said) = FakeHouse::new();
    let (directory, _) = watch::channel(CameraMap::default());
    (camera::start_fleet(Some(cameras), None, house, directory, camera::Closed::new()), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_is_seen_and_heard_and_gives_a_keyframe_when_asked() {
    let (handle, said) = start(vec![demo(&home())]);
    let (mut room, join) = Room::enter(said).await;
    assert_eq!((join.kind, join.liveness), (MemberKind::Camera, Liveness::InProcess));
    assert_eq!((join.name.as_str(), join.mic, join.cam), ("Demo camera", true, true));
    assert_eq!(join.outbox.max_capacity(), parlor::rooms::OUTBOX_LEN);

    let published = room.publish().await;
    assert_eq!(published.generation, 1);
    let sources: Vec<_> = published.tracks.iter().map(|track| track.source).collect();
    assert_eq!(sources, [TrackSource::Camera, TrackSource::Microphone]);
    for line in
        ["a=sendonly", "profile-level-id=42e01f", "packetization-mode=1", "a=rtcp-fb:96 nack pli"]
    {
        assert!(published.sdp.contains(line), "{line:?} in {}", published.sdp);
    }
    assert!(!published.sdp.contains("a=candidate"), "nothing but loopback, so nothing to say");

    let mut peer = Box::pin(Peer::answering(&published.sdp)).await;
    // An address that must not be tried: the camera is bound to loopback.
    let elsewhere = "a=candidate:7 1 udp 2130706431 192.0.2.1 9 typ host\r\na=end-of-candidates";
    let sdp = peer.answer.replacen("a=end-of-candidates", elsewhere, 1);
    assert_ne!(sdp, peer.answer);
    let answer = ServerMessage::Published { generation: 1, sdp };
    room.say(Some(published.id), answer).await;
    let (picture, sound) = peer.picture_and_sound().await;
    assert!(!packet(&sound).await.payload.is_empty());

    keyframes_on_demand(&picture, Codec::H264).await;

    // The room wants a new connection: the same seat, the next generation, no fault shown.
    room.say(None, ServerMessage::Restart { direction: Direction::Up }).await;
    let again = room.publish().await;
    assert_eq!(again.generation, 2);
    let mut peer = Box::pin(Peer::answering(&again.sdp)).await;
    let answer = ServerMessage::Published { generation: 2, sdp: peer.answer.clone() };
    room.say(Some(again.id), answer).await;
    let (picture, _) = peer.picture_and_sound().await;
    keyframe(&picture, Codec::H264, None).await;

    handle.stop().await;
    assert!(matches!(next(&mut room.said, "farewell").await, Said::Left));
}

/// The sound is the clock here: it goes on all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_nobody_needs_rests_and_comes_back_as_if_it_had_gone_on() {
    let (handle, said) = start(vec![demo(&home())]);
    let (mut room, _) = Room::enter(said).await;
    let published = room.publish().await;
    let mut peer = Box::pin(Peer::answering(&published.sdp)).await;
    let sdp = peer.answer.clone();
    room.say(Some(published.id), ServerMessage::Published { generation: 1, sdp }).await;
    let (picture, sound) = peer.picture_and_sound().await;
    keyframe(&picture, Codec::H264, None).await;
    let mut media = Rests::new(picture, sound).await;

    let mid = published.tracks[0].mid.clone();
    let layers = |generation, wanted: Option<bool>| ServerMessage::Layers {
        generation,
        tracks: wanted.map(|wanted| (mid.clone(), vec![wanted])).into_iter().collect(),
    };
    for again in [Some(true), None] {
        room.say(None, layers(1, Some(false))).await;
        let last = media.last().await;
        room.say(None, layers(0, Some(true))).await;
        assert!(media.next_soon().await.is_none(), "another connection's need is not this one's");
        room.say(None, layers(1, again)).await;
        let first = media.next().await;
        assert_eq!(first.packet.sequence, last.packet.sequence.wrapping_add(1), "nothing is lost");
        let (picture_ms, sound_ms) = first.ms_since(&last);
        let apart = picture_ms.abs_diff(sound_ms);
        assert!(picture_ms > 1500 && apart < 300, "{picture_ms} ms, {sound_ms} ms of sound");
        assert!(media.is_keyframe(first).await, "it begins with a keyframe");
    }
    assert!(room.said.try_recv().is_err(), "it is no fault and asks for nothing");
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_offer_is_a_fault_and_the_next_one_clears_it() {
    let quiet = CameraSettings { audio: None, ..demo(&home()) };
    let (handle, said) = start(vec![quiet]);
    let (mut room, _) = Room::enter(said).await;
    let refused = room.publish().await;
    let message = "no codec fits".to_owned();
    let error = ServerMessage::Error { code: ErrorCode::SdpUnacceptable, message };
    room.say(Some(refused.id), error).await;
    let fault = room.fault().await.expect("a reason");
    assert!(fault.contains("no codec fits, since "), "{fault}");

    let published = room.publish().await;
    assert_eq!(published.generation, 2);
    let mut peer = Box::pin(Peer::answering(&published.sdp)).await;
    let sdp = peer.answer.clone();
    room.say(Some(published.id), ServerMessage::Published { generation: 2, sdp }).await;
    keyframe(&peer.picture().await, Codec::H264, None).await;
    assert_eq!(room.fault().await, None);
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_says_why_and_keeps_its_seat() {
    let cases = [
        (
            VideoSource::V4l2("/dev/video-nowhere".into()),
            None,
            None,
            "The camera is not there, since ",
        ),
        (
            VideoSource::Rtsp(parlor::config::Secret::new("rtsp://192.0.2.1/")),
            None,
            None,
            "Cameras of the kind rtsp come later",
        ),
        (
            VideoSource::Test,
            None,
            Some("lavaenc"),
            "The video encoder lavaenc is not known, since ",
        ),
    ];
    for (source, audio, encoder, reason) in cases {
        let encoder = encoder.map(str::to_owned);
        let (handle, said) =
            start(vec![CameraSettings { source, audio, encoder, ..demo(&home()) }]);
        let (mut room, _) = Room::enter(said).await;
        let fault = room.fault().await.expect("a reason");
        assert!(fault.starts_with(reason), "{fault}");
        handle.stop().await;
        assert!(matches!(next(&mut room.said, "farewell").await, Said::Left));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_microphone_that_does_not_work_leaves_the_picture_alone() {
    // One that is not there, and one of a kind that is not built yet.
    for audio in [AudioSource::Alsa("hw:99,0".into()), AudioSource::Pipewire] {
        let (handle, said) = start(vec![CameraSettings { audio: Some(audio), ..demo(&home()) }]);
        let (mut room, _) = Room::enter(said).await;
        // A publish, and not a fault.
        let published = room.publish().await;
        let sources: Vec<_> = published.tracks.iter().map(|track| track.source).collect();
        assert_eq!(sources, [TrackSource::Camera]);
        let mut peer = Box::pin(Peer::answering(&published.sdp)).await;
        let sdp = peer.answer.clone();
        let generation = published.generation;
        room.say(Some(published.id), ServerMessage::Published { generation, sdp }).await;
        keyframe(&peer.picture().await, Codec::H264, None).await;
        assert!(room.said.try_recv().is_err(), "no fault is shown: there is a picture");
        handle.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_seat_is_taken_again() {
    let (house, mut said) = FakeHouse::new();
    let handle = camera::start_fleet(
        Some(vec![demo(&home())]),
        None,
        house,
        watch::channel(CameraMap::default()).0,
        camera::Closed::new(),
    );
    for _ in 0..2 {
        let (room, _) = Room::enter(said).await;
        // The room ends: its end of the outbox is dropped, and so is the test's.
        said = room.said;
        drop(room.outbox);
    }
    handle.stop().await;
}

/// On a machine with a camera that one is found instead; both are members of the room `home`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_camera_is_configured_one_is_found_or_the_test_picture_stands_in() {
    let (house, said) = FakeHouse::new();
    let handle = camera::start_fleet(
        None,
        Some(home()),
        house,
        watch::channel(CameraMap::default()).0,
        camera::Closed::new(),
    );
    let (_, join) = Room::enter(said).await;
    assert_eq!((join.room, join.kind), (home(), MemberKind::Camera));
    handle.stop().await;
}

#[test]
fn each_encoder_that_is_installed_was_really_tried() {
    gstreamer::init().expect("GStreamer");
    let working: Vec<_> = RANKING.iter().filter(|encoder| probe::works(encoder)).collect();
    assert!(!working.is_empty(), "x264enc, openh264enc or vp8enc is needed");
    assert_eq!(probe::choose(None).ok(), working.first().copied());
}

/// Each codec crosses webrtcbin in its own way, and each encoder has its own for keyframes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_encoder_that_works_is_seen_and_gives_keyframes() {
    gstreamer::init().expect("GStreamer");
    for encoder in RANKING {
        if !probe::works(encoder) {
            skipped(&format!("each_encoder_that_works…: {} is not here", encoder.factory));
            continue;
        }
        let forced = Some(encoder.factory.to_owned());
        let (handle, said) =
            start(vec![CameraSettings { encoder: forced, audio: None, ..demo(&home()) }]);
        let (mut room, _) = Room::enter(said).await;
        let published = room.publish().await;
        let mut peer = Box::pin(Peer::answering(&published.sdp)).await;
        let sdp = peer.answer.clone();
        room.say(Some(published.id), ServerMessage::Published { generation: 1, sdp }).await;
        let picture = peer.picture().await;
        keyframes_on_demand(&picture, encoder.codec).await;
        handle.stop().await;
    }
}

/// The connection outlives the camera: unplugged and plugged in again is the same track.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_waits_for_its_camera() {
    gstreamer::init().expect("GStreamer");
    let base_time = gstreamer::SystemClock::obtain().time();
    let outlet = Arc::<Outlet>::default();
    let camera = CameraSettings { audio: None, ..demo(&home()) };
    let open = || {
        let (camera, outlet) = (camera.clone(), Arc::clone(&outlet));
        let (sender, events) = mpsc::channel(8);
        let report = move |event| drop(sender.try_send(event));
        let opened = move || Capture::start(&camera, base_time, outlet, report);
        (tokio::task::spawn_blocking(opened), events)
    };
    let (first, mut events) = open();
    let first = first.await.expect("a task").expect("a capture");
    assert!(matches!(next(&mut events, "picture").await, CaptureEvent::FirstFrame));
    assert_eq!(first.encoder.codec, Codec::H264);

    let (sender, mut events) = mpsc::channel(8);
    let media = Media { codec: Codec::H264, profile_level_id: "42e01f", audio: false };
    let report = move |event| drop(sender.try_send(event));
    let publisher = Publisher::start(media, base_time, Arc::clone(&outlet), report);
    let publisher = publisher.expect("a publisher");
    assert!(matches!(next(&mut events, "readiness").await, PublisherEvent::Ready));
    let offer = Publisher::offer(publisher.webrtcbin()).await.expect("an offer");
    let mut peer = Box::pin(Peer::answering(&offer)).await;
    Publisher::answer(publisher.webrtcbin(), peer.answer.clone()).await.expect("it is taken");
    assert!(matches!(next(&mut events, "connection").await, PublisherEvent::Connected));
    let picture = peer.picture().await;
    let before = keyframe(&picture, Codec::H264, None).await;

    tokio::task::spawn_blocking(move || drop(first)).await.expect("it closes");
    let (second, _events) = open();
    let second = second.await.expect("a task").expect("a capture");
    let after = keyframe(&picture, Codec::H264, Some(before)).await;
    assert!(after.wrapping_sub(before) < u32::MAX / 2, "time goes on: {before} {after}");

    let closed = tokio::task::spawn_blocking(move || drop((second, publisher)));
    closed.await.expect("all close");
}
