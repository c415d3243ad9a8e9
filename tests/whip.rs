//! WHIP (RFC 9725) and WHEP by the letter: status codes, header fields, what the room sees. Real TLS,
//! real sockets; offers of real clients, but no media (that is `tests/whip/`).

#[path = "whip/hostile.rs"]
mod hostile;
mod support;

use hostile::metric;
use serde_json::Value;
use support::{Answer, TheBox};
use tempfile::TempDir;

const PUBLISHER: &str = include_str!("sdp/chromium.sdp");
const VIEWER: &str = include_str!("sdp/whep-aiortc.sdp");
const SDP: (&str, &str) = ("Content-Type", "application/sdp");
const FRAGMENT: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");
const PWD: &str = "0123456789012345678901";

fn start(env: &[(&str, &str)]) -> (TempDir, TheBox) {
    let data = support::folder();
    let the_box = TheBox::start(data.path(), &[], env);
    (data, the_box)
}

async fn post(the_box: &TheBox, path: &str, offer: &str) -> Answer {
    the_box.request("POST", path, &[SDP], offer).await
}

async fn members(the_box: &TheBox, room: &str) -> Vec<Value> {
    let rooms: Value = serde_json::from_str(&the_box.get("/api/v1/rooms").await).expect("JSON");
    let rooms = rooms.as_array().expect("a list").iter();
    let members = rooms.filter(|view| view["name"] == room);
    members.flat_map(|view| view["members"].as_array().cloned().unwrap_or_default()).collect()
}

fn line<'a>(sdp: &'a str, key: &str) -> &'a str {
    sdp.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key} in {sdp}"))
}

fn fragment(ufrag: &str) -> String {
    format!(
        "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{PWD}\r\n\
         a=candidate:1 1 udp 2130706431 192.0.2.9 5000 typ host\r\na=end-of-candidates\r\n"
    )
}

#[tokio::test]
async fn a_new_session_is_told_of_the_turn_server() {
    let relays = support::free_ports(2);
    let (_data, the_box) =
        start(&[("PARLOR_TURN_RELAY_PORTS", &format!("{relays}-{}", relays + 1))]);
    for (path, offer) in [("/whip/studio", PUBLISHER), ("/whep/studio", VIEWER)] {
        let created = post(&the_box, path, offer).await;
        assert_eq!(created.status(), 201, "{created:?}");
        let links = created.headers("link");
        let ways = [
            "<turn:127.0.0.1:".to_owned(),
            "<turn:127.0.0.1:".to_owned(),
            format!("<turns:127.0.0.1:{}?transport=tcp>", the_box.port),
        ];
        assert_eq!(links.len(), ways.len(), "{links:?}");
        for (link, way) in links.iter().zip(ways) {
            assert!(link.starts_with(&way), "{link}");
            assert!(link.contains("; rel=\"ice-server\"; username=\""), "{link}");
            assert!(link.ends_with("; credential-type=\"password\""), "{link}");
        }
    }
}

#[tokio::test]
async fn a_publisher_comes_is_seen_and_goes() {
    let (_data, the_box) = start(&[]);
    let (mut ana, _) = the_box.join("studio", "Ana").await;
    let created = post(&the_box, "/whip/studio?name=Front%20door", PUBLISHER).await;
    assert_eq!(created.status(), 201, "{created:?}");
    assert_eq!(created.header("content-type"), "application/sdp");
    let location = created.header("location").to_owned();
    let id = location.strip_prefix("/api/v1/stream/").expect("a session's URL");
    assert_eq!((id.len(), created.header("etag")), (32, "\"1\""));
    assert_eq!(created.header("link"), "", "there is no port for relays");
    assert!(created.body().contains("a=ice-lite") && created.body().contains("a=recvonly"));
    let joined = ana.event("member-joined").await;
    assert_eq!(joined["member"]["name"], "Front door");
    assert_eq!(joined["member"]["kind"], "stream");

    let gone = the_box.request("DELETE", &location, &[], "").await;
    assert_eq!(gone.status(), 200);
    assert_eq!(ana.event("member-left").await["reason"], "left");
    let again = the_box.request("DELETE", &location, &[], "").await;
    assert_eq!((again.status(), again.code().as_str()), (404, "not-found"));
    let patch =
        the_box.request("PATCH", &location, &[FRAGMENT, ("If-Match", "*")], &fragment("x")).await;
    assert_eq!(patch.status(), 404);
}

