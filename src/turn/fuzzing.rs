//! The door for fuzzing: a server that is sent anything.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    frame,
    outlet::{Client, ConnectionId, Outlet, Protocol, RelayId, StreamId, Via},
    policy::{OwnAddress, Policy},
    server::{Now, Rules, Server},
};

/// Counts what strangers were sent.
#[derive(Default)]
struct Count {
    n_bytes: usize,
}

impl Outlet for Count {
    fn to_client(&mut self, _: &Client, is_data: bool, parts: &[&[u8]]) {
        assert!(!is_data, "nobody has an allocation");
        self.n_bytes += parts.iter().map(|part| part.len()).sum::<usize>();
    }

    fn to_peer(&mut self, _: RelayId, _: SocketAddr, _: &[u8], _: bool) {
        panic!("a stranger has sent by a relay");
    }

    fn open(&mut self, _: RelayId, _: Protocol, _: SocketAddr) -> bool {
        panic!("a stranger has a relay");
    }

    fn close(&mut self, _: RelayId) {}

    fn connect(&mut self, _: RelayId, _: SocketAddr, _: ConnectionId, _: SocketAddr) {
        panic!("a stranger connects");
    }

    fn splice(&mut self, _: StreamId, connection: Option<ConnectionId>) {
        assert!(connection.is_none());
    }

    fn hang_up(&mut self, _: ConnectionId) {}

    fn known(&mut self, _: StreamId) {
        panic!("a stranger has no password");
    }
}

/// Whoever has no password gets short answers and nothing else, by datagrams and by a stream; and a
/// stream is cut into frames that are the same wherever it is broken.
pub fn turn(bytes: &[u8]) {
    let own = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let policy = Policy { own: vec![OwnAddress { bound: own, told: own }], ..Policy::default() };
    let rules = Rules { realm: "r".into(), policy, relay_ports: Some(1..=9), ..Rules::default() };
    let now = Now { instant: Instant::now(), unix: Duration::from_secs(1) };
    let mut server = Server::new(Arc::new(rules), [1; 32], now);
    let mut count = Count::default();
    let remote = SocketAddr::from(([198, 51, 100, 1], 1));
    for via in [Via::Udp(0), Via::Stream(StreamId(1))] {
        server.handle(now, &Client { via, remote, local: own }, bytes, &mut count);
    }
    assert!(count.n_bytes <= 1_000, "{} bytes for one message", count.n_bytes);
    server.handle_peer(now.instant, RelayId(0), remote, bytes, &mut count);
    let Ok((len, _)) = frame::cut(bytes) else { return };
    assert!(len <= bytes.len());
    for at in 0..len.min(64) {
        let before = frame::cut(&bytes[..at]).expect("it begins with frames").0;
        assert!(before <= at);
    }
}
