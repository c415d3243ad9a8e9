//! One client: its connection, its requests, its place among the viewers.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval, timeout},
};
use tracing::{debug, info};

use super::{
    Doors, digest,
    message::{Answer, MAX_HEAD, Read, Request, read},
    player::Outlet,
    words::{control, sdp, way},
};
use crate::{
    access::{Facts, Need, Rules, Visitor},
    ids::{CameraId, Nickname},
    rooms::{ViewerNews, ViewerSeat, Watch, WatchRequest},
    seams::{
        cameras::CameraDoor,
        feed::{FeedDescription, FeedPacket, FeedReader, FeedTrack},
        places::Place,
    },
};

const REALM: &str = "parlor";
/// A client that says nothing for so long is gone; it is told so by `Session: …;timeout=`.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(60);
/// A client that has not begun to play makes room after this time.
pub(super) const PLAYS_WITHIN: Duration = Duration::from_secs(30);
/// A client that takes nothing for so long is gone.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// A camera that rests begins to send within a second; one that is slow to open has this long.
const SENDS_WITHIN: Duration = Duration::from_secs(8);
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Wrong passwords before the connection is closed.
const MAX_GUESSES: u8 = 5;

/// One client.
pub(super) struct Session {
    doors: Doors,
    place: Arc<Place>,
    ip: IpAddr,
    scope: u32,
    own: IpAddr,
    id: String,
    nonce: String,
    n_guesses: u8,
    heard: Instant,
    camera: Option<(CameraId, CameraDoor)>,
    reader: Option<FeedReader>,
    description: Option<Arc<FeedDescription>>,
    outlets: Vec<Outlet>,
    seat: Option<ViewerSeat>,
    is_over: bool,
}

impl Session {
    pub(super) fn new(doors: Doors, ip: IpAddr, scope: u32, place: Arc<Place>) -> Self {
        let now = Instant::now();
        Self {
            doors,
            place,
            ip,
            scope,
            own: ip,
            id: format!("{:016x}", rand::random::<u64>()),
            nonce: format!("{:032x}", rand::random::<u128>()),
            n_guesses: 0,
            heard: now,
            camera: None,
            reader: None,
            description: None,
            outlets: Vec::new(),
            seat: None,
            is_over: false,
        }
    }