#[tokio::test]
async fn names_come_from_the_query_else_from_the_client() {
    let (_data, the_box) = start(&[]);
    for path in ["/whip/r%C3%A4ume", "/whip/r%C3%A4ume?name=a%2Fb"] {
        let fields =
            [SDP, ("User-Agent", "OBS-Studio/30.1 (Linux)"), ("Authorization", "Bearer x")];
        let created = the_box.request("POST", path, &fields, PUBLISHER).await;
        assert_eq!(created.status(), 201, "{created:?}");
    }
    assert_eq!(post(&the_box, "/whip/r%C3%A4ume", PUBLISHER).await.status(), 201);
    let names: Vec<String> = members(&the_box, "räume")
        .await
        .iter()
        .map(|member| member["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["OBS-Studio", "a/b", "WHIP"]);
}

#[tokio::test]
async fn ice_is_trickled_and_restarted_by_patch() {
    let (_data, the_box) = start(&[]);
    let publisher = post(&the_box, "/whip/home", PUBLISHER).await;
    let viewer = post(&the_box, "/whep/home", VIEWER).await;
    for (created, offer) in [(publisher, PUBLISHER), (viewer, VIEWER)] {
        assert_eq!(created.status(), 201, "{created:?}");
        let url = created.header("location");
        let own = line(offer, "a=ice-ufrag:").trim_start_matches("a=ice-ufrag:");
        let pwd = line(offer, "a=ice-pwd:").trim_start_matches("a=ice-pwd:");
        let trickle = fragment(own).replace(PWD, pwd);
        let plain = "a=end-of-candidates\r\n";
        let (restart, etag) = (fragment("next"), created.header("etag"));
        let cases: [(&str, Option<&str>, &str, u16, &str); 8] = [
            ("trickle", Some(etag), &trickle, 204, ""),
            ("no credentials", Some(etag), plain, 204, ""),
            ("one of several tags", Some("\"0\", \"1\""), plain, 204, ""),
            ("no If-Match", None, &trickle, 428, "precondition-required"),
            ("another tag", Some("\"7\""), &trickle, 412, "precondition-failed"),
            ("garbage", Some(etag), "hello", 400, "sdp-invalid"),
            ("half credentials", Some(etag), "a=ice-ufrag:abcd\r\n", 400, "sdp-invalid"),
            ("restart", Some("*"), &restart, 200, ""),
        ];
        let mut last = None;
        for (what, if_match, body, status, code) in cases {
            let mut fields = vec![FRAGMENT];
            fields.extend(if_match.map(|tag| ("If-Match", tag)));
            let answer = the_box.request("PATCH", url, &fields, body).await;
            assert_eq!((answer.status(), answer.code().as_str()), (status, code), "{what}");
            last = Some(answer);
        }
        let restarted = last.expect("an answer");
        assert_eq!(restarted.header("etag"), "\"2\"");
        assert_eq!(restarted.header("content-type"), "application/trickle-ice-sdpfrag");
        for key in ["a=ice-ufrag:", "a=ice-pwd:"] {
            assert_ne!(line(restarted.body(), key), line(created.body(), key));
        }
        assert!(restarted.body().contains("a=candidate:"), "{restarted:?}");
        let stale = [FRAGMENT, ("If-Match", etag)];
        assert_eq!(the_box.request("PATCH", url, &stale, plain).await.status(), 412);
        let wrong = [("Content-Type", "text/plain"), ("If-Match", "*")];
        let wrong = the_box.request("PATCH", url, &wrong, plain).await;
        assert_eq!(wrong.status(), 415);
        assert_eq!(wrong.header("accept-patch"), "application/trickle-ice-sdpfrag");
        for method in ["GET", "HEAD", "PUT", "POST"] {
            let answer = the_box.request(method, url, &[], "").await;
            assert_eq!(answer.status(), 405, "{method}");
            assert_eq!(answer.header("allow"), "PATCH, DELETE, OPTIONS");
        }
        assert_eq!(the_box.request("DELETE", url, &[], "").await.status(), 200);
    }
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_and_nobody_sees_it() {
    let (_data, the_box) = start(&[]);
    let without = |prefix: &str| -> String {
        PUBLISHER.split_inclusive('\n').filter(|line| !line.starts_with(prefix)).collect()
    };
    let sections = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x\r\n".repeat(500);
    let known = ["opus", "VP8", "H264", "VP9", "AV1", "H265"];
    let unknown =
        known.iter().fold(PUBLISHER.to_owned(), |offer, codec| offer.replace(codec, "H261"));
    let cases = [
        ("no SDP", "hello".to_owned(), 400),
        ("empty", String::new(), 400),
        ("no ICE", without("a=ice-"), 422),
        ("no fingerprint", without("a=fingerprint"), 422),
        (
            "500 sections",
            format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{sections}"),
            422,
        ),
        ("unknown codecs", unknown, 422),
        ("it receives", VIEWER.to_owned(), 422),
        ("too large", format!("{PUBLISHER}{}", "a=x\r\n".repeat(30_000)), 413),
    ];
    for (what, offer, status) in cases {
        let answer = post(&the_box, "/whip/home", &offer).await;
        assert_eq!(answer.status(), status, "{what}: {answer:?}");
        assert!(!answer.code().is_empty(), "{what}: {answer:?}");
    }
    type Fields = &'static [(&'static str, &'static str)];
    let requests: [(&str, &str, Fields, u16); 9] = [
        ("POST", "/whip/home", &[("Content-Type", "text/plain")], 415),
        ("POST", "/whip/home", &[], 415),
        ("POST", "/whip/home", &[SDP, ("Accept", "text/html")], 406),
        ("POST", "/whip/home", &[SDP, ("Origin", "https://elsewhere.example")], 403),
        ("POST", "/whip/home?name=%ff", &[SDP], 400),
        ("POST", "/whip/%07", &[SDP], 400),
        ("POST", "/whip/a/b", &[SDP], 404),
        ("GET", "/whip/home", &[], 405),
        ("PUT", "/whip/home", &[SDP], 405),
    ];
    for (method, path, fields, status) in requests {
        let answer = the_box.request(method, path, fields, PUBLISHER).await;
        assert_eq!(answer.status(), status, "{method} {path} {fields:?}: {answer:?}");
    }
    assert!(members(&the_box, "home").await.iter().all(|member| member["kind"] != "stream"));
}

#[tokio::test]
async fn a_viewer_watches_a_member_a_room_or_nothing() {
    let (_data, the_box) = start(&[("PARLOR_ROOMS_MAX_VIEWERS", "2")]);
    let refused = post(&the_box, "/whep/stage", VIEWER).await;
    assert_eq!((refused.status(), refused.code().as_str()), (404, "not-found"));
    let (mut ana, _) = the_box.join("stage", "Ana").await;
    let refused = post(&the_box, "/whep/stage", VIEWER).await;
    assert_eq!((refused.status(), refused.code().as_str()), (409, "nothing-published"));
    assert_ne!(refused.header("retry-after"), "");
    let refused = post(&the_box, "/whep/stage/00000000000000ff", VIEWER).await;
    assert_eq!((refused.status(), refused.code().as_str()), (404, "member-unknown"));
    assert_eq!(post(&the_box, "/c/nowhere/whep", VIEWER).await.status(), 404);

    let publisher = post(&the_box, "/whip/stage", PUBLISHER).await;
    let member = ana.event("member-joined").await["member"]["id"].clone();
    let path = format!("/whep/stage/{}", member.as_str().expect("an id"));
    let viewer = post(&the_box, &path, VIEWER).await;
    assert_eq!(viewer.status(), 201, "{viewer:?}");
    assert!(viewer.body().contains("a=sendonly") && viewer.body().contains("a=setup:passive"));
    assert_eq!(members(&the_box, "stage").await.len(), 2, "a viewer is no member");
    assert_eq!(post(&the_box, "/whep/stage", VIEWER).await.status(), 201);
    // None of them has a path yet: the one that has waited for longest makes way.
    let third = post(&the_box, "/whep/stage", VIEWER).await;
    assert_eq!(third.status(), 201, "{third:?}");
    assert_eq!(metric(&the_box, "parlor_whep_viewers").await, 2);

    let bad = VIEWER.replace("a=recvonly", "a=sendonly");
    let left = the_box.request("DELETE", viewer.header("location"), &[], "").await;
    assert!([200, 404].contains(&left.status()), "it is on its way out: {left:?}");
    let left = the_box.request("DELETE", third.header("location"), &[], "").await;
    assert_eq!(left.status(), 200);
    assert_eq!(post(&the_box, "/whep/stage", &bad).await.status(), 422);
    let viewer = post(&the_box, &path, VIEWER).await;
    assert_eq!(viewer.status(), 201, "the refused one has left its place: {viewer:?}");
    the_box.request("DELETE", publisher.header("location"), &[], "").await;
    ana.event("member-left").await;
    let gone = the_box.request("DELETE", viewer.header("location"), &[], "").await;
    assert!([200, 404].contains(&gone.status()), "its end may be on the way: {gone:?}");
    assert_eq!(post(&the_box, &path, VIEWER).await.status(), 404);
}

#[tokio::test]
async fn pages_that_are_allowed_may_use_it_and_no_others() {
    let env = [("PARLOR_HTTP_ORIGINS", "https://studio.example")];
    let (_data, the_box) = start(&env);
    let ours = ("Origin", "https://studio.example");
    let asks = ("Access-Control-Request-Method", "POST");
    for path in ["/whip/home", "/whep/home", "/c/door/whep", "/api/v1/stream/x"] {
        let answer = the_box.request("OPTIONS", path, &[ours, asks], "").await;
        assert_eq!(answer.status(), 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), ours.1);
        assert!(answer.header("access-control-allow-headers").contains("If-Match"));
        let accepts = match path.starts_with("/api") {
            true => (answer.header("accept-patch"), "application/trickle-ice-sdpfrag"),
            false => (answer.header("accept-post"), "application/sdp"),
        };
        assert_eq!(accepts.0, accepts.1, "{path}");
        let foreign = ("Origin", "https://elsewhere.example");
        let answer = the_box.request("OPTIONS", path, &[foreign, asks], "").await;
        assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (403, ""));
    }
    let created = the_box.request("POST", "/whip/home", &[SDP, ours], PUBLISHER).await;
    assert_eq!(created.status(), 201);
    assert_eq!(created.header("access-control-allow-origin"), ours.1);
    let exposed = created.header("access-control-expose-headers");
    assert!(exposed.contains("Location") && exposed.contains("ETag"), "{exposed}");
}

#[tokio::test]
async fn joins_are_limited_for_every_door() {
    let (_data, the_box) = start(&[("PARLOR_HTTP_JOINS_PER_MINUTE", "1")]);
    assert_eq!(post(&the_box, "/whip/home", PUBLISHER).await.status(), 201);
    for path in ["/whip/home", "/whep/home"] {
        let answer = post(&the_box, path, PUBLISHER).await;
        assert_eq!((answer.status(), answer.code().as_str()), (429, "rate-limited"));
        assert_eq!(answer.header("retry-after"), "60");
    }
}

/// Whoever streams sound alone without knowing has nobody to tell them (RFC 9725 4.4.3).
#[tokio::test]
async fn half_of_an_offer_is_not_taken_for_the_whole() {
    let (_data, the_box) = start(&[("PARLOR_HTTP_JOINS_PER_MINUTE", "1000")]);
    let of_video = |keep: &str| {
        let (head, video) = PUBLISHER.split_once("m=video ").expect("a section");
        let known = ["VP8", "VP9", "AV1", "H264", "H265"];
        let others = known.into_iter().filter(|codec| *codec != keep);
        let video = others.fold(video.to_owned(), |sdp, codec| {
            sdp.replace(&format!(" {codec}/90000"), " X/90000")
        });
        format!("{head}m=video {video}")
    };
    let h264 = of_video("H264");
    assert_eq!(
        post(&the_box, "/whip/studio", &h264).await.status(),
        201,
        "H.264 and Opus are taken"
    );
    let without_bundle: String =
        PUBLISHER.split_inclusive('\n').filter(|line| !line.starts_with("a=group:")).collect();
    let halves = [
        ("H.264 beside surround sound", h264.replace("opus/48000/2", "multiopus/48000/6"), "audio"),
        ("sound beside pictures of no known codec", of_video("none"), "video"),
        ("two sections and no BUNDLE", without_bundle, "BUNDLE"),
    ];
    let n_before = members(&the_box, "studio").await.len();
    for (what, offer, reason) in halves {
        let answer = post(&the_box, "/whip/studio", &offer).await;
        let found = (answer.status(), answer.code());
        assert_eq!(found, (422, "sdp-unacceptable".to_owned()), "{what}: {answer:?}");
        assert!(answer.body().contains(reason), "{what}: {reason} in {answer:?}");
        assert_eq!(answer.header("location"), "", "{what}");
    }
    assert_eq!(members(&the_box, "studio").await.len(), n_before, "and nobody has come");
}
