//! PURE. Which names and addresses the box's own certificate may carry, and which it must not.
//!
//! The box's authority is constrained (RFC 5280, 4.2.1.10) to names and addresses that cannot belong
//! to anybody on the internet: who trusts it risks nothing elsewhere, should its key be stolen.
//! Browsers refuse a leaf that has *one* name outside, so all others are left out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::seams::Addresses;

/// Address ranges of the constraints: private (RFC 1918), loopback, link-local, carrier-grade NAT
/// (RFC 6598, where some VPNs live), ULA (RFC 4193). With bits of the prefix.
pub(super) const RANGES: [(IpAddr, u8); 9] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

/// Names of the constraints that every box has; its host name at the time comes to them. `.local` is
/// mDNS's (RFC 6762), `home.arpa` for homes (RFC 8375), `.lan` what many routers use.
pub(super) const DOMAINS: [&str; 4] = ["local", "lan", "home.arpa", "localhost"];

/// Domains in which a router may know the box by its host name, where the authority permits them.
const ROUTERS: [&str; 2] = ["lan", "home.arpa"];

/// What a leaf carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeafNames {
    /// DNS names: the present ones sorted, then former ones, the latest first.
    pub(super) hosts: Vec<String>,
    /// Addresses, likewise.
    pub(super) ips: Vec<IpAddr>,
    /// What had to be left out: it is outside the constraints.
    pub(super) left_out: Vec<String>,
}

/// How many former names, and how many former addresses, a leaf carries on: some weeks of a box that is
/// carried between home and work, some days of one whose provider changes its prefix each night.
const N_FORMER: usize = 12;

impl LeafNames {
    /// These, and what a leaf of before carried.
    pub(super) fn with_former(mut self, former: Option<&Self>) -> Self {
        let Some(former) = former else { return self };
        add_former(&mut self.hosts, &former.hosts);
        add_former(&mut self.ips, &former.ips);
        self
    }
}

fn add_former<T: Clone + PartialEq>(present: &mut Vec<T>, former: &[T]) {
    let gone: Vec<T> =
        former.iter().filter(|name| !present.contains(name)).take(N_FORMER).cloned().collect();
    present.extend(gone);
}

/// True if `ip` is in the range of `network`. A prefix of 0 bits is everything of its family; one that
/// is too long is the address alone.
pub(crate) fn in_range(ip: IpAddr, network: IpAddr, prefix_len: u8) -> bool {
    let longest = if network.is_ipv4() { 32 } else { 128 };
    let network = IpNet::new(network, prefix_len.min(longest));
    network.is_ok_and(|network| network.trunc().contains(&ip))
}

/// A host name as a DNS label in lower case, if it is one (RFC 1123, 2.1).
pub(super) fn label(hostname: &str) -> Option<String> {
    let name = hostname.to_ascii_lowercase();
    let fits = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        // A name of digits alone reads as an address.
        && name.bytes().any(|b| !b.is_ascii_digit());
    fits.then_some(name)
}

/// What the leaf carries for these addresses, under an authority that permits `domains`.
pub(super) fn leaf_names(addresses: &Addresses, domains: &[String]) -> LeafNames {
    let permitted = |host: &str| {
        let within = |domain: &String| {
            host.strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        domains.iter().any(within)
    };
    let mut names = LeafNames::default();
    let mut hosts = vec!["localhost".to_owned()];
    match label(&addresses.hostname) {
        Some(label) if label != "localhost" => {
            let by_routers = ROUTERS.map(|domain| format!("{label}.{domain}"));
            hosts.extend(by_routers.into_iter().filter(|host| permitted(host)));
            hosts.extend([format!("{label}.local"), label]);
        }
        Some(_) => {}
        None if addresses.hostname.is_empty() => {}
        None => names.left_out.push(addresses.hostname.clone()),
    }
    for host in hosts {
        if permitted(&host) { names.hosts.push(host) } else { names.left_out.push(host) }
    }
    let own = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    for ip in addresses.ips().map(|ip| ip.to_canonical()).chain(own) {
        if RANGES.iter().any(|&(network, prefix_len)| in_range(ip, network, prefix_len)) {
            names.ips.push(ip);
        } else {
            names.left_out.push(ip.to_string());
        }
    }
    names.hosts.sort();
    names.ips.sort();
    names.ips.dedup();
    names.left_out.sort();
    names.left_out.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{AddressOrigin, LocalAddress};

    fn addresses(hostname: &str, ips: &[&str]) -> Addresses {
        let announced = ips.iter().map(|ip| LocalAddress {
            ip: ip.parse().expect("an address"),
            prefix_len: 24,
            interface: "eth0".into(),
            origin: AddressOrigin::Interface,
        });
        Addresses {
            announced: announced.collect(),
            networks: Default::default(),
            hostname: hostname.into(),
        }
    }

    fn domains(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_leaf_has_all_private_names_and_nothing_outside() {
        let addresses =
            addresses("Kitchen", &["192.168.1.5", "203.0.113.2", "fd00::5", "2001:db8::5"]);
        let names = leaf_names(&addresses, &domains(&["local", "localhost", "kitchen"]));
        assert_eq!(names.hosts, ["kitchen", "kitchen.local", "localhost"]);
        let ips: Vec<IpAddr> = ["127.0.0.1", "192.168.1.5", "::1", "fd00::5"]
            .iter()
            .map(|ip| ip.parse().expect("an address"))
            .collect();
        assert_eq!(names.ips, ips);
        assert_eq!(names.left_out, ["2001:db8::5", "203.0.113.2"]);
    }

    #[test]
    fn a_name_given_later_is_outside_the_constraints_of_before() {
        let names =
            leaf_names(&addresses("attic", &[]), &domains(&["local", "localhost", "kitchen"]));
        assert_eq!(names.hosts, ["attic.local", "localhost"]);
        assert_eq!(names.left_out, ["attic"]);
        for odd in ["my_box", "-x", "42", "a.b", &"x".repeat(64)] {
            let names = leaf_names(&addresses(odd, &[]), &domains(&["local", "localhost"]));
            assert_eq!((names.hosts.len(), names.left_out.len()), (1, 1), "{odd}");
        }
        assert_eq!(leaf_names(&addresses("", &[]), &domains(&["localhost"])).left_out.len(), 0);
    }

    #[test]
    fn ranges_compare_their_bits_alone() {
        for (ip, network, prefix_len, expected) in [
            ("172.31.255.255", "172.16.0.0", 12, true),
            ("172.32.0.0", "172.16.0.0", 12, false),
            ("1.2.3.4", "9.9.9.9", 0, true),
            ("1.2.3.4", "1.2.3.4", 32, true),
            ("1.2.3.5", "1.2.3.4", 32, false),
            ("1.2.3.4", "1.2.3.4", 255, true),
            ("febf::1", "fe80::", 10, true),
            ("fec0::1", "fe80::", 10, false),
            ("::1", "::1", 128, true),
            ("::2", "::1", 128, false),
            ("2001:db8::", "::", 0, true),
            ("1.2.3.4", "::", 0, false),
        ] {
            let parse = |text: &str| text.parse().expect("an address");
            assert_eq!(in_range(parse(ip), parse(network), prefix_len), expected, "{ip} {network}");
        }
    }
}
