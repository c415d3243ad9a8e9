//! Reports of several streams, of honest clients and of others, in virtual time.

use super::*;

const SECOND_US: u64 = 1_000_000;

/// A client that reports its streams, and what is sent of them.
struct Client {
    reports: Reports,
    now_us: u64,
    /// What was sent, and what was told of it.
    streams: Vec<(Sent, Report)>,
}

impl Client {
    fn new(n_streams: usize) -> Self {
        let streams = vec![(Sent::default(), Report::default()); n_streams];
        let mut client = Self { reports: Reports::new(), now_us: SECOND_US, streams };
        client.second(&vec![(0, 0, 0); n_streams]);
        client
    }

    /// So many packets of so many bytes are sent of each stream, and so many of them lost.
    fn second(&mut self, streams: &[(u32, u32, u32)]) {
        self.send(streams);
        for (stream, (sent, report)) in self.streams.iter().enumerate() {
            self.reports.reported(self.now_us, stream, *sent, *report);
        }
        self.reports.judge(self.now_us);
    }

    fn send(&mut self, streams: &[(u32, u32, u32)]) {
        self.now_us += SECOND_US;
        for ((n, len, n_lost), (sent, report)) in streams.iter().zip(&mut self.streams) {
            sent.n_packets = sent.n_packets.wrapping_add(*n);
            sent.n_octets = sent.n_octets.wrapping_add(n * (len - (*len).min(64)));
            report.highest = report.highest.wrapping_add(*n);
            report.total_lost = report.total_lost.saturating_add(*n_lost as i32).min(0x7f_ffff);
            report.fraction_lost = (256 * n_lost).checked_div(*n).unwrap_or(0).min(255) as u8;
        }
    }

    fn kbps(&self) -> Option<u64> {
        self.reports.bps().map(|bps| (bps / 1000.0) as u64)
    }

    /// A second of a picture of so many kb/s, over a path of so many.
    fn over(&mut self, sent_kbps: u32, carries_kbps: u32) {
        let n = |kbps| kbps * 1000 / 8 / 500;
        self.second(&[(n(sent_kbps), 500, n(sent_kbps.saturating_sub(carries_kbps)))]);
    }
}

#[test]
fn loss_is_a_limit_where_it_is_over_a_tenth_beyond_doubt_of_all_streams_together() {
    type Row<'a> = (&'a [(u32, u32, u32)], bool, &'a str);
    let cases: &[Row<'_>] = &[
        (&[(200, 1000, 0), (50, 200, 0)], false, "nothing lost"),
        (&[(200, 1000, 4), (50, 200, 1)], false, "one in fifty"),
        (&[(200, 1000, 18), (50, 200, 4)], false, "nearly a tenth"),
        (&[(200, 1000, 60), (50, 200, 15)], true, "far more"),
        (&[(200, 1000, 0), (50, 200, 25)], false, "half of the sound is a tenth of all"),
        (&[(400, 1000, 120), (50, 200, 0)], true, "all of the sound and few of the pictures come"),
        (&[(0, 0, 0), (8, 200, 8)], false, "of so few packets nothing is known"),
    ];
    for (streams, is_limit, what) in cases {
        for order in 0..2 {
            let mut streams = streams.to_vec();
            streams.rotate_left(order);
            let mut client = Client::new(2);
            (0..2).for_each(|_| client.second(&streams));
            assert_eq!(client.kbps().is_some(), *is_limit, "{what}");
        }
    }
}

#[test]
fn a_limit_is_near_what_arrives() {
    let mut client = Client::new(1);
    client.over(2000, 300);
    let kbps = client.kbps().expect("a limit");
    assert!((255..300).contains(&kbps), "{kbps}");
    // Twenty percent are lost at any rate: the formula alone.
    let mut client = Client::new(1);
    client.over(2000, 1600);
    let kbps = client.kbps().expect("a limit");
    assert_eq!(kbps, 2160, "1.5 times what arrives, less a tenth");
}

#[test]
fn trials_become_rare_and_a_success_ends_that() {
    let mut client = Client::new(1);
    client.reports.want(client.now_us, 550_000.0);
    let mut began = Vec::new();
    let mut tries = false;
    for second in 0..400 {
        let is_tried = client.reports.bps().is_none_or(|bps| bps >= 550_000.0);
        if is_tried && !tries {
            began.push(second);
        }
        tries = is_tried;
        client.over(if is_tried { 520 } else { 150 }, 300);
        let kbps = client.kbps().unwrap_or(1000);
        assert!(kbps <= 600 || second == 0, "{second}: {kbps}");
    }
    let pauses: Vec<u64> = began.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((8..=10).contains(&pauses[0]), "{pauses:?}");
    let grow = pauses.windows(2).all(|pair| pair[1] >= (2 * pair[0] - 3).min(64));
    assert!(grow && pauses.iter().all(|pause| *pause <= 67), "{pauses:?}");
    assert!(pauses.len() >= 6, "{pauses:?}");

    let carries = 10_000;
    let waited = (0..).find(|_| {
        client.over(150, carries);
        client.reports.bps().is_some_and(|bps| bps >= 550_000.0)
    });
    assert!(waited.is_some_and(|seconds| seconds <= 66), "{waited:?}");
    (0..20).for_each(|_| client.over(520, carries));
    assert_eq!(client.reports.pause_us, PAUSE_US.0);
    client.reports.want(client.now_us, 1_700_000.0);
    client.over(520, carries);
    assert!(client.kbps() >= Some(1_700), "the next step at once");
}

