//! What the doctor tells over HTTP, and whom.

use parlor::config::Loopback;
use serde_json::Value;

use crate::house::{Answer, House};

const OFFER: &str = include_str!("../sdp/chromium.sdp");

async fn post(house: &House, content_type: &str, offer: &str) -> Answer {
    let head = format!(
        "POST /api/v1/doctor/media HTTP/1.1\r\nHost: {}\r\nContent-Type: {content_type}",
        house.host()
    );
    house.send(&head, offer).await
}

#[tokio::test]
async fn the_box_tells_how_it_is_and_every_fault_has_a_remedy() {
    let house = House::open(|settings| settings.cameras = Some(Vec::new())).await;
    let answer = house.get("/api/v1/doctor").await;
    assert_eq!(answer.status, 200);
    let report = answer.json();
    let checks = report["checks"].as_array().expect("checks");
    let is_at_fault = |check: &Value| check["ok"] == false;
    assert_eq!(report["ok"], !checks.iter().any(is_at_fault));
    let find = |id: &str| {
        let found = checks.iter().find(|check| check["id"] == id);
        found.unwrap_or_else(|| panic!("{id} is looked at: {report}"))
    };
    for id in ["https", "port-https", "media-udp", "media-tcp", "certificate", "encoder"] {
        assert_eq!(find(id)["ok"], true, "{}", find(id));
    }
    assert!(find("media-udp")["detail"].as_str().is_some_and(|text| text.contains("127.0.0.1:")));
    // This house has no TURN server: that is nobody's fault.
    assert_eq!(find("turn")["ok"], Value::Null, "{}", find("turn"));
    for check in checks.iter().filter(|check| is_at_fault(check)) {
        assert!(check["remedy"].is_string() && check["remedy_zh"].is_string(), "{check}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_offer_that_tries_media_is_answered_and_nobody_sees_it() {
    let house = House::open(|_| {}).await;
    let answer = post(&house, "application/sdp", OFFER).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    for protocol in [" udp ", " tcp "] {
        assert!(answer.text().contains(protocol), "a candidate by{protocol}: {}", answer.text());
    }
    assert_eq!(house.get("/api/v1/rooms").await.text().trim(), "[]");
    for (content_type, offer, status) in [
        ("text/plain", OFFER, 415),
        ("application/sdp", "nonsense", 400),
        ("application/sdp", "", 400),
    ] {
        let answer = post(&house, content_type, offer).await;
        assert_eq!(answer.status, status, "{content_type} {offer}: {}", answer.text());
    }
    house.close().await;
}

#[tokio::test]
async fn strangers_get_the_page_and_nothing_of_the_box() {
    let house = House::open(|settings| settings.access.loopback = Loopback::Token).await;
    assert_eq!(house.get("/doctor").await.status, 200);
    assert_eq!(house.get("/doctor/doctor.js").await.status, 200);
    assert_eq!(house.get("/api/v1/doctor").await.status, 403);
    assert_eq!(post(&house, "application/sdp", OFFER).await.status, 403);
    house.close().await;
}
