//! The supervisor's talk with its room: joining, publishing, what the room says.

use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::mpsc;
use tracing::warn;

use super::{Report, Supervisor};
use crate::{
    camera::{
        cause::Cause,
        house::{House, Place},
        local_time, offer,
        publisher::Publisher,
        state::{Event, Fault},
    },
    config::{CameraSettings, Role},
    ids::Nickname,
    protocol::{
        ClientMessage, Direction, MediaFault, MemberKind, Outgoing, Rank, Request, ServerMessage,
        TrackSource,
    },
    rooms::{JoinRequest, Liveness, OUTBOX_LEN, Trouble},
};

/// The room has to answer a join within.
const JOIN_WITHIN: Duration = Duration::from_secs(8);

/// What the room says next; pends for ever while there is no seat, ends when the seat does.
pub(super) async fn next_said<P>(
    place: &mut Option<(P, mpsc::Receiver<Outgoing>)>,
) -> Option<Outgoing> {
    match place {
        Some((_, outbox)) => outbox.recv().await,
        None => std::future::pending().await,
    }
}

/// What viewers are told of a fault.
fn trouble(fault: &Fault) -> Trouble {
    let reason = format!("{}, since {}", fault.cause, local_time::hh_mm(fault.since));
    let by_choice = matches!(fault.cause, Cause::Closed(_));
    Trouble { reason, fault: told(fault), by_choice }
}

/// The same for programs.
pub(super) fn told(fault: &Fault) -> MediaFault {
    let since = fault.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    MediaFault {
        code: fault.cause.code().to_owned(),
        detail: fault.cause.detail(),
        since_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    }
}

fn join_request(
    settings: &CameraSettings,
    is_open: bool,
    outbox: mpsc::Sender<Outgoing>,
) -> Option<JoinRequest> {
    // The configuration allows names that are none: too long, or with a line break.
    let name = Nickname::parse(&settings.name);
    let name = name.or_else(|_| Nickname::parse(settings.id.as_str())).ok()?;
    Some(JoinRequest {
        room: settings.room.clone(),
        name,
        kind: MemberKind::Camera,
        // The box's own: it may make its room, whoever else may not.
        role: Role::Owner,
        rank: Rank::Participant,
        mic: is_open && settings.audio.is_some(),
        cam: is_open,
        receives: false,
        resume: None,
        device: None,
        account: None,
        source: None,
        re: None,
        outbox,
        liveness: Liveness::InProcess,
        label: Some(settings.id.clone()),
    })
}

impl<H: House> Supervisor<H> {
    pub(super) async fn join(&mut self) -> Event {
        let (outbox, received) = mpsc::channel(OUTBOX_LEN);
        let request = join_request(&self.effective(), !self.machine.is_closed(), outbox);
        let Some(request) = request else {
            return Event::SeatLost(Cause::NoRoom("it has no name".into()));
        };
        let joined = tokio::time::timeout(JOIN_WITHIN, self.house.join(request)).await;
        let place = match joined {
            Ok(Ok(place)) => place,
            Ok(Err(error)) => return Event::SeatLost(Cause::NoRoom(error.message)),
            Err(_) => return Event::SeatLost(Cause::NoRoom("it did not answer".into())),
        };
        self.place = Some((place, received));
        // A camera looks at nobody.
        let watch = ClientMessage::Watch { members: Some(Vec::new()) };
        if self.ask(watch).await.is_none() {
            return self.seat_lost("it has ended the seat");
        }
        Event::Seated
    }

    pub(super) async fn leave(&mut self) {
        if let Some((place, _)) = self.place.take() {
            place.leave().await;
        }
    }

    /// The request's id, or nothing if the seat has ended.
    pub(super) async fn ask(&mut self, message: ClientMessage) -> Option<u32> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let (place, _) = self.place.as_ref()?;
        place.request(Request { id, message }).await.ok().map(|()| id)
    }

    fn seat_lost(&mut self, why: &str) -> Event {
        self.place = None;
        Event::SeatLost(Cause::NoRoom(why.to_owned()))
    }

    pub(super) async fn show(&mut self, fault: Option<Fault>) -> Option<Event> {
        if let Some(fault) = &fault {
            warn!(camera = %self.settings.borrow().id, cause = %fault.cause, "camera fault");
        }
        let (place, _) = self.place.as_ref()?;
        let ended = place.fault(fault.as_ref().map(trouble)).await.is_err();
        ended.then(|| self.seat_lost("it has ended the seat"))
    }

    pub(super) async fn publish(&mut self, sdp: String) {
        let tracks = offer::tracks(&sdp);
        let picture = tracks.iter().find(|track| track.source == TrackSource::Camera);
        self.picture = picture.map(|track| track.mid.clone());
        let sound = tracks.iter().find(|track| track.source == TrackSource::Microphone);
        self.sound = sound.map(|track| track.mid.clone());
        let publish = ClientMessage::Publish { generation: self.generation, sdp, tracks };
        self.publish_id = self.ask(publish).await;
        if self.publish_id.is_none() {
            let lost = self.seat_lost("it has ended the seat");
            self.handle(lost).await;
        }
    }

    pub(super) async fn said(&mut self, said: Option<Outgoing>) {
        let Some(Outgoing { re, message }) = said else {
            let lost = self.seat_lost("it has ended the seat");
            return self.handle(lost).await;
        };
        match message {
            ServerMessage::Published { generation, sdp } if generation == self.generation => {
                self.take_answer(&sdp).await;
            }
            ServerMessage::Error { message, .. } if re.is_some() && re == self.publish_id => {
                self.handle(Event::PublisherLost(Cause::NoPath(message))).await;
            }
            ServerMessage::Error { code, message } => {
                let settings = self.settings.borrow();
                warn!(camera = %settings.id, ?code, message, "the room refused");
            }
            ServerMessage::Layers { generation, tracks } if generation == self.generation => {
                self.obey(&tracks).await;
            }
            ServerMessage::Restart { direction: Direction::Up } => {
                self.handle(Event::RestartAsked).await;
            }
            ServerMessage::Bye { reason } => {
                let lost = self.seat_lost(&format!("it said goodbye ({reason:?})"));
                self.handle(lost).await;
            }
            _ => {}
        }
    }

    async fn take_answer(&mut self, sdp: &str) {
        let Some(publisher) = &self.publisher.running else { return };
        let Some(sdp) = offer::on_loopback(sdp) else {
            let cause = Cause::NoPath("the answer has no address on 127.0.0.1".into());
            return self.handle(Event::PublisherLost(cause)).await;
        };
        let (attempt, sender) = (self.publisher.attempt(), self.sender.clone());
        let answer = Publisher::answer(publisher.webrtcbin(), sdp);
        tokio::spawn(async move {
            // overflow: awaited; without it the attempt cannot go on.
            let _ = sender.send((attempt, Report::Answered(answer.await))).await;
        });
    }
}