    /// Speaks with a client to its end.
    pub(super) async fn run(&mut self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        if let Ok(own) = stream.local_addr() {
            self.own = own.ip().to_canonical();
        }
        let (mut input, mut output) = (BytesMut::with_capacity(2048), BytesMut::new());
        let mut reports = interval(REPORT_EVERY);
        let begun = Instant::now();
        while !self.is_over {
            if !output.is_empty() {
                // overflow: awaited; meanwhile the feed drops what is old.
                match timeout(TAKES_WITHIN, stream.write_all_buf(&mut output)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            let is_playing = self.seat.is_some();
            tokio::select! {
                read = stream.read_buf(&mut input) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => self.heard = Instant::now(),
                },
                packet = next(&mut self.reader, is_playing) => match packet {
                    Some(packet) => self.send(&packet, &mut output),
                    None => return debug!(peer = %self.ip, "the camera sends no more"),
                },
                () = ended(&mut self.seat) => return,
                _ = reports.tick() => {
                    self.report(&mut output);
                    let is_late = !is_playing && begun.elapsed() > PLAYS_WITHIN;
                    if is_late || self.heard.elapsed() > SILENT_AFTER + REPORT_EVERY {
                        return;
                    }
                }
            }
            if self.take(&mut input, &mut output).await.is_err() {
                let _ = timeout(TAKES_WITHIN, stream.write_all_buf(&mut output)).await;
                return;
            }
        }
        let _ = timeout(TAKES_WITHIN, stream.write_all_buf(&mut output)).await;
    }

    /// Nobody watches here any more.
    pub(super) async fn leave(&mut self) {
        self.reader = None;
        if let Some(seat) = self.seat.take() {
            seat.leave().await;
            info!(peer = %self.ip, "RTSP client is gone");
        }
    }

    /// Answers all requests that are there whole.
    async fn take(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<(), ()> {
        loop {
            match read(input) {
                Read::Partial if input.len() > MAX_HEAD + 8 * 1024 => return Err(()),
                Read::Partial => return Ok(()),
                Read::Interleaved(length) => input.advance(length),
                Read::Bad(why) => {
                    debug!(peer = %self.ip, why, "not understood");
                    output.extend_from_slice(Answer::new(400).write(None).as_bytes());
                    return Err(());
                }
                Read::Request(request, length) => {
                    input.advance(length);
                    let answer = self.answer(&request).await;
                    let text = answer.write(request.field("CSeq"));
                    output.extend_from_slice(text.as_bytes());
                    if self.n_guesses > MAX_GUESSES {
                        return Err(());
                    }
                }
            }
        }
    }

    async fn answer(&mut self, request: &Request) -> Answer {
        let methods = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER";
        match request.method.as_str() {
            "OPTIONS" => Answer::new(200).with("Public", methods),
            "GET_PARAMETER" | "SET_PARAMETER" => self.session(Answer::new(200)),
            "DESCRIBE" => self.describe(request).await,
            "SETUP" => self.set_up(request).await,
            "PLAY" => self.play(request).await,
            "TEARDOWN" => {
                self.is_over = true;
                self.session(Answer::new(200))
            }
            _ => Answer::new(405).with("Allow", methods),
        }
    }

    fn session(&self, answer: Answer) -> Answer {
        let session = format!("{};timeout={}", self.id, SILENT_AFTER.as_secs());
        answer.with("Session", session)
    }

    /// Opens the camera of a path for whoever may watch it.
    async fn open(&mut self, request: &Request) -> Result<(), Answer> {
        let id = request.path().split('/').next().unwrap_or_default().to_owned();
        if self.camera.as_ref().is_some_and(|(known, _)| known.as_str() == id) {
            return Ok(());
        }
        let id: CameraId = id.parse().map_err(|_| Answer::new(404))?;
        let door = self.doors.cameras.find(&id);
        // Who may see nothing is not told what there is.
        self.admit(request, door.as_ref()).await?;
        let door = door.ok_or_else(|| Answer::new(404))?;
        if !self.outlets.is_empty() {
            return Err(Answer::new(455));
        }
        self.reader = Some(door.feed.take());
        self.camera = Some((id, door));
        Ok(())
    }

    async fn admit(&mut self, request: &Request, door: Option<&CameraDoor>) -> Result<(), Answer> {
        let room = door.map(|door| door.status.borrow().room.clone());
        let need = room.as_ref().map_or(Need::House, Need::Room);
        let visitor = self.visitor().await;
        let Err(refusal) = visitor.may(&need) else { return Ok(()) };
        let settings = self.doors.settings.borrow().clone();
        let users = &settings.rtsp.users;
        if users.is_empty() {
            debug!(peer = %self.ip, %refusal, "refused");
            return Err(Answer::new(403));
        }
        let challenge = digest::challenge(REALM, &self.nonce);
        let authorization = request.field("Authorization");
        let password = |name: &str| {
            let known = users.iter().find(|(known, _)| known == name);
            known.map(|(_, password)| password.reveal().to_owned())
        };
        let name = authorization
            .and_then(|given| digest::name(given, &request.method, (REALM, &self.nonce), password));
        if name.is_some() {
            return Ok(());
        }
        if authorization.is_some() {
            self.n_guesses += 1;
        }
        Err(Answer::new(401).with("WWW-Authenticate", challenge))
    }

    async fn visitor(&self) -> Visitor {
        let facts = Facts {
            peer: Some(self.ip),
            scope: self.scope,
            forwarded: Vec::new(),
            cookies: Vec::new(),
            bearer: None,
        };
        let networks = self.doors.addresses.borrow().networks.clone();
        let rules = Rules::of(&self.doors.settings.borrow());
        self.doors.access.who(&facts, &networks, &rules).await
    }

    async fn describe(&mut self, request: &Request) -> Answer {
        if let Err(refused) = self.open(request).await {
            return refused;
        }
        let Some((id, door)) = self.camera.clone() else { return Answer::new(404) };
        let name = door.status.borrow().name.clone();
        match self.described().await {
            Ok(description) => {
                let base = format!("rtsp://{}/{id}/", self.host(request));
                let text = sdp(&name, self.own, &description);
                Answer::new(200).with("Content-Base", base).body("application/sdp", text)
            }
            Err(refused) => refused,
        }
    }

    /// The host as the client has written it, for it may come through a forwarded port.
    fn host(&self, request: &Request) -> String {
        let rest = request.url.strip_prefix("rtsp://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".-:[]%_".contains(&b);
        if !host.is_empty() && host.bytes().all(fits) {
            return host.to_owned();
        }
        match self.own {
            IpAddr::V4(own) => own.to_string(),
            IpAddr::V6(own) => format!("[{own}]"),
        }
    }

    async fn described(&mut self) -> Result<Arc<FeedDescription>, Answer> {
        let Some(reader) = &mut self.reader else { return Err(Answer::new(455)) };
        let description = reader.described(SENDS_WITHIN).await;
        let description = description.ok_or_else(|| Answer::new(503).with("Retry-After", "5"))?;
        self.description = Some(description.clone());
        Ok(description)
    }

    async fn set_up(&mut self, request: &Request) -> Answer {
        if let Err(refused) = self.open(request).await {
            return refused;
        }
        if self.seat.is_some() {
            return Answer::new(455);
        }
        let description = match self.described().await {
            Ok(description) => description,
            Err(refused) => return refused,
        };
        let wanted = request.path().rsplit('/').next().unwrap_or_default().to_owned();
        let track = [FeedTrack::Picture, FeedTrack::Sound].into_iter().find(|track| {
            // A client that names no track has only the picture.
            control(*track) == wanted || (*track == FeedTrack::Picture && !wanted.contains('='))
        });
        let has_it =
            |track: &FeedTrack| *track == FeedTrack::Picture || description.sound.is_some();
        let Some(track) = track.filter(has_it) else { return Answer::new(404) };
        let next = u8::try_from(self.outlets.len() * 2).unwrap_or(0);
        let Some(way) = request.field("Transport").and_then(|given| way(given, next)) else {
            return Answer::new(461);
        };
        match Outlet::new(track, way, self.own, self.ip) {
            Ok(outlet) => {
                let transport = outlet.transport();
                self.outlets.retain(|outlet| outlet.track() != track);
                self.outlets.push(outlet);
                self.session(Answer::new(200).with("Transport", transport))
            }
            Err(_) => Answer::new(503),
        }
    }

    async fn play(&mut self, request: &Request) -> Answer {
        let Some((id, door)) = self.camera.clone().filter(|_| !self.outlets.is_empty()) else {
            return Answer::new(455);
        };
        if self.seat.is_none() {
            let watch = WatchRequest {
                watch: Watch::Label(id),
                name: name(request),
                source: self.ip.into(),
                offer: None,
            };
            match self.doors.rooms.watch(watch).await {
                Ok(seat) => {
                    self.place.finish();
                    self.seat = Some(seat);
                }
                Err(refusal) => {
                    debug!(peer = %self.ip, %refusal, "refused");
                    return Answer::new(453);
                }
            }
            // From now on, from the next keyframe on: the camera is asked for one.
            self.reader = Some(door.feed.take());
            info!(peer = %self.ip, camera = %door.status.borrow().name, "RTSP client plays");
        }
        self.session(Answer::new(200).with("Range", "npt=now-"))
    }

    fn send(&mut self, packet: &FeedPacket, output: &mut BytesMut) {
        for outlet in self.outlets.iter_mut().filter(|outlet| outlet.track() == packet.track) {
            // overflow: none here; `output` is written before the next packet is taken.
            outlet.send(packet, output);
        }
    }

    fn report(&self, output: &mut BytesMut) {
        for outlet in &self.outlets {
            outlet.report(output);
        }
    }
}

/// What the members of the room shall call it: its program, as it calls itself.
fn name(request: &Request) -> Nickname {
    let product = request.field("User-Agent").and_then(|agent| agent.split(['/', ' ']).next());
    let name = product.and_then(|product| Nickname::parse(product).ok());
    name.unwrap_or_else(|| Nickname::parse("RTSP").expect("a literal"))
}

/// The next packet for whoever plays; pends for who does not yet.
async fn next(reader: &mut Option<FeedReader>, is_playing: bool) -> Option<FeedPacket> {
    match reader {
        Some(reader) if is_playing => reader.next().await,
        _ => std::future::pending().await,
    }
}

/// Returns when the room has ended the viewer.
async fn ended(seat: &mut Option<ViewerSeat>) {
    match seat {
        Some(seat) => while !matches!(seat.next().await, Some(ViewerNews::Ended(_)) | None) {},
        None => std::future::pending().await,
    }
}
