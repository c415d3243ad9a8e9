//! What is refused: strangers, wrong methods, too much of anything.

use std::{sync::Arc, time::Duration};

use parlor::config::Guests;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::house::{House, read_all};

#[tokio::test]
async fn whoever_is_not_from_the_lan_is_told_why() {
    let house = House::open(|_| {}).await;
    let ask =
        |path: &str, host: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}{more}");
    // Loopback under another name is a tunnel; what it claims about others is not believed.
    let claim = "\r\nX-Forwarded-For: 192.168.1.9\r\nForwarded: for=192.168.1.9";
    for path in ["/", "/r/Kitchen", "/api/v1/rooms", "/none", "/trust/ca.crt", "/metrics"] {
        let answer = house.send(&ask(path, "parlor.example.com", claim), "").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{path}");
        let detail = answer.json()["detail"].as_str().map(str::to_owned).unwrap_or_default();
        assert!(detail.contains("tunnel or proxy"), "{detail}");
    }
    let page = house.send(&ask("/", "\"<b>", "\r\nAccept: text/html,*/*"), "").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("<h1>") && !page.text().contains("<b>"));
    let health = house.send(&ask("/healthz", "parlor.example.com", ""), "").await;
    assert_eq!((health.status, health.text()), (200, "ok\n"));

    let changed = |change: fn(&mut parlor::config::Settings)| {
        let mut settings = house.settings.borrow().as_ref().clone();
        change(&mut settings);
        house.settings.send_replace(Arc::new(settings));
    };
    changed(|settings| settings.access.local_proxy = true);
    assert!(house.get("/").await.text().contains("access.local_proxy"));
    assert_eq!(house.get("/metrics").await.status, 403);
    changed(|settings| {
        settings.access.local_proxy = false;
        settings.access.guests = Guests::None;
    });
    assert!(house.get("/").await.text().contains("takes no guests"));
    assert_eq!(house.get("/metrics").await.status, 200, "the box itself is no guest");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let house = House::open(|_| {}).await;
    for (method, path, allow) in [
        ("POST", "/room/protocol.js", "GET, HEAD"),
        ("DELETE", "/api/v1/rooms", "GET, HEAD"),
        ("PUT", "/healthz", "GET, HEAD"),
        ("GET", "/api/v1/leave", "POST"),
        ("HEAD", "/api/v1/signal", "GET"),
    ] {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}", house.host());
        let answer = house.send(&head, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {path}");
        if method != "HEAD" {
            assert_eq!(answer.code(), "method-not-allowed");
        }
        assert!(answer.header("content-security-policy").contains("default-src 'self'"));
    }
    let upgrade = house.get("/api/v1/signal").await;
    assert_eq!((upgrade.status, upgrade.header("upgrade")), (426, "websocket"));
}

#[tokio::test]
async fn too_large_is_refused_and_said_so() {
    let house = House::open(|_| {}).await;
    let post = |more: &str| format!("POST /api/v1/leave HTTP/1.1\r\nHost: {}{more}", house.host());
    let answer = house.send(&post(""), &"x".repeat(64 * 1024 + 1)).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "too-large"));
    let answer = house.send(&post(""), &"x".repeat(64 * 1024)).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "message-malformed"));
    let header = |len: usize| format!("\r\nX-Long: {}", "x".repeat(len));
    assert_eq!(house.send(&post(&header(15 * 1024)), "{}").await.status, 400);
    assert_eq!(house.send(&post(&header(17 * 1024)), "{}").await.status, 431);
    let page = format!("\r\nOrigin: https://{}", house.host());
    for (token, origin, expected) in [
        (r#"{"token":"1.x.y"}"#, "", (403, "resume-invalid")),
        (r#"{"token":"1.x.y"}"#, page.as_str(), (403, "resume-invalid")),
        (r#"{"token":"1.x.y"}"#, "\r\nOrigin: https://evil.example", (403, "origin-forbidden")),
        (r#"{"token":7}"#, "", (400, "message-malformed")),
        ("\u{0}", "", (400, "message-malformed")),
    ] {
        let answer = house.send(&post(origin), token).await;
        assert_eq!((answer.status, answer.code().as_str()), expected, "{token} {origin}");
    }
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let house = House::open(|settings| settings.http.connections_per_address = 2).await;
    let first = house.tls("http/1.1").await;
    let _second = house.tls("http/1.1").await;
    assert!(read_all(house.tcp().await).await.is_empty());
    drop(first);
    // The place is free as soon as the server has seen the first one go.
    loop {
        let mut stream = house.tcp().await;
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", house.host());
        let _ = stream.write_all(request.as_bytes()).await;
        if !read_all(stream).await.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn whoever_is_slow_is_not_waited_for() {
    let quick = |settings: &mut parlor::config::Settings| {
        settings.http.slow_timeout = Duration::from_millis(100);
        settings.http.idle_timeout = Duration::from_millis(300);
    };
    let house = House::open(quick).await;
    // Nothing at all; a handshake that does not go on; a head that does not end; by TLS, too.
    assert!(read_all(house.tcp().await).await.is_empty());
    for beginning in [&b"\x16\x03\x01"[..], b"GET / HTTP/1.1\r\nHost:"] {
        let mut stream = house.tcp().await;
        stream.write_all(beginning).await.expect("the server is there");
        read_all(stream).await;
    }
    let mut stream = house.tls("http/1.1").await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.expect("the server is there");
    read_all(stream).await;
    read_all(house.tls("h2").await).await;

    // A body that does not come has its answer; a connection that idles after one is ended.
    let post = format!(
        "POST /api/v1/leave HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\n{{",
        house.host()
    );
    let mut stream = house.tls("http/1.1").await;
    stream.write_all(post.as_bytes()).await.expect("the server is there");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 408");
    read_all(stream).await;
}
