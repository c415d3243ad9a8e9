//! Handshakes with the library's client, in virtual time, over a network that loses datagrams.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rtc::{crypto::default_provider, dtls::crypto::Certificate};

use super::{guard::ATTEMPT_PARTS, *};
use crate::sfu::{
    link::{flight::RESEND_AFTER, srtp::Profile},
    testing::{
        dtls_client::{self as client, Client, Repeats},
        random::Random,
    },
};

const CM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
const GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;

fn client_config(profiles: &[SrtpProtectionProfile]) -> Arc<HandshakeConfig> {
    let provider = default_provider().unwrap();
    let names = vec!["client".to_owned()];
    let certificate = Certificate::generate_self_signed(names, provider.crypto()).unwrap();
    client::config(provider, certificate, profiles)
}

struct Outcome {
    progress: Progress,
    keys_agree: bool,
    took: Duration,
}

/// Runs one handshake. `lossy` says of each datagram whether it is lost; each takes 5 ms.
fn run(
    shared: &Arc<DtlsShared>,
    config: &Arc<HandshakeConfig>,
    repeats: Repeats,
    mut lossy: impl FnMut() -> bool,
) -> Outcome {
    // An hour ahead, so that reading the clock would fail loudly.
    let start = Instant::now() + Duration::from_secs(3600);
    let mut now = start;
    let mut server = Dtls::new(shared.clone());
    let mut client = Client::new(now, config.clone(), repeats);
    let mut progress = Progress::Going;
    let mut network = BinaryHeap::new();
    let mut n_sent = 0;
    let mut send = |network: &mut BinaryHeap<_>, now, to_server: bool, datagrams: Vec<Vec<u8>>| {
        for datagram in datagrams {
            n_sent += 1;
            if !lossy() {
                network.push(Reverse((
                    now + Duration::from_millis(5),
                    n_sent,
                    to_server,
                    datagram,
                )));
            }
        }
    };
    let hello = client.drain(now);
    send(&mut network, now, true, hello);
    while !(client.completed && progress == Progress::Completed) {
        let arrival = network.peek().map(|Reverse((at, ..))| *at);
        let timers = [server.poll_timeout(), client.poll_timeout(), arrival];
        let Some(next) = timers.into_iter().flatten().min() else { break };
        now = next;
        if now - start > Duration::from_secs(60) || client.failed {
            break;
        }
        let mut out = Vec::new();
        if arrival == Some(now) {
            let Some(Reverse((_, _, to_server, datagram))) = network.pop() else { break };
            if to_server {
                let step = server.handle(now, &datagram, |datagram| out.push(datagram.to_vec()));
                if !matches!(step, Progress::Going | Progress::Ignored) {
                    progress = step;
                }
            } else {
                out = client.handle(now, &datagram);
            }
            send(&mut network, now, !to_server, out);
        } else if client.poll_timeout() == Some(now) {
            let out = client.handle_timeout(now);
            send(&mut network, now, true, out);
        } else {
            server.handle_timeout(now, |datagram| out.push(datagram.to_vec()));
            send(&mut network, now, false, out);
        }
    }
    let keys_agree = server.keys().is_some_and(|keys| client.agrees(&keys));
    Outcome { progress, keys_agree, took: now - start }
}

#[test]
fn a_hundred_handshakes_complete_though_every_third_datagram_is_lost() {
    let shared = DtlsShared::new().unwrap();
    let config = client_config(&[GCM]);
    let mut random = Random::new(7);
    let mut longest = Duration::ZERO;
    for n in 0..100 {
        let outcome = run(&shared, &config, Repeats::Flight, || random.below(100) < 30);
        assert_eq!(outcome.progress, Progress::Completed, "handshake {n}");
        assert!(outcome.keys_agree, "handshake {n}");
        longest = longest.max(outcome.took);
    }
    assert!(longest < Duration::from_secs(30), "{longest:?}");
}

/// Our own probe is such a client: it gives up after seven tries and may disarm its own timer.
#[test]
fn a_client_with_the_librarys_defect_connects_over_a_bad_path() {
    let shared = DtlsShared::new().unwrap();
    let config = client_config(&[GCM]);
    let mut random = Random::new(11);
    for n in 0..100 {
        let outcome = run(&shared, &config, Repeats::Library, || random.below(100) < 10);
        assert!(outcome.keys_agree, "handshake {n}: {:?}", outcome.progress);
    }
}

#[test]
fn without_loss_it_takes_three_round_trips() {
    let shared = DtlsShared::new().unwrap();
    let outcome = run(&shared, &client_config(&[GCM]), Repeats::Library, || false);
    assert!(outcome.keys_agree);
    assert!(outcome.took <= 6 * Duration::from_millis(5), "{:?}", outcome.took);
    assert!(outcome.took < RESEND_AFTER);
}

