//! The owner's settings over HTTP, of a real box: what is in force, what may be changed, what stays.

#[path = "settings/owned.rs"]
mod owned;
mod support;

use serde_json::{Value, json};
use tempfile::TempDir;

use owned::{Owned, PASSWORD, file, json_of};
use support::folder;

#[tokio::test]
async fn each_key_has_its_value_its_default_and_who_says_so() {
    let data = folder();
    let config = file(
        &data,
        "[rooms]\nmax_participants = 5\n[[room]]\nname = \"Attic\"\npassword = \"pear\"\n",
    );
    let env = [("PARLOR_LOG_FILTER", "info,parlor=debug")];
    let owned = Owned::start(&data, &["--config", &config], &env).await;
    let answer = owned.get().await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let all = json_of(&answer);
    let parts = |key: &str| {
        let shown = &all[key];
        (shown["value"].clone(), shown["source"].clone(), shown["fixed"].clone())
    };
    assert_eq!(parts("rooms.default"), (json!("home"), json!("default"), json!(false)));
    assert_eq!(parts("rooms.max_participants"), (json!(5), json!("file"), json!(true)));
    assert_eq!(all["rooms.max_participants"]["default"], 0);
    assert_eq!(all["rooms.max_participants"]["from"], format!("{config}:2"));
    assert_eq!(
        parts("log.filter"),
        (json!("info,parlor=debug"), json!("environment"), json!(true))
    );
    assert_eq!(
        (parts("http.listen").1, parts("storage.data_dir").1),
        (json!("flag"), json!("flag"))
    );
    let rooms = json!([{"name": "Attic", "password": "***"}]);
    assert_eq!(parts("room"), (rooms, json!("file"), json!(true)));
    assert_eq!(parts("camera"), (json!([]), json!("default"), json!(false)));
    assert_eq!(
        (&all["media.workers"]["restart"], &all["camera"]["restart"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(all["network.announce"]["restart"], false);
    assert!(!answer.body().contains("pear"), "no secret is shown");
    for key in ["rooms.max_participants", "log.filter", "http.listen", "room"] {
        let refused = owned.patch(&json!({key: all[key]["value"]})).await;
        assert_eq!((refused.status(), refused.code().as_str()), (422, "input-invalid"), "{key}");
        assert!(refused.body().contains("is set by"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_change_is_all_or_nothing_and_each_fault_is_told() {
    let data = folder();
    let owned = Owned::start(&data, &[], &[]).await;
    let changes = json!({
        "network.announce": ["203.0.113.7", "not an address"],
        "rooms.default": "Kitchen",
        "rooms.max_participants": "many",
        "rooms.create": "anybody",
        "room": [{"name": "a/b"}, {"nam": "x"}],
        "camera": [{"id": "door"}],
        "ice.servers": [{"urls": ["turn:turn.example"]}],
        "storage.data_dir": "/elsewhere",
        "none.such": 1,
        "http.certificate": "/nowhere.pem",
    });
    let refused = owned.patch(&changes).await;
    assert_eq!((refused.status(), refused.code().as_str()), (422, "input-invalid"));
    let problem = json_of(&refused);
    let faults = problem["faults"].as_array().expect("faults");
    let keys: Vec<&str> = faults.iter().filter_map(|fault| fault["key"].as_str()).collect();
    for key in [
        "network.announce",
        "rooms.max_participants",
        "rooms.create",
        "room.name",
        "room.nam",
        "camera.source",
        "ice.servers.urls",
        "storage.data_dir",
        "none.such",
        "http.certificate",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    for fault in faults {
        let line = fault["line"].as_str().expect("a line");
        assert!(
            line.starts_with("settings page: ") && line.contains(": ") && line.contains("; "),
            "{line}"
        );
        assert!(fault["problem"].as_str().is_some_and(|problem| !problem.is_empty()));
        assert!(fault["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    }
    assert_eq!(
        owned.key("rooms.default").await["value"],
        "home",
        "what was right is not in force either"
    );
    for (body, status, code) in [
        ("{", 400, "message-malformed"),
        ("[]", 400, "message-malformed"),
        ("{\"rooms.default\": {\"a\": [1]}}", 422, "input-invalid"),
        ("{\"rooms.default\": 1e400}", 400, "message-malformed"),
    ] {
        let refused = owned.ask("PATCH", &[], body).await;
        assert_eq!((refused.status(), refused.code().as_str()), (status, code), "{body}");
    }
}

#[tokio::test]
async fn who_has_not_seen_the_latest_changes_nothing() {
    let data = folder();
    let owned = Owned::start(&data, &[], &[]).await;
    let tag = owned.get().await.header("etag").to_owned();
    let change = json!({"rooms.default": "Kitchen"}).to_string();
    let first = owned.ask("PATCH", &[("If-Match", &tag)], &change).await;
    assert_eq!(
        (first.status(), &json_of(&first)["rooms.default"]["value"]),
        (200, &json!("Kitchen"))
    );
    assert_eq!(json_of(&first)["rooms.default"]["source"], "page");
    let newer = first.header("etag").to_owned();
    assert_ne!(newer, tag);
    assert_eq!(owned.get().await.header("etag"), newer);
    let late = json!({"rooms.default": "Attic"}).to_string();
    for old in [tag.as_str(), "\"settings-0\"", "\"else\"", "W/\"else\""] {
        let refused = owned.ask("PATCH", &[("If-Match", old)], &late).await;
        assert_eq!(
            (refused.status(), refused.code().as_str()),
            (412, "precondition-failed"),
            "{old}"
        );
    }
    assert_eq!(owned.key("rooms.default").await["value"], "Kitchen");
    for any in [newer.as_str(), "*"] {
        assert_eq!(owned.ask("PATCH", &[("If-Match", any)], &late).await.status(), 200, "{any}");
    }
    let back = owned.patch(&json!({"rooms.default": null})).await;
    assert_eq!(json_of(&back)["rooms.default"]["source"], "default");
}

#[tokio::test]
async fn what_the_page_set_is_in_force_at_once_and_after_each_start() {
    let data = folder();
    let mut owned = Owned::start(&data, &[], &[]).await;
    let changes = json!({
        "network.announce": ["203.0.113.7", "198.51.100.4:4000"],
        "room": [{"name": "Attic", "password": "pear", "max_participants": 1}],
        "turn.user": ["bob:pear"],
        "media.workers": 2,
        "media.viewers_per_worker": 7,
    });
    let refused = owned.patch(&changes).await;
    // One port, which the environment sets, is not enough for two workers.
    assert_eq!(refused.status(), 422, "{refused:?}");
    let mut changes = changes.as_object().expect("an object").clone();
    changes.remove("media.workers");
    let changed = owned.patch(&Value::Object(changes)).await;
    assert_eq!(changed.status(), 200, "{changed:?}");
    let all = json_of(&changed);
    assert_eq!(all["media.viewers_per_worker"]["waiting"], true);
    assert_eq!(all["network.announce"]["waiting"], false);
    assert_eq!(all["turn.user"]["value"], json!(["bob:***"]));
    assert!(!changed.body().contains("pear"));
    // In force at once: the addresses in the next candidates, the room's limit for whoever comes.
    let join =
        |name: &str| json!({"type": "join", "room": "Attic", "name": name, "password": "pear"});
    let mut ana = owned.the_box.socket().await;
    ana.hello().await;
    let wrong = json!({"type": "join", "room": "Attic", "name": "Ana", "password": "plum"});
    assert_eq!(ana.ask(wrong).await["code"], "password-wrong");
    let joined = ana.ask(join("Ana")).await;
    assert_eq!(joined["type"], "joined", "{joined}");
    let mut ben = owned.the_box.socket().await;
    ben.hello().await;
    let full = ben.ask(join("Ben")).await;
    assert_eq!(full["code"], "room-full", "{full}");
    let body = owned.the_box.get("/api/v1/addresses").await;
    assert!(body.contains("203.0.113.7") && body.contains("\"port\":4000"), "{body}");
    // The list comes back as it was shown, secret hidden, with one thing changed.
    let mut rooms = all["room"]["value"].clone();
    rooms[0]["max_participants"] = json!(2);
    assert_eq!(rooms[0]["password"], "***");
    assert_eq!(owned.patch(&json!({"room": rooms})).await.status(), 200);
    let again = ben.ask(join("Ben")).await;
    assert_eq!(again["type"], "joined", "the hidden password is still the same: {again}");
    drop((ana, ben));

    for signal in ["TERM", "KILL"] {
        owned.again(&data, signal, &[], &[]).await;
        let all = json_of(&owned.get().await);
        assert_eq!(all["network.announce"]["value"], json!(["203.0.113.7", "198.51.100.4:4000"]));
        assert_eq!(all["room"]["value"][0]["max_participants"], 2);
        assert_eq!(all["media.viewers_per_worker"]["waiting"], false, "it is in force now");
    }
    // What the file says now wins, and what has become wrong by that is passed over, told and mended.
    let config = file(&data, "[rooms]\ndefault = \"Hall\"\n[[room]]\nname = \"Cellar\"\n");
    owned.again(&data, "TERM", &["--config", &config], &[]).await;
    let all = json_of(&owned.get().await);
    assert_eq!(
        (&all["room"]["value"][0]["name"], &all["room"]["source"]),
        (&json!("Cellar"), &json!("file"))
    );
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused_and_the_box_starts_again() {
    let data = folder();
    let mut owned = Owned::start(&data, &[], &[]).await;
    let path = data.path().join("garbage.pem");
    std::fs::write(&path, "no certificate").expect("writable");
    let changes = json!({"http.certificate": path, "http.certificate_key": path});
    let refused = owned.patch(&changes).await;
    assert_eq!((refused.status(), refused.code().as_str()), (422, "input-invalid"));
    assert!(refused.body().contains("holds no certificate"), "{refused:?}");
    assert_eq!(owned.key("http.certificate").await["source"], "default");
    owned.again(&data, "TERM", &[], &[]).await;
}

#[tokio::test]
async fn the_settings_are_the_owners() {
    let data = folder();
    let owned = Owned::start(&data, &[], &[]).await;
    let stranger = [("Content-Type", "application/json")];
    let body = r#"{"rooms.default":"Kitchen"}"#;
    for (method, body) in [("GET", ""), ("PATCH", body)] {
        let refused = owned.the_box.request(method, "/api/v1/settings", &stranger, body).await;
        let answer = (refused.status(), refused.code());
        assert_eq!(answer, (401, "sign-in-needed".to_owned()), "{method}");
    }
    for path in ["/api/v1/audit", "/api/v1/people", "/api/v1/invites"] {
        assert_eq!(owned.the_box.request("GET", path, &[], "").await.status(), 401, "{path}");
    }
    // A page of another site, with the owner's cookie.
    for field in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
        let refused = owned.ask("PATCH", &[field], body).await;
        assert_eq!(
            (refused.status(), refused.code().as_str()),
            (403, "origin-forbidden"),
            "{field:?}"
        );
    }
    assert_eq!(owned.patch(&json!({"rooms.default": "Kitchen"})).await.status(), 200);
    let fields = [("Cookie", owned.cookie.as_str())];
    let audit = owned.the_box.request("GET", "/api/v1/audit", &fields, "").await;
    let newest = json_of(&audit)[0].clone();
    assert_eq!(
        (&newest["who"], &newest["what"], &newest["detail"]),
        (&json!("Ada"), &json!("settings"), &json!("rooms.default"))
    );
    let page = owned.the_box.request("GET", "/settings", &fields, "").await;
    assert!(page.body().contains("/settings/settings.js"), "{page:?}");
    let other = owned.the_box.request("GET", "/settings", &[], "").await;
    assert!(other.body().contains("Set-up") || other.body().contains("setup-form"), "{other:?}");
}

#[tokio::test]
async fn what_was_answered_survives_ten_kills_at_any_moment() {
    let data = folder();
    let mut owned = Owned::start(&data, &[], &[]).await;
    for round in 0..10_u64 {
        let answered =
            owned.patch(&json!({"rooms.history_days": round, "rooms.max_viewers": round})).await;
        assert_eq!(answered.status(), 200, "{answered:?}");
        let bob = json!({"name": format!("Bob {round}"), "password": PASSWORD}).to_string();
        let fields = [("Cookie", owned.cookie.as_str()), ("Content-Type", "application/json")];
        let made = owned.the_box.request("POST", "/api/v1/people", &fields, &bob).await;
        assert_eq!(made.status(), 201, "{made:?}");
        // Another change is under way, somewhere, when it is killed: all of it is there or nothing.
        let next = json!({"rooms.history_days": 100 + round, "rooms.max_viewers": 100 + round});
        tokio::select! {
            biased;
            _ = owned.patch(&next) => {}
            // Each round somewhat later.
            () = yields(5 * round) => {}
        }
        owned.again(&data, "KILL", &[], &[]).await;
        let all = json_of(&owned.get().await);
        let (days, viewers) =
            (&all["rooms.history_days"]["value"], &all["rooms.max_viewers"]["value"]);
        assert_eq!(days, viewers, "all or nothing");
        assert!(*days == json!(round) || *days == json!(100 + round), "{days} in round {round}");
        let fields = [("Cookie", owned.cookie.as_str())];
        let people = owned.the_box.request("GET", "/api/v1/people", &fields, "").await;
        assert_eq!(json_of(&people).as_array().map(Vec::len), Some(2 + round as usize));
    }
}

async fn yields(n: u64) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
}

/// Runs a command of the binary; its exit code and what it said.
fn command(args: &[&str]) -> (i32, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(args)
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("an exit code"), said)
}

#[tokio::test]
async fn a_box_is_backed_up_while_it_runs_and_restored_elsewhere() {
    let (data, other, outside) = (folder(), folder(), folder());
    let mut owned = Owned::start(&data, &[], &[]).await;
    assert_eq!(owned.patch(&json!({"rooms.default": "Kitchen"})).await.status(), 200);
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let file = text(&outside.path().join("box.backup"));
    let (from, to) = (text(data.path()), text(other.path()));
    assert_eq!(command(&["backup", &file, "--data", &from]), (0, String::new()));
    // A running box's folder is its own.
    let (code, said) = command(&["restore", &file, "--data", &from]);
    assert_eq!(code, 73, "{said}");
    assert!(said.contains("another parlor uses it"), "{said}");
    assert_eq!(owned.patch(&json!({"rooms.default": "Attic"})).await.status(), 200);
    assert_eq!(command(&["restore", &file, "--data", &to]), (0, String::new()));
    let authority = |folder: &TempDir| std::fs::read(folder.path().join("ca.crt")).expect("there");
    assert_eq!(authority(&other), authority(&data), "nobody has to trust anew");
    // The same owner is signed in there, with the settings of that moment.
    owned.again(&other, "TERM", &[], &[]).await;
    assert_eq!(owned.key("rooms.default").await["value"], "Kitchen");
    for (wrong, code) in [("none", 73), ("ca.crt", 65), ("parlor.db", 65)] {
        let path = text(&data.path().join(wrong));
        let (found, said) = command(&["restore", &path, "--data", &from]);
        assert_eq!(found, code, "{wrong}: {said}");
        assert!(said.starts_with(&path), "{said}");
    }
    let newer = text(&outside.path().join("newer"));
    std::fs::copy(&file, &newer).expect("copied");
    // SQLite keeps the version of the tables in these four bytes (its file format, 1.3.13).
    let mut bytes = std::fs::read(&newer).expect("read");
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    std::fs::write(&newer, bytes).expect("written");
    let (code, said) = command(&["restore", &newer, "--data", &from]);
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("newer parlor"), "{said}");
}
