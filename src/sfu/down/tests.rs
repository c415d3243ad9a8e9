//! Whole connections, in memory and in virtual time.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use rtc::rtcp::{
    payload_feedbacks::picture_loss_indication::PictureLossIndication,
    transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack},
};

use self::browser::Browser;
use super::negotiation::tests::track;
use super::*;
use crate::sfu::{media::forward::Forwarded, testing::random::Random};

mod arrivals;
mod browser;
mod passive;

const LATENCY: Duration = Duration::from_millis(5);

fn server() -> SocketAddr {
    ([192, 0, 2, 1], 10_000).into()
}

pub(super) fn downlink(shared: &Arc<DownShared>, now: Instant) -> Downlink {
    let candidates: Arc<[String]> =
        ["candidate:1 1 udp 2130706431 192.0.2.1 10000 typ host".to_owned()].into();
    let credentials = IceCredentials::from_random([5; 32]);
    Downlink::new(shared.clone(), credentials, candidates, [9; 32], now)
}

/// A viewer and its browser, with 5 ms between them.
struct Pair {
    now: Instant,
    down: Downlink,
    browser: Browser,
    network: Vec<(Instant, bool, Vec<u8>)>,
    events: Vec<DownEvent>,
    /// Changes an answer on its way.
    tamper: fn(String) -> String,
    n_offers: usize,
    cut: bool,
}

impl Pair {
    fn new() -> Self {
        // An hour ahead, so that reading the clock would fail loudly.
        let now = Instant::now() + Duration::from_secs(3600);
        let shared = DownShared::new().unwrap();
        Self {
            now,
            down: downlink(&shared, now),
            browser: Browser::new(now, ([192, 0, 2, 7], 4000).into(), server()),
            network: Vec::new(),
            events: Vec::new(),
            tamper: |answer| answer,
            n_offers: 0,
            cut: false,
        }
    }

    /// Runs until `done`, or for `limit`. True if it was done.
    fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            let arrival = self.network.iter().map(|(at, ..)| *at).min();
            let timers = [self.down.poll_timeout(), self.browser.poll_timeout(), arrival];
            let Some(next) = timers.into_iter().flatten().min().filter(|at| *at <= end) else {
                self.now = end;
                return done(self);
            };
            self.now = self.now.max(next);
            let now = self.now;
            let (due, later) = self.network.drain(..).partition(|(at, ..)| *at <= now);
            self.network = later;
            for (_, to_server, data) in due {
                self.arrive(to_server, &data);
            }
            let mut out = Vec::new();
            self.down.handle_timeout(now, &mut out);
            self.send(out);
            self.browser.handle_timeout(now);
        }
    }

    fn arrive(&mut self, to_server: bool, data: &[u8]) {
        if to_server {
            let mut out = Vec::new();
            self.down.handle_datagram(self.now, self.browser.address, data, &mut out);
            self.send(out);
        } else {
            self.browser.handle(self.now, data);
        }
    }

    fn send(&mut self, datagrams: Vec<(SocketAddr, Vec<u8>)>) {
        for (to, data) in datagrams {
            assert_eq!(to, self.browser.address);
            self.network.push((self.now + LATENCY, false, data));
        }
    }

    fn settle(&mut self) {
        for data in self.browser.drain() {
            if !self.cut {
                self.network.push((self.now + LATENCY, true, data));
            }
        }
        while let Some(event) = self.down.poll_event() {
            if event == DownEvent::OfferReady {
                self.negotiate();
            }
            self.events.push(event);
        }
    }

    fn negotiate(&mut self) {
        let Some((revision, offer)) = self.down.offer() else { return };
        if revision as usize > self.n_offers {
            self.n_offers = revision as usize;
            let answer = (self.tamper)(self.browser.answer(self.now, &offer));
            let _ = self.down.handle_answer(self.now, revision, &answer);
        }
    }

    fn connect(&mut self, tracks: &[ShownTrack]) {
        self.down.show(self.now, tracks);
        let connected = |pair: &Self| pair.events.contains(&DownEvent::Connected);
        assert!(self.run(Duration::from_secs(10), connected), "{:?}", self.down);
        self.run(LATENCY * 2, |_| false);
    }

    fn send_rtp(&mut self, slot: Slot, header: Forwarded, payload: &[u8]) -> Option<usize> {
        let mut out = [0; 1500];
        let length = self.down.seal_rtp(slot, header, &[], payload, &mut out)?;
        self.network.push((self.now + LATENCY, false, out[..length].to_vec()));
        Some(length)
    }
}

