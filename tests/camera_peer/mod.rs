//! Stand-ins for the camera's tests: a house whose every request is seen, and an answering peer.
//!
//! The peer is ICE-lite on 127.0.0.1, as the media plane is. All waiting is for events, each within
//! [`PATIENCE`], after which the test fails.

mod rest;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use parlor::{
    camera::{House, Place, encoder::Codec},
    protocol::{ClientMessage, Outgoing, PublishTrack, Request, ServerMessage},
    rooms::{JoinError, JoinRequest, SeatClosed, Trouble},
};
use rtc::{
    interceptor::Registry,
    peer_connection::{
        configuration::{
            interceptor_registry::register_default_interceptors, media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
        sdp::RTCSessionDescription,
    },
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp_transceiver::rtp_sender::RtpCodecKind,
};
use tokio::{sync::mpsc, time::timeout};
use webrtc::{
    media_stream::track_remote::{TrackRemote, TrackRemoteEvent},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    },
    runtime::default_runtime,
};

pub(crate) use rest::Rests;

/// More than anything here takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The next event, or the test fails.
pub(crate) async fn next<T>(receiver: &mut mpsc::Receiver<T>, what: &str) -> T {
    let event = timeout(PATIENCE, receiver.recv()).await;
    event.unwrap_or_else(|_| panic!("{what} did not come")).unwrap_or_else(|| panic!("no {what}"))
}

/// What a camera does to its house.
#[derive(Debug)]
pub(crate) enum Said {
    Joined(Box<JoinRequest>),
    Asked(Request),
    Fault(Option<String>),
    Left,
}

/// A house that takes everybody in and tells the test.
#[derive(Debug, Clone)]
pub(crate) struct FakeHouse(mpsc::Sender<Said>);

/// A seat in it.
#[derive(Debug)]
pub(crate) struct FakePlace(mpsc::Sender<Said>);

impl FakeHouse {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Said>) {
        let (sender, said) = mpsc::channel(64);
        (Self(sender), said)
    }
}

impl House for FakeHouse {
    type Place = FakePlace;
    async fn join(&self, request: JoinRequest) -> Result<FakePlace, JoinError> {
        // overflow: awaited, here and below; the test reads.
        let _ = self.0.send(Said::Joined(Box::new(request))).await;
        Ok(FakePlace(self.0.clone()))
    }
}

impl Place for FakePlace {
    async fn request(&self, request: Request) -> Result<(), SeatClosed> {
        self.0.send(Said::Asked(request)).await.map_err(|_| SeatClosed)
    }
    async fn fault(&self, trouble: Option<Trouble>) -> Result<(), SeatClosed> {
        self.0
            .send(Said::Fault(trouble.map(|trouble| trouble.reason)))
            .await
            .map_err(|_| SeatClosed)
    }
    async fn leave(self) {
        let _ = self.0.send(Said::Left).await;
    }
}

/// A camera that has joined.
pub(crate) struct Room {
    pub(crate) said: mpsc::Receiver<Said>,
    pub(crate) outbox: mpsc::Sender<Outgoing>,
}

/// A `publish` of a camera.
pub(crate) struct Published {
    pub(crate) id: u32,
    pub(crate) generation: u32,
    pub(crate) sdp: String,
    pub(crate) tracks: Vec<PublishTrack>,
}

impl Room {
    /// Waits for the join, and for the camera to say that it looks at nobody.
    pub(crate) async fn enter(mut said: mpsc::Receiver<Said>) -> (Self, JoinRequest) {
        let Said::Joined(join) = next(&mut said, "join").await else { panic!("it joins first") };
        let Said::Asked(request) = next(&mut said, "watch").await else { panic!("it asks") };
        assert_eq!(request.message, ClientMessage::Watch { members: Some(Vec::new()) });
        (Self { said, outbox: join.outbox.clone() }, *join)
    }

    pub(crate) async fn fault(&mut self) -> Option<String> {
        match next(&mut self.said, "fault").await {
            Said::Fault(reason) => reason,
            other => panic!("a fault, not {other:?}"),
        }
    }

    pub(crate) async fn publish(&mut self) -> Published {
        match next(&mut self.said, "publish").await {
            Said::Asked(Request {
                id,
                message: ClientMessage::Publish { generation, sdp, tracks },
            }) => Published { id, generation, sdp, tracks },
            other => panic!("a publish, not {other:?}"),
        }
    }

    pub(crate) async fn say(&self, re: Option<u32>, message: ServerMessage) {
        self.outbox.send(Outgoing { re, message }).await.expect("the camera listens");
    }
}

struct Handler {
    gathered: mpsc::Sender<()>,
    tracks: mpsc::Sender<Arc<dyn TrackRemote>>,
}

type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

// Written out as `async_trait` expands it.
impl PeerConnectionEventHandler for Handler {
    fn on_ice_gathering_state_change<'a, 'b>(&'a self, state: RTCIceGatheringState) -> Done<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            if state == RTCIceGatheringState::Complete {
                // overflow: DROPS; once is enough.
                let _ = self.gathered.try_send(());
            }
        })
    }

    fn on_track<'a, 'b>(&'a self, track: Arc<dyn TrackRemote>) -> Done<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let _ = self.tracks.send(track).await;
        })
    }
}

/// The answering end.
pub(crate) struct Peer {
    // It ends when dropped.
    _connection: Box<dyn PeerConnection>,
    pub(crate) answer: String,
    tracks: mpsc::Receiver<Arc<dyn TrackRemote>>,
}

