//! Real datagrams on loopback: both families, cut by the kernel, from the address that is asked for.

use std::time::Duration;

use super::*;
use crate::sfu::wire::{
    bell::Bell,
    outbox::{Outbox, ViewerKey},
};

const PATIENCE: Duration = Duration::from_secs(5);

struct Pair {
    peer: std::net::UdpSocket,
    sender: Sender,
    receiver: Receiver,
    port: u16,
}

fn pair(peer: &str) -> Pair {
    let peer = std::net::UdpSocket::bind(peer).expect("a free port");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let socket = bind(0).expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    let socket = Arc::new(socket);
    let sender = Sender::new(Arc::clone(&socket)).expect("a sender");
    let receiver = Receiver::new(socket).expect("a receiver");
    Pair { peer, sender, receiver, port }
}

/// Sends packets of these sizes to the peer as one viewer's media.
fn send(pair: &mut Pair, source: Option<IpAddr>, sizes: &[usize]) -> Outbox {
    let mut outbox = Outbox::new();
    let to = pair.peer.local_addr().expect("bound");
    let owner = ViewerKey { room: 0, viewer: 0, is_sound: false };
    for (index, size) in sizes.iter().enumerate() {
        let sealed = outbox.seal(owner, (to, source).into(), 1500, &mut pair.sender, |space| {
            space[..*size].fill(index as u8);
            Some(*size)
        });
        assert!(sealed);
    }
    outbox.send(&mut pair.sender);
    outbox
}

fn check(pair: &mut Pair, source: Option<IpAddr>, sizes: &[usize]) {
    let mut outbox = send(pair, source, sizes);
    assert_eq!(outbox.take_losses(), []);
    assert_eq!(outbox.take_sent().packets, sizes.len() as u64);
    let mut buffer = [0; 2048];
    for (index, size) in sizes.iter().enumerate() {
        let (len, from) = pair.peer.recv_from(&mut buffer).expect("it arrives");
        assert_eq!((len, buffer[0], from.port()), (*size, index as u8, pair.port));
        if let Some(source) = source {
            assert_eq!(from.ip(), source);
        }
    }
}

#[test]
fn messages_are_cut_into_the_packets_they_were_made_of() {
    let mut pair = pair("127.0.0.1:0");
    check(&mut pair, None, &[1200, 1200, 1200, 700]);
    check(&mut pair, None, &[100, 1200, 1200, 50, 50]);
    check(&mut pair, None, &[300; 100]);
    let source = "127.0.0.3".parse().expect("an address");
    check(&mut pair, Some(source), &[1200, 1200, 9]);
}

#[test]
fn the_other_family_works_where_there_is_one() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: the_other_family_works_where_there_is_one, there is no IPv6 here");
        return;
    }
    let mut pair = pair("[::1]:0");
    let source = "::1".parse().expect("an address");
    check(&mut pair, Some(source), &[1200, 1200, 9]);
}

#[test]
fn what_a_path_cannot_take_is_dropped_and_the_rest_goes_on() {
    let mut pair = pair("127.0.0.1:0");
    let good = pair.peer.local_addr().expect("bound");
    let bad = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut outbox = Outbox::new();
    for (viewer, to) in [(0, good), (1, bad), (2, good)] {
        let owner = ViewerKey { room: 0, viewer, is_sound: false };
        for _ in 0..3 {
            outbox.seal(owner, to.into(), 1500, &mut pair.sender, |_| Some(500));
        }
    }
    outbox.send(&mut pair.sender);
    assert_eq!(outbox.take_losses(), [ViewerKey { room: 0, viewer: 1, is_sound: false }]);
    let sent = outbox.take_sent();
    assert_eq!((sent.packets, sent.packets_dropped), (6, 3));
    let mut buffer = [0; 2048];
    for _ in 0..6 {
        assert_eq!(pair.peer.recv(&mut buffer).expect("it arrives"), 500);
    }
}

#[test]
fn batches_come_in_datagram_by_datagram_with_both_addresses() {
    let mut pair = pair("127.0.0.1:0");
    let from = pair.peer.local_addr().expect("bound");
    for size in [100, 100, 100, 7, 0, 1400] {
        pair.peer.send_to(&vec![1; size], ("127.0.0.1", pair.port)).expect("loopback sends");
    }
    let bell = Bell::new().expect("a bell");
    let mut sizes = Vec::new();
    while sizes.len() < 5 {
        assert!(bell.wait(&pair.receiver.socket, None, Some(PATIENCE)).expect("it waits"));
        let more = pair.receiver.receive(|source, local, datagram| {
            assert_eq!(source, from);
            assert_eq!(local, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
            sizes.push(datagram.len());
        });
        assert!(!more.expect("a socket"));
    }
    assert_eq!(sizes, [100, 100, 100, 7, 1400], "an empty one is nothing");
}