fn header(sequence: u16) -> Forwarded {
    Forwarded { sequence, timestamp: 1000, marker: sequence % 2 == 1 }
}

#[test]
fn a_browser_connects_receives_and_is_heard() {
    let mut pair = Pair::new();
    let (audio, video) = (track(1, "0", Codec::Opus), track(1, "1", Codec::Vp8));
    assert_eq!(pair.down.path(pair.now), Path::New);
    pair.connect(&[audio.clone(), video.clone()]);
    assert_eq!(pair.down.path(pair.now), Path::Connected);
    assert_eq!(pair.down.route(), Some(pair.browser.address.into()));
    assert_eq!(pair.n_offers, 1);

    let slots = [&audio, &video].map(|track| pair.down.slot(&track.shown.track).unwrap());
    let [audio, video] = slots;
    let payload: Vec<u8> = (0..1200u32).map(|i| (i * 31) as u8).collect();
    let (first, _) = pair.down.first_numbers(video, pair.now).unwrap();
    assert!(first < 1 << 13);
    for n in 0..5 {
        pair.send_rtp(video, header(first + n), &payload).unwrap();
    }
    pair.send_rtp(audio, header(7), b"sound").unwrap();
    assert_eq!(pair.send_rtp(video, header(first), &payload), None, "never twice");
    assert!(pair.run(Duration::from_secs(1), |pair| pair.browser.received.len() == 6));
    let (payload_type, ssrc, sequence, timestamp, marker, received) = &pair.browser.received[1];
    assert_eq!((*payload_type, *sequence, *timestamp), (96, first + 1, 1000));
    assert_eq!((*marker, received), ((first + 1) % 2 == 1, &payload));
    assert_eq!(pair.browser.received[5].5, b"sound");
    let ssrc = *ssrc;

    let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc: ssrc };
    let nacks = vec![NackPair { packet_id: first + 1, lost_packets: 0b101 }];
    let nack = TransportLayerNack { sender_ssrc: 1, media_ssrc: ssrc, nacks };
    pair.events.clear();
    pair.browser.write_rtcp(pair.now, vec![Box::new(pli), Box::new(nack)]);
    assert!(pair.run(Duration::from_secs(1), |pair| pair.events.len() == 2), "{:?}", pair.events);
    assert_eq!(pair.events[0], DownEvent::KeyframeWanted(video));
    assert_eq!(pair.events[1], DownEvent::Nack(video, vec![first + 1, first + 2, first + 4]));

    // RTX: the library hides it from the application and gives back the packet itself.
    let mut out = [0; 1500];
    let length = pair.down.seal_rtx(video, header(first + 9), &[], &payload, &mut out).unwrap();
    pair.network.push((pair.now, false, out[..length].to_vec()));
    assert!(pair.run(Duration::from_secs(1), |pair| pair.browser.received.len() == 7));
    let again = &pair.browser.received[6];
    assert_eq!((again.0, again.1, again.2, &again.5), (96, ssrc, first + 9, &payload));

    let length = pair.down.seal_sender_report(video, 1 << 40, 1000, &mut out).unwrap();
    pair.arrive(false, &out[..length]);
    assert_eq!(pair.down.n_ignored(), 0);
}

