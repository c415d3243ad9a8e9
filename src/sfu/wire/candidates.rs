//! Announced addresses become ICE host candidates (RFC 8445 5.1, RFC 8839 5.1), by UDP and by TCP, where
//! clients come to us (RFC 6544 4.5: passive).
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
/// Any by TCP comes after each by UDP (RFC 6544 4.2); the number is libwebrtc's.
const TCP_PREFERENCE: u32 = 90;
/// A passive one's, above thirteen bits of its own (RFC 6544 4.2).
const PASSIVE_PREFERENCE: u32 = 4 << 13;

/// What a worker's port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sockets {
    /// The UDP socket, and the other with it, speaks IPv6.
    pub ipv6: bool,
    /// It is there by TCP too.
    pub tcp: bool,
}

/// Candidates of one worker, best first, as attribute values (`candidate:…` without `a=`).
///
/// `port` is the worker's own. A configured address with a port of its own speaks of the first
/// worker's, so other workers leave it out. It stands for both protocols: a tunnel forwards TCP alone,
/// and nobody but its owner knows that.
pub fn host_candidates(
    addresses: &Addresses,
    port: u16,
    first_worker: bool,
    sockets: Sockets,
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
        if reachable(target.0, sockets.ipv6) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets.push((IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let priority = |preference: u32, local: u32| (preference << 24) | (local << 8) | 255;
    let below = |most: u32, rank: usize| most.saturating_sub(rank as u32);
    let udp = targets.iter().enumerate().map(|(rank, (ip, port))| {
        let priority = priority(HOST_PREFERENCE, below(0xffff, rank));
        format!("candidate:{} 1 udp {priority} {ip} {port} typ host", rank + 1)
    });
    let n_udp = targets.len();
    let tcp = targets.iter().enumerate().filter(|_| sockets.tcp).map(|(rank, (ip, port))| {
        let priority = priority(TCP_PREFERENCE, PASSIVE_PREFERENCE | below(0x1fff, rank));
        let foundation = n_udp + rank + 1;
        format!("candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive")
    });
    udp.chain(tcp).collect()
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

    /// Targets of a protocol, with what comes after them.
    fn targets<'l>(lines: &'l [String], protocol: &str) -> Vec<(String, Vec<&'l str>)> {
        let words = lines.iter().map(|line| line.split(' ').collect::<Vec<_>>());
        let own = words.filter(|words| words[2] == protocol);
        own.map(|words| (format!("{} {}", words[4], words[5]), words[6..].to_vec())).collect()
    }

    fn check(list: &[(&str, AddressOrigin)], first_worker: bool, ipv6: bool, expected: &[&str]) {
        for tcp in [false, true] {
            let sockets = Sockets { ipv6, tcp };
            let lines = host_candidates(&addresses(list), 10_000, first_worker, sockets);
            let all = |tail: &[&'static str]| -> Vec<(String, Vec<&str>)> {
                expected.iter().map(|target| ((*target).to_owned(), tail.to_vec())).collect()
            };
            assert_eq!(targets(&lines, "udp"), all(&["typ", "host"]));
            let by_tcp = if tcp { all(&["typ", "host", "tcptype", "passive"]) } else { Vec::new() };
            assert_eq!(targets(&lines, "tcp"), by_tcp);
            let word = |nth| lines.iter().map(move |line| line.split(' ').nth(nth).unwrap_or(""));
            let priorities: Vec<u32> = word(3).map(|p| p.parse().expect("a priority")).collect();
            assert!(priorities.is_sorted_by(|a, b| a > b), "{lines:?}");
            let foundations: std::collections::BTreeSet<&str> = word(0).collect();
            assert_eq!(foundations.len(), lines.len(), "each has a base of its own");
            assert!(word(1).all(|component| component == "1"));
        }
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
        let sockets = Sockets { ipv6: true, tcp: true };
        let lines = host_candidates(&Addresses::loopback(), 10_000, true, sockets);
        assert_eq!(
            lines,
            [
                "candidate:1 1 udp 2130706431 127.0.0.1 10000 typ host",
                "candidate:2 1 tcp 1520435199 127.0.0.1 10000 typ host tcptype passive",
            ]
        );
    }
}
