//! PURE. rtnetlink messages: bytes in, values out.
//!
//! Owns the wire layout of `RTM_*LINK`, `RTM_*ADDR` and `RTM_*ROUTE` (rtnetlink(7), netlink(7),
//! RFC 3549 section 2.3), as far as parlor needs it, and the requests that ask for them. Does not
//! decide what an address is good for (`policy`) nor remember anything (`table`).
//!
//! Numbers are in the machine's own byte order, as the kernel writes them. Whatever the bytes are,
//! nothing here panics: what is cut short or contradicts itself ends the iteration or is skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

const HEADER_LEN: usize = 16;

// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
// linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
const RT_TABLE_MAIN: u32 = 254;
const RTN_UNICAST: u8 = 1;
// linux/if_link.h, linux/if_addr.h
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
// Two bits of an attribute's type are flags (nested, byte order).
const NLA_TYPE_MASK: u16 = 0x3fff;
// linux/socket.h
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// `IFF_UP`: switched on by the administrator.
pub const IFF_UP: u32 = 0x1;
/// `IFF_LOOPBACK`
pub const IFF_LOOPBACK: u32 = 0x8;
/// `IFF_RUNNING`: there is a carrier, or the device does not know of such a thing.
pub const IFF_RUNNING: u32 = 0x40;

/// `IFA_F_TEMPORARY`, which means "secondary" on an IPv4 address.
pub const IFA_F_TEMPORARY: u32 = 0x01;
/// `IFA_F_DADFAILED`: another host has this address.
pub const IFA_F_DADFAILED: u32 = 0x08;
/// `IFA_F_DEPRECATED`: its preferred lifetime is over.
pub const IFA_F_DEPRECATED: u32 = 0x20;
/// `IFA_F_TENTATIVE`: duplicate address detection goes on.
pub const IFA_F_TENTATIVE: u32 = 0x40;

/// `RT_SCOPE_HOST`: valid inside this host only.
pub const RT_SCOPE_HOST: u8 = 254;

/// An interface as one message describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it, > 0.
    pub index: u32,
    /// Its name, such as `eth0`.
    pub name: String,
    /// `IFF_*` bits.
    pub flags: u32,
    /// The driver's word for what it is, such as `bridge`, `veth`, `wireguard`; often none.
    pub kind: Option<String>,
}

/// An address as one message describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface that has it.
    pub index: u32,
    /// The address, our end where the link is point to point.
    pub ip: IpAddr,
    /// Bits of its on-link prefix: 0-32 or 0-128.
    pub prefix_len: u8,
    /// `IFA_F_*` bits.
    pub flags: u32,
    /// `RT_SCOPE_*`
    pub scope: u8,
}

/// A route of the main table to less than everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The interface that it leads over.
    pub index: u32,
    /// Where to.
    pub prefix: IpNet,
    /// Over a gateway: the network is not on the interface's link.
    pub via: bool,
}

/// What one netlink message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An interface is new or has changed.
    Link(Link),
    /// An interface is gone, and its addresses with it.
    LinkGone(u32),
    /// An address is new or has changed.
    Address(InterfaceAddress),
    /// An address is gone.
    AddressGone(InterfaceAddress),
    /// A default route leads over this gateway.
    Gateway(IpAddr),
    /// A default route over this gateway is gone.
    GatewayGone(IpAddr),
    /// A network is reached over an interface.
    Route(Route),
    /// It no longer is.
    RouteGone(Route),
    /// The answer to the request with this sequence number is complete.
    Done(u32),
    /// The request with this sequence number failed with this errno (> 0).
    Failed(u32, i32),
    /// The kernel dropped messages, or a dump was disturbed: what is known may be wrong.
    Overrun,
}

/// What a dump is to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dump {
    /// Interfaces.
    Links,
    /// Addresses of both families.
    Addresses,
    /// Routes of both families.
    Routes,
}

/// The bytes that ask the kernel for a dump; its answer carries `sequence`.
pub fn dump_request(dump: Dump, sequence: u32) -> Vec<u8> {
    let (kind, body_len) = match dump {
        Dump::Links => (RTM_GETLINK, 16_usize),
        Dump::Addresses => (RTM_GETADDR, 8),
        Dump::Routes => (RTM_GETROUTE, 12),
    };
    let len = HEADER_LEN + body_len;
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&(len as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.resize(len, 0); // port id 0: the kernel fills it in; AF_UNSPEC and no filter
    bytes
}

/// The messages of one datagram, those that parlor has no use for left out.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        while let Some((header, body)) = next_message(&mut rest) {
            if let Some(message) = message(header, body) {
                return Some(message);
            }
        }
        None
    })
}

#[derive(Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

fn next_message<'a>(rest: &mut &'a [u8]) -> Option<(Header, &'a [u8])> {
    let len = read_u32(rest, 0)? as usize;
    let header = Header {
        kind: read_u16(rest, 4)?,
        flags: read_u16(rest, 6)?,
        sequence: read_u32(rest, 8)?,
    };
    let message = rest.get(..len)?;
    let body = message.get(HEADER_LEN..)?;
    // The last message need not be padded.
    *rest = rest.get(align(len)?..).unwrap_or_default();
    Some((header, body))
}

