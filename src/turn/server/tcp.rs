//! Connections with peers (RFC 6062): asked for, come, given to a stream, ended.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    Deadline, Server,
    answer::{Ask, Refusal},
    auth::Caller,
};
use crate::{
    stun::{
        Class, Integrity, Kind, Message, Method, TransactionId, Writer,
        attribute::{CONNECTION_ID, XOR_PEER_ADDRESS},
    },
    turn::{
        outlet::{Client, ConnectionId, Outlet, Protocol, RelayId, Via},
        server::Now,
    },
};

/// How long nobody may come for a connection (RFC 6062 section 5.3), and how long one may take to be
/// made (5.2).
const WAIT: Duration = Duration::from_secs(30);
/// Connections of one relay: more than a browser opens to one site.
const MAX_CONNECTIONS: usize = 64;

/// A connection with a peer.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) relay: RelayId,
    /// As the client knows it.
    peer: SocketAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Being made, for whoever asked.
    Asked { client: Client, transaction: TransactionId, caller: Caller, with_fingerprint: bool },
    /// Waits for a stream until then.
    Waits(Instant),
    /// A stream has it.
    Spliced,
}

impl Connection {
    /// Its deadline is no more.
    pub(super) fn forget(&self, id: ConnectionId, deadlines: &mut BTreeSet<(Instant, Deadline)>) {
        if let State::Waits(until) = self.state {
            deadlines.remove(&(until, Deadline::Connection(id)));
        }
    }
}

impl Server {
    pub(super) fn connect(
        &mut self,
        ask: &Ask<'_>,
        caller: &Caller,
        out: &mut impl Outlet,
    ) -> Result<(), Refusal> {
        let id = self.allocation_of(ask, caller)?;
        if self.allocations[id].protocol != Protocol::Tcp {
            return Err(403.into());
        }
        let peer = ask.message.xor_address(XOR_PEER_ADDRESS).ok_or(Refusal::from(400))?;
        let (relay, to) = self.reach(id, peer)?;
        let mut of_relay = self.connections.values().filter(|other| other.relay == relay);
        if of_relay.clone().any(|other| other.peer == peer) {
            return Err(446.into());
        }
        if of_relay.nth(MAX_CONNECTIONS - 1).is_some() {
            return Err(508.into());
        }
        let own = self.relays[relay.0];
        let state = State::Asked {
            client: *ask.client,
            transaction: ask.message.transaction_id(),
            caller: caller.clone(),
            with_fingerprint: ask.message.fingerprint().is_some(),
        };
        let connection = self.new_connection(Connection { relay, peer, state });
        out.connect(relay, (own.home.bound, own.port).into(), connection, to);
        Ok(())
    }

    fn new_connection(&mut self, connection: Connection) -> ConnectionId {
        loop {
            let id = ConnectionId(u32::from_be_bytes(self.dice.draw()));
            if id.0 != 0 && !self.connections.contains_key(&id) {
                self.connections.insert(id, connection);
                return id;
            }
        }
    }

    /// What has come of a `connect`.
    pub(crate) fn connected(
        &mut self,
        now: Now,
        id: ConnectionId,
        is_open: bool,
        out: &mut impl Outlet,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else {
            // The allocation has ended meanwhile.
            return out.hang_up(id);
        };
        let until = now.instant + WAIT;
        let state = std::mem::replace(&mut connection.state, State::Waits(until));
        let State::Asked { client, transaction, caller, with_fingerprint } = state else { return };
        if is_open {
            self.deadlines.insert((until, Deadline::Connection(id)));
        } else {
            self.connections.remove(&id);
        }
        // The answer repeats the question's head; nothing of it is read but its kind and number.
        let mut question = Vec::new();
        let writer = Writer::new(&mut question, Kind::request(Method::CONNECT), transaction);
        let written = match with_fingerprint {
            true => writer.finish(Integrity::None),
            false => writer.finish_bare(Integrity::None),
        };
        written.expect("it is short");
        let message = Message::parse(&question).expect("we wrote it");
        let ask = Ask { now, client: &client, message };
        if !is_open {
            return self.refuse(&ask, Some(&caller), 447.into(), out);
        }
        self.answer(&ask, Some(&caller), Class::Success, out, |answer| {
            answer.put_u32(CONNECTION_ID, id.0);
        });
    }

    /// A peer has connected to a relay: the number under which it waits, if it may.
    pub(crate) fn accepted(
        &mut self,
        now: Now,
        relay: RelayId,
        from: SocketAddr,
        out: &mut impl Outlet,
    ) -> Option<ConnectionId> {
        let owner = self.relays.get(relay.0)?.allocation?;
        let allocation = &self.allocations[owner];
        let permits = |ip| allocation.permits(ip, now.instant);
        let peer = self.rules.policy.outward(from, permits)?;
        let client = allocation.client;
        if self.connections.values().filter(|other| other.relay == relay).count() >= MAX_CONNECTIONS
        {
            return None;
        }
        let until = now.instant + WAIT;
        let id = self.new_connection(Connection { relay, peer, state: State::Waits(until) });
        self.deadlines.insert((until, Deadline::Connection(id)));
        self.scratch.clear();
        let kind = Kind::indication(Method::CONNECTION_ATTEMPT);
        let mut writer = Writer::new(&mut self.scratch, kind, self.dice.draw());
        writer.put_xor_address(XOR_PEER_ADDRESS, peer).put_u32(CONNECTION_ID, id.0);
        writer.finish_bare(Integrity::None).expect("it is short");
        out.to_client(&client, false, &[&self.scratch]);
        Some(id)
    }

    pub(super) fn connection_bind(
        &mut self,
        ask: &Ask<'_>,
        caller: &Caller,
        out: &mut impl Outlet,
    ) -> Result<(), Refusal> {
        let Via::Stream(stream) = ask.client.via else { return Err(400.into()) };
        let id = ask.message.u32(CONNECTION_ID).map(ConnectionId).ok_or(Refusal::from(400))?;
        let connection = self.connections.get_mut(&id).ok_or(Refusal::from(400))?;
        let State::Waits(until) = connection.state else { return Err(400.into()) };
        let owner = self.relays[connection.relay.0].allocation.ok_or(Refusal::from(437))?;
        if self.allocations[owner].username != caller.username {
            return Err(441.into());
        }
        // A stream that has an allocation of its own controls that.
        if self.by_client.contains_key(ask.client) {
            return Err(400.into());
        }
        connection.state = State::Spliced;
        self.deadlines.remove(&(until, Deadline::Connection(id)));
        self.answer(ask, Some(caller), Class::Success, out, |_| {});
        out.splice(stream, Some(id));
        Ok(())
    }

    /// Ends connections with peers that the rules refuse by now.
    pub(super) fn end_refused(&mut self, out: &mut impl Outlet) {
        let policy = &self.rules.policy;
        let refused = self.connections.iter().filter(|(_, it)| policy.judge(it.peer.ip()).is_err());
        let refused: Vec<ConnectionId> = refused.map(|(id, _)| *id).collect();
        for id in refused {
            self.disconnected(id);
            out.hang_up(id);
        }
    }

    /// A connection has ended, or a peer's that was not taken.
    pub(crate) fn disconnected(&mut self, id: ConnectionId) {
        if let Some(gone) = self.connections.remove(&id) {
            gone.forget(id, &mut self.deadlines);
        }
    }
}
