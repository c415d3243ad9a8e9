//! The owner, people and invites, as a program uses them over HTTP.

use crate::{
    house::House,
    visitors::{FAR, Knock, LAN, PASSWORD, behind_proxy, cookie, set_up},
};

async fn who(house: &House, from: &str, cookie: &str) -> serde_json::Value {
    Knock::new(from, cookie).ask(house, "GET", "/api/v1/session", "").await.json()
}

#[tokio::test]
async fn the_box_is_set_up_once_by_its_code() {
    let house = behind_proxy(|_| {}).await;
    assert_eq!(who(&house, LAN, "").await["set_up"], false);
    let code = house.access.setup_code().await.expect("works").expect("no owner");
    let post =
        async |body: &str| Knock::new(FAR, "").ask(&house, "POST", "/api/v1/setup", body).await;
    let body = |code: &str, password: &str| {
        format!(r#"{{"code":"{code}","name":"Ada","password":"{password}"}}"#)
    };
    let cases = [
        (body("0000-0000", PASSWORD), 403, "setup-code-wrong"),
        (body(&code, "short"), 422, "input-invalid"),
        (body(&code, "Ada"), 422, "input-invalid"),
        (r#"{"code":"x"}"#.to_owned(), 400, "message-malformed"),
        ("{".to_owned(), 400, "message-malformed"),
    ];
    for (body, status, expected) in cases {
        let answer = post(&body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, expected), "{body}");
    }
    let made = post(&body(&code, PASSWORD)).await;
    assert_eq!(made.status, 201);
    let set = made.header("set-cookie");
    for word in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(word), "{set}");
    }
    assert_eq!(made.header("cache-control"), "no-store");
    let again = post(&body(&code, PASSWORD)).await;
    assert_eq!((again.status, again.code().as_str()), (409, "already-set-up"));
    let owner = who(&house, FAR, &cookie(&made)).await;
    assert_eq!(
        (&owner["who"], &owner["name"], &owner["set_up"]),
        (&"owner".into(), &"Ada".into(), &true.into())
    );
}

#[tokio::test]
async fn signing_in_and_out() {
    let house = behind_proxy(|_| {}).await;
    let first = set_up(&house).await;
    let body = format!(r#"{{"name":"ada","password":"{PASSWORD}"}}"#);
    // A cookie that somebody planted is not taken over.
    let planted = "__Host-parlor-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let signed = Knock::new(FAR, planted).ask(&house, "POST", "/api/v1/session", &body).await;
    assert_eq!(signed.status, 201);
    let second = cookie(&signed);
    assert!(second != planted && second != first);
    assert_eq!(who(&house, FAR, planted).await["who"], "stranger");
    for wrong in [r#"{"name":"Ada","password":"wrong"}"#, r#"{"name":"Eve","password":"wrong"}"#] {
        let refused = Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", wrong).await;
        assert_eq!((refused.status, refused.code().as_str()), (401, "password-wrong"));
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
        assert_eq!(refused.header("set-cookie"), "");
    }
    let out = Knock::new(FAR, &first).ask(&house, "DELETE", "/api/v1/session", "").await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(who(&house, FAR, &first).await["who"], "stranger");
    assert_eq!(who(&house, FAR, &second).await["who"], "owner");
    let out = Knock::new(FAR, &second).ask(&house, "DELETE", "/api/v1/sessions", "").await;
    assert_eq!(out.status, 204);
    assert_eq!(who(&house, FAR, &second).await["who"], "stranger");
}

#[tokio::test]
async fn twenty_wrong_passwords_from_outside_lock_no_owner_out() {
    let house = behind_proxy(|_| {}).await;
    set_up(&house).await;
    let body = |password: &str| format!(r#"{{"name":"Ada","password":"{password}"}}"#);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let knock = Knock::new(FAR, "");
        let answer = knock.ask(&house, "POST", "/api/v1/session", &body("wrong wrong")).await;
        if answer.status == 429 {
            assert_eq!(answer.code(), "rate-limited");
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|wait| wait > 0));
        }
        statuses.push(answer.status);
    }
    assert_eq!((statuses[0], statuses[19]), (401, 429));
    let right = Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", &body(PASSWORD)).await;
    assert_eq!(right.status, 429, "not even the right one, from there");
    let near = Knock::new(LAN, "").ask(&house, "POST", "/api/v1/session", &body(PASSWORD)).await;
    assert_eq!(near.status, 201);
}

