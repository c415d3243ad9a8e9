//! STUN and TURN as a client has them: by UDP, TCP and TLS on the port of https, from a box that runs.
//!
//! coturn's own clients are run as well where they are installed.

#[path = "turn/client.rs"]
mod client;
mod support;

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use client::{Client, Wire};
use parlor::{
    config::Secret,
    stun::{
        Method,
        attribute::{self, CONNECTION_ID, LIFETIME, REQUESTED_TRANSPORT, RESERVATION_TOKEN},
    },
    turn::credential::mint,
};
use support::TheBox;

/// A box with a TURN server, and where that is.
struct House {
    the_box: TheBox,
    port: u16,
    username: String,
    password: String,
    _data: tempfile::TempDir,
}

/// Starts one; its passwords are minted by the command that people use.
fn house(more: &[(&str, &str)]) -> House {
    let data = support::folder();
    let (port, relays) = (support::free_ports(1), support::free_ports(40));
    let (listen, relays) = (format!("[::]:{port}"), format!("{relays}-{}", relays + 39));
    let env = [
        ("PARLOR_TURN_LISTEN", &*listen),
        ("PARLOR_TURN_RELAY_PORTS", &*relays),
        ("PARLOR_TURN_USER", "bob:pear"),
    ];
    let env: Vec<_> = env.into_iter().chain(more.iter().copied()).collect();
    let the_box = TheBox::start(data.path(), &[], &env);
    let (username, password) = minted(data.path(), "1h");
    House { the_box, port, username, password, _data: data }
}

fn minted(data: &Path, ttl: &str) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["turn-credential", "--user", "ann", "--ttl", ttl, "--data"])
        .arg(data)
        .output()
        .expect("the binary starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key} in {text}")).to_owned()
    };
    (value("username: "), value("password: "))
}

impl House {
    async fn client(&self, wire: Wire) -> Client {
        let by = match wire {
            Wire::Udp | Wire::Tcp => Client::connect(wire, self.port).await,
            Wire::Tls => Client::over(Box::new(self.the_box.connect().await)),
        };
        by.named(&self.username, &self.password)
    }
}