#[test]
fn a_radio_that_loses_at_any_rate_is_tried_now_and_then() {
    let mut client = Client::new(1);
    client.over(2000, 300);
    client.reports.want(client.now_us, 550_000.0);
    let waited = (0..200).find(|_| {
        client.second(&[(40, 500, 2)]);
        client.reports.bps().is_some_and(|bps| bps >= 550_000.0)
    });
    assert!(waited.is_some_and(|seconds| (60..70).contains(&seconds)), "{waited:?}");
}

#[test]
fn a_trial_that_loses_more_than_before_is_over_soon_and_one_that_does_not_goes_on() {
    // Packets lost of a hundred: before the trial, and in it.
    for (before, during, is_over) in [(0, 8, true), (0, 3, false), (5, 14, true), (5, 6, false)] {
        let mut client = Client::new(1);
        client.over(2000, 300);
        client.reports.want(client.now_us, 550_000.0);
        let is_tried = |client: &Client| client.reports.bps().is_some_and(|bps| bps >= 550_000.0);
        let waited = (0..100).find(|_| {
            client.second(&[(100, 500, before)]);
            is_tried(&client)
        });
        assert!(waited.is_some(), "{before} lost, then {during}");
        let ended = (0..10).find(|_| {
            client.second(&[(100, 500, during)]);
            !is_tried(&client)
        });
        assert_eq!(ended.is_some_and(|s| s <= 4), is_over, "{before}, then {during}: {ended:?}");
    }
}

#[test]
fn a_trial_that_fills_a_queue_is_over_before_much_is_lost() {
    for (during_ms, is_over) in [(40, false), (200, true)] {
        let mut client = Client::new(1);
        client.over(2000, 300);
        client.reports.want(client.now_us, 550_000.0);
        let second = |client: &mut Client, rtt_ms: u64| {
            let ntp = client.now_us / SECOND_US;
            client.reports.sender_report(client.now_us, 0, ntp << 16, 0);
            let (_, report) = &mut client.streams[0];
            report.last_sender_report = ntp as u32;
            report.delay = ((1000 - rtt_ms) * 65_536 / 1000) as u32;
            client.second(&[(100, 500, 0)]);
            client.reports.bps().is_some_and(|bps| bps >= 550_000.0)
        };
        assert!((0..100).any(|_| second(&mut client, 20)));
        let ended = (1..10).find(|_| !second(&mut client, during_ms));
        assert_eq!(ended, is_over.then_some(3), "{during_ms} ms");
    }
}

#[test]
fn what_is_told_of_the_time_before_a_fall_is_no_second_one() {
    let mut client = Client::new(1);
    client.over(2000, 500);
    let kbps = client.kbps();
    assert!(kbps >= Some(425), "{kbps:?}");
    // The rest of a full queue comes, and little is sent until the lower layer begins.
    client.second(&[(30, 500, 24)]);
    assert_eq!(client.kbps(), kbps);
    client.over(300, 200);
    assert!(client.kbps() < kbps, "what comes then counts");
}

#[test]
fn what_makes_no_sense_is_no_loss() {
    let mut client = Client::new(1);
    let good = (200, 1000, 0);
    for n in 0..20 {
        client.send(&[good]);
        let (sent, mut report) = client.streams[0];
        match n % 4 {
            0 => report.fraction_lost = 255,
            1 => report.total_lost = -8_000_000,
            2 => report.total_lost = 8_000_000,
            _ => report.highest = 0x8000_0000,
        }
        client.reports.reported(client.now_us, 0, sent, report);
        client.reports.reported(client.now_us, usize::MAX, sent, report);
        client.reports.judge(client.now_us);
        assert_eq!(client.kbps(), None, "{n}");
    }
}

