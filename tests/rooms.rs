//! Whole rooms: the binary, real TLS, real sockets; no browser.

mod support;

use serde_json::json;
use support::TheBox;

#[tokio::test]
async fn two_meet_chat_rename_and_part() {
    let data = support::folder();
    let the_box = TheBox::start(data.path(), &[], &[]);
    let (mut ana, _) = the_box.join(" Kitchen ", "Ana").await;
    let (mut ben, joined) = the_box.join("kitchen", "Ana").await;
    assert_eq!(joined["room"], "Kitchen", "the same room, as it was typed first");
    assert_eq!(joined["members"][1]["name"], "Ana (2)");
    assert_eq!(ana.event("member-joined").await["member"]["name"], "Ana (2)");
    let done = ben.ask(json!({"type": "rename", "name": "Ben"})).await;
    assert_eq!(done["type"], "done");
    assert_eq!(ana.event("member-changed").await["member"]["name"], "Ben");
    ana.ask(json!({"type": "chat", "text": "hello 你好"})).await;
    assert_eq!(ben.event("chat").await["line"]["text"], "hello 你好");
    ben.ask(json!({"type": "state", "mic": true, "cam": false})).await;
    assert_eq!(ana.event("member-changed").await["member"]["mic"], true);
    ben.ask(json!({"type": "leave"})).await;
    assert_eq!(ana.event("member-left").await["reason"], "left");
    assert_eq!(ben.event("bye").await["reason"], "left");
    assert!(ben.next().await.is_none(), "the socket is closed after bye");
    let (_cyd, joined) = the_box.join("KITCHEN", "Cyd").await;
    assert_eq!(joined["chat"][0]["text"], "hello 你好", "history for whoever comes later");
}

#[tokio::test]
async fn every_bad_message_gets_its_code_and_others_notice_nothing() {
    let data = support::folder();
    let the_box = TheBox::start(data.path(), &[], &[("PARLOR_ROOMS_MAX_PARTICIPANTS", "2")]);
    let mut socket = the_box.socket().await;
    let refused = socket.ask(json!({"type": "chat", "text": "x"})).await;
    assert_eq!(refused["code"], "hello-missing");
    let refused = socket.ask(json!({"type": "hello", "version": 99})).await;
    assert_eq!(refused["code"], "version-unsupported");
    socket.hello().await;
    let cases = [
        (json!({"type": "publish", "generation": 1, "sdp": "v=0", "tracks": []}), "not-joined"),
        (json!({"type": "join", "room": "a/b", "name": "x"}), "room-name-invalid"),
        (json!({"type": "join", "room": " ", "name": "x"}), "room-name-invalid"),
        (json!({"type": "join", "room": "x".repeat(65), "name": "x"}), "room-name-invalid"),
        (json!({"type": "join", "room": "x", "name": "\u{7}"}), "name-invalid"),
        (json!({"type": "join", "room": "x", "name": "x", "resume": "forged"}), "resume-invalid"),
        (json!({"type": "join", "room": 7, "name": "x"}), "message-malformed"),
        (json!({"type": "dance"}), "message-unknown"),
    ];
    for (request, code) in cases {
        let refused = socket.ask(request.clone()).await;
        assert_eq!(refused["code"], code, "{request}");
        assert!(refused["message"].as_str().is_some_and(|text| text.len() > 10), "{refused}");
    }
    socket.send_text("{not json").await;
    let refused = socket.next().await.expect("the socket stays");
    assert_eq!((&refused["code"], refused.get("re")), (&json!("message-malformed"), None));
    assert_eq!(
        socket.ask(json!({"type": "join", "room": "x", "name": "A"})).await["type"],
        "joined"
    );
    let (mut ben, _) = the_box.join("x", "B").await;
    let cases = [
        (json!({"type": "join", "room": "x", "name": "A"}), "already-joined"),
        (
            json!({"type": "publish", "generation": 1, "sdp": "garbage", "tracks": []}),
            "sdp-invalid",
        ),
        (json!({"type": "answer", "generation": 1, "revision": 5, "sdp": "x"}), "offer-unknown"),
        (json!({"type": "watch", "members": ["0000000000000001"]}), "member-unknown"),
        (json!({"type": "chat", "text": ""}), "chat-invalid"),
    ];
    for (request, code) in cases {
        let refused = socket.ask(request.clone()).await;
        assert_eq!(refused["code"], code, "{request}: {refused}");
    }
    let mut full = the_box.socket().await;
    full.hello().await;
    let refused = full.ask(json!({"type": "join", "room": "x", "name": "C"})).await;
    assert_eq!(refused["code"], "room-full");
    assert_eq!(ben.ask(json!({"type": "ping"})).await["type"], "pong");
    let chatter = ben.events.iter().filter(|event| event["type"] != "member-changed").count();
    assert_eq!(chatter, 0, "{:?}", ben.events);
}

