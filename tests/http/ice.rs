//! STUN and TURN servers for clients: told at the door, told anew in time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use parlor::{
    protocol::{IceServer, ServerMessage},
    seams::turn::{Asker, ByteStream, Handout, Pass, TurnDoor, Wire},
};
use serde_json::json;

use crate::{client::Client, house::House, visitors::behind_proxy_with};

/// A TURN server that counts its passwords; the first so many last for a moment.
#[derive(Debug)]
pub(crate) struct Counting {
    n_handed_out: AtomicU32,
    n_short: u32,
}

impl Counting {
    fn door(n_short: u32) -> Option<Arc<dyn TurnDoor>> {
        Some(Arc::new(Self { n_handed_out: AtomicU32::new(0), n_short }))
    }
}

impl TurnDoor for Counting {
    fn enter(&self, _: Box<dyn ByteStream>, _: Wire, _: SocketAddr, _: SocketAddr) {}

    fn hand_out(&self, asker: &Asker) -> Handout {
        let n = self.n_handed_out.fetch_add(1, Ordering::Relaxed);
        let Asker { name, host, https } = asker;
        let uris = vec![format!("turn:{host}"), format!("turns:{host}:{https:?}")];
        let pass = Pass {
            username: name.clone(),
            password: n.to_string(),
            ttl: Duration::from_secs(60),
            uris: uris.clone(),
        };
        let server =
            IceServer { urls: uris, username: Some(name.clone()), credential: Some(n.to_string()) };
        let renew_after = (n < self.n_short).then_some(Duration::from_millis(10));
        Handout { own: Some(pass), servers: vec![server], renew_after }
    }
}

/// Number and user name of the password that came.
fn told(servers: &[IceServer]) -> (String, String) {
    let [server] = servers else { panic!("one server: {servers:?}") };
    let of = |text: &Option<String>| text.clone().expect("it has one");
    (of(&server.credential), of(&server.username))
}

#[tokio::test]
async fn a_member_is_told_of_servers_and_anew_before_they_expire() {
    let house = House::open_with(Counting::door(2), |_| {}).await;
    let join = json!({"id": 1, "type": "join", "room": "a", "name": "b", "mic": true, "cam": true});
    let (mut client, joined) = Client::joined(&house, join).await;
    let ServerMessage::Joined { you, ice_servers, .. } = joined else { panic!("{joined:?}") };
    assert_eq!(told(&ice_servers), ("0".into(), you.to_string()));
    let port = house.address.port();
    let urls = ["turn:localhost".to_owned(), format!("turns:localhost:Some({port})")];
    assert_eq!(ice_servers[0].urls, urls);
    for n in 1..3 {
        let renewed = client.hear().await;
        assert_eq!(renewed.re, None);
        let ServerMessage::IceServers { ice_servers } = renewed.message else {
            panic!("{renewed:?}")
        };
        assert_eq!(told(&ice_servers), (n.to_string(), you.to_string()));
    }
    // Now they last. What has nothing to do with them brings none.
    let change = |change: fn(&mut parlor::config::Settings)| {
        house.settings.send_modify(|settings| change(Arc::make_mut(settings)));
    };
    change(|settings| settings.http.joins_per_minute = 9);
    client.say(r#"{"id":2,"type":"ping"}"#).await;
    assert_eq!(client.hear().await.message, ServerMessage::Pong);
    change(|settings| settings.turn.realm = "another".into());
    let ServerMessage::IceServers { ice_servers } = client.hear().await.message else {
        panic!("no servers")
    };
    assert_eq!(told(&ice_servers).0, "3");
}

#[tokio::test]
async fn programs_ask_for_a_password() {
    let house = House::open_with(Counting::door(0), |_| {}).await;
    let answer = house.get("/api/v1/turn").await;
    let port = house.address.port();
    let uris = json!(["turn:localhost", format!("turns:localhost:Some({port})")]);
    let name = "127.0.0.1";
    let expected = json!({"username": name, "password": "0", "ttl": 60, "uris": uris});
    assert_eq!((answer.json(), answer.header("cache-control")), (expected, "no-store"));
    let servers = house.get("/api/v1/ice-servers").await.json();
    assert_eq!(servers, json!([{"urls": uris, "username": name, "credential": "1"}]));
    let house = House::open(|_| {}).await;
    let refused = house.get("/api/v1/turn").await;
    assert_eq!((refused.status, refused.code()), (404, "not-found".into()));
}

#[tokio::test]
async fn a_proxy_that_ends_tls_is_no_way_to_turn() {
    let house = behind_proxy_with(Counting::door(0), |_| {}).await;
    let from = crate::visitors::Knock::new(crate::visitors::LAN, "");
    let answer = from.ask(&house, "GET", "/api/v1/turn", "").await.json();
    assert_eq!(answer["uris"], json!(["turn:localhost", "turns:localhost:None"]));
    assert_eq!(answer["username"], crate::visitors::LAN);
}
