//! The server in memory: clients that sign, a world that opens what it is asked to, time as it is told.

mod properties;
mod quotas;
mod relaying;
mod strangers;
mod tcp;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    config::Secret,
    stun::{
        Integrity, Kind, Message, Writer,
        attribute::{self, AttributeType},
        credential::{LongTermKey, PasswordAlgorithm},
    },
    turn::{credential, outlet::StreamId},
};

/// What the server has had done.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) sent: Vec<(Client, Vec<u8>)>,
    pub(super) relayed: Vec<(RelayId, SocketAddr, Vec<u8>, bool)>,
    pub(super) open: BTreeMap<RelayId, (Protocol, SocketAddr)>,
    /// Ports that another program has.
    pub(super) foreign: BTreeSet<u16>,
    pub(super) connects: Vec<(ConnectionId, SocketAddr, SocketAddr)>,
    pub(super) spliced: Vec<(StreamId, Option<ConnectionId>)>,
    pub(super) hung_up: Vec<ConnectionId>,
    /// Streams of those who have shown a password.
    pub(super) known: BTreeSet<StreamId>,
}

impl Outlet for World {
    fn to_client(&mut self, client: &Client, _is_data: bool, parts: &[&[u8]]) {
        self.sent.push((*client, parts.concat()));
    }

    fn to_peer(&mut self, relay: RelayId, peer: SocketAddr, payload: &[u8], whole: bool) {
        assert!(self.open.contains_key(&relay));
        self.relayed.push((relay, peer, payload.to_vec(), whole));
    }

    fn open(&mut self, relay: RelayId, protocol: Protocol, at: SocketAddr) -> bool {
        if self.foreign.contains(&at.port()) {
            return false;
        }
        assert!(self.open.insert(relay, (protocol, at)).is_none(), "{relay:?} is open");
        let of_port = self.open.values().filter(|other| **other == (protocol, at)).count();
        assert_eq!(of_port, 1, "{at} is open twice");
        true
    }

    fn close(&mut self, relay: RelayId) {
        assert!(self.open.remove(&relay).is_some(), "{relay:?} is not open");
    }

    fn connect(&mut self, _: RelayId, at: SocketAddr, id: ConnectionId, peer: SocketAddr) {
        self.connects.push((id, at, peer));
    }

    fn splice(&mut self, stream: StreamId, connection: Option<ConnectionId>) {
        self.spliced.push((stream, connection));
    }

    fn hang_up(&mut self, connection: ConnectionId) {
        self.hung_up.push(connection);
    }

