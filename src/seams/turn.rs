//! How a stream that speaks TURN gets from where it was accepted to where it is understood, and how what
//! the TURN server takes gets to clients.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::protocol::IceServer;

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

/// Whether a stream begins with a TLS handshake (RFC 8446 5.1).
pub fn is_tls(first: u8) -> bool {
    first == 0x16
}

/// A handshake in the making; it has no time limit of its own.
pub type Handshake = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

/// Answers TLS handshakes of streams that were accepted where plain TURN is spoken too.
pub trait TlsDoor: Send + Sync + fmt::Debug {
    /// What is inside, once the handshake is made.
    fn open(&self, stream: TcpStream) -> Handshake;
}

/// What lies below a stream's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// TCP alone.
    Plain,
    /// TLS, which has records.
    Tls,
}

/// Who asks for servers, and how they have reached the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Quotas count by it.
    pub name: String,
    /// The name or address by which they know the box.
    pub host: String,
    /// The port at which they have reached https; `None` where TLS ends before us.
    pub https: Option<u16>,
}

/// What our TURN server takes from somebody for a time (TURN-REST).
#[derive(Clone, PartialEq, Eq)]
pub struct Pass {
    /// `EXPIRY:NAME`
    pub username: String,
    /// Base64.
    pub password: String,
    /// For how long.
    pub ttl: Duration,
    /// Where: `turn:` and `turns:` URIs, the best first.
    pub uris: Vec<String>,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Servers for somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handout {
    /// Our own, where it relays.
    pub own: Option<Pass>,
    /// All of them, as browsers take them.
    pub servers: Vec<IceServer>,
    /// When to ask again, in good time before a password expires; `None` where none does.
    pub renew_after: Option<Duration>,
}

/// Takes streams that speak TURN, whoever has accepted them, and tells where clients find it.
pub trait TurnDoor: Send + Sync + fmt::Debug {
    /// From here on it is the TURN server's.
    fn enter(&self, stream: Box<dyn ByteStream>, wire: Wire, remote: SocketAddr, local: SocketAddr);

    /// Servers for a client, with passwords minted now.
    fn hand_out(&self, asker: &Asker) -> Handout;
}