#[tokio::test]
async fn an_invite_that_is_not_good_is_refused_with_its_sentence() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let invite = async |body: &str| {
        let made = Knock::new(FAR, &owner).ask(&house, "POST", "/api/v1/invites", body).await;
        assert_eq!(made.status, 201, "{body}");
        let url = made.json()["url"].as_str().expect("a URL").to_owned();
        let token = url.split_once("#invite=").expect("in the fragment").1.to_owned();
        (token, made.header("location").to_owned())
    };
    let come = async |token: &str| {
        let body = format!(r#"{{"invite":"{token}"}}"#);
        Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", &body).await
    };
    let (once, _) = invite(r#"{"room":"Kitchen","uses":1,"name":"Bob"}"#).await;
    let first = come(&once).await;
    assert_eq!((first.status, first.json()["name"].as_str()), (201, Some("Bob")));
    let (voided, place) = invite(r#"{"room":"Kitchen"}"#).await;
    let guest = come(&voided).await;
    let void = Knock::new(FAR, &owner).ask(&house, "DELETE", &place, "").await;
    assert_eq!(void.status, 204);
    assert_eq!(who(&house, FAR, &cookie(&guest)).await["who"], "stranger");
    let (early, _) = invite(r#"{"room":"Kitchen","starts_in_s":3600}"#).await;
    let mut forged = once.clone();
    forged.replace_range(..1, if once.starts_with('A') { "B" } else { "A" });
    for (token, code) in [
        (once.as_str(), "invite-used-up"),
        (voided.as_str(), "invite-void"),
        (early.as_str(), "invite-early"),
        (forged.as_str(), "invite-invalid"),
        ("", "invite-invalid"),
    ] {
        let refused = come(token).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, code));
    }
    let listed = Knock::new(FAR, &owner).ask(&house, "GET", "/api/v1/invites", "").await;
    assert_eq!(listed.json().as_array().map(Vec::len), Some(2));
    assert!(!listed.text().contains(&once), "no token is ever shown again");
    let unfit = Knock::new(FAR, &owner)
        .ask(&house, "POST", "/api/v1/invites", r#"{"room":"a","role":"owner"}"#)
        .await;
    assert_eq!((unfit.status, unfit.code().as_str()), (422, "input-invalid"));
}

#[tokio::test]
async fn a_program_comes_by_a_bearer_token() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let made = Knock::new(FAR, &owner)
        .ask(&house, "POST", "/api/v1/invites", r#"{"room":"Kitchen"}"#)
        .await;
    let url = made.json()["url"].as_str().expect("a URL").to_owned();
    let token = url.split_once("#invite=").expect("in the fragment").1;
    let ask = async |token: &str, room: &str| {
        let more = format!("\r\nAuthorization: Bearer {token}\r\nContent-Type: application/sdp");
        let knock = Knock::new(FAR, "").with(&more);
        knock.ask(&house, "POST", &format!("/whip/{room}"), "v=0").await
    };
    // What is no offer has got as far as being read.
    assert_eq!(ask(token, "Kitchen").await.status, 422);
    assert_eq!(ask(token, "Attic").await.code(), "forbidden");
    let refused = ask("nonsense", "Kitchen").await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "invite-invalid"));
    assert!(refused.header("www-authenticate").contains("invalid_token"));
}

#[tokio::test]
async fn people_are_the_owner_s_to_make_and_remove() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let ask = async |method: &str, path: &str, body: &str| {
        Knock::new(FAR, &owner).ask(&house, method, path, body).await
    };
    let bob = format!(r#"{{"name":"Bob","password":"{PASSWORD}"}}"#);
    let made = ask("POST", "/api/v1/people", &bob).await;
    let place = made.header("location").to_owned();
    assert_eq!(made.status, 201);
    assert_eq!(ask("POST", "/api/v1/people", &bob).await.code(), "input-invalid");
    let people = ask("GET", "/api/v1/people", "").await;
    assert_eq!(people.json().as_array().map(Vec::len), Some(2));
    assert!(!people.text().contains("argon2"), "no hash leaves the box");
    let other = r#"{"password":"another password"}"#;
    assert_eq!(ask("PATCH", &place, other).await.status, 204);
    let body = r#"{"name":"Bob","password":"another password"}"#;
    let signed = Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", body).await;
    assert_eq!(signed.json()["who"], "user");
    assert_eq!(ask("DELETE", &place, "").await.status, 204);
    assert_eq!(ask("DELETE", &place, "").await.code(), "not-found");
    assert_eq!(who(&house, FAR, &cookie(&signed)).await["who"], "stranger");
    let own = people.json()[0]["id"].to_string();
    let last = ask("DELETE", &format!("/api/v1/people/{own}"), "").await;
    assert_eq!((last.status, last.code().as_str()), (409, "last-owner"));
}
