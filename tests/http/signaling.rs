//! Sessions over wss: what precedes a seat, what goes to and comes from the room, how it ends.

use parlor::protocol::{ByeReason, ErrorCode, LeaveReason, MemberState, ServerMessage};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{client::Client, house::House};

fn join(room: &str, name: &str) -> serde_json::Value {
    json!({"id": 1, "type": "join", "room": room, "name": name, "mic": true, "cam": false})
}

#[tokio::test]
async fn each_wrong_message_has_its_code_and_the_socket_lives_on() {
    let house = House::open(|_| {}).await;
    let mut client = Client::open(&house, None).await.expect("an upgrade");
    let before_hello = [
        (r#"{"id":1,"type":"ping"}"#, Some(1), ErrorCode::HelloMissing),
        (r#"{"id":2,"type":"join","room":"a","name":"b"}"#, Some(2), ErrorCode::HelloMissing),
        (r#"{"id":3,"type":"hello","version":2}"#, Some(3), ErrorCode::VersionUnsupported),
        ("garbage", None, ErrorCode::MessageMalformed),
        ("[]", None, ErrorCode::MessageMalformed),
        (r#"{"id":4,"type":"dance"}"#, Some(4), ErrorCode::MessageUnknown),
    ];
    for (text, re, code) in before_hello {
        client.say(text).await;
        assert_eq!(client.hear_error().await, (re, code), "{text}");
    }
    client.say(r#"{"id":5,"type":"hello","version":1}"#).await;
    let welcome = client.hear().await;
    let server = concat!("parlor/", env!("CARGO_PKG_VERSION")).to_owned();
    assert_eq!(
        (welcome.re, welcome.message),
        (Some(5), ServerMessage::Welcome { version: 1, server })
    );

    let long = format!(r#"{{"id":9,"type":"chat","text":"{}"}}"#, "x".repeat(64 * 1024));
    let large = format!(
        r#"{{"id":10,"type":"publish","generation":1,"tracks":[],"sdp":"{}"}}"#,
        "x".repeat(128 * 1024 + 1)
    );
    let before_join = [
        (r#"{"id":1,"type":"chat","text":"hi"}"#, Some(1), ErrorCode::NotJoined),
        (r#"{"id":2,"type":"leave"}"#, Some(2), ErrorCode::NotJoined),
        (r#"{"id":3,"type":"join","room":"a/b","name":"c"}"#, Some(3), ErrorCode::RoomNameInvalid),
        (r#"{"id":4,"type":"join","room":"","name":"c"}"#, Some(4), ErrorCode::RoomNameInvalid),
        (r#"{"id":5,"type":"join","room":"a","name":" "}"#, Some(5), ErrorCode::NameInvalid),
        (
            r#"{"id":6,"type":"join","room":"a","name":"b","resume":"1.x.y"}"#,
            Some(6),
            ErrorCode::ResumeInvalid,
        ),
        (r#"{"id":7,"type":"join","room":"a"}"#, Some(7), ErrorCode::MessageMalformed),
        (&long, Some(9), ErrorCode::MessageTooLarge),
        (&large, Some(10), ErrorCode::TooLarge),
    ];
    for (text, re, code) in before_join {
        client.say(text).await;
        assert_eq!(client.hear_error().await, (re, code), "{}", &text[..text.len().min(80)]);
    }
    client.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.hear_error().await, (None, ErrorCode::MessageMalformed));
    client.say(r#"{"id":8,"type":"ping"}"#).await;
    assert_eq!(client.hear().await.message, ServerMessage::Pong);
}

#[tokio::test]
async fn what_is_larger_than_any_message_closes_the_socket() {
    let house = House::open(|_| {}).await;
    let mut client = Client::greeted(&house).await;
    client.say(&"x".repeat(192 * 1024 + 1)).await;
    assert_eq!(client.hear_error().await, (None, ErrorCode::MessageTooLarge));
    assert_eq!(client.hear_close().await, Some(1009));
}

#[tokio::test]
async fn pages_of_others_get_no_socket() {
    let house =
        House::open(|settings| settings.http.origins = vec!["https://my.example".into()]).await;
    let own = format!("https://{}", house.host());
    let wrong_scheme = format!("http://{}", house.host());
    for (origin, refused) in [
        (None, None),
        (Some(own.as_str()), None),
        (Some("https://my.example"), None),
        (Some(wrong_scheme.as_str()), Some(403)),
        (Some("https://evil.example"), Some(403)),
        (Some("null"), Some(403)),
    ] {
        assert_eq!(Client::open(&house, origin).await.err(), refused, "{origin:?}");
    }
}

#[tokio::test]
async fn two_who_join_hear_of_each_other_and_what_they_say() {
    let house = House::open(|_| {}).await;
    let (mut ada, joined) = Client::joined(&house, join("Kitchen", "Ada")).await;
    let ServerMessage::Joined { room, you, token, resumed, members, .. } = joined else {
        panic!("{joined:?}")
    };
    assert_eq!((room.as_str(), resumed, members.len()), ("Kitchen", false, 1));
    assert!(token.starts_with("2."), "the session puts the token in");
    ada.say(&join("Kitchen", "Ada").to_string()).await;
    assert_eq!(ada.hear_error().await, (Some(1), ErrorCode::AlreadyJoined));

    let (mut bob, _) = Client::joined(&house, join("kitchen", "Bob")).await;
    let came = ada.hear_until(|m| matches!(m, ServerMessage::MemberJoined { .. })).await.message;
    let ServerMessage::MemberJoined { member: bob_seen } = came else { panic!("{came:?}") };
    assert_eq!(bob_seen.name, "Bob");
    bob.say(r#"{"id":2,"type":"chat","text":"hello"}"#).await;
    let chat = ada.hear_until(|m| matches!(m, ServerMessage::Chat { .. })).await.message;
    let ServerMessage::Chat { line } = chat else { panic!("{chat:?}") };
    assert_eq!((line.from, line.text.as_str()), (bob_seen.id, "hello"));

    let room = house.get("/api/v1/rooms/KITCHEN").await.json();
    assert_eq!(room["name"], "Kitchen");
    assert_eq!(room["members"].as_array().map(Vec::len), Some(2));
    assert_eq!(room["members"][0]["id"], you.to_string());

    bob.say(r#"{"id":3,"type":"leave"}"#).await;
    bob.hear_until(|m| *m == ServerMessage::Done).await;
    bob.hear_until(|m| *m == ServerMessage::Bye { reason: ByeReason::Left }).await;
    assert_eq!(bob.hear_close().await, Some(1000));
    let left = ada.hear_until(|m| matches!(m, ServerMessage::MemberLeft { .. })).await.message;
    assert_eq!(left, ServerMessage::MemberLeft { id: bob_seen.id, reason: LeaveReason::Left });
}

#[tokio::test]
async fn a_lost_socket_keeps_its_place_and_a_beacon_gives_it_up() {
    let house = House::open(|_| {}).await;
    let (mut ada, _) = Client::joined(&house, join("Kitchen", "Ada")).await;
    let (bob, joined) = Client::joined(&house, join("Kitchen", "Bob")).await;
    let ServerMessage::Joined { you, token, .. } = joined else { panic!("{joined:?}") };
    drop(bob);
    let is_lost = |m: &ServerMessage| matches!(m, ServerMessage::MemberChanged { member } if member.state == MemberState::Lost);
    ada.hear_until(is_lost).await;

    let resume = |room: &str| {
        let mut join = join(room, "Bob");
        join["resume"] = json!(token);
        join
    };
    let mut elsewhere = Client::greeted(&house).await;
    elsewhere.say(&resume("Attic").to_string()).await;
    assert_eq!(elsewhere.hear_error().await, (Some(1), ErrorCode::ResumeInvalid));
    let (mut back, rejoined) = Client::joined(&house, resume("Kitchen")).await;
    let ServerMessage::Joined { you: again, resumed: true, token, .. } = rejoined else {
        panic!("{rejoined:?}")
    };
    assert_eq!(again, you);

    let head = format!(
        "POST /api/v1/leave HTTP/1.1\r\nHost: {0}\r\nOrigin: https://{0}\r\nContent-Type: text/plain",
        house.host()
    );
    let answer = house.send(&head, &json!({ "token": token }).to_string()).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let left = ada.hear_until(|m| matches!(m, ServerMessage::MemberLeft { .. })).await.message;
    assert_eq!(left, ServerMessage::MemberLeft { id: you, reason: LeaveReason::Left });
    assert_eq!(back.hear_close().await, Some(1000));
}

#[tokio::test]
async fn one_address_joins_so_often_a_minute_and_no_more() {
    let house = House::open(|settings| settings.http.joins_per_minute = 2).await;
    let mut clients = Vec::new();
    for name in ["Ada", "Bob"] {
        clients.push(Client::joined(&house, join("Kitchen", name)).await);
    }
    let mut third = Client::greeted(&house).await;
    third.say(&join("Kitchen", "Cyd").to_string()).await;
    assert_eq!(third.hear_error().await, (Some(1), ErrorCode::RateLimited));
}

#[tokio::test]
async fn whoever_returns_takes_no_join_from_its_neighbours_and_old_tokens_are_dead() {
    let house = House::open(|settings| settings.http.joins_per_minute = 2).await;
    let (_ada, _) = Client::joined(&house, join("Kitchen", "Ada")).await;
    let (mut bob, joined) = Client::joined(&house, join("Kitchen", "Bob")).await;
    let ServerMessage::Joined { token: mut newest, .. } = joined else { panic!("{joined:?}") };
    let with = |token: &str| {
        let mut join = join("Kitchen", "Bob");
        join["resume"] = json!(token);
        join
    };
    let first = newest.clone();
    for _ in 0..10 {
        let (again, joined) = Client::joined(&house, with(&newest)).await;
        let ServerMessage::Joined { token, resumed: true, .. } = joined else {
            panic!("{joined:?}")
        };
        (bob, newest) = (again, token);
    }
    // What is no return counts like any join: here there is none left.
    let mut late = Client::greeted(&house).await;
    for (token, code) in [("2.x.y", ErrorCode::RateLimited), (&first, ErrorCode::RateLimited)] {
        late.say(&with(token).to_string()).await;
        assert_eq!(late.hear_error().await, (Some(1), code), "{token}");
    }
    let head = format!("POST /api/v1/leave HTTP/1.1\r\nHost: {}", house.host());
    let leave = |token: &str| json!({ "token": token }).to_string();
    house.send(&head, &leave(&first)).await;
    bob.say(r#"{"id":7,"type":"ping"}"#).await;
    bob.hear_until(|message| *message == ServerMessage::Pong).await;
    house.send(&head, &leave(&newest)).await;
    bob.hear_until(|m| *m == ServerMessage::Bye { reason: ByeReason::Left }).await;

    let house = House::open(|_| {}).await;
    let (_ada, joined) = Client::joined(&house, join("Kitchen", "Ada")).await;
    let ServerMessage::Joined { token: left, .. } = joined else { panic!("{joined:?}") };
    house
        .send(&format!("POST /api/v1/leave HTTP/1.1\r\nHost: {}", house.host()), &leave(&left))
        .await;
    let mut thief = Client::greeted(&house).await;
    thief.say(&with(&left).to_string()).await;
    assert_eq!(thief.hear_error().await, (Some(1), ErrorCode::ResumeInvalid), "it has left");
}

#[tokio::test]
async fn a_flood_of_chat_and_names_reaches_nobody() {
    let house = House::open(|_| {}).await;
    let (mut ada, _) = Client::joined(&house, join("Kitchen", "Ada")).await;
    let (mut bob, _) = Client::joined(&house, join("Kitchen", "Bob")).await;
    for id in 10..310 {
        let (text, name) = (format!("line {id}"), format!("Ada {id}"));
        let message = match id % 2 {
            0 => json!({"id": id, "type": "chat", "text": text}),
            _ => json!({"id": id, "type": "rename", "name": name}),
        };
        ada.say(&message.to_string()).await;
    }
    let (mut n_done, mut n_limited) = (0, 0);
    while n_done + n_limited < 300 {
        match ada.hear().await.message {
            ServerMessage::Done => n_done += 1,
            ServerMessage::Error { code: ErrorCode::RateLimited, .. } => n_limited += 1,
            _ => {}
        }
    }
    assert!((20..60).contains(&n_done), "{n_done} of 300");
    // Bob is not among those who were too slow, and is not limited by what Ada did.
    bob.say(r#"{"id":2,"type":"chat","text":"enough"}"#).await;
    bob.hear_until(|message| *message == ServerMessage::Done).await;
}

#[tokio::test]
async fn a_stopping_box_says_so_to_all_and_waits_for_them() {
    let house = House::open(|_| {}).await;
    let (mut seated, _) = Client::joined(&house, join("Kitchen", "Ada")).await;
    let mut greeted = Client::greeted(&house).await;
    let idle = house.tls("http/1.1").await;
    let closing = tokio::spawn(house.close());
    for client in [&mut seated, &mut greeted] {
        let bye = ServerMessage::Bye { reason: ByeReason::ServerStopping };
        client.hear_until(|message| *message == bye).await;
        assert_eq!(client.hear_close().await, Some(1001));
    }
    crate::house::read_all(idle).await;
    closing.await.expect("it ends by itself");
}

#[tokio::test]
async fn a_socket_that_says_no_hello_is_closed() {
    let slow = std::time::Duration::from_millis(100);
    let house = House::open(|settings| settings.http.slow_timeout = slow).await;
    let mut client = Client::open(&house, None).await.expect("an upgrade");
    assert_eq!(client.hear_close().await, Some(1008));
}
