//! Who may come in: the host a request names, the page it comes from, and where from.

use hyper::{HeaderMap, Request, StatusCode, header};
use tracing::debug;

use super::{
    super::{
        Visit, access,
        host::{Authority, origin_allowed},
        reply::{self, Reply},
    },
    Ask,
};
use crate::{config::Settings, protocol::ErrorCode, telemetry::metrics::metrics};

/// The host a request names: `:authority` or the request's target, else `Host`.
pub(in crate::http) fn authority<B>(request: &Request<B>) -> Option<Authority> {
    match request.uri().authority() {
        Some(authority) => Authority::parse(authority.as_str()),
        None => Authority::parse(request.headers().get(header::HOST)?.to_str().ok()?),
    }
}

/// Whether this is the machine itself, and not a tunnel.
pub(super) fn is_this_machine(ask: &Ask<'_>) -> bool {
    access::is_this_machine(&ask.settings.access, ask.visit.peer, ask.host)
}

/// The answer to whoever is no guest.
pub(super) fn refusal(
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
    // One that is not even text is no origin of ours.
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
    !origin_allowed(origin, host, &settings.http.origins)
}