const UDP: (attribute::AttributeType, &[u8]) = (REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
const TCP: (attribute::AttributeType, &[u8]) = (REQUESTED_TRANSPORT, &[6, 0, 0, 0]);

#[tokio::test]
async fn two_clients_meet_through_their_relays_by_every_wire() {
    let house = house(&[]);
    for wire in [Wire::Udp, Wire::Tcp, Wire::Tls] {
        let (mut a, mut b) = (house.client(wire).await, house.client(Wire::Udp).await);
        let seen = a.plain(Method::BINDING).await;
        assert!(seen.address(attribute::XOR_MAPPED_ADDRESS).ip().is_loopback());
        let (at_a, at_b) = (a.allocated().await, b.allocated().await);
        a.bind(0x4000, at_b).await.good();
        b.bind(0x4fff, at_a).await.good();
        for len in [0, 1, 2, 3, 1200] {
            let payload = vec![len as u8; len];
            a.send(0x4000, &payload).await;
            assert_eq!(b.receive().await, (0x4fff, payload.clone()), "{wire:?}");
            b.send(0x4fff, &payload).await;
            assert_eq!(a.receive().await, (0x4000, payload), "{wire:?}");
        }
        a.asked(Method::REFRESH, &[(LIFETIME, &[0; 4])]).await.good();
        b.asked(Method::REFRESH, &[(LIFETIME, &[0; 4])]).await.good();
    }
}

#[tokio::test]
async fn strangers_who_hold_streams_keep_nobody_out() {
    let house = house(&[]);
    let mut strangers = Vec::new();
    for _ in 0..300 {
        let mut stranger = Client::connect(Wire::Tcp, house.port).await;
        stranger.plain(Method::BINDING).await;
        strangers.push(stranger);
    }
    for wire in [Wire::Tcp, Wire::Tls] {
        house.client(wire).await.allocated().await;
    }
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let house = house(&[("PARLOR_TURN_USER_QUOTA", "1")]);
    let mut client = house.client(Wire::Udp).await;
    let relay = client.allocated().await;
    let cases = [
        // Our own https, by this machine's address and by the relay's.
        (format!("127.0.0.1:{}", house.the_box.port), 403),
        (format!("{}:{}", relay.ip(), house.the_box.port), 403),
        (format!("{}:{}", relay.ip(), house.port), 403),
        ("169.254.169.254:80".into(), 403),
        ("224.0.0.1:80".into(), 403),
        ("0.0.0.0:80".into(), 403),
        ("10.77.1.2:80".into(), 403),
        ("198.51.100.7:9".into(), 0),
        (format!("{}:{}", relay.ip(), house.the_box.media_port), 0),
    ];
    for (number, (peer, code)) in (0x4000..).zip(cases) {
        let peer: SocketAddr = peer.parse().expect("an address");
        assert_eq!(client.permit(peer).await.code(), code, "{peer}");
        assert_eq!(client.bind(number, peer).await.code(), code, "{peer}");
    }
    assert_eq!(client.permit("[::1]:80".parse().expect("an address")).await.code(), 443);
    let mut second = house.client(Wire::Tcp).await;
    assert_eq!(second.asked(Method::ALLOCATE, &[UDP]).await.code(), 486, "the user's quota");
    let token = [(RESERVATION_TOKEN, &[0; 8][..]), UDP];
    assert_eq!(second.asked(Method::ALLOCATE, &token).await.code(), 486);
    // Whoever is another has a quota of their own.
    let mut other = Client::connect(Wire::Udp, house.port).await.named("bob", "pear");
    other.allocated().await;
}

#[tokio::test]
async fn a_password_serves_who_has_the_right_one_in_its_time() {
    let secret = [("PARLOR_TURN_STATIC_AUTH_SECRET", "north"), ("PARLOR_TURN_TOTAL_QUOTA", "1")];
    let house = house(&secret);
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let minted = |secret: &str, ttl_s: u64, ago_s: u64| {
        let at = unix - Duration::from_secs(ago_s);
        let minted = mint(&Secret::new(secret), "ann", Duration::from_secs(ttl_s), at);
        (minted.username, minted.password)
    };
    let code = async |(username, password): (String, String)| {
        let client = Client::connect(Wire::Udp, house.port).await;
        client.named(&username, &password).asked(Method::ALLOCATE, &[UDP]).await.code()
    };
    assert_eq!(code((house.username.clone(), "wrong".into())).await, 401);
    assert_eq!(code(("nobody".into(), "wrong".into())).await, 401);
    assert_eq!(code(minted("north", 60, 61)).await, 401, "expired");
    assert_eq!(code(minted("south", 60, 0)).await, 401, "another's secret");
    let (username, password) = minted("north", 60, 0);
    let client = Client::connect(Wire::Udp, house.port).await;
    let mut client = client.named(&username, &password);
    let stale = client.asked_with(b"made up by the client", Method::ALLOCATE).await;
    assert_eq!(stale.code(), 438, "a nonce that is none of ours");
    client.allocated().await;
    assert_eq!(code(minted("north", 60, 0)).await, 486, "all that there may be are there");
    client.asked(Method::REFRESH, &[(LIFETIME, &[0; 4])]).await.good();
    assert_eq!(code(minted("north", 60, 0)).await, 0);
}

#[tokio::test]
async fn nobody_gets_through_to_a_client_that_has_not_asked_for_them() {
    let house = house(&[]);
    let (mut a, mut b) = (house.client(Wire::Udp).await, house.client(Wire::Udp).await);
    let (at_a, at_b) = (a.allocated().await, b.allocated().await);
    b.permit(at_a).await.good();
    b.indicate(at_a, b"unasked").await;
    // The box has taken that before it answers this.
    a.permit(at_b).await.good();
    b.indicate(at_a, b"asked").await;
    let heard = a.indication().await;
    assert_eq!(heard.data(), b"asked");
    assert_eq!(heard.address(attribute::XOR_PEER_ADDRESS).ip(), at_b.ip());
}

#[tokio::test]
async fn by_ipv6_it_is_the_same() {
    let house = house(&[]);
    let at = (Ipv6Addr::LOCALHOST, house.port).into();
    for wire in [Wire::Udp, Wire::Tcp] {
        let client = Client::connect_at(wire, at).await;
        let mut client = client.named(&house.username, &house.password);
        let seen = client.plain(Method::BINDING).await;
        let mapped = seen.address(attribute::XOR_MAPPED_ADDRESS);
        assert_eq!(mapped.ip(), Ipv6Addr::LOCALHOST);
        let family = [UDP, (attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])];
        let answer = client.asked(Method::ALLOCATE, &family).await;
        match answer.code() {
            440 => eprintln!("skipped: an IPv6 relay, since this machine has no IPv6 network"),
            _ => assert!(answer.good().address(attribute::XOR_RELAYED_ADDRESS).is_ipv6()),
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_a_while_loses_data_and_nothing_else() {
    let house = house(&[]);
    let (mut a, mut b) = (house.client(Wire::Tcp).await, house.client(Wire::Udp).await);
    let (at_a, at_b) = (a.allocated().await, b.allocated().await);
    a.bind(0x4000, at_b).await.good();
    b.bind(0x4000, at_a).await.good();
    // More than sockets and the box hold back, in small parts; `a` reads nothing meanwhile.
    let payload = [7; 1_000];
    for n in 0..20_000 {
        b.send(0x4000, &payload).await;
        if n % 50 == 0 {
            b.plain(Method::BINDING).await;
        }
    }
    // It is still there: what came is whole, and an answer follows.
    let mut n_heard = 0;
    let asked = a.asked(Method::REFRESH, &[]).await;
    assert_eq!(asked.code(), 0);
    while let Some((number, heard)) = a.had() {
        assert_eq!((number, &heard[..]), (0x4000, &payload[..]));
        n_heard += 1;
    }
    assert!(n_heard > 100, "{n_heard}");
    b.send(0x4000, b"on again").await;
    while a.receive().await.1 != b"on again" {}
}

#[tokio::test]
async fn a_tcp_connection_between_two_relays_carries_bytes() {
    let house = house(&[]);
    let (mut a, mut b) = (house.client(Wire::Tcp).await, house.client(Wire::Tls).await);
    let at_a =
        a.asked(Method::ALLOCATE, &[TCP]).await.good().address(attribute::XOR_RELAYED_ADDRESS);
    let at_b =
        b.asked(Method::ALLOCATE, &[TCP]).await.good().address(attribute::XOR_RELAYED_ADDRESS);
    b.permit(at_a).await.good();
    let connected = a.connect_to(at_b).await.good();
    let attempt = b.indication().await;
    assert_eq!(attempt.address(attribute::XOR_PEER_ADDRESS), at_a);
    let (mut data_a, mut data_b) = (house.client(Wire::Tls).await, house.client(Wire::Tcp).await);
    let id_a = connected.u32(CONNECTION_ID).to_be_bytes();
    let id_b = attempt.u32(CONNECTION_ID).to_be_bytes();
    data_a.asked(Method::CONNECTION_BIND, &[(CONNECTION_ID, &id_a)]).await.good();
    // A number that is none leaves the stream as it was.
    let none = data_b.asked(Method::CONNECTION_BIND, &[(CONNECTION_ID, &[0; 4])]).await;
    assert_eq!(none.code(), 400);
    data_b.asked(Method::CONNECTION_BIND, &[(CONNECTION_ID, &id_b)]).await.good();
    let said: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    data_a.write(&said).await;
    assert_eq!(data_b.read(said.len()).await, said);
    data_b.write(b"heard").await;
    assert_eq!(data_a.read(5).await, b"heard");
    // With the allocation its connections end.
    a.asked(Method::REFRESH, &[(LIFETIME, &[0; 4])]).await.good();
    assert!(data_a.read_to_end().await.is_empty());
}

#[tokio::test]
async fn https_is_served_beside_it() {
    let house = house(&[]);
    // Without ALPN, as here, the first decrypted byte tells.
    assert!(house.the_box.get("/healthz").await.contains("ok"));
    let mut client = house.client(Wire::Tls).await;
    assert_eq!(client.plain(Method::BINDING).await.code(), 0);
    for protocol in ["stun.turn", "http/1.1"] {
        // coturn's client names HTTP as well.
        let mut client = Client::over(Box::new(house.the_box.connect_with(&[protocol]).await));
        assert_eq!(client.plain(Method::BINDING).await.code(), 0, "{protocol}");
    }
    // And TLS beside TURN in the clear, on TURN's own port.
    let mut tls =
        Client::over(Box::new(house.the_box.connect_at(house.port, &["stun.turn"]).await));
    assert_eq!(tls.plain(Method::BINDING).await.code(), 0);
    // STUN in the clear on the port of https, as for a client that tries it there.
    let mut clear = Client::connect(Wire::Tcp, house.the_box.port).await;
    assert_eq!(clear.plain(Method::BINDING).await.code(), 0);
}

fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(args).output() {
        Ok(output) => output,
        Err(_) => {
            eprintln!("skipped: {program}, which is not installed");
            return None;
        }
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {text}");
    Some(text)
}

/// coturn's client, with the arguments, against a box; nothing may be lost on the way.
fn clean(args: Vec<&str>) {
    let args = [&["-y", "-n", "20", "-m", "2", "-z", "5"][..], &args].concat();
    let Some(text) = run("turnutils_uclient", &args) else { return };
    assert!(text.contains("Total lost packets 0 "), "{args:?}: {text}");
}

#[test]
fn coturns_clients_run_clean() {
    let relays = support::free_ports(400);
    let relays = format!("{relays}-{}", relays + 399);
    let secret = "north";
    let house =
        house(&[("PARLOR_TURN_STATIC_AUTH_SECRET", secret), ("PARLOR_TURN_RELAY_PORTS", &relays)]);
    let (turn, https) = (house.port.to_string(), house.the_box.port.to_string());
    for host in ["127.0.0.1", "::1"] {
        if let Some(text) = run("turnutils_stunclient", &["-p", &turn, host]) {
            assert!(text.contains("reflexive addr"), "{text}");
        }
    }
    let (bob, ann) = ("-u bob -w pear", format!("-u ann -W {secret}"));
    let ways = [
        ("-c", &turn),
        ("-c -s", &turn),
        ("-t -c", &turn),
        ("-t -c -s", &turn),
        ("-t -S -c", &turn),
        ("-t -S -c -s", &turn),
        ("-t -S -c", &https),
        ("-t -S -c -s", &https),
        ("-t -T", &turn),
        ("-c -M", &turn),
        ("-c -M -t", &turn),
        ("-c -g -D", &turn),
        ("", &turn),
    ];
    // Each waits for seconds between its packets, so they run side by side.
    std::thread::scope(|scope| {
        for (way, port) in ways {
            let args = format!("{bob} {way} -p {port} 127.0.0.1");
            scope.spawn(move || clean(args.split_whitespace().collect()));
        }
        for args in [format!("{ann} -c -p {turn} 127.0.0.1"), format!("{bob} -c -p {turn} ::1")] {
            scope.spawn(move || clean(args.split_whitespace().collect()));
        }
    });
}
