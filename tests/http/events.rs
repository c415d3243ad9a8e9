//! Sessions by POST and server-sent events: the same messages, for whoever cannot have a WebSocket.

use parlor::protocol::{MemberState, ServerMessage};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use crate::{
    client::Client,
    house::{Answer, House, PATIENCE},
};

/// The events of one session, as they come.
struct Listening {
    stream: TlsStream<TcpStream>,
    /// What has come and was not looked at; chunk sizes stand between the events.
    text: String,
    id: String,
}

impl Listening {
    async fn begin(house: &House) -> Self {
        let mut stream = house.tls("http/1.1").await;
        let head = format!(
            "GET /api/v1/signal HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
            house.host()
        );
        stream.write_all(head.as_bytes()).await.expect("the box reads");
        let mut listening = Self { stream, text: String::new(), id: String::new() };
        let head = listening.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream") && head.contains("no-store"), "{head}");
        listening.until("event: session\ndata: ").await;
        listening.id = listening.until("\n\n").await;
        listening
    }

    /// What comes before this text, which is taken too.
    async fn until(&mut self, wanted: &str) -> String {
        loop {
            if let Some((before, rest)) = self.text.split_once(wanted) {
                let (before, rest) = (before.to_owned(), rest.to_owned());
                self.text = rest;
                return before;
            }
            let mut buffer = [0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("in time");
            let n_bytes = read.expect("the connection stands");
            assert!(n_bytes > 0, "the box closed; {wanted:?} did not come: {}", self.text);
            self.text.push_str(std::str::from_utf8(&buffer[..n_bytes]).expect("text"));
        }
    }

    async fn hear(&mut self) -> Value {
        self.until("data: {").await;
        let rest = self.until("\n\n").await;
        serde_json::from_str(&format!("{{{rest}")).expect("JSON")
    }

    /// The next message of this type.
    async fn hear_until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await;
            if message["type"] == kind {
                return message;
            }
        }
    }
}

async fn post(house: &House, id: &str, more: &str, body: &str) -> Answer {
    let host = house.host();
    let head =
        format!("POST /api/v1/signal HTTP/1.1\r\nHost: {host}\r\nParlor-Session: {id}{more}");
    house.send(&head, body).await
}

#[tokio::test]
async fn a_session_by_events_is_a_member_like_any_other() {
    let house = House::open(|_| {}).await;
    let mut ana = Listening::begin(&house).await;
    let say = async |id: &str, message: Value| {
        let answer = post(&house, id, "", &message.to_string()).await;
        assert_eq!(answer.status, 204, "{message}: {}", answer.text());
    };
    let id = ana.id.clone();
    say(&id, json!({"id": 1, "type": "hello", "version": 1})).await;
    assert_eq!(ana.hear().await["type"], "welcome");
    say(&id, json!({"id": 2, "type": "join", "room": "Kitchen", "name": "Ana"})).await;
    let joined = ana.hear().await;
    assert_eq!((&joined["re"], &joined["type"]), (&json!(2), &json!("joined")));

    let join = json!({"id": 1, "type": "join", "room": "Kitchen", "name": "Ben"});
    let (mut ben, _) = Client::joined(&house, join).await;
    assert_eq!(ana.hear_until("member-joined").await["member"]["name"], "Ben");
    say(&id, json!({"id": 3, "type": "chat", "text": "hello"})).await;
    ben.hear_until(|message| matches!(message, ServerMessage::Chat { .. })).await;
    ben.say(r#"{"id":2,"type":"chat","text":"hi"}"#).await;
    // One's own line comes back too.
    assert_eq!(ana.hear_until("chat").await["line"]["text"], "hello");
    assert_eq!(ana.hear_until("chat").await["line"]["text"], "hi");
    // Longer than the silence after which a client is gone, it only listens: what it posts keeps it.
    say(&id, json!({"id": 4, "type": "ping"})).await;
    assert_eq!(ana.hear_until("pong").await["re"], 4);

    drop(ana);
    let is_lost = |message: &ServerMessage| matches!(message, ServerMessage::MemberChanged { member } if member.state == MemberState::Lost);
    ben.hear_until(is_lost).await;
    assert_eq!(post(&house, &id, "", r#"{"id":5,"type":"ping"}"#).await.code(), "not-found");
}

#[tokio::test]
async fn what_is_posted_wrongly_has_its_answer() {
    let house = House::open(|_| {}).await;
    let mut ana = Listening::begin(&house).await;
    let id = ana.id.clone();
    let ping = r#"{"id":1,"type":"ping"}"#;
    for (id, more, status, code) in [
        ("0123456789abcdef0123456789abcdef", "", 404, "not-found"),
        ("", "", 404, "not-found"),
        (id.as_str(), "\r\nOrigin: https://evil.example", 403, "origin-forbidden"),
        (id.as_str(), "\r\nSec-Fetch-Site: cross-site", 403, "origin-forbidden"),
    ] {
        let answer = post(&house, id, more, ping).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{id} {more}");
    }
    let host = house.host();
    let head = format!("POST /api/v1/signal HTTP/1.1\r\nHost: {host}");
    assert_eq!(house.send(&head, ping).await.code(), "message-malformed");
    let foreign = format!(
        "GET /api/v1/signal HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\
         Origin: https://evil.example"
    );
    assert_eq!(house.send(&foreign, "").await.code(), "origin-forbidden");
    // What is wrong with a message comes as an event, as by a socket.
    assert_eq!(post(&house, &id, "", "garbage").await.status, 204);
    let error = ana.hear().await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("message-malformed")));
    let large = "x".repeat(200 * 1024);
    assert_eq!(post(&house, &id, "", &large).await.status, 413);
    assert_eq!(ana.hear_until("error").await["code"], "message-too-large");
    ana.until("event: close\ndata: 1009\n\n").await;
}

#[tokio::test]
async fn a_box_that_stops_says_so() {
    let house = House::open(|_| {}).await;
    let mut ana = Listening::begin(&house).await;
    let waiting = tokio::spawn(async move {
        let bye = ana.hear_until("bye").await;
        ana.until("event: close").await;
        bye
    });
    house.close().await;
    assert_eq!(waiting.await.expect("told")["reason"], "server-stopping");
}
