//! One client's signaling: hello, join, then everything to its room and from its room, in order.
//!
//! ```text
//!  opened --hello--> greeted --join--> seated ---(bye from the room, leave)---> closed
//!     '---- client gone, silent, too large a message, box stopping ---------------^
//! ```
//!
//! Owns what is said before a seat is had (`joining`: how one is), the sizes of messages, and the resume token in `joined`.
//! Does not decide what a request does: that is the room's. Dropping the outbox's receiver is how the
//! room hears of a lost socket, so it is dropped before any farewell.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;

mod joining;

use joining::Wanted;
pub(super) use joining::claims_of_seat;

use super::{
    House,
    crowd::Errand,
    ice::{Reach, Renewal},
    limits::{SessionRates, Weight},
    transport::{CloseReason, Gone, Received, Transport},
};
use crate::{
    access::{Principal, Visitor},
    config::Role,
    ids::Nickname,
    protocol::{ByeReason, ClientMessage, ErrorCode, Outgoing, Request, ServerMessage, VERSION},
    rooms::Seat,
    seams::Source,
    telemetry::metrics::metrics,
    trust::PlaceClaims,
};

/// A session: one client from its first message to its last.
pub(super) struct Session<T> {
    transport: T,
    house: Arc<House>,
    visitor: Visitor,
    greeted: bool,
    rates: SessionRates,
    ice: Renewal,
    place: Option<Seated>,
    busy: Errand,
}

/// What a session has once it has joined.
struct Seated {
    seat: Seat,
    outbox: mpsc::Receiver<Outgoing>,
    name: Nickname,
    /// The room's password was given, by somebody who needed it.
    by_password: bool,
}

/// All that can happen to a session.
enum Event {
    Heard(Received),
    /// From the room; `None` is the end of it.
    Told(Option<Outgoing>),
    /// Its passwords will expire, or the owner has changed something about them.
    ServersDue,
    /// Nobody said hello, or wanted to join.
    Unfriendly,
    Stopping,
    /// What let the visitor in holds no more.
    Over,
}

/// How a session ends.
enum End {
    /// There is nobody to tell.
    Gone,
    Close(CloseReason),
    /// `bye` comes first.
    Bye(ByeReason),
}

impl From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl<T: Transport> Session<T> {
    pub(super) fn new(
        transport: T,
        house: Arc<House>,
        visitor: Visitor,
        reach: Reach,
        busy: Errand,
    ) -> Self {
        let (rates, ice) = (SessionRates::new(), Renewal::new(reach, house.settings.clone()));
        Self { transport, house, visitor, greeted: false, rates, ice, place: None, busy }
    }

    /// Runs until either side ends it.
    pub(super) async fn run(mut self) {
        let mut stopping = self.house.stopping.clone();
        let mut standing = self.house.access.standing(&self.visitor);
        let greeting_due = tokio::time::Instant::now() + self.greeting_timeout();
        let end = loop {
            let event = tokio::select! {
                // Its sender lives as long as the server: an error is the end of it, too.
                _ = stopping.wait_for(|stopping| *stopping) => Event::Stopping,
                received = self.transport.receive() => Event::Heard(received),
                outgoing = next(&mut self.place) => Event::Told(outgoing),
                () = self.ice.due() => Event::ServersDue,
                () = standing.ended() => Event::Over,
                () = tokio::time::sleep_until(greeting_due), if self.is_expected() => Event::Unfriendly,
            };
            if let Err(end) = self.handle(event).await {
                break end;
            }
        };
        // Now the room knows, before the client has taken its time to hear the farewell.
        if let (End::Bye(ByeReason::SignedOut), Some(place)) = (&end, self.place.take()) {
            // There is nothing to come back to.
            place.seat.leave().await;
        }
        match end {
            End::Gone => {}
            End::Close(reason) => self.transport.close(reason).await,
            End::Bye(reason) => {
                let message = ServerMessage::Bye { reason };
                if self.transport.deliver(&Outgoing { re: None, message }).await.is_ok() {
                    self.transport.close(close_reason(reason)).await;
                }
            }
        }
    }

