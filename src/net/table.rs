//! PURE. What the kernel has told so far: its interfaces and their addresses, and how to ask.
//!
//! Owns the order of the conversation: the dumps one after the other, then notifications for ever.
//! Does not judge addresses (`policy`) and holds no socket (`watch`).
//!
//! ```text
//!   Links --done--> Addresses --done--> Routes --done--> Following
//!     \________________ failed, overrun ____________________/ --> Lost: begin anew on a new socket
//! ```
//! Notifications that arrive between the parts of a dump are applied as they come: one socket
//! delivers both in the order in which the kernel made them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    networks,
    parse::{self, Dump, InterfaceAddress, Link, Message, Route},
};

/// Routes that are remembered. A household has ten, a node with containers some hundred.
const MAX_ROUTES: usize = 8192;

/// Everything known, by interface index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Interfaces by their index.
    pub links: BTreeMap<u32, Link>,
    /// Addresses by interface index and address.
    pub addresses: BTreeMap<(u32, IpAddr), InterfaceAddress>,
    /// Gateways of default routes. The kernel does not tell of each route that goes with its
    /// interface, so one may be in here that no address is on a link with any more.
    pub gateways: BTreeSet<IpAddr>,
    /// Networks on a link, and those behind container interfaces. Others that have a gateway are
    /// left out: a router may have a million.
    pub routes: BTreeSet<Route>,
}

impl Table {
    /// Takes in one message; what is no news about interfaces or addresses is ignored.
    pub fn apply(&mut self, message: Message) {
        match message {
            Message::Link(link) => {
                self.links.insert(link.index, link);
            }
            Message::LinkGone(index) => {
                self.links.remove(&index);
                self.addresses.retain(|(of, _), _| *of != index);
                self.routes.retain(|route| route.index != index);
            }
            Message::Address(address) => {
                self.addresses.insert((address.index, address.ip), address);
            }
            Message::AddressGone(address) => {
                self.addresses.remove(&(address.index, address.ip));
            }
            Message::Gateway(ip) => {
                self.gateways.insert(ip);
            }
            Message::GatewayGone(ip) => {
                self.gateways.remove(&ip);
            }
            Message::Route(route) => {
                let of_containers = |link: &Link| networks::is_container_name(&link.name);
                let counts = !route.via || self.links.get(&route.index).is_some_and(of_containers);
                if counts && self.routes.len() < MAX_ROUTES {
                    self.routes.insert(route);
                }
            }
            Message::RouteGone(route) => {
                self.routes.remove(&route);
            }
            Message::Done(_) | Message::Failed(..) | Message::Overrun => {}
        }
    }
}

/// What the shell has to do after a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this request, then go on reading.
    Ask(Vec<u8>),
    /// Read on; the table may have changed if the dumps are complete.
    Read,
    /// The dumps have just become complete.
    Complete,
    /// Messages were lost, or a request failed with this errno (0: lost): begin anew.
    Lost(i32),
}

/// One conversation with the kernel, from the first dump on.
#[derive(Debug)]
pub struct Conversation {
    table: Table,
    /// The dump that is being read; none once we only follow notifications.
    dump: Option<Dump>,
}

impl Conversation {
    /// A new one, and its first request.
    pub fn begin() -> (Self, Vec<u8>) {
        let dump = Dump::Links;
        let conversation = Self { table: Table::default(), dump: Some(dump) };
        (conversation, parse::dump_request(dump, sequence(dump)))
    }

    /// What is known; not whole before [`Step::Complete`].
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Takes in what the socket delivered.
    pub fn handle_datagram(&mut self, datagram: &[u8]) -> Step {
        let mut step = Step::Read;
        for message in parse::messages(datagram) {
            match (message, self.dump) {
                (Message::Overrun, _) => return Step::Lost(0),
                (Message::Failed(number, errno), Some(dump)) if number == sequence(dump) => {
                    return Step::Lost(errno);
                }
                (Message::Done(number), Some(dump)) if number == sequence(dump) => {
                    step = self.next_dump(dump);
                }
                (message, _) => self.table.apply(message),
            }
        }
        step
    }

