//! Tables of interfaces and addresses, and what is made of them.

use super::*;

/// `NAME KIND FLAGS`: flags are letters: u(p), r(unning), l(oopback).
fn link(index: u32, text: &str) -> Link {
    let mut words = text.split_whitespace();
    let name = words.next().expect("a name").to_owned();
    let kind = words.next().filter(|kind| *kind != "-").map(str::to_owned);
    let flags = words.next().unwrap_or("ur").chars().map(|letter| match letter {
        'u' => IFF_UP,
        'r' => IFF_RUNNING,
        'l' => IFF_LOOPBACK,
        other => panic!("no such flag: {other}"),
    });
    Link { index, name, kind, flags: flags.sum() }
}

/// `IP/LEN FLAGS`: flags are letters: d(eprecated), t(entative), p(rivacy), f(ailed), h(ost scope).
fn address(index: u32, text: &str) -> InterfaceAddress {
    let (prefix, letters) = text.split_once(' ').unwrap_or((text, ""));
    let (ip, prefix_len) = prefix.split_once('/').expect("IP/LEN");
    let mut scope = 0;
    let mut flags = 0;
    for letter in letters.chars() {
        match letter {
            'd' => flags |= IFA_F_DEPRECATED,
            't' => flags |= IFA_F_TENTATIVE,
            'p' => flags |= IFA_F_TEMPORARY,
            'f' => flags |= IFA_F_DADFAILED,
            'h' => scope = RT_SCOPE_HOST,
            other => panic!("no such flag: {other}"),
        }
    }
    let prefix_len = prefix_len.parse().expect("a number");
    InterfaceAddress { index, ip: ip.parse().expect("an address"), prefix_len, flags, scope }
}

pub(in crate::net) fn table(interfaces: &[(&str, &[&str])]) -> Table {
    let mut table = Table::default();
    for (position, (text, addresses)) in interfaces.iter().enumerate() {
        let index = position as u32 + 1;
        table.links.insert(index, link(index, text));
        for text in *addresses {
            let address = address(index, text);
            table.addresses.insert((index, address.ip), address);
        }
    }
    table
}

pub(in crate::net) fn settings() -> NetworkSettings {
    let exclude = ["docker*", "br-*", "veth*", "virbr*"].map(str::to_owned).to_vec();
    NetworkSettings { announce: Vec::new(), include: Vec::new(), exclude }
}

/// Each announced address as `IP INTERFACE ORIGIN`.
fn announced(table: &Table, settings: &NetworkSettings) -> Vec<String> {
    let shown = |address: LocalAddress| match address.origin {
        AddressOrigin::Interface => format!("{} {}", address.ip, address.interface),
        AddressOrigin::Vpn => format!("{} {} vpn", address.ip, address.interface),
        AddressOrigin::Configured(None) => format!("{} configured", address.ip),
        AddressOrigin::Configured(Some(port)) => format!("{} configured {port}", address.ip),
    };
    addresses(table, settings, "box", Container::None).announced.into_iter().map(shown).collect()
}

fn check(interfaces: &[(&str, &[&str])], expected: &[&str]) {
    assert_eq!(announced(&table(interfaces), &settings()), expected, "{interfaces:?}");
}

#[test]
fn only_lasting_addresses_of_living_interfaces_are_announced() {
    check(&[], &[]);
    check(&[("lo - url", &["127.0.0.1/8 h", "::1/128 h", "10.9.9.9/32"])], &[]);
    check(&[("eth0", &["192.168.1.2/24"])], &["192.168.1.2 eth0"]);
    check(&[("eth0 - u", &["192.168.1.2/24"])], &[]); // no carrier
    check(&[("eth0 - r", &["192.168.1.2/24"])], &[]); // switched off
    check(&[("eth0", &["192.168.1.2/24 h", "192.168.1.3/24 f"])], &[]);
    check(&[("eth0", &["192.168.1.2/24 p"])], &["192.168.1.2 eth0"]); // a secondary, in IPv4
    check(&[("eth0", &["fe80::1/64"])], &[]);
    check(&[("eth0", &["2001:db8::1/64 t", "2001:db8::2/64 d", "2001:db8::3/64 f"])], &[]);
    check(&[("eth0", &["::ffff:10.0.0.1/128", "ff02::1/16"])], &[]);
}

#[test]
fn a_temporary_address_gives_way_to_a_stable_one_of_its_prefix() {
    check(&[("eth0", &["2001:db8::1/64", "2001:db8::f00d/64 p"])], &["2001:db8::1 eth0"]);
    check(&[("eth0", &["2001:db8::f00d/64 p"])], &["2001:db8::f00d eth0"]);
    check(
        &[("eth0", &["2001:db8::1/64", "2001:db8:0:1::f00d/64 p"])],
        &["2001:db8::1 eth0", "2001:db8:0:1::f00d eth0"],
    );
    // One that is itself on the way out is no replacement; nor is another interface's.
    check(&[("eth0", &["2001:db8::1/64 d", "2001:db8::f00d/64 p"])], &["2001:db8::f00d eth0"]);
    check(
        &[("eth0", &["2001:db8::1/64"]), ("wlan0", &["2001:db8::f00d/64 p"])],
        &["2001:db8::1 eth0", "2001:db8::f00d wlan0"],
    );
}

