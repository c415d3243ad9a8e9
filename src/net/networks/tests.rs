//! Machines and containers as they are found, and what is around them.

use super::*;
use crate::net::{
    parse::Route,
    policy::tests::{settings, table},
};

/// `PREFIX IFACE`, with `via` after it where there is a gateway.
fn with_routes(mut table: Table, routes: &[&str]) -> Table {
    for text in routes {
        let words: Vec<&str> = text.split(' ').collect();
        let link = table.links.values().find(|link| link.name == words[1]).expect("an interface");
        let prefix = words[0].parse().expect("a prefix");
        table.routes.insert(Route { index: link.index, prefix, via: words.len() > 2 });
    }
    table
}

fn with_gateways(mut table: Table, gateways: &[&str]) -> Table {
    table.gateways = gateways.iter().map(|ip| ip.parse().expect("an address")).collect();
    table
}

fn shown(networks: &Networks) -> [Vec<String>; 3] {
    let containers = networks.containers.iter();
    [
        networks.on_link.iter().map(IpNet::to_string).collect(),
        containers.map(|found| format!("{} {}", found.prefix, found.interface)).collect(),
        networks.forwarders.iter().map(IpAddr::to_string).collect(),
    ]
}

/// What is on the links, the containers' networks, the forwarders.
fn check(table: &Table, inside: Container, expected: [&[&str]; 3]) {
    let found = networks(table, &settings(), inside);
    assert_eq!(shown(&found), expected.map(|all| all.to_vec()), "{inside:?} {table:?}");
}

#[test]
fn what_is_on_a_link_the_routes_say_where_an_address_does_not() {
    let plain = table(&[("eth0", &["192.168.1.5/24", "2001:db8:1::5/64", "fe80::5/64"])]);
    check(&plain, Container::None, [&["2001:db8:1::/64"], &[], &[]]);
    // DHCPv6: the address has 128 bits, and the router's announcement made the route.
    let dhcp = table(&[("eth0", &["2001:db8:1::5/128"]), ("wan0 - r", &["2001:db8:9::5/64"])]);
    let routes = ["2001:db8:1::/64 eth0", "2001:db8:2::/64 eth0 via", "2001:db8:9::/64 wan0"];
    let dhcp = with_routes(dhcp, &[&routes[..], &["ff00::/8 eth0", "fe80::/64 eth0"]].concat());
    check(&dhcp, Container::None, [&["2001:db8:1::/64", "2001:db8:1::5/128"], &[], &[]]);
}

#[test]
fn every_address_of_the_machine_is_its_own_but_a_bridge_s() {
    let all = table(&[
        ("lo - url", &["127.0.0.1/8 h", "::1/128 h"]),
        ("eth0", &["192.168.1.5/24", "192.168.1.6/24 f", "2001:db8:1::5/64 p", "fe80::5/64"]),
        ("eth1 - r", &["10.9.9.9/24"]),
        ("wg0 wireguard", &["10.7.0.1/24"]),
        ("docker0 bridge", &["172.17.0.1/16"]),
    ]);
    let found = networks(&all, &settings(), Container::None);
    assert_eq!(found.bridges, [IpAddr::from([172, 17, 0, 1])]);
    let own: Vec<String> = found.own.iter().map(IpAddr::to_string).collect();
    let expected = [
        "10.7.0.1",
        "10.9.9.9",
        "127.0.0.1",
        "192.168.1.5",
        "192.168.1.6",
        "::1",
        "2001:db8:1::5",
        "fe80::5",
    ];
    assert_eq!(own, expected);
    assert_eq!(found.container_scopes, [5]);
}

#[test]
fn an_announced_address_is_of_the_machine_that_forwards_to_the_container() {
    let inside = with_gateways(table(&[("eth0 veth", &["172.17.0.5/16"])]), &["172.17.0.1"]);
    let announced = NetworkSettings {
        announce: vec![
            Announce::Ip("192.168.1.10".parse().expect("an address")),
            Announce::Socket("203.0.113.7:17000".parse().expect("an address")),
            Announce::Name("box.example".to_owned()),
        ],
        ..settings()
    };
    let own = |settings: &NetworkSettings| {
        let found = networks(&inside, settings, Container::Application);
        found.own.iter().map(IpAddr::to_string).collect::<Vec<_>>()
    };
    assert_eq!(own(&settings()), ["172.17.0.5"]);
    assert_eq!(own(&announced), ["172.17.0.5", "192.168.1.10", "203.0.113.7"]);
}

