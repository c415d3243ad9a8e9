//! Handshakes over a path that loses datagrams, and what ends a connection.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;

use super::client::{CLIENT, OPUS, Pair, Random, SERVER, Sent, VP8, address, rtp_packet, uplink};
use crate::{
    seams::media::{Path, QUIET_AFTER},
    sfu::{
        link::flight::is_dtls,
        up::{UpEvent, UpShared},
    },
};

/// Cuts a ClientHello in two datagrams with a fragment each, as browsers' hellos come. The numbers
/// of their records are written later.
fn cut_hello(datagram: Vec<u8>) -> Vec<Vec<u8>> {
    const RECORD: usize = 13;
    const MESSAGE: usize = 12;
    let is_hello = datagram.first() == Some(&22)
        && datagram[3..5] == [0, 0]
        && datagram.get(RECORD) == Some(&1)
        && datagram.len() > RECORD + MESSAGE + 80;
    if !is_hello {
        return vec![datagram];
    }
    let body = &datagram[RECORD + MESSAGE..];
    let fragment = |at: usize, part: &[u8]| {
        let mut out = datagram[..RECORD + MESSAGE].to_vec();
        out[11..13].copy_from_slice(&((MESSAGE + part.len()) as u16).to_be_bytes());
        out[RECORD + 6..RECORD + 9].copy_from_slice(&(at as u32).to_be_bytes()[1..]);
        out[RECORD + 9..RECORD + 12].copy_from_slice(&(part.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(part);
        out
    };
    vec![fragment(0, &body[..80]), fragment(80, &body[80..])]
}

#[test]
fn a_hundred_handshakes_complete_at_thirty_percent_loss() {
    let shared = UpShared::new().expect("a certificate");
    let mut slowest = Duration::ZERO;
    let mut lost = 0;
    for seed in 0..100 {
        let mut pair = Pair::new(&shared, &[OPUS]);
        let begin = pair.now;
        pair.client.cut = cut_hello;
        let n_lost = Arc::new(Mutex::new(0));
        let mut random = Random(seed);
        let count = n_lost.clone();
        // The library's client, which stands in for a browser, says a flight seven times and gives
        // up: so not more than two of its datagrams in a row are lost, nor two of ours.
        let mut in_a_row = [0; 2];
        pair.lose = Box::new(move |to_server, datagram| {
            let most = if to_server { 2 } else { 1 };
            let in_a_row = &mut in_a_row[usize::from(to_server)];
            let is_lost = is_dtls(datagram) && random.chance(30) && *in_a_row < most;
            *in_a_row = if is_lost { *in_a_row + 1 } else { 0 };
            *count.lock().expect("one thread") += u32::from(is_lost);
            is_lost
        });
        let is_up = pair.run(Duration::from_secs(25), |pair| {
            pair.client.is_connected && pair.uplink.path(pair.now) == Path::Connected
        });
        assert!(is_up, "handshake {seed} hangs: {:?}", pair.uplink);
        slowest = slowest.max(pair.now - begin);
        lost += *n_lost.lock().expect("one thread");
    }
    assert!(lost > 100, "the path lost {lost} datagrams only");
    assert!(slowest < Duration::from_secs(15), "the slowest took {slowest:?}");
}

#[test]
fn silence_is_quiet_then_closed() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS, VP8]);
    pair.connect();
    let heard = pair.now;
    pair.lose = Box::new(|_, _| true);
    pair.run(QUIET_AFTER, |_| false);
    assert_eq!(pair.uplink.path(pair.now), Path::Quiet);
    assert!(pair.uplink.poll_timeout() <= Some(heard + Duration::from_secs(30)));

    pair.lose = Box::new(|_, _| false);
    pair.client.send(pair.now, OPUS, rtp_packet(OPUS, 1, 960, b"back"));
    pair.exchange();
    assert_eq!(pair.uplink.path(pair.now), Path::Connected);

    pair.lose = Box::new(|_, _| true);
    pair.run(Duration::from_secs(31), |_| false);
    assert_eq!(pair.uplink.path(pair.now), Path::Closed);
    pair.exchange();
    assert!(pair.has(|event| matches!(event, UpEvent::Closed)));
    assert_eq!(pair.uplink.poll_timeout(), None);
}

