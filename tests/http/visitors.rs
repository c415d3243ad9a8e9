//! Who gets in from where: attempts and their answers, over the real door.
//!
//! The box of these tests trusts a proxy on loopback, so that a test says by `X-Forwarded-For` where it
//! comes from; the first test shows that nobody else is believed.

use std::sync::Arc;

use parlor::{
    config::{Guests, Loopback, Settings},
    seams::turn::TurnDoor,
};

use crate::house::{Answer, House};

/// From the LAN, and from outside.
pub(crate) const LAN: &str = "192.168.1.9";
pub(crate) const FAR: &str = "203.0.113.9";

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A box behind a proxy on loopback.
pub(crate) async fn behind_proxy(change: impl FnOnce(&mut Settings)) -> House {
    behind_proxy_with(None, change).await
}

/// The same, and streams that speak TURN go there.
pub(crate) async fn behind_proxy_with(
    turn: Option<Arc<dyn TurnDoor>>,
    change: impl FnOnce(&mut Settings),
) -> House {
    House::open_with(turn, |settings| {
        settings.access.loopback = Loopback::Token;
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a prefix")];
        change(settings);
    })
    .await
}

/// Who asks: from where, with which cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knock<'a> {
    pub(crate) from: &'a str,
    pub(crate) cookie: &'a str,
    /// More header lines, each with `\r\n` before it.
    pub(crate) more: &'a str,
}

impl<'a> Knock<'a> {
    pub(crate) fn new(from: &'a str, cookie: &'a str) -> Self {
        Self { from, cookie, more: "" }
    }

    pub(crate) fn with(self, more: &'a str) -> Self {
        Self { more, ..self }
    }

    /// Asks; a body is JSON where nothing else is said.
    pub(crate) async fn ask(self, house: &House, method: &str, path: &str, body: &str) -> Answer {
        let Self { from, cookie, more } = self;
        let json = match body.is_empty() || more.contains("Content-Type") {
            true => "",
            false => "\r\nContent-Type: application/json",
        };
        let host = house.host();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {from}\r\n\
             Cookie: {cookie}{json}{more}"
        );
        house.send(&head, body).await
    }
}

/// Makes the owner, and gives the cookie.
pub(crate) async fn set_up(house: &House) -> String {
    let code = house.access.setup_code().await.expect("works").expect("no owner yet");
    let body = format!(r#"{{"code":"{code}","name":"Ada","password":"{PASSWORD}"}}"#);
    let made = Knock::new(FAR, "").ask(house, "POST", "/api/v1/setup", &body).await;
    assert_eq!((made.status, made.json()["who"].as_str()), (201, Some("owner")));
    cookie(&made)
}

/// What a browser sends back of what was set.
pub(crate) fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_anybody_may_write_lets_nobody_in() {
    let house = House::open(|settings| settings.access.loopback = Loopback::Token).await;
    let port = house.address.port();
    let claims = "\r\nX-Forwarded-For: 192.168.1.9\r\nForwarded: for=192.168.1.9\r\n\
                  X-Real-IP: 192.168.1.9";
    // A tunnel to the box, with the name of this machine or of the LAN.
    for host in [format!("localhost:{port}"), "127.0.0.1".into(), "192.168.1.5".into()] {
        for path in ["/", "/api/v1/rooms", "/api/v1/signal", "/metrics", "/api/v1/none"] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: {host}{claims}");
            let answer = house.send(&head, "").await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{path}");
        }
        let head = format!("GET / HTTP/1.1\r\nHost: {host}{claims}\r\nAccept: text/html,*/*");
        let page = house.send(&head, "").await;
        assert_eq!((page.status, page.header("content-type")), (403, "text/html; charset=utf-8"));
        assert!(page.text().contains("this machine itself"), "{}", page.text());
        assert!(page.text().contains("Sign in"), "a way on");
    }
}

