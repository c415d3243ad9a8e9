//! `/api/ws?src=ID` as go2rtc answers it, for clients that were made for it (Home Assistant, Frigate).
//!
//! Text messages are `{"type": …, "value": …}`. Here are `webrtc/offer` (a string, answered by
//! `webrtc/answer`) and `webrtc` (`{type, sdp}`, answered likewise), `webrtc/candidate`, which needs no
//! answer because the box learns addresses from checks, and `mjpeg`, which brings each picture as a
//! binary message. All else is answered by `error`, as go2rtc does.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::time::{Instant, interval, sleep_until, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};
use tracing::debug;

use super::{
    Visit,
    handler::{Ask, Upgrade, foreign, not_found},
    ingest::refused,
    limits::{SessionRates, Weight},
    reply::Reply,
    socket::PACE,
    stills,
    streams::Denied,
    whep,
    whip::name,
};
use crate::{
    access::Visitor,
    ids::{CameraId, Nickname},
    rooms::{ViewerSeat, Watch, WatchRequest},
    seams::{cameras::CameraDoor, stills::StillFlow},
};

/// Messages of a client that asks for anything: an offer is the largest.
const MAX_MESSAGE: usize = 128 * 1024;

/// Of a message's type, so much is said again.
const KIND_CHARS: usize = 40;

/// One client's socket and what it has of the camera.
struct Talk {
    visit: Arc<Visit>,
    id: CameraId,
    door: CameraDoor,
    name: Nickname,
    visitor: Visitor,
    /// The id of its WHEP session.
    session: Option<String>,
    stills: Option<(StillFlow, ViewerSeat)>,
    rates: SessionRates,
}

/// Upgrades, and begins.
pub(super) fn socket(ask: Ask<'_>, id: CameraId) -> Reply {
    if let Some(refused) = foreign(ask.settings, ask.host, ask.headers()) {
        return refused;
    }
    let Some(door) = ask.visit.house.cameras.find(&id) else { return not_found() };
    if let Err(denied) = ask.may_begin() {
        return refused(denied);
    }
    let name = match name(ask.request.uri().query(), ask.headers(), "go2rtc") {
        Ok(name) => name,
        Err(denied) => return refused(denied),
    };
    let (visit, visitor) = (ask.visit.clone(), ask.visitor.clone());
    let rates = SessionRates::new();
    let talk = Talk { visit, id, door, name, visitor, session: None, stills: None, rates };
    match Upgrade::of(ask) {
        Ok((upgrade, reply)) => {
            tokio::spawn(async move {
                let visit = talk.visit.clone();
                if let Some(upgraded) = upgrade.done(&visit).await {
                    let _busy = visit.slot.busy();
                    Box::pin(talk.run(upgraded)).await;
                }
            });
            reply
        }
        Err(refused) => *refused,
    }
}

type Stream = WebSocketStream<TokioIo<Upgraded>>;

