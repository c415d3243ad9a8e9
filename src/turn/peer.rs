//! TCP connections with peers (RFC 6062), from and to a relay's address.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::{
    outlet::{ConnectionId, RelayId},
    socket::canonical,
    worker::{Command, Commands},
};

/// RFC 6062 section 5.2: how long a connection may take to be made, at least.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// Listens, on a port from which connections are made as well.
pub(super) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = shared(at)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn shared(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// Hands over whoever connects, until it is aborted.
pub(super) async fn accept(listener: TcpListener, relay: RelayId, commands: Commands) {
    let own = tokio::task::id();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let _ = stream.set_nodelay(true);
                let accepted = Command::Accepted(relay, own, canonical(from), stream);
                if !commands.tell(accepted).await {
                    return;
                }
            }
            // Out of descriptors: others must close some first.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Connects from a relay's address to a peer, and tells what has come of it.
pub(super) async fn connect(
    at: SocketAddr,
    peer: SocketAddr,
    connection: ConnectionId,
    commands: Commands,
) {
    let stream = match timeout(PATIENCE, try_connect(at, peer)).await {
        Ok(Ok(stream)) => Some(stream),
        _ => None,
    };
    commands.tell(Command::Connected(connection, stream)).await;
}

async fn try_connect(at: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::from_std_stream(shared(at)?.into());
    let stream = socket.connect(peer).await?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