    fn next_dump(&mut self, done: Dump) -> Step {
        self.dump = match done {
            Dump::Links => Some(Dump::Addresses),
            Dump::Addresses => Some(Dump::Routes),
            Dump::Routes => None,
        };
        match self.dump {
            Some(dump) => Step::Ask(parse::dump_request(dump, sequence(dump))),
            None => Step::Complete,
        }
    }
}

/// Each dump of a conversation has its own sequence number. Only a dump has an end that bears it.
fn sequence(dump: Dump) -> u32 {
    match dump {
        Dump::Links => 1,
        Dump::Addresses => 2,
        Dump::Routes => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(sequence: u32) -> Vec<u8> {
        header(3, sequence, &0_u32.to_ne_bytes())
    }

    fn header(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0, 0]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes
    }

    fn address(index: u32, ip: &str) -> InterfaceAddress {
        let ip = ip.parse().expect("an address");
        InterfaceAddress { index, ip, prefix_len: 24, flags: 0, scope: 0 }
    }

    fn link(index: u32, name: &str) -> Link {
        Link { index, name: name.into(), flags: 0, kind: None }
    }

    #[test]
    fn three_dumps_are_asked_for_one_after_the_other() {
        let (mut conversation, first) = Conversation::begin();
        assert_eq!(first, parse::dump_request(Dump::Links, 1));
        // The end of a dump that is not ours changes nothing.
        assert_eq!(conversation.handle_datagram(&done(7)), Step::Read);
        let second = parse::dump_request(Dump::Addresses, 2);
        assert_eq!(conversation.handle_datagram(&done(1)), Step::Ask(second));
        let third = parse::dump_request(Dump::Routes, 3);
        assert_eq!(conversation.handle_datagram(&done(2)), Step::Ask(third));
        assert_eq!(conversation.handle_datagram(&done(3)), Step::Complete);
        assert_eq!(conversation.handle_datagram(&done(3)), Step::Read);
    }

    #[test]
    fn loss_and_failure_begin_anew() {
        let overrun = header(4, 0, &[]);
        let busy = header(2, 1, &(-16_i32).to_ne_bytes());
        let (mut conversation, _) = Conversation::begin();
        assert_eq!(conversation.handle_datagram(&overrun), Step::Lost(0));
        let (mut conversation, _) = Conversation::begin();
        assert_eq!(conversation.handle_datagram(&busy), Step::Lost(16));
        // An error that answers nothing of ours is no reason to.
        let strange = header(2, 9, &(-16_i32).to_ne_bytes());
        let (mut conversation, _) = Conversation::begin();
        assert_eq!(conversation.handle_datagram(&strange), Step::Read);
    }

    #[test]
    fn an_interface_takes_its_addresses_along() {
        let mut table = Table::default();
        for message in [
            Message::Link(link(2, "eth0")),
            Message::Link(link(3, "wlan0")),
            Message::Address(address(2, "192.168.1.2")),
            Message::Address(address(2, "192.168.1.3")),
            Message::Address(address(3, "192.168.1.2")),
            Message::AddressGone(address(2, "192.168.1.3")),
            Message::AddressGone(address(9, "192.168.1.3")),
        ] {
            table.apply(message);
        }
        assert_eq!(table.addresses.len(), 2);
        table.apply(Message::LinkGone(2));
        assert_eq!(table.links.keys().copied().collect::<Vec<_>>(), [3]);
        assert_eq!(table.addresses.keys().map(|key| key.0).collect::<Vec<_>>(), [3]);
        table.apply(Message::Link(link(3, "wlp3s0")));
        assert_eq!(table.links[&3].name, "wlp3s0", "a rename");
    }
}
