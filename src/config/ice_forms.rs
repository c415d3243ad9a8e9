//! Addresses of STUN and TURN servers (RFC 7064, 7065): `stun:HOST[:PORT]`,
//! `turn:HOST[:PORT][?transport=udp|tcp]`, and `stuns:`, `turns:` over TLS.
//!
//! PURE. The address comes back as browsers take it.

use std::net::{IpAddr, Ipv6Addr};

use super::{fault::Problem, forms, shape::Meant};

/// `ice.servers.urls`
pub(super) fn url(text: &str) -> Meant<String> {
    let wrong = |problem: &str| {
        let remedy = "write \"stun:HOST:3478\" or \"turn:HOST:3478?transport=udp\" (stuns:, turns: over TLS)";
        Problem::new(problem, remedy)
    };
    let (scheme, rest) = text.split_once(':').ok_or_else(|| wrong("is no STUN or TURN address"))?;
    let scheme = scheme.to_ascii_lowercase();
    if !["stun", "stuns", "turn", "turns"].contains(&scheme.as_str()) {
        return Err(wrong("is no STUN or TURN address"));
    }
    let (server, transport) = match rest.split_once('?') {
        Some((server, query)) => (server, Some(query)),
        None => (rest, None),
    };
    match transport {
        None => {}
        Some(_) if scheme.starts_with("stun") => {
            return Err(wrong("has a transport, which STUN has not"));
        }
        Some("transport=udp" | "transport=tcp") => {}
        Some(_) => return Err(wrong("has an unknown transport")),
    }
    if !is_server(server) {
        return Err(wrong("names no host, or a wrong port"));
    }
    Ok(format!("{scheme}:{rest}"))
}

/// `HOST[:PORT]`, IPv6 in brackets.
fn is_server(text: &str) -> bool {
    let (host_is_right, rest) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host.parse::<Ipv6Addr>().is_ok(), rest),
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host.parse::<IpAddr>().is_ok() || forms::is_dns_name(host), rest)
        }
    };
    let port_is_right = match rest.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => rest.is_empty(),
    };
    host_is_right && port_is_right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        let cases = [
            ("stun:stun.example", Some("stun:stun.example")),
            ("STUN:192.0.2.1:3478", Some("stun:192.0.2.1:3478")),
            (
                "turn:[2001:db8::1]:3478?transport=tcp",
                Some("turn:[2001:db8::1]:3478?transport=tcp"),
            ),
            ("turns:turn.example:443?transport=tcp", Some("turns:turn.example:443?transport=tcp")),
            ("turn.example:3478", None),
            ("https://turn.example", None),
            ("stun:stun.example?transport=udp", None),
            ("turn:turn.example?transport=sctp", None),
            ("turn:turn.example:0", None),
            ("turn:turn.example:65536", None),
            ("turn://turn.example", None),
            ("turn:me@turn.example", None),
            ("turn:[2001:db8::1", None),
            ("turn:", None),
        ];
        for (written, expected) in cases {
            assert_eq!(url(written).ok().as_deref(), expected, "{written}");
        }
    }
}
