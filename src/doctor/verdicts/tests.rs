//! Facts and what they mean, as tables: `+` well, `-` at fault, `?` worth knowing; and words that the
//! sentence of remedy must have in both languages.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use super::*;
use crate::{
    config::Announce,
    net::{
        Survey,
        container::Container,
        policy::{Judged, Unfit},
    },
    seams::{Addresses, report::Verdict},
};

fn check(what: &str, verdict: &Verdict, mark: char, word: &str) {
    let seen = match verdict.ok {
        Some(true) => '+',
        Some(false) => '-',
        None => '?',
    };
    assert_eq!(seen, mark, "{what}: {verdict:?}");
    match &verdict.remedy {
        None => assert_eq!(word, "", "{what}: a remedy is missing"),
        Some(remedy) => {
            assert!(!word.is_empty(), "{what}: {remedy:?}");
            assert!(remedy.en.contains(word), "{what}: {}", remedy.en);
            // Keys, commands and addresses are the same in both.
            let is_name = word.contains(['.', '-', '/', '_']) || word.chars().any(char::is_numeric);
            assert!(!is_name || remedy.zh.contains(word), "{what}: {}", remedy.zh);
            assert!(remedy.zh.ends_with('。') && remedy.en.ends_with('.'), "{what}: {remedy:?}");
        }
    }
}

const MEDIA: Service = Service { key: "media.ports", protocol: "udp", port: 10000 };

#[test]
fn ports_are_the_boxs_or_somebodys() {
    check("ours", &port(MEDIA, &Holder::Ours("parlor (process 1)".into())), '+', "");
    check("free", &port(MEDIA, &Holder::Nobody), '-', "systemctl start parlor");
    check("taken", &port(MEDIA, &Holder::Other("nginx (process 7)".into())), '-', "media.ports");
    check("hidden", &port(MEDIA, &Holder::Unnamed), '?', "root");
}

#[test]
fn a_service_answers_everywhere_or_the_silent_address_is_named() {
    let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let good = |text| (at(text), Ok(Duration::from_millis(1)));
    let bad = |text| (at(text), Err("no answer".to_owned()));
    let (loopback, lan) = ("127.0.0.1:10000", "192.168.1.2:10000");
    check("both", &answers(MEDIA, &[good(loopback), good(lan)]), '+', "");
    check("one", &answers(MEDIA, &[good(loopback), bad(lan)]), '-', "192.168.1.2");
    check("none", &answers(MEDIA, &[bad(loopback), bad(lan)]), '-', "udp 10000");
    check("nowhere", &answers(MEDIA, &[]), '?', "");
    check("named", &hairpin(&[good("203.0.113.7:10000")]), '+', "");
    check("stale", &hairpin(&[bad("203.0.113.7:10000")]), '?', "parlor probe");
    check("nothing named", &hairpin(&[]), '?', "");
}

#[test]
fn https_says_by_its_status_what_is_wrong() {
    let cases = [
        (Https::Status(200), '+', ""),
        (Https::Status(421), '-', "http.hosts"),
        (Https::Status(502), '-', "parlor"),
        (Https::Failed("refused".into()), '-', "parlor"),
        (Https::NoAddress("no such name".into()), '-', "DNS"),
    ];
    for (outcome, mark, word) in cases {
        check(&format!("{outcome:?}"), &https("https://box.example", &outcome), mark, word);
    }
}

#[test]
fn a_relay_carries_or_the_reason_is_told() {
    let relay_at: SocketAddr = "192.168.1.2:10005".parse().expect("an address");
    let took = Duration::from_millis(3);
    let cases = [
        (Relay::Loops(relay_at, took), true, '+', ""),
        (Relay::Given(relay_at, took), false, '+', ""),
        (Relay::Refused(401), true, '-', "static-auth-secret"),
        (Relay::Refused(401), false, '-', "[[ice.servers]]"),
        (Relay::Refused(486), true, '-', "turn.user-quota"),
        (Relay::Refused(508), true, '-', "turn.relay_ports"),
        (Relay::Refused(437), true, '-', "437"),
        (Relay::Lost(relay_at), true, '-', "turn.relay_ports"),
        (Relay::Failed("no answer".into()), true, '-', "udp 127.0.0.1:3478"),
    ];
    for (outcome, is_own, mark, word) in cases {
        let verdict = relay("udp 127.0.0.1:3478", &outcome, is_own);
        check(&format!("{outcome:?}"), &verdict, mark, word);
    }
}

