//! What is served: the page, the API, certificates, by HTTP/1.1 and 2.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parlor::{
    http::Readiness,
    seams::{AddressOrigin, Addresses, LocalAddress},
};

use crate::house::{House, exchange, folder, read_all};

const INDEX: &str = "<!doctype html><title>parlor</title>";

/// A house whose page is in a folder.
async fn house_with_page() -> House {
    House::open(|settings| {
        let web = settings.data_dir.join("web");
        let write = |path: &str, text: &str| {
            let path = web.join(path);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
            std::fs::write(path, text).expect("writable");
        };
        write("room/index.html", INDEX);
        write("room/app.js", "export {};");
        write("test/app.test.js", "secret of the developers");
        write(".env", "secret");
        write("../outside", "outside");
        std::os::unix::fs::symlink("../outside", web.join("link.js")).expect("linked");
        settings.http.web_dir = Some(web);
    })
    .await
}

#[tokio::test]
async fn plain_http_is_led_to_https_and_gets_the_authority() {
    let house = House::open(|settings| settings.http.hosts = vec!["attic.local".into()]).await;
    let port = house.address.port();
    for (target, host, location) in [
        ("/", format!("localhost:{port}"), format!("https://localhost:{port}/")),
        (
            "/r/K%C3%BCche?join=1",
            "attic.local".into(),
            "https://attic.local/r/K%C3%BCche?join=1".into(),
        ),
        ("http://[::1]:9/x", "ignored".into(), "https://[::1]:9/x".into()),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}");
        let answer = exchange(house.tcp().await, &head, "").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, location.as_str()),
            "{target}"
        );
    }
    let head = format!("GET /trust/ca.crt HTTP/1.1\r\nHost: {}", house.host());
    let plain = exchange(house.tcp().await, &head, "").await;
    assert_eq!(plain.header("content-type"), "application/x-x509-ca-cert");
    let secure = house.get("/trust/ca.crt").await;
    assert_eq!(plain.body, secure.body);
    assert_eq!(Some(plain.body.into()), house.trust.identity().borrow().authority);
}

#[tokio::test]
async fn how_to_trust_the_box_comes_by_plain_http_and_nothing_else_does() {
    let house = House::open(|_| {}).await;
    let plain = async |method: &str, path: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}", house.host());
        exchange(house.tcp().await, &head, "").await
    };
    for (path, content_type) in [
        ("/trust", "text/html; charset=utf-8"),
        ("/trust/", "text/html; charset=utf-8"),
        ("/trust/trust.js", "text/javascript; charset=utf-8"),
        ("/shared/style.css", "text/css; charset=utf-8"),
        ("/trust/parlor.mobileconfig", "application/x-apple-aspen-config"),
        ("/api/v1/certificate", "application/json"),
    ] {
        let answer = plain("GET", path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, content_type), "{path}");
        assert_eq!(answer.body, house.get(path).await.body, "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'self'"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
    }
    for path in
        ["/", "/settings", "/room/index.html", "/api/v1/rooms", "/trust/none.js", "/metrics"]
    {
        let answer = plain("GET", path).await;
        let status = if path == "/trust/none.js" { 404 } else { 308 };
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(plain("POST", "/trust").await.status, 308, "nothing is taken by plain http");
    let facts = house.get("/api/v1/certificate").await.json();
    assert_eq!(facts["own"], true);
    let names = facts["names"].as_array().expect("a list");
    assert!(names.contains(&"localhost".into()) && names.contains(&"127.0.0.1".into()));
    let (from, until) = (facts["from"].as_i64(), facts["until"].as_i64());
    let days = (until.expect("a time") - from.expect("a time")) / (24 * 60 * 60);
    assert!(days <= 397, "{days}");
    assert_eq!(facts["fingerprint"].as_str().map(str::len), Some(95));
    let check = house.get("/trust/check").await;
    assert_eq!((check.status, check.header("access-control-allow-origin")), (200, "*"));
}

#[tokio::test]
async fn another_sites_link_makes_nobody_join() {
    let house = house_with_page().await;
    let sent = async |site: &str, target: &str| {
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: {site}", house.host());
        let answer = house.send(&head, "").await;
        (answer.status, answer.header("location").to_owned())
    };
    for site in ["cross-site", "same-site"] {
        for (target, location) in [
            ("/r/Kitchen?join=1", "/r/Kitchen"),
            ("/r/K%C3%BCche?name=Wall&join=1&x", "/r/K%C3%BCche?name=Wall&x"),
            ("/?%6Aoin=1&join", "/"),
        ] {
            assert_eq!(sent(site, target).await, (302, location.into()), "{site} {target}");
        }
        assert_eq!(sent(site, "/r/Kitchen?name=Wall").await.0, 200);
    }
    for site in ["none", "same-origin"] {
        assert_eq!(sent(site, "/r/Kitchen?name=Wall&join=1").await.0, 200, "{site}");
    }
}

