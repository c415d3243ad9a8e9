//! PURE. What a path means, by which methods, and how names are written in paths.

mod camera;
mod query;

pub(super) use query::{query_value, without_key};

use super::near_miss;
use crate::access::Need;
use crate::ids::{CameraId, MemberId, RoomName};

/// What is asked for. Paths are in `resolve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`: the page finds out by itself where it is.
    Home,
    /// `/r/NAME`: likewise, and open to whoever has an invite in the URL's fragment.
    Page,
    SignIn,
    /// `/settings`
    SettingsPage,
    DoctorPage,
    /// Elsewhere, by a path of this box.
    Moved(String),
    /// A file of the page.
    Asset(String),
    Health,
    Ready,
    Metrics,
    /// `/trust`
    Trust,
    /// `/trust/ca.crt`
    Authority,
    /// `/trust/parlor.mobileconfig`
    Profile,
    /// `/trust/check`: whoever reads it trusts the certificate, or has passed over a warning.
    TrustCheck,
    /// `/api/v1/about`
    About,
    /// `/api/v1/rooms`
    Rooms,
    /// `/api/v1/rooms/ROOM`
    Room(RoomName),
    /// `/api/v1/addresses`
    Addresses,
    /// `/api/v1/ice-servers`
    IceServers,
    /// `/api/v1/turn`
    Turn,
    /// `/api/v1/doctor`: how the box is.
    Doctor,
    /// `/api/v1/doctor/media`: whether media reaches it.
    DoctorMedia,
    /// `/api/v1/setup`
    SetUp,
    /// `/api/v1/session`: who one is, signing in and out.
    Session,
    /// `/api/v1/sessions`: all of one's own.
    Sessions,
    /// `/api/v1/invites`
    Invites,
    /// `/api/v1/invites/ID`
    Invite(String),
    /// `/api/v1/people`
    People,
    /// `/api/v1/people/ID`
    Person(i64),
    /// `/api/v1/settings`
    Settings,
    /// `/api/v1/audit`: who changed what.
    Audit,
    /// `/api/v1/certificate`
    Certificate,
    /// `/api/v1/leave`
    Leave,
    /// `/api/v1/signal`
    Signal,
    /// `/whip/ROOM`
    Whip(RoomName),
    /// `/whep/ROOM`
    WhepRoom(RoomName),
    /// `/whep/ROOM/MEMBER`
    WhepMember(RoomName, MemberId),
    /// `/c/ID/whep`
    WhepCamera(CameraId),
    /// `/c/ID`: one camera's page.
    CameraPage(CameraId),
    /// `/api/v1/cameras`
    Cameras,
    /// `/api/v1/cameras/ID`
    Camera(CameraId),
    /// `/api/v1/cameras/ID/events`
    CameraEvents(CameraId),
    /// `/api/v1/cameras/ID/snapshot.jpg`, `/api/frame.jpeg?src=ID`
    Snapshot(CameraId),
    /// `/api/v1/cameras/ID/stream.mjpeg`, `/api/stream.mjpeg?src=ID`
    CameraStream(CameraId),
    /// `/api/ws?src=ID`
    CameraSocket(CameraId),
    /// `/api/v1/stream/ID`: one session of WHIP or WHEP.
    Stream(String),
}