#[tokio::test]
async fn a_lost_socket_comes_back_to_its_place_and_even_after_kill_9_to_its_id() {
    let data = support::folder();
    let mut the_box = TheBox::start(data.path(), &[], &[]);
    let (ana, joined) = the_box.join("r", "Ana").await;
    let (mut ben, _) = the_box.join("r", "Ben").await;
    drop(ana);
    assert_eq!(ben.event("member-changed").await["member"]["state"], "lost");
    let back = json!({"type": "join", "room": "r", "name": "Ana", "resume": joined["token"]});
    let mut socket = the_box.socket().await;
    socket.hello().await;
    let again = socket.ask(back.clone()).await;
    assert_eq!((&again["resumed"], &again["you"]), (&json!(true), &joined["you"]));
    assert_eq!(ben.event("member-changed").await["member"]["state"], "live");
    the_box.signal("KILL");
    the_box.wait();
    let the_box = TheBox::start(data.path(), &[], &[]);
    let mut socket = the_box.socket().await;
    socket.hello().await;
    let again = socket.ask(back).await;
    assert_eq!((&again["resumed"], &again["you"]), (&json!(false), &joined["you"]));
}

#[tokio::test]
async fn a_stop_is_told_to_everybody_and_exits_clean() {
    let data = support::folder();
    let mut the_box = TheBox::start(data.path(), &[], &[]);
    let (mut ana, _) = the_box.join("r", "Ana").await;
    the_box.signal("TERM");
    assert_eq!(ana.event("bye").await["reason"], "server-stopping");
    assert_eq!(the_box.wait().code(), Some(0));
}

#[tokio::test]
async fn a_room_that_outgrows_one_worker_has_viewers_on_both_ports() {
    let data = support::folder();
    let first = support::free_ports(50);
    let ports = format!("{first}-{}", first + 49);
    let env = [
        ("PARLOR_MEDIA_WORKERS", "2"),
        ("PARLOR_MEDIA_VIEWERS_PER_WORKER", "2"),
        ("PARLOR_MEDIA_PORTS", &ports),
    ];
    let the_box = TheBox::start(data.path(), &[], &env);
    let sdp = [("Content-Type", "application/sdp")];
    let publisher = include_str!("sdp/chromium.sdp");
    let published = the_box.request("POST", "/whip/hall?name=Stage", &sdp, publisher).await;
    assert_eq!(published.status(), 201, "{published:?}");
    let port = |answer: &support::Answer| -> u16 {
        let line = answer.body().lines().find(|line| line.starts_with("a=candidate:"));
        let port = line.and_then(|line| line.split(' ').nth(5)?.parse().ok());
        port.unwrap_or_else(|| panic!("no candidate in {answer:?}"))
    };
    let home = port(&published);
    let mut ports = Vec::new();
    for _ in 0..5 {
        let viewer = include_str!("sdp/whep-aiortc.sdp");
        let watched = the_box.request("POST", "/whep/hall", &sdp, viewer).await;
        assert_eq!(watched.status(), 201, "{watched:?}");
        ports.push((port(&watched), watched.header("location").to_owned()));
    }
    let other = ports[2].0;
    assert_ne!(other, home);
    let all: Vec<u16> = ports.iter().map(|(port, _)| *port).collect();
    assert_eq!(all, [home, home, other, other, home], "and when both are full they share");
    for (_, location) in ports {
        let gone = the_box.request("DELETE", &location, &[], "").await;
        assert_eq!(gone.status(), 200, "{gone:?}");
    }
    let freed = async { while !the_box.get("/metrics").await.contains("parlor_annexes 0") {} };
    tokio::time::timeout(support::PATIENCE, freed).await.expect("the second worker is let go");
}

