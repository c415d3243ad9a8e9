//! From a request to a WebSocket (RFC 6455, 4.2), and the session that begins on it.

use std::sync::Arc;

use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    header::{self, HeaderValue},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tracing::debug;

use super::{
    super::{
        Visit,
        ice::Reach,
        reply::{self, Reply},
        session::Session,
        socket::{PACE, Socket},
    },
    Ask,
    gate::foreign,
};
use crate::{access::Visitor, protocol::ErrorCode, telemetry::metrics::metrics};

/// Upgrades, and begins a session.
pub(super) fn signal(ask: Ask<'_>) -> Reply {
    let reach = Reach::of(&ask);
    let Ask { visit, settings, host, visitor, mut request } = ask;
    if let Some(refused) = foreign(settings, host, request.headers()) {
        return refused;
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let response = match create_response(&Request::from_parts(parts, ())) {
        Ok(response) => response,
        Err(error) => {
            let detail = format!("a WebSocket of version 13 was expected: {error}");
            let status = StatusCode::UPGRADE_REQUIRED;
            let mut reply = reply::problem(status, ErrorCode::MessageMalformed, &detail);
            let websocket = HeaderValue::from_static("websocket");
            reply.headers_mut().insert(header::UPGRADE, websocket);
            return reply;
        }
    };
    tokio::spawn(converse(visit.clone(), visitor, reach, upgrade));
    response.map(|_| Full::default())
}

async fn converse(visit: Arc<Visit>, visitor: Visitor, reach: Reach, upgrade: OnUpgrade) {
    let http = visit.house.settings().http.clone();
    let upgraded = match timeout(http.slow_timeout, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => return debug!(peer = %visit.peer, %error, "no upgrade"),
        Err(_) => return,
    };
    // Not one to make room for others while it lives, for all that nobody says anything.
    let _busy = visit.slot.busy();
    metrics().sessions.inc();
    let max_message = http.max_message.saturating_add(http.max_sdp);
    let socket = Socket::new(TokioIo::new(upgraded), max_message, PACE).await;
    Box::pin(Session::new(socket, visit.house.clone(), visitor, reach).run()).await;
    metrics().sessions.dec();
}
