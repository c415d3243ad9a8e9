//! CreatePermission and ChannelBind (RFC 8656 sections 10 and 12).

use std::net::{IpAddr, SocketAddr};

use super::{
    Server,
    answer::{Ask, Refusal},
    auth::Caller,
};
use crate::{
    stun::{
        Class,
        attribute::{CHANNEL_NUMBER, XOR_PEER_ADDRESS},
    },
    turn::{
        allocation::NotAdded,
        outlet::{Outlet, Protocol, RelayId},
        policy::Way,
    },
};

/// Peers of one CreatePermission: more do not come at once.
const MAX_AT_ONCE: usize = 64;

impl Server {
    /// The client's allocation, if it is the caller's.
    pub(super) fn allocation_of(&self, ask: &Ask<'_>, caller: &Caller) -> Result<usize, Refusal> {
        let id = *self.by_client.get(ask.client).ok_or(Refusal::from(437))?;
        match self.allocations[id].username == caller.username {
            true => Ok(id),
            false => Err(441.into()),
        }
    }

    /// The relay of an allocation that speaks this family.
    pub(super) fn relay_of(&self, id: usize, is_ipv4: bool) -> Option<RelayId> {
        let mut relays = self.allocations[id].relays.iter().copied();
        relays.find(|relay| self.relays[relay.0].is_ipv4() == is_ipv4)
    }

    /// By which of its relays an allocation may speak to a peer, and where that is.
    pub(super) fn reach(
        &self,
        id: usize,
        peer: SocketAddr,
    ) -> Result<(RelayId, SocketAddr), Refusal> {
        let relay = self.relay_of(id, peer.is_ipv4()).ok_or(Refusal::from(443))?;
        let to = match self.rules.policy.way(peer, self.relays[relay.0].home.bound) {
            Way::Out(to) => Some(to),
            Way::Inside => {
                let kind = (peer.is_ipv4(), self.allocations[id].protocol, peer.port());
                let other = self.by_port.get(&kind);
                other.map(|other| (self.relays[other.0].home.bound, peer.port()).into())
            }
            Way::No(_) => None,
        };
        Ok((relay, to.ok_or(Refusal::from(403))?))
    }

    pub(super) fn create_permission(
        &mut self,
        ask: &Ask<'_>,
        caller: &Caller,
        out: &mut impl Outlet,
    ) -> Result<(), Refusal> {
        let id = self.allocation_of(ask, caller)?;
        let mut peers: Vec<IpAddr> = Vec::new();
        for peer in ask.message.xor_addresses(XOR_PEER_ADDRESS) {
            let peer = peer.ok_or(Refusal::from(400))?;
            // The port of a permission is of no account (RFC 8656 section 10.1); but one of ours that
            // is another service's is told at once, and not first by silence.
            let is_of_no_account = peer.port() == 0 && self.rules.policy.is_own(peer.ip());
            if !is_of_no_account {
                self.reach(id, peer)?;
            }
            peers.push(peer.ip());
        }
        if peers.is_empty() {
            return Err(400.into());
        }
        let now = ask.now.instant;
        let allocation = &mut self.allocations[id];
        if peers.len() > MAX_AT_ONCE || !allocation.has_room(&peers, now) {
            return Err(508.into());
        }
        peers.into_iter().for_each(|peer| allocation.permit(peer, now));
        self.answer(ask, Some(caller), Class::Success, out, |_| {});
        Ok(())
    }

    pub(super) fn channel_bind(
        &mut self,
        ask: &Ask<'_>,
        caller: &Caller,
        out: &mut impl Outlet,
    ) -> Result<(), Refusal> {
        let id = self.allocation_of(ask, caller)?;
        let (number, peer) =
            (ask.message.u32(CHANNEL_NUMBER), ask.message.xor_address(XOR_PEER_ADDRESS));
        let (Some(number), Some(peer)) = (number, peer) else { return Err(400.into()) };
        if self.allocations[id].protocol == Protocol::Tcp {
            return Err(400.into());
        }
        self.reach(id, peer)?;
        let number = (number >> 16) as u16;
        match self.allocations[id].bind(number, peer, ask.now.instant) {
            Ok(()) => {}
            Err(NotAdded::Mismatch) => return Err(400.into()),
            Err(NotAdded::Full) => return Err(508.into()),
        }
        self.answer(ask, Some(caller), Class::Success, out, |_| {});
        Ok(())
    }
}
