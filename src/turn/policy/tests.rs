//! Tables: who is reached, and by which address.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

fn range(first: &str, last: &str) -> IpRange {
    IpRange { first: ip(first), last: ip(last) }
}

fn policy() -> Policy {
    let own = |bound, told| OwnAddress { bound: ip(bound), told: ip(told) };
    Policy {
        own: vec![
            own("192.168.1.5", "203.0.113.7"),
            own("10.9.0.1", "10.9.0.1"),
            own("2001:db8:5::5", "2001:db8:5::5"),
        ],
        also_own: vec![ip("172.17.0.1"), ip("198.51.100.9")],
        on_link: vec![("2001:db8:5::".parse().expect("a prefix"), 64)],
        media: Some(10_000..=10_001),
        forwarded: vec![(socket("198.51.100.9:40000"), 10_000)],
        allowed: vec![range("10.0.0.8", "10.0.0.9"), range("127.0.0.0", "127.255.255.255")],
        denied: vec![range("10.0.0.0", "10.0.0.255"), range("192.0.2.0", "192.0.2.255")],
    }
}

#[test]
fn a_relay_leads_outward_and_to_no_neighbour() {
    use Reason::{Denied, OwnService, Private, Special};
    for (peer, expected) in [
        ("198.51.100.1", Ok(())),
        ("2001:db8:6::1", Ok(())),
        ("127.0.0.1", Err(Special)),
        ("0.0.0.0", Err(Special)),
        ("0.1.2.3", Err(Special)),
        ("169.254.169.254", Err(Special)),
        ("224.0.0.251", Err(Special)),
        ("255.255.255.255", Err(Special)),
        ("240.0.0.1", Err(Special)),
        ("::", Err(Special)),
        ("::1", Err(Special)),
        ("fe80::1", Err(Special)),
        ("fec0::1", Err(Special)),
        ("ff02::fb", Err(Special)),
        ("10.0.1.1", Err(Private)),
        ("172.16.0.1", Err(Private)),
        ("192.168.1.6", Err(Private)),
        ("100.64.0.1", Err(Private)),
        ("100.128.0.1", Ok(())),
        ("198.19.0.1", Err(Private)),
        ("fd00::1", Err(Private)),
        ("2001:db8:5::77", Err(Private)),
        ("2001:db8:5:1::77", Ok(())),
        ("10.0.0.7", Err(Denied)),
        ("192.0.2.3", Err(Denied)),
        ("10.0.0.8", Ok(())),
        // Ours: the port decides.
        ("192.168.1.5", Ok(())),
        ("203.0.113.7", Ok(())),
        ("172.17.0.1", Ok(())),
        // The same in other clothes.
        ("::ffff:127.0.0.1", Err(Special)),
        ("::ffff:198.51.100.1", Ok(())),
        ("::ffff:192.168.1.5", Err(OwnService)),
        ("::ffff:203.0.113.7", Err(OwnService)),
        ("64:ff9b::7f00:1", Err(Special)),
        ("64:ff9b::c633:6401", Ok(())),
        ("64:ff9b::cb00:7107", Err(OwnService)),
        ("2002:c0a8:0106::1", Err(Private)),
        ("2002:7f00:0001::", Err(Special)),
        ("2001:0:1:2:3:4:3f57:fef9", Err(Private)),
        ("::192.168.1.6", Err(Private)),
        ("::ffff:0:192.168.1.6", Err(Private)),
    ] {
        assert_eq!(policy().judge(ip(peer)), expected, "{peer}");
    }
}

#[test]
fn to_ourselves_goes_by_the_relays_own_address() {
    let bound = ip("192.168.1.5");
    for (peer, expected) in [
        ("198.51.100.1:9", Way::Out(socket("198.51.100.1:9"))),
        ("192.168.1.5:10000", Way::Out(socket("192.168.1.5:10000"))),
        ("203.0.113.7:10001", Way::Out(socket("192.168.1.5:10001"))),
        ("198.51.100.9:40000", Way::Out(socket("192.168.1.5:10000"))),
        ("198.51.100.9:40001", Way::Inside),
        ("203.0.113.7:10002", Way::Inside),
        ("192.168.1.5:8172", Way::Inside),
        ("172.17.0.1:53", Way::Inside),
        ("192.168.1.6:10000", Way::No(Reason::Private)),
        ("127.0.0.1:10000", Way::No(Reason::Special)),
        ("[::ffff:192.168.1.5]:8172", Way::No(Reason::OwnService)),
        ("[::ffff:192.168.1.5]:10000", Way::No(Reason::OwnService)),
    ] {
        assert_eq!(policy().way(socket(peer), bound), expected, "{peer}");
    }
}

#[test]
fn a_client_is_told_the_address_it_came_to_or_the_best() {
    let policy = policy();
    let told = |ipv4, local| policy.home(ipv4, ip(local)).map(|home| home.told);
    for (ipv4, local, expected) in [
        (true, "10.9.0.1", "10.9.0.1"),
        (true, "192.168.1.5", "203.0.113.7"),
        (true, "127.0.0.1", "203.0.113.7"),
        (true, "2001:db8:5::5", "203.0.113.7"),
        (false, "10.9.0.1", "2001:db8:5::5"),
    ] {
        assert_eq!(told(ipv4, local), Some(ip(expected)), "{local}");
    }
    assert_eq!(Policy::default().home(true, ip("127.0.0.1")), None);
}

#[test]
fn what_comes_from_ourselves_has_the_name_that_the_client_knows() {
    let policy = policy();
    let seen = |from, permitted: &str| {
        policy.outward(socket(from), |name| name == ip(permitted)).map(|seen| seen.to_string())
    };
    for (from, permitted, expected) in [
        ("198.51.100.1:9", "198.51.100.1", Some("198.51.100.1:9")),
        ("198.51.100.1:9", "198.51.100.2", None),
        ("192.168.1.5:10000", "192.168.1.5", Some("192.168.1.5:10000")),
        ("192.168.1.5:10001", "203.0.113.7", Some("203.0.113.7:10001")),
        ("192.168.1.5:10000", "198.51.100.9", Some("198.51.100.9:40000")),
        ("198.51.100.1:9", "203.0.113.7", None),
    ] {
        assert_eq!(seen(from, permitted).as_deref(), expected, "{from} {permitted}");
    }
}
