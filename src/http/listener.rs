//! Sockets that listen: dual-stack, or a sentence on why not.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::telemetry::port_holder;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Why an address of `http.listen` could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error(
        "tcp {address} is in use{}",
        holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    InUse {
        /// Which address.
        address: SocketAddr,
        /// `NAME (process N)`, where the system tells.
        holder: Option<String>,
    },
    /// Anything else: no such address here, no right to a low port.
    #[error("tcp {address}: {source}")]
    Refused {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on all of `listen`.
pub(super) fn bind_all(listen: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    listen.iter().map(|&address| bind(address, has_own_v4(listen, address))).collect()
}

/// True if IPv4 of the same port has an entry of its own: `[::]` then leaves it that.
fn has_own_v4(listen: &[SocketAddr], address: SocketAddr) -> bool {
    listen.iter().any(|other| other.is_ipv4() && other.port() == address.port())
}

fn bind(address: SocketAddr, only_v6: bool) -> Result<TcpListener, BindError> {
    let bound = match try_bind(address, only_v6) {
        // A kernel without IPv6: what is meant by "all addresses" is all of IPv4.
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
        {
            try_bind((Ipv4Addr::UNSPECIFIED, address.port()).into(), false)
        }
        bound => bound,
    };
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => {
            BindError::InUse { address, holder: port_holder("tcp", address.port()) }
        }
        _ => BindError::Refused { address, source },
    })
}

fn try_bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // A restart must not wait for connections of before to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_names_port_and_process() {
        let first = bind_all(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
        let address = first[0].local_addr().expect("it is bound");
        let error = bind_all(&[address]).expect_err("it is taken");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{} is in use by ", address.port())), "{text}");
        assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
        let elsewhere = "192.0.2.1:0".parse().expect("an address");
        assert!(matches!(bind_all(&[elsewhere]), Err(BindError::Refused { .. })));
    }

    #[tokio::test]
    async fn the_default_is_dual_stack_and_makes_room_for_an_entry_of_ipv4() {
        let listeners = bind_all(&["[::]:0".parse().expect("an address")]).expect("a free port");
        let port = listeners[0].local_addr().expect("it is bound").port();
        for address in ["127.0.0.1", "::1"] {
            let ip: std::net::IpAddr = address.parse().expect("an address");
            tokio::net::TcpStream::connect((ip, port)).await.expect(address);
        }
        drop(listeners);
        let both = [format!("[::]:{port}"), format!("0.0.0.0:{port}")];
        let both = both.map(|address| address.parse().expect("an address"));
        assert_eq!(bind_all(&both).expect("both have a place").len(), 2);
    }
}
