//! Setting the box up, signing in and out, and who one is (product contract, section 5).
//!
//! | | |
//! |---|---|
//! | `POST /api/v1/setup` | `{code, name, password}` → 201 and the owner's cookie; 409 once there is an owner |
//! | `GET /api/v1/session` | who the box takes this browser for, and why not more |
//! | `POST /api/v1/session` | `{name, password}`, `{invite}` or `{local}` → 201 and a cookie |
//! | `DELETE /api/v1/session` | signed out: 204 |
//! | `DELETE /api/v1/sessions` | signed out everywhere: 204 |

use std::time::Duration;

use hyper::{
    StatusCode,
    header::{self, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    denied,
    handler::{Ask, facts, foreign, read_body},
    reply::{self, Reply},
};
use crate::{
    access::{self, LOCAL_COOKIE, Need, NewSession, Principal, Refusal, SESSION_COOKIE},
    protocol::ErrorCode,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetUp {
    code: String,
    name: String,
    password: String,
}

/// After which a source may do again what it may do so often a minute.
const MINUTE: Duration = Duration::from_secs(60);

/// What somebody signs in by.
#[derive(Deserialize)]
#[serde(untagged)]
enum SignIn {
    Password { name: String, password: String },
    Invite { invite: String },
    Local { local: String },
}

/// Who somebody is.
#[derive(Serialize)]
struct Who<'a> {
    /// `stranger`, `guest`, `invited`, `user`, `owner`
    who: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The room of an invite.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    /// Whether the invite makes a moderator.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Where from: `lan`, `machine`, `container`, `forwarder`, `proxy`, `outside`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'static str>,
    /// Why somebody is a stranger.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// True for a stranger where a room's password would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_passwords: Option<bool>,
    /// False while the box has no owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_up: Option<bool>,
}

impl<'a> Who<'a> {
    fn new(principal: &'a Principal) -> Self {
        let (room, role) = match principal {
            Principal::Invited { room, role, .. } => (Some(room.as_str()), Some(role.word())),
            _ => (None, None),
        };
        let reason = principal.may(&Need::Seat).err().map(|refusal| refusal.to_string());
        let (who, name) = (principal.word(), principal.name());
        Self { who, name, room, role, from: None, reason, room_passwords: None, set_up: None }
    }
}

/// The JSON that a request of our own page, or of a program, brings.
pub(super) async fn json<T: DeserializeOwned>(ask: Ask<'_>, wanted: &str) -> Result<T, Reply> {
    let Ask { settings, host, request, .. } = ask;
    if let Some(refused) = foreign(settings, host, request.headers()) {
        return Err(refused);
    }
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).map(str::trim);
    // A form of another site cannot send this type without being asked about first.
    if !essence.is_some_and(|given| given.eq_ignore_ascii_case("application/json")) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let detail = format!("the body must be application/json: {wanted}");
        return Err(reply::problem(status, ErrorCode::MediaTypeUnsupported, &detail));
    }
    let limit = (settings.http.max_body, "http.max_body");
    let body = read_body(settings, limit, request.into_body()).await?;
    serde_json::from_slice(&body).map_err(|error| {
        // The place, and not the text: it may be a password.
        let place = format!("line {} column {}", error.line(), error.column());
        let detail = format!("{wanted} was expected; the body has something else at {place}");
        reply::problem(StatusCode::BAD_REQUEST, ErrorCode::MessageMalformed, &detail)
    })
}

