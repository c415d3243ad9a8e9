//! How a stream that speaks TURN gets from where it was accepted to where it is understood.

use std::{fmt, net::SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// The protocol's name in ALPN (RFC 7443).
pub const ALPN: &[u8] = b"stun.turn";

/// Whether a stream's first byte is that of STUN or ChannelData: neither TLS nor a method of HTTP
/// begins like that. (ChannelData comes only after STUN.)
pub fn is_first_byte(first: u8) -> bool {
    first <= 3
}

/// Takes streams that speak TURN, whoever has accepted them.
pub trait TurnDoor: Send + Sync + fmt::Debug {
    /// From here on it is the TURN server's. `read` was read from it already.
    fn enter(
        &self,
        stream: Box<dyn ByteStream>,
        read: Vec<u8>,
        remote: SocketAddr,
        local: SocketAddr,
    );
}
