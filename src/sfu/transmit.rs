//! Where sans-IO ends write what is to be sent now.

use std::net::SocketAddr;

/// The worker's arena is one; tests use a `Vec`.
pub trait Transmit {
    /// Sends one datagram from the worker's socket.
    fn transmit(&mut self, to: SocketAddr, datagram: &[u8]);
}
