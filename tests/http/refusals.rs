//! What is refused: strangers, wrong methods, too much of anything.

use std::{sync::Arc, time::Duration};

use parlor::protocol::ServerMessage;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    client::Client,
    house::{House, PATIENCE, exchange, read_all},
};

#[tokio::test]
async fn a_request_for_another_host_is_not_answered() {
    let house = House::open(|settings| settings.http.hosts = vec!["door.example".into()]).await;
    let port = house.address.port();
    let head = |hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("\r\nHost: {host}")).collect();
        format!("GET /api/v1/about HTTP/1.1{hosts}")
    };
    let name = house.trust.hosts().iter().find(|host| *host != "localhost").cloned();
    let ours = [format!("LOCALHOST:{port}"), "127.0.0.1".into(), "[::1]:1".into()];
    for host in ours {
        assert_eq!(house.send(&head(&[&host]), "").await.status, 200, "{host}");
    }
    for host in ["Door.example.", name.as_deref().unwrap_or("door.example")] {
        assert_eq!(house.send(&head(&[host]), "").await.status, 200, "{host}");
    }
    let cases: [(&[&str], u16, &str); 6] = [
        (&["evil.example"], 421, "host-unknown"),
        (&["door.example.evil.example"], 421, "host-unknown"),
        (&[], 400, "host-invalid"),
        (&["localhost", "localhost"], 400, "host-invalid"),
        (&["localhost", "evil.example"], 400, "host-invalid"),
        (&["a b"], 400, "host-invalid"),
    ];
    for (hosts, status, code) in cases {
        // By TLS, and where plain HTTP would be led to https at that very host.
        for answer in [
            house.send(&head(hosts), "").await,
            exchange(house.tcp().await, &head(hosts), "").await,
        ] {
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{hosts:?}");
            assert_eq!(answer.header("location"), "");
        }
    }
    // A page whose name leads here would be of our origin.
    let rebound = format!("{}\r\nOrigin: https://evil.example", head(&["evil.example"]));
    assert_eq!(house.send(&rebound, "").await.status, 421);
    let page = house.send(&format!("{}\r\nAccept: text/html", head(&["a<b"])), "").await;
    assert!(page.text().contains("<h1>") && !page.text().contains("a<b"), "{}", page.text());
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_even_if_it_names_no_origin() {
    let house = House::open(|_| {}).await;
    let own = format!("Origin: https://{}", house.host());
    let cases = [
        ("Sec-Fetch-Site: cross-site", "origin-forbidden"),
        ("Sec-Fetch-Site: same-site", "origin-forbidden"),
        ("Sec-Fetch-Site: same-origin", "resume-invalid"),
        ("Sec-Fetch-Site: none", "resume-invalid"),
        (&own, "resume-invalid"),
        (&format!("{own}\r\nOrigin: https://evil.example"), "origin-forbidden"),
        (&format!("{own}\r\n{own}"), "origin-forbidden"),
    ];
    for (fields, code) in cases {
        let head = format!("POST /api/v1/leave HTTP/1.1\r\nHost: {}\r\n{fields}", house.host());
        let answer = house.send(&head, r#"{"token":"1.x.y"}"#).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, code), "{fields}");
    }
}

#[tokio::test]
async fn metrics_that_are_switched_off_are_not_there() {
    let house = House::open(|settings| settings.metrics.enabled = false).await;
    assert_eq!(house.get("/metrics").await.status, 404);
    let mut settings = house.settings.borrow().as_ref().clone();
    settings.metrics.enabled = true;
    house.settings.send_replace(Arc::new(settings));
    assert_eq!(house.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let house = House::open(|_| {}).await;
    for (method, path, allow) in [
        ("POST", "/room/protocol.js", "GET, HEAD"),
        ("DELETE", "/api/v1/rooms", "GET, HEAD"),
        ("PUT", "/healthz", "GET, HEAD"),
        ("GET", "/api/v1/leave", "POST"),
        ("HEAD", "/api/v1/signal", "GET, POST"),
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
    let free = async {
        loop {
            let mut stream = house.tcp().await;
            let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", house.host());
            let _ = stream.write_all(request.as_bytes()).await;
            if !read_all(stream).await.is_empty() {
                return;
            }
        }
    };
    timeout(PATIENCE, free).await.expect("the place becomes free");
}

#[tokio::test]
async fn whoever_says_nothing_makes_room_for_whoever_does() {
    let house = House::open(|settings| settings.http.max_connections = 3).await;
    let join =
        json!({"id": 1, "type": "join", "room": "a", "name": "Ada", "mic": true, "cam": false});
    let (mut socket, _) = Client::joined(&house, join).await;
    // All three places are taken again and again, and the box still answers.
    for _ in 0..5 {
        let silent = [house.tcp().await, house.tcp().await];
        assert_eq!(house.get("/api/v1/about").await.status, 200);
        drop(silent);
    }
    socket.say(r#"{"id":2,"type":"chat","text":"still here"}"#).await;
    let such = |message: &ServerMessage| matches!(message, ServerMessage::Chat { .. });
    timeout(PATIENCE, socket.hear_until(such)).await.expect("who is in a room stays");
}

#[tokio::test]
async fn whoever_is_slow_is_not_waited_for() {
    // The other limit is longer than the test waits: it cannot be what ends a connection.
    let house = House::open(|settings| {
        settings.http.slow_timeout = Duration::from_millis(100);
        settings.http.idle_timeout = PATIENCE.saturating_mul(100);
    })
    .await;
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

    // A body that does not come has its answer.
    let post = format!(
        "POST /api/v1/leave HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\n{{",
        house.host()
    );
    let mut stream = house.tls("http/1.1").await;
    stream.write_all(post.as_bytes()).await.expect("the server is there");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 408");
}

#[tokio::test]
async fn whoever_is_idle_is_not_waited_for_either() {
    let house = House::open(|settings| {
        settings.http.slow_timeout = PATIENCE.saturating_mul(100);
        settings.http.idle_timeout = Duration::from_millis(100);
    })
    .await;
    let mut stream = house.tls("http/1.1").await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", house.host());
    stream.write_all(request.as_bytes()).await.expect("the server is there");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    read_all(stream).await;
}

#[tokio::test]
async fn a_second_head_is_not_waited_for_longer_than_the_first() {
    let house = House::open(|settings| {
        settings.http.slow_timeout = Duration::from_millis(100);
        settings.http.idle_timeout = PATIENCE.saturating_mul(100);
    })
    .await;
    let mut stream = house.tls("http/1.1").await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", house.host());
    stream.write_all(request.as_bytes()).await.expect("the server is there");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    // A byte now and then keeps it open no longer.
    stream.write_all(b"GET /heal").await.expect("the server is there");
    read_all(stream).await;
}
