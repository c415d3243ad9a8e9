//! Which peers a relay may be used for, and which address of ours it shows them.
//!
//! A relay is a way into this house's network for whoever has a password, so it leads outward and to
//! the media ports, not to the neighbours. What a peer's address means:
//!
//! ```text
//!  our own (an interface's, an announced one)  a relay of ours: handed over inside, without the network
//!                                              a media port: sent there
//!                                              anything else: refused
//!  loopback, link-local, multicast, reserved   refused, whatever is allowed
//!  private, the IPv6 prefix of an interface,   refused but for `allowed-peer-ip`
//!  `denied-peer-ip`
//!  anything else                               reached
//! ```
//!
//! An IPv6 address with an IPv4 one inside (mapped, NAT64, 6to4, Teredo) is judged by that.
//!
//! PURE: addresses in, verdicts out.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
};

use crate::config::IpRange;

/// One of our addresses, and what outsiders know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnAddress {
    /// On an interface: a relay is bound to it.
    pub bound: IpAddr,
    /// What a client is told; the same where no NAT lies before it.
    pub told: IpAddr,
}

/// What is known of peers.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Where relays may live, best first.
    pub own: Vec<OwnAddress>,
    /// Further addresses that lead here: those of interfaces where no relay lives, bridges among them,
    /// and announced ones that no relay is told by.
    pub also_own: Vec<IpAddr>,
    /// IPv6 prefixes of our interfaces: who is in them is behind the same router.
    pub on_link: Vec<(Ipv6Addr, u8)>,
    /// Ports of media workers.
    pub media: Option<RangeInclusive<u16>>,
    /// Announced with a port of its own: that, and the worker's port it is forwarded to.
    pub forwarded: Vec<(SocketAddr, u16)>,
    /// `allowed-peer-ip`
    pub allowed: Vec<IpRange>,
    /// `denied-peer-ip`
    pub denied: Vec<IpRange>,
}

/// Why a peer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody is meant by it, or everybody, or this machine.
    Special,
    /// A neighbour, and not allowed.
    Private,
    /// `denied-peer-ip`
    Denied,
    /// This box, but neither its media nor a relay.
    OwnService,
}

/// Where what is sent to a peer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Out, to this address.
    Out(SocketAddr),
    /// Here: to the relay of that port, if there is one.
    Inside,
    /// Nowhere.
    No(Reason),
}

impl Policy {
    /// Whether there may be a permission for an address; where it is our own, the port decides later.
    pub(crate) fn judge(&self, ip: IpAddr) -> Result<(), Reason> {
        if self.is_own(ip) {
            return Ok(());
        }
        let ip = ip.to_canonical();
        for ip in [Some(ip), embedded(ip)].into_iter().flatten() {
            if is_special(ip) {
                return Err(Reason::Special);
            }
            // An IPv4 address of ours in other clothes would come back to us past the ports' rule.
            if self.is_own(ip) {
                return Err(Reason::OwnService);
            }
            if self.allowed.iter().any(|range| contains(range, ip)) {
                continue;
            }
            if self.denied.iter().any(|range| contains(range, ip)) {
                return Err(Reason::Denied);
            }
            if is_private(ip) || self.is_neighbour(ip) {
                return Err(Reason::Private);
            }
        }
        Ok(())
    }

    /// Where to send what is for a peer of a relay bound to `bound`.
    pub(crate) fn way(&self, peer: SocketAddr, bound: IpAddr) -> Way {
        if !self.is_own(peer.ip()) {
            return match self.judge(peer.ip()) {
                Ok(()) => Way::Out(peer),
                Err(reason) => Way::No(reason),
            };
        }
        // To ourselves by the relay's own address: what we announce may lie before a NAT that does not
        // lead back in.
        let forwarded = self.forwarded.iter().find(|(told, _)| *told == peer);
        let port = forwarded.map_or(peer.port(), |(_, port)| *port);
        match &self.media {
            Some(media) if media.contains(&port) => Way::Out((bound, port).into()),
            _ => Way::Inside,
        }
    }

