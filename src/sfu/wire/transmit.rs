//! By what ways datagrams come and go, and where connections write what is to be sent.
//!
//! Owns the names of the two ends of a way, one trait and its stand-in for tests. The worker's arena
//! is the implementation that counts.

use std::net::{IpAddr, SocketAddr};

/// What carries datagrams. A TCP stream carries them framed (RFC 4571).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Datagrams as they are.
    Udp,
    /// One stream to one peer: what comes by the next one from the same address is another peer's
    /// until it has proven the contrary.
    Tcp(StreamId),
}

/// One TCP connection of a worker: its place, and the how many-eth it was. None is ever used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// Where it is kept.
    pub slot: u32,
    /// Which of those that were accepted.
    pub nth: u32,
}

/// The far end of a way. The same address by UDP and by TCP is two peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// What it is reached by.
    pub protocol: Protocol,
    /// Where it is.
    pub address: SocketAddr,
}

/// A way to a peer, both ends: what a datagram came by is what its answer goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// The far end.
    pub peer: Peer,
    /// Our address that the peer talks to; `None` lets the kernel choose.
    pub local: Option<IpAddr>,
}

impl Peer {
    /// The stream that it is reached by, if it is one.
    #[inline]
    pub fn stream(&self) -> Option<StreamId> {
        match self.protocol {
            Protocol::Udp => None,
            Protocol::Tcp(stream) => Some(stream),
        }
    }
}

impl From<SocketAddr> for Peer {
    /// By UDP.
    fn from(address: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, address }
    }
}

impl From<SocketAddr> for Route {
    /// By UDP, from whatever address of ours.
    fn from(address: SocketAddr) -> Self {
        Self { peer: address.into(), local: None }
    }
}

impl From<(SocketAddr, Option<IpAddr>)> for Route {
    /// By UDP.
    fn from((address, local): (SocketAddr, Option<IpAddr>)) -> Self {
        Self { peer: address.into(), local }
    }
}

/// Where sans-IO ends write what is to be sent now. The worker's arena is one; tests use a `Vec`.
pub trait Transmit {
    /// Sends one datagram; the bytes are copied before this returns.
    fn transmit(&mut self, to: Route, datagram: &[u8]);
}

impl Transmit for Vec<(SocketAddr, Vec<u8>)> {
    fn transmit(&mut self, to: Route, datagram: &[u8]) {
        self.push((to.peer.address, datagram.to_vec()));
    }
}