#[tokio::test]
async fn a_browser_on_the_box_gets_in_by_the_url_that_was_printed() {
    let house = House::open(|settings| settings.access.loopback = Loopback::Token).await;
    let host = house.host();
    let sign_in = async |token: &str| {
        let head = format!(
            "POST /api/v1/session HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json"
        );
        house.send(&head, &format!(r#"{{"local":"{token}"}}"#)).await
    };
    let wrong = sign_in("nothing").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (403, "local-token-wrong"));
    let token = house.access.local_token();
    let session = sign_in(&token).await;
    assert_eq!(session.status, 201);
    let with = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}{more}");
    let kept = format!("\r\nCookie: {}", cookie(&session));
    assert_eq!(house.send(&with("/api/v1/rooms", &kept), "").await.status, 200);
    assert_eq!(house.send(&with("/metrics", &kept), "").await.status, 200);
    let scraper = format!("\r\nAuthorization: Bearer {token}");
    assert_eq!(house.send(&with("/metrics", &scraper), "").await.status, 200);
    assert_eq!(house.send(&with("/metrics", ""), "").await.status, 403);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_lan_rule_still_holds() {
    let house = behind_proxy(|_| {}).await;
    let cases = [
        (LAN, 200),
        (FAR, 403),
        ("127.0.0.1", 403),
        ("192.168.1.9, 203.0.113.9", 403),
        ("203.0.113.9, 192.168.1.9", 200),
        ("nobody", 403),
        ("", 403),
    ];
    for (from, expected) in cases {
        let answer = Knock::new(from, "").ask(&house, "GET", "/api/v1/rooms", "").await;
        assert_eq!(answer.status, expected, "{from:?}");
    }
    let mut closed = house.settings.borrow().as_ref().clone();
    closed.access.guests = Guests::None;
    house.settings.send_replace(closed.into());
    let refused = Knock::new(LAN, "").ask(&house, "GET", "/api/v1/rooms", "").await;
    assert!(refused.text().contains("takes no guests"));
}

#[tokio::test]
async fn role_by_role_every_route() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let person = r#"{"name":"Bob","password":"correct horse battery"}"#;
    let made = Knock::new(FAR, &owner).ask(&house, "POST", "/api/v1/people", person).await;
    assert_eq!((made.status, made.json()["role"].as_str()), (201, Some("user")));
    let user = cookie(&Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", person).await);
    let invite = Knock::new(FAR, &owner)
        .ask(&house, "POST", "/api/v1/invites", r#"{"room":"Kitchen"}"#)
        .await;
    let url = invite.json()["url"].as_str().expect("a URL").to_owned();
    let token = url.strip_prefix("/r/Kitchen#invite=").expect("in the fragment");
    let body = format!(r#"{{"invite":"{token}"}}"#);
    let invited = Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", &body).await;
    assert_eq!((invited.status, invited.json()["room"].as_str()), (201, Some("Kitchen")));
    let invited = cookie(&invited);
    // One letter each: stranger, guest, invited, user, owner; `y` is let in, whatever comes then.
    let table = [
        ("GET", "/", "-yyyy"),
        ("GET", "/r/Kitchen", "yyyyy"),
        ("GET", "/signin", "yyyyy"),
        ("GET", "/settings", "yyyyy"),
        ("GET", "/trust", "yyyyy"),
        ("GET", "/trust/ca.crt", "yyyyy"),
        ("GET", "/trust/check", "yyyyy"),
        ("GET", "/api/v1/certificate", "yyyyy"),
        ("GET", "/api/v1/audit", "----y"),
        ("GET", "/healthz", "yyyyy"),
        ("GET", "/readyz", "yyyyy"),
        ("GET", "/metrics", "----y"),
        ("GET", "/api/v1/about", "-yyyy"),
        ("GET", "/api/v1/ice-servers", "-yyyy"),
        ("GET", "/api/v1/turn", "-yyyy"),
        ("GET", "/api/v1/signal", "-yyyy"),
        ("GET", "/api/v1/rooms", "-y-yy"),
        ("GET", "/api/v1/addresses", "-y-yy"),
        ("GET", "/api/v1/rooms/Kitchen", "-yyyy"),
        ("GET", "/api/v1/rooms/Attic", "-y-yy"),
        ("POST", "/whip/Kitchen", "-yyyy"),
        ("POST", "/whip/Attic", "-y-yy"),
        ("POST", "/whep/Kitchen", "-yyyy"),
        ("POST", "/whep/Attic", "-y-yy"),
        ("POST", "/whep/Attic/00000000000000ff", "-y-yy"),
        ("POST", "/c/door/whep", "-y-yy"),
        ("GET", "/api/v1/session", "yyyyy"),
        ("GET", "/api/v1/invites", "----y"),
        ("POST", "/api/v1/invites", "----y"),
        ("DELETE", "/api/v1/invites/00000000000000ff", "----y"),
        ("GET", "/api/v1/people", "----y"),
        ("POST", "/api/v1/people", "----y"),
        ("PATCH", "/api/v1/people/99", "----y"),
        ("DELETE", "/api/v1/people/99", "----y"),
        ("DELETE", "/api/v1/sessions", "---yy"),
    ];
    let who = [(FAR, ""), (LAN, ""), (FAR, &invited), (FAR, &user), (FAR, &owner)];
    for (method, path, expected) in table {
        let mut found = String::new();
        // The last route ends the sessions of those who may.
        for (from, cookie) in who {
            let answer = Knock::new(from, cookie).ask(&house, method, path, "").await;
            let refused = [401, 403].contains(&answer.status);
            found.push(if refused { '-' } else { 'y' });
        }
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let body = r#"{"room":"Kitchen"}"#;
    let evil = "\r\nOrigin: https://evil.example";
    let two = format!("\r\nOrigin: https://{}{evil}", house.host());
    let ours = format!("\r\nOrigin: https://{}\r\nSec-Fetch-Site: same-origin", house.host());
    let cases = [
        (evil, 403, "origin-forbidden"),
        (two.as_str(), 403, "origin-forbidden"),
        ("\r\nOrigin: null", 403, "origin-forbidden"),
        ("\r\nSec-Fetch-Site: cross-site", 403, "origin-forbidden"),
        ("\r\nContent-Type: text/plain", 415, "media-type-unsupported"),
        ("\r\nContent-Type: application/x-www-form-urlencoded", 415, "media-type-unsupported"),
    ];
    for (more, status, code) in cases {
        let knock = Knock::new(FAR, &owner).with(more);
        let answer = knock.ask(&house, "POST", "/api/v1/invites", body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{more}");
    }
    for (method, path) in [
        ("DELETE", "/api/v1/session"),
        ("DELETE", "/api/v1/sessions"),
        ("DELETE", "/api/v1/invites/00000000000000ff"),
        ("DELETE", "/api/v1/people/1"),
    ] {
        let answer = Knock::new(FAR, &owner).with(evil).ask(&house, method, path, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "origin-forbidden"), "{path}");
    }
    let knock = Knock::new(FAR, &owner).with(&ours);
    assert_eq!(knock.ask(&house, "POST", "/api/v1/invites", body).await.status, 201);
}
