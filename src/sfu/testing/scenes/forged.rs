//! What somebody sends in a member's name who knows addresses and no keys, and what a member sends in
//! another's.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::{
    ids::MemberId,
    seams::media::Path,
    sfu::testing::world::World,
    stun::{Integrity, Kind, Method, Writer, attribute},
};

/// In the order of their first bytes. `name` is the box's end of the connection, which each check has in
/// the clear.
fn forgeries(name: &str, hello: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let record = |content_type: u8, epoch: u8, body: &[u8]| {
        let length = (body.len() as u16).to_be_bytes();
        [&[content_type, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0][..], &length, body].concat()
    };
    let stun = |method: Method, user: &str, integrity: Integrity<'_>| {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Kind::request(method), [9; 12]);
        writer.put(attribute::USERNAME, user.as_bytes()).put(attribute::USE_CANDIDATE, &[]);
        writer.finish(integrity).expect("it fits");
        out
    };
    let user = &*format!("{name}:nobody");
    let mut all = vec![
        stun(Method::BINDING, user, Integrity::None),
        stun(Method::BINDING, user, Integrity::Sha1(b"guessed")),
        stun(Method::BINDING, user, Integrity::Both(b"guessed")),
        stun(Method::ALLOCATE, user, Integrity::Sha256(b"guessed")),
        record(22, 0, &[]),
        record(21, 0, &[2, 40]),
        record(21, 0, &[1, 0]),
        record(21, 1, &[7; 26]),
        record(20, 0, &[1]),
        record(20, 0, &[2]),
        record(22, 1, &[7; 40]),
        record(23, 1, &[7; 40]),
        vec![0x80; 200],
        [&[0x80, 201, 0, 1, 0, 0, 0, 9][..], &[7; 30]].concat(),
    ];
    all.extend(hello.iter().cloned());
    all
}

/// Sends all of it to both connections, from where their members are.
fn forge(world: &mut World, hello: &[Vec<u8>], (publisher, viewer): (MemberId, MemberId)) {
    let (up, down) = (world.ups[&publisher].address, world.downs[&viewer].address);
    let answer = world.seen[&publisher].up.as_ref().map(|up| up.answer.clone());
    let answer = answer.expect("an up").expect("an answer");
    let offer = world.seen[&viewer].down.as_ref().and_then(|down| down.offer.clone());
    for (from, sdp) in [(up, answer), (down, offer.expect("an offer"))] {
        let name = sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        for forged in forgeries(name.expect("a name"), hello) {
            world.core.handle_datagram(world.now, from.into(), &forged);
        }
    }
}

#[test]
fn a_call_goes_on_whatever_is_sent_in_its_members_names() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(1);
    let hello = world.hello_of_a_stranger();
    for n in 0..400 {
        forge(&mut world, &hello, (source.member, viewers[0]));
        if n % 10 == 0 {
            world.send_frame(&mut source, 2, false);
        }
        world.step();
    }
    assert_eq!(world.seen[&source.member].up.as_ref().map(|up| up.path), Some(Path::Connected));
    assert_eq!(world.seen[&viewers[0]].down.as_ref().map(|d| d.path), Some(Path::Connected));
    assert!(world.has_all(viewers[0], &source, 0));
    assert!(!world.ups[&source.member].closed && !world.downs[&viewers[0]].closed);
}

#[test]
fn what_is_forged_is_no_sign_of_life() {
    let mut world = World::new();
    let (source, viewers) = world.with_viewers(1);
    let hello = world.hello_of_a_stranger();
    world.ups.get_mut(&source.member).expect("a publisher").mute = true;
    world.downs.get_mut(&viewers[0]).expect("a viewer").mute = true;
    for _ in 0..31 {
        forge(&mut world, &hello, (source.member, viewers[0]));
        world.run(Duration::from_secs(1));
    }
    assert_eq!(world.seen[&source.member].up.as_ref().map(|up| up.path), Some(Path::Closed));
    assert_eq!(world.seen[&viewers[0]].down.as_ref().map(|d| d.path), Some(Path::Closed));
}

/// A player that is started again, or a page whose socket outlives it.
#[test]
fn whoever_begins_anew_on_the_same_socket_is_heard() {
    let mut world = World::new();
    let (source, viewers) = world.with_viewers(1);
    let first = world.downs.get_mut(&viewers[0]).expect("a viewer");
    let socket = std::mem::replace(&mut first.address, ([192, 0, 2, 250], 9).into());
    first.mute = true;
    let second = world.viewer(200, &[source.member]);
    world.downs.get_mut(&second).expect("a viewer").address = socket;
    world.until("the second connects", |world| world.downs[&second].client.connected());
    let up = |world: &World| world.seen[&second].down.as_ref().map(|down| down.path);
    world.until("and is known to be", |world| up(world) == Some(Path::Connected));
}

/// It knows its own password, and forges the source of its checks.
#[test]
fn a_member_cannot_take_anothers_address() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(1);
    let address = world.downs[&viewers[0]].address;
    let thief = world.viewer(200, &[source.member]);
    world.until("the thief connects", |world| world.downs[&thief].client.connected());
    let first = source.sent.len();
    // From now on all that the thief sends seems to come from there.
    world.downs.get_mut(&thief).expect("a viewer").address = address;
    let n_plis = world.ups[&source.member].n_plis;
    for n in 0..200 {
        if n % 20 == 10 {
            world.downs.get_mut(&viewers[0]).expect("a viewer").send_pli();
        }
        world.send_frame(&mut source, 2, n == 0);
        for _ in 0..10 {
            world.step();
        }
    }
    let video = world.downs[&viewers[0]].video().expect("a stream");
    let last: Vec<&Vec<u8>> = video.payloads.values().rev().take(300).collect();
    let sent: Vec<&Vec<u8>> = source.sent[first..].iter().rev().take(300).collect();
    assert_eq!(last, sent, "the viewer sees what it saw");
    let n_heard = world.ups[&source.member].n_plis - n_plis;
    assert!(n_heard >= 10, "and is heard as it was: {n_heard}");
}

#[test]
fn all_that_goes_to_a_publisher_leaves_from_where_it_knows_us() {
    let mut world = World::new();
    let (mut source, viewers) = world.with_viewers(1);
    let wifi = IpAddr::from(Ipv4Addr::new(192, 0, 2, 77));
    let peer = world.ups.get_mut(&source.member).expect("a publisher");
    peer.local = Some(wifi);
    let address = peer.address;
    world.run(Duration::from_secs(3));
    world.wire.ways.clear();
    let n_plis = world.ups[&source.member].n_plis;
    // A gap, so that something is asked for again.
    source.sequence = source.sequence.wrapping_add(2);
    world.send_frame(&mut source, 1, false);
    world.downs.get_mut(&viewers[0]).expect("a viewer").send_pli();
    world.run(Duration::from_secs(12));
    assert!(world.ups[&source.member].n_plis > n_plis, "a keyframe was asked for");
    let ways: Vec<(SocketAddr, Option<IpAddr>)> =
        world.wire.ways.iter().filter(|(to, _)| *to == address).copied().collect();
    assert!(ways.len() > 10 && ways.iter().all(|(_, local)| *local == Some(wifi)), "{ways:?}");
}
