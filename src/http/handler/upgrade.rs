//! From a request to a session: by a WebSocket (RFC 6455, 4.2), or by server-sent events (HTML, 9.2) and
//! what is posted to it.

use std::sync::Arc;

use hyper::{
    Request, StatusCode,
    header::{self, HeaderName, HeaderValue},
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tracing::debug;

use super::{
    super::{
        Visit,
        body::Body,
        events::{self, Posted},
        ice::Reach,
        reply::{self, Reply},
        session::Session,
        socket::{PACE, Socket},
        transport::{Received, Transport},
    },
    Ask,
    gate::foreign,
    read_body,
};
use crate::{access::Visitor, protocol::ErrorCode, telemetry::metrics::metrics};

/// By which a posted message names its session.
const SESSION: HeaderName = HeaderName::from_static("parlor-session");

/// A request that becomes a WebSocket when it has been answered.
pub(in crate::http) struct Upgrade(OnUpgrade);

impl Upgrade {
    /// The upgrade and the answer that goes before it, or the answer to what asks for none.
    pub(in crate::http) fn of(ask: Ask<'_>) -> Result<(Self, Reply), Box<Reply>> {
        let mut request = ask.request;
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        match create_response(&Request::from_parts(parts, ())) {
            Ok(response) => Ok((Self(upgrade), response.map(|_| Body::default()))),
            Err(error) => {
                let detail = format!("a WebSocket of version 13 was expected: {error}");
                let status = StatusCode::UPGRADE_REQUIRED;
                let mut reply = reply::problem(status, ErrorCode::MessageMalformed, &detail);
                let websocket = HeaderValue::from_static("websocket");
                reply.headers_mut().insert(header::UPGRADE, websocket);
                Err(Box::new(reply))
            }
        }
    }

    /// The connection, once the answer has gone out.
    pub(in crate::http) async fn done(self, visit: &Visit) -> Option<Upgraded> {
        let slow_timeout = visit.house.settings().http.slow_timeout;
        match timeout(slow_timeout, self.0).await {
            Ok(Ok(upgraded)) => Some(upgraded),
            Ok(Err(error)) => {
                debug!(peer = %visit.peer, %error, "no upgrade");
                None
            }
            Err(_) => None,
        }
    }
}

/// Begins a session: by server-sent events for whoever asks for them, else by an upgrade.
pub(super) fn signal(ask: Ask<'_>) -> Reply {
    if let Some(refused) = foreign(ask.settings, ask.host, ask.headers()) {
        return refused;
    }
    let reach = Reach::of(&ask);
    let (visit, visitor) = (ask.visit.clone(), ask.visitor.clone());
    let accepts = ask.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/event-stream")) {
        return tell_by_events(&visit, visitor, reach);
    }
    match Upgrade::of(ask) {
        Ok((upgrade, reply)) => {
            tokio::spawn(converse(visit, visitor, reach, upgrade));
            reply
        }
        Err(refused) => *refused,
    }
}

fn tell_by_events(visit: &Arc<Visit>, visitor: Visitor, reach: Reach) -> Reply {
    let (events, pieces) = visit.house.conversations.begin(events::PACE);
    tokio::spawn(run(visit.clone(), visitor, reach, events));
    let mut reply = Reply::new(Body::pieces(pieces));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep events back until it has a buffer full of them.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

/// `POST /api/v1/signal`: one message of a session that hears by events.
pub(super) async fn post(ask: Ask<'_>) -> Reply {
    let Ask { visit, settings, host, request, .. } = ask;
    if let Some(refused) = foreign(settings, host, request.headers()) {
        return refused;
    }
    let id = request.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let Some(id) = id else {
        let detail = "a Parlor-Session was expected: the id that the event stream began with";
        return reply::problem(StatusCode::BAD_REQUEST, ErrorCode::MessageMalformed, detail);
    };
    let max_len = settings.http.max_message.saturating_add(settings.http.max_sdp);
    let limit = (max_len, "http.max_message and http.max_sdp");
    let (received, refused) = match read_body(settings, limit, request.into_body()).await {
        Ok(body) => match String::from_utf8(body.into()) {
            Ok(text) => (Received::Text(text), None),
            Err(_) => (Received::Binary, None),
        },
        // The session says so as well, as it does to whoever has a socket.
        Err(refused) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            (Received::TooLarge, Some(refused))
        }
        Err(refused) => return refused,
    };
    match (visit.house.conversations.post(&id, received), refused) {
        (Posted::Taken, Some(refused)) => refused,
        (Posted::Taken, None) => reply::empty(StatusCode::NO_CONTENT),
        (Posted::Unknown, _) => {
            let detail = "there is no such session, or no more: begin another";
            reply::problem(StatusCode::NOT_FOUND, ErrorCode::NotFound, detail)
        }
        (Posted::TooMany, _) => {
            let detail = "the messages of before have not been read yet; wait for their answers";
            reply::problem(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, detail)
        }
    }
}

async fn converse(visit: Arc<Visit>, visitor: Visitor, reach: Reach, upgrade: Upgrade) {
    let http = visit.house.settings().http.clone();
    let Some(upgraded) = upgrade.done(&visit).await else { return };
    let max_message = http.max_message.saturating_add(http.max_sdp);
    let socket = Socket::new(TokioIo::new(upgraded), max_message, PACE).await;
    run(visit, visitor, reach, socket).await;
}

async fn run(visit: Arc<Visit>, visitor: Visitor, reach: Reach, transport: impl Transport) {
    // While it lives it makes room for nobody, for all that nobody says anything: a stranger's only once
    // a room's password has let them in.
    let busy = visit.slot.busy();
    metrics().sessions.inc();
    let session = Session::new(transport, visit.house.clone(), visitor, reach, busy);
    tokio::select! {
        () = Box::pin(session.run()) => {}
        () = visit.slot.made_room() => debug!(peer = %visit.peer, "made room for another"),
    }
    metrics().sessions.dec();
}
