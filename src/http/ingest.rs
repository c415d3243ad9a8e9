//! What WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common: how a request must look, what
//! the answers carry, and the requests to a session that has begun.
//!
//! | | |
//! |---|---|
//! | `POST` of an endpoint | 201, or 400, 403, 404, 406, 409, 413, 415, 422, 429, 503 |
//! | `PATCH` of a session | 204 (candidates), 200 (ICE restart), 400, 404, 412, 415, 422, 428 |
//! | `DELETE` of a session | 200, then 404 |
//! | `OPTIONS` | 204 with what CORS asks (Fetch standard), for pages that `http.origins` allows |
//! | all else | 405: reserved (RFC 9725 4.2) |
//!
//! A bearer token may be an invite's or a session's (`access`); beginning something by an invite uses
//! it once. On the LAN a token that is neither is no fault, since some programs always send one.

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    Visit, denied,
    handler::{Ask, foreign, not_found, read_body},
    ice::{self, Reach},
    limits::Weight,
    reply::{self, Reply},
    sdp_fragment,
    streams::{Denied, IfMatch, Patched, Stay},
};
use crate::{access::Visitor, protocol::ErrorCode, telemetry::metrics::metrics};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// Seconds after which it is worth trying again.
const RETRY_AFTER: u16 = 5;

/// The status that goes with a code.
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::NotFound | ErrorCode::MemberUnknown => StatusCode::NOT_FOUND,
        ErrorCode::SdpInvalid | ErrorCode::NameInvalid | ErrorCode::RoomNameInvalid => {
            StatusCode::BAD_REQUEST
        }
        ErrorCode::MessageMalformed => StatusCode::BAD_REQUEST,
        ErrorCode::SdpUnacceptable | ErrorCode::OfferUnknown => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::NothingPublished => StatusCode::CONFLICT,
        ErrorCode::ViewersFull | ErrorCode::NoPicture | ErrorCode::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorCode::RoomFull
        | ErrorCode::RoomCreateRefused
        | ErrorCode::RoomLocked
        | ErrorCode::Removed => StatusCode::FORBIDDEN,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::MediaTypeUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorCode::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A problem, with when to try again where that helps.
pub(super) fn refused((code, detail): Denied) -> Reply {
    let status = status(code);
    let mut reply = reply::problem(status, code, &detail);
    let retry = match code {
        ErrorCode::RateLimited => Some(60),
        ErrorCode::NothingPublished
        | ErrorCode::ViewersFull
        | ErrorCode::NoPicture
        | ErrorCode::Stopping => Some(RETRY_AFTER),
        _ => None,
    };
    if let Some(seconds) = retry {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let accept = match code {
        ErrorCode::MediaTypeUnsupported if detail.contains(FRAGMENT) => {
            Some((ACCEPT_PATCH, FRAGMENT))
        }
        ErrorCode::MediaTypeUnsupported => Some((ACCEPT_POST, SDP)),
        _ => None,
    };
    if let Some((name, value)) = accept {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(wanted))
}

/// Whether the body is said to be an offer.
pub(super) fn takes_sdp(headers: &HeaderMap) -> Result<(), Denied> {
    if has_type(headers, SDP) {
        return Ok(());
    }
    Err((ErrorCode::MediaTypeUnsupported, format!("the body must be {SDP}, an offer")))
}

fn accepts_sdp(headers: &HeaderMap) -> bool {
    let Some(accept) = text(headers, &header::ACCEPT) else { return true };
    accept.split(',').filter_map(|range| range.split(';').next()).any(|range| {
        [SDP, "application/*", "*/*", ""].iter().any(|r| range.trim().eq_ignore_ascii_case(r))
    })
}

impl Ask<'_> {
    /// Whether this address may begin another session now, and the box takes any.
    pub(super) fn may_begin(&self) -> Result<(), Denied> {
        let house = &self.visit.house;
        if *house.stopping.borrow() {
            return Err((ErrorCode::Stopping, "the box is stopping".into()));
        }
        let limit = self.settings.http.joins_per_minute;
        if !house.rates.allow_join(self.visitor.whence.ip().into(), limit) {
            metrics().http_refused.inc();
            let detail = format!("{limit} joins a minute from one address are allowed; wait");
            return Err((ErrorCode::RateLimited, detail));
        }
        Ok(())
    }

    /// Uses the invite that came as a bearer token, where one did.
    pub(super) async fn spend_invite(visit: &Visit, visitor: &Visitor) -> Result<(), Reply> {
        visit.house.access.spend(visitor).await.map_err(|refusal| denied::problem(&refusal))
    }

    /// The offer that a POST brings, if all about the request is as it must be.
    pub(super) async fn offer(self) -> Result<String, Reply> {
        let headers = self.request.headers();
        if let Some(refused) = foreign(self.settings, self.host, headers) {
            return Err(refused);
        }
        takes_sdp(headers).map_err(refused)?;
        if !accepts_sdp(headers) {
            let detail = format!("the answer is {SDP}, which `Accept` does not allow");
            return Err(refused((ErrorCode::NotAcceptable, detail)));
        }
        self.may_begin().map_err(refused)?;
        let limit = (self.settings.http.max_sdp, "http.max_sdp");
        let body = read_body(self.settings, limit, self.request.into_body()).await?;
        String::from_utf8(body.into()).map_err(|_| {
            refused((ErrorCode::SdpInvalid, "the SDP was not understood: it is no text".into()))
        })
    }
}

