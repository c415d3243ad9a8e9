//! What the server asks of the world: its vocabulary, and the trait that a shell or a test is.
//!
//! PURE: names and a trait.

use std::net::{IpAddr, SocketAddr};

/// A stream that speaks TURN, by TCP or TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamId(pub(crate) u64);

/// By what a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Via {
    /// Our UDP socket of this number.
    Udp(u16),
    /// A stream.
    Stream(StreamId),
}

/// A client by its five-tuple. Addresses are canonical: IPv4 is never in IPv6's clothes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) via: Via,
    pub(crate) remote: SocketAddr,
    /// Where it has come to; a port alone does not tell on a box with several addresses.
    pub(crate) local: IpAddr,
}

impl Client {
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.via, Via::Stream(_))
    }
}

/// By what a relay speaks with its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Udp,
    /// RFC 6062.
    Tcp,
}

/// A relay by its number, which is used again when it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RelayId(pub(crate) usize);

/// A connection with a peer (RFC 6062): CONNECTION-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u32);

/// What is to be done. Nothing of it may call the server back.
pub(crate) trait Outlet {
    /// Sends one message to a client. What is a peer's data may be dropped where a stream has no room
    /// for it; answers may not.
    fn to_client(&mut self, client: &Client, is_data: bool, parts: &[&[u8]]);
    /// Sends a datagram from a relay; `whole` is with DONT-FRAGMENT.
    fn to_peer(&mut self, relay: RelayId, peer: SocketAddr, payload: &[u8], whole: bool);
    /// Opens a relay at this address, if that is free.
    fn open(&mut self, relay: RelayId, protocol: Protocol, at: SocketAddr) -> bool;
    /// Closes it, and all connections that were made from it.
    fn close(&mut self, relay: RelayId);
    /// Connects from a relay's address to a peer; the outcome comes to `Server::connected`.
    fn connect(
        &mut self,
        relay: RelayId,
        at: SocketAddr,
        connection: ConnectionId,
        peer: SocketAddr,
    );
    /// Gives a peer's connection to a stream, which carries nothing else from here on; without one
    /// the stream goes on as it was.
    fn splice(&mut self, stream: StreamId, connection: Option<ConnectionId>);
    /// Closes a connection with a peer, or makes it no more.
    fn hang_up(&mut self, connection: ConnectionId);
    /// Whoever speaks by this stream has shown a password.
    fn known(&mut self, stream: StreamId);
}