    /// Whether something has to come soon: `hello`, and from whoever is nobody yet a `join` by a room's
    /// password.
    fn is_expected(&self) -> bool {
        let is_nobody = matches!(self.visitor.principal, Principal::Stranger(_));
        !self.greeted || (is_nobody && self.place.is_none())
    }

    fn greeting_timeout(&self) -> Duration {
        self.house.settings().http.slow_timeout
    }

    async fn handle(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Stopping => Err(End::Bye(ByeReason::ServerStopping)),
            Event::Over => Err(End::Bye(ByeReason::SignedOut)),
            Event::Unfriendly => Err(End::Close(CloseReason::Policy)),
            // The room has let go of an outbox that was full; a room that is no more is the same
            // to the client: it comes again and resumes.
            Event::Told(None) => Err(End::Bye(ByeReason::Slow)),
            Event::Told(Some(outgoing)) => self.tell(outgoing).await,
            Event::ServersDue => self.tell_servers().await,
            Event::Heard(Received::Gone) => Err(End::Gone),
            Event::Heard(Received::TooLarge) => {
                metrics().messages_bad.inc();
                let limit = "the message is larger than http.max_message and http.max_sdp allow";
                self.refuse(None, ErrorCode::MessageTooLarge, limit).await?;
                Err(End::Close(CloseReason::TooLarge))
            }
            Event::Heard(Received::Broken(reason)) => {
                metrics().messages_bad.inc();
                Err(End::Close(reason))
            }
            Event::Heard(Received::Binary) => {
                metrics().messages_bad.inc();
                let message = "the message is binary; JSON text is expected";
                Ok(self.refuse(None, ErrorCode::MessageMalformed, message).await?)
            }
            Event::Heard(Received::Text(text)) => self.hear(&text).await,
        }
    }

    async fn tell_servers(&mut self) -> Result<(), End> {
        let Some(place) = &self.place else { return Ok(()) };
        let ice_servers = self.ice.servers(&self.house, place.seat.member.to_string());
        let message = ServerMessage::IceServers { ice_servers };
        Ok(self.transport.deliver(&Outgoing { re: None, message }).await?)
    }

    /// Something the room says: token and servers are put in, `bye` is the last.
    async fn tell(&mut self, mut outgoing: Outgoing) -> Result<(), End> {
        if let ServerMessage::Joined { room, you, token, members, ice_servers, .. } =
            &mut outgoing.message
            && let Some(place) = &self.place
        {
            let own = members.iter().find(|member| member.id == *you);
            let name = own.and_then(|member| Nickname::parse(&member.name).ok());
            let claims = PlaceClaims {
                room: room.clone(),
                member: *you,
                name: name.unwrap_or_else(|| place.name.clone()),
                role: if place.by_password { Role::User } else { Role::Guest },
                epoch: place.seat.epoch(),
                this_run: true,
            };
            *ice_servers = self.ice.servers(&self.house, you.to_string());
            *token = self.house.trust.tokens().mint(&claims, SystemTime::now());
        }
        self.transport.deliver(&outgoing).await?;
        match outgoing.message {
            ServerMessage::Bye { reason } => Err(End::Close(close_reason(reason))),
            _ => Ok(()),
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), End> {
        let request = match Request::parse(text) {
            Ok(request) => request,
            Err(bad) => {
                metrics().messages_bad.inc();
                return Ok(self.refuse(bad.id, bad.code, &bad.message).await?);
            }
        };
        if let Some((code, message)) = self.oversized(text.len(), &request.message) {
            metrics().messages_bad.inc();
            return Ok(self.refuse(Some(request.id), code, message).await?);
        }
        if let Err(message) = self.may_ask(&request.message) {
            metrics().messages_bad.inc();
            return Ok(self.refuse(Some(request.id), ErrorCode::RateLimited, message).await?);
        }
        if let Some(place) = &self.place {
            // A seat that has ended has left its reason in the outbox, which is read next.
            let _ = place.seat.request(request).await;
            return Ok(());
        }
        let Request { id, message } = request;
        Ok(self.hear_newcomer(id, message).await?)
    }

    /// What is said before there is a seat.
    async fn hear_newcomer(&mut self, id: u32, message: ClientMessage) -> Result<(), Gone> {
        let (code, sentence) = match message {
            ClientMessage::Hello { version: VERSION } => {
                self.greeted = true;
                let server = concat!("parlor/", env!("CARGO_PKG_VERSION")).to_owned();
                let message = ServerMessage::Welcome { version: VERSION, server };
                return self.transport.deliver(&Outgoing { re: Some(id), message }).await;
            }
            ClientMessage::Hello { version } => (
                ErrorCode::VersionUnsupported,
                format!("version {version} is not spoken here; version {VERSION} is"),
            ),
            _ if !self.greeted => {
                (ErrorCode::HelloMissing, "`hello` has to be the first message".to_owned())
            }
            ClientMessage::Ping => {
                let message = ServerMessage::Pong;
                return self.transport.deliver(&Outgoing { re: Some(id), message }).await;
            }
            ClientMessage::Join { room, name, mic, cam, resume, password, device } => {
                let wanted = Wanted { room, name, mic, cam, resume, password, device };
                match self.join(id, wanted).await {
                    Ok(()) => return Ok(()),
                    Err(refusal) => refusal,
                }
            }
            _ => (ErrorCode::NotJoined, "`join` has to come before this".to_owned()),
        };
        self.refuse(Some(id), code, &sentence).await
    }

    /// Whether this client, and its source, may ask for that now.
    fn may_ask(&self, message: &ClientMessage) -> Result<(), &'static str> {
        let weight = Weight::of(message);
        self.rates.allow(weight)?;
        self.house.rates.allow(self.source(), weight)?;
        match message {
            ClientMessage::Chat { text } => self.house.rates.allow_text(self.source(), text),
            _ => Ok(()),
        }
    }

    /// Who asks, as limits count it.
    fn source(&self) -> Source {
        self.visitor.whence.ip().into()
    }

    /// What is too large in a message that came: its SDP, or the rest of it.
    fn oversized(&self, len: usize, message: &ClientMessage) -> Option<(ErrorCode, &'static str)> {
        let sdp_len = match message {
            ClientMessage::Publish { sdp, .. } | ClientMessage::Answer { sdp, .. } => sdp.len(),
            ClientMessage::DirectSignal { signal, .. } => signal.sdp_len(),
            _ => 0,
        };
        let http = &self.house.settings().http;
        if sdp_len > http.max_sdp {
            return Some((ErrorCode::TooLarge, "the SDP is larger than http.max_sdp allows"));
        }
        (len.saturating_sub(sdp_len) > http.max_message).then_some((
            ErrorCode::MessageTooLarge,
            "the message without its SDP is larger than http.max_message allows",
        ))
    }

    async fn refuse(
        &mut self,
        re: Option<u32>,
        code: ErrorCode,
        message: &str,
    ) -> Result<(), Gone> {
        let message = ServerMessage::Error { code, message: message.to_owned() };
        self.transport.deliver(&Outgoing { re, message }).await
    }
}

/// The room's next word; never, where there is no seat.
async fn next(place: &mut Option<Seated>) -> Option<Outgoing> {
    match place {
        Some(place) => place.outbox.recv().await,
        None => std::future::pending().await,
    }
}

fn close_reason(reason: ByeReason) -> CloseReason {
    match reason {
        ByeReason::ServerStopping => CloseReason::Stopping,
        ByeReason::Slow => CloseReason::TryAgain,
        ByeReason::Replaced
        | ByeReason::Left
        | ByeReason::Removed
        | ByeReason::Refused
        | ByeReason::SignedOut => CloseReason::Done,
    }
}
