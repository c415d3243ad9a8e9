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
        outlet::{Outlet, Protocol},
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

    /// Whether an allocation may speak to a peer.
    pub(super) fn may_reach(&self, id: usize, peer: SocketAddr) -> Result<(), Refusal> {
        let allocation = &self.allocations[id];
        let mut relays = allocation.relays.iter().map(|relay| &self.relays[relay.0]);
        let relay = relays.find(|relay| relay.is_ipv4() == peer.is_ipv4());
        let relay = relay.ok_or(Refusal::from(443))?;
        self.rules.policy.judge(peer.ip()).map_err(|_| Refusal::from(403))?;
        let leads_somewhere = match self.rules.policy.way(peer, relay.home.bound) {
            Way::Out(_) => true,
            Way::Inside => self.is_relay(peer, allocation.protocol),
            Way::No(_) => false,
        };
        if leads_somewhere { Ok(()) } else { Err(403.into()) }
    }

    fn is_relay(&self, peer: SocketAddr, protocol: Protocol) -> bool {
        self.by_port.contains_key(&(peer.is_ipv4(), protocol, peer.port()))
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
                self.may_reach(id, peer)?;
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
        self.may_reach(id, peer)?;
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