    /// Whether an address is this box's.
    pub(crate) fn is_own(&self, ip: IpAddr) -> bool {
        self.own.iter().any(|own| own.bound == ip || own.told == ip) || self.also_own.contains(&ip)
    }

    /// Where a relay is made for a client that has come to `local`: the same address, if it has the
    /// family, else the best. A client of this machine is told what others can reach.
    pub(crate) fn home(&self, ipv4: bool, local: IpAddr) -> Option<OwnAddress> {
        let mut of_family = self.own.iter().filter(|own| own.bound.is_ipv4() == ipv4);
        let best = of_family.clone().next();
        of_family.find(|own| own.bound == local || own.told == local).or(best).copied()
    }

    /// The address by which a client knows a peer that has sent from one of ours: `permitted` says
    /// which of them it has named.
    pub(crate) fn outward(
        &self,
        from: SocketAddr,
        permitted: impl Fn(IpAddr) -> bool,
    ) -> Option<SocketAddr> {
        if permitted(from.ip()) {
            return Some(from);
        }
        if !self.is_own(from.ip()) {
            return None;
        }
        let forwarded = self.forwarded.iter().filter(|(_, port)| *port == from.port());
        let told = self.own.iter().map(|own| SocketAddr::new(own.told, from.port()));
        let also = self.also_own.iter().map(|ip| SocketAddr::new(*ip, from.port()));
        let names = forwarded.map(|(told, _)| *told).chain(told).chain(also);
        names.into_iter().find(|name| permitted(name.ip()))
    }

    fn is_neighbour(&self, ip: IpAddr) -> bool {
        let IpAddr::V6(ip) = ip else { return false };
        self.on_link.iter().any(|(network, len)| {
            let mask = u128::MAX.checked_shl(128 - u32::from((*len).min(128))).unwrap_or(0);
            (network.to_bits() ^ ip.to_bits()) & mask == 0
        })
    }
}

fn contains(range: &IpRange, ip: IpAddr) -> bool {
    range.first.is_ipv4() == ip.is_ipv4() && range.first <= ip && ip <= range.last
}

/// Never a peer, by IANA's special-purpose registries.
pub(super) fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            a == 0
                || ip.is_loopback()
                || ip.is_link_local()
                || a >= 224
                || (a, b, c) == (192, 0, 0)
                || (a, b, c) == (192, 88, 99)
        }
        IpAddr::V6(ip) => {
            let head = ip.segments()[0];
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || head & 0xffc0 == 0xfe80
                || head & 0xffc0 == 0xfec0
                // Discard-only (RFC 6666).
                || ip.segments()[..4] == [0x100, 0, 0, 0]
        }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // And those of carriers (RFC 6598) and of benchmarks (RFC 2544).
            ip.is_private() || (a == 100 && b & 0xc0 == 64) || (a == 198 && b & 0xfe == 18)
        }
        IpAddr::V6(ip) => ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// The IPv4 address that an IPv6 one carries.
fn embedded(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(ip) = ip else { return None };
    let bits = ip.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    let embedded = match ip.segments() {
        // IPv4-compatible; mapped ones are canonical already.
        [0, 0, 0, 0, 0, 0, ..] if bits > 1 => low,
        [0, 0, 0, 0, 0xffff, 0, ..] => low,
        // NAT64, the well-known prefix and the local-use one (RFC 6052, 8215).
        [0x64, 0xff9b, ..] => low,
        // 6to4
        [0x2002, high, rest, ..] => Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(rest)),
        // Teredo: the client's, inverted.
        [0x2001, 0, ..] => Ipv4Addr::from_bits(!(bits as u32)),
        _ => return None,
    };
    Some(embedded.into())
}

#[cfg(test)]
mod tests;
