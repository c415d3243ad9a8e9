//! What `/api/v1` and `/trust` tell.

use hyper::{
    StatusCode,
    header::{self, HeaderValue},
};
use serde::Serialize;

use super::{
    House,
    handler::Ask,
    reply::{self, Reply},
};
use crate::{
    config::Settings,
    ids::RoomName,
    protocol::{ErrorCode, Member},
    rooms::RoomView,
    seams::AddressOrigin,
    trust,
};

/// A room as the API shows it.
#[derive(Serialize)]
struct Room<'a> {
    name: &'a RoomName,
    members: &'a [Member],
    /// Who is in it is told to whoever has its password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    password: bool,
}

impl<'a> From<&'a RoomView> for Room<'a> {
    fn from(view: &'a RoomView) -> Self {
        Self { name: &view.name, members: &view.members, password: false }
    }
}

/// `/api/v1/about`
pub(super) fn about(settings: &Settings) -> Reply {
    reply::json(&serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "default_room": settings.rooms.default,
    }))
}

/// `/api/v1/rooms`: a list of rooms with somebody in them. Who that is, is nobody's business who would be
/// asked for the room's password.
pub(super) async fn rooms(ask: &Ask<'_>) -> Reply {
    let views = ask.visit.house.rooms.list().await;
    let is_asked = |name: &RoomName| {
        ask.settings.room_password(name).is_some()
            && ask.visitor.principal.is_asked_for_password(name)
    };
    let rooms = views.iter().map(|view| match is_asked(&view.name) {
        true => Room { name: &view.name, members: &[], password: true },
        false => Room::from(view),
    });
    reply::json(&rooms.collect::<Vec<_>>())
}

/// `/api/v1/rooms/ROOM`
pub(super) async fn room(house: &House, name: &RoomName) -> Option<Reply> {
    let views = house.rooms.list().await;
    let view = views.iter().find(|view| view.name == *name)?;
    Some(reply::json(&Room::from(view)))
}

/// `/api/v1/addresses`: by what the box can be reached, best first, and why.
pub(super) fn addresses(house: &House) -> Reply {
    let addresses = house.addresses.borrow().clone();
    let announced = addresses.announced.iter().map(|own| {
        let (origin, port) = match own.origin {
            AddressOrigin::Interface => ("interface", None),
            AddressOrigin::Vpn => ("vpn", None),
            AddressOrigin::Configured(port) => ("configured", port),
        };
        serde_json::json!({
            "ip": own.ip,
            "prefix_len": own.prefix_len,
            "interface": own.interface,
            "origin": origin,
            "port": port,
        })
    });
    reply::json(&serde_json::json!({
        "hostname": addresses.hostname,
        "announced": announced.collect::<Vec<_>>(),
    }))
}

/// `/trust/ca.crt`: the box's own authority (DER), as systems take it when it is opened.
pub(super) fn authority(house: &House) -> Reply {
    let Some(der) = house.trust.identity().borrow().authority.clone() else {
        return no_authority();
    };
    let mut reply = reply::body(StatusCode::OK, "application/x-x509-ca-cert", der.to_vec());
    let name = HeaderValue::from_static("attachment; filename=\"parlor-ca.crt\"");
    reply.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    reply
}

/// `/trust/parlor.mobileconfig`: the same, for Apple's systems.
pub(super) fn profile(house: &House) -> Reply {
    let Some(der) = house.trust.identity().borrow().authority.clone() else {
        return no_authority();
    };
    let name = house.trust.facts().authority_name;
    let profile = trust::profile(&der, name.as_deref().unwrap_or("parlor"));
    let mut reply = reply::body(StatusCode::OK, "application/x-apple-aspen-config", profile);
    let name = HeaderValue::from_static("attachment; filename=\"parlor.mobileconfig\"");
    reply.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    reply
}

/// `/trust/check`: to be read by the page of the same box that came by plain http, which is another
/// origin.
pub(super) fn trust_check() -> Reply {
    let mut reply = reply::text(StatusCode::OK, "trusted");
    let anybody = HeaderValue::from_static("*");
    reply.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    reply
}

fn no_authority() -> Reply {
    reply::problem(
        StatusCode::NOT_FOUND,
        ErrorCode::NotFound,
        "this box shows a certificate it was given; there is no authority of its own to trust",
    )
}
