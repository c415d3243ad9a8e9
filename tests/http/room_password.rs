//! Rooms that have a password: who is asked for it, and what it opens.

use parlor::{
    config::{Direct, RoomAhead, Secret, Settings},
    ids::RoomName,
    protocol::{ErrorCode, ServerMessage},
};
use serde_json::json;

use crate::{
    client::Client,
    house::House,
    visitors::{FAR, Knock, LAN, behind_proxy, set_up},
};

/// argon2id of `open sesame`, at the lowest costs that there are.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$zorTdJ0I8daWAF/0334wsA";

fn room(name: &str, password: &str) -> RoomAhead {
    RoomAhead {
        name: RoomName::parse(name).expect("a name"),
        max_participants: 0,
        password: (!password.is_empty()).then(|| Secret::new(password)),
        direct: Direct::Never,
        locked: false,
        lobby: false,
        welcome: String::new(),
    }
}

fn with_rooms(settings: &mut Settings) {
    settings.rooms_ahead =
        vec![room("Vault", "caf\u{e9} 4711"), room("Hashed", HASH), room("Hall", "")];
}

async fn try_to_join(house: &House, from: &str, room: &str, more: serde_json::Value) -> Outcome {
    let mut client = match Client::greeted_from(house, from).await {
        Ok(client) => client,
        Err(status) => return Outcome::NoSocket(status),
    };
    let mut join =
        json!({"id": 1, "type": "join", "room": room, "name": "Ana", "mic": true, "cam": false});
    join.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    client.say(&join.to_string()).await;
    match client.hear().await.message {
        ServerMessage::Joined { token, .. } => Outcome::Joined(Box::new(client), token),
        ServerMessage::Error { code, .. } => Outcome::Refused(code),
        other => panic!("{other:?}"),
    }
}

enum Outcome {
    NoSocket(u16),
    Refused(ErrorCode),
    Joined(Box<Client>, String),
}

impl Outcome {
    fn word(&self) -> String {
        match self {
            Self::NoSocket(status) => status.to_string(),
            Self::Refused(code) => serde_json::to_value(code).expect("a word").to_string(),
            Self::Joined(..) => "joined".to_owned(),
        }
    }
}

#[tokio::test]
async fn guests_and_strangers_are_asked_for_it_and_only_for_that_room() {
    let house = behind_proxy(with_rooms).await;
    let cases = [
        (LAN, "Vault", json!({}), "\"password-required\""),
        (LAN, "vault", json!({"password": ""}), "\"password-required\""),
        (LAN, "Vault", json!({"password": "4711"}), "\"password-wrong\""),
        // One letter, written in two ways.
        (LAN, "Vault", json!({"password": "cafe\u{301} 4711"}), "joined"),
        (LAN, "Hashed", json!({"password": "open sesame"}), "joined"),
        (LAN, "Hashed", json!({"password": HASH}), "\"password-wrong\""),
        (LAN, "Hall", json!({}), "joined"),
        (FAR, "Vault", json!({}), "\"password-required\""),
        (FAR, "Vault", json!({"password": "wrong"}), "\"password-wrong\""),
        (FAR, "VAULT", json!({"password": "caf\u{e9} 4711"}), "joined"),
        (FAR, "Hall", json!({"password": "caf\u{e9} 4711"}), "\"forbidden\""),
        (FAR, "Elsewhere", json!({}), "\"forbidden\""),
    ];
    for (from, room, more, expected) in cases {
        let outcome = try_to_join(&house, from, room, more.clone()).await;
        assert_eq!(outcome.word(), expected, "{from} {room} {more}");
    }
}

#[tokio::test]
async fn a_box_without_such_rooms_gives_strangers_no_socket() {
    let house = behind_proxy(|settings| settings.rooms_ahead = vec![room("Hall", "")]).await;
    assert_eq!(try_to_join(&house, FAR, "Hall", json!({})).await.word(), "403");
    let who = Knock::new(FAR, "").ask(&house, "GET", "/api/v1/session", "").await;
    assert_eq!(who.json()["room_passwords"], serde_json::Value::Null);
}

