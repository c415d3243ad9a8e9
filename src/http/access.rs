//! PURE. Who is a guest: whoever comes from the LAN, as the product contract (section 6) defines it.
//!
//! Judged by the address of the connection and by the host the request names. What a proxy claims
//! (`X-Forwarded-For`) is never looked at: anybody may write it.

use std::{fmt, net::IpAddr};

use super::host::Authority;
use crate::{
    config::{AccessSettings, Guests},
    seams::{AddressOrigin, Addresses},
    trust::in_range,
};

/// Private ranges of IPv4 (RFC 1918), link-local and ULA, with the bits of their prefix.
const LAN: [(&str, u8); 6] = [
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("169.254.0.0", 16),
    ("fe80::", 10),
    ("fc00::", 7),
];

/// Why a request is refused; its text is for whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `access.guests = "none"`.
    NoGuests,
    /// An address that is not of the LAN.
    Outside(IpAddr),
    /// The gateway of a container bridge: a port map speaks for somebody.
    Bridge(IpAddr),
    /// Loopback, but the request names another host: a tunnel speaks for somebody.
    Tunnel(Option<String>),
    /// Loopback, and the owner has said that a proxy runs here.
    LocalProxy,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGuests => f.write_str(
                "This box takes no guests (access.guests = \"none\"), and accounts come later.",
            ),
            Self::Outside(ip) => write!(
                f,
                "You come from {ip}, which is not on this box's local network. Guests are let in \
                 from the LAN only: private, link-local and unique local addresses, and IPv6 \
                 addresses of the box's own networks."
            ),
            Self::Bridge(ip) => write!(
                f,
                "You come from {ip}, a container bridge of this machine. That is a port map \
                 speaking, and it may speak for anybody, so it does not count as the LAN. Run the \
                 container with the host's network instead."
            ),
            Self::Tunnel(host) => write!(
                f,
                "The connection comes from this machine itself, but the request names {}. That is \
                 a tunnel or proxy speaking, and it may speak for anybody, so it does not count as \
                 the LAN. On the box itself, open https://localhost.",
                host.as_deref()
                    .map_or_else(|| "no host".into(), |host| format!("the host {host:?}"))
            ),
            Self::LocalProxy => f.write_str(
                "The connection comes from this machine itself, where a tunnel or proxy runs \
                 (access.local_proxy = true). It may speak for anybody, so it does not count as \
                 the LAN.",
            ),
        }
    }
}

/// Whether whoever connects from `peer` and names `host` may come in as a guest.
pub(super) fn check(
    access: &AccessSettings,
    addresses: &Addresses,
    peer: IpAddr,
    host: Option<&Authority>,
) -> Result<(), Refusal> {
    let peer = peer.to_canonical();
    if access.guests == Guests::None {
        return Err(Refusal::NoGuests);
    }
    if peer.is_loopback() {
        return check_loopback(access, host);
    }
    if addresses.bridges.iter().any(|bridge| bridge.to_canonical() == peer) {
        return Err(Refusal::Bridge(peer));
    }
    let private = LAN.iter().any(|&(network, prefix_len)| {
        network.parse().is_ok_and(|network| in_range(peer, network, prefix_len))
    });
    if private || is_on_link(addresses, peer) {
        return Ok(());
    }
    Err(Refusal::Outside(peer))
}

/// Whether this is the machine itself, and not a tunnel: `/metrics` is for it alone.
pub(super) fn is_this_machine(
    access: &AccessSettings,
    peer: IpAddr,
    host: Option<&Authority>,
) -> bool {
    peer.to_canonical().is_loopback() && check_loopback(access, host).is_ok()
}

fn check_loopback(access: &AccessSettings, host: Option<&Authority>) -> Result<(), Refusal> {
    if access.local_proxy {
        return Err(Refusal::LocalProxy);
    }
    match host {
        Some(host) if host.is_loopback() => Ok(()),
        _ => Err(Refusal::Tunnel(host.map(|host| host.host.clone()))),
    }
}

