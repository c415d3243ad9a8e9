//! The box's cameras over the API: what there is, how it is, who watches; and changes as they come.
//!
//! Whoever is of a camera's room may see it (`gate`). What is told is put together here of what the
//! camera says (`seams::cameras`) and what its room says.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::{StatusCode, header, header::HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json as to_json};
use tokio::{
    sync::watch,
    time::{Duration, MissedTickBehavior, interval, timeout},
};

use super::{
    House,
    account::json,
    body::{Body, FlowWriter},
    denied,
    handler::{Ask, not_found},
    reply::{self, Reply},
};
use crate::{
    access::Refusal,
    ids::CameraId,
    protocol::MemberKind,
    rooms::RoomView,
    seams::cameras::{CameraDoor, CameraState, CameraStatus, ClosedBy},
};

/// A line that means nothing, so that both ends know that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A camera does as its owner says within this time, or is late with its word.
const OBEYS_WITHIN: Duration = Duration::from_secs(2);

/// A camera as the API shows it. `view` is its room, where that is there.
fn shown(id: &CameraId, status: &CameraStatus, view: Option<&RoomView>) -> Value {
    let of_label = |view: &RoomView| {
        view.labels.iter().find(|(label, _)| label == id).map(|(_, member)| *member)
    };
    let member = view.and_then(of_label);
    let viewers = view.into_iter().flat_map(|view| &view.viewers);
    let watches = |watches| member.is_some() && watches == member;
    let viewers = viewers.filter(|viewer| watches(viewer.watches));
    let people = view.into_iter().flat_map(|view| &view.members);
    let people = people.filter(|member| member.kind == MemberKind::Person);
    to_json!({
        "id": id,
        "name": status.name,
        "room": status.room,
        "member": member,
        "state": status.state.word(),
        "fault": status.fault,
        "sound": status.sound,
        "encoder": status.encoder,
        "viewers": viewers.map(|viewer| to_json!({"id": viewer.id, "name": viewer.name}))
            .collect::<Vec<_>>(),
        "people": people.map(|member| &member.name).collect::<Vec<_>>(),
        "page": format!("/c/{id}"),
        "whep": format!("/c/{id}/whep"),
        "snapshot": format!("/api/v1/cameras/{id}/snapshot.jpg"),
        "stream": format!("/api/v1/cameras/{id}/stream.mjpeg"),
    })
}

/// `/api/v1/cameras`: those that whoever asks may watch.
pub(super) async fn list(ask: Ask<'_>) -> Reply {
    let house = &ask.visit.house;
    let views = house.rooms.list().await;
    let mut all = Vec::new();
    for (id, door) in house.cameras.all().iter() {
        let status = door.status.borrow().clone();
        let password = ask.settings.room_password(&status.room);
        let role = house.access.role_in(&ask.visitor, &status.room, password, None).await;
        if role.is_ok() {
            let view = views.iter().find(|view| view.name == status.room);
            all.push(shown(id, &status, view));
        }
    }
    reply::json(&all)
}

/// `/api/v1/cameras/ID`
pub(super) async fn one(house: &House, id: &CameraId) -> Reply {
    let Some(door) = house.cameras.find(id) else { return not_found() };
    let status = door.status.borrow().clone();
    let view = house.rooms.view(status.room.clone()).await;
    let view = view.map(|view| view.borrow().clone());
    reply::json(&shown(id, &status, view.as_ref()))
}

/// `PATCH /api/v1/cameras/ID`: its owner closes the device, or lets it be opened again. It is kept
/// before it is done: what is closed stays so.
pub(super) async fn change(ask: Ask<'_>, id: &CameraId) -> Reply {
    let (visit, visitor) = (ask.visit.clone(), ask.visitor.clone());
    let house = &visit.house;
    let Some(door) = house.cameras.find(id) else { return not_found() };
    let Wanted { closed } = match json(ask, "{\"closed\": true or false}").await {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let who = visitor.who();
    let kept = house.access.store().close_camera(id.to_string(), closed, who.clone(), seconds);
    if let Err(fault) = kept.await {
        return denied::problem(&Refusal::Store(fault));
    }
    door.close(closed.then_some(ClosedBy { who, since: now }));
    // The answer tells what has become of it.
    let mut status = door.status.clone();
    let obeys = |status: &CameraStatus| (status.state == CameraState::Closed) == closed;
    let _ = timeout(OBEYS_WITHIN, status.wait_for(obeys)).await;
    one(house, id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    closed: bool,
}

/// `/api/v1/cameras/ID/events`: the same as it is, and again whenever it is another (server-sent
/// events, WHATWG HTML 9.2).
pub(super) fn events(ask: &Ask<'_>, id: CameraId) -> Reply {
    let Some(door) = ask.visit.house.cameras.find(&id) else { return not_found() };
    let (body, writer) = Body::flow();
    let within = ask.settings.http.slow_timeout;
    let visit = ask.visit.clone();
    let mut standing = visit.house.access.standing(&ask.visitor);
    tokio::spawn(async move {
        let mut stopping = visit.house.stopping.clone();
        tokio::select! {
            () = tell(&visit.house, id, door, &writer, within) => {}
            () = writer.closed() => {}
            () = standing.ended() => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    });
    flowing("text/event-stream", body)
}

/// Tells of a camera until nobody reads, or the camera is gone.
async fn tell(
    house: &House,
    id: CameraId,
    door: CameraDoor,
    writer: &FlowWriter,
    within: Duration,
) {
    let mut status = door.status;
    let mut view: Option<watch::Receiver<RoomView>> = None;
    let mut told = Value::Null;
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    loop {
        let now = status.borrow_and_update().clone();
        // A room may end, and be made anew.
        if view.as_ref().is_none_or(|view| view.has_changed().is_err()) {
            view = house.rooms.view(now.room.clone()).await;
        }
        let room = view.as_mut().map(|view| view.borrow_and_update().clone());
        let shown = shown(&id, &now, room.as_ref());
        if shown != told {
            let part = Bytes::from(format!("data: {shown}\n\n"));
            told = shown;
            if writer.write(part, within).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            () = changed(&mut view) => {}
            _ = heartbeat.tick() => {
                if writer.write(Bytes::from_static(b":\n\n"), within).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns when a room has changed or ended; pends where there is none.
async fn changed(view: &mut Option<watch::Receiver<RoomView>>) {
    match view {
        Some(receiver) => {
            if receiver.changed().await.is_err() {
                *view = None;
                // The camera comes back within seconds, by its own word.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        None => std::future::pending().await,
    }
}

/// 200 with a body that flows.
pub(super) fn flowing(content_type: &'static str, body: Body) -> Reply {
    let mut reply = Reply::new(body);
    *reply.status_mut() = StatusCode::OK;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