#[test]
fn both_ends_can_close() {
    use rtc::sansio::Protocol as _;
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS]);
    pair.connect();
    pair.client.connection.close().expect("the client closes");
    pair.exchange();
    assert_eq!(pair.uplink.path(pair.now), Path::Closed);
    assert!(pair.has(|event| matches!(event, UpEvent::Closed)));

    let mut pair = Pair::new(&shared, &[OPUS]);
    pair.connect();
    let mut sent = Sent::default();
    pair.uplink.close(pair.now, &mut sent);
    assert_eq!((sent.0.len(), sent.0[0].0), (1, address(CLIENT)), "a close_notify");
    assert_eq!(pair.uplink.path(pair.now), Path::Closed);
}

#[test]
fn a_nomination_from_elsewhere_takes_the_connection_along() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS, VP8]);
    let checks = Arc::new(Mutex::new(Vec::new()));
    let kept = checks.clone();
    pair.lose = Box::new(move |up, datagram| {
        if up && datagram[0] < 4 {
            kept.lock().expect("one thread").push(datagram.to_vec());
        }
        false
    });
    pair.connect();
    pair.run(Duration::from_secs(3), |_| false);
    let elsewhere = address("127.0.0.1:6000");
    let nominating = checks
        .lock()
        .expect("one thread")
        .iter()
        .find(|check| check.windows(4).any(|bytes| bytes == [0x00, 0x25, 0x00, 0x00]))
        .expect("the client nominated")
        .clone();
    let mut sent = Sent::default();
    pair.uplink.handle_datagram(pair.now, elsewhere, &nominating, &mut sent);
    assert_eq!(sent.0.len(), 2, "an answer, and a question");
    assert!(sent.0.iter().all(|(to, _)| *to == elsewhere));
    pair.client.read(pair.now, &sent.0[1].1);
    let answer = pair.client.sent_to_server.pop_back().expect("the client answers");
    let mut sent = Sent::default();
    pair.uplink.handle_datagram(pair.now, elsewhere, &answer, &mut sent);
    let video = pair.mid(1);
    pair.uplink.request_keyframe(pair.now, &video, 0, &mut sent);
    assert_eq!(sent.0[0].0, elsewhere, "and what we send goes there now");
}

#[test]
fn garbage_is_dropped_and_changes_nothing() {
    let shared = UpShared::new().expect("a certificate");
    let mut pair = Pair::new(&shared, &[OPUS]);
    let mut random = Random(7);
    let mut garbage = |first: Option<u8>| -> Vec<u8> {
        let length = (random.next() % 200) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if let (Some(first), Some(byte)) = (first, bytes.first_mut()) {
            *byte = first;
        }
        bytes
    };
    let mut sent = Sent::default();
    for round in 0..2 {
        for first in [None, Some(0), Some(1), Some(20), Some(22), Some(23), Some(128), Some(200)] {
            for from in [CLIENT, SERVER] {
                for _ in 0..200 {
                    let datagram = garbage(first);
                    // Before it has checked, nobody is believed; afterwards the client may well
                    // spoil its own handshake, which is not what is tested here.
                    let is_handshake =
                        round == 1 && from == CLIENT && first.is_some_and(|f| f < 64);
                    if !is_handshake {
                        pair.uplink.handle_datagram(pair.now, address(from), &datagram, &mut sent);
                    }
                }
            }
        }
        if round == 0 {
            assert!(sent.0.is_empty(), "garbage has no answer");
            pair.connect();
        }
    }
    pair.client.send(pair.now, OPUS, rtp_packet(OPUS, 1, 960, b"still here"));
    pair.exchange();
    assert!(pair.has(|event| matches!(event, UpEvent::Rtp { .. })));
}

