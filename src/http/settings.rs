//! `/api/v1/settings`: what is in force, who says so, and what the owner changes.
//!
//! `GET` answers `{KEY: {value, default, source, from, fixed, restart, waiting}}`, secrets as `***`; rooms
//! ahead, cameras and ICE servers are one key each, a list of objects. `PATCH` takes `{KEY: VALUE}`,
//! `null` to take back what the page said; all of it or none, and answers what is in force then.
//! `waiting`: the value is in force at the next start only. The ETag changes with each change of the
//! page's. A secret that comes back as `***` stays as it is.

use std::collections::BTreeMap;

use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};
use serde_json::{Map, Value, json};

use super::{
    House,
    account::json,
    denied,
    handler::Ask,
    reply::{self, Reply},
};
use crate::{
    access::Refusal,
    config::{ShownKey, Source, needs_restart},
    protocol::ErrorCode,
    seams::desk::{DeskRefusal, Shown},
    store::AuditEntry,
};

/// Changes that are told at once.
const N_CHANGES: u32 = 100;

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

/// `/api/v1/audit`: the latest changes, newest first.
pub(super) async fn audit(house: &House) -> Reply {
    match house.access.store().audit(N_CHANGES).await {
        Ok(entries) => {
            let entry = |entry: &AuditEntry| {
                let AuditEntry { at, who, what, detail } = entry;
                json!({"at": at, "who": who, "what": what, "detail": detail})
            };
            reply::json(&entries.iter().map(entry).collect::<Vec<_>>())
        }
        Err(fault) => denied::problem(&Refusal::Store(fault)),
    }
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
        shown.keys.iter().map(|key| (key.key.clone(), shown_key(key, &shown.waiting))).collect();
    let mut reply = reply::json(&keys);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"settings-{}\"", shown.revision)) {
        reply.headers_mut().insert(header::ETAG, tag);
    }
    reply
}

fn shown_key(key: &ShownKey, waiting: &[&str]) -> Value {
    json!({
        "value": key.value,
        "default": key.default,
        "source": key.source.word(),
        "from": key.source.to_string(),
        "fixed": !matches!(key.source, Source::Default | Source::Page),
        "restart": needs_restart(&key.key),
        "waiting": waiting.contains(&key.key.as_str()),
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
