//! `/api/v1/settings`: what is in force, who says so, and what the owner changes.
//!
//! `GET` answers `{KEY: {value, default, source, from, fixed, restart}}`, secrets as `***`. `PATCH` takes
//! `{KEY: VALUE}`, `null` to take back what the page said; all of it or none, and answers what is in
//! force then. The ETag changes with each change of the page's.

use std::collections::BTreeMap;

use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};
use serde_json::{Map, Value, json};

use super::{
    account::json,
    handler::Ask,
    reply::{self, Reply},
};
use crate::{
    config::{ShownKey, Source, needs_restart},
    protocol::ErrorCode,
    seams::desk::{DeskRefusal, Shown},
};

/// `/api/v1/settings`
pub(super) async fn answer(ask: Ask<'_>) -> Reply {
    let desk = ask.visit.house.desk.clone();
    if ask.request.method() != Method::PATCH {
        return said(desk.show().await);
    }
    let who = ask.visitor.who();
    let expected = match ask.headers().get(header::IF_MATCH) {
        None => None,
        Some(tag) if tag == "*" => None,
        // A tag that is none of ours matches nothing.
        Some(tag) => Some(revision_of(tag).unwrap_or(u64::MAX)),
    };
    let changes: Map<String, Value> =
        match json(ask, "{\"network.announce\": [\"203.0.113.7\"]}, keys as in the file,").await {
            Ok(changes) => changes,
            Err(refused) => return refused,
        };
    let change = |(key, value): (String, Value)| {
        let value = (!value.is_null()).then(|| value.to_string());
        (key, value)
    };
    let changes: BTreeMap<_, _> = changes.into_iter().map(change).collect();
    said(desk.change(changes, expected, who).await)
}

fn revision_of(tag: &HeaderValue) -> Option<u64> {
    tag.to_str().ok()?.strip_prefix("\"settings-")?.strip_suffix('"')?.parse().ok()
}

fn said(outcome: Result<Shown, DeskRefusal>) -> Reply {
    let shown = match outcome {
        Ok(shown) => shown,
        Err(refusal) => return refused(refusal),
    };
    let keys: Map<String, Value> =
        shown.keys.into_iter().map(|key| (key.key.clone(), shown_key(&key))).collect();
    let mut reply = reply::json(&keys);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"settings-{}\"", shown.revision)) {
        reply.headers_mut().insert(header::ETAG, tag);
    }
    reply
}

fn shown_key(key: &ShownKey) -> Value {
    json!({
        "value": key.value,
        "default": key.default,
        "source": key.source.word(),
        "from": key.source.to_string(),
        "fixed": !matches!(key.source, Source::Default | Source::Page),
        "restart": needs_restart(&key.key),
    })
}

fn refused(refusal: DeskRefusal) -> Reply {
    let (status, code, detail) = match refusal {
        DeskRefusal::Changed => (
            StatusCode::PRECONDITION_FAILED,
            ErrorCode::PreconditionFailed,
            "the settings have changed meanwhile; look at them again".to_owned(),
        ),
        DeskRefusal::NotKept(fault) => (
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::StoreUnavailable,
            format!("the store {fault}"),
        ),
        DeskRefusal::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Stopping,
            "the settings cannot be changed just now; try again".to_owned(),
        ),
        DeskRefusal::Faults(faults) => {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            let each = faults.iter().map(|fault| {
                let line = fault.to_string();
                let (problem, remedy) = (&fault.problem, &fault.remedy);
                json!({"key": fault.key, "problem": problem, "remedy": remedy, "line": line})
            });
            let problem = json!({
                "type": "about:blank",
                "title": "Unprocessable Content",
                "status": StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
                "code": ErrorCode::InputInvalid,
                "detail": lines.join("\n"),
                "faults": each.collect::<Vec<_>>(),
            });
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return reply::body(status, "application/problem+json", problem.to_string());
        }
    };
    reply::problem(status, code, &detail)
}