#[test]
fn a_believed_client_that_sends_garbage_makes_no_panic() {
    let shared = UpShared::new().expect("a certificate");
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut pair = Pair::new(&shared, &[OPUS, VP8]);
        // Bits of real datagrams are turned: STUN, DTLS at every stage, SRTP.
        let mut mangled = Vec::new();
        for _ in 0..40 {
            pair.client.settle(pair.now);
            let datagrams: Vec<Vec<u8>> = pair.client.sent_to_server.iter().cloned().collect();
            for mut datagram in datagrams {
                let at = (random.next() as usize) % datagram.len();
                datagram[at] ^= 1 << (random.next() % 8);
                let keep = 1 + (random.next() as usize) % datagram.len();
                mangled.push(datagram.clone());
                mangled.push(datagram[..keep].to_vec());
            }
            let mut sent = Sent::default();
            for datagram in mangled.drain(..) {
                pair.uplink.handle_datagram(pair.now, address(CLIENT), &datagram, &mut sent);
            }
            pair.run(Duration::from_millis(50), |_| false);
        }
    }
}

#[test]
fn an_uplink_without_an_offer_is_deaf_and_goes_by_itself() {
    let shared = UpShared::new().expect("a certificate");
    let now = super::client::start_of_time();
    let mut uplink = uplink(&shared, now);
    let mut sent = Sent::default();
    uplink.handle_datagram(now, address(CLIENT), &[0, 1, 0, 0], &mut sent);
    uplink.handle_timeout(now + Duration::from_secs(30), &mut sent);
    assert!(sent.0.is_empty());
    assert_eq!(uplink.path(now + Duration::from_secs(30)), Path::Closed);
    assert!(matches!(uplink.poll_event(), Some(UpEvent::Closed)));
    assert!(uplink.poll_event().is_none());
}

/// ffmpeg's WHIP muxer offers so; it was refused.
#[test]
fn a_publisher_may_be_the_server_of_dtls() {
    let shared = UpShared::new().expect("a certificate");
    let passive = |offer: String| offer.replace("a=setup:actpass", "a=setup:passive");
    let settings = SettingEngineBuilder::new;
    for lost_percent in [0, 20] {
        let mut pair = Pair::with(&shared, &[OPUS, VP8], settings(), passive);
        let mut random = Random(lost_percent);
        pair.lose = Box::new(move |_, datagram| is_dtls(datagram) && random.chance(lost_percent));
        let is_up = pair.run(Duration::from_secs(25), |pair| {
            pair.client.is_connected && pair.uplink.path(pair.now) == Path::Connected
        });
        assert!(is_up);
        pair.client.send(pair.now, OPUS, rtp_packet(OPUS, 1, 960, b"sound"));
        pair.exchange();
        let has_come = |event: &UpEvent| matches!(event, UpEvent::Rtp { packet, .. } if &packet.payload[..] == b"sound");
        assert!(pair.has(has_come), "sealed with the key of the server");
        let mid = pair.mid(1);
        pair.client.send(pair.now, VP8, rtp_packet(VP8, 1, 0, &[0x10, 0x01]));
        let mut sent = Sent::default();
        pair.uplink.request_keyframe(pair.now, &mid, 0, &mut sent);
        pair.deliver(sent);
        pair.exchange();
        assert!(pair.client.n_rtcp("pli", VP8.ssrc) > 0, "and what we say is understood");
        let answer = pair.negotiate(passive);
        assert!(answer.contains("a=setup:active") && !answer.contains("a=setup:passive"));
        let offer = passive(pair.client.offer(pair.now)).replace("setup:passive", "setup:active");
        let refused = pair.uplink.handle_offer(pair.now, &offer).expect_err("turned round");
        assert!(refused.to_string().contains("a=setup"), "{refused}");
    }
}
