//! How allocations go on and end: Refresh (RFC 8656 section 8), moves (RFC 8016), deadlines.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Deadline, Server,
    allocate::{family, lifetime},
    answer::{Ask, Refusal},
    auth::Caller,
};
use crate::{
    stun::{
        Class,
        attribute::{LIFETIME, MOBILITY_TICKET},
    },
    turn::{
        allocation::Ticket,
        outlet::{Client, Outlet, RelayId},
        server::Now,
    },
};

impl Server {
    pub(super) fn refresh(
        &mut self,
        ask: &Ask<'_>,
        caller: &Caller,
        out: &mut impl Outlet,
    ) -> Result<(), Refusal> {
        let id = match self.by_client.get(ask.client) {
            Some(&id) => id,
            None => self.ticketed(ask).ok_or(Refusal::from(437))?,
        };
        let allocation = &self.allocations[id];
        if allocation.username != caller.username {
            return Err(441.into());
        }
        let requested = family(&ask.message)?;
        let of_family = requested.map(|ipv4| self.relay_of(id, ipv4));
        if of_family == Some(None) {
            return Err(443.into());
        }
        let lifetime = lifetime(ask);
        if lifetime.is_zero() {
            match of_family.flatten() {
                Some(relay) if allocation.relays.len() > 1 => {
                    self.allocations[id].relays.retain(|other| *other != relay);
                    self.close(relay, out);
                }
                _ => self.end(id, out),
            }
        } else {
            if allocation.client != *ask.client {
                self.by_client.remove(&allocation.client);
                self.by_client.insert(*ask.client, id);
                self.allocations[id].client = *ask.client;
            }
            let allocation = &mut self.allocations[id];
            self.deadlines.remove(&(allocation.expires, Deadline::Allocation(id)));
            allocation.expires = ask.now.instant + lifetime;
            self.deadlines.insert((allocation.expires, Deadline::Allocation(id)));
            if allocation.tickets.is_some() {
                self.new_ticket(id);
            }
        }
        let allocation = self.allocations.get(id).filter(|_| !lifetime.is_zero());
        let ticket = allocation.and_then(|allocation| allocation.tickets).map(|(new, _)| new);
        self.answer(ask, Some(caller), Class::Success, out, |answer| {
            answer.put_u32(LIFETIME, lifetime.as_secs() as u32);
            if let Some(ticket) = ticket {
                answer.put(MOBILITY_TICKET, &ticket);
            }
        });
        Ok(())
    }

    /// The allocation whose ticket a request shows.
    pub(super) fn ticketed(&self, ask: &Ask<'_>) -> Option<usize> {
        let ticket = ask.message.find(MOBILITY_TICKET)?;
        self.by_ticket.get(ticket).copied()
    }

    /// A ticket serves until its successor has been used: an answer may be lost.
    pub(super) fn new_ticket(&mut self, id: usize) {
        let ticket = self.draw_ticket();
        let allocation = &mut self.allocations[id];
        let before = allocation.tickets.take();
        if let Some((_, Some(oldest))) = before {
            self.by_ticket.remove(&oldest);
        }
        allocation.tickets = Some((ticket, before.map(|(last, _)| last)));
        self.by_ticket.insert(ticket, id);
    }

    fn draw_ticket(&mut self) -> Ticket {
        let drawn: [u8; 12] = self.dice.draw();
        let mut ticket = Ticket::default();
        // Twelve bytes are sixteen characters.
        let written = URL_SAFE_NO_PAD.encode_slice(drawn, &mut ticket);
        written.expect("it has room");
        ticket
    }

    /// What is due ends.
    pub(crate) fn handle_timeout(&mut self, now: Now, out: &mut impl Outlet) {
        while let Some((_, due)) =
            self.deadlines.first().copied().filter(|(at, _)| *at <= now.instant)
        {
            self.deadlines.pop_first();
            match due {
                Deadline::Allocation(id) => self.end(id, out),
                Deadline::Reservation(token) => {
                    if let Some(relay) = self.unreserve(&token) {
                        self.close(relay, out);
                    }
                }
                Deadline::Connection(connection) => {
                    self.connections.remove(&connection);
                    out.hang_up(connection);
                }
            }
        }
    }

    /// A client's stream has ended, and what it had with it, unless it may come back by a ticket.
    pub(crate) fn stream_closed(&mut self, client: &Client, out: &mut impl Outlet) {
        let Some(&id) = self.by_client.get(client) else { return };
        if self.allocations[id].tickets.is_none() {
            self.end(id, out);
        }
    }

    pub(super) fn end(&mut self, id: usize, out: &mut impl Outlet) {
        let Some(allocation) = self.allocations.try_remove(id) else { return };
        self.deadlines.remove(&(allocation.expires, Deadline::Allocation(id)));
        self.by_client.remove(&allocation.client);
        if let Some((ticket, before)) = allocation.tickets {
            self.by_ticket.remove(&ticket);
            before.map(|before| self.by_ticket.remove(&before));
        }
        if let Some(n_of_account) = self.accounts.get_mut(&allocation.account) {
            *n_of_account -= 1;
            if *n_of_account == 0 {
                self.accounts.remove(&allocation.account);
            }
        }
        // Nobody will come for the port beside it any more.
        let kept = allocation.reservation.and_then(|token| self.unreserve(&token));
        for relay in allocation.relays.into_iter().chain(kept) {
            self.close(relay, out);
        }
    }

    /// The port that was kept for this token, if nobody has come for it.
    pub(super) fn unreserve(&mut self, token: &[u8; 8]) -> Option<RelayId> {
        let kept = self.reservations.remove(token)?;
        self.deadlines.remove(&(kept.expires, Deadline::Reservation(*token)));
        Some(kept.relay)
    }

    fn close(&mut self, relay: RelayId, out: &mut impl Outlet) {
        let Some(gone) = self.relays.try_remove(relay.0) else { return };
        let kind = (gone.is_ipv4(), gone.protocol);
        self.ports.give_back(kind, gone.port);
        self.by_port.remove(&(kind.0, kind.1, gone.port));
        let deadlines = &mut self.deadlines;
        self.connections.retain(|id, connection| {
            if connection.relay == relay {
                connection.forget(*id, deadlines);
            }
            connection.relay != relay
        });
        out.close(relay);
    }
}