impl Route {
    /// The methods it has, as `Allow` lists them.
    pub(super) fn allow(&self) -> &'static str {
        match self {
            Self::Leave | Self::SetUp | Self::DoctorMedia => "POST",
            Self::Session => "GET, POST, DELETE",
            Self::Sessions | Self::Invite(_) => "DELETE",
            Self::Invites | Self::People => "GET, POST",
            Self::Person(_) => "PATCH, DELETE",
            Self::Settings | Self::Camera(_) => "GET, PATCH",
            Self::Whip(_) | Self::WhepRoom(_) | Self::WhepMember(..) | Self::WhepCamera(_) => {
                "POST, OPTIONS"
            }
            Self::Stream(_) => "PATCH, DELETE, OPTIONS",
            Self::CameraSocket(_) | Self::CameraStream(_) | Self::CameraEvents(_) => "GET",
            Self::Signal => "GET, POST",
            _ => "GET, HEAD",
        }
    }

    /// What it needs of whoever asks.
    pub(super) fn need(&self) -> Need<'_> {
        match self {
            // Neither health nor what a session's own secret opens asks who it is.
            Self::Health | Self::Ready | Self::Leave | Self::Stream(_) => Need::Nothing,
            // What somebody needs in order to become somebody.
            Self::Page
            | Self::SignIn
            | Self::SettingsPage
            // Whoever is not let in finds out here what is in the way.
            | Self::DoctorPage
            | Self::Moved(_)
            | Self::Asset(_)
            | Self::Trust
            | Self::Authority
            | Self::Profile
            | Self::TrustCheck
            | Self::Certificate
            | Self::SetUp
            | Self::Session
            | Self::Sessions => Need::Nothing,
            // Which cameras somebody may watch is looked at one by one.
            Self::Home
            | Self::About
            | Self::IceServers
            | Self::Turn
            | Self::DoctorMedia
            | Self::Signal
            | Self::Cameras => Need::Seat,
            Self::Rooms | Self::Addresses | Self::Doctor => Need::House,
            // Whoever is of the camera's room: that is looked up (`gate`).
            Self::WhepCamera(_)
            | Self::CameraPage(_)
            | Self::Camera(_)
            | Self::CameraEvents(_)
            | Self::Snapshot(_)
            | Self::CameraStream(_)
            | Self::CameraSocket(_) => Need::House,
            Self::Room(room)
            | Self::Whip(room)
            | Self::WhepRoom(room)
            | Self::WhepMember(room, _) => Need::Room(room),
            Self::Invites
            | Self::Invite(_)
            | Self::People
            | Self::Person(_)
            | Self::Settings
            | Self::Audit => Need::Owner,
            Self::Metrics => Need::Metrics,
        }
    }

    /// Whether it is given out by plain http as well: what a browser needs before it can trust https.
    /// All of it is public.
    pub(super) fn is_plain(&self) -> bool {
        match self {
            Self::Trust | Self::Authority | Self::Profile | Self::Certificate => true,
            Self::Asset(path) => path.starts_with("trust/") || path.starts_with("shared/"),
            _ => false,
        }
    }

    /// True if it has this method.
    pub(super) fn allows(&self, method: &str) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method)
    }
}

/// Why a path means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// There is no such thing.
    NotFound,
    /// The room's name is none; the sentence says why.
    RoomName(String),
    /// It is nearly one of WHIP or WHEP; the sentence says what would be right.
    NearMiss(String),
}

/// What a path and its query mean.
pub(super) fn resolve(path: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    Ok(match path {
        "/" => match query::room_of_query(query) {
            Some((room, rest)) => Route::Moved(room_path(&room, &rest)),
            None => Route::Home,
        },
        "/r" | "/r/" => Route::Moved("/".into()),
        "/signin" => Route::SignIn,
        "/settings" => Route::SettingsPage,
        "/doctor" | "/doctor/" => Route::DoctorPage,
        "/healthz" => Route::Health,
        "/readyz" => Route::Ready,
        "/metrics" => Route::Metrics,
        "/trust" | "/trust/" => Route::Trust,
        "/trust/ca.crt" => Route::Authority,
        "/trust/parlor.mobileconfig" => Route::Profile,
        "/trust/check" => Route::TrustCheck,
        "/api/v1/about" => Route::About,
        "/api/v1/rooms" => Route::Rooms,
        "/api/v1/addresses" => Route::Addresses,
        "/api/v1/ice-servers" => Route::IceServers,
        "/api/v1/turn" => Route::Turn,
        "/api/v1/doctor" => Route::Doctor,
        "/api/v1/doctor/media" => Route::DoctorMedia,
        "/api/v1/setup" => Route::SetUp,
        "/api/v1/session" => Route::Session,
        "/api/v1/sessions" => Route::Sessions,
        "/api/v1/invites" => Route::Invites,
        "/api/v1/people" => Route::People,
        "/api/v1/settings" => Route::Settings,
        "/api/v1/audit" => Route::Audit,
        "/api/v1/certificate" => Route::Certificate,
        "/api/v1/leave" => Route::Leave,
        "/api/v1/signal" => Route::Signal,
        "/api/v1/cameras" => Route::Cameras,
        "/api/frame.jpeg" => Route::Snapshot(camera::of_query(query)?),
        "/api/stream.mjpeg" => Route::CameraStream(camera::of_query(query)?),
        "/api/ws" => Route::CameraSocket(camera::of_query(query)?),
        _ => return resolve_named(path),
    })
}

