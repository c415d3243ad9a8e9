//! Sections that may come any number of times: `[[camera]]`, `[[room]]`, `[[ice.servers]]`.
//!
//! PURE, as [`super::meaning`], which calls it.

use std::time::Duration;

use super::{
    fault::{Problem, Source},
    forms, ice_forms,
    reader::Reader,
    section::Section,
    settings::{
        AudioSource, CameraSettings, Direct, IceServer, RoomAhead, RoomSettings, Secret, Unwatched,
        VideoSource,
    },
    shape,
};
use crate::ids::{CameraId, RoomName};

/// What could be made of one `[[camera]]`.
pub(super) struct Camera {
    /// Its id and where that was written.
    id: Option<(CameraId, Source)>,
    /// Nothing if id or source have a fault.
    settings: Option<CameraSettings>,
}

pub(super) fn camera(s: &mut Section<'_>) -> Camera {
    let id =
        s.required("id", "write id = \"door\", or other letters, digits and -", forms::camera_id);
    let source = s.shown(forms::show_source).required(
        "source",
        "write source = \"test\", or \"v4l2:/dev/video0\"",
        forms::video_source,
    );
    match &source {
        Some(VideoSource::Libcamera) => s.dormant("source", "\"libcamera\""),
        Some(VideoSource::Rtsp(_)) => s.dormant("source", "\"rtsp://…\""),
        _ => {}
    }
    let default_name = id.as_ref().map_or("", CameraId::as_str).to_owned();
    let name = s.key("name", default_name, forms::nickname);
    let audio = s.key("audio", "", forms::audio_source);
    if audio == Some(AudioSource::Pipewire) {
        s.dormant("audio", "\"pipewire\"");
    }
    let room = s.key("room", "home", forms::room);
    let size = s.key("size", "1280x720", forms::size);
    let fps = s.key("fps", 30, shape::integer(1..=120, "frames a second"));
    let bitrate = s.key("bitrate", 1_500_000, shape::bits_per_second(50_000..=50_000_000));
    let encoder = s.key("encoder", "", forms::encoder);
    const UNWATCHED: &[(&str, Unwatched)] =
        &[("close", Unwatched::Close), ("warm", Unwatched::Warm)];
    let unwatched = s.key("unwatched", "close", shape::choice(UNWATCHED));
    let id_source = s.source_of("id");
    let Some(id) = id else { return Camera { id: None, settings: None } };
    let identity = Some((id.clone(), id_source));
    let name = name.map_or_else(|| id.as_str().to_owned(), |name| name.as_str().to_owned());
    let settings = source.map(|source| CameraSettings {
        id,
        name,
        source,
        audio,
        room,
        size,
        fps,
        bitrate_bps: bitrate,
        encoder,
        unwatched,
    });
    Camera { id: identity, settings }
}

/// Two cameras of one id are a fault of the second.
pub(super) fn different_cameras(reader: &mut Reader, cameras: Vec<Camera>) -> Vec<CameraSettings> {
    let mut seen: Vec<(CameraId, Source)> = Vec::new();
    let mut different = Vec::new();
    for camera in cameras {
        different.extend(camera.settings);
        let Some((id, source)) = camera.id else { continue };
        match seen.iter().find(|(other, _)| *other == id) {
            Some((_, first)) => {
                let problem = format!("is the id of another camera too ({first})");
                let problem = Problem::new(problem, "give each camera an id of its own");
                reader.fault_at(source, "camera.id", &format!("{:?}", id.as_str()), problem);
            }
            None => seen.push((id, source)),
        }
    }
    different
}

/// A room set up ahead, and where its name was written.
pub(super) type Room = (RoomAhead, Source);