#[tokio::test]
async fn garbage_on_the_media_port_is_dropped_and_counted() {
    let data = support::folder();
    let the_box = TheBox::start(data.path(), &[], &[]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let target = ("127.0.0.1", the_box.media_port);
    let mut n_sent = 0;
    for first in [0_u8, 1, 3, 20, 22, 63, 64, 79, 128, 191, 192, 255] {
        for len in [1, 12, 20, 64, 1200] {
            let mut datagram = vec![0xa5; len];
            datagram[0] = first;
            socket.send_to(&datagram, target).expect("loopback takes datagrams");
            n_sent += 1;
        }
    }
    let (mut ana, _) = the_box.join("r", "Ana").await;
    assert_eq!(ana.ask(json!({"type": "ping"})).await["type"], "pong");
    // The worker reads its socket by itself; asking again is waiting for it.
    let counted = async {
        loop {
            let metrics = the_box.get("/metrics").await;
            let line = metrics.lines().find(|line| line.starts_with("parlor_datagrams_bad_total"));
            let n_bad = line.and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
            if n_bad.expect("the counter is there") >= n_sent {
                break;
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, counted).await.expect("all are counted");
}

#[tokio::test]
async fn a_room_for_two_hears_created_ready_full_and_bye_and_passes_on_what_they_say() {
    let data = support::folder();
    let the_box = TheBox::start(data.path(), &[], &[("PARLOR_ROOMS_DIRECT", "only")]);
    let (mut ana, first) = the_box.join("two", "Ana").await;
    assert_eq!(first["rules"]["direct"], "only");
    assert_eq!(first["members"].as_array().map(Vec::len), Some(1), "she has made the room");
    let (mut ben, second) = the_box.join("two", "Ben").await;
    assert_eq!(ana.event("member-joined").await["member"]["name"], "Ben");
    let mut third = the_box.socket().await;
    third.hello().await;
    let refused = third.ask(json!({"type": "join", "room": "two", "name": "Cyd"})).await;
    assert_eq!(refused["code"], "room-full");
    for socket in [&mut ana, &mut ben] {
        let ready =
            json!({"type": "direct-state", "generation": 0, "revision": 0, "state": "ready"});
        assert_eq!(socket.ask(ready).await["type"], "done");
    }
    let word = ana.event("direct").await;
    assert_eq!((&word["phase"], &word["peer"]), (&json!("prepare"), &second["you"]));
    assert_eq!(
        (&word["offerer"], &ben.event("direct").await["peer"]),
        (&first["you"], &first["you"])
    );
    let signal = json!({"kind": "offer", "sdp": "v=0", "tracks": []});
    let say = json!({"type": "direct-signal", "peer": second["you"],
        "generation": word["generation"], "signal": signal});
    assert_eq!(ana.ask(say).await["type"], "done");
    let heard = ben.event("direct-signal").await;
    assert_eq!((&heard["peer"], &heard["signal"]), (&first["you"], &signal));
    for socket in [&mut ana, &mut ben] {
        let seen = json!({"type": "direct-state", "generation": word["generation"],
            "revision": word["revision"], "state": "connected"});
        socket.ask(seen).await;
    }
    assert_eq!(ana.event("direct").await["phase"], "direct");
    ben.ask(json!({"type": "leave"})).await;
    assert_eq!(ana.event("member-left").await["reason"], "left");
    let over = ana.event("direct").await;
    assert_eq!((&over["phase"], &over["reason"]), (&json!("over"), &json!("gone")));
}
