//! PURE. What is around the box: its own addresses, what is on its links, containers, forwarders.
//!
//! By this `access` tells the LAN from the rest (product contract, section 6), so whatever is in
//! doubt is a container's: who is refused by mistake is told why and what helps.
//!
//! | parlor runs | containers are | forwarders are |
//! |---|---|---|
//! | on the machine, or with the host's network | networks of bridges and ports of containers and virtual machines, by their names, and what is routed to them | |
//! | in an application's container | the network it shares with others (veth, netkit), slirp4netns' | its gateway, pasta's addresses for the host |
//! | in a system container (LXC, nspawn) | as on a machine: it stands on the LAN, as a rule | its gateway |
//!
//! An announced address (`network.announce`) is one of the machine that forwards to us, or our own: what
//! comes from it may be anybody's, through a tunnel there. Behind a port map it is the one sign of it.
//!
//! An interface that `network.interfaces.include` names, or that one of its globs means and `exclude`
//! does not, is the owner's: it counts as the LAN whatever it is.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::{
    container::Container,
    parse::Link,
    policy::{contains, link_counts, matches_any, name_counts},
    table::Table,
};
use crate::{
    config::{Announce, NetworkSettings},
    seams::{ContainerNetwork, Networks},
};

/// Names that container engines and virtual machines give to their bridges and ports: Docker, Podman,
/// libvirt, LXC, LXD, Incus, nerdctl, CNI plug-ins (flannel, Calico, Cilium, Weave, Antrea, kube-router,
/// OVN), Kubernetes' own.
const CONTAINER_NAMES: [&str; 29] = [
    "docker*",
    "br-*",
    "veth*",
    "virbr*",
    "vnet*",
    "podman*",
    "cni*",
    "nerdctl*",
    "lxcbr*",
    "lxdbr*",
    "incusbr*",
    "flannel*",
    "cali*",
    "tunl0",
    "vxlan.calico",
    "vxlan-v6.calico",
    "cilium*",
    "lxc*",
    "weave*",
    "datapath",
    "antrea*",
    "kube-*",
    "nodelocaldns",
    "ovn*",
    "ovs-system",
    "genev_sys*",
    "vxlan_sys*",
    "gre_sys*",
    "nat64*",
];

/// Kinds of the interface of a container that shares a network with others.
const SHARED_KINDS: [&str; 2] = ["veth", "netkit"];

/// The interface that a rootless forwarder (slirp4netns, pasta) makes.
const FORWARDED_KIND: &str = "tun";

/// slirp4netns' network, with its gateway 10.0.2.2 and its own address 10.0.2.100.
const SLIRP: &str = "10.0.2.0/24";

/// By these pasta, as Podman starts it, speaks for the machine it runs on.
const PASTA: [Ipv4Addr; 2] = [Ipv4Addr::new(169, 254, 1, 1), Ipv4Addr::new(169, 254, 1, 2)];

/// Whether an interface of this name is a container's, for all that its name says.
pub(super) fn is_container_name(name: &str) -> bool {
    matches_any(&CONTAINER_NAMES, name)
}

/// What is around, by what the kernel has told.
pub(super) fn networks(table: &Table, settings: &NetworkSettings, inside: Container) -> Networks {
    let judge = Judge { table, settings, inside };
    let is_container =
        |index: &u32| table.links.get(index).is_some_and(|link| judge.is_container(link));
    let addresses = || table.addresses.values();
    let own: BTreeSet<IpAddr> = addresses()
        .filter(|address| !judge.is_bridge(address.index))
        .map(|address| address.ip)
        .chain(settings.announce.iter().filter_map(Announce::ip))
        .collect();
    let bridges: BTreeSet<IpAddr> = addresses()
        .filter(|address| judge.is_bridge(address.index))
        .map(|address| address.ip)
        .collect();
    Networks {
        own: own.into_iter().collect(),
        bridges: bridges.into_iter().collect(),
        on_link: judge.on_link().into_iter().collect(),
        containers: judge.containers().into_iter().collect(),
        forwarders: judge.forwarders().into_iter().collect(),
        container_scopes: table.links.keys().copied().filter(is_container).collect(),
    }
}

struct Judge<'a> {
    table: &'a Table,
    settings: &'a NetworkSettings,
    inside: Container,
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn has_kind(link: &Link, kinds: &[&str]) -> bool {
    link.kind.as_deref().is_some_and(|kind| kinds.contains(&kind))
}

