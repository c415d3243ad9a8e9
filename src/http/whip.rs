//! WHIP (RFC 9725): whoever POSTs an offer publishes into a room, as a member with a name.

use hyper::{HeaderMap, header};
use tokio::sync::mpsc;

use super::{
    denied,
    handler::Ask,
    ice::Reach,
    ingest::{created, refused},
    reply::Reply,
    routes::query_value,
    streams::{Denied, Stay},
    user_agent,
};
use crate::{
    config::Role,
    ids::{Mid, Nickname, RoomName},
    protocol::{ErrorCode, MediaKind, MemberKind, PublishTrack, Rank, TrackSource},
    rooms::{JoinRequest, Liveness, OUTBOX_LEN, RoomsHandle, published_sections},
    seams::Source,
};

/// `POST /whip/ROOM`
pub(super) async fn post(ask: Ask<'_>, room: RoomName) -> Reply {
    let name = match name(ask.request.uri().query(), ask.headers(), "WHIP") {
        Ok(name) => name,
        Err(refusal) => return refused(refusal),
    };
    let (visit, visitor, reach) = (ask.visit, ask.visitor.clone(), Reach::of(&ask));
    // Where the room has a password, and they needed it, the gate has seen it.
    let by_password = ask.settings.room_password(&room).is_some()
        && visitor.principal.is_asked_for_password(&room);
    let role = match visitor.principal.role_in(&room) {
        _ if by_password => Role::User,
        Ok(role) => role,
        Err(refusal) => return denied::problem(&refusal),
    };
    let offer = match ask.offer().await {
        Ok(offer) => offer,
        Err(refused) => return refused,
    };
    if let Err(refused) = Ask::spend_invite(visit, &visitor).await {
        return refused;
    }
    let newcomer = (name, role, visitor.whence.ip().into());
    match publish(&visit.house.rooms, room, newcomer, &offer).await {
        Ok((stay, answer)) => created(visit, (&visitor, &reach), stay, (offer, answer)),
        Err(refusal) => refused(refusal),
    }
}

/// `?name=`, else the product of `User-Agent`, else what the protocol is called.
pub(super) fn name(
    query: Option<&str>,
    headers: &HeaderMap,
    protocol: &str,
) -> Result<Nickname, Denied> {
    let bad = |why: &dyn std::fmt::Display| {
        (ErrorCode::NameInvalid, format!("the name cannot be used: {why}"))
    };
    if let Some(name) = query_value(query, "name") {
        let name = name.map_err(|()| bad(&"it is not percent-encoded UTF-8"))?;
        return Nickname::parse(&name).map_err(|fault| bad(&fault));
    }
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let product = agent.and_then(user_agent::product);
    let product = product.and_then(|product| Nickname::parse(product).ok());
    product.map_or_else(|| Nickname::parse(protocol).map_err(|fault| bad(&fault)), Ok)
}

/// Of a kind the first is the camera or the microphone, further ones are a screen and its sound.
fn tracks(sections: Vec<(Mid, MediaKind)>) -> Vec<PublishTrack> {
    let mut tracks: Vec<PublishTrack> = Vec::new();
    for (mid, kind) in sections {
        let (first, further) = match kind {
            MediaKind::Audio => (TrackSource::Microphone, TrackSource::ScreenAudio),
            MediaKind::Video => (TrackSource::Camera, TrackSource::Screen),
        };
        let is_taken = tracks.iter().any(|track| track.source == first);
        tracks.push(PublishTrack { mid, source: if is_taken { further } else { first } });
    }
    tracks
}

async fn publish(
    rooms: &RoomsHandle,
    room: RoomName,
    (name, role, source): (Nickname, Role, Source),
    offer: &str,
) -> Result<(Stay, String), Denied> {
    let sections = published_sections(offer).map_err(|error| (error.code(), error.to_string()))?;
    let has = |wanted| sections.iter().any(|(_, kind)| *kind == wanted);
    let (sender, outbox) = mpsc::channel(OUTBOX_LEN);
    let request = JoinRequest {
        room,
        name,
        kind: MemberKind::Stream,
        role,
        rank: Rank::Participant,
        mic: has(MediaKind::Audio),
        cam: has(MediaKind::Video),
        receives: false,
        resume: None,
        device: None,
        account: None,
        source: Some(source),
        re: None,
        outbox: sender,
        liveness: Liveness::MediaPath,
        label: None,
    };
    let seat = rooms.join(request).await.map_err(|error| (error.code, error.message))?;
    let mut stay = Stay::Publisher { seat, outbox, tracks: tracks(sections), request: 0 };
    match stay.negotiate(offer).await {
        Ok(answer) => Ok((stay, answer)),
        Err(refusal) => {
            stay.leave().await;
            Err(refusal)
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_publisher_is_called_as_it_says_or_as_what_it_is() {
        let long = format!("name={}", "x".repeat(65));
        let cases = [
            (Some("name=Front%20door%20%E9%97%A8"), None, Some("Front door 门")),
            (Some("x=1&name=a+b"), Some("OBS/30"), Some("a b")),
            (None, Some("Mozilla/5.0 (OBS-Studio/31.0.0; Linux x86_64; en-US)"), Some("OBS")),
            (None, Some("GStreamer souphttpsrc 1.22"), Some("GStreamer")),
            (None, Some(""), Some("WHIP")),
            (None, None, Some("WHIP")),
            (Some("name="), None, None),
            (Some("name=%ff"), None, None),
            (Some("name=%0a%07x"), None, None),
            (Some(long.as_str()), None, None),
        ];
        for (query, agent, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(agent) = agent {
                headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            }
            let name = name(query, &headers, "WHIP").ok();
            assert_eq!(name.as_ref().map(Nickname::as_str), expected, "{query:?} {agent:?}");
        }
    }

    #[test]
    fn the_first_of_a_kind_is_camera_or_microphone() {
        let section = |mid: &str, kind| (mid.parse::<Mid>().expect("a mid"), kind);
        let sections = vec![
            section("0", MediaKind::Audio),
            section("1", MediaKind::Video),
            section("2", MediaKind::Video),
            section("3", MediaKind::Audio),
        ];
        let sources: Vec<TrackSource> = tracks(sections).iter().map(|track| track.source).collect();
        let expected = [
            TrackSource::Microphone,
            TrackSource::Camera,
            TrackSource::Screen,
            TrackSource::ScreenAudio,
        ];
        assert_eq!(sources, expected);
    }
}
