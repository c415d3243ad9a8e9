//! Which ports the workers get: each one number, by UDP and by TCP.

use std::{
    io,
    net::{TcpListener, UdpSocket},
};

use super::StartError;
use crate::{
    config::MediaSettings,
    sfu::wire::{socket, tcp},
};

/// How often a port that is free by UDP may be taken by TCP where any will do.
const MAX_TRIES: usize = 64;

/// A worker's.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) port: u16,
    pub(super) socket: UdpSocket,
    /// None where `media.tcp` says no.
    pub(super) listener: Option<TcpListener>,
}

/// One for each worker: the first of `settings.ports`, then the next that are free; port 0 is any.
pub(super) fn bind(settings: &MediaSettings) -> Result<Vec<Port>, StartError> {
    let n_workers = settings.workers.max(1);
    let n_ports = settings.ports.clone().count();
    let any = *settings.ports.start() == 0;
    if n_ports < n_workers && !any {
        return Err(StartError::TooFewPorts { wanted: n_workers, found: n_ports });
    }
    let mut ports = settings.ports.clone();
    let mut bound: Vec<Port> = Vec::new();
    let mut refused = StartError::PortInUse { protocol: "udp", port: *settings.ports.start() };
    let mut n_tries = 0;
    while bound.len() < n_workers {
        let port = match any {
            true => Some(0).filter(|_| n_tries < MAX_TRIES * n_workers),
            false => ports.next(),
        };
        let Some(port) = port else { return Err(refused) };
        n_tries += 1;
        match bind_port(port, settings.tcp) {
            Ok(port) => bound.push(port),
            Err(error @ StartError::PortInUse { .. }) if any || !bound.is_empty() => {
                refused = error
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}

fn bind_port(port: u16, by_tcp: bool) -> Result<Port, StartError> {
    let of = |protocol: &'static str, port: u16| {
        move |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse { protocol, port },
            _ => StartError::Bind { protocol, port, source },
        }
    };
    let socket = socket::bind(port).map_err(of("udp", port))?;
    let port = socket.local_addr().map_err(of("udp", port))?.port();
    let listener = by_tcp.then(|| tcp::bind(port).map_err(of("tcp", port))).transpose()?;
    Ok(Port { port, socket, listener })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(ports: std::ops::RangeInclusive<u16>, workers: usize, tcp: bool) -> MediaSettings {
        MediaSettings { ports, workers, viewers_per_worker: 400, tcp }
    }

    /// Three port numbers in a row that are free both ways.
    fn free() -> u16 {
        loop {
            let first = bind_port(0, true).expect("a free port").port;
            let next = |n| first.checked_add(n).and_then(|port| bind_port(port, true).ok());
            if first.is_multiple_of(4) && next(1).is_some() && next(2).is_some() {
                return first;
            }
        }
    }

    #[test]
    fn a_number_is_a_workers_by_udp_and_tcp_or_not_at_all() {
        let first = free();
        let held = TcpListener::bind(("0.0.0.0", first)).expect("it is free");
        let error =
            bind(&settings(first..=first + 2, 1, true)).expect_err("the first is the first");
        assert!(
            matches!(error, StartError::PortInUse { protocol: "tcp", port } if port == first),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("TCP port {first} is in use")), "{error}");
        let alone = bind(&settings(first..=first + 2, 1, false)).expect("nobody asks for TCP");
        assert_eq!((alone[0].port, alone[0].listener.is_some()), (first, false));
        drop((alone, held));

        let held = TcpListener::bind(("0.0.0.0", first + 1)).expect("it is free");
        let bound = bind(&settings(first..=first + 2, 2, true)).expect("two of three are free");
        let ports: Vec<u16> = bound.iter().map(|port| port.port).collect();
        assert_eq!(ports, [first, first + 2], "whoever holds the middle one by TCP keeps it");
        for Port { port, listener, .. } in &bound {
            let address = listener.as_ref().expect("by TCP too").local_addr().expect("it is bound");
            assert_eq!(address.port(), *port);
        }
        drop(held);
    }
}
