//! PURE. What is known of the interfaces, and the settings, become the addresses that are announced.
//!
//! Owns the judgement: which interfaces count, which of their addresses are fit to be told to
//! clients, and in which order; what is around is [`networks`]'s. Does not watch anything
//! (`watch`) and does not resolve names: DNS entries of `network.announce` are passed over here.
//!
//! Left out: loopback, interfaces that are down or without carrier, interfaces that the globs leave
//! out, and addresses that are host-scoped, link-local IPv6 (they need a zone, which no candidate
//! can carry), deprecated (RFC 4862 section 5.5.4), tentative or duplicate (section 5.4), or
//! temporary (RFC 8981) beside a stable one of the same prefix.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use super::{
    container::Container,
    networks,
    parse::{
        IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TEMPORARY, IFA_F_TENTATIVE, IFF_LOOPBACK,
        IFF_RUNNING, IFF_UP, InterfaceAddress, Link, RT_SCOPE_HOST,
    },
    table::Table,
};
use crate::{
    config::{Announce, NetworkSettings},
    seams::{AddressOrigin, Addresses, LocalAddress},
};

/// Names and kinds that VPNs use: tun(4), WireGuard, Tailscale, ZeroTier, Nebula.
const VPN_NAMES: [&str; 7] = ["tun*", "tap*", "wg*", "tailscale*", "utun*", "zt*", "nebula*"];
const VPN_KINDS: [&str; 2] = ["tun", "wireguard"];

/// What is announced at this moment, best first, and what is around.
///
/// `hostname` may hold a domain, which is cut off. `container`: what parlor itself runs in.
pub fn addresses(
    table: &Table,
    settings: &NetworkSettings,
    hostname: &str,
    container: Container,
) -> Addresses {
    let mut ranked: Vec<(Rank, LocalAddress)> = Vec::new();
    for address in table.addresses.values() {
        let Some(link) = table.links.get(&address.index) else { continue };
        if !link_counts(link, settings) || !address_counts(address, table) {
            continue;
        }
        let vpn = is_vpn(link, address.ip);
        let rank = Rank { vpn, class: class(address.ip), index: link.index, ip: address.ip };
        ranked.push((rank, local_address(address, link, vpn)));
    }
    ranked.sort_by(|(left, _), (right, _)| left.cmp(right));

    let mut seen = BTreeSet::new();
    let discovered = ranked.into_iter().map(|(_, address)| address);
    let configured = settings.announce.iter().filter_map(configured);
    let announced = discovered
        .chain(configured)
        .filter(|address| seen.insert((address.ip, configured_port(address))))
        .collect();

    let hostname = hostname.split('.').next().unwrap_or_default().to_owned();
    let networks = networks::networks(table, settings, container);
    Addresses { announced, networks, hostname }
}

/// The order of what was discovered: LAN before VPN, then what most clients can reach.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    vpn: bool,
    class: Class,
    /// The kernel numbers interfaces as it finds them: built-in ones before those plugged in.
    index: u32,
    ip: IpAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    PrivateV4,
    PublicV4,
    UniqueLocalV6,
    GlobalV6,
    /// 169.254/16: what a network without DHCP has, last because it rarely is the one that counts.
    LinkLocalV4,
}

fn class(ip: IpAddr) -> Class {
    match ip {
        IpAddr::V4(ip) if ip.is_link_local() => Class::LinkLocalV4,
        IpAddr::V4(ip) if ip.is_private() || is_shared(ip) => Class::PrivateV4,
        IpAddr::V4(_) => Class::PublicV4,
        IpAddr::V6(ip) if ip.is_unique_local() => Class::UniqueLocalV6,
        IpAddr::V6(_) => Class::GlobalV6,
    }
}

/// 100.64/10 (RFC 6598), which Tailscale gives out too.
fn is_shared(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && second & 0xc0 == 64
}

fn is_vpn(link: &Link, ip: IpAddr) -> bool {
    matches_any(&VPN_NAMES, &link.name)
        || link.kind.as_deref().is_some_and(|kind| VPN_KINDS.contains(&kind))
        || matches!(ip, IpAddr::V4(ip) if is_shared(ip))
}

/// Why an address that the kernel knows is not announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is this machine's alone: of the loopback interface, or of the scope `host`.
    Loopback,
    /// Its interface is down, or has no carrier.
    Down,
    /// `network.interfaces` leaves its interface out.
    LeftOut,
    /// Link-local IPv6: it needs a zone, which no candidate can carry.
    LinkLocal,
    /// Somebody else on the link has it (RFC 4862 section 5.4).
    Duplicate,
    /// It is not known yet whether somebody else has it.
    Tentative,
    /// Its time is over (RFC 4862 section 5.5.4).
    Deprecated,
    /// It changes by the day, and a lasting one of the same prefix is there (RFC 8981).
    Temporary,
    /// It is no address by which one machine is reached.
    Special,
}

/// An address that the kernel knows, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Which.
    pub ip: IpAddr,
    /// Whose.
    pub interface: String,
    /// Whether the interface is a container's or a virtual machine's, by its name.
    pub is_container: bool,
    /// `None`: it is announced.
    pub unfit: Option<Unfit>,
}