impl Judge<'_> {
    fn is_meant(&self, link: &Link) -> bool {
        let NetworkSettings { include, .. } = self.settings;
        include.contains(&link.name)
            || !include.is_empty() && name_counts(&link.name, self.settings)
    }

    /// A bridge or port of this machine's containers.
    fn is_port(&self, link: &Link) -> bool {
        let left_out = has_kind(link, &["bridge"]) && !name_counts(&link.name, self.settings);
        !self.is_meant(link) && (is_container_name(&link.name) || left_out)
    }

    fn is_bridge(&self, index: u32) -> bool {
        self.table.links.get(&index).is_some_and(|link| self.is_port(link))
    }

    /// The interface of the container that parlor runs in, in a network with others.
    fn is_shared(&self, link: &Link) -> bool {
        self.inside == Container::Application
            && has_kind(link, &SHARED_KINDS)
            && !self.is_meant(link)
    }

    fn is_container(&self, link: &Link) -> bool {
        self.is_port(link) || self.is_shared(link)
    }

    /// Prefixes of IPv6 on the links of interfaces that count.
    fn on_link(&self) -> BTreeSet<IpNet> {
        let counts = |index: u32| {
            let link = self.table.links.get(&index);
            link.is_some_and(|link| link_counts(link, self.settings) && !self.is_container(link))
        };
        let addresses = self.table.addresses.values().filter(|address| counts(address.index));
        let of_addresses =
            addresses.filter_map(|address| IpNet::new(address.ip, address.prefix_len).ok());
        let routes = self.table.routes.iter().filter(|route| !route.via && counts(route.index));
        let all = of_addresses.chain(routes.map(|route| route.prefix));
        all.map(|prefix| prefix.trunc())
            .filter(|prefix| prefix.addr().is_ipv6() && prefix.prefix_len() > 0)
            .filter(|prefix| !is_link_local(prefix.addr()) && !prefix.addr().is_multicast())
            .collect()
    }

    fn containers(&self) -> BTreeSet<ContainerNetwork> {
        let mut found = BTreeSet::new();
        let mut add = |index: u32, prefix: IpNet| {
            let Some(link) = self.table.links.get(&index) else { return };
            let slirp: Option<IpNet> = SLIRP.parse().ok();
            let forwarded = self.inside == Container::Application
                && has_kind(link, &[FORWARDED_KIND])
                && slirp.is_some_and(|slirp| slirp.contains(&prefix.addr()))
                && !self.is_meant(link);
            // A link-local address says nothing without its interface; see `container_scopes`.
            let said = prefix.prefix_len() > 0
                && !is_link_local(prefix.addr())
                && !prefix.addr().is_multicast();
            if said && (self.is_container(link) || forwarded) {
                let interface = link.name.clone();
                found.insert(ContainerNetwork { prefix: prefix.trunc(), interface });
            }
        };
        for address in self.table.addresses.values() {
            if let Ok(prefix) = IpNet::new(address.ip, address.prefix_len) {
                add(address.index, prefix);
            }
        }
        for route in &self.table.routes {
            add(route.index, route.prefix);
        }
        found
    }

    fn forwarders(&self) -> BTreeSet<IpAddr> {
        let speaks_for_others = |index: u32| {
            let link = self.table.links.get(&index).filter(|link| !self.is_meant(link));
            link.is_some_and(|link| match self.inside {
                Container::None => false,
                Container::System => true,
                Container::Application => {
                    has_kind(link, &SHARED_KINDS) || has_kind(link, &[FORWARDED_KIND])
                }
            })
        };
        let addresses = || self.table.addresses.values();
        let is_near =
            |ip: &IpAddr| addresses().any(|own| contains(own, *ip) && speaks_for_others(own.index));
        let mut found: BTreeSet<IpAddr> = self
            .table
            .gateways
            .iter()
            .copied()
            .filter(|ip| !is_link_local(*ip) && is_near(ip))
            .collect();
        let rootless = self.table.links.values().any(|link| has_kind(link, &[FORWARDED_KIND]));
        if self.inside == Container::Application && rootless {
            found.extend(PASTA.map(IpAddr::V4));
        }
        found
    }
}

#[cfg(test)]
mod tests;