#[test]
fn a_machine_with_containers_knows_their_networks() {
    let docker = table(&[
        ("eth0", &["192.168.1.5/24"]),
        ("docker0 bridge r", &["172.17.0.1/16", "fd00:17::1/64", "fe80::1/64"]),
        ("br-1a2b bridge", &["172.18.0.1/16"]),
        ("vethab veth", &["fe80::2/64"]),
    ]);
    let docker = with_gateways(docker, &["192.168.1.1"]);
    let containers = ["172.17.0.0/16 docker0", "172.18.0.0/16 br-1a2b", "fd00:17::/64 docker0"];
    check(&docker, Container::None, [&[], &containers, &[]]);
    // A container with the host's network sees the same, and the router is no forwarder.
    check(&docker, Container::Application, [&[], &containers, &[]]);

    let k3s = table(&[
        ("eth0", &["192.168.1.5/24"]),
        ("flannel.1 vxlan", &["10.42.0.0/32"]),
        ("cni0 bridge", &["10.42.0.1/24"]),
    ]);
    let k3s = with_routes(k3s, &["10.42.1.0/24 flannel.1 via", "192.168.1.0/24 eth0"]);
    let expected = ["10.42.0.0/24 cni0", "10.42.0.0/32 flannel.1", "10.42.1.0/24 flannel.1"];
    check(&k3s, Container::None, [&[], &expected, &[]]);

    let calico = table(&[("eth0", &["192.168.1.5/24"]), ("cali12 veth", &["fe80::1/64"])]);
    let calico = with_routes(calico, &["10.244.3.7/32 cali12"]);
    check(&calico, Container::None, [&[], &["10.244.3.7/32 cali12"], &[]]);

    let lxc = table(&[("eth0", &["192.168.1.5/24"]), ("lxcbr0 bridge", &["10.0.3.1/24"])]);
    check(&lxc, Container::None, [&[], &["10.0.3.0/24 lxcbr0"], &[]]);
    // A bridge that is the LAN: of a router, of Proxmox.
    let bridged = table(&[("br0 bridge", &["192.168.1.5/24", "2001:db8:1::5/64"])]);
    check(&bridged, Container::None, [&["2001:db8:1::/64"], &[], &[]]);
}

#[test]
fn inside_a_container_its_network_is_no_lan() {
    let inside = table(&[("eth0 veth", &["172.17.0.5/16", "fd00:17::5/64"])]);
    let inside = with_gateways(inside, &["172.17.0.1", "fd00:17::1", "fe80::1"]);
    let containers = ["172.17.0.0/16 eth0", "fd00:17::/64 eth0"];
    let gateways = ["172.17.0.1", "fd00:17::1"];
    check(&inside, Container::Application, [&[], &containers, &gateways]);
    // A pod: what is routed to the other nodes' is the cluster's.
    let pod = table(&[("eth0 veth", &["10.42.0.7/24"])]);
    let pod = with_routes(pod, &["10.42.0.0/16 eth0"]);
    let expected = ["10.42.0.0/16 eth0", "10.42.0.0/24 eth0"];
    check(&pod, Container::Application, [&[], &expected, &[]]);
    // An address of the LAN itself.
    let macvlan = table(&[("eth0 macvlan", &["192.168.1.7/24", "2001:db8:1::7/64"])]);
    let macvlan = with_gateways(macvlan, &["192.168.1.1"]);
    check(&macvlan, Container::Application, [&["2001:db8:1::/64"], &[], &[]]);
    // LXC on a bridge of the LAN: only the gateway may speak for others.
    let lxc = table(&[("eth0 veth", &["192.168.1.7/24"])]);
    let lxc = with_gateways(lxc, &["192.168.1.1"]);
    check(&lxc, Container::System, [&[], &[], &["192.168.1.1"]]);
    check(&lxc, Container::None, [&[], &[], &[]]);
}

#[test]
fn a_rootless_forwarder_speaks_for_anybody() {
    let pasta = ["169.254.1.1", "169.254.1.2"];
    let slirp = with_gateways(table(&[("tap0 tun", &["10.0.2.100/24"])]), &["10.0.2.2"]);
    let forwarders = [&["10.0.2.2"][..], &pasta].concat();
    check(&slirp, Container::Application, [&[], &["10.0.2.0/24 tap0"], &forwarders]);
    // pasta gives the container the machine's own address; who comes from outside keeps theirs.
    let copied = with_gateways(table(&[("eth0 tun", &["192.168.1.5/24"])]), &["192.168.1.1"]);
    let forwarders = [&pasta[..], &["192.168.1.1"]].concat();
    check(&copied, Container::Application, [&[], &[], &forwarders]);
}

#[test]
fn an_interface_that_is_meant_is_the_owner_s() {
    let docker = table(&[
        ("eth0", &["192.168.1.5/24"]),
        ("docker0 bridge", &["172.17.0.1/16", "2001:db8:7::1/64"]),
    ]);
    let with = |include: &[&str], exclude: &[&str]| {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let (include, exclude) = (owned(include), owned(exclude));
        let settings = NetworkSettings { announce: Vec::new(), include, exclude };
        networks(&docker, &settings, Container::None).containers.len()
    };
    assert_eq!(with(&[], &["docker*"]), 2);
    assert_eq!(with(&[], &[]), 2, "that it is announced does not make it the LAN");
    assert_eq!(with(&["docker0"], &["docker*"]), 0);
    assert_eq!(with(&["d*"], &[]), 0);
    assert_eq!(with(&["d*"], &["docker*"]), 2);
    assert_eq!(with(&["eth*"], &[]), 2);
}