impl Talk {
    async fn run(mut self, upgraded: Upgraded) {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let io = TokioIo::new(upgraded);
        let mut stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let mut stopping = self.visit.house.stopping.clone();
        let mut standing = self.visit.house.access.standing(&self.visitor);
        tokio::select! {
            () = self.converse(&mut stream) => {}
            () = standing.ended() => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        if let Some(id) = self.session.take() {
            self.visit.house.streams.delete(&id).await;
        }
        if let Some((_, seat)) = self.stills.take() {
            seat.leave().await;
        }
        // overflow: awaited, for as long as a farewell may take.
        let _ = timeout(PACE.silent_after, stream.close(None)).await;
    }

    async fn converse(&mut self, stream: &mut Stream) {
        let mut ping = interval(PACE.ping_every);
        let mut heard = Instant::now();
        loop {
            let answer = tokio::select! {
                message = stream.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => self.answer(text.as_str()).await,
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                        Some(Ok(_)) => None,
                    }
                }
                jpeg = next_still(&mut self.stills) => match jpeg {
                    Some(jpeg) => Some(Message::Binary(jpeg)),
                    None => return,
                },
                _ = ping.tick() => Some(Message::Ping(Bytes::new())),
                () = sleep_until(heard + PACE.silent_after) => return,
            };
            let Some(answer) = answer else { continue };
            // overflow: awaited; a client that takes nothing for so long is gone.
            match timeout(PACE.silent_after, stream.send(answer)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// What a message is answered by.
    async fn answer(&mut self, text: &str) -> Option<Message> {
        let message = serde_json::from_str::<Value>(text).unwrap_or_default();
        let kind = message["type"].as_str().unwrap_or_default();
        let answered = match self.may_ask(kind) {
            Ok(()) => self.perform(kind, &message["value"]).await,
            Err(why) => Err(why.to_owned()),
        };
        let answer = answered.unwrap_or_else(|why| {
            let kind: String = kind.chars().take(KIND_CHARS).collect();
            debug!(camera = %self.id, kind, why, "refused");
            Some(json!({"type": "error", "value": format!("{kind}: {why}")}))
        });
        answer.map(|answer| Message::text(answer.to_string()))
    }

    /// Whether this client, and its source, may ask for that now.
    fn may_ask(&self, kind: &str) -> Result<(), &'static str> {
        let weight = match kind {
            "webrtc/offer" | "webrtc" | "mjpeg" => Weight::Media,
            _ => Weight::Light,
        };
        self.rates.allow(weight)?;
        self.visit.house.rates.allow(self.visitor.whence.ip().into(), weight)
    }

    async fn perform(&mut self, kind: &str, value: &Value) -> Result<Option<Value>, String> {
        let answer = match kind {
            "webrtc/candidate" => return Ok(None),
            "webrtc/offer" => {
                let answer = self.watch(value.as_str().unwrap_or_default()).await?;
                json!({"type": "webrtc/answer", "value": answer})
            }
            "webrtc" => {
                let answer = self.watch(value["sdp"].as_str().unwrap_or_default()).await?;
                json!({"type": "webrtc", "value": {"type": "answer", "sdp": answer}})
            }
            "mjpeg" => {
                self.flow().await?;
                json!({"type": "mjpeg"})
            }
            "" => return Err("a message is {\"type\": …, \"value\": …}".to_owned()),
            _ => return Err("there are webrtc/offer, webrtc and mjpeg".to_owned()),
        };
        Ok(Some(answer))
    }

    /// A program's invite is used once by what it begins first.
    async fn spend_invite(&mut self) -> Result<(), String> {
        let spent = self.visit.house.access.spend(&self.visitor).await;
        spent.map_err(|refusal| refusal.to_string())?;
        self.visitor.by_bearer = false;
        Ok(())
    }

    /// Watches by WebRTC; the answer to the offer.
    async fn watch(&mut self, offer: &str) -> Result<String, String> {
        self.spend_invite().await?;
        if let Some(former) = self.session.take() {
            self.visit.house.streams.delete(&former).await;
        }
        let request = self.request(Some(offer.into()));
        let house = &self.visit.house;
        let (stay, answer) = whep::view(&house.rooms, request, offer).await.map_err(sentence)?;
        let standing = house.access.standing(&self.visitor);
        let (id, _) = house.streams.begin(stay, standing, offer.to_owned());
        self.session = Some(id);
        Ok(answer)
    }

    /// Has pictures come one by one.
    async fn flow(&mut self) -> Result<(), String> {
        if self.stills.is_none() {
            self.spend_invite().await?;
            let seat = self.visit.house.rooms.watch(self.request(None)).await;
            let seat = seat.map_err(|error| error.message)?;
            let mut flow = self.door.stills.flow();
            if let Err(denied) = stills::next(&self.door, &mut flow).await {
                seat.leave().await;
                return Err(sentence(denied));
            }
            self.stills = Some((flow, seat));
        }
        Ok(())
    }

    fn request(&self, offer: Option<Arc<str>>) -> WatchRequest {
        let watch = Watch::Label(self.id.clone());
        let source = self.visitor.whence.ip().into();
        WatchRequest { watch, name: self.name.clone(), source, offer }
    }
}

fn sentence((_, sentence): Denied) -> String {
    sentence
}

/// The next picture; pends where none were asked for, nothing when they have ended.
async fn next_still(stills: &mut Option<(StillFlow, ViewerSeat)>) -> Option<Bytes> {
    match stills {
        Some((flow, seat)) => tokio::select! {
            still = flow.next() => still.map(|still| still.jpeg.clone()),
            () = stills::ended(seat) => None,
        },
        None => std::future::pending().await,
    }
}
