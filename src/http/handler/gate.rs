//! Who may come in: the host a request names, the page it comes from, who sends it and from where.

use hyper::{HeaderMap, Method, Request, StatusCode, header};
use tracing::debug;

use super::{
    super::{
        Visit, denied,
        host::{Authority, origin_allowed},
        reply::{self, Reply},
        routes::{NoRoute, Route},
    },
    Ask,
};
use crate::{
    access::{Facts, Need, Rules, Visitor},
    config::Settings,
    protocol::ErrorCode,
    telemetry::metrics::metrics,
};

/// The host a request names: `:authority` or the request's target, else `Host`.
pub(in crate::http) fn authority<B>(request: &Request<B>) -> Option<Authority> {
    match request.uri().authority() {
        Some(authority) => Authority::parse(authority.as_str()),
        None => Authority::parse(request.headers().get(header::HOST)?.to_str().ok()?),
    }
}

/// What is known of whoever sends a request.
pub(in crate::http) fn facts<'a>(visit: &Visit, headers: &'a HeaderMap) -> Facts<'a> {
    let texts = |name: &str| {
        let values = headers.get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    Facts {
        peer: Some(visit.peer),
        scope: visit.scope,
        forwarded: texts("x-forwarded-for"),
        cookies: texts(header::COOKIE.as_str()),
        bearer,
    }
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
        Ok(route) => route.need(),
        Err(_) => Need::Seat,
    };
    let refusal = ask.visitor.may(&need).err()?;
    metrics().http_refused.inc();
    debug!(peer = %ask.visit.peer, ?refusal, "refused");
    Some(denied::page_or_problem(ask, &refusal).await)
}

pub(super) fn forbidden(code: ErrorCode, detail: &str) -> Reply {
    metrics().http_refused.inc();
    reply::problem(StatusCode::FORBIDDEN, code, detail)
}

/// The answer to a page that comes from elsewhere.
pub(in crate::http) fn foreign(
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

/// Whether a page that is neither ours nor of `http.origins` has sent this.
pub(super) fn is_foreign(
    settings: &Settings,
    host: Option<&Authority>,
    headers: &HeaderMap,
) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).into_iter();
    // One that is not even text is no origin of ours, nor are two.
    let origin = origins.next().map(|origin| origin.to_str().unwrap_or("null"));
    if origins.next().is_some() || !origin_allowed(origin, host, &settings.http.origins) {
        return true;
    }
    // What an `<img>` or a link of another site sends has no Origin (Fetch Metadata).
    let site = headers.get("sec-fetch-site").map(hyper::header::HeaderValue::as_bytes);
    origin.is_none() && site.is_some_and(|site| site != b"same-origin" && site != b"none")
}