#[tokio::test]
async fn the_page_comes_by_http_1_and_2_with_its_headers() {
    let house = house_with_page().await;
    for path in ["/", "/r/Kitchen", "/r/%E5%8E%A8", "/room/index.html"] {
        let answer = house.get(path).await;
        assert_eq!((answer.status, answer.text()), (200, INDEX), "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("strict-transport-security"), "");
        assert!(answer.header("permissions-policy").contains("camera=(self), microphone=(self)"));
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'self';") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
    }
    let head = format!("HEAD / HTTP/1.1\r\nHost: {}", house.host());
    let answer = house.send(&head, "").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-length"), INDEX.len().to_string());

    let io = TokioIo::new(house.tls("h2").await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
    let running = tokio::spawn(connection);
    for (method, expected) in [("GET", INDEX), ("HEAD", "")] {
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("https://{}/r/Kitchen", house.host()))
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.version(), hyper::Version::HTTP_2);
        assert!(response.headers().contains_key("content-security-policy"));
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(body, expected);
    }
    drop(sender);
    running.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_not_sent_it_again() {
    for house in [house_with_page().await, House::open(|_| {}).await] {
        let path = match house.get("/room/app.js").await.status {
            200 => "/room/app.js",
            _ => "/room/protocol.js",
        };
        let first = house.get(path).await;
        assert_eq!(first.header("content-type"), "text/javascript; charset=utf-8");
        let etag = first.header("etag").to_owned();
        // Strong: 32 bytes as base64url, in quotes.
        assert_eq!((etag.len(), etag.starts_with('"')), (45, true), "{etag}");
        let ask = |known: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nIf-None-Match: {known}", house.host())
        };
        let known = house.send(&ask(&etag), "").await;
        assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, etag.as_str()));
        assert_eq!(house.send(&ask("\"older\""), "").await.status, 200);
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_page() {
    let house = house_with_page().await;
    for path in [
        "/../room/index.html",
        "/%2e%2e/Cargo.toml",
        "/..%2f..%2fetc/passwd",
        "/.env",
        "/link.js",
        "/test/app.test.js",
        "//etc/passwd",
        "/i18n",
        "/none.js",
        "/api/v1/none",
        "/r/a/b",
    ] {
        let answer = house.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{path}");
    }
}

#[tokio::test]
async fn old_links_lead_to_their_rooms() {
    let house = House::open(|_| {}).await;
    for (path, location) in [
        ("/?roomid=Kitchen", "/r/Kitchen"),
        ("/?roomid=K%C3%BCche+oben&name=Ada", "/r/K%C3%BCche%20oben?name=Ada"),
        ("/?roomid=//evil.example", "/"),
        ("/?roomid=%2e%2e", "/r/%2E%2E"),
        ("/r/", "/"),
    ] {
        let answer = house.get(path).await;
        let led = if answer.status == 302 { answer.header("location") } else { "/" };
        assert_eq!(led, location, "{path}");
    }
}