#[test]
fn a_track_takes_a_line_over_without_an_offer_and_others_come_with_one() {
    let mut pair = Pair::new();
    let (a, b, c) =
        (track(1, "1", Codec::Vp8), track(2, "1", Codec::Vp8), track(2, "0", Codec::Opus));
    pair.connect(std::slice::from_ref(&a));
    let slot = pair.down.slot(&a.shown.track).unwrap();
    pair.send_rtp(slot, header(100), b"of a").unwrap();
    pair.down.show(pair.now, std::slice::from_ref(&b));
    assert_eq!(pair.down.slot(&b.shown.track), Some(slot));
    assert_eq!(pair.down.mids()[0].1.member, b.shown.member);
    pair.run(Duration::from_secs(1), |_| false);
    assert_eq!(pair.n_offers, 1);
    let (sequence, timestamp) = pair.down.first_numbers(slot, pair.now).unwrap();
    assert_eq!(sequence, 101);
    assert!(timestamp != 1000);
    pair.send_rtp(slot, header(sequence), b"of b").unwrap();
    pair.down.show(pair.now, &[b.clone(), c.clone()]);
    assert!(pair.run(Duration::from_secs(1), |pair| pair.down.slot(&c.shown.track).is_some()));
    assert_eq!((pair.n_offers, pair.down.slot(&c.shown.track)), (2, Some(1)));
    pair.send_rtp(1, header(3), b"sound of b").unwrap();
    assert!(pair.run(Duration::from_secs(1), |pair| pair.browser.received.len() == 3));
    let received: Vec<_> = pair.browser.received.iter().map(|packet| &packet.5[..]).collect();
    assert_eq!(received, [&b"of a"[..], b"of b", b"sound of b"]);
    assert_eq!(pair.browser.received[0].1, pair.browser.received[1].1, "one SSRC");
}

#[test]
fn silence_is_quiet_then_closed_and_a_return_heals() {
    let mut pair = Pair::new();
    pair.connect(&[track(1, "1", Codec::Vp8)]);
    // A browser that lives is never quiet.
    for _ in 0..40 {
        pair.run(Duration::from_millis(500), |_| false);
        assert_eq!(pair.down.path(pair.now), Path::Connected);
    }
    pair.cut = true;
    pair.run(Duration::from_secs(1), |_| false);
    assert_eq!(pair.down.path(pair.now), Path::Connected);
    let quiet = |pair: &Pair| pair.down.path(pair.now) == Path::Quiet;
    assert!(pair.run(Duration::from_secs(4), quiet), "noticed by a timer of ours");
    pair.cut = false;
    assert!(pair.run(Duration::from_secs(5), |pair| !quiet(pair)));
    pair.cut = true;
    assert!(pair.run(Duration::from_secs(31), |pair| pair.events.contains(&DownEvent::Closed)));
    assert_eq!(pair.down.path(pair.now), Path::Closed);
    assert!(pair.down.closed_because().unwrap().contains("30 s"));
    assert_eq!(pair.down.poll_timeout(), None);
    assert_eq!(pair.down.seal_rtp(0, header(1), &[], b"x", &mut [0; 100]), None);
}

#[test]
fn goodbyes_close_at_once_both_ways() {
    let mut pair = Pair::new();
    pair.connect(&[track(1, "1", Codec::Vp8)]);
    pair.browser.close();
    assert!(pair.run(Duration::from_secs(1), |pair| pair.events.contains(&DownEvent::Closed)));
    assert_eq!((pair.down.path(pair.now), pair.down.closed_because()), (Path::Closed, None));

    let mut pair = Pair::new();
    pair.connect(&[track(1, "1", Codec::Vp8)]);
    let mut out = Vec::new();
    pair.down.close(pair.now, &mut out);
    assert_eq!(out.len(), 1, "close_notify");
    assert_eq!(pair.down.path(pair.now), Path::Closed);
}

#[test]
fn another_certificate_than_the_answer_names_is_nobody_we_know() {
    let mut pair = Pair::new();
    pair.tamper = |answer| {
        let at = answer.find("sha-256 ").unwrap() + 8;
        let fingerprint = answer[at..at + 95].to_owned();
        let other = ["12"; 32].join(":");
        answer.replace(&fingerprint, &other)
    };
    let video = track(1, "1", Codec::Vp8);
    pair.down.show(pair.now, std::slice::from_ref(&video));
    pair.run(Duration::from_secs(29), |_| false);
    assert_eq!(pair.down.path(pair.now), Path::New, "the client may come yet");
    assert!(pair.run(Duration::from_secs(2), |pair| pair.events.contains(&DownEvent::Closed)));
    assert!(!pair.events.contains(&DownEvent::Connected));
    assert!(pair.down.closed_because().unwrap().contains("certificate"));
    assert_eq!(pair.down.slot(&video.shown.track), None);
    assert_eq!(pair.down.seal_rtp(0, header(1), &[], b"secret", &mut [0; 100]), None);
}

