//! Who may come in: the host a request names, the page it comes from, who sends it and from where.
//!
//! Two hosts or none are 400; a host that is not ours is 421 (RFC 9110, 15.5.20).

use hyper::{
    HeaderMap, Method, Request, StatusCode, Version,
    header::{self, HeaderName, HeaderValue},
};
use tracing::debug;

use super::{
    super::{
        Visit, denied,
        host::{Authority, NoHost, named, origin_allowed},
        reply::{self, Reply},
        routes::{NoRoute, Route},
    },
    Ask,
};
use crate::{
    access::{Answer, Facts, Need, Principal, Rules, Visitor},
    config::Settings,
    protocol::ErrorCode,
    telemetry::metrics::metrics,
};

/// Fetch metadata: where the page is that has asked.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The host a request names: `:authority` or the request's target, else `Host`.
pub(super) fn authority<B>(request: &Request<B>) -> Result<Authority, NoHost> {
    let target = request.uri().authority().map(|authority| authority.as_str());
    let fields = request.headers().get_all(header::HOST);
    let is_http2 = request.version() == Version::HTTP_2;
    named(target, fields.iter().map(|field| field.to_str().ok()), is_http2)
}

/// The host of a request that is for us, or the answer to one that is not.
pub(super) fn meant_for_us<B>(
    visit: &Visit,
    settings: &Settings,
    request: &Request<B>,
) -> Result<Authority, Box<Reply>> {
    let refused = |status, code, detail: &str| {
        metrics().http_refused.inc();
        debug!(peer = %visit.peer, detail, "refused");
        Err(Box::new(reply::problem(status, code, detail)))
    };
    let host = match authority(request) {
        Ok(host) => host,
        Err(fault) => {
            return refused(StatusCode::BAD_REQUEST, ErrorCode::HostInvalid, &fault.to_string());
        }
    };
    let certificate = visit.house.trust.hosts();
    if host.is_ours(&certificate, &settings.http.hosts) {
        return Ok(host);
    }
    let detail = format!(
        "This box is not {:?}. It answers to its addresses, to the names of its certificate ({}), \
         and to those that its owner lists in http.hosts.",
        host.host,
        certificate.join(", ")
    );
    refused(StatusCode::MISDIRECTED_REQUEST, ErrorCode::HostUnknown, &detail)
}

/// What is known of whoever sends a request.
pub(in crate::http) fn facts<'a>(visit: &Visit, headers: &'a HeaderMap) -> Facts<'a> {
    let texts = |name: &str| {
        let values = headers.get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    Facts {
        peer: Some(visit.peer),
        scope: visit.scope,
        forwarded: texts("x-forwarded-for"),
        cookies: texts(header::COOKIE.as_str()),
        bearer: bearer(headers),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who sends a request. Made once, and carried by whatever begins with it.
pub(super) async fn visitor(visit: &Visit, settings: &Settings, headers: &HeaderMap) -> Visitor {
    let addresses = visit.house.addresses.borrow().clone();
    let facts = facts(visit, headers);
    visit.house.access.who(&facts, &addresses.networks, &Rules::of(settings)).await
}

/// The answer to whoever may not have what they ask for.
pub(super) async fn refusal(ask: &Ask<'_>, route: &Result<Route, NoRoute>) -> Option<Reply> {
    let need = match route {
        // A browser asks this before it sends who it is (Fetch standard, CORS preflight).
        Ok(_) if ask.method() == Method::OPTIONS => Need::Nothing,
        // Only whoever owns the box changes what it looks at.
        Ok(Route::Camera(_)) if ask.method() == Method::PATCH => Need::Owner,
        Ok(route) => route.need(),
        Err(_) => Need::Seat,
    };
    let camera = route.as_ref().ok().and_then(Route::camera);
    let camera = camera.and_then(|id| ask.visit.house.cameras.find(id));
    let room = camera.map(|door| door.status.borrow().room.clone());
    let need = match &room {
        Some(room) if need == Need::House => Need::Room(room),
        _ => need,
    };
    let allowed = may(ask, route, &need).await;
    let is_stranger = matches!(ask.visitor.principal, Principal::Stranger(_));
    // Whoever got in by a room's password is known; the socket opens before that is given.
    let by_password = need != Need::Nothing && !matches!(route, Ok(Route::Signal));
    if allowed.is_ok() && (!is_stranger || by_password) {
        ask.visit.slot.know();
    }
    let refusal = allowed.err()?;
    metrics().http_refused.inc();
    debug!(peer = %ask.visit.peer, ?refusal, "refused");
    Some(denied::page_or_problem(ask, &refusal).await)
}

/// A room with a password asks for it here as well: programs send it as their bearer token. By the socket
/// it comes with `join`, so that whoever is nobody yet is let as far as that where any room has one.
async fn may(ask: &Ask<'_>, route: &Result<Route, NoRoute>, need: &Need<'_>) -> Answer<()> {
    let settings = ask.settings;
    let room = match (need, route) {
        (Need::Room(room), _) => Some(*room),
        (_, Ok(Route::WhepCamera(id))) => settings.room_of_camera(id),
        _ => None,
    };
    if let Some(password) = room.and_then(|room| settings.room_password(room))
        && let Some(room) = room
    {
        let given = bearer(ask.headers());
        let access = &ask.visit.house.access;
        return access.role_in(&ask.visitor, room, Some(password), given).await.map(drop);
    }
    if matches!(route, Ok(Route::Signal)) && settings.has_room_passwords() {
        return Ok(());
    }
    ask.visitor.may(need)
}

pub(super) fn forbidden(code: ErrorCode, detail: &str) -> Reply {
    metrics().http_refused.inc();
    reply::problem(StatusCode::FORBIDDEN, code, detail)
}

/// The answer to a page that comes from elsewhere.
pub(in crate::http) fn foreign(
    settings: &Settings,
    host: &Authority,
    headers: &HeaderMap,
) -> Option<Reply> {
    is_foreign(settings, host, headers).then(|| {
        forbidden(
            ErrorCode::OriginForbidden,
            "this page comes from elsewhere; http.origins lists who else may use this box",
        )
    })
}

/// Whether a browser says that a page of another site has brought this about (Fetch Metadata). Programs, and
/// browsers by plain http, say nothing.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let elsewhere = |site: &HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    headers.get_all(SEC_FETCH_SITE).iter().any(elsewhere)
}

/// Whether a browser says that its visitor, or a page of ours, has brought this about (Fetch Metadata).
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_SITE) && !is_from_elsewhere(headers)
}

/// Whether a page that is neither ours nor of `http.origins` has sent this.
pub(super) fn is_foreign(settings: &Settings, host: &Authority, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (first, None) => first,
        // RFC 6454, 7.3: there is one at most.
        _ => return true,
    };
    if origin.is_none() && is_from_elsewhere(headers) {
        // A browser says that a page of another site has asked, by a form that sends no origin.
        return true;
    }
    // One that is not even text is no origin of ours.
    let origin = origin.map(|origin| origin.to_str().unwrap_or("null"));
    !origin_allowed(origin, host, &settings.http.origins)
}
