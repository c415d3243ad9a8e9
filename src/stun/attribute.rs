//! Attributes: their types, and the shapes of their values that need more than a slice.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, TransactionId};

/// A type of attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// A request with one of these that is not known is refused (RFC 8489 section 14).
    pub const fn must_be_understood(self) -> bool {
        self.0 < 0x8000
    }
}

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: AttributeType = AttributeType($number);)*
    };
}

// Numbers are those of IANA's registry "STUN Attributes".
types! {
    /// The sender as it was seen, in the clear.
    MAPPED_ADDRESS = 0x0001;
    /// Who asks.
    USERNAME = 0x0006;
    /// HMAC-SHA1 over all that stands before it.
    MESSAGE_INTEGRITY = 0x0008;
    /// Why not.
    ERROR_CODE = 0x0009;
    /// Types that were not understood.
    UNKNOWN_ATTRIBUTES = 0x000a;
    /// TURN: a number that stands for a peer.
    CHANNEL_NUMBER = 0x000c;
    /// TURN: seconds.
    LIFETIME = 0x000d;
    /// TURN: a peer's address.
    XOR_PEER_ADDRESS = 0x0012;
    /// TURN: what a datagram carries.
    DATA = 0x0013;
    /// Whose passwords these are.
    REALM = 0x0014;
    /// The server's number of the day.
    NONCE = 0x0015;
    /// TURN: the relay's address.
    XOR_RELAYED_ADDRESS = 0x0016;
    /// TURN: IPv4 or IPv6.
    REQUESTED_ADDRESS_FAMILY = 0x0017;
    /// TURN: an even port, and perhaps the next one kept.
    EVEN_PORT = 0x0018;
    /// TURN: UDP or TCP to the peer.
    REQUESTED_TRANSPORT = 0x0019;
    /// TURN: whole or not at all.
    DONT_FRAGMENT = 0x001a;
    /// HMAC-SHA256 over all that stands before it.
    MESSAGE_INTEGRITY_SHA256 = 0x001c;
    /// How the key is made of the password.
    PASSWORD_ALGORITHM = 0x001d;
    /// USERNAME as a hash.
    USERHASH = 0x001e;
    /// The sender as it was seen, masked.
    XOR_MAPPED_ADDRESS = 0x0020;
    /// TURN: the port that was kept.
    RESERVATION_TOKEN = 0x0022;
    /// ICE: what a candidate is worth.
    PRIORITY = 0x0024;
    /// ICE: the path to take.
    USE_CANDIDATE = 0x0025;
    /// TURN: a TCP connection's number (RFC 6062).
    CONNECTION_ID = 0x002a;
    /// TURN: IPv6 as well.
    ADDITIONAL_ADDRESS_FAMILY = 0x8000;
    /// TURN: the family that could not be had, and why.
    ADDRESS_ERROR_CODE = 0x8001;
    /// How keys may be made of passwords.
    PASSWORD_ALGORITHMS = 0x8002;
    /// The name under which the other server is known.
    ALTERNATE_DOMAIN = 0x8003;
    /// TURN: what the network said.
    ICMP = 0x8004;
    /// Who made this.
    SOFTWARE = 0x8022;
    /// Ask there instead.
    ALTERNATE_SERVER = 0x8023;
    /// CRC-32 over all that stands before it.
    FINGERPRINT = 0x8028;
    /// ICE: controlled.
    ICE_CONTROLLED = 0x8029;
    /// ICE: controlling.
    ICE_CONTROLLING = 0x802a;
    /// The sender's address of the answer (RFC 5780).
    RESPONSE_ORIGIN = 0x802b;
    /// TURN: an allocation's name that survives a change of address (RFC 8016).
    MOBILITY_TICKET = 0x8030;
}

const FAMILY_IPV4: u8 = 1;
const FAMILY_IPV6: u8 = 2;
/// The longest value of an address: family, port, IPv6.
pub(super) const MAX_ADDRESS_LEN: usize = 20;

/// An address in the clear (14.1); `None` where the value is none.
pub fn address(value: &[u8]) -> Option<SocketAddr> {
    let [_, family, port_high, port_low, ip @ ..] = value else { return None };
    let ip: IpAddr = match *family {
        FAMILY_IPV4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        FAMILY_IPV6 => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        _ => return None,
    };
    Some((ip, u16::from_be_bytes([*port_high, *port_low])).into())
}

/// An address under its transaction's mask (14.2). Port 0 and an unspecified IP are passed on as they
/// are: what they mean, the caller knows.
pub fn unmask(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    address(value).map(|masked| mask(masked, id))
}

/// The mask both ways: the cookie's half over the port, cookie and transaction over the IP.
pub(super) fn mask(address: SocketAddr, id: &TransactionId) -> SocketAddr {
    let port = address.port() ^ u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);
    let cookie = u32::from_be_bytes(MAGIC_COOKIE);
    let ip: IpAddr = match address.ip() {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() ^ cookie).into(),
        IpAddr::V6(ip) => {
            let mut pad = [0; 16];
            pad[..4].copy_from_slice(&MAGIC_COOKIE);
            pad[4..].copy_from_slice(id);
            Ipv6Addr::from_bits(ip.to_bits() ^ u128::from_be_bytes(pad)).into()
        }
    };
    (ip, port).into()
}

/// An address as a value, into a buffer that holds the longest; how long it became.
pub(super) fn put_address(address: SocketAddr, out: &mut [u8; MAX_ADDRESS_LEN]) -> usize {
    out[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            out[1] = FAMILY_IPV4;
            out[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            out[1] = FAMILY_IPV6;
            out[4..20].copy_from_slice(&ip.octets());
            20
        }
    }
}
