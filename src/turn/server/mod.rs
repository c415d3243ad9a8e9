//! The server: what each message means, and what follows from it (RFC 8489, 8656, 6062, 8016).
//!
//! Owns all allocations, their relays, quotas and deadlines. It does nothing by itself: sockets, and
//! what they carry, are an `Outlet`'s; time is an argument.
//!
//! ```text
//!  client --message----> request --authenticate--> allocate, refresh, permission, channel, connect
//!         --Send,                                       |
//!           ChannelData--> data --peer?--> relay --> peer, or the other relay of ours it belongs to
//!         <--Data, ChannelData-- permission? <-- relay <-- peer
//! ```
//!
//! # Departures
//!
//! * An allocation outlives the time of the password it was made with: a call may take longer, and
//!   a browser cannot change the password of a candidate that it uses.
//! * A move to another address (RFC 8016) is complete with the Refresh from there: that request is
//!   signed with a nonce that was sent to the new address.
//! * Channels may have the numbers of RFC 5766, up to 0x7fff: clients that were written for it draw
//!   from all of them.
//! * Anonymous user names (USERHASH) are not offered: those of time-limited passwords cannot be
//!   found by a hash. ICMP errors are not passed on.
//!
//! PURE: messages in, calls of the outlet out.

mod allocate;
mod answer;
mod auth;
mod data;
mod dice;
mod lifetime;
mod requests;
mod tcp;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, hash_map::RandomState},
    net::SocketAddr,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use slab::Slab;

use self::{answer::Ask, dice::Dice, tcp::Connection};
use super::{
    allocation::{Allocation, Ticket},
    credential::Credentials,
    frame::CONNECTION_BIND,
    nonce::Nonces,
    outlet::{Client, ConnectionId, Outlet, Protocol, RelayId, Via},
    policy::{OwnAddress, Policy},
    ports::Ports,
    rate::Bucket,
    source::Sources,
};
use crate::stun::{Class, Message, Method};

/// What the owner has set, and what is known of the network.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whose passwords these are.
    pub realm: String,
    /// Who is known.
    pub credentials: Credentials,
    /// Whom relays reach.
    pub policy: Policy,
    /// Where relays live; `None` is nowhere.
    pub relay_ports: Option<RangeInclusive<u16>>,
    /// Allocations of all; 0 is no limit.
    pub total_quota: u32,
    /// Allocations of one user; 0 is no limit.
    pub user_quota: u32,
    /// Bytes a second of one allocation, each way; 0 is no limit.
    pub max_bps: u64,
    /// Bytes a second of all, each way; 0 is no limit.
    pub bps_capacity: u64,
    /// Where to ask when nothing is left here.
    pub alternate: Vec<SocketAddr>,
}

/// A moment, for lifetimes and for what is written in a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    /// After 1970.
    pub(crate) unix: Duration,
}

/// What has happened since the server began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Datagrams of clients that went to a peer.
    pub(crate) to_peers: u64,
    /// Datagrams of peers that went to a client.
    pub(crate) to_clients: u64,
    /// Bytes of both.
    pub(crate) bytes: u64,
    /// Datagrams without a permission or a place to go, or beyond a cap.
    pub(crate) dropped: u64,
    /// What was no message.
    pub(crate) bad: u64,
    /// Requests that were refused.
    pub(crate) refused: u64,
    /// Questions of strangers that were not answered: see `source`.
    pub(crate) unanswered: u64,
}

/// A relay, or a port that is kept for one.
#[derive(Debug, Clone, Copy)]
struct Relay {
    protocol: Protocol,
    home: OwnAddress,
    port: u16,
    /// Its allocation; `None` while it is kept.
    allocation: Option<usize>,
}

impl Relay {
    fn told(&self) -> SocketAddr {
        (self.home.told, self.port).into()
    }

    fn is_ipv4(&self) -> bool {
        self.home.bound.is_ipv4()
    }
}

/// What ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Allocation(usize),
    Reservation([u8; 8]),
    Connection(ConnectionId),
}

/// A port that is kept for whoever knows the token.
#[derive(Debug, Clone, Copy)]
struct Reservation {
    relay: RelayId,
    expires: Instant,
}