#[tokio::test]
async fn whoever_was_let_in_returns_without_it_and_nobody_else_does() {
    let house = behind_proxy(with_rooms).await;
    let given = json!({"password": "caf\u{e9} 4711"});
    let Outcome::Joined(client, token) = try_to_join(&house, FAR, "Vault", given).await else {
        panic!("let in")
    };
    drop(client);
    let back = try_to_join(&house, FAR, "Vault", json!({"resume": token})).await;
    assert_eq!(back.word(), "joined");
    // Somebody who was in while it had none is a guest, and is asked.
    let mut open = house.settings.borrow().as_ref().clone();
    let password = open.rooms_ahead[0].password.take();
    house.settings.send_replace(open.clone().into());
    let Outcome::Joined(_, token) = try_to_join(&house, LAN, "Vault", json!({})).await else {
        panic!("let in")
    };
    open.rooms_ahead[0].password = password;
    house.settings.send_replace(open.into());
    let back = try_to_join(&house, LAN, "Vault", json!({"resume": token})).await;
    assert_eq!(back.word(), "\"password-required\"");
}

#[tokio::test]
async fn accounts_are_not_asked_and_programs_send_it_as_their_token() {
    let house = behind_proxy(with_rooms).await;
    let owner = set_up(&house).await;
    let ask = async |from: &str, cookie: &str, more: &str, path: &str| {
        let head = format!("\r\nContent-Type: application/sdp{more}");
        let answer = Knock::new(from, cookie).with(&head).ask(&house, "POST", path, "v=0").await;
        (answer.status, answer.code())
    };
    let bearer = "\r\nAuthorization: Bearer open sesame";
    let required = (401, "password-required".to_owned());
    for path in ["/whip/Hashed", "/whep/Hashed", "/whep/Hashed/00000000000000ff"] {
        assert_eq!(ask(LAN, "", "", path).await, required, "{path}");
        assert_eq!(ask(FAR, "", "", path).await, required, "{path}");
        let wrong = ask(FAR, "", "\r\nAuthorization: Bearer x", path).await;
        assert_eq!(wrong, (401, "password-wrong".to_owned()), "{path}");
        for (from, cookie, more) in [(LAN, "", bearer), (FAR, "", bearer), (FAR, &*owner, "")] {
            let (status, code) = ask(from, cookie, more, path).await;
            assert!(status != 401 && status != 403, "let in, whatever comes then: {status} {code}");
        }
    }
    let members = Knock::new(LAN, "").ask(&house, "GET", "/api/v1/rooms/Vault", "").await;
    assert_eq!(members.code(), "password-required");
    // Nor does the list tell who is in it.
    let given = json!({"password": "caf\u{e9} 4711"});
    let inside = try_to_join(&house, LAN, "Vault", given).await;
    assert_eq!(inside.word(), "joined");
    let listed = async |cookie: &str| {
        Knock::new(LAN, cookie).ask(&house, "GET", "/api/v1/rooms", "").await.json()
    };
    let told = json!([{"name": "Vault", "members": [], "password": true}]);
    assert_eq!(listed("").await, told);
    assert_eq!(listed(&owner).await[0]["members"][0]["name"], "Ana");
}

#[tokio::test]
async fn guesses_from_elsewhere_are_counted_together_and_lock_out_nobody_near() {
    let house = behind_proxy(with_rooms).await;
    let wrong = || json!({"password": "wrong"});
    let mut n_tries = 0;
    'all: for host in 1..=50 {
        for _ in 0..5 {
            let from = format!("203.0.113.{host}");
            match try_to_join(&house, &from, "Vault", wrong()).await.word().as_str() {
                "\"password-wrong\"" => n_tries += 1,
                "\"rate-limited\"" => break 'all,
                other => panic!("{other}"),
            }
        }
    }
    assert!((10..40).contains(&n_tries), "{n_tries} tries at one room, by all addresses together");
    let right = json!({"password": "caf\u{e9} 4711"});
    assert_eq!(try_to_join(&house, LAN, "Vault", right).await.word(), "joined");
}

#[tokio::test]
async fn a_stranger_that_says_hello_and_no_more_is_not_kept() {
    let house = behind_proxy(|settings| {
        with_rooms(settings);
        settings.http.slow_timeout = std::time::Duration::from_millis(200);
    })
    .await;
    let mut stranger = Client::greeted_from(&house, FAR).await.expect("a socket");
    assert_eq!(stranger.hear_close().await, Some(1008));
}