#[tokio::test]
async fn programs_are_told_about_the_box() {
    let house = House::open(|_| {}).await;
    let about = house.get("/api/v1/about").await.json();
    assert_eq!(about["default_room"], "home");
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(house.get("/api/v1/rooms").await.json(), serde_json::json!([]));
    assert_eq!(house.get("/api/v1/rooms/none").await.code(), "not-found");
    assert_eq!(house.get("/api/v1/rooms/%07").await.code(), "room-name-invalid");
    assert_eq!(house.get("/api/v1/ice-servers").await.json(), serde_json::json!([]));
    let addresses = house.get("/api/v1/addresses").await;
    assert_eq!(addresses.json()["announced"][0]["ip"], "127.0.0.1");
    assert_eq!(addresses.header("cache-control"), "no-store");
    let metrics = house.get("/metrics").await;
    assert!(metrics.text().contains("parlor_http_requests_total"));

    assert_eq!((house.get("/healthz").await.status, house.get("/readyz").await.status), (200, 200));
    house.readiness.send_replace(Readiness::NotReady("media ports are taken".into()));
    let readiness = house.get("/readyz").await;
    assert_eq!((readiness.status, readiness.text()), (503, "media ports are taken\n"));
    assert_eq!(house.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_new_address_is_in_the_next_handshake() {
    let house = House::open(|_| {}).await;
    let shown = async || {
        let stream = house.tls("http/1.1").await;
        stream.get_ref().1.peer_certificates().expect("a chain")[0].clone()
    };
    let before = shown().await;
    let mut identity = house.trust.identity();
    identity.mark_unchanged();
    let mut addresses = Addresses::loopback();
    addresses.announced.push(LocalAddress {
        ip: "10.7.7.7".parse().expect("an address"),
        prefix_len: 24,
        interface: "eth0".into(),
        origin: AddressOrigin::Interface,
    });
    house.addresses.send_replace(Arc::new(addresses));
    identity.changed().await.expect("the keeper runs");
    assert_ne!(shown().await, before);
}

#[tokio::test]
async fn a_given_certificate_is_shown_and_a_reload_swaps_it() {
    let folder = folder();
    let given = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
        let (chain, key) =
            (folder.path().join(format!("{name}.pem")), folder.path().join(format!("{name}.key")));
        std::fs::write(&chain, made.cert.pem()).expect("writable");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("writable");
        ((chain, key), made.cert.der().clone())
    };
    let ((first_files, first), (second_files, second)) = (given("first"), given("second"));
    let house = House::open(|settings| settings.http.certificate = Some(first_files)).await;
    let shown = async || {
        let stream = house.tls("http/1.1").await;
        stream.get_ref().1.peer_certificates().expect("a chain")[0].clone()
    };
    assert_eq!(shown().await, first);
    for path in ["/trust/ca.crt", "/trust/parlor.mobileconfig"] {
        assert_eq!(house.get(path).await.code(), "not-found");
    }
    assert_eq!(house.get("/api/v1/certificate").await.json()["own"], false);
    let staying = house.tls("http/1.1").await;
    house.trust.reload(Some(second_files)).await.expect("the files are right");
    assert_eq!(shown().await, second);
    // Connections of before go on.
    let head = format!("GET /healthz HTTP/1.1\r\nHost: {}", house.host());
    assert_eq!(exchange(staying, &head, "").await.status, 200);
}

#[tokio::test]
async fn what_is_neither_tls_nor_http_is_closed() {
    let house = House::open(|_| {}).await;
    for garbage in [&b"\0\x01\0\0"[..], b"\x80", b"hello\r\n\r\n"] {
        let mut stream = house.tcp().await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, garbage).await;
        assert!(read_all(stream).await.is_empty());
    }
    for broken in [&b"\x16\x03\x01\xff\xffgarbage"[..], b"GET / HTTP/9\r\n\r\n", b"XYZ\0\r\n\r\n"] {
        let mut stream = house.tcp().await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, broken).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        read_all(stream).await;
    }
    assert_eq!(house.get("/healthz").await.status, 200);
    house.close().await;
}

#[tokio::test]
async fn files_come_packed_to_whoever_takes_that_and_are_kept_by_their_form() {
    use std::io::Read;

    let house = House::open(|_| {}).await;
    let ask = async |more: &str| {
        let head = format!("GET /room/app.js HTTP/1.1\r\nHost: {}{more}", house.host());
        house.send(&head, "").await
    };
    let plain = ask("").await;
    let packed = ask("\r\nAccept-Encoding: gzip, br").await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"));
    assert_eq!(plain.header("vary"), "accept-encoding");
    assert_eq!(packed.header("vary"), "accept-encoding");
    assert!(packed.body.len() * 2 < plain.body.len(), "{}", packed.body.len());
    assert_eq!(packed.header("content-length"), packed.body.len().to_string());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*packed.body).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
    assert_ne!(plain.header("etag"), packed.header("etag"));
    let tag = packed.header("etag");
    let again = ask(&format!("\r\nAccept-Encoding: gzip\r\nIf-None-Match: {tag}")).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = ask(&format!("\r\nIf-None-Match: {tag}")).await;
    assert_eq!(other.status, 200, "the other form");
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_a_page_for_people_and_a_problem_for_programs() {
    let house = House::open(|_| {}).await;
    let html = "\r\nAccept: text/html,*/*;q=0.8\r\nAccept-Language: zh-CN,en;q=0.5";
    for (path, status, words) in [
        ("/c/none/more", 404, "这里什么也没有"),
        ("/nothing/here", 404, "There is nothing here"),
        ("/r/a/b", 404, "去房间"),
        ("/whip/a%2Fb", 400, "这不是可用的房间名"),
        ("/api/v1/none", 404, "not-found"),
        ("/api/v1/leave", 405, "没有成功"),
    ] {
        let page =
            house.send(&format!("GET {path} HTTP/1.1\r\nHost: {}{html}", house.host()), "").await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, "text/html; charset=utf-8")
        );
        assert!(page.text().contains(words), "{path}: {}", page.text());
        assert!(page.header("content-security-policy").contains("default-src 'self'"));
        let problem = house.get(path).await;
        assert_eq!(problem.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(problem.status, status);
        assert_eq!(problem.header("allow"), page.header("allow"), "what the problem tells beside");
    }
}