fn message(header: Header, body: &[u8]) -> Option<Message> {
    if header.flags & NLM_F_DUMP_INTR != 0 && header.kind != NLMSG_ERROR {
        return Some(Message::Overrun);
    }
    match header.kind {
        NLMSG_DONE => Some(Message::Done(header.sequence)),
        NLMSG_OVERRUN => Some(Message::Overrun),
        NLMSG_ERROR => match read_u32(body, 0)?.cast_signed() {
            0 => None, // an acknowledgement
            errno => Some(Message::Failed(header.sequence, errno.checked_neg()?)),
        },
        RTM_NEWLINK => link(body).map(Message::Link),
        RTM_DELLINK => link(body).map(|link| Message::LinkGone(link.index)),
        RTM_NEWADDR => address(body).map(Message::Address),
        RTM_DELADDR => address(body).map(Message::AddressGone),
        RTM_NEWROUTE => match default_gateway(body) {
            Some(ip) => Some(Message::Gateway(ip)),
            None => route(body).map(Message::Route),
        },
        RTM_DELROUTE => match default_gateway(body) {
            Some(ip) => Some(Message::GatewayGone(ip)),
            None => route(body).map(Message::RouteGone),
        },
        _ => None,
    }
}

/// `struct ifinfomsg` and its attributes.
fn link(body: &[u8]) -> Option<Link> {
    // A bridge reports its ports as links of family AF_BRIDGE, and "deletes" such a one when a port
    // leaves it, though the interface stays.
    if *body.first()? != AF_UNSPEC {
        return None;
    }
    let index = read_u32(body, 4)?;
    let flags = read_u32(body, 8)?;
    let mut name = None;
    let mut kind = None;
    for (attribute, value) in attributes(body.get(16..)?) {
        match attribute {
            IFLA_IFNAME => name = Some(text(value)),
            IFLA_LINKINFO => {
                kind = attributes(value)
                    .find(|(attribute, _)| *attribute == IFLA_INFO_KIND)
                    .map(|(_, value)| text(value));
            }
            _ => {}
        }
    }
    Some(Link { index, name: name?, flags, kind })
}

/// `struct ifaddrmsg` and its attributes.
fn address(body: &[u8]) -> Option<InterfaceAddress> {
    let family = *body.first()?;
    let prefix_len = *body.get(1)?;
    let mut flags = u32::from(*body.get(2)?);
    let scope = *body.get(3)?;
    let index = read_u32(body, 4)?;
    let mut local = None;
    let mut address = None;
    for (attribute, value) in attributes(body.get(8..)?) {
        match attribute {
            // On a point to point link IFA_ADDRESS is the other end.
            IFA_LOCAL => local = ip(family, value),
            IFA_ADDRESS => address = ip(family, value),
            // The byte in the header holds only the lower eight flags.
            IFA_FLAGS => flags = read_u32(value, 0)?,
            _ => {}
        }
    }
    let ip = local.or(address)?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    (prefix_len <= bits).then_some(InterfaceAddress { index, ip, prefix_len, flags, scope })
}

/// `struct rtmsg` and its attributes: the gateway of a route to everywhere.
fn default_gateway(body: &[u8]) -> Option<IpAddr> {
    let family = *body.first()?;
    let destination_len = *body.get(1)?;
    let (_, value) =
        attributes(body.get(12..)?).find(|(attribute, _)| *attribute == RTA_GATEWAY)?;
    if destination_len == 0 { ip(family, value) } else { None }
}

/// `struct rtmsg` and its attributes: a unicast route of the main table over one interface.
fn route(body: &[u8]) -> Option<Route> {
    let (family, prefix_len) = (*body.first()?, *body.get(1)?);
    let mut table = u32::from(*body.get(4)?);
    if *body.get(7)? != RTN_UNICAST || prefix_len == 0 {
        return None;
    }
    let (mut destination, mut index, mut via) = (None, None, false);
    for (attribute, value) in attributes(body.get(12..)?) {
        match attribute {
            RTA_DST => destination = ip(family, value),
            RTA_OIF => index = read_u32(value, 0),
            RTA_GATEWAY | RTA_VIA | RTA_NH_ID => via = true,
            // Over several interfaces, each with a gateway, as a rule.
            RTA_MULTIPATH => return None,
            RTA_TABLE => table = read_u32(value, 0)?,
            _ => {}
        }
    }
    let prefix = IpNet::new(destination?, prefix_len).ok()?.trunc();
    (table == RT_TABLE_MAIN).then_some(Route { index: index?, prefix, via })
}

fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len = usize::from(read_u16(rest, 0)?);
        let kind = read_u16(rest, 2)? & NLA_TYPE_MASK;
        let value = rest.get(4..len)?;
        rest = rest.get(align(len)?..).unwrap_or_default();
        Some((kind, value))
    })
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).into()),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// Messages and attributes begin at multiples of four.
fn align(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(4)
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests;
