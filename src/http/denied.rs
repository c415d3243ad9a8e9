//! Answers to whoever is refused: a page for people, a problem for programs.

use hyper::{
    Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    assets,
    handler::Ask,
    reply::{self, Reply},
};
use crate::{access::Refusal, protocol::ErrorCode, store::StoreError};

/// Where the page for signing in takes up why somebody is refused.
const REASON: &str = "<p id=\"reason\"></p>";

/// Seconds after which it is worth trying again when the store does not work.
const STORE_AGAIN_S: u64 = 10;

/// Status and code of a refusal.
pub(super) fn code(refusal: &Refusal) -> (StatusCode, ErrorCode) {
    match refusal {
        Refusal::NoGuests
        | Refusal::NotLan(_)
        | Refusal::OtherRoom(_)
        | Refusal::OwnerOnly
        | Refusal::MachineOnly => (StatusCode::FORBIDDEN, ErrorCode::Forbidden),
        Refusal::SignInNeeded => (StatusCode::UNAUTHORIZED, ErrorCode::SignInNeeded),
        Refusal::PasswordWrong => (StatusCode::UNAUTHORIZED, ErrorCode::PasswordWrong),
        Refusal::RoomPasswordRequired => (StatusCode::UNAUTHORIZED, ErrorCode::PasswordRequired),
        Refusal::RoomPasswordWrong => (StatusCode::UNAUTHORIZED, ErrorCode::PasswordWrong),
        Refusal::SetupCodeWrong => (StatusCode::FORBIDDEN, ErrorCode::SetupCodeWrong),
        Refusal::AlreadySetUp => (StatusCode::CONFLICT, ErrorCode::AlreadySetUp),
        Refusal::InviteForged => (StatusCode::FORBIDDEN, ErrorCode::InviteInvalid),
        Refusal::InviteVoid => (StatusCode::FORBIDDEN, ErrorCode::InviteVoid),
        Refusal::InviteEarly(_) => (StatusCode::FORBIDDEN, ErrorCode::InviteEarly),
        Refusal::InviteExpired => (StatusCode::FORBIDDEN, ErrorCode::InviteExpired),
        Refusal::InviteUsedUp => (StatusCode::FORBIDDEN, ErrorCode::InviteUsedUp),
        Refusal::LocalTokenWrong => (StatusCode::FORBIDDEN, ErrorCode::LocalTokenWrong),
        Refusal::Unfit(_) => (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InputInvalid),
        Refusal::Guessing(_) => (StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited),
        Refusal::Unknown => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
        Refusal::LastOwner => (StatusCode::CONFLICT, ErrorCode::LastOwner),
        Refusal::Store(StoreError::TooMany(_)) => (StatusCode::CONFLICT, ErrorCode::LimitReached),
        Refusal::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::StoreUnavailable),
    }
}

/// A problem, with when to try again where that helps.
pub(super) fn problem(refusal: &Refusal) -> Reply {
    let (status, code) = code(refusal);
    problem_as(status, code, refusal)
}

fn problem_as(status: StatusCode, code: ErrorCode, refusal: &Refusal) -> Reply {
    let mut reply = reply::problem(status, code, &refusal.to_string());
    let again_s = match refusal {
        Refusal::Guessing(wait) => Some(wait.as_secs().max(1)),
        Refusal::InviteEarly(minutes) => Some(minutes * 60),
        Refusal::Store(_) => Some(STORE_AGAIN_S),
        _ => None,
    };
    let headers = reply.headers_mut();
    if let Some(seconds) = again_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110, 11.6.1 asks for one; browsers show nothing for this scheme (RFC 6750).
        let scheme = HeaderValue::from_static("Bearer realm=\"parlor\"");
        headers.insert(header::WWW_AUTHENTICATE, scheme);
    }
    reply
}

/// The answer to somebody who asked for something by its address.
pub(super) async fn page_or_problem(ask: &Ask<'_>, refusal: &Refusal) -> Reply {
    let text = |name: &HeaderName| ask.headers().get(name).and_then(|value| value.to_str().ok());
    let is_read = [Method::GET, Method::HEAD].contains(ask.request.method());
    let for_people = text(&header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
    if !(is_read && for_people) {
        if text(&header::AUTHORIZATION).is_none() || !is_of_token(refusal) {
            return problem(refusal);
        }
        // RFC 6750, 3.1: whoever sent a token is told that it was that.
        let mut reply = problem_as(StatusCode::UNAUTHORIZED, code(refusal).1, refusal);
        let fault = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, fault);
        return reply;
    }
    // Another site's link comes without the cookie that says who it is (SameSite=Strict). Asked for
    // again by our own page, it comes with it.
    let from_afar = ask.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let again = if from_afar { "<meta http-equiv=\"refresh\" content=\"0\">\n" } else { "" };
    let reason = format!("<p id=\"reason\">{}</p>", reply::escape(&refusal.to_string()));
    let web_dir = ask.settings.http.web_dir.as_deref();
    let page = match assets::text(web_dir, "signin/index.html").await {
        Some(page) => {
            page.replace(REASON, &reason).replace("</title>\n", &format!("</title>\n{again}"))
        }
        None => format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n{again}\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>parlor: no entry</title>\n<h1>No entry from here</h1>\n{reason}\n</html>\n"
        ),
    };
    reply::body(code(refusal).0, "text/html; charset=utf-8", page)
}

/// Whether it is the token that is not good.
fn is_of_token(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::InviteForged
            | Refusal::InviteVoid
            | Refusal::InviteEarly(_)
            | Refusal::InviteExpired
            | Refusal::InviteUsedUp
    )
}