/// `[[room]]`: what is not written is as `[rooms]` has it. Nothing without a name.
pub(super) fn room(s: &mut Section<'_>, rooms: &RoomSettings) -> Option<Room> {
    let name = s.required("name", "write name = \"Kitchen\", or another room's name", forms::room);
    let max = i64::try_from(rooms.max_participants).unwrap_or_default();
    let range = 0..=100_000;
    let max_participants =
        s.key("max_participants", max, shape::integer(range, "participants, 0 for no limit"));
    let locked = s.key("locked", false, shape::flag);
    let lobby = s.key("lobby", false, shape::flag);
    let welcome = s.key("welcome", "", shape::text(1000));
    let direct = s.key("direct", word(rooms.direct), shape::choice(DIRECT));
    let password = s.shown(forms::show_secret).key("password", "", room_password);
    let source = s.source_of("name");
    let room =
        RoomAhead { name: name?, max_participants, password, direct, locked, lobby, welcome };
    Some((room, source))
}

/// A room's password, or its argon2id hash as a PHC string; nothing for the empty text.
fn room_password(value: &toml::Value) -> Result<Option<Secret>, Problem> {
    let password = forms::secret(value)?;
    let is_broken = |text: &str| {
        let parts: Vec<&str> = text.split('$').collect();
        text.starts_with("$argon2") && !(parts.len() == 6 && parts[1] == "argon2id")
    };
    if password.as_ref().is_some_and(|password| is_broken(password.reveal())) {
        let remedy = "write \"$argon2id$v=19$m=…,t=…,p=…$SALT$HASH\", or the password itself";
        return Err(Problem::new("begins as an argon2 hash does and is none of argon2id", remedy));
    }
    Ok(password)
}

/// What `direct` may say.
pub(super) const DIRECT: &[(&str, Direct)] =
    &[("auto", Direct::Auto), ("never", Direct::Never), ("only", Direct::Only)];

fn word(direct: Direct) -> &'static str {
    DIRECT.iter().find(|(_, meant)| *meant == direct).map_or("auto", |(word, _)| word)
}

/// Two sections for one room are a fault of the second.
pub(super) fn different_rooms(reader: &mut Reader, rooms: Vec<Option<Room>>) -> Vec<RoomAhead> {
    let mut seen: Vec<(RoomName, Source)> = Vec::new();
    let mut different = Vec::new();
    for (room, source) in rooms.into_iter().flatten() {
        match seen.iter().find(|(name, _)| *name == room.name) {
            Some((_, first)) => {
                let problem = format!("is the name of another room too ({first})");
                let problem = Problem::new(problem, "write one section for each room");
                reader.fault_at(source, "room.name", &format!("{:?}", room.name.as_str()), problem);
            }
            None => {
                seen.push((room.name.clone(), source));
                different.push(room);
            }
        }
    }
    different
}

/// `[[ice.servers]]`
pub(super) fn ice_server(s: &mut Section<'_>) -> IceServer {
    let day = Duration::from_secs(24 * 60 * 60);
    let urls = s.list("urls", Vec::<String>::new(), ice_forms::url);
    if urls.is_empty() {
        let remedy = "write urls = [\"stun:stun.example\"], or other STUN and TURN addresses";
        s.fault_if_whole("urls", "names no server", remedy);
    }
    let username = s.key("username", "", shape::text(512));
    let credential = s.shown(forms::show_secret).key("credential", "", forms::secret);
    let secret = s.shown(forms::show_secret).key("secret", "", forms::secret);
    let range = Duration::from_secs(60)..=day.saturating_mul(365);
    let expiry = s.key("expiry", "24h", shape::duration(range));
    let needs = urls.iter().any(|url| url.starts_with("turn"));
    if ["username", "credential", "secret"].iter().any(|key| s.is_faulty(key)) {
        // Whether they go together is known when they are right.
    } else if credential.is_some() && secret.is_some() {
        let remedy = "write credential (a fixed password) or secret (passwords that expire)";
        s.fault_if_whole("secret", "is written beside a credential", remedy);
    } else if credential.is_some() && username.is_empty() {
        s.fault_if_whole("credential", "has no username", "write username beside it");
    } else if needs && credential.is_none() && secret.is_none() {
        let remedy = "write username and credential, or secret, beside it: browsers refuse a TURN \
                      server without";
        s.fault_if_whole("urls", "names a TURN server without credentials", remedy);
    }
    IceServer { urls, username, credential, secret, expiry }
}