/// Signaling may be slower than ICE and DTLS.
#[test]
fn nothing_is_sent_before_the_answer_that_vouches_for_the_certificate() {
    let mut pair = Pair::new();
    let video = track(1, "1", Codec::Vp8);
    let late = Rc::new(RefCell::new(String::new()));
    pair.tamper = |_| String::new();
    pair.down.show(pair.now, std::slice::from_ref(&video));
    pair.run(Duration::from_millis(20), |pair| pair.n_offers == 1);
    let (revision, offer) = pair.down.offer().unwrap();
    *late.borrow_mut() = pair.browser.answer(pair.now, &offer);
    pair.run(Duration::from_secs(5), |_| false);
    assert_eq!(pair.down.path(pair.now), Path::New);
    assert!(!pair.events.contains(&DownEvent::Connected));
    pair.down.handle_answer(pair.now, revision, &late.borrow()).unwrap();
    assert_eq!(pair.down.path(pair.now), Path::Connected);
    assert!(pair.down.slot(&video.shown.track).is_some());
}

#[test]
fn a_client_that_never_comes_is_given_up() {
    let mut pair = Pair::new();
    pair.cut = true;
    pair.down.show(pair.now, &[track(1, "1", Codec::Vp8)]);
    assert!(pair.run(Duration::from_secs(31), |pair| pair.events.contains(&DownEvent::Closed)));
    assert!(pair.down.closed_because().unwrap().contains("did not connect"));
}

/// Garbage of every kind, before and after connecting, from strangers and from the peer's address:
/// nothing panics, nothing is answered, all is counted, and the connection goes on.
#[test]
fn garbage_is_counted_and_changes_nothing() {
    let mut pair = Pair::new();
    let mut random = Random::new(99);
    for round in 0..2 {
        let before = pair.down.n_ignored();
        for n in 0..20_000u64 {
            let length = random.below(if n % 10 == 0 { 1600 } else { 60 }) as usize;
            let mut data = random.bytes(length);
            let kinds = [0, 1, 3, 19, 20, 22, 25, 63, 64, 127, 128, 129, 191, 192];
            if let Some(first) = data.first_mut() {
                *first = kinds[random.below(14) as usize];
            }
            if data.len() > 20 && n % 3 == 0 {
                data[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
                data[1] = 1 + (n % 2) as u8 * 200;
                let length = (data.len() as u16 - 20).to_be_bytes();
                data[2..4].copy_from_slice(&length);
            }
            let from = if n % 2 == 0 { pair.browser.address } else { ([192, 0, 2, 66], 66).into() };
            let mut out = Vec::new();
            pair.down.handle_datagram(pair.now, from, &data, &mut out);
            assert_eq!(out, []);
        }
        assert_eq!(pair.down.n_ignored() - before, 20_000);
        if round == 0 {
            pair.connect(&[track(1, "1", Codec::Vp8)]);
        }
    }
    assert_eq!(pair.down.path(pair.now), Path::Connected);
    pair.send_rtp(0, header(1), b"still there").unwrap();
    assert!(pair.run(Duration::from_secs(1), |pair| pair.browser.received.len() == 1));
}

/// One datagram of NACKs must not make us send megabytes.
#[test]
fn nacks_and_events_are_bounded() {
    let mut pair = Pair::new();
    pair.connect(&[track(1, "1", Codec::Vp8)]);
    pair.send_rtp(0, header(1), b"x").unwrap();
    pair.run(Duration::from_millis(100), |_| false);
    let media_ssrc = pair.browser.received[0].1;
    let pair_of = |n: u16| NackPair { packet_id: n * 17, lost_packets: 0xffff };
    let nack = || TransportLayerNack {
        sender_ssrc: 1,
        media_ssrc,
        nacks: (0..200).map(pair_of).collect(),
    };
    pair.events.clear();
    pair.browser.write_rtcp(pair.now, vec![Box::new(nack())]);
    pair.run(Duration::from_millis(100), |_| false);
    let [DownEvent::Nack(0, missing)] = &pair.events[..] else { panic!("{:?}", pair.events) };
    assert_eq!(missing.len(), 512);
    assert_eq!(missing[..3], [0, 1, 2]);
}
