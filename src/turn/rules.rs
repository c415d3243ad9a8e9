//! What the settings and the network's news mean for the server.
//!
//! PURE: values in, [`Rules`] out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    credential::Credentials,
    policy::{OwnAddress, Policy, is_special},
    server::Rules,
};
use crate::{
    config::{Secret, Settings},
    seams::{AddressOrigin, Addresses},
};

/// The rules in force; `secret` is the box's own, for where none is written.
pub(super) fn rules(settings: &Settings, addresses: &Addresses, secret: &Secret) -> Rules {
    let turn = &settings.turn;
    let minted = turn.static_auth_secret.clone().unwrap_or_else(|| secret.clone());
    Rules {
        realm: turn.realm.clone(),
        credentials: Credentials::new(turn.users.clone(), Some(minted)),
        policy: policy(settings, addresses),
        relay_ports: turn.relay_ports.clone(),
        total_quota: turn.total_quota,
        user_quota: turn.user_quota,
        max_bps: turn.max_bps,
        bps_capacity: turn.bps_capacity,
        alternate: turn.alternate_server.clone(),
    }
}

fn policy(settings: &Settings, addresses: &Addresses) -> Policy {
    let turn = &settings.turn;
    let on_interfaces = || {
        let announced = addresses.announced.iter();
        announced.filter(|address| !matches!(address.origin, AddressOrigin::Configured(_)))
    };
    let configured: Vec<(IpAddr, Option<u16>)> = addresses
        .announced
        .iter()
        .filter_map(|address| match address.origin {
            AddressOrigin::Configured(port) => Some((address.ip, port)),
            _ => None,
        })
        .collect();
    let mut bound: Vec<IpAddr> = on_interfaces().map(|address| address.ip).collect();
    // A box without a network still has itself: its own browsers find it.
    if bound.is_empty() {
        bound = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    let told = |bound: IpAddr| {
        let of_family = |ip: &IpAddr| ip.is_ipv4() == bound.is_ipv4();
        let mapped = turn.external_ip.iter().find(|(_, private)| *private == Some(bound));
        let any =
            || turn.external_ip.iter().find(|(ip, private)| private.is_none() && of_family(ip));
        let announced = || configured.iter().map(|(ip, _)| *ip).find(of_family);
        let external = mapped.or_else(any).map(|(public, _)| *public);
        external.or_else(announced).unwrap_or(bound)
    };
    let own = bound.iter().map(|&bound| OwnAddress { bound, told: told(bound) }).collect();
    let first_port = *settings.media.ports.start();
    let n_workers = settings.media.workers.clamp(1, settings.media.ports.len()) as u16;
    let external = turn.external_ip.iter().map(|(public, _)| *public);
    // This machine's loopback and link-local addresses are everybody's.
    let networks = &addresses.networks;
    let known = networks.own.iter().chain(&networks.bridges).copied().filter(|ip| !is_special(*ip));
    Policy {
        own,
        also_own: known.chain(external).collect(),
        on_link: on_interfaces()
            .filter_map(|address| prefix(address.ip, address.prefix_len))
            .collect(),
        media: Some(first_port..=first_port + (n_workers - 1)),
        forwarded: configured
            .iter()
            .filter_map(|(ip, port)| Some((SocketAddr::new(*ip, (*port)?), first_port)))
            .collect(),
        allowed: turn.allowed_peer_ip.clone(),
        denied: turn.denied_peer_ip.clone(),
    }
}

fn prefix(ip: IpAddr, len: u8) -> Option<(Ipv6Addr, u8)> {
    match ip {
        IpAddr::V6(ip) if (1..128).contains(&len) => Some((ip, len)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::policy::Reason, *};
    use crate::{
        config::{NoFiles, Sources},
        seams::{LocalAddress, Networks},
    };

    fn settings() -> Settings {
        let sources = Sources { data: Some("/srv/parlor".into()), ..Sources::default() };
        sources.understand([], &NoFiles).expect("defaults are right").settings
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn address(text: &str, prefix_len: u8, origin: AddressOrigin) -> LocalAddress {
        LocalAddress { ip: ip(text), prefix_len, interface: "eth0".into(), origin }
    }

    fn addresses() -> Addresses {
        let configured = AddressOrigin::Configured;
        let own = ["127.0.0.1", "::1", "fe80::5", "10.9.0.1", "203.0.113.7"];
        Addresses {
            announced: vec![
                address("192.168.1.5", 24, AddressOrigin::Interface),
                address("2001:db8:5::5", 64, AddressOrigin::Interface),
                address("203.0.113.7", 32, configured(Some(40_000))),
            ],
            networks: Networks {
                own: own.map(ip).to_vec(),
                bridges: vec![ip("172.17.0.1")],
                ..Networks::default()
            },
            hostname: "box".into(),
        }
    }

    fn told(settings: &Settings, addresses: &Addresses) -> Vec<(IpAddr, IpAddr)> {
        let own = policy(settings, addresses).own;
        own.into_iter().map(|own| (own.bound, own.told)).collect()
    }

    #[test]
    fn peers_are_shown_what_the_owner_announces() {
        let (v4, v6) = (ip("192.168.1.5"), ip("2001:db8:5::5"));
        let mut settings = settings();
        let announced = ip("203.0.113.7");
        assert_eq!(told(&settings, &addresses()), [(v4, announced), (v6, v6)]);
        let (any, mapped) = (ip("203.0.113.8"), ip("203.0.113.9"));
        settings.turn.external_ip = vec![(any, None)];
        assert_eq!(told(&settings, &addresses()), [(v4, any), (v6, v6)]);
        settings.turn.external_ip.push((mapped, Some(v4)));
        assert_eq!(told(&settings, &addresses()), [(v4, mapped), (v6, v6)]);
        let loopback = [(ip("127.0.0.1"), any), (ip("::1"), ip("::1"))];
        assert_eq!(told(&settings, &Addresses::default()), loopback);
    }

    #[test]
    fn what_is_ours_is_known_by_all_its_names() {
        let mut settings = settings();
        settings.media.workers = 2;
        let policy = policy(&settings, &addresses());
        for own in ["192.168.1.5", "203.0.113.7", "10.9.0.1", "172.17.0.1", "2001:db8:5::5"] {
            assert!(policy.is_own(ip(own)), "{own}");
        }
        for special in ["127.0.0.1", "127.0.0.2", "::1", "fe80::5"] {
            assert_eq!(policy.judge(ip(special)), Err(Reason::Special), "{special}");
        }
        assert_eq!(policy.media, Some(10_000..=10_001));
        assert_eq!(policy.forwarded, [("203.0.113.7:40000".parse().expect("an address"), 10_000)]);
        assert!(policy.judge(ip("2001:db8:5::9")).is_err(), "a neighbour");
        assert!(policy.judge(ip("2001:db8:6::9")).is_ok());
    }

    #[test]
    fn the_boxs_own_secret_serves_where_none_is_written() {
        let own = Secret::new("own");
        let mut settings = settings();
        for (written, expected) in [(None, "own"), (Some("north"), "north")] {
            settings.turn.static_auth_secret = written.map(Secret::new);
            let rules = rules(&settings, &addresses(), &own);
            let now = std::time::Duration::from_secs(1);
            let ttl = std::time::Duration::from_secs(60);
            let minted = super::super::credential::mint(&Secret::new(expected), "x", ttl, now);
            let known = rules.credentials.find(&minted.username, now).expect("it is ours");
            assert_eq!(known.password.reveal(), minted.password);
        }
    }
}