impl Peer {
    /// Answers an offer.
    pub(crate) async fn answering(offer: &str) -> Self {
        let (gathered, mut gathering) = mpsc::channel(1);
        let (sender, tracks) = mpsc::channel(8);
        let mut media_engine = MediaEngine::default();
        media_engine.register_default_codecs().expect("codecs");
        let registry = register_default_interceptors(Registry::new(), &mut media_engine);
        let building = PeerConnectionBuilder::new()
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry.expect("interceptors"))
            .with_setting_engine(SettingEngineBuilder::new().with_lite(true).build())
            .with_handler(Arc::new(Handler { gathered, tracks: sender }))
            .with_runtime(default_runtime().expect("a runtime"))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build();
        let connection = Box::pin(building).await.expect("a peer");
        let offer = RTCSessionDescription::offer(offer.to_owned()).expect("an offer");
        connection.set_remote_description(offer).await.expect("the offer is accepted");
        let answer = connection.create_answer(None).await.expect("an answer");
        connection.set_local_description(answer).await.expect("the answer is accepted");
        next(&mut gathering, "end of gathering").await;
        let answer = connection.local_description().await.expect("a description").sdp;
        Self { _connection: Box::new(connection), answer, tracks }
    }

    /// The tracks for picture and sound, in this order.
    pub(crate) async fn picture_and_sound(
        &mut self,
    ) -> (Arc<dyn TrackRemote>, Arc<dyn TrackRemote>) {
        let (first, second) =
            (next(&mut self.tracks, "track").await, next(&mut self.tracks, "track").await);
        match first.kind().await {
            RtpCodecKind::Video => (first, second),
            _ => (second, first),
        }
    }

    pub(crate) async fn picture(&mut self) -> Arc<dyn TrackRemote> {
        next(&mut self.tracks, "track").await
    }
}

/// Asks for a keyframe as a viewer does.
async fn send_pli(track: &Arc<dyn TrackRemote>) {
    let media_ssrc = *track.ssrcs().await.first().expect("it has an SSRC");
    let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc };
    track.write_rtcp(vec![Box::new(pli)]).await.expect("it is sent");
}

/// A packet of a track.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
}

/// The next packet of a track.
pub(crate) async fn packet(track: &Arc<dyn TrackRemote>) -> Packet {
    loop {
        let event = timeout(PATIENCE, track.poll()).await.expect("a packet comes");
        if let TrackRemoteEvent::OnRtpPacket(packet) = event.expect("the track goes on") {
            let (header, payload) = (&packet.header, packet.payload.to_vec());
            let (sequence, timestamp) = (header.sequence_number, header.timestamp);
            return Packet { sequence, timestamp, payload };
        }
    }
}

/// Whether a payload (RFC 6184, 5.2) begins or holds an IDR slice.
pub(crate) fn is_idr(payload: &[u8]) -> bool {
    let kind = |byte: Option<&u8>| byte.map(|byte| byte & 0x1f);
    match kind(payload.first()) {
        Some(5) => true,
        // FU-A, its start.
        Some(28) => {
            payload.get(1).is_some_and(|byte| byte & 0x80 != 0) && kind(payload.get(1)) == Some(5)
        }
        // STAP-A: sizes and units.
        Some(24) => {
            let mut rest = &payload[1..];
            while let [high, low, tail @ ..] = rest {
                let size = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
                if kind(tail.first()) == Some(5) {
                    return true;
                }
                rest = &tail[size..];
            }
            false
        }
        _ => false,
    }
}

/// Whether a payload (RFC 7741, 4.2 and 4.3) begins a VP8 keyframe.
fn is_vp8_keyframe(payload: &[u8]) -> bool {
    let byte = |at: usize| payload.get(at).copied().unwrap_or(0xff);
    let mut at = 1;
    if byte(0) & 0x80 != 0 {
        let extension = byte(1);
        at = 2;
        if extension & 0x80 != 0 {
            at += if byte(at) & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
    }
    byte(0) & 0x1f == 0x10 && byte(at) & 1 == 0
}

/// More pictures than any keyframe that was asked for takes, and fewer than half of the 150 after
/// which one comes by itself.
const MOST_PICTURES: usize = 60;

/// Waits for a keyframe that is not the one of the timestamp `known`; gives its timestamp.
///
/// An encoder writes a picture in several slices, so one keyframe shows many times.
pub(crate) async fn keyframe(
    track: &Arc<dyn TrackRemote>,
    codec: Codec,
    known: Option<u32>,
) -> u32 {
    let is_keyframe = match codec {
        Codec::H264 => is_idr,
        Codec::Vp8 => is_vp8_keyframe,
    };
    if known.is_none() {
        // The keyframe that a connection begins with may be over before its keys are there.
        send_pli(track).await;
    }
    let mut timestamps = Vec::new();
    loop {
        let Packet { timestamp, payload, .. } = packet(track).await;
        if known == Some(timestamp) {
            continue;
        }
        if timestamps.last() != Some(&timestamp) {
            timestamps.push(timestamp);
        }
        if is_keyframe(&payload) {
            return timestamp;
        }
        assert!(timestamps.len() <= MOST_PICTURES, "no keyframe within {MOST_PICTURES} pictures");
    }
}

/// Asks for keyframes as viewers do, several at once, and sees each come.
pub(crate) async fn keyframes_on_demand(track: &Arc<dyn TrackRemote>, codec: Codec) {
    let mut known = keyframe(track, codec, None).await;
    // The first may be the one that a new connection begins with.
    for _ in 0..4 {
        for _ in 0..3 {
            send_pli(track).await;
        }
        known = keyframe(track, codec, Some(known)).await;
    }
}