fn put_cookie(reply: &mut Reply, cookie: &str) {
    // Our own words and base64.
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        reply.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn created(session: &NewSession) -> Reply {
    let mut reply = reply::json(&Who::new(&session.principal));
    *reply.status_mut() = StatusCode::CREATED;
    let cookie = access::set(session.cookie, &session.token, session.max_age_s);
    put_cookie(&mut reply, &cookie);
    reply
}

/// `POST /api/v1/setup`
pub(super) async fn set_up(ask: Ask<'_>) -> Reply {
    let (visit, visitor) = (ask.visit, ask.visitor.clone());
    let SetUp { code, name, password } =
        match json(ask, "{\"code\": CODE, \"name\": NAME, \"password\": PASSWORD}").await {
            Ok(wanted) => wanted,
            Err(refused) => return refused,
        };
    match visit.house.access.set_up(&visitor, &code, &name, password).await {
        Ok(session) => created(&session),
        Err(refusal) => denied::problem(&refusal),
    }
}

/// `POST /api/v1/session`
pub(super) async fn sign_in(ask: Ask<'_>) -> Reply {
    let (visit, visitor) = (ask.visit, ask.visitor.clone());
    let wanted =
        "{\"name\": NAME, \"password\": PASSWORD}, {\"invite\": TOKEN} or {\"local\": TOKEN}";
    let (access, source) = (&visit.house.access, visitor.whence.ip().into());
    let limit = ask.settings.http.joins_per_minute;
    let session = match json(ask, wanted).await {
        Ok(SignIn::Password { name, password }) => {
            access.sign_in(&visitor, &name, password).await.map(Some)
        }
        // Each makes a session, of which an invite has so many: the oldest is another guest's.
        Ok(SignIn::Invite { .. }) if !visit.house.rates.allow_entry(source, limit) => {
            Err(Refusal::Guessing(MINUTE))
        }
        Ok(SignIn::Invite { invite }) => access.come_in(&visitor, &invite).await,
        Ok(SignIn::Local { local }) => access.come_in_locally(&visitor, &local).await.map(Some),
        Err(refused) => return refused,
    };
    match session {
        Ok(Some(session)) => created(&session),
        // Somebody who is here by that already.
        Ok(None) => reply::json(&Who::new(&visitor.principal)),
        Err(refusal) => denied::problem(&refusal),
    }
}

/// `GET /api/v1/session`
pub(super) async fn who(ask: &Ask<'_>) -> Reply {
    let set_up = ask.visit.house.access.setup_code().await.ok().map(|code| code.is_none());
    let from = Some(ask.visitor.whence.word());
    let is_stranger = matches!(ask.visitor.principal, Principal::Stranger(_));
    let room_passwords = (is_stranger && ask.settings.has_room_passwords()).then_some(true);
    reply::json(&Who { set_up, from, room_passwords, ..Who::new(&ask.visitor.principal) })
}

/// `DELETE /api/v1/session`
pub(super) async fn sign_out(ask: Ask<'_>) -> Reply {
    if let Some(refused) = foreign(ask.settings, ask.host, ask.headers()) {
        return refused;
    }
    let facts = facts(ask.visit, ask.headers());
    signed_out(ask.visit.house.access.sign_out(&facts).await)
}

/// `DELETE /api/v1/sessions`
pub(super) async fn sign_out_everywhere(ask: Ask<'_>) -> Reply {
    if let Some(refused) = foreign(ask.settings, ask.host, ask.headers()) {
        return refused;
    }
    signed_out(ask.visit.house.access.sign_out_everywhere(&ask.visitor).await)
}

fn signed_out(outcome: access::Answer<()>) -> Reply {
    match outcome {
        Ok(()) => {
            let mut reply = reply::empty(StatusCode::NO_CONTENT);
            for cookie in [SESSION_COOKIE, LOCAL_COOKIE] {
                put_cookie(&mut reply, &access::clear(cookie));
            }
            reply
        }
        Err(refusal) => denied::problem(&refusal),
    }
}

/// 204, or why not.
pub(super) fn done(outcome: access::Answer<()>) -> Reply {
    match outcome {
        Ok(()) => reply::empty(StatusCode::NO_CONTENT),
        Err(refusal) => denied::problem(&refusal),
    }
}

/// 200 and JSON, or why not.
pub(super) fn shown<T: Serialize>(outcome: access::Answer<T>) -> Reply {
    match outcome {
        Ok(value) => reply::json(&value),
        Err(refusal) => denied::problem(&refusal),
    }
}

/// 201 and JSON, at this place, or why not.
pub(super) fn made<T: Serialize>(outcome: access::Answer<(T, String)>) -> Reply {
    match outcome {
        Ok((value, place)) => {
            let mut reply = reply::json(&value);
            *reply.status_mut() = StatusCode::CREATED;
            if let Ok(place) = HeaderValue::from_str(&place) {
                reply.headers_mut().insert(header::LOCATION, place);
            }
            reply
        }
        Err(refusal) => denied::problem(&refusal),
    }
}