fn judged(ip: &str, interface: &str, is_container: bool, unfit: Option<Unfit>) -> Judged {
    let ip = ip.parse().expect("an address");
    Judged { ip, interface: interface.into(), is_container, unfit }
}

fn survey(judged: Vec<Judged>) -> Survey {
    let mut addresses = Addresses::loopback();
    let of = |judged: &Judged| crate::seams::LocalAddress {
        ip: judged.ip,
        prefix_len: 24,
        interface: judged.interface.clone(),
        origin: crate::seams::AddressOrigin::Interface,
    };
    addresses.announced = judged.iter().filter(|one| one.unfit.is_none()).map(of).collect();
    Survey { addresses, judged, ..Survey::default() }
}

#[test]
fn each_address_has_its_reason() {
    let lan = || judged("192.168.1.2", "eth0", false, None);
    let docker = |unfit| judged("172.17.0.1", "docker0", true, unfit);
    let good = survey(vec![
        lan(),
        docker(Some(Unfit::LeftOut)),
        judged("127.0.0.1", "lo", false, Some(Unfit::Loopback)),
    ]);
    let verdict = announced(&good);
    check("a LAN", &verdict, '+', "");
    let expected = "192.168.1.2 (found on eth0); not 172.17.0.1 on docker0 (left out by \
                    network.interfaces); not 127.0.0.1 on lo (loopback)";
    assert_eq!(verdict.detail, expected);
    check("nothing", &announced(&survey(Vec::new())), '-', "network.announce");
    let bridge = survey(vec![lan(), docker(None)]);
    check("a bridge", &announced(&bridge), '?', "network.interfaces.include");
    let twice = judged("192.168.1.3", "eth0", false, Some(Unfit::Duplicate));
    check("twice", &announced(&survey(vec![lan(), twice])), '-', "192.168.1.3");
}

#[test]
fn behind_a_port_map_the_machine_must_be_named() {
    let mut inside = survey(vec![judged("172.17.0.2", "eth0", false, None)]);
    let named = [Announce::Ip("192.168.1.2".parse().expect("an address"))];
    check("a machine", &container(&inside, &[]), '+', "");
    inside.container = Container::Application;
    check("the host's network", &container(&inside, &[]), '+', "");
    inside.addresses.networks.forwarders = vec!["172.17.0.1".parse().expect("an address")];
    check("a port map", &container(&inside, &[]), '-', "network.announce");
    check("named", &container(&inside, &named), '+', "");
    inside.container = Container::System;
    check("LXC", &container(&inside, &[]), '+', "");
}

#[test]
fn an_ipv6_that_leads_nowhere_is_told() {
    let mut seen = survey(vec![judged("2001:db8::5", "eth0", false, None)]);
    check("half open", &ipv6(&seen), '?', "IPv6");
    seen.gateways = vec!["fe80::1".parse().expect("an address")];
    check("open", &ipv6(&seen), '+', "");
    check("none", &ipv6(&survey(vec![judged("fd00::5", "eth0", false, None)])), '+', "");
    check("guests", &loopback_guests(true), '?', "access.loopback");
    check("token", &loopback_guests(false), '+', "");
}

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

