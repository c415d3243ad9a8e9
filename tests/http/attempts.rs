//! Attempts of people who want what is not theirs, and the answers; those that belong to no other file.

use futures_util::{SinkExt, StreamExt};
use parlor::{
    access::Keys,
    ids::RoomName,
    protocol::{ErrorCode, ServerMessage},
    seams::cameras::{CameraDoor, CameraMap, CameraSide, CameraState, CameraStatus},
    store::{InviteId, NewInvite, PersonId},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    client::Client,
    house::{House, PATIENCE, exchange},
    visitors::{FAR, Knock, LAN, behind_proxy, set_up},
};

/// A box with a camera in the kitchen.
async fn with_camera() -> (House, CameraSide) {
    let status = CameraStatus {
        name: "Stove".into(),
        room: RoomName::parse("Kitchen").expect("a name"),
        state: CameraState::Starting,
        fault: None,
        sound: false,
        encoder: None,
    };
    let (door, side) = CameraDoor::new(status, None);
    let house = behind_proxy(|_| {}).await;
    let cameras = [("stove".parse().expect("an id"), door)].into_iter().collect();
    house.cameras.send_replace(CameraMap::new(cameras));
    (house, side)
}

/// The tokens of invites, as only the box can make them.
fn token(house: &House, id: InviteId) -> String {
    Keys::new(house.trust.tokens().derive("access")).invite(id)
}

async fn come_in(house: &House, from: &str, token: &str) -> crate::house::Answer {
    let body = format!(r#"{{"invite":"{token}"}}"#);
    Knock::new(from, "").ask(house, "POST", "/api/v1/session", &body).await
}

#[tokio::test]
async fn an_invite_that_has_expired_is_refused_with_its_sentence() {
    let house = behind_proxy(|_| {}).await;
    set_up(&house).await;
    let id = InviteId::new(7);
    let people = house.access.store().people().await.expect("there");
    let over = NewInvite {
        id,
        room: "Kitchen".into(),
        role: "user".into(),
        name: None,
        created_by: PersonId(people[0].id.0),
        starts_at: 1,
        expires_at: 2,
        uses: None,
    };
    // Kept as of then: what has been over for long is forgotten when another is made.
    house.access.store().add_invite(over, 1).await.expect("kept");
    let refused = come_in(&house, FAR, &token(&house, id)).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "invite-expired"));
    assert_eq!(refused.json()["detail"], "The invite has expired. Ask for a new one.");
    let bearer = format!("\r\nAuthorization: Bearer {}", token(&house, id));
    let program = Knock::new(FAR, "").with(&bearer).ask(&house, "GET", "/", "").await;
    assert_eq!((program.status, program.code().as_str()), (401, "invite-expired"));
}

#[tokio::test]
async fn nobody_who_guesses_keeps_an_invited_one_out() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let body = r#"{"room":"Kitchen"}"#;
    let made = Knock::new(FAR, &owner).ask(&house, "POST", "/api/v1/invites", body).await;
    let url = made.json()["url"].as_str().expect("a URL").to_owned();
    let good = url.split_once("#invite=").expect("in the fragment").1;
    // All that may be tried from elsewhere within a minute, and from the invited one's own address.
    let mut n_refused = 0;
    for host in 1..=13 {
        for _ in 0..11 {
            let from = format!("203.0.113.{host}");
            let status = come_in(&house, &from, "forged").await.status;
            n_refused += usize::from(status == 429);
        }
    }
    assert!(n_refused > 0, "there is an end to it");
    assert_eq!(come_in(&house, FAR, "forged").await.status, 429);
    assert_eq!(come_in(&house, FAR, good).await.status, 201);
}

#[tokio::test]
async fn whoever_has_an_invite_does_not_use_up_the_sessions_of_others_by_it() {
    let house = behind_proxy(|settings| settings.http.joins_per_minute = 3).await;
    let owner = set_up(&house).await;
    let body = r#"{"room":"Kitchen"}"#;
    let made = Knock::new(FAR, &owner).ask(&house, "POST", "/api/v1/invites", body).await;
    let url = made.json()["url"].as_str().expect("a URL").to_owned();
    let good = url.split_once("#invite=").expect("in the fragment").1;
    for expected in [201, 201, 201, 429] {
        assert_eq!(come_in(&house, FAR, good).await.status, expected);
    }
    assert_eq!(come_in(&house, "198.51.100.1", good).await.status, 201, "another guest");
}