/// IPv6 only: hosts of a household have public addresses there. A public IPv4 prefix is a provider's.
fn is_on_link(addresses: &Addresses, peer: IpAddr) -> bool {
    peer.is_ipv6()
        && addresses.announced.iter().any(|own| {
            // A configured address has no prefix of its own, and none of 0 bits is on a link.
            !matches!(own.origin, AddressOrigin::Configured(_))
                && own.prefix_len > 0
                && in_range(peer, own.ip, own.prefix_len)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Loopback, seams::LocalAddress};

    fn addresses() -> Addresses {
        let local = |ip: &str, prefix_len, origin| LocalAddress {
            ip: ip.parse().expect("an address"),
            prefix_len,
            interface: "eth0".into(),
            origin,
        };
        Addresses {
            announced: vec![
                local("192.168.1.5", 24, AddressOrigin::Interface),
                local("203.0.113.5", 24, AddressOrigin::Interface),
                local("2001:db8:1::5", 64, AddressOrigin::Interface),
                local("2001:db8:2::5", 0, AddressOrigin::Interface),
                local("2001:db8:3::5", 64, AddressOrigin::Configured(None)),
            ],
            bridges: vec!["172.17.0.1".parse().expect("an address")],
            hostname: "attic".into(),
        }
    }

    fn verdict(peer: &str, host: Option<&str>, access: &AccessSettings) -> &'static str {
        let host = host.and_then(Authority::parse);
        let peer = peer.parse().expect("an address");
        match check(access, &addresses(), peer, host.as_ref()) {
            Ok(()) => "in",
            Err(refusal) => {
                assert!(refusal.to_string().ends_with('.'));
                match refusal {
                    Refusal::NoGuests => "none",
                    Refusal::Outside(_) => "outside",
                    Refusal::Bridge(_) => "bridge",
                    Refusal::Tunnel(_) => "tunnel",
                    Refusal::LocalProxy => "proxy",
                }
            }
        }
    }

    #[test]
    fn guests_come_from_the_lan_and_from_nowhere_else() {
        let loopback = Loopback::Token;
        let access = AccessSettings { guests: Guests::Lan, local_proxy: false, loopback };
        let cases = [
            ("10.1.2.3", None, "in"),
            ("172.31.0.1", None, "in"),
            ("172.32.0.1", None, "outside"),
            ("192.168.77.1", Some("evil.example"), "in"),
            ("169.254.3.4", None, "in"),
            ("fe80::1", None, "in"),
            ("fd12::1", None, "in"),
            ("100.64.0.1", None, "outside"),
            ("8.8.8.8", Some("localhost"), "outside"),
            ("203.0.113.77", None, "outside"),
            ("2001:db8:1::77", None, "in"),
            ("2001:db8:1:1::77", None, "outside"),
            ("2001:db8:3::77", None, "outside"),
            ("2a00::1", None, "outside"),
            ("172.17.0.1", Some("192.168.1.5"), "bridge"),
            ("::ffff:172.17.0.1", Some("192.168.1.5"), "bridge"),
            ("172.17.0.2", None, "in"),
            ("::ffff:192.168.1.9", None, "in"),
            ("::ffff:8.8.8.8", None, "outside"),
            ("127.0.0.1", Some("localhost:8172"), "in"),
            ("127.0.0.1", Some("127.0.0.1"), "in"),
            ("127.9.9.9", Some("parlor.localhost"), "in"),
            ("::1", Some("[::1]:8172"), "in"),
            ("::ffff:127.0.0.1", Some("LOCALHOST"), "in"),
            ("127.0.0.1", Some("parlor.example.com"), "tunnel"),
            ("127.0.0.1", Some("192.168.1.5:8172"), "tunnel"),
            ("127.0.0.1", Some("localhost.example.com"), "tunnel"),
            ("::1", None, "tunnel"),
        ];
        for (peer, host, expected) in cases {
            assert_eq!(verdict(peer, host, &access), expected, "{peer} {host:?}");
        }
    }

    #[test]
    fn a_proxy_on_the_box_is_never_the_lan_and_no_guests_is_nobody() {
        let loopback = Loopback::Token;
        let proxy = AccessSettings { guests: Guests::Lan, local_proxy: true, loopback };
        assert_eq!(verdict("127.0.0.1", Some("localhost"), &proxy), "proxy");
        assert_eq!(verdict("192.168.1.9", Some("localhost"), &proxy), "in");
        let closed = AccessSettings { guests: Guests::None, local_proxy: false, loopback };
        for peer in ["127.0.0.1", "192.168.1.9", "8.8.8.8"] {
            assert_eq!(verdict(peer, Some("localhost"), &closed), "none");
        }
    }

    #[test]
    fn metrics_are_for_the_machine_itself() {
        let loopback = Loopback::Token;
        let access = AccessSettings { guests: Guests::None, local_proxy: false, loopback };
        let host = Authority::parse("localhost");
        let is_here =
            |peer: &str| is_this_machine(&access, peer.parse().expect("an address"), host.as_ref());
        assert!(is_here("127.0.0.1") && is_here("::1") && !is_here("192.168.1.5"));
        assert!(!is_this_machine(&access, "::1".parse().expect("an address"), None));
    }
}
