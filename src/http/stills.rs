//! Single pictures of a camera over HTTP, for whatever cannot do WebRTC: one, or one after the other.
//!
//! | | |
//! |---|---|
//! | `/api/v1/cameras/ID/snapshot.jpg`, `/api/frame.jpeg?src=ID` | one JPEG, a second old at most |
//! | `…/snapshot.jpg?last` | the newest there is, however old: nothing is woken for it |
//! | `/api/v1/cameras/ID/stream.mjpeg`, `/api/stream.mjpeg?src=ID` | `multipart/x-mixed-replace` |
//!
//! A page of another site gets none, whether it says where it is or not (`gate::foreign`). Whoever
//! takes a stream is seen in the camera's room as a viewer.

use bytes::{BufMut, Bytes, BytesMut};
use hyper::{
    StatusCode,
    header::{HeaderName, HeaderValue},
};
use tokio::time::Duration;

use super::{
    body::{Body, FlowWriter},
    cameras::flowing,
    handler::{Ask, foreign, not_found},
    ingest::refused,
    reply::{self, Reply},
    routes::query_value,
    streams::Denied,
    whip::name,
};
use crate::{
    ids::CameraId,
    protocol::ErrorCode,
    rooms::{RoomsHandle, ViewerNews, ViewerSeat, Watch, WatchRequest},
    seams::{
        cameras::CameraDoor,
        stills::{Still, StillFlow},
    },
};

/// A still that is younger is not made anew.
const YOUNG: Duration = Duration::from_secs(1);
/// A camera that rests begins within a second; one that is slow to open has this long.
const COMES_WITHIN: Duration = Duration::from_secs(5);
/// When a still was taken, in milliseconds since 1970.
const TAKEN: HeaderName = HeaderName::from_static("x-parlor-taken-ms");

/// The next still of a flow, or why there is none.
pub(super) async fn next(door: &CameraDoor, flow: &mut StillFlow) -> Result<Bytes, Denied> {
    match tokio::time::timeout(COMES_WITHIN, flow.next()).await {
        Ok(Some(still)) => Ok(still.jpeg.clone()),
        Ok(None) | Err(_) => Err(no_picture(door)),
    }
}

fn no_picture(door: &CameraDoor) -> Denied {
    let status = door.status.borrow();
    let why = match &status.fault {
        Some(fault) => format!("it says {:?}", fault.code),
        None => format!("it is {}", status.state.word()),
    };
    (ErrorCode::NoPicture, format!("the camera gives no picture now: {why}"))
}

/// One still.
pub(super) async fn snapshot(ask: Ask<'_>, id: &CameraId) -> Reply {
    if let Some(refused) = foreign(ask.settings, ask.host, ask.headers()) {
        return refused;
    }
    let Some(door) = ask.visit.house.cameras.find(id) else { return not_found() };
    let query = ask.request.uri().query();
    let is_last = query.is_some_and(|query| query.split('&').any(|word| word == "last"))
        || query_value(query, "last").is_some();
    let still = match is_last {
        true => door.stills.newest(),
        false => door.stills.fresh(YOUNG, COMES_WITHIN).await,
    };
    match still {
        Some(still) => picture(&still),
        None => refused(no_picture(&door)),
    }
}

fn picture(still: &Still) -> Reply {
    let mut reply = reply::body(StatusCode::OK, "image/jpeg", still.jpeg.clone());
    reply.headers_mut().insert(TAKEN, HeaderValue::from(still.taken_ms));
    reply
}

/// A place beside the camera's room, by which its members know that somebody watches.
pub(super) async fn seat(
    rooms: &RoomsHandle,
    ask: &Ask<'_>,
    id: &CameraId,
    protocol: &str,
) -> Result<ViewerSeat, Denied> {
    let name = name(ask.request.uri().query(), ask.headers(), protocol)?;
    let source = ask.visitor.whence.ip().into();
    let request = WatchRequest { watch: Watch::Label(id.clone()), name, source, offer: None };
    rooms.watch(request).await.map_err(|error| (error.code, error.message))
}

/// One still after the other.
pub(super) async fn stream(ask: Ask<'_>, id: &CameraId) -> Reply {
    if let Some(refused) = foreign(ask.settings, ask.host, ask.headers()) {
        return refused;
    }
    let house = &ask.visit.house;
    let Some(door) = house.cameras.find(id) else { return not_found() };
    if let Err(denied) = ask.may_begin() {
        return refused(denied);
    }
    if let Err(refused) = Ask::spend_invite(ask.visit, &ask.visitor).await {
        return refused;
    }
    let seat = match seat(&house.rooms, &ask, id, "MJPEG").await {
        Ok(seat) => seat,
        Err(denied) => return refused(denied),
    };
    let mut flow = door.stills.flow();
    // Whoever asks for a camera that gives nothing is told so, and not left waiting.
    let first = match next(&door, &mut flow).await {
        Ok(first) => first,
        Err(denied) => {
            seat.leave().await;
            return refused(denied);
        }
    };
    let (body, writer) = Body::flow();
    let within = ask.settings.http.slow_timeout;
    let mut stopping = house.stopping.clone();
    let mut standing = house.access.standing(&ask.visitor);
    tokio::spawn(async move {
        let mut seat = seat;
        tokio::select! {
            () = write(first, flow, &writer, within) => {}
            () = writer.closed() => {}
            () = ended(&mut seat) => {}
            () = standing.ended() => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        seat.leave().await;
    });
    flowing("multipart/x-mixed-replace; boundary=frame", body)
}

/// Returns when the room has ended a viewer.
pub(super) async fn ended(seat: &mut ViewerSeat) {
    while !matches!(seat.next().await, Some(ViewerNews::Ended(_)) | None) {}
}

async fn write(first: Bytes, mut flow: StillFlow, writer: &FlowWriter, within: Duration) {
    let mut next = Some(first);
    while let Some(jpeg) = next {
        if writer.write(part(&jpeg), within).await.is_err() {
            return;
        }
        next = flow.next().await.map(|still| still.jpeg.clone());
    }
}

/// One part of `multipart/x-mixed-replace`, as browsers and camera programs read it. The boundary of
/// the next part ends with this one, so that a picture is shown when it is there.
fn part(jpeg: &[u8]) -> Bytes {
    let head =
        format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    let mut part = BytesMut::with_capacity(head.len() + jpeg.len() + 2);
    part.put_slice(head.as_bytes());
    part.put_slice(jpeg);
    part.put_slice(b"\r\n");
    part.freeze()
}