#[test]
fn the_profile_is_the_preferred_one_whatever_the_clients_order() {
    let shared = DtlsShared::new().unwrap();
    let cases: [(&[_], _); 4] = [
        (&[CM, GCM], shared.preferred),
        (&[GCM, CM], shared.preferred),
        (&[CM], Profile::Cm),
        (&[GCM], Profile::Gcm),
    ];
    for (profiles, expected) in cases {
        let start = Instant::now();
        let mut server = Dtls::new(shared.clone());
        let mut client = Client::new(start, client_config(profiles), Repeats::Flight);
        let mut to_server = client.drain(start);
        while !to_server.is_empty() {
            let mut to_client = Vec::new();
            for datagram in to_server.drain(..) {
                server.handle(start, &datagram, |datagram| to_client.push(datagram.to_vec()));
            }
            for datagram in to_client {
                to_server.extend(client.handle(start, &datagram));
            }
        }
        assert!(client.completed, "{profiles:?}");
        assert_eq!(server.keys().unwrap().profile, expected, "{profiles:?}");
    }
}

#[test]
fn why_a_client_is_not_understood_is_known_and_its_next_hello_may_be_better() {
    let shared = DtlsShared::new().unwrap();
    let start = Instant::now() + Duration::from_secs(3600);
    let mut server = Dtls::new(shared.clone());
    let other = client_config(&[SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm]);
    for datagram in Client::new(start, other, Repeats::Flight).drain(start) {
        let sends = |_: &[u8]| panic!("nobody has said yet who is there");
        assert!(matches!(
            server.handle(start, &datagram, sends),
            Progress::Going | Progress::Ignored
        ));
    }
    let reason = server.failure().unwrap();
    assert!(reason.contains("SRTP_AEAD_AES_128_GCM"), "{reason}");
    let mut client = Client::new(start, client_config(&[GCM]), Repeats::Flight);
    let hello = client.drain(start);
    for datagram in &hello {
        assert_eq!(server.handle(start, datagram, |_| {}), Progress::Ignored, "it rests");
    }
    complete(start + REST, &mut server, &mut client, hello, &[]);
    assert_eq!(server.failure(), None);
}

/// Passes everything on until nobody says any more; before each datagram of the client comes `forged`.
fn complete(
    mut now: Instant,
    server: &mut Dtls,
    client: &mut Client,
    mut to_server: Vec<Vec<u8>>,
    forged: &[Vec<u8>],
) {
    let mut progress = Progress::Going;
    while !to_server.is_empty() {
        let mut to_client = Vec::new();
        for datagram in to_server.drain(..) {
            for forged in forged {
                let step = server.handle(now, forged, |_| {});
                assert!(
                    matches!(step, Progress::Going | Progress::Ignored),
                    "{forged:?}: {step:?}"
                );
            }
            let step = server.handle(now, &datagram, |reply| to_client.push(reply.to_vec()));
            now += Duration::from_millis(1);
            progress = if step == Progress::Completed { step } else { progress };
        }
        for datagram in to_client {
            to_server.extend(client.handle(now, &datagram));
        }
    }
    assert_eq!(progress, Progress::Completed);
    assert!(client.agrees(&server.keys().unwrap()));
}

/// What somebody can send who knows addresses and no keys.
fn forgeries() -> Vec<Vec<u8>> {
    let record = |content_type: u8, epoch: u8, number: u8, body: &[u8]| {
        let length = (body.len() as u16).to_be_bytes();
        [&[content_type, 254, 253, 0, epoch][..], &[number; 6], &length, body].concat()
    };
    vec![
        // Thirteen bytes that ended a call.
        record(HANDSHAKE, 0, 0, &[]),
        record(HANDSHAKE, 0, 0xff, &[]),
        record(HANDSHAKE, 1, 0, &[]),
        record(ALERT, 0, 0, &[2, 40]),
        record(ALERT, 0, 9, &[1, 0]),
        record(ALERT, 0, 9, &[]),
        record(ALERT, 1, 0xff, &[7; 26]),
        record(ALERT, 1, 0xff, &[]),
        record(20, 0, 1, &[2]),
        record(20, 0, 0xff, &[1]),
        record(20, 1, 0xff, &[1]),
        record(23, 0, 0, b"data"),
        record(23, 1, 0xff, &[7; 40]),
        record(HANDSHAKE, 1, 0xff, &[7; 60]),
        record(HANDSHAKE, 0, 0xff, &[1; 30]),
        record(HANDSHAKE, 0, 0xff, &[1, 0, 0, 1, 0, 15, 0, 0, 0, 0, 0, 1, 7]),
        record(63, 0, 0, &[1; 30]),
        vec![HANDSHAKE; 13],
        vec![HANDSHAKE; 1400],
    ]
}

