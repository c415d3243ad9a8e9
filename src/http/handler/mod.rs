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
pub(super) use gate::{authority, facts, foreign};

use super::{
    Visit, api,
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
    /// The host that it names.
    pub(super) host: Option<&'a Authority>,
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
    let host = authority(&request);
    let visitor = gate::visitor(visit, &settings, request.headers()).await;
    let ask = Ask { visit, settings: &settings, host: host.as_ref(), visitor, request };
    let mut reply = dispatch::answer(ask).await;
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
    let mut reply = api::authority(&visit.house);
    if request.method() == Method::HEAD {
        *reply.body_mut() = Full::default();
    }
    Some(reply)
}

pub(super) fn not_found() -> Reply {
    reply::problem(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such thing here")
}
