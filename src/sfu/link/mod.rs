//! A connection's transport: ICE-lite, DTLS for its keys, SRTP.
//!
//! Owns no socket: datagrams come in, datagrams go out by [`super::wire::transmit::Transmit`]. What is
//! inside the packets is `media`'s affair, and which connection a datagram belongs to `wire`'s.

pub mod credentials;
pub(crate) mod dtls;
pub mod flight;
pub(crate) mod ice;
pub(crate) mod srtp;
pub(crate) mod transport;
pub(crate) mod window;

/// What the owner of a connection was told of it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    New,
    Connected,
    Closed,
}