    fn known(&mut self, stream: StreamId) {
        self.known.insert(stream);
    }
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

pub(super) fn socket(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

pub(super) fn udp(remote: &str) -> Client {
    Client { via: Via::Udp(0), remote: socket(remote), local: ip("192.168.1.5") }
}

pub(super) fn stream(id: u64) -> Client {
    Client {
        via: Via::Stream(StreamId(id)),
        remote: socket("198.51.100.1:99"),
        local: ip("10.9.0.1"),
    }
}

pub(super) fn rules() -> Rules {
    let own = |bound, told| OwnAddress { bound: ip(bound), told: ip(told) };
    let users = [("ann", "apple"), ("bob", "pear")];
    Rules {
        realm: "parlor".into(),
        credentials: Credentials::new(
            users.map(|(name, password)| (name.to_owned(), Secret::new(password))),
            Some(Secret::new("north")),
        ),
        policy: Policy {
            own: vec![own("192.168.1.5", "203.0.113.7"), own("2001:db8:5::5", "2001:db8:5::5")],
            media: Some(10_000..=10_000),
            ..Policy::default()
        },
        relay_ports: Some(10_001..=10_100),
        ..Rules::default()
    }
}

/// A server and its world, seen by clients that know how to ask.
pub(super) struct House {
    pub(super) server: Server,
    pub(super) world: World,
    pub(super) now: Now,
    n_asked: u64,
}

/// An answer.
pub(super) struct Answer {
    pub(super) code: u16,
    bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("it was parsed")
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn relayed(&self) -> Vec<String> {
        let told = self.message().xor_addresses(attribute::XOR_RELAYED_ADDRESS);
        told.map(|told| told.expect("an address").to_string()).collect()
    }

    pub(super) fn relay(&self) -> SocketAddr {
        socket(&self.relayed()[0])
    }
}

pub(super) type Attributes<'a> = &'a [(AttributeType, &'a [u8])];

pub(super) const UDP: (AttributeType, &[u8]) = (attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
pub(super) const TCP: (AttributeType, &[u8]) = (attribute::REQUESTED_TRANSPORT, &[6, 0, 0, 0]);

pub(super) fn house(rules: Rules) -> House {
    let now = Now { instant: Instant::now(), unix: Duration::from_secs(1_000_000) };
    House {
        server: Server::new(Arc::new(rules), [7; 32], now),
        world: World::default(),
        now,
        n_asked: 0,
    }
}

impl House {
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now.instant += Duration::from_secs(seconds);
        self.now.unix += Duration::from_secs(seconds);
        while self.server.poll_timeout().is_some_and(|due| due <= self.now.instant) {
            self.server.handle_timeout(self.now, &mut self.world);
        }
    }

    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.server.set_rules(Arc::new(rules), &mut self.world);
    }

    pub(super) fn next_id(&mut self) -> [u8; 12] {
        self.n_asked += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.n_asked.to_be_bytes());
        id
    }

    pub(super) fn raw(&mut self, client: &Client, bytes: &[u8]) -> Option<Answer> {
        let before = self.world.sent.len();
        self.server.handle(self.now, client, bytes, &mut self.world);
        let (to, bytes) = self.world.sent.get(before)?.clone();
        assert_eq!(to, *client);
        let code =
            Message::parse(&bytes).expect("a message").error_code().map_or(0, |(code, _)| code);
        Some(Answer { code, bytes })
    }

    /// A request without a signature.
    pub(super) fn plain(
        &mut self,
        client: &Client,
        method: Method,
        attributes: Attributes<'_>,
    ) -> Option<Answer> {
        let (id, mut bytes) = (self.next_id(), Vec::new());
        let mut writer = Writer::new(&mut bytes, Kind::request(method), id);
        for (kind, value) in attributes {
            writer.put(*kind, value);
        }
        writer.finish_bare(Integrity::None).expect("short");
        self.raw(client, &bytes)
    }

    pub(super) fn nonce(&mut self, client: &Client) -> Vec<u8> {
        let answer = self.plain(client, Method::REFRESH, &[]).expect("a challenge");
        assert_eq!(answer.code, 401);
        answer.message().find(attribute::NONCE).expect("a nonce").to_vec()
    }

    /// A request signed as a browser signs it.
    pub(super) fn signed(
        &mut self,
        client: &Client,
        (user, password): (&str, &str),
        method: Method,
        attributes: Attributes<'_>,
    ) -> Answer {
        let (nonce, id) = (self.nonce(client), self.next_id());
        let bytes = sign(id, &nonce, (user, password), method, attributes);
        let answer = self.raw(client, &bytes).expect("an answer");
        let key = LongTermKey::new(
            PasswordAlgorithm::Md5,
            user.as_bytes(),
            "parlor",
            password.as_bytes(),
        );
        assert!(
            answer.code == 401 || answer.message().signed_by(key.as_bytes()),
            "{}",
            answer.code
        );
        assert_eq!(answer.message().transaction_id(), id);
        answer
    }

    pub(super) fn ann(
        &mut self,
        client: &Client,
        method: Method,
        attributes: Attributes<'_>,
    ) -> Answer {
        self.signed(client, ("ann", "apple"), method, attributes)
    }

    /// An allocation over UDP, and its address.
    pub(super) fn allocate(&mut self, client: &Client) -> SocketAddr {
        let answer = self.ann(client, Method::ALLOCATE, &[UDP]);
        assert_eq!(answer.code, 0);
        answer.relay()
    }

    pub(super) fn with_peer(
        &mut self,
        client: &Client,
        method: Method,
        peer: &str,
        number: Option<u16>,
    ) -> u16 {
        let (nonce, id, mut bytes) = (self.nonce(client), self.next_id(), Vec::new());
        let mut writer = Writer::new(&mut bytes, Kind::request(method), id);
        writer.put_xor_address(attribute::XOR_PEER_ADDRESS, socket(peer));
        if let Some(number) = number {
            writer.put_u32(attribute::CHANNEL_NUMBER, u32::from(number) << 16);
        }
        credentials(&mut writer, &nonce, "ann");
        let key = LongTermKey::new(PasswordAlgorithm::Md5, b"ann", "parlor", b"apple");
        writer.finish(Integrity::Sha1(key.as_bytes())).expect("short");
        self.raw(client, &bytes).map_or(1, |answer| answer.code)
    }

    pub(super) fn permit(&mut self, client: &Client, peer: &str) -> u16 {
        self.with_peer(client, Method::CREATE_PERMISSION, peer, None)
    }

    pub(super) fn bind(&mut self, client: &Client, number: u16, peer: &str) -> u16 {
        self.with_peer(client, Method::CHANNEL_BIND, peer, Some(number))
    }

    /// A Send indication.
    pub(super) fn send(
        &mut self,
        client: &Client,
        peer: &str,
        payload: &[u8],
        extra: Attributes<'_>,
    ) {
        let (id, mut bytes) = (self.next_id(), Vec::new());
        let mut writer = Writer::new(&mut bytes, Kind::indication(Method::SEND), id);
        writer.put_xor_address(attribute::XOR_PEER_ADDRESS, socket(peer));
        writer.put(attribute::DATA, payload);
        for (kind, value) in extra {
            writer.put(*kind, value);
        }
        writer.finish_bare(Integrity::None).expect("short");
        self.server.handle(self.now, client, &bytes, &mut self.world);
    }

    pub(super) fn relay_at(&self, told: SocketAddr) -> RelayId {
        let found = self.world.open.iter().find(|(_, (_, at))| at.port() == told.port());
        *found.expect("it is open").0
    }

    pub(super) fn peer_says(&mut self, told: SocketAddr, from: &str, payload: &[u8]) {
        let relay = self.relay_at(told);
        self.server.handle_peer(self.now.instant, relay, socket(from), payload, &mut self.world);
    }
}

fn credentials(writer: &mut Writer<'_>, nonce: &[u8], user: &str) {
    writer.put(attribute::USERNAME, user.as_bytes());
    writer.put(attribute::REALM, b"parlor").put(attribute::NONCE, nonce);
}

pub(super) fn sign(
    id: [u8; 12],
    nonce: &[u8],
    (user, password): (&str, &str),
    method: Method,
    attributes: Attributes<'_>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Kind::request(method), id);
    for (kind, value) in attributes {
        writer.put(*kind, value);
    }
    credentials(&mut writer, nonce, user);
    let key =
        LongTermKey::new(PasswordAlgorithm::Md5, user.as_bytes(), "parlor", password.as_bytes());
    writer.finish(Integrity::Sha1(key.as_bytes())).expect("short");
    bytes
}

pub(super) fn minted(name: &str, ttl_s: u64, now: Now) -> credential::Credential {
    credential::mint(&Secret::new("north"), name, Duration::from_secs(ttl_s), now.unix)
}
