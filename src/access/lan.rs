//! PURE. Where a request comes from: the LAN rule of the product contract (section 6), as a table.
//!
//! | from | is |
//! |---|---|
//! | loopback, or an address of this machine | the machine: a tunnel or proxy here may speak for anybody |
//! | a container's network, its gateway too | a container: a port map or a tunnel in one, likewise |
//! | the gateway of the container that parlor runs in, a rootless forwarder | a forwarder, likewise |
//! | RFC 1918, link-local, ULA | the LAN |
//! | IPv6 within a prefix on a link of an interface that counts | the LAN |
//! | a trusted proxy | whoever it names, judged the same way; nobody where it names nobody |
//! | all else | outside |
//!
//! Only the address counts. Host, and what somebody who is no trusted proxy claims about others, are
//! not looked at: anybody may write them. Of the forwarding headers only `X-Forwarded-For` is read:
//! a proxy that sets one header lets pass what its client wrote into another (`Forwarded`, RFC 7239).

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use ipnet::IpNet;

use super::Refusal;
use crate::{
    config::{Guests, Loopback, Settings},
    seams::Networks,
};

/// Private ranges of IPv4 (RFC 1918), link-local (RFC 3927, RFC 4291 2.5.6) and ULA (RFC 4193).
const LAN: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fe80::/10", "fc00::/7"];

/// Addresses that are looked at in `X-Forwarded-For`, from its end. No honest chain is longer.
const MAX_HOPS: usize = 32;

/// What the settings say about who is a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `access.guests`
    pub guests: Guests,
    /// `access.loopback`
    pub loopback: Loopback,
    /// `http.trusted_proxies`
    pub trusted_proxies: Vec<IpNet>,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whence {
    /// This network.
    Lan(IpAddr),
    /// This machine itself.
    Machine(IpAddr),
    /// A container or virtual machine on this machine, by this interface.
    Container(IpAddr, String),
    /// What speaks for others to the container that parlor runs in.
    Forwarder(IpAddr),
    /// A trusted proxy that names nobody.
    Proxy(IpAddr),
    /// Anywhere else.
    Outside(IpAddr),
}

impl Whence {
    /// Whose address it is: counted for limits.
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::Lan(ip)
            | Self::Machine(ip)
            | Self::Container(ip, _)
            | Self::Forwarder(ip)
            | Self::Proxy(ip)
            | Self::Outside(ip) => *ip,
        }
    }

    /// One word for the API: `lan`, `machine`, `container`, `forwarder`, `proxy`, `outside`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Lan(_) => "lan",
            Self::Machine(_) => "machine",
            Self::Container(..) => "container",
            Self::Forwarder(_) => "forwarder",
            Self::Proxy(_) => "proxy",
            Self::Outside(_) => "outside",
        }
    }

    /// True for the LAN, whose people must not be locked out by what others try.
    pub fn is_lan(&self) -> bool {
        matches!(self, Self::Lan(_))
    }

    /// Whether whoever comes from there is a guest without more, and if not, why.
    ///
    /// # Errors
    /// The sentence for the visitor.
    pub fn guest(&self, rules: &Rules) -> Result<(), Refusal> {
        if rules.guests == Guests::None {
            return Err(Refusal::NoGuests);
        }
        match self {
            Self::Lan(_) => Ok(()),
            Self::Machine(_) if rules.loopback == Loopback::Guest => Ok(()),
            _ => Err(Refusal::NotLan(self.to_string())),
        }
    }
}

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lan(ip) => write!(f, "You come from {ip}, on this box's local network."),
            Self::Machine(ip) => write!(
                f,
                "You come from {ip}, which is this machine itself. A tunnel or proxy that runs here \
                 may speak for anybody, so it does not count as the LAN. In a browser on the box, \
                 open the URL with #local= that parlor printed when it started; where nothing \
                 forwards to this machine, set access.loopback = \"guest\"."
            ),
            Self::Container(ip, interface) => write!(
                f,
                "You come from {ip}, in the container network on {interface}. A port map or a \
                 tunnel in a container may speak for anybody, so it does not count as the LAN. Run \
                 parlor with the host's network, or name {interface} in network.interfaces.include."
            ),
            Self::Forwarder(ip) => write!(
                f,
                "You come from {ip}, by which a port map or forwarder speaks to the container that \
                 parlor runs in. It may speak for anybody, so it does not count as the LAN. Run the \
                 container with the host's network."
            ),
            Self::Proxy(ip) => write!(
                f,
                "You come by {ip}, a proxy of http.trusted_proxies that does not say for whom it \
                 speaks (X-Forwarded-For)."
            ),
            Self::Outside(ip) => write!(
                f,
                "You come from {ip}, which is not on this box's local network: private, link-local \
                 and unique local addresses, and IPv6 addresses of the box's own networks."
            ),
        }
    }
}

/// Where a connection comes from, and for whom it speaks.
///
/// `scope` is the number of the interface where the peer is link-local, else 0. `forwarded` are the
/// values of `X-Forwarded-For`, in their order; they count only behind a trusted proxy, from the end
/// to the first address that is none.
pub fn whence<'a>(
    peer: IpAddr,
    scope: u32,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    networks: &Networks,
    rules: &Rules,
) -> Whence {
    let peer = peer.to_canonical();
    let is_trusted = |ip: &IpAddr| rules.trusted_proxies.iter().any(|network| network.contains(ip));
    if !is_trusted(&peer) {
        return judge(peer, scope, networks);
    }
    let hops = forwarded.rev().flat_map(|value| value.rsplit(',')).take(MAX_HOPS);
    let mut client = None;
    for hop in hops {
        let Some(ip) = hop_address(hop) else { return Whence::Proxy(peer) };
        client = Some(ip);
        if !is_trusted(&ip) {
            break;
        }
    }
    client.map_or(Whence::Proxy(peer), |ip| judge(ip, 0, networks))
}

/// `IP`, `IP:PORT`, `[IP]` or `[IP]:PORT`.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match bare {
        Some(bare) => bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => hop.parse().ok(),
    };
    let ip = ip.or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    ip.map(|ip| ip.to_canonical())
}

fn judge(ip: IpAddr, scope: u32, networks: &Networks) -> Whence {
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    if ip.is_loopback() || networks.own.contains(&ip) {
        return Whence::Machine(ip);
    }
    // A link-local address says nothing without its interface.
    if link_local && networks.container_scopes.contains(&scope) {
        return Whence::Container(ip, format!("interface {scope}"));
    }
    let inside = |network: &&crate::seams::ContainerNetwork| network.prefix.contains(&ip);
    if let Some(network) = networks.containers.iter().find(inside) {
        return Whence::Container(ip, network.interface.clone());
    }
    if networks.forwarders.contains(&ip) {
        return Whence::Forwarder(ip);
    }
    let private = LAN.iter().filter_map(|range| range.parse::<IpNet>().ok());
    let on_link = networks.on_link.iter().copied().filter(|prefix| prefix.prefix_len() > 0);
    let mut lan = private.chain(on_link.filter(|prefix| prefix.addr().is_ipv6()));
    if lan.any(|network| network.contains(&ip)) { Whence::Lan(ip) } else { Whence::Outside(ip) }
}

impl Rules {
    /// What the settings in force say.
    pub fn of(settings: &Settings) -> Self {
        // Who says that a proxy runs here has not said that nothing forwards.
        let loopback = match settings.access.local_proxy {
            true => Loopback::Token,
            false => settings.access.loopback,
        };
        let trusted_proxies = settings.http.trusted_proxies.clone();
        Self { guests: settings.access.guests, loopback, trusted_proxies }
    }
}
