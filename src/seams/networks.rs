//! What the box knows of the networks around it: by it the LAN is told from the rest.

use std::net::IpAddr;

use ipnet::IpNet;

/// The networks around the box at one moment, as `net` finds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    /// Every address of this machine, announced or not, but those of container interfaces; and what is
    /// announced, which is this machine's or that of one that forwards to it.
    pub own: Vec<IpAddr>,
    /// This machine's addresses on container interfaces.
    pub bridges: Vec<IpAddr>,
    /// IPv6 prefixes that are on a link of an interface that counts: of its addresses, and of the
    /// routing table, where DHCPv6 gives an address of 128 bits.
    pub on_link: Vec<IpNet>,
    /// Networks of containers and virtual machines on this machine, or the one that parlor itself
    /// runs in.
    pub containers: Vec<ContainerNetwork>,
    /// Addresses by which a port map or a rootless forwarder speaks to a container that parlor runs
    /// in, each for anybody.
    pub forwarders: Vec<IpAddr>,
    /// Numbers of container interfaces: whoever comes from there by a link-local address.
    pub container_scopes: Vec<u32>,
}

/// One network of containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerNetwork {
    /// Its addresses.
    pub prefix: IpNet,
    /// The interface it is on.
    pub interface: String,
}
