//! One request: what it carries on its way in, and what every answer has on its way out.
//!
//! ```text
//!  request --> gate: host, origin, who, what that needs --> dispatch: route -> answer
//!                                                        |--> farewell   POST /api/v1/leave
//!                                                        |--> upgrade    WebSocket -> session
//!                                                        '--> body       what is read of a body
//! ```

mod body;
mod dispatch;
mod farewell;
mod gate;
mod upgrade;

use std::sync::Arc;

use http_body_util::Full;
use hyper::{HeaderMap, Method, Request, StatusCode, body::Incoming};

pub(super) use body::read_body;
pub(super) use gate::{facts, foreign};

use super::{
    Visit, api, error_page,
    host::Authority,
    reply::{self, Reply},
    routes::{Route, resolve},
};
use crate::{access::Visitor, config::Settings, protocol::ErrorCode, telemetry::metrics::metrics};

/// One request, with all that is known of where it comes from. Made once, at the door.
pub(super) struct Ask<'a> {
    pub(super) visit: &'a Arc<Visit>,
    /// The settings in force when it came.
    pub(super) settings: &'a Settings,
    /// The host that it names, which is ours.
    pub(super) host: &'a Authority,
    /// Who sends it, and from where.
    pub(super) visitor: Visitor,
    pub(super) request: Request<Incoming>,
}

impl Ask<'_> {
    /// The header fields of the request.
    pub(super) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    fn method(&self) -> &Method {
        self.request.method()
    }
}

/// Answers a request that came by https.
pub(super) async fn answer(visit: &Arc<Visit>, request: Request<Incoming>) -> Reply {
    metrics().http_requests.inc();
    let settings = visit.house.settings();
    let is_head = request.method() == Method::HEAD;
    let reader = error_page::reader(request.method(), request.headers());
    let mut reply = match gate::meant_for_us(visit, &settings, &request) {
        Ok(host) => {
            let visitor = gate::visitor(visit, &settings, request.headers()).await;
            let ask = Ask { visit, settings: &settings, host: &host, visitor, request };
            dispatch::answer(ask).await
        }
        Err(refused) => *refused,
    };
    if let Some(language) = reader {
        reply = error_page::dress(reply, language);
    }
    if is_head {
        *reply.body_mut() = Full::default();
    }
    reply::secure(&mut reply, &settings.http.frame_ancestors);
    reply
}

/// Answers a request that came by plain HTTP: the CA, which is what makes https trusted, is given out;
/// all else leads to https on the same port.
pub(super) fn answer_plain(visit: &Visit, request: &Request<Incoming>) -> Reply {
    metrics().http_requests.inc();
    let settings = visit.house.settings();
    let mut reply = match gate::meant_for_us(visit, &settings, request) {
        Ok(host) => plainly(visit, &host, request),
        Err(refused) => *refused,
    };
    if let Some(language) = error_page::reader(request.method(), request.headers()) {
        reply = error_page::dress(reply, language);
    }
    if request.method() == Method::HEAD {
        *reply.body_mut() = Full::default();
    }
    reply::secure(&mut reply, &settings.http.frame_ancestors);
    reply
}

fn plainly(visit: &Visit, host: &Authority, request: &Request<Incoming>) -> Reply {
    let uri = request.uri();
    let route = resolve(uri.path(), uri.query());
    if route.is_ok_and(|r| r == Route::Authority && r.allows(request.method().as_str())) {
        return api::authority(&visit.house);
    }
    match uri.path_and_query().map_or("/", |path| path.as_str()) {
        path if path.starts_with('/') => {
            reply::redirect(StatusCode::PERMANENT_REDIRECT, &format!("https://{host}{path}"))
        }
        _ => reply::text(StatusCode::BAD_REQUEST, "this port speaks https"),
    }
}

pub(super) fn not_found() -> Reply {
    reply::problem(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such thing here")
}
