//! Captured conversations in, values out; and whatever else in, no panic out.
//!
//! `tests/netlink/*.bin` were recorded in a network namespace (Linux 6.18, little endian): a veth
//! pair `eth0`, `eth0-peer`; a bridge `docker0`; a tun device `wg0`.

use super::*;

const LINKS: &[u8] = include_bytes!("../../../tests/netlink/dump-links.bin");
const ADDRESSES: &[u8] = include_bytes!("../../../tests/netlink/dump-addresses.bin");
const ROUTES: &[u8] = include_bytes!("../../../tests/netlink/dump-routes.bin");
const UP: &[u8] = include_bytes!("../../../tests/netlink/notify-up.bin");
const DOWN: &[u8] = include_bytes!("../../../tests/netlink/notify-down.bin");

/// Each message in a line, flags reduced to those that count.
fn lines(datagram: &[u8]) -> Vec<String> {
    let address = |sign: &str, address: InterfaceAddress| {
        let InterfaceAddress { index, ip, prefix_len, flags, scope } = address;
        let tentative = if flags & IFA_F_TENTATIVE == 0 { "" } else { " tentative" };
        format!("{sign}{index} {ip}/{prefix_len} scope {scope}{tentative}")
    };
    let line = |message| match message {
        Message::Link(link) => {
            let flag = |bit, text| if link.flags & bit == 0 { "" } else { text };
            let kind = link.kind.unwrap_or_default();
            let flags = [
                flag(IFF_UP, " up"),
                flag(IFF_RUNNING, " running"),
                flag(IFF_LOOPBACK, " loopback"),
            ];
            format!("{} {} {kind}{}", link.index, link.name, flags.concat())
        }
        Message::Address(found) => address("", found),
        Message::AddressGone(found) => address("-", found),
        other => format!("{other:?}"),
    };
    messages(datagram).map(line).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn dumps_are_read() {
    let links = [
        "1 lo  up running loopback",
        "2 eth0-peer veth up running",
        "3 eth0 veth up running",
        "4 docker0 bridge up running",
        "5 wg0 tun up",
        "Done(1)",
    ];
    assert_eq!(lines(LINKS), links);
    let addresses = [
        "1 127.0.0.1/8 scope 254",
        "3 192.168.77.2/24 scope 0",
        "4 172.17.0.1/16 scope 0",
        // Our end of the point to point link, whose other end is 10.8.0.1.
        "5 10.8.0.2/32 scope 0",
        "1 ::1/128 scope 254",
        "2 fe80::",
        "3 2001:db8:77::2/64 scope 0",
        "3 fe80::",
        "4 fe80::",
        "Done(2)",
    ];
    let found = lines(ADDRESSES);
    assert_eq!(found.len(), addresses.len(), "{found:?}");
    for (found, expected) in found.iter().zip(addresses) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
    let route = |index: u32, prefix: &str| {
        format!("Route(Route {{ index: {index}, prefix: {prefix}, via: false }})")
    };
    let expected = [
        "Gateway(192.168.77.1)".to_owned(),
        route(5, "10.8.0.1/32"),
        route(4, "172.17.0.0/16"),
        route(3, "192.168.77.0/24"),
        route(3, "2001:db8:77::/64"),
        route(4, "fe80::/64"),
        route(3, "fe80::/64"),
        route(2, "fe80::/64"),
        "Done(3)".to_owned(),
    ];
    assert_eq!(lines(ROUTES), expected);
}

#[test]
#[cfg(target_endian = "little")]
fn notifications_are_read() {
    let up = lines(UP);
    assert!(up.contains(&"3 192.168.77.2/24 scope 0".to_owned()), "{up:?}");
    assert!(up.contains(&"3 eth0 veth up running".to_owned()), "{up:?}");
    let tentative = up.iter().position(|line| line == "3 2001:db8:77::2/64 scope 0 tentative");
    let settled = up.iter().position(|line| line == "3 2001:db8:77::2/64 scope 0");
    assert!(tentative.is_none() || tentative < settled, "{up:?}");
    assert!(settled.is_some(), "{up:?}");

    let down = lines(DOWN);
    assert!(down.contains(&"-3 192.168.77.2/24 scope 0".to_owned()), "{down:?}");
    assert!(down.contains(&"LinkGone(3)".to_owned()), "{down:?}");
    // port0 (7) was put into the bridge and taken out again: it is not gone for that.
    assert!(down.contains(&"7 port0 veth".to_owned()), "{down:?}");
    assert!(!down.contains(&"LinkGone(7)".to_owned()), "{down:?}");
}

#[test]
fn every_cut_is_survived_and_yields_a_prefix() {
    for whole in [ADDRESSES, ROUTES, UP] {
        let expected: Vec<_> = messages(whole).collect();
        for len in 0..whole.len() {
            let found: Vec<_> = messages(&whole[..len]).collect();
            assert!(expected.starts_with(&found), "cut at {len}");
        }
    }
}

#[test]
fn garbage_is_survived() {
    // xorshift64: the same bytes in every run
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let mut n_messages = 0;
    for whole in [LINKS, ADDRESSES, ROUTES, DOWN] {
        for _ in 0..500 {
            let mut bytes = whole.to_vec();
            for _ in 0..1 + random() % 8 {
                let at = random() % bytes.len();
                bytes[at] = random() as u8;
            }
            n_messages += messages(&bytes).count();
        }
    }
    assert!(n_messages > 0, "some of it was still read");
}

#[test]
fn contradictions_are_skipped() {
    let cases: [(&str, Vec<u8>); 6] = [
        ("nothing", vec![]),
        ("a length below the header's", message_bytes(RTM_NEWADDR, &[])[..15].to_vec()),
        ("no body", message_bytes(RTM_NEWADDR, &[])),
        ("a prefix longer than the address", {
            message_bytes(RTM_NEWADDR, &[2, 33, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 1])
        }),
        ("an IPv6 address of four bytes", {
            message_bytes(RTM_NEWADDR, &[10, 64, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 1])
        }),
        ("an interface without a name", message_bytes(RTM_NEWLINK, &[0; 16])),
    ];
    for (what, bytes) in cases {
        assert_eq!(messages(&bytes).count(), 0, "{what}");
    }
    // A length of zero must not be read for ever.
    let mut endless = message_bytes(NLMSG_DONE, &[0; 4]);
    endless[..4].fill(0);
    assert_eq!(messages(&endless).count(), 0);
}

#[test]
fn a_disturbed_dump_is_an_overrun() {
    let mut bytes = message_bytes(NLMSG_DONE, &[0; 4]);
    bytes[6..8].copy_from_slice(&(NLM_F_DUMP_INTR | 2).to_ne_bytes());
    assert_eq!(messages(&bytes).collect::<Vec<_>>(), [Message::Overrun]);
    let errno = message_bytes(NLMSG_ERROR, &(-16_i32).to_ne_bytes());
    assert_eq!(messages(&errno).collect::<Vec<_>>(), [Message::Failed(0, 16)]);
    let acknowledged = message_bytes(NLMSG_ERROR, &[0; 4]);
    assert_eq!(messages(&acknowledged).count(), 0);
    let smallest = message_bytes(NLMSG_ERROR, &i32::MIN.to_ne_bytes());
    assert_eq!(messages(&smallest).count(), 0);
}

fn message_bytes(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((HEADER_LEN + body.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.resize(HEADER_LEN, 0);
    bytes.extend(body);
    bytes
}