#[test]
fn whatever_was_told_is_forgotten_in_time_and_nothing_panics() {
    let mut random = crate::sfu::testing::random::Random::new(31);
    for round in 0..50 {
        let mut client = Client::new(3);
        client.reports.want(client.now_us, 1_000_000.0);
        for _ in 0..100 {
            client.now_us += random.below(3 * SECOND_US);
            let mut word = || (random.below(1 << 32) as u32) >> random.below(32);
            let report = Report {
                fraction_lost: word() as u8,
                total_lost: (word() << 8) as i32 >> 8,
                highest: word(),
                jitter: word(),
                last_sender_report: word() & 3,
                delay: word(),
            };
            let sent = Sent { n_packets: word(), n_octets: word() };
            let (stream, ntp, bps) = (word() as usize % 4, u64::from(word()), f64::from(word()));
            client.reports.sender_report(client.now_us, stream, ntp << 16, 0);
            client.reports.reported(client.now_us, stream, sent, report);
            if random.below(4) == 0 {
                client.reports.remb(client.now_us, bps);
            }
            client.reports.judge(client.now_us);
            let bps = client.reports.bps().unwrap_or(MAX_BPS);
            assert!((MIN_BPS..=MAX_BPS).contains(&bps), "{bps}");
            assert!((0.0..=1.0).contains(&client.reports.loss()));
        }
        let waited = (0..200).find(|_| {
            client.second(&[(40, 500, 0); 3]);
            client.reports.bps().is_none_or(|bps| bps >= 1_000_000.0)
        });
        assert!(waited.is_some_and(|seconds| seconds <= 100), "{round}: {waited:?}");
    }
}

#[test]
fn remb_is_a_limit_where_less_than_what_comes_is_left() {
    let mut client = Client::new(1);
    client.reports.remb(client.now_us, 3_000_000.0);
    client.over(2000, 2000);
    assert_eq!(client.kbps(), None, "it only says that no more came");
    client.reports.remb(client.now_us, 400_000.0);
    client.over(2000, 2000);
    assert_eq!(client.kbps(), Some(400));
    // While it says so, nothing more is tried; what is said no more is forgotten.
    client.reports.want(client.now_us, 550_000.0);
    for _ in 0..20 {
        client.reports.remb(client.now_us, 400_000.0);
        client.over(390, 390);
        assert_eq!(client.kbps(), Some(400));
    }
    (0..16).for_each(|_| client.over(390, 390));
    assert!(client.kbps() >= Some(550), "{:?}", client.kbps());
    client.reports.remb(client.now_us, 0.0);
    client.over(390, 390);
    assert_eq!(client.kbps(), Some(50), "enough for sound");
}

#[test]
fn a_queue_that_grows_is_a_limit_before_anything_is_lost() {
    for (delay_ms, arrives, n_seconds, is_limit) in [
        (20, 100, 9, false),
        (20, 70, 2, false),
        (20, 70, 3, true),
        (900, 100, 9, false),
        (900, 70, 1, false),
        (900, 70, 2, true),
    ] {
        let mut client = Client::new(1);
        for second in 0..2 + n_seconds {
            client.reports.sender_report(client.now_us, 0, (second + 1) << 16, 0);
            client.send(&[(100, 1000, 0)]);
            let (sent, report) = &mut client.streams[0];
            // From the third second on packets wait.
            if second >= 2 {
                report.highest -= 100 - arrives;
            }
            report.last_sender_report = second as u32 + 1;
            let wait_us = if second >= 2 { delay_ms * 1000 } else { 20_000 };
            report.delay = ((SECOND_US - wait_us) * 65_536 / SECOND_US) as u32;
            client.reports.reported(client.now_us, 0, *sent, *report);
            client.reports.judge(client.now_us);
        }
        assert_eq!(client.kbps().is_some(), is_limit, "{delay_ms} ms, {arrives}, {n_seconds} s");
    }
}

impl Client {
    /// Seconds in which so many packets are sent and nothing is told; the limits that are seen.
    fn silent(&mut self, seconds: u64, n_packets: u32) -> Vec<Option<u64>> {
        let mut seen = Vec::new();
        for second in 0..seconds {
            self.send(&[(n_packets, 600, 0)]);
            let n_packets = self.streams[0].0.n_packets;
            self.reports.sender_report(self.now_us, 0, second << 16, n_packets);
            self.reports.look(self.now_us);
            seen.push(self.kbps());
        }
        seen
    }
}

#[test]
fn reports_that_stop_lower_the_limit_step_by_step() {
    let mut client = Client::new(1);
    (0..20).for_each(|_| client.over(1500, 5000));
    assert_eq!(client.kbps(), None);
    let seen = client.silent(40, 300);
    assert!(seen[..10].iter().all(Option::is_none), "RTCP may take so long: {seen:?}");
    let known: Vec<u64> = seen.into_iter().flatten().collect();
    assert!(known.windows(2).all(|pair| pair[1] <= pair[0]), "{known:?}");
    assert_eq!((known.first(), known.last()), (Some(&3000), Some(&50)), "{known:?}");
    // It tells again, and a higher layer is tried.
    client.reports.want(client.now_us, 1_500_000.0);
    (0..20).for_each(|_| client.over(40, 5000));
    assert!(client.kbps().is_some_and(|kbps| kbps >= 1500), "{:?}", client.kbps());
}

#[test]
fn whoever_is_sent_nothing_or_never_told_anything_is_not_silent() {
    let mut client = Client::new(1);
    (0..20).for_each(|_| client.over(1500, 5000));
    assert!(client.silent(60, 0).iter().all(Option::is_none));
    let mut client = Client::new(1);
    client.reports = Reports::new();
    assert!(client.silent(60, 300).iter().all(Option::is_none));
}