#[tokio::test]
async fn one_source_asks_so_much_and_its_neighbours_are_answered() {
    let house = behind_proxy(|_| {}).await;
    let request = |path: &str, from: &str, end: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {from}\r\n{end}\r\n",
            house.host()
        )
    };
    let mut stream = house.tls("http/1.1").await;
    let flood = request("/api/v1/about", LAN, "").repeat(1_500)
        + &request("/healthz", LAN, "")
        + &request("/api/v1/about", "192.168.1.10", "Connection: close\r\n");
    let mut answers = Vec::new();
    let (mut read, mut write) = tokio::io::split(&mut stream);
    let both =
        async { tokio::join!(write.write_all(flood.as_bytes()), read.read_to_end(&mut answers)).0 };
    timeout(PATIENCE, both).await.expect("in time").expect("all of it is read");
    let text = String::from_utf8(answers).expect("text");
    let statuses: Vec<&str> =
        text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect();
    let n_ok = statuses.iter().filter(|status| **status == "200").count();
    assert_eq!(statuses.len(), 1_502);
    assert!((502..1_502).contains(&n_ok), "{n_ok} were answered");
    assert!(text.contains("\"rate-limited\"") && text.to_lowercase().contains("retry-after: 1"));
    // Health is for whoever looks after the box, and a neighbour is another.
    assert_eq!(statuses[1_500..], ["200", "200"]);
}

#[tokio::test]
async fn what_is_wrong_is_not_said_again_at_length() {
    let house = House::open(|_| {}).await;
    let long = "x".repeat(8_000);
    for path in [
        format!("/api/v1/rooms/{long}"),
        format!("/whip/{long}"),
        format!("/whep/kitchen/{long}"),
        format!("/r/kitchen/{long}"),
        format!("/api/v1/people/{long}"),
    ] {
        let answer = house.get(&path).await;
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert!(answer.body.len() < 1_000, "{}: {}", &path[..30], answer.body.len());
    }
    let join = json!({"id": 1, "type": "join", "room": "a", "name": "Ada"});
    let (mut ada, _) = Client::joined(&house, join).await;
    for message in [
        json!({"id": 2, "type": "rename", "name": long}),
        json!({"id": 3, "type": long}),
        json!({"id": 4, "type": "watch", "members": [long]}),
        json!({"id": 5, "type": "chat", "text": long}),
    ] {
        ada.say(&message.to_string()).await;
        let ServerMessage::Error { message, code, .. } = ada.hear().await.message else {
            panic!("no error")
        };
        assert!(message.len() < 1_000 && code != ErrorCode::Internal, "{}", message.len());
    }
}

