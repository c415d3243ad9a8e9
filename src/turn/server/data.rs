//! Data, both ways (RFC 8656 sections 11 and 12): no authentication, no allocation of memory.

use std::{net::SocketAddr, time::Instant};

use super::{Server, answer::Ask};
use crate::{
    stun::{
        Kind, Method, Writer,
        attribute::{self, AttributeType, DATA, DONT_FRAGMENT, XOR_PEER_ADDRESS},
    },
    turn::{
        frame::CHANNEL_HEAD,
        outlet::{Client, Outlet, Protocol, RelayId},
        policy::Way,
    },
};

/// What a Send indication may hold that must be understood.
const SEND_KNOWN: [AttributeType; 3] = [XOR_PEER_ADDRESS, DATA, DONT_FRAGMENT];
/// Of the two meters: what comes from clients, what goes to them.
const FROM_CLIENTS: usize = 0;
const TO_CLIENTS: usize = 1;

impl Server {
    pub(super) fn channel_data(
        &mut self,
        now: Instant,
        client: &Client,
        bytes: &[u8],
        out: &mut impl Outlet,
    ) {
        let [high, low, len_high, len_low, rest @ ..] = bytes else {
            self.counts.bad += 1;
            return;
        };
        let number = u16::from_be_bytes([*high, *low]);
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        let Some(payload) = rest.get(..len) else {
            self.counts.bad += 1;
            return;
        };
        let found = self
            .by_client
            .get(client)
            .and_then(|&id| self.allocations[id].peer_of(number, now).map(|peer| (id, peer)));
        match found {
            Some((id, peer)) => self.send_to_peer(now, id, peer, payload, false, out),
            None => self.counts.dropped += 1,
        }
    }

    pub(super) fn send(&mut self, ask: &Ask<'_>, out: &mut impl Outlet) {
        let message = &ask.message;
        let (Some(peer), Some(payload)) =
            (message.xor_address(XOR_PEER_ADDRESS), message.find(DATA))
        else {
            self.counts.bad += 1;
            return;
        };
        let now = ask.now.instant;
        let found = self.by_client.get(ask.client).copied();
        let found = found.filter(|&id| self.allocations[id].permits(peer.ip(), now));
        match found {
            Some(id) if message.not_understood(&SEND_KNOWN).next().is_none() => {
                let whole = message.has(DONT_FRAGMENT);
                self.send_to_peer(now, id, peer, payload, whole, out);
            }
            _ => self.counts.dropped += 1,
        }
    }

    fn send_to_peer(
        &mut self,
        now: Instant,
        id: usize,
        peer: SocketAddr,
        payload: &[u8],
        whole: bool,
        out: &mut impl Outlet,
    ) {
        let is_udp = self.allocations[id].protocol == Protocol::Udp;
        let Some(relay) = self.relay_of(id, peer.is_ipv4()).filter(|_| is_udp) else {
            self.counts.dropped += 1;
            return;
        };
        if !self.has_room(id, FROM_CLIENTS, payload.len(), now) {
            self.counts.dropped += 1;
            return;
        }
        let own = self.relays[relay.0];
        match self.rules.policy.way(peer, own.home.bound) {
            Way::Out(to) => {
                self.counts.to_peers += 1;
                self.counts.bytes += payload.len() as u64;
                out.to_peer(relay, to, payload, whole);
            }
            Way::Inside => {
                match self.by_port.get(&(peer.is_ipv4(), Protocol::Udp, peer.port())).copied() {
                    Some(other) => self.send_to_client(now, other, own.told(), payload, out),
                    None => self.counts.dropped += 1,
                }
            }
            Way::No(_) => self.counts.dropped += 1,
        }
    }

    /// A datagram that a relay has received.
    pub(crate) fn handle_peer(
        &mut self,
        now: Instant,
        relay: RelayId,
        from: SocketAddr,
        payload: &[u8],
        out: &mut impl Outlet,
    ) {
        self.send_to_client(now, relay, from, payload, out);
    }

    fn send_to_client(
        &mut self,
        now: Instant,
        relay: RelayId,
        from: SocketAddr,
        payload: &[u8],
        out: &mut impl Outlet,
    ) {
        let id = self.relays.get(relay.0).and_then(|relay| relay.allocation);
        let Some(id) = id else {
            self.counts.dropped += 1;
            return;
        };
        let allocation = &self.allocations[id];
        let name = self.rules.policy.outward(from, |ip| allocation.permits(ip, now));
        let Some(from) = name.filter(|_| self.has_room(id, TO_CLIENTS, payload.len(), now)) else {
            self.counts.dropped += 1;
            return;
        };
        self.counts.to_clients += 1;
        self.counts.bytes += payload.len() as u64;
        let allocation = &self.allocations[id];
        let client = &allocation.client;
        let Some(number) = allocation.number_of(from, now) else {
            self.scratch.clear();
            let kind = Kind::indication(Method::DATA);
            let id = self.dice.draw();
            let mut writer = Writer::new(&mut self.scratch, kind, id);
            writer.put_xor_address(XOR_PEER_ADDRESS, from).put(attribute::DATA, payload);
            if writer.finish_bare(crate::stun::Integrity::None).is_ok() {
                out.to_client(client, true, &[&self.scratch]);
            }
            return;
        };
        let mut head = [0; CHANNEL_HEAD];
        head[..2].copy_from_slice(&number.to_be_bytes());
        head[2..].copy_from_slice(&(payload.len() as u16).to_be_bytes());
        // RFC 8656 section 12.5: padded over a stream, and over UDP as it is.
        let n_padding = if client.is_stream() { payload.len().wrapping_neg() % 4 } else { 0 };
        out.to_client(client, true, &[&head, payload, &[0; 3][..n_padding]]);
    }

    /// Whether the caps of this second let so much through.
    fn has_room(&mut self, id: usize, way: usize, len: usize, now: Instant) -> bool {
        let (one, all) = (self.rules.max_bps, self.rules.bps_capacity);
        self.allocations[id].last_used = now;
        self.allocations[id].meters[way].take(one, len, now) && self.meters[way].take(all, len, now)
    }
}