/// Every address that the kernel knows, with the reason for what became of it.
pub fn judged(table: &Table, settings: &NetworkSettings) -> Vec<Judged> {
    let each = table.addresses.values().filter_map(|address| {
        let link = table.links.get(&address.index)?;
        let unfit = link_fault(link, settings).or_else(|| address_fault(address, table));
        let is_container = networks::is_container_name(&link.name);
        Some(Judged { ip: address.ip, interface: link.name.clone(), is_container, unfit })
    });
    each.collect()
}

pub(super) fn link_counts(link: &Link, settings: &NetworkSettings) -> bool {
    link_fault(link, settings).is_none()
}

fn link_fault(link: &Link, settings: &NetworkSettings) -> Option<Unfit> {
    let ready = IFF_UP | IFF_RUNNING;
    if link.flags & IFF_LOOPBACK != 0 {
        Some(Unfit::Loopback)
    } else if link.flags & ready != ready {
        Some(Unfit::Down)
    } else if !name_counts(&link.name, settings) {
        Some(Unfit::LeftOut)
    } else {
        None
    }
}

/// Excluding beats including, except that an interface which `include` names in full is meant:
/// `br-lan` is the LAN of many a router, though `br-*` are container bridges elsewhere.
pub(super) fn name_counts(name: &str, settings: &NetworkSettings) -> bool {
    if settings.include.iter().any(|glob| glob == name) {
        return true;
    }
    (settings.include.is_empty() || matches_any(&settings.include, name))
        && !matches_any(&settings.exclude, name)
}

fn address_counts(address: &InterfaceAddress, table: &Table) -> bool {
    address_fault(address, table).is_none()
}

fn address_fault(address: &InterfaceAddress, table: &Table) -> Option<Unfit> {
    let flag = |bit| address.flags & bit != 0;
    let is_special = |ip: IpAddr| ip.is_unspecified() || ip.is_multicast();
    if address.scope == RT_SCOPE_HOST || address.ip.is_loopback() {
        return Some(Unfit::Loopback);
    }
    if flag(IFA_F_DADFAILED) {
        return Some(Unfit::Duplicate);
    }
    match address.ip {
        ip if is_special(ip) => Some(Unfit::Special),
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(Unfit::LinkLocal),
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Some(Unfit::Special),
        IpAddr::V6(_) if flag(IFA_F_TENTATIVE) => Some(Unfit::Tentative),
        IpAddr::V6(_) if flag(IFA_F_DEPRECATED) => Some(Unfit::Deprecated),
        IpAddr::V6(_) if flag(IFA_F_TEMPORARY) && has_stable_sibling(address, table) => {
            Some(Unfit::Temporary)
        }
        IpAddr::V6(_) => None,
    }
}

/// Whether the interface also has a lasting address of the same prefix.
fn has_stable_sibling(temporary: &InterfaceAddress, table: &Table) -> bool {
    let unfit = IFA_F_TEMPORARY | IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED;
    table.addresses.values().any(|other| {
        other.index == temporary.index && other.flags & unfit == 0 && contains(temporary, other.ip)
    })
}

/// Whether `ip` lies in the on-link prefix of `address`.
pub(super) fn contains(address: &InterfaceAddress, ip: IpAddr) -> bool {
    let (own, other, bits) = match (address.ip, ip) {
        (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128_u32),
        _ => return false,
    };
    let differ: u128 = own ^ other;
    let host_bits = bits.saturating_sub(address.prefix_len.into());
    differ.checked_shr(host_bits).unwrap_or(0) == 0
}

fn local_address(address: &InterfaceAddress, link: &Link, vpn: bool) -> LocalAddress {
    let origin = if vpn { AddressOrigin::Vpn } else { AddressOrigin::Interface };
    LocalAddress {
        ip: address.ip,
        prefix_len: address.prefix_len,
        interface: link.name.clone(),
        origin,
    }
}

fn configured(entry: &Announce) -> Option<LocalAddress> {
    let ip = entry.ip()?;
    let port = match entry {
        Announce::Socket(address) => Some(address.port()),
        Announce::Ip(_) | Announce::Name(_) => None,
    };
    let prefix_len = if ip.is_ipv4() { 32 } else { 128 };
    let origin = AddressOrigin::Configured(port);
    Some(LocalAddress { ip, prefix_len, interface: String::new(), origin })
}

fn configured_port(address: &LocalAddress) -> Option<u16> {
    match address.origin {
        AddressOrigin::Configured(port) => port,
        AddressOrigin::Interface | AddressOrigin::Vpn => None,
    }
}

pub(super) fn matches_any(globs: &[impl AsRef<str>], name: &str) -> bool {
    globs.iter().any(|glob| glob_matches(glob.as_ref().as_bytes(), name.as_bytes()))
}

/// Whether the whole name matches: `*` is any run of characters, `?` any one.
///
/// Linear in space and at worst quadratic in time: on a mismatch only the last `*` takes one more.
fn glob_matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at_glob, mut at_name) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at_name < name.len() {
        match glob.get(at_glob) {
            Some(b'*') => {
                last_star = Some((at_glob, at_name));
                at_glob += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[at_name] => {
                at_glob += 1;
                at_name += 1;
            }
            _ => match last_star {
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    at_glob = star + 1;
                    at_name = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[at_glob..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
pub(super) mod tests;
