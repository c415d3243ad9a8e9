//! What somebody is here by comes to its end while they are here: so do their sockets.

use parlor::protocol::{ByeReason, LeaveReason, ServerMessage};
use serde_json::json;

use crate::{
    client::Client,
    house::House,
    visitors::{FAR, Knock, LAN, PASSWORD, behind_proxy, cookie, set_up},
};

/// Somebody from outside, in the kitchen by this cookie or bearer token.
async fn in_the_kitchen(house: &House, name: &str, by: (&'static str, &str)) -> Client {
    let fields = [("X-Forwarded-For", FAR), by];
    let mut client = Client::greeted_with(house, &fields).await.expect("let in");
    let join = json!({"id": 1, "type": "join", "room": "Kitchen", "name": name});
    client.say(&join.to_string()).await;
    assert!(matches!(client.hear().await.message, ServerMessage::Joined { .. }), "{name}");
    client
}

/// They hear why, and are gone from the room at once, not after the time that a lost socket has.
async fn is_out(client: &mut Client, witness: &mut Client) {
    let is_bye = |message: &ServerMessage| matches!(message, ServerMessage::Bye { .. });
    let bye = client.hear_until(is_bye).await;
    assert_eq!(bye.message, ServerMessage::Bye { reason: ByeReason::SignedOut });
    assert_eq!(client.hear_close().await, Some(1000));
    let has_left = |message: &ServerMessage| {
        matches!(message, ServerMessage::MemberLeft { reason: LeaveReason::Left, .. })
    };
    witness.hear_until(has_left).await;
}

#[tokio::test]
async fn signing_out_ends_what_was_begun_by_it_and_nothing_else() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let mut witness = Client::greeted_from(&house, LAN).await.expect("a guest");
    witness.say(r#"{"id":1,"type":"join","room":"Kitchen","name":"Guest"}"#).await;
    let sign_in = format!(r#"{{"name":"Ada","password":"{PASSWORD}"}}"#);
    let session = async || {
        cookie(&Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", &sign_in).await)
    };
    let (phone, desk) = (session().await, session().await);
    let mut by_phone = in_the_kitchen(&house, "Phone", ("Cookie", &phone)).await;
    let mut by_desk = in_the_kitchen(&house, "Desk", ("Cookie", &desk)).await;
    let out = Knock::new(FAR, &phone).ask(&house, "DELETE", "/api/v1/session", "").await;
    assert_eq!(out.status, 204);
    is_out(&mut by_phone, &mut witness).await;
    by_desk.say(r#"{"id":2,"type":"ping"}"#).await;
    by_desk.hear_until(|message| matches!(message, ServerMessage::Pong)).await;
    let out = Knock::new(FAR, &owner).ask(&house, "DELETE", "/api/v1/sessions", "").await;
    assert_eq!(out.status, 204);
    is_out(&mut by_desk, &mut witness).await;
    // The guest is here by where they come from, and stays.
    witness.say(r#"{"id":2,"type":"ping"}"#).await;
    witness.hear_until(|message| matches!(message, ServerMessage::Pong)).await;
    let again = Client::greeted_with(&house, &[("X-Forwarded-For", FAR), ("Cookie", &phone)]).await;
    assert_eq!(again.err(), Some(403), "the old cookie opens nothing");
}

#[tokio::test]
async fn a_voided_invite_and_a_removed_account_end_their_sockets() {
    let house = behind_proxy(|_| {}).await;
    let owner = set_up(&house).await;
    let ask = async |method: &str, path: &str, body: &str| {
        Knock::new(FAR, &owner).ask(&house, method, path, body).await
    };
    let mut witness = Client::greeted_from(&house, LAN).await.expect("a guest");
    witness.say(r#"{"id":1,"type":"join","room":"Kitchen","name":"Guest"}"#).await;

    let made = ask("POST", "/api/v1/invites", r#"{"room":"Kitchen"}"#).await;
    let url = made.json()["url"].as_str().expect("a URL").to_owned();
    let token = url.split_once("#invite=").expect("in the fragment").1.to_owned();
    let body = format!(r#"{{"invite":"{token}"}}"#);
    let invited = Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", &body).await;
    let mut by_cookie = in_the_kitchen(&house, "Ben", ("Cookie", &cookie(&invited))).await;
    let bearer = format!("Bearer {token}");
    let mut by_bearer = in_the_kitchen(&house, "Eve", ("Authorization", &bearer)).await;
    assert_eq!(ask("DELETE", made.header("location"), "").await.status, 204);
    is_out(&mut by_cookie, &mut witness).await;
    is_out(&mut by_bearer, &mut witness).await;

    let bob = format!(r#"{{"name":"Bob","password":"{PASSWORD}"}}"#);
    let place = ask("POST", "/api/v1/people", &bob).await.header("location").to_owned();
    for (method, body) in [("PATCH", r#"{"password":"another password"}"#), ("DELETE", "")] {
        let password = if method == "PATCH" { PASSWORD } else { "another password" };
        let body_in = format!(r#"{{"name":"Bob","password":"{password}"}}"#);
        let signed = Knock::new(FAR, "").ask(&house, "POST", "/api/v1/session", &body_in).await;
        assert_eq!(signed.status, 201, "{method}");
        let mut bob = in_the_kitchen(&house, "Bob", ("Cookie", &cookie(&signed))).await;
        assert_eq!(ask(method, &place, body).await.status, 204);
        is_out(&mut bob, &mut witness).await;
    }
}