#[tokio::test]
async fn every_answer_keeps_other_sites_away() {
    let house = House::open(|_| {}).await;
    let head = format!("GET / HTTP/1.1\r\nHost: {}", house.host());
    let mut answers = vec![exchange(house.tcp().await, &head, "").await];
    for path in ["/", "/trust", "/shared/style.css", "/api/v1/about", "/none", "/settings"] {
        answers.push(house.get(path).await);
    }
    for answer in answers {
        for (name, part) in [
            ("content-security-policy", "default-src 'self'"),
            ("content-security-policy", "frame-ancestors"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-"),
        ] {
            let found = answer.header(name);
            assert!(found.contains(part), "{name}: {found:?} of {answer:?}");
        }
        assert!(!answer.header("content-security-policy").contains("unsafe"));
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn role_by_role_every_way_to_a_camera() {
    let (house, _side) = with_camera().await;
    let owner = set_up(&house).await;
    let invited = async |room: &str| {
        let body = format!(r#"{{"room":"{room}"}}"#);
        let made = Knock::new(FAR, &owner).ask(&house, "POST", "/api/v1/invites", &body).await;
        let url = made.json()["url"].as_str().expect("a URL").to_owned();
        let session = come_in(&house, FAR, url.split_once("#invite=").expect("one").1).await;
        crate::visitors::cookie(&session)
    };
    let (kitchen, attic) = (invited("Kitchen").await, invited("Attic").await);
    let who = [(FAR, ""), (LAN, ""), (FAR, &*kitchen), (FAR, &*attic), (FAR, &*owner)];
    // Stranger, guest, invited to the camera's room, invited elsewhere, owner.
    for (method, path, expected) in [
        ("GET", "/c/stove", "-yy-y"),
        ("GET", "/api/v1/cameras/stove", "-yy-y"),
        ("GET", "/api/v1/cameras/stove/snapshot.jpg?last", "-yy-y"),
        ("GET", "/api/v1/cameras/stove/stream.mjpeg", "-yy-y"),
        ("GET", "/api/frame.jpeg?src=stove&last", "-yy-y"),
        ("GET", "/api/stream.mjpeg?src=stove", "-yy-y"),
        ("GET", "/api/ws?src=stove", "-yy-y"),
        ("POST", "/c/stove/whep", "-yy-y"),
        ("PATCH", "/api/v1/cameras/stove", "----y"),
        ("GET", "/api/v1/cameras/none", "-y--y"),
    ] {
        let mut found = String::new();
        for (from, cookie) in who {
            let answer = Knock::new(from, cookie).ask(&house, method, path, "").await;
            found.push(if [401, 403].contains(&answer.status) { '-' } else { 'y' });
        }
        assert_eq!(found, expected, "{method} {path}");
    }
    let listed = async |from: &str, cookie: &str| {
        let list = Knock::new(from, cookie).ask(&house, "GET", "/api/v1/cameras", "").await;
        list.json().as_array().map(Vec::len)
    };
    assert_eq!((listed(FAR, &kitchen).await, listed(FAR, &attic).await), (Some(1), Some(0)));
}

#[tokio::test]
async fn no_link_of_another_site_makes_a_page_join_by_itself() {
    let house = behind_proxy(|_| {}).await;
    let own = ["\r\nSec-Fetch-Site: none", "\r\nSec-Fetch-Site: same-origin"];
    let afar = [
        "\r\nSec-Fetch-Site: cross-site",
        "\r\nSec-Fetch-Site: same-site",
        "\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site",
        "",
    ];
    for (path, without) in [
        ("/r/Kitchen?join=1", "/r/Kitchen"),
        ("/r/K%C3%BCche?name=Wall&j%6fin=1&x=y", "/r/K%C3%BCche?name=Wall&x=y"),
        ("/?join=1", "/"),
        ("/?roomid=Kitchen&join=1", "/?roomid=Kitchen"),
    ] {
        for (from, more) in afar.iter().flat_map(|more| [(LAN, more), (FAR, more)]) {
            let answer = Knock::new(from, "").with(more).ask(&house, "GET", path, "").await;
            let found = (answer.status, answer.header("location"));
            assert_eq!(found, (302, without), "{path} {more}");
        }
        for more in own {
            let answer = Knock::new(LAN, "").with(more).ask(&house, "GET", path, "").await;
            let leads_on = ["", "/r/Kitchen?join=1"].contains(&answer.header("location"));
            assert!(leads_on, "{path} {more}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn no_page_of_another_site_opens_or_changes_anything_though_its_visitor_may() {
    let (house, _side) = with_camera().await;
    let owner = set_up(&house).await;
    let sdp = "\r\nContent-Type: application/sdp";
    let events = "\r\nAccept: text/event-stream";
    let requests = [
        ("GET", "/api/v1/signal", ""),
        ("GET", "/api/v1/signal", events),
        ("POST", "/api/v1/signal", ""),
        ("POST", "/api/v1/leave", ""),
        ("POST", "/whip/Kitchen", sdp),
        ("POST", "/whep/Kitchen", sdp),
        ("POST", "/whep/Kitchen/00000000000000ff", sdp),
        ("POST", "/c/stove/whep", sdp),
        ("PATCH", "/api/v1/stream/abc", ""),
        ("DELETE", "/api/v1/stream/abc", ""),
        ("GET", "/api/v1/cameras/stove/snapshot.jpg", ""),
        ("GET", "/api/v1/cameras/stove/stream.mjpeg", ""),
        ("GET", "/api/frame.jpeg?src=stove", ""),
        ("GET", "/api/ws?src=stove", ""),
        ("PATCH", "/api/v1/cameras/stove", ""),
        ("POST", "/api/v1/setup", ""),
        ("POST", "/api/v1/session", ""),
        ("DELETE", "/api/v1/session", ""),
        ("DELETE", "/api/v1/sessions", ""),
        ("POST", "/api/v1/invites", ""),
        ("DELETE", "/api/v1/invites/00000000000000ff", ""),
        ("POST", "/api/v1/people", ""),
        ("PATCH", "/api/v1/people/1", ""),
        ("DELETE", "/api/v1/people/1", ""),
        ("PATCH", "/api/v1/settings", ""),
    ];
    let pages = [
        "\r\nOrigin: https://evil.example",
        "\r\nOrigin: null",
        "\r\nSec-Fetch-Site: cross-site",
        "\r\nSec-Fetch-Site: same-site",
    ];
    for page in pages {
        for (method, path, more) in requests {
            let more = format!("{page}{more}");
            let body = if method == "GET" { "" } else { "{}" };
            let answer = Knock::new(LAN, &owner).with(&more).ask(&house, method, path, body).await;
            let found = (answer.status, answer.code());
            assert_eq!(found, (403, "origin-forbidden".into()), "{method} {path} {more}");
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
    }
}

/// Opens go2rtc's socket as its owner.
async fn go2rtc(
    house: &House,
    cookie: &str,
) -> tokio_tungstenite::WebSocketStream<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let url = format!("wss://{}/api/ws?src=stove", house.host());
    let mut request = url.into_client_request().expect("a URL");
    let fields = request.headers_mut();
    fields.insert("X-Forwarded-For", FAR.parse().expect("a header"));
    fields.insert("Cookie", cookie.parse().expect("a header"));
    client_async(request, house.tls("http/1.1").await).await.expect("an upgrade").0
}

#[tokio::test]
async fn signing_out_ends_what_is_told_of_a_camera() {
    let (house, _side) = with_camera().await;
    let owner = set_up(&house).await;
    let mut socket = go2rtc(&house, &owner).await;
    let mut events = house.tls("http/1.1").await;
    let head = format!(
        "GET /api/v1/cameras/stove/events HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {FAR}\r\n\
         Cookie: {owner}\r\nConnection: close\r\n\r\n",
        house.host()
    );
    events.write_all(head.as_bytes()).await.expect("the server is there");
    let mut first = [0; 15];
    events.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let out = Knock::new(FAR, &owner).ask(&house, "DELETE", "/api/v1/session", "").await;
    assert_eq!(out.status, 204);
    let rest = crate::house::read_all(events).await;
    assert!(String::from_utf8_lossy(&rest).contains("\"stove\""), "it was told until then");
    let ended = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
        }
    };
    timeout(PATIENCE, ended).await.expect("the socket ends");
}

#[tokio::test]
async fn whoever_asks_a_camera_all_the_time_is_told_to_wait() {
    let (house, _side) = with_camera().await;
    let owner = set_up(&house).await;
    let mut socket = go2rtc(&house, &owner).await;
    let offer = json!({"type": "webrtc/offer", "value": "v=0"}).to_string();
    let mut said = Vec::new();
    for _ in 0..60 {
        socket.send(Message::text(offer.clone())).await.expect("it is open");
    }
    let long = json!({"type": "x".repeat(60_000)}).to_string();
    socket.send(Message::text(long)).await.expect("it is open");
    while said.len() < 61 {
        let next = timeout(PATIENCE, socket.next()).await.expect("in time");
        let Message::Text(text) = next.expect("open").expect("good") else { continue };
        let answer: Value = serde_json::from_str(text.as_str()).expect("JSON");
        assert_eq!(answer["type"], "error");
        said.push(answer["value"].as_str().expect("a sentence").to_owned());
    }
    let n_limited = said.iter().filter(|said| said.contains("too many")).count();
    assert!((20..=30).contains(&n_limited), "{n_limited} of 60");
    assert!(said.iter().all(|said| said.len() < 500), "no echo");
}
