//! Faults between keys: one port given to two services, more workers than ports.
//!
//! PURE. A conflict is told of the key that somebody wrote; of two written ones, of the later.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use super::{
    fault::{Problem, Source},
    meaning::MinMax,
    reader::Reader,
    settings::Settings,
};

/// coturn's own defaults where only one end of the relay range is written.
const COTURN_PORTS: MinMax = (49_152, 65_535);

/// Each worker needs a port.
pub(super) fn workers(reader: &mut Reader, settings: &Settings) {
    let n_ports = settings.media.ports.len();
    let faulty = ["ports", "workers"].iter().any(|key| reader.is_faulty("media", key));
    if settings.media.workers <= n_ports || faulty {
        return;
    }
    let problem = format!("is more than the {n_ports} of media.ports");
    let remedy = format!("write at most {n_ports}, or widen media.ports");
    let problem = Problem::new(problem, remedy);
    if reader.is_written("media", "workers") {
        reader.written_fault("media", "workers", problem);
    } else {
        reader.written_fault("media", "ports", problem);
    }
}

/// The ports of the workers: each has one.
fn worker_ports(settings: &Settings) -> RangeInclusive<u16> {
    let first = *settings.media.ports.start();
    let last = usize::from(first) + settings.media.workers.saturating_sub(1);
    let last = u16::try_from(last).unwrap_or(u16::MAX).min(*settings.media.ports.end());
    first..=last
}

/// What TURN relays by: as written, in parlor's words or coturn's, else what the workers leave.
pub(super) fn relay_ports(
    reader: &mut Reader,
    settings: &Settings,
    (min, max): MinMax,
) -> Option<RangeInclusive<u16>> {
    let written = settings.turn.relay_ports.clone();
    if (min, max) == (0, 0) {
        return written.or_else(|| {
            let first = worker_ports(settings).end().checked_add(1)?;
            let left = first..=*settings.media.ports.end();
            (!left.is_empty()).then_some(left)
        });
    }
    let key = if min == 0 { "max-port" } else { "min-port" };
    if written.is_some() {
        let remedy = "write either turn.relay_ports or coturn's min-port and max-port";
        reader.written_fault("turn", key, Problem::new("is written twice", remedy));
        return written;
    }
    let first = if min == 0 { COTURN_PORTS.0 } else { min };
    let last = if max == 0 { COTURN_PORTS.1 } else { max };
    if first > last {
        let problem = format!("makes the range {first}-{last}, which ends before it begins");
        reader.written_fault(
            "turn",
            key,
            Problem::new(problem, "write the lower port as min-port"),
        );
        return None;
    }
    Some(first..=last)
}

/// What one key takes.
struct Use {
    section: &'static str,
    key: &'static str,
    shown: String,
    source: Source,
    tcp: bool,
    udp: bool,
    /// All addresses where `None`.
    address: Option<IpAddr>,
    ports: RangeInclusive<u16>,
}

/// One port given to two services.
pub(super) fn ports(reader: &mut Reader, settings: &Settings) {
    let uses = uses(reader, settings);
    for (index, later) in uses.iter().enumerate() {
        for earlier in &uses[..index] {
            let Some((protocol, port)) = shared(earlier, later, settings) else { continue };
            let (to_blame, other) =
                if later.source == Source::Default { (earlier, later) } else { (later, earlier) };
            let problem = format!(
                "takes {protocol} port {port}, which {}.{} = {} has already ({})",
                other.section, other.key, other.shown, other.source
            );
            let problem = Problem::new(problem, "give each service a port of its own");
            let key = format!("{}.{}", to_blame.section, to_blame.key);
            reader.fault_at(to_blame.source.clone(), &key, &to_blame.shown, problem);
        }
    }
}

fn uses(reader: &Reader, settings: &Settings) -> Vec<Use> {
    let listening = |section: &'static str, address: &SocketAddr, udp: bool| Use {
        section,
        key: "listen",
        shown: format!("{:?}", address.to_string()),
        source: reader.source_of(section, "listen"),
        tcp: true,
        udp,
        address: (!address.ip().is_unspecified() || address.is_ipv4()).then_some(address.ip()),
        ports: address.port()..=address.port(),
    };
    let range = |section: &'static str, key: &'static str, ports: &RangeInclusive<u16>, tcp| Use {
        section,
        key,
        shown: reader.shown(section, key),
        source: reader.source_of(section, key),
        tcp,
        udp: true,
        address: None,
        ports: ports.clone(),
    };
    let mut uses: Vec<Use> = Vec::new();
    uses.extend(settings.http.listen.iter().map(|address| listening("http", address, false)));
    uses.push(range("media", "ports", &settings.media.ports, true));
    uses.extend(settings.turn.listen.iter().map(|address| listening("turn", address, true)));
    uses.extend(settings.rtsp.listen.iter().map(|address| listening("rtsp", address, false)));
    let written = ["relay_ports", "min-port", "max-port"]
        .into_iter()
        .find(|key| reader.is_written("turn", key));
    if let (Some(ports), Some(key)) = (&settings.turn.relay_ports, written) {
        uses.push(range("turn", key, ports, false));
    }
    uses.retain(|one| !reader.is_faulty(one.section, one.key));
    uses
}

/// The protocol and the first port that both take.
fn shared(a: &Use, b: &Use, settings: &Settings) -> Option<(&'static str, u16)> {
    let relay = |one: &Use| one.section == "turn" && one.key != "listen";
    let mut a_ports = a.ports.clone();
    if a.section == "media" && relay(b) {
        // Relays live where workers are not.
        a_ports = worker_ports(settings);
    }
    let first = *a_ports.start().max(b.ports.start());
    let last = *a_ports.end().min(b.ports.end());
    let protocol = match (a.tcp && b.tcp, a.udp && b.udp) {
        (true, _) => "tcp",
        (_, true) => "udp",
        _ => return None,
    };
    // Port 0 is any free one.
    (first <= last && first != 0 && same_address(a.address, b.address)).then_some((protocol, first))
}

fn same_address(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
        }
        _ => true,
    }
}
