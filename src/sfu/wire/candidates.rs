//! Announced addresses become ICE host candidates (RFC 8445 5.1, RFC 8839 5.1).
//!
//! Owns their order and text. It does not find addresses (`net` does) nor send anything. Later the
//! order will follow where the asking client comes from; today it is the announced one. PURE.
//!
//! `127.0.0.1` is always there, as the last and least: members inside this process (the camera's
//! `webrtcbin`) and browsers on the box itself come by it when the box has no other address or no
//! cable. To a browser elsewhere it is one check more, sent to itself and answered by nobody.

use std::net::{IpAddr, Ipv4Addr};

use crate::seams::{AddressOrigin, Addresses};

/// The recommended type preference of host candidates (RFC 8445 5.1.2.2).
const HOST_PREFERENCE: u32 = 126;

/// Candidates of one worker, best first, as attribute values (`candidate:…` without `a=`).
///
/// `port` is the worker's own. A configured address with a port of its own speaks of the first
/// worker's, so other workers leave it out. `ipv6` is whether the socket speaks it.
pub fn host_candidates(
    addresses: &Addresses,
    port: u16,
    first_worker: bool,
    ipv6: bool,
) -> Vec<String> {
    let mut targets: Vec<(IpAddr, u16)> = Vec::new();
    let announced = addresses.announced.iter().filter_map(|address| match address.origin {
        AddressOrigin::Configured(Some(forwarded)) => {
            first_worker.then_some((address.ip, forwarded))
        }
        _ => Some((address.ip, port)),
    });
    for (ip, port) in announced {
        let target = (ip.to_canonical(), port);
        if reachable(target.0, ipv6) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets.push((IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let line = |(rank, (ip, port)): (usize, &(IpAddr, u16))| {
        let local_preference = 65_535_u32.saturating_sub(rank as u32);
        let priority = (HOST_PREFERENCE << 24) | (local_preference << 8) | 255;
        format!("candidate:{} 1 udp {priority} {ip} {port} typ host", rank + 1)
    };
    targets.iter().enumerate().map(line).collect()
}

/// Whether a client could send there. Link-local IPv6 needs a zone, which candidates cannot carry.
fn reachable(ip: IpAddr, ipv6: bool) -> bool {
    if ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    match ip {
        // Added last by hand.
        IpAddr::V4(ip) => ip != Ipv4Addr::LOCALHOST && !ip.is_broadcast(),
        IpAddr::V6(ip) => ipv6 && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::LocalAddress;

    fn addresses(list: &[(&str, AddressOrigin)]) -> Addresses {
        let announced = list
            .iter()
            .map(|(ip, origin)| LocalAddress {
                ip: ip.parse().expect("an address"),
                prefix_len: 24,
                interface: "lan0".into(),
                origin: *origin,
            })
            .collect();
        Addresses { announced, networks: Default::default(), hostname: "box".into() }
    }

    fn check(list: &[(&str, AddressOrigin)], first_worker: bool, ipv6: bool, expected: &[&str]) {
        let lines = host_candidates(&addresses(list), 10_000, first_worker, ipv6);
        let targets: Vec<String> = lines
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                assert_eq!((words[1], words[2], &words[6..]), ("1", "udp", &["typ", "host"][..]));
                format!("{} {}", words[4], words[5])
            })
            .collect();
        assert_eq!(targets, expected);
        let priority = |line: &String| line.split(' ').nth(3).and_then(|p| p.parse::<u32>().ok());
        assert!(lines.is_sorted_by(|a, b| priority(a) > priority(b)), "{lines:?}");
    }

    #[test]
    fn order_ports_families_and_the_loopback() {
        use AddressOrigin::{Configured, Interface, Vpn};
        let list = [
            ("192.0.2.7", Interface),
            ("2001:db8::7", Interface),
            ("fe80::1", Interface),
            ("198.51.100.1", Configured(Some(40_000))),
            ("203.0.113.1", Configured(None)),
            ("10.8.0.2", Vpn),
            ("192.0.2.7", Interface),
            ("127.0.0.1", Interface),
            ("0.0.0.0", Interface),
        ];
        check(
            &list,
            true,
            true,
            &[
                "192.0.2.7 10000",
                "2001:db8::7 10000",
                "198.51.100.1 40000",
                "203.0.113.1 10000",
                "10.8.0.2 10000",
                "127.0.0.1 10000",
            ],
        );
        check(
            &list,
            false,
            false,
            &["192.0.2.7 10000", "203.0.113.1 10000", "10.8.0.2 10000", "127.0.0.1 10000"],
        );
        check(&[], true, true, &["127.0.0.1 10000"]);
        check(
            &[("::ffff:192.0.2.9", Interface)],
            true,
            false,
            &["192.0.2.9 10000", "127.0.0.1 10000"],
        );
    }

    #[test]
    fn a_candidate_is_written_as_the_rfc_has_it() {
        let lines = host_candidates(&Addresses::loopback(), 10_000, true, true);
        assert_eq!(lines, ["candidate:1 1 udp 2130706431 127.0.0.1 10000 typ host"]);
    }
}