#[test]
fn what_most_clients_reach_comes_first() {
    check(
        &[
            ("lo - url", &["127.0.0.1/8 h"]),
            ("wg0 wireguard", &["10.8.0.1/24", "fd08::1/64"]),
            ("wlan0", &["192.168.1.7/24"]),
            (
                "eth0",
                &["169.254.3.4/16", "203.0.113.5/24", "2001:db8::5/64", "fd00::5/64", "10.0.0.5/8"],
            ),
            ("tailscale0", &["100.101.1.1/32"]),
        ],
        &[
            "192.168.1.7 wlan0",
            "10.0.0.5 eth0",
            "203.0.113.5 eth0",
            "fd00::5 eth0",
            "2001:db8::5 eth0",
            "169.254.3.4 eth0",
            "10.8.0.1 wg0 vpn",
            "100.101.1.1 tailscale0 vpn",
            "fd08::1 wg0 vpn",
        ],
    );
}

#[test]
fn vpns_are_known_by_name_kind_and_address() {
    let cases = [
        ("tun0", "10.8.0.2/24", true),
        ("home tun", "10.8.0.2/24", true),
        ("home wireguard", "10.8.0.2/24", true),
        ("eth0", "100.64.0.1/32", true),
        ("eth0", "100.127.255.255/32", true),
        ("eth0", "100.63.255.255/32", false),
        ("eth0", "100.128.0.0/32", false),
        ("bond0 bond", "10.8.0.2/24", false),
    ];
    for (interface, ip, vpn) in cases {
        let found = announced(&table(&[(interface, &[ip])]), &settings());
        assert_eq!(found.len(), 1, "{interface} {ip}");
        assert_eq!(found[0].ends_with(" vpn"), vpn, "{interface} {ip}");
    }
}

#[test]
fn container_bridges_are_left_out() {
    let table = table(&[
        ("eth0", &["192.168.1.2/24"]),
        ("docker0 bridge u", &["172.17.0.1/16", "fe80::1/64"]),
        ("br-0a1b2c bridge", &["172.18.0.1/16", "fd01::1/64"]),
        ("veth12 veth", &["169.254.0.9/16"]),
        ("br0 bridge", &["192.168.2.1/24"]),
    ]);
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let found = addresses(&table, &settings(), "box.example.org", Container::None);
    assert_eq!(found.ips().collect::<Vec<_>>(), [ip("192.168.1.2"), ip("192.168.2.1")]);
    assert_eq!(found.networks.containers.len(), 4);
    assert_eq!(found.hostname, "box");

    let all = NetworkSettings { exclude: Vec::new(), ..settings() };
    let found = addresses(&table, &all, "box", Container::None);
    assert!(found.ips().any(|found| found == ip("172.18.0.1")));
    let meant = NetworkSettings { include: vec!["br-0a1b2c".into()], ..settings() };
    let found = addresses(&table, &meant, "box", Container::None);
    assert_eq!(found.ips().collect::<Vec<_>>(), [ip("172.18.0.1"), ip("fd01::1")]);
}

#[test]
fn configured_addresses_follow_once_each() {
    let announce = vec![
        Announce::Socket("203.0.113.9:10007".parse().expect("an address")),
        Announce::Name("home.example.org".into()),
        Announce::Ip("192.168.1.2".parse().expect("an address")),
        Announce::Ip("203.0.113.9".parse().expect("an address")),
        Announce::Ip("203.0.113.9".parse().expect("an address")),
    ];
    let settings = NetworkSettings { announce, ..settings() };
    let found = announced(&table(&[("eth0", &["192.168.1.2/24"])]), &settings);
    let expected = ["192.168.1.2 eth0", "203.0.113.9 configured 10007", "203.0.113.9 configured"];
    assert_eq!(found, expected);
}

#[test]
fn globs_include_and_exclude() {
    let cases: [(&[&str], &[&str], &str, bool); 8] = [
        (&[], &[], "eth0", true),
        (&[], &["eth*"], "eth0", false),
        (&["eth*"], &[], "eth0", true),
        (&["wl*"], &[], "eth0", false),
        (&["*"], &["br-*"], "br-lan", false),
        (&["br-lan"], &["br-*"], "br-lan", true),
        (&["br-lan"], &[], "eth0", false),
        (&["e??0"], &[], "eth0", true),
    ];
    for (include, exclude, name, expected) in cases {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let settings = NetworkSettings {
            announce: Vec::new(),
            include: owned(include),
            exclude: owned(exclude),
        };
        assert_eq!(name_counts(name, &settings), expected, "{include:?} {exclude:?} {name}");
    }
}

#[test]
fn a_glob_matches_the_whole_name() {
    let cases = [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("a*", "a", true),
        ("a*", "ba", false),
        ("*a", "bca", true),
        ("*a", "bab", false),
        ("a*b*c", "axxbyybc", true),
        ("a*b*c", "axxbyyb", false),
        ("?", "", false),
        ("??", "ab", true),
        ("a**b", "ab", true),
        ("*?b", "b", false),
    ];
    for (glob, name, expected) in cases {
        assert_eq!(glob_matches(glob.as_bytes(), name.as_bytes()), expected, "{glob:?} {name:?}");
    }
}
