//! What STUN goes by: datagrams, or frames of a stream.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::seams::turn::ByteStream;

/// A datagram may get lost: it is sent again after this long, then after twice that (RFC 8489, 6.2.1).
const AGAIN: Duration = Duration::from_millis(300);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing came.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// What the system said.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something came that is no answer.
    #[error("{0}")]
    Strange(&'static str),
    /// A STUN error.
    #[error("refused with {0}")]
    Refused(u16),
}

/// How messages are told apart in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By STUN's own header, as TURN over TCP has it.
    Stun,
    /// By two bytes of length (RFC 4571), as media over TCP has it.
    Media,
}

/// One way to a server.
pub enum Link {
    /// Connected.
    Udp(UdpSocket),
    /// TCP or TLS, and what was read of it and not used.
    Stream(Box<dyn ByteStream>, Framing, Vec<u8>),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Udp(socket) => f.debug_tuple("Udp").field(socket).finish(),
            Self::Stream(_, framing, _) => f.debug_tuple("Stream").field(framing).finish(),
        }
    }
}

impl Link {
    /// By UDP.
    ///
    /// # Errors
    /// What the system says.
    pub async fn udp(to: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(to).await?;
        Ok(Self::Udp(socket))
    }

    /// By TCP.
    ///
    /// # Errors
    /// What the system says, or nothing within `patience`.
    pub async fn tcp(to: SocketAddr, framing: Framing, patience: Duration) -> Result<Self, Fault> {
        let connecting = timeout(patience, TcpStream::connect(to));
        let stream = connecting.await.map_err(|_| Fault::Silent(patience))??;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream), framing))
    }

    /// By a stream that is there.
    pub fn over(stream: Box<dyn ByteStream>, framing: Framing) -> Self {
        Self::Stream(stream, framing, Vec::new())
    }

    /// Sends a message and takes what comes until `accept` has what it wants. By UDP it is sent again.
    pub(super) async fn ask<T>(
        &mut self,
        message: &[u8],
        patience: Duration,
        mut accept: impl FnMut(Vec<u8>) -> Option<T>,
    ) -> Result<T, Fault> {
        let is_udp = matches!(self, Self::Udp(_));
        let asking = async {
            let mut wait = AGAIN;
            loop {
                self.send(message).await?;
                let hearing = async {
                    loop {
                        if let Some(found) = accept(self.receive().await?) {
                            return Ok::<T, Fault>(found);
                        }
                    }
                };
                if !is_udp {
                    return hearing.await;
                }
                if let Ok(heard) = timeout(wait, hearing).await {
                    return heard;
                }
                wait *= 2;
            }
        };
        timeout(patience, asking).await.map_err(|_| Fault::Silent(patience))?
    }

    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        match self {
            // overflow: none, it is the network's.
            Self::Udp(socket) => drop(socket.send(message).await?),
            Self::Stream(stream, framing, _) => {
                if *framing == Framing::Media {
                    let len =
                        u16::try_from(message.len()).map_err(|_| Fault::Strange("too long"))?;
                    stream.write_all(&len.to_be_bytes()).await?;
                }
                stream.write_all(message).await?;
                stream.flush().await?;
            }
        }
        Ok(())
    }

    /// The next message.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Udp(socket) => {
                let mut bytes = vec![0; 2048];
                let len = socket.recv(&mut bytes).await?;
                bytes.truncate(len);
                Ok(bytes)
            }
            Self::Stream(stream, framing, read) => loop {
                if let Some(message) = framing.take(read) {
                    return Ok(message);
                }
                if stream.read_buf(read).await? == 0 {
                    return Err(Fault::Strange("the other end has closed the connection"));
                }
            },
        }
    }
}

impl Framing {
    /// The first message of what was read, if it is whole.
    fn take(self, read: &mut Vec<u8>) -> Option<Vec<u8>> {
        let (skip, len, padded) = match (self, read.as_slice()) {
            (Self::Media, [high, low, ..]) => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                (2, len, len)
            }
            (Self::Stun, [first, _, high, low, ..]) => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                // ChannelData is padded in streams (RFC 8656, 12.5).
                let whole = if *first < 4 { 20 + len } else { 4 + len };
                (0, whole, whole.next_multiple_of(4))
            }
            _ => return None,
        };
        if read.len() < skip + padded {
            return None;
        }
        let message = read[skip..skip + len].to_vec();
        read.drain(..skip + padded);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_one_by_one_however_they_come() {
        let cases = [
            (Framing::Media, vec![0, 2, 7, 8, 0, 1, 9, 0], vec![vec![7, 8], vec![9]]),
            (Framing::Stun, vec![64, 0, 0, 1, 9, 0, 0, 0, 64, 1], vec![vec![64, 0, 0, 1, 9]]),
            (Framing::Stun, vec![0; 21], vec![vec![0; 20]]),
        ];
        for (framing, bytes, expected) in cases {
            let (mut read, mut found) = (Vec::new(), Vec::new());
            for byte in &bytes {
                read.push(*byte);
                found.extend(framing.take(&mut read));
            }
            assert_eq!(found, expected, "{framing:?} {bytes:?}");
        }
    }
}
