//! Where sans-IO connections write what is to be sent.
//!
//! Owns one trait and its stand-in for tests. The worker's arena is the implementation that counts.

use std::net::SocketAddr;

/// Where sans-IO ends write what is to be sent now. The worker's arena is one; tests use a `Vec`.
pub trait Transmit {
    /// Sends one datagram; the bytes are copied before this returns.
    fn transmit(&mut self, to: SocketAddr, datagram: &[u8]);
}

impl Transmit for Vec<(SocketAddr, Vec<u8>)> {
    fn transmit(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.push((to, datagram.to_vec()));
    }
}
