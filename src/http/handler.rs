//! One request: may it come in, what does it mean, what is the answer.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tracing::debug;

use super::{
    House, Readiness, Visit, access, api, assets,
    host::{Authority, origin_allowed},
    ingest::{self, Ask},
    reply::{self, Reply},
    routes::{NoRoute, Route, resolve},
    session::Session,
    socket::{PACE, Socket},
    whep, whip,
};
use crate::{config::Settings, protocol::ErrorCode, rooms::Watch, telemetry::metrics::metrics};

/// Answers a request that came by https.
pub(super) async fn answer(visit: &Arc<Visit>, request: Request<Incoming>) -> Reply {
    metrics().http_requests.inc();
    let settings = visit.house.settings();
    let is_head = request.method() == Method::HEAD;
    let mut reply = respond(visit, &settings, request).await;
    if is_head {
        *reply.body_mut() = Full::default();
    }
    reply::secure(&mut reply, &settings.http.frame_ancestors);
    reply
}

/// Answers what may be asked by plain HTTP: the CA, which is what makes https trusted.
pub(super) fn answer_plain(visit: &Visit, request: &Request<Incoming>) -> Option<Reply> {
    let route = resolve(request.uri().path(), request.uri().query()).ok()?;
    if route != Route::Authority || !route.allows(request.method().as_str()) {
        return None;
    }
    metrics().http_requests.inc();
    let settings = visit.house.settings();
    let host = authority(request);
    let mut reply = refusal(visit, &settings, host.as_ref(), request.headers())
        .unwrap_or_else(|| api::authority(&visit.house));
    if request.method() == Method::HEAD {
        *reply.body_mut() = Full::default();
    }
    Some(reply)
}

/// The host a request names: `:authority` or the request's target, else `Host`.
pub(super) fn authority<B>(request: &Request<B>) -> Option<Authority> {
    match request.uri().authority() {
        Some(authority) => Authority::parse(authority.as_str()),
        None => Authority::parse(request.headers().get(header::HOST)?.to_str().ok()?),
    }
}

async fn respond(visit: &Arc<Visit>, settings: &Settings, request: Request<Incoming>) -> Reply {
    let host = authority(&request);
    let route = resolve(request.uri().path(), request.uri().query());
    // Whoever watches over the box may ask from anywhere; neither tells anything else.
    let open = matches!(route, Ok(Route::Health | Route::Ready));
    let local = matches!(route, Ok(Route::Metrics))
        && access::is_this_machine(&settings.access, visit.peer, host.as_ref());
    if !open
        && !local
        && let Some(refused) = refusal(visit, settings, host.as_ref(), request.headers())
    {
        return refused;
    }
    let route = match route {
        Ok(route) => route,
        Err(NoRoute::NotFound) => return not_found(),
        Err(NoRoute::RoomName(fault)) => {
            return reply::problem(StatusCode::BAD_REQUEST, ErrorCode::RoomNameInvalid, &fault);
        }
    };
    let file = match &route {
        Route::Page => Some("room/index.html"),
        Route::Asset(path) => Some(path.as_str()),
        _ => None,
    };
    if let Some(file) = file {
        let web_dir = settings.http.web_dir.as_deref();
        return match assets::answer(web_dir, file, request.headers()).await {
            Some(_) if !route.allows(request.method().as_str()) => {
                reply::method_not_allowed(route.allow())
            }
            Some(reply) => reply,
            None => not_found(),
        };
    }
    if !route.allows(request.method().as_str()) {
        return reply::method_not_allowed(route.allow());
    }
    let house = &visit.house;
    match route {
        Route::Moved(path) => reply::redirect(StatusCode::FOUND, &path),
        Route::Health => reply::text(StatusCode::OK, "ok"),
        Route::Ready => ready(house),
        Route::Metrics if local => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            reply::body(StatusCode::OK, content_type, metrics().encode())
        }
        Route::Metrics => forbidden(ErrorCode::Forbidden, "metrics are for the box itself"),
        Route::Authority => api::authority(house),
        Route::About => api::about(settings),
        Route::Rooms => api::rooms(house).await,
        Route::Room(name) => api::room(house, &name).await.unwrap_or_else(not_found),
        Route::Addresses => api::addresses(house),
        Route::IceServers => api::ice_servers(),
        Route::Leave => leave(visit, settings, host.as_ref(), request).await,
        Route::Signal => signal(visit, settings, host.as_ref(), request),
        Route::Whip(_)
        | Route::WhepRoom(_)
        | Route::WhepMember(..)
        | Route::WhepCamera(_)
        | Route::Stream(_) => {
            let ask = Ask { visit, settings, host: host.as_ref(), request };
            stream(ask, route).await
        }
        Route::Page | Route::Asset(_) => not_found(),
    }
}