/// The server.
pub(crate) struct Server {
    rules: Arc<Rules>,
    started: Instant,
    nonces: Nonces,
    sources: Sources<RandomState>,
    dice: Dice,
    allocations: Slab<Allocation>,
    by_client: HashMap<Client, usize>,
    by_ticket: HashMap<Ticket, usize>,
    accounts: HashMap<Arc<str>, u32>,
    relays: Slab<Relay>,
    by_port: HashMap<(bool, Protocol, u16), RelayId>,
    ports: Ports,
    reservations: HashMap<[u8; 8], Reservation>,
    connections: HashMap<ConnectionId, Connection>,
    deadlines: BTreeSet<(Instant, Deadline)>,
    /// What may still come in and go out in this second, of all.
    meters: [Bucket; 2],
    counts: Counts,
    scratch: Vec<u8>,
}

impl Server {
    /// Nothing is drawn but from `seed`, which nobody may know.
    pub(crate) fn new(rules: Arc<Rules>, seed: [u8; 32], now: Now) -> Self {
        let mut dice = Dice::new(&seed);
        Self {
            meters: [Bucket::new(rules.bps_capacity, now.instant); 2],
            rules,
            started: now.instant,
            nonces: Nonces::new(&dice.draw()),
            sources: Sources::new(RandomState::new()),
            dice,
            allocations: Slab::new(),
            by_client: HashMap::new(),
            by_ticket: HashMap::new(),
            accounts: HashMap::new(),
            relays: Slab::new(),
            by_port: HashMap::new(),
            ports: Ports::default(),
            reservations: HashMap::new(),
            connections: HashMap::new(),
            deadlines: BTreeSet::new(),
            counts: Counts::default(),
            scratch: Vec::with_capacity(2_048),
        }
    }

    /// All is forgotten but the rules and the counts: nothing half done is used again.
    pub(crate) fn begin_anew(&mut self, now: Now) {
        let (rules, seed, counts) = (self.rules.clone(), self.dice.draw(), self.counts);
        *self = Self { counts, ..Self::new(rules, seed, now) };
    }

    /// What lives stays as far as the new rules let it: peers that they refuse are let through no more,
    /// and connections with them end.
    pub(crate) fn set_rules(&mut self, rules: Arc<Rules>, out: &mut impl Outlet) {
        for (_, allocation) in &mut self.allocations {
            allocation.retain(|peer| rules.policy.judge(peer).is_ok());
        }
        self.rules = rules;
        self.end_refused(out);
    }

    /// One message of a client: a datagram, or one frame of a stream.
    pub(crate) fn handle(
        &mut self,
        now: Now,
        client: &Client,
        bytes: &[u8],
        out: &mut impl Outlet,
    ) {
        match bytes {
            [0x40..=0x7f, ..] => self.channel_data(now.instant, client, bytes, out),
            [0..=3, ..] => {
                let is_spliced = self.stun(now, client, bytes, out);
                // A stream that asks for a peer's connection waits to hear what comes of it.
                let binds = bytes.starts_with(&CONNECTION_BIND);
                if let (Via::Stream(stream), true, false) = (client.via, binds, is_spliced) {
                    out.splice(stream, None);
                }
            }
            _ => self.counts.bad += 1,
        }
    }

    /// True if the client's stream carries something else from here on.
    fn stun(&mut self, now: Now, client: &Client, bytes: &[u8], out: &mut impl Outlet) -> bool {
        let Ok(message) = Message::parse(bytes) else {
            self.counts.bad += 1;
            return false;
        };
        if message.fingerprint() == Some(false) {
            self.counts.bad += 1;
            return false;
        }
        let ask = Ask { now, client, message };
        let kind = message.kind();
        match kind.class {
            Class::Request => return self.request(&ask, out),
            Class::Indication if kind.method == Method::SEND => self.send(&ask, out),
            // A Binding indication keeps a NAT's door open, and has no answer.
            Class::Indication if kind.method == Method::BINDING => {}
            _ => self.counts.bad += 1,
        }
        false
    }

    /// When something ends next; `handle_timeout` wants to be called then.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Allocations that live.
    pub(crate) fn n_allocations(&self) -> usize {
        self.allocations.len()
    }

    /// What has happened so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }
}