#[test]
fn what_nobody_has_sealed_ends_no_handshake_and_no_association() {
    let shared = DtlsShared::new().unwrap();
    let now = Instant::now() + Duration::from_secs(3600);
    let mut server = Dtls::new(shared.clone());
    let mut client = Client::new(now, client_config(&[GCM]), Repeats::Flight);
    let hello = client.drain(now);
    complete(now, &mut server, &mut client, hello, &forgeries());
    let mut n_sent = 0;
    for (n, forged) in (0..200).flat_map(|n| forgeries().into_iter().map(move |f| (n, f))) {
        let later = now + Duration::from_millis(n);
        let step = server.handle(later, &forged, |datagram| n_sent += datagram.len());
        assert!(matches!(step, Progress::Going | Progress::Ignored), "{forged:?}: {step:?}");
    }
    assert!(n_sent < 1000, "{n_sent} bytes for what was forged in 200 ms");
    let goodbye = client.close(now);
    assert_eq!(server.handle(now, &goodbye[0], |_| {}), Progress::Closed, "and it is still heard");
}

#[test]
fn numbers_that_were_forged_make_nothing_old() {
    let shared = DtlsShared::new().unwrap();
    let now = Instant::now() + Duration::from_secs(3600);
    let mut server = Dtls::new(shared.clone());
    let mut client = Client::new(now, client_config(&[GCM]), Repeats::Flight);
    let hello = client.drain(now);
    // The client's own words under the highest number there is.
    let mut forged = hello[0].clone();
    forged[5..11].copy_from_slice(&[0xff; 6]);
    complete(now, &mut server, &mut client, hello, &[forged]);
}

/// Handshake-shaped noise, and real hellos with noise in them: nothing panics, and what is kept is
/// bounded.
#[test]
fn noise_is_survived() {
    let shared = DtlsShared::new().unwrap();
    let config = client_config(&[GCM]);
    let mut random = Random::new(3);
    let now = Instant::now();
    for _ in 0..300 {
        let mut server = Dtls::new(shared.clone());
        let mut client = Client::new(now, config.clone(), Repeats::Flight);
        let hello = client.drain(now);
        for _ in 0..20 {
            let mut datagram = hello[random.below(hello.len() as u64) as usize].clone();
            for _ in 0..random.below(4) {
                let at = random.below(datagram.len() as u64) as usize;
                datagram[at] = random.next() as u8;
            }
            if random.below(4) == 0 {
                let length = random.below(200) as usize;
                let mut noise = random.bytes(13 + length);
                noise[..5].copy_from_slice(&[
                    20 + random.below(4) as u8,
                    254,
                    253,
                    0,
                    random.below(2) as u8,
                ]);
                noise[11..13].copy_from_slice(&(length as u16).to_be_bytes());
                datagram = noise;
            }
            let mut replies = Vec::new();
            let progress = server.handle(now, &datagram, |reply| replies.push(reply.to_vec()));
            if matches!(progress, Progress::Failed(_) | Progress::Closed) {
                break;
            }
            for reply in replies {
                client.handle(now, &reply);
            }
        }
        server.handle_timeout(now + RESEND_AFTER, |_| {});
        server.close(now, |_| {});
    }
}

/// A message in thousands of fragments would make the library recurse as deep.
#[test]
fn a_flood_of_fragments_is_cut_off() {
    let mut server = Dtls::new(DtlsShared::new().unwrap());
    let now = Instant::now();
    let mut n_taken = 0;
    for n in (1..16_000u32).rev().chain([0]) {
        let mut datagram = vec![HANDSHAKE, 254, 253, 0, 0];
        datagram.extend(&u64::from(n).to_be_bytes()[2..]);
        datagram.extend([0, 13, 1, 0, 0x3f, 0xff, 0, 0]);
        datagram.extend(&n.to_be_bytes()[1..]);
        datagram.extend([0, 0, 1, 7]);
        n_taken += usize::from(server.handle(now, &datagram, |_| {}) != Progress::Ignored);
    }
    assert_eq!(n_taken, ATTEMPT_PARTS);
}

/// For each message that comes the library looks through all that wait.
#[test]
fn a_flood_of_small_messages_in_few_records_is_cut_off() {
    let mut server = Dtls::new(DtlsShared::new().unwrap());
    let now = Instant::now();
    let messages = [14, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0].repeat(100);
    let mut datagram = vec![HANDSHAKE, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0];
    datagram.extend((messages.len() as u16).to_be_bytes());
    datagram.extend(messages);
    let taken = (0..100).filter(|_| server.handle(now, &datagram, |_| {}) != Progress::Ignored);
    assert_eq!(taken.count(), ATTEMPT_PARTS / 100);
}
