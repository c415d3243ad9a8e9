//! `POST /api/v1/leave {"token": RESUME_TOKEN}`: a browser's farewell while its page is unloaded.

use std::time::SystemTime;

use hyper::StatusCode;
use serde::Deserialize;

use super::{
    super::{
        reply::{self, Reply},
        session::claims_of_seat,
    },
    Ask,
    gate::{forbidden, foreign},
    read_body,
};
use crate::protocol::ErrorCode;

#[derive(Deserialize)]
struct Farewell {
    token: String,
}

/// Whoever holds the token leaves the room that it names.
pub(super) async fn leave(ask: Ask<'_>) -> Reply {
    let Ask { visit, settings, host, request, .. } = ask;
    if let Some(refused) = foreign(settings, host, request.headers()) {
        return refused;
    }
    let limit = (settings.http.max_body, "http.max_body");
    let body = match read_body(settings, limit, request.into_body()).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let token = match serde_json::from_slice::<Farewell>(&body) {
        Ok(Farewell { token }) => token,
        Err(error) => {
            let detail = format!("{{\"token\": TOKEN}} was expected: {error}");
            return reply::problem(StatusCode::BAD_REQUEST, ErrorCode::MessageMalformed, &detail);
        }
    };
    match visit.house.trust.tokens().verify(&token, SystemTime::now()) {
        Ok(claims) => {
            visit.house.rooms.leave(claims_of_seat(claims)).await;
            reply::empty(StatusCode::NO_CONTENT)
        }
        Err(error) => forbidden(ErrorCode::ResumeInvalid, &error.to_string()),
    }
}
