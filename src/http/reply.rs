//! Answers: bodies, problems (RFC 9457), and the headers that each answer has.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;

use super::body::Body;
use crate::protocol::ErrorCode;

/// An answer.
pub(super) type Reply = Response<Body>;

/// Devices are for our own pages; what we do not use is for nobody.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), \
    speaker-selection=(self), autoplay=(self), fullscreen=(self), picture-in-picture=(self), \
    screen-wake-lock=(self), clipboard-write=(self), geolocation=(), payment=(), usb=(), serial=()";

/// An answer with a body. Not to be stored by anybody.
pub(super) fn body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let body = body.into();
    let length = body.len();
    let mut reply = Response::new(Body::from(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// 200 and a line of text, or another status.
pub(super) fn text(status: StatusCode, text: &str) -> Reply {
    body(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

/// 200 and JSON.
pub(super) fn json(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(json) => body(StatusCode::OK, "application/json", json),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            problem(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, "a fault of the box")
        }
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::default());
    *reply.status_mut() = status;
    reply
}

/// An answer that leads elsewhere. `location` is made of URL characters.
pub(super) fn redirect(status: StatusCode, location: &str) -> Reply {
    let mut reply = empty(status);
    if let Ok(location) = HeaderValue::from_str(location) {
        reply.headers_mut().insert(header::LOCATION, location);
    }
    reply.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A problem: a stable code for programs, a sentence for people.
pub(super) fn problem(status: StatusCode, code: ErrorCode, detail: &str) -> Reply {
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let mut reply = body(status, "application/problem+json", problem.to_string());
    reply.extensions_mut().insert(Problem { code, detail: detail.to_owned() });
    reply
}

/// What a problem says, beside its answer: a page may be made of it (`error_page`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: ErrorCode,
    pub(super) detail: String,
}

/// 405, with what would have been right.
pub(super) fn method_not_allowed(allow: &'static str) -> Reply {
    let detail = format!("this resource has {allow}");
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, &detail);
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    reply
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Puts on what every answer has.
pub(super) fn secure(reply: &mut Reply, frame_ancestors: &[String]) {
    let ancestors = match frame_ancestors {
        [] => "'none'".to_owned(),
        sources => sources.join(" "),
    };
    // MediaStreams are no URLs; `blob:` and `data:` are for pasted images and recorded sounds.
    let policy = format!(
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; \
         connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors {ancestors}"
    );
    let headers = reply.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    put(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Neither a window that has opened us nor a page that loads our files is let near them.
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    // Not `no-referrer`: with that, browsers send `Origin: null` to ourselves.
    put(header::REFERRER_POLICY, "same-origin");
    // Settings have been checked; should they hold line ends all the same, nobody may embed.
    let policy = HeaderValue::from_str(&policy).unwrap_or_else(|_| {
        HeaderValue::from_static("default-src 'self'; object-src 'none'; frame-ancestors 'none'")
    });
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}