fn resolve_named(path: &str) -> Result<Route, NoRoute> {
    if let Some(room) = path.strip_prefix("/api/v1/rooms/") {
        if room.contains('/') {
            return Err(NoRoute::NotFound);
        }
        return Ok(Route::Room(room_of_path(room)?));
    }
    if let Some(id) = path.strip_prefix("/api/v1/invites/").filter(|id| !id.contains('/')) {
        return Ok(Route::Invite(id.to_owned()));
    }
    if let Some(id) = path.strip_prefix("/api/v1/people/") {
        return id.parse().map(Route::Person).map_err(|_| NoRoute::NotFound);
    }
    if let Some(route) = resolve_stream(path) {
        return route;
    }
    if let Some(room) = path.strip_prefix("/r/") {
        // Whether the name is one, the page says in the user's language.
        return match near_miss::hint(path) {
            _ if !room.contains('/') => Ok(Route::Page),
            Some(hint) => Err(NoRoute::NearMiss(hint)),
            None => Err(NoRoute::NotFound),
        };
    }
    if path.starts_with("/api/") {
        return Err(near_miss::hint(path).map_or(NoRoute::NotFound, NoRoute::NearMiss));
    }
    match near_miss::hint(path) {
        Some(hint) => Err(NoRoute::NearMiss(hint)),
        None => asset_path(path).map(Route::Asset).ok_or(NoRoute::NotFound),
    }
}

/// Paths of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep), with a slash at the end as well: some
/// programs put one there.
fn resolve_stream(path: &str) -> Option<Result<Route, NoRoute>> {
    let path = path.strip_prefix('/')?;
    let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let near_miss = || near_miss::hint(path).map_or(NoRoute::NotFound, NoRoute::NearMiss);
    let route = match parts[..] {
        ["whip", room] => room_of_path(room).map(Route::Whip),
        ["whep", room] => room_of_path(room).map(Route::WhepRoom),
        ["whep", room, member] => room_of_path(room).and_then(|room| {
            let member = member.parse().map_err(|_| near_miss())?;
            Ok(Route::WhepMember(room, member))
        }),
        ["c", ..] | ["api", "v1", "cameras", ..] => camera::named(&parts),
        ["api", "v1", "stream", id] if !id.is_empty() => Ok(Route::Stream(id.to_owned())),
        ["whip" | "whep", ..] => Err(near_miss()),
        _ => return None,
    };
    Some(route)
}

fn room_of_path(part: &str) -> Result<RoomName, NoRoute> {
    let room = percent_decode(part, false).ok_or(NoRoute::NotFound)?;
    // Said without the name, which may be as long as a head may be.
    RoomName::parse(&room)
        .map_err(|fault| NoRoute::RoomName(format!("the room name cannot be used: {fault}")))
}

/// The file that a path names, if it is one that may be shown: inside, not hidden, no development's.
fn asset_path(path: &str) -> Option<String> {
    let path = percent_decode(path.strip_prefix('/')?, false)?;
    let ours = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.contains(['\\', '\0'])
            && part != "node_modules"
    };
    let development = path.starts_with("test/")
        || ["package.json", "package-lock.json", "tsconfig.json"].contains(&path.as_str());
    (path.split('/').all(ours) && !development).then_some(path)
}

/// A room's name as it stands in a path, if this part of one is such a name.
pub(super) fn room_path_of(part: &str) -> Option<String> {
    room_of_path(part).ok().map(|room| percent_encode(room.as_str()))
}

/// The path of a room's page.
pub(super) fn room_path(room: &RoomName, query: &str) -> String {
    let path = format!("/r/{}", percent_encode(room.as_str()));
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// As `encodeURIComponent` does, but for `!'()*`.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(b));
            }
            _ => encoded.push_str(&format!("%{b:02X}")),
        }
    }
    // A name of points alone would be a folder's.
    match text {
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        _ => encoded,
    }
}

/// The text that was percent-encoded (RFC 3986, 2.1); in forms `+` is a space. `None` is garbage.
fn percent_decode(text: &str, form: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        decoded.push(match b {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
                u8::try_from(value).ok()?
            }
            b'+' if form => b' ',
            b => b,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