/// WHIP and WHEP. A page of another origin that is allowed may read what comes back.
async fn stream(ask: Ask<'_>, route: Route) -> Reply {
    let origin = ask.headers().get(header::ORIGIN).cloned();
    let shared = !is_foreign(ask.settings, ask.host, ask.headers());
    let mut reply = match route {
        _ if ask.request.method() == Method::OPTIONS && !shared => {
            forbidden(ErrorCode::OriginForbidden, "http.origins lists who may use this box")
        }
        _ if ask.request.method() == Method::OPTIONS => {
            ingest::options(route.allow(), !matches!(route, Route::Stream(_)))
        }
        Route::Whip(room) => whip::post(ask, room).await,
        Route::WhepRoom(room) => whep::post(ask, Watch::Room(room)).await,
        Route::WhepMember(room, member) => whep::post(ask, Watch::Member(room, member)).await,
        Route::WhepCamera(id) => whep::post(ask, Watch::Label(id)).await,
        Route::Stream(id) => ingest::session(ask, &id).await,
        _ => not_found(),
    };
    if shared {
        ingest::share(&mut reply, origin.as_ref());
    }
    reply
}

/// The answer to whoever is no guest.
fn refusal(
    visit: &Visit,
    settings: &Settings,
    host: Option<&Authority>,
    headers: &HeaderMap,
) -> Option<Reply> {
    let addresses = visit.house.addresses.borrow().clone();
    let refusal = access::check(&settings.access, &addresses, visit.peer, host).err()?;
    metrics().http_refused.inc();
    debug!(peer = %visit.peer, ?refusal, "refused");
    Some(reply::refused(&refusal, headers))
}

pub(super) fn not_found() -> Reply {
    reply::problem(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such thing here")
}

fn forbidden(code: ErrorCode, detail: &str) -> Reply {
    metrics().http_refused.inc();
    reply::problem(StatusCode::FORBIDDEN, code, detail)
}

fn ready(house: &House) -> Reply {
    let readiness = house.readiness.borrow().clone();
    match readiness {
        _ if *house.stopping.borrow() => {
            reply::text(StatusCode::SERVICE_UNAVAILABLE, "the box is stopping")
        }
        Readiness::Ready => reply::text(StatusCode::OK, "ready"),
        Readiness::NotReady(reason) => reply::text(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

/// The answer to a page that comes from elsewhere.
pub(super) fn foreign(
    settings: &Settings,
    host: Option<&Authority>,
    headers: &HeaderMap,
) -> Option<Reply> {
    is_foreign(settings, host, headers).then(|| {
        forbidden(
            ErrorCode::OriginForbidden,
            "this page comes from elsewhere; http.origins lists who else may use this box",
        )
    })
}

fn is_foreign(settings: &Settings, host: Option<&Authority>, headers: &HeaderMap) -> bool {
    // One that is not even text is no origin of ours.
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
    !origin_allowed(origin, host, &settings.http.origins)
}

/// `POST /api/v1/leave {"token": RESUME_TOKEN}`: a browser's farewell while its page is unloaded.
async fn leave(
    visit: &Visit,
    settings: &Settings,
    host: Option<&Authority>,
    request: Request<Incoming>,
) -> Reply {
    #[derive(Deserialize)]
    struct Farewell {
        token: String,
    }
    if let Some(refused) = foreign(settings, host, request.headers()) {
        return refused;
    }
    let limit = (settings.http.max_body, "http.max_body");
    let body = match read_body(settings, limit, request.into_body()).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let token = match serde_json::from_slice::<Farewell>(&body) {
        Ok(Farewell { token }) => token,
        Err(error) => {
            let detail = format!("{{\"token\": TOKEN}} was expected: {error}");
            return reply::problem(StatusCode::BAD_REQUEST, ErrorCode::MessageMalformed, &detail);
        }
    };
    match visit.house.trust.tokens().verify(&token, SystemTime::now()) {
        Ok(claims) => {
            visit.house.rooms.leave(claims.room, claims.member).await;
            reply::empty(StatusCode::NO_CONTENT)
        }
        Err(error) => forbidden(ErrorCode::ResumeInvalid, &error.to_string()),
    }
}

/// A body of at most so many bytes, which a key says.
pub(super) async fn read_body(
    settings: &Settings,
    (max_len, key): (usize, &str),
    body: Incoming,
) -> Result<Bytes, Reply> {
    let within = settings.http.slow_timeout;
    let collected = timeout(within, Limited::new(body, max_len).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body has more than {max_len} bytes ({key})");
            Err(reply::problem(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, &detail))
        }
        Ok(Err(error)) => {
            let detail = format!("the body could not be read: {error}");
            Err(reply::problem(StatusCode::BAD_REQUEST, ErrorCode::MessageMalformed, &detail))
        }
        Err(_) => Err(reply::problem(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::MessageMalformed,
            "the body did not arrive in time (http.slow_timeout)",
        )),
    }
}

/// Upgrades to WebSocket (RFC 6455, 4.2) and begins a session.
fn signal(
    visit: &Arc<Visit>,
    settings: &Settings,
    host: Option<&Authority>,
    mut request: Request<Incoming>,
) -> Reply {
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
    tokio::spawn(converse(visit.clone(), upgrade));
    response.map(|_| Full::default())
}

async fn converse(visit: Arc<Visit>, upgrade: OnUpgrade) {
    let http = visit.house.settings().http.clone();
    let upgraded = match timeout(http.slow_timeout, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => return debug!(peer = %visit.peer, %error, "no upgrade"),
        Err(_) => return,
    };
    metrics().sessions.inc();
    let max_message = http.max_message.saturating_add(http.max_sdp);
    let socket = Socket::new(TokioIo::new(upgraded), max_message, PACE).await;
    Box::pin(Session::new(socket, visit.house.clone(), visit.peer).run()).await;
    metrics().sessions.dec();
}
