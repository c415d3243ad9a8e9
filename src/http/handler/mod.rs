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

use hyper::{HeaderMap, Method, Request, StatusCode, body::Incoming};

pub(super) use body::read_body;
pub(super) use gate::{facts, foreign};
pub(super) use upgrade::Upgrade;

use super::{
    Visit, api, assets,
    body::Body,
    error_page,
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
        *reply.body_mut() = Body::default();
    }
    reply::secure(&mut reply, &settings.http.frame_ancestors);
    reply
}

/// Answers a request that came by plain HTTP: `/trust`, which is what makes https trusted, is given out;
/// all else leads to https on the same port.
pub(super) async fn answer_plain(visit: &Visit, request: &Request<Incoming>) -> Reply {
    metrics().http_requests.inc();
    let settings = visit.house.settings();
    let mut reply = match gate::meant_for_us(visit, &settings, request) {
        Ok(host) => plainly(visit, &settings, &host, request).await,
        Err(refused) => *refused,
    };
    if let Some(language) = error_page::reader(request.method(), request.headers()) {
        reply = error_page::dress(reply, language);
    }
    if request.method() == Method::HEAD {
        *reply.body_mut() = Body::default();
    }
    reply::secure(&mut reply, &settings.http.frame_ancestors);
    reply
}

async fn plainly(
    visit: &Visit,
    settings: &Settings,
    host: &Authority,
    request: &Request<Incoming>,
) -> Reply {
    let uri = request.uri();
    if let Ok(route) = resolve(uri.path(), uri.query())
        && route.is_plain()
        && route.allows(request.method().as_str())
    {
        return public(visit, settings, &route, request.headers()).await;
    }
    match uri.path_and_query().map_or("/", |path| path.as_str()) {
        path if path.starts_with('/') => {
            reply::redirect(StatusCode::PERMANENT_REDIRECT, &format!("https://{host}{path}"))
        }
        _ => reply::text(StatusCode::BAD_REQUEST, "this port speaks https"),
    }
}

/// What is given out by plain http.
async fn public(visit: &Visit, settings: &Settings, route: &Route, request: &HeaderMap) -> Reply {
    let web_dir = settings.http.web_dir.as_deref();
    let file = match route {
        Route::Authority => return api::authority(&visit.house),
        Route::Profile => return api::profile(&visit.house),
        Route::Certificate => return reply::json(&visit.house.trust.facts()),
        Route::Trust => "trust/index.html",
        Route::Asset(path) => path,
        _ => return not_found(),
    };
    assets::answer(web_dir, file, request).await.unwrap_or_else(not_found)
}

pub(super) fn not_found() -> Reply {
    reply::problem(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such thing here")
}
