//! What each path means, as a table.

use super::*;

fn door() -> CameraId {
    "door".parse().expect("an id")
}

#[test]
fn paths_mean_what_the_contract_says() {
    let name = |name: &str| RoomName::parse(name).expect("a name");
    let room = |text: &str| Route::Room(name(text));
    let moved = |path: &str| Route::Moved(path.into());
    let asset = |path: &str| Route::Asset(path.into());
    let cases = [
        ("/", None, Some(Route::Home)),
        ("/", Some("name=Ada"), Some(Route::Home)),
        ("/", Some("roomid=Kitchen"), Some(moved("/r/Kitchen"))),
        (
            "/",
            Some("roomid=a+b%2B%C3%BC&name=Ada&join=1"),
            Some(moved("/r/a%20b%2B%C3%BC?name=Ada&join=1")),
        ),
        ("/", Some("roomid=%2e%2e"), Some(moved("/r/%2E%2E"))),
        ("/", Some("roomid="), Some(Route::Home)),
        ("/", Some("roomid=a%2Fb"), Some(Route::Home)),
        ("/", Some("roomid=%ff"), Some(Route::Home)),
        ("/r/", None, Some(moved("/"))),
        ("/r/Kitchen", None, Some(Route::Page)),
        ("/r/%E5%8E%A8%E6%88%BF", None, Some(Route::Page)),
        ("/r/a/b", None, None),
        ("/app.js", None, Some(asset("app.js"))),
        ("/i18n/zh.js", None, Some(asset("i18n/zh.js"))),
        ("/api/v1/rooms", None, Some(Route::Rooms)),
        ("/api/v1/rooms/k%C3%BCche", None, Some(room("Küche"))),
        ("/api/v1/rooms/a/b", None, None),
        ("/api/v1/rooms/%zz", None, None),
        ("/api/v2/rooms", None, None),
        ("/doctor", None, Some(Route::DoctorPage)),
        ("/doctor/doctor.js", None, Some(asset("doctor/doctor.js"))),
        ("/api/v1/doctor", None, Some(Route::Doctor)),
        ("/api/v1/doctor/media", None, Some(Route::DoctorMedia)),
        ("/api/v1/signal", Some("x"), Some(Route::Signal)),
        ("/whip/k%C3%BCche", Some("name=x"), Some(Route::Whip(name("Küche")))),
        ("/whep/a", None, Some(Route::WhepRoom(name("a")))),
        (
            "/whep/a/00000000000000ff",
            None,
            Some(Route::WhepMember(name("a"), crate::ids::MemberId(255))),
        ),
        ("/whep/a/ff", None, None),
        ("/whip/a/", Some("name=x"), Some(Route::Whip(name("a")))),
        ("/whep/a/", None, Some(Route::WhepRoom(name("a")))),
        (
            "/whep/a/00000000000000ff/",
            None,
            Some(Route::WhepMember(name("a"), crate::ids::MemberId(255))),
        ),
        ("/c/door/whep/", None, Some(Route::WhepCamera("door".parse().expect("an id")))),
        ("/whip/a//", None, None),
        ("/whep/a/00000000000000ff/x", None, None),
        ("/whip", None, None),
        ("/whip/", None, None),
        ("/c/door", None, Some(Route::CameraPage(door()))),
        ("/c/front%20door", None, None),
        ("/api/v1/cameras", None, Some(Route::Cameras)),
        ("/api/v1/cameras/door", None, Some(Route::Camera(door()))),
        ("/api/v1/cameras/door/events", None, Some(Route::CameraEvents(door()))),
        ("/api/v1/cameras/door/snapshot.jpg", None, Some(Route::Snapshot(door()))),
        ("/api/v1/cameras/door/stream.mjpeg", None, Some(Route::CameraStream(door()))),
        ("/api/v1/cameras/door/other", None, None),
        ("/api/frame.jpeg", Some("src=door"), Some(Route::Snapshot(door()))),
        ("/api/frame.jpeg", Some("source=door"), None),
        ("/api/frame.jpeg", Some("src=%ff"), None),
        ("/api/stream.mjpeg", Some("x=1&src=door"), Some(Route::CameraStream(door()))),
        ("/api/ws", Some("src=door"), Some(Route::CameraSocket(door()))),
        ("/api/ws", None, None),
        ("/c/door/whep", None, Some(Route::WhepCamera("door".parse().expect("an id")))),
        ("/c/a%20b/whep", None, None),
        ("/api/v1/stream/abc", None, Some(Route::Stream("abc".into()))),
        ("/api/v1/stream/", None, None),
        ("", None, None),
        ("*", None, None),
    ];
    for (path, query, expected) in cases {
        assert_eq!(resolve(path, query).ok(), expected, "{path} {query:?}");
    }
    assert!(matches!(resolve("/api/v1/rooms/%07", None), Err(NoRoute::RoomName(_))));
    for near in
        ["/whip", "/whip/", "/whip/a//", "/whep/a/ff", "/a/whip", "/r/a/whep", "/api/whip/a"]
    {
        assert!(matches!(resolve(near, None), Err(NoRoute::NearMiss(_))), "{near}");
    }
}

#[test]
fn no_path_leads_out_of_the_page_or_into_what_makes_it() {
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/views/../../x",
        "/views/..%2f..%2fx",
        "//x",
        "/.git/config",
        "/views/.secret",
        "/a\\..\\b",
        "/%5c",
        "/x%00.js",
        "/test/state.test.js",
        "/node_modules/x.js",
        "/package.json",
        "/package-lock.json",
        "/tsconfig.json",
        "/views/",
    ] {
        assert_eq!(resolve(path, None), Err(NoRoute::NotFound), "{path}");
    }
}

#[test]
fn each_route_has_its_methods() {
    assert!(Route::Page.allows("GET") && Route::Page.allows("HEAD"));
    assert!(!Route::Page.allows("POST") && !Route::Page.allows("GET, HEAD"));
    assert!(Route::Leave.allows("POST") && !Route::Leave.allows("GET"));
    assert!(!Route::Signal.allows("HEAD"));
    assert!(Route::Doctor.allows("GET") && !Route::Doctor.allows("POST"));
    assert!(Route::DoctorMedia.allows("POST") && !Route::DoctorMedia.allows("GET"));
}

#[test]
fn the_doctors_page_is_open_to_all_and_what_it_tells_of_the_box_is_not() {
    let needs =
        [Route::DoctorPage, Route::DoctorMedia, Route::Doctor].map(|route| match route.need() {
            Need::Nothing => "nothing",
            Need::Seat => "seat",
            Need::House => "house",
            _ => "more",
        });
    assert_eq!(needs, ["nothing", "seat", "house"]);
}