/// 201: the session has begun.
pub(super) fn created(
    visit: &Visit,
    (visitor, reach): (&Visitor, &Reach),
    stay: Stay,
    (offer, answer): (String, String),
) -> Reply {
    let standing = visit.house.access.standing(visitor);
    let (id, etag) = visit.house.streams.begin(stay, standing, offer);
    let mut reply = reply::body(StatusCode::CREATED, SDP, answer);
    put(&mut reply, header::LOCATION, &format!("/api/v1/stream/{id}"));
    put(&mut reply, header::ETAG, &etag);
    reply.headers_mut().insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
    ice::link(&mut reply, &visit.house, reach);
    reply
}

fn put(reply: &mut Reply, name: HeaderName, value: &str) {
    // Our own words and hex digits.
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

/// `OPTIONS` of an endpoint (`takes_posts`) or of a session.
pub(super) fn options(allow: &'static str, takes_posts: bool) -> Reply {
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    let headers = reply.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    let (name, value) = if takes_posts { (ACCEPT_POST, SDP) } else { (ACCEPT_PATCH, FRAGMENT) };
    headers.insert(name, HeaderValue::from_static(value));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
    let asked = HeaderValue::from_static("Authorization, Content-Type, If-Match");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    reply
}

/// Lets the page that asked read the answer. Only called for an origin that is allowed.
pub(super) fn share(reply: &mut Reply, origin: Option<&HeaderValue>) {
    let Some(origin) = origin else { return };
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let read =
        HeaderValue::from_static("Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, read);
}

/// A request to a session.
pub(super) async fn session(ask: Ask<'_>, id: &str) -> Reply {
    if let Some(refused) = foreign(ask.settings, ask.host, ask.headers()) {
        return refused;
    }
    let streams = ask.visit.house.streams.clone();
    if ask.request.method() == Method::DELETE {
        return match streams.delete(id).await {
            Some(()) => {
                let mut reply = reply::empty(StatusCode::OK);
                reply.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
                reply
            }
            None => not_found(),
        };
    }
    if !streams.has(id) {
        return not_found();
    }
    if let Err(detail) = ask.visit.house.rates.allow(ask.visitor.whence.ip().into(), Weight::Light)
    {
        return refused((ErrorCode::RateLimited, detail.into()));
    }
    match patch(ask, id).await {
        Ok(Some(Patched::Trickled)) => reply::empty(StatusCode::NO_CONTENT),
        Ok(Some(Patched::Restarted { fragment, etag })) => {
            let mut reply = reply::body(StatusCode::OK, FRAGMENT, fragment);
            put(&mut reply, header::ETAG, &etag);
            reply
        }
        Ok(None) => not_found(),
        Err(refused) => refused,
    }
}

async fn patch(ask: Ask<'_>, id: &str) -> Result<Option<Patched>, Reply> {
    if !has_type(ask.headers(), FRAGMENT) {
        let detail = format!("the body must be {FRAGMENT}");
        return Err(refused((ErrorCode::MediaTypeUnsupported, detail)));
    }
    let if_match = match text(ask.headers(), &header::IF_MATCH).map(str::trim) {
        None => {
            let detail = "If-Match is missing: the session's ETag, or * for an ICE restart";
            return Err(refused((ErrorCode::PreconditionRequired, detail.into())));
        }
        Some("*") => IfMatch::Any,
        Some(tags) => IfMatch::Tags(tags.split(',').map(|tag| tag.trim().to_owned()).collect()),
    };
    let limit = (ask.settings.http.max_sdp, "http.max_sdp");
    let body = read_body(ask.settings, limit, ask.request.into_body()).await?;
    let invalid = |detail: String| refused((ErrorCode::SdpInvalid, detail));
    let fragment =
        std::str::from_utf8(&body).map_err(|_| invalid("the fragment is no text".into()))?;
    let credentials = sdp_fragment::read(fragment).map_err(invalid)?;
    let patched = ask.visit.house.streams.patch(id, if_match, credentials).await;
    patched.transpose().map_err(refused)
}
