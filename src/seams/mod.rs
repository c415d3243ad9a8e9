//! Where shells meet without knowing each other: plain values and traits, wired by `app`.

pub mod cameras;
pub mod crowd;
pub mod desk;
pub mod feed;
pub mod media;
mod networks;
pub mod places;
pub mod report;
pub mod restarts;
mod source;
pub mod stills;
pub mod turn;

use std::net::{IpAddr, Ipv4Addr};

pub use networks::{ContainerNetwork, Networks};
pub use source::Source;

/// An address of this box that clients may reach it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its on-link prefix.
    pub prefix_len: u8,
    /// The interface that has it; empty for a configured one.
    pub interface: String,
    /// Why it is announced.
    pub origin: AddressOrigin,
}

/// Why an address is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressOrigin {
    /// Found on an interface.
    Interface,
    /// Found on an interface that looks like a VPN.
    Vpn,
    /// `network.announce`, with the port there where one is written.
    Configured(Option<u16>),
}

/// The addresses of this box at one moment. `net` publishes a new one when anything changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// What is announced, best first: candidates, certificate names, printed URLs.
    pub announced: Vec<LocalAddress>,
    /// What is around: by it the LAN is told from the rest.
    pub networks: Networks,
    /// The host name, without domain.
    pub hostname: String,
}

impl Addresses {
    /// The addresses alone, best first.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.announced.iter().map(|address| address.ip)
    }

    /// Loopback alone: for tests, and for members inside this process.
    pub fn loopback() -> Self {
        Self {
            announced: vec![LocalAddress {
                ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                prefix_len: 8,
                interface: "lo".into(),
                origin: AddressOrigin::Interface,
            }],
            networks: Networks::default(),
            hostname: "localhost".into(),
        }
    }
}