#[test]
fn a_certificate_is_for_the_name_and_for_now() {
    let own = Certificate {
        is_own: true,
        names: vec!["box.local".into(), "*.example.com".into(), "fd00::5".into()],
        from: NOW - DAY,
        until: NOW + 60 * DAY,
        host: "box.local".into(),
        distrust: Some("unknown issuer".into()),
    };
    let given = Certificate { is_own: false, ..own.clone() };
    let for_host = |host: &str| Certificate { host: host.into(), ..own.clone() };
    let cases = [
        ("own", own.clone(), '+', ""),
        ("another case", for_host("BOX.local"), '+', ""),
        ("a wildcard", for_host("a.example.com"), '+', ""),
        ("an address", for_host("[fd00::5]"), '+', ""),
        ("too deep", for_host("a.b.example.com"), '-', "http.certificate"),
        ("another name", for_host("example.com"), '-', "http.certificate"),
        ("not trusted", given.clone(), '-', "http.certificate"),
        ("trusted", Certificate { distrust: None, ..given.clone() }, '+', ""),
        ("expired", Certificate { until: NOW - DAY, ..own.clone() }, '-', "http.certificate"),
        ("early", Certificate { from: NOW + 60, ..own.clone() }, '-', "clock"),
        ("soon", Certificate { until: NOW + 9 * DAY, distrust: None, ..given }, '?', "9"),
        // The box renews its own.
        ("soon, own", Certificate { until: NOW + 9 * DAY, ..own }, '+', ""),
    ];
    for (what, facts, mark, word) in cases {
        check(what, &certificate(&facts, NOW), mark, word);
    }
}

#[test]
fn the_machine_is_judged_by_its_figures() {
    let clock_at = |now, is_synchronized| clock(Clock { now, is_synchronized });
    let encodes = |name: &str, software| encoder(&Ok((name.into(), software)), true);
    let none = Err("no encoder works".to_owned());
    let mib = |n: u64| disk("/var/lib/parlor", n << 20, 8192 << 20);
    let hot = |milli| heat(&[("cpu".into(), 40_000), ("soc".into(), milli)]);
    let cases = [
        ("clock", clock_at(NOW, Some(true)), '+', ""),
        ("clock, not told", clock_at(NOW, None), '+', ""),
        ("clock, free", clock_at(NOW, Some(false)), '?', "timedatectl set-ntp true"),
        ("clock, 1970", clock_at(100, Some(true)), '-', "timedatectl set-ntp true"),
        ("hardware", encodes("v4l2h264enc", false), '+', ""),
        ("x264", encodes("x264enc", true), '+', ""),
        ("vp8", encodes("vp8enc", true), '?', "gstreamer1.0-plugins-ugly"),
        ("no encoder", encoder(&none, true), '-', "gstreamer1.0-plugins-ugly"),
        ("none needed", encoder(&none, false), '?', ""),
        ("disk", mib(4096), '+', ""),
        ("disk, nearly full", mib(100), '?', "disk"),
        ("disk, full", mib(1), '-', "disk"),
        ("buffers", buffers(4_194_304, 4_194_304), '+', ""),
        ("buffers, small", buffers(212_992, 4_194_304), '?', "net.core.rmem_max=4194304"),
        ("files", descriptors(524_288), '+', ""),
        ("files, few", descriptors(1024), '?', "LimitNOFILE"),
        ("cool", hot(50_000), '+', ""),
        ("warm", hot(81_000), '?', "fan"),
        ("hot", hot(90_000), '-', "fan"),
        ("no sensor", heat(&[]), '?', ""),
        ("power", throttled(0), '+', ""),
        ("power, weak now", throttled(0x5_0001), '-', "power supply"),
        ("slowed", throttled(0x4), '-', "heat"),
        ("power, weak once", throttled(0x1_0000), '?', "power supply"),
    ];
    for (what, verdict, mark, word) in cases {
        check(what, &verdict, mark, word);
    }
}

#[test]
fn a_camera_that_cannot_be_opened_says_why() {
    let device = |is_configured, fault| Camera { path: "/dev/video0".into(), is_configured, fault };
    let cases = [
        (vec![], '+', ""),
        (vec![device(false, None)], '+', ""),
        (vec![device(true, Some(ErrorKind::NotFound))], '-', "/dev/video0"),
        (vec![device(false, Some(ErrorKind::PermissionDenied))], '-', "group video"),
        // Somebody else's, or a part of one.
        (vec![device(false, Some(ErrorKind::ResourceBusy))], '+', ""),
    ];
    for (devices, mark, word) in cases {
        check(&format!("{devices:?}"), &camera(&devices), mark, word);
    }
}
