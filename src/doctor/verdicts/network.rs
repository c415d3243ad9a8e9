//! PURE. The box's addresses, and what lies around it.

use std::net::IpAddr;

use super::Tried;
use crate::{
    config::Announce,
    net::{
        Survey,
        container::Container,
        policy::{Judged, Unfit},
    },
    seams::{
        AddressOrigin, LocalAddress,
        report::{Remedy, Verdict},
    },
};

fn reason(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Loopback => "loopback",
        Unfit::Down => "interface down or without carrier",
        Unfit::LeftOut => "left out by network.interfaces",
        Unfit::LinkLocal => "link-local, no candidate can carry its zone",
        Unfit::Duplicate => "another machine has it too",
        Unfit::Tentative => "not confirmed yet",
        Unfit::Deprecated => "its time is over",
        Unfit::Temporary => "temporary, a lasting one is there",
        Unfit::Special => "not an address of one machine",
    }
}

fn origin(address: &LocalAddress) -> String {
    match address.origin {
        AddressOrigin::Interface => format!("found on {}", address.interface),
        AddressOrigin::Vpn => format!("found on {}, a VPN", address.interface),
        AddressOrigin::Configured(None) => "network.announce".into(),
        AddressOrigin::Configured(Some(port)) => format!("network.announce, port {port}"),
    }
}

/// What is announced and what is not, each with the reason.
pub fn announced(survey: &Survey) -> Verdict {
    let told = survey.addresses.announced.iter();
    let told = told.map(|address| format!("{} ({})", address.ip, origin(address)));
    let kept = survey.judged.iter().filter_map(|judged| {
        let why = reason(judged.unfit?);
        Some(format!("not {} on {} ({why})", judged.ip, judged.interface))
    });
    let detail = told.chain(kept).collect::<Vec<_>>().join("; ");
    if survey.addresses.announced.is_empty() {
        return Verdict::fault(
            format!("nothing; {detail}"),
            Remedy::new(
                "The box announces no address, so no media reaches anybody: connect it to a \
                 network, or name its address in network.announce.",
                "主机没有宣布任何地址，媒体到不了任何人：请把它接入网络，或在 network.announce 里写上它的地址。",
            ),
        );
    }
    let of_containers = |judged: &&Judged| judged.is_container && judged.unfit.is_none();
    if let Some(bridge) = survey.judged.iter().find(of_containers)
        && survey.container == Container::None
    {
        let name = &bridge.interface;
        return Verdict::unsure(
            detail,
            Remedy::new(
                format!(
                    "The address of the container bridge {name} is announced, where no browser \
                     is: take {name} out of network.interfaces.include."
                ),
                format!(
                    "宣布了容器网桥 {name} 的地址，而浏览器不在那里：请把 {name} 从 network.interfaces.include 里去掉。"
                ),
            ),
        );
    }
    if let Some(twice) = survey.judged.iter().find(|one| one.unfit == Some(Unfit::Duplicate)) {
        let (ip, interface) = (twice.ip, &twice.interface);
        return Verdict::fault(
            detail,
            Remedy::new(
                format!(
                    "Another machine on {interface} has {ip} too: give one of them another address."
                ),
                format!("{interface} 上另一台机器也用了 {ip}：请给其中一台换个地址。"),
            ),
        );
    }
    Verdict::good(detail)
}

/// Whether a container hides the machine's address from the box.
pub fn container(survey: &Survey, announce: &[Announce]) -> Verdict {
    let shown = match survey.container {
        Container::None => return Verdict::good("not in a container"),
        Container::System => {
            return Verdict::good("in a system container, with an address of its own");
        }
        Container::Application => "in an application's container",
    };
    let shares_host = survey.addresses.networks.forwarders.is_empty();
    match announce {
        _ if shares_host => Verdict::good(format!("{shown}, on the host's network")),
        [] => Verdict::fault(
            format!("{shown}, behind a port map, and network.announce is empty"),
            Remedy::new(
                "Only the container's own address is announced, which nobody outside reaches: name \
                 the machine's address in network.announce, or run with --network host.",
                "只宣布了容器自己的地址，外面谁也到不了：请在 network.announce 里写上机器的地址，或用 --network host 运行。",
            ),
        ),
        _ => {
            Verdict::good(format!("{shown}, behind a port map; network.announce names the machine"))
        }
    }
}

/// Whether the box reaches itself by the addresses that the owner has named; many routers do not turn
/// packets around (hairpin), so that silence is no proof.
pub fn hairpin(tried: &[Tried]) -> Verdict {
    let shown = |(address, outcome): &Tried| match outcome {
        Ok(took) => format!("{address} in {} ms", took.as_millis()),
        Err(why) => format!("{address} {why}"),
    };
    let detail = tried.iter().map(shown).collect::<Vec<_>>().join(", ");
    if tried.is_empty() {
        return Verdict::skipped("network.announce is empty");
    }
    if tried.iter().all(|(_, outcome)| outcome.is_ok()) {
        return Verdict::good(detail);
    }
    Verdict::unsure(
        detail,
        Remedy::new(
            "From inside, the box does not hear itself at an announced address: the address is \
             stale, the port is not forwarded, or the router does not turn packets around; try \
             parlor probe, or /doctor, from outside.",
            "从内部，主机在宣布的地址上听不到自己：地址过时、端口没有转发，或路由器不支持回环；请在外面用 parlor probe 或 /doctor 试一试。",
        ),
    )
}

/// Whether browsers will try an IPv6 that leads nowhere.
pub fn ipv6(survey: &Survey) -> Verdict {
    let global = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if !ip.is_unique_local());
    let has_global = survey.addresses.ips().any(|ip| global(&ip));
    let has_route = survey.gateways.iter().any(IpAddr::is_ipv6);
    match (has_global, has_route) {
        (true, false) => Verdict::unsure(
            "a global address, and no default route",
            Remedy::new(
                "The box has a global IPv6 address and no IPv6 route to the internet: let the \
                 router announce one, or take the address away.",
                "主机有全球 IPv6 地址，却没有通往互联网的 IPv6 路由：请让路由器宣布路由，或去掉这个地址。",
            ),
        ),
        (true, true) => Verdict::good("a global address and a default route"),
        (false, _) => Verdict::good("no global address is announced"),
    }
}

/// Whether whatever forwards to this machine lets strangers in as guests.
pub fn loopback_guests(is_guest: bool) -> Verdict {
    if !is_guest {
        return Verdict::good("access.loopback = token");
    }
    Verdict::unsure(
        "access.loopback = guest",
        Remedy::new(
            "Whatever comes from this machine is a guest, tunnels and proxies that run here \
             included: set access.loopback = \"token\" if there are any.",
            "来自本机的一切都算访客，包括在这里运行的隧道和代理：如果有，请设 access.loopback = \"token\"。",
        ),
    )
}
