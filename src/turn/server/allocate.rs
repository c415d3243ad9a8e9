//! Allocate (RFC 8656 section 7): what is wished, quotas, relays, the port that is kept.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use super::{
    Deadline, Relay, Reservation, Server,
    answer::{Ask, Refusal},
    auth::Caller,
};
use crate::{
    seams::Source,
    stun::{
        Class, Message,
        attribute::{
            ADDITIONAL_ADDRESS_FAMILY, ADDRESS_ERROR_CODE, DONT_FRAGMENT, EVEN_PORT, LIFETIME,
            MOBILITY_TICKET, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN,
            XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS,
        },
    },
    turn::{
        allocation::{Allocation, Made},
        outlet::{Outlet, Protocol, RelayId},
        ports::Parity,
    },
};

/// RFC 8656 section 3.2: what there is at least, and what is given where nothing is asked for.
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// What is given at most.
const MAX_LIFETIME: Duration = Duration::from_secs(3_600);
/// How long a port is kept for its token: RFC 8656 section 7.2 asks for 30 seconds at least. It is kept
/// no longer than the allocation that asked for it, which is a departure: whoever asked and ended again and
/// again would have all ports.
const RESERVATION_LASTS: Duration = Duration::from_secs(30);

/// Silence after which an allocation makes room for another where no port is left. Browsers check the
/// way that they use every few seconds.
const UNUSED: Duration = Duration::from_secs(30);

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// What an Allocate asks for.
struct Wish {
    protocol: Protocol,
    /// Families, IPv4 first.
    families: Families,
    parity: Parity,
    token: Option<[u8; 8]>,
    is_mobile: bool,
    lifetime: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Families {
    Ipv4,
    Ipv6,
    Both,
}

/// REQUESTED-ADDRESS-FAMILY: true is IPv4.
pub(super) fn family(message: &Message<'_>) -> Result<Option<bool>, Refusal> {
    match message.find(REQUESTED_ADDRESS_FAMILY) {
        None => Ok(None),
        Some([IPV4, ..]) => Ok(Some(true)),
        Some([IPV6, ..]) => Ok(Some(false)),
        Some(_) => Err(440.into()),
    }
}

/// LIFETIME, as it is given; zero ends. Over a stream no more than there is at least: whoever is silent
/// there for longer is gone, and the stream is closed.
pub(super) fn lifetime(ask: &Ask<'_>) -> Duration {
    let most = if ask.client.is_stream() { DEFAULT_LIFETIME } else { MAX_LIFETIME };
    match ask.message.u32(LIFETIME) {
        None => DEFAULT_LIFETIME,
        Some(0) => Duration::ZERO,
        Some(asked) => Duration::from_secs(u64::from(asked)).clamp(DEFAULT_LIFETIME, most),
    }
}

impl Wish {
    fn read(ask: &Ask<'_>) -> Result<Self, Refusal> {
        let message = &ask.message;
        let protocol = match message.find(REQUESTED_TRANSPORT) {
            Some([17, ..]) => Protocol::Udp,
            // RFC 6062 section 5.1: over TCP alone.
            Some([6, ..]) if ask.client.is_stream() => Protocol::Tcp,
            Some([6, ..]) => return Err(400.into()),
            Some([_, ..]) => return Err(442.into()),
            _ => return Err(400.into()),
        };
        let requested = family(message)?;
        let additional = match message.find(ADDITIONAL_ADDRESS_FAMILY) {
            None => false,
            Some([IPV6, ..]) => true,
            Some(_) => return Err(400.into()),
        };
        let parity = match message.find(EVEN_PORT) {
            None => Parity::Any,
            Some([bits, ..]) if bits & 0x80 != 0 => Parity::EvenAndNext,
            Some(_) => Parity::Even,
        };
        let token = match message.find(RESERVATION_TOKEN) {
            None => None,
            Some(token) => Some(token.try_into().map_err(|_| Refusal::from(400))?),
        };
        let is_mobile = match message.find(MOBILITY_TICKET) {
            None => false,
            Some([]) => true,
            Some(_) => return Err(400.into()),
        };
        let has_parity = parity != Parity::Any;
        let excluded = (additional && (requested.is_some() || parity == Parity::EvenAndNext))
            || (token.is_some() && (requested.is_some() || additional || has_parity))
            || (protocol == Protocol::Tcp
                && (has_parity || token.is_some() || message.has(DONT_FRAGMENT)));
        if excluded {
            return Err(400.into());
        }
        let families = match (requested, additional) {
            (Some(false), _) => Families::Ipv6,
            (_, true) => Families::Both,
            _ => Families::Ipv4,
        };
        let lifetime = lifetime(ask).max(DEFAULT_LIFETIME);
        Ok(Self { protocol, families, parity, token, is_mobile, lifetime })
    }
}

/// Opens a relay, and the one beside it where there is to be one; both or none.
fn open_both(
    (first, next): (RelayId, Option<RelayId>),
    protocol: Protocol,
    at: SocketAddr,
    out: &mut impl Outlet,
) -> bool {
    if !out.open(first, protocol, at) {
        return false;
    }
    let beside = SocketAddr::new(at.ip(), at.port().wrapping_add(1));
    let both = next.is_none_or(|next| out.open(next, protocol, beside));
    if !both {
        out.close(first);
    }
    both
}

impl Server {
    pub(super) fn allocate(
        &mut self,
        ask: &Ask<'_>,
        caller: &Caller,
        out: &mut impl Outlet,
    ) -> Result<(), Refusal> {
        if let Some(&id) = self.by_client.get(ask.client) {
            let allocation = &self.allocations[id];
            // The answer was lost: it is given again (RFC 8656 section 7.2).
            if allocation.made_by != ask.message.transaction_id() {
                return Err(437.into());
            }
            if allocation.username != caller.username {
                return Err(441.into());
            }
            self.tell(ask, caller, id, None, out);
            return Ok(());
        }
        let wish = Wish::read(ask)?;
        self.has_quota(ask, caller)?;
        let (relays, reservation, lacking) = self.relays_for(ask, &wish, out)?;
        let now = ask.now.instant;
        let made = Made {
            client: *ask.client,
            username: caller.username.clone(),
            account: caller.account.clone(),
            protocol: wish.protocol,
            made_by: ask.message.transaction_id(),
            max_bps: self.rules.max_bps,
        };
        let expires = now + wish.lifetime;
        let mut allocation = Allocation::new(made, expires, now);
        allocation.reservation = reservation;
        for relay in &relays {
            allocation.relays.push(*relay);
        }
        let id = self.allocations.insert(allocation);
        for relay in relays {
            self.relays[relay.0].allocation = Some(id);
        }
        if wish.is_mobile {
            self.new_ticket(id);
        }
        self.by_client.insert(*ask.client, id);
        *self.accounts.entry(caller.account.clone()).or_default() += 1;
        self.deadlines.insert((expires, Deadline::Allocation(id)));
        self.tell(ask, caller, id, lacking, out);
        Ok(())
    }

    fn has_quota(&self, ask: &Ask<'_>, caller: &Caller) -> Result<(), Refusal> {
        let rules = &self.rules;
        let of_account = self.accounts.get(&caller.account).copied().unwrap_or_default();
        if rules.user_quota != 0 && of_account >= rules.user_quota {
            return Err(486.into());
        }
        if rules.total_quota != 0 && self.allocations.len() >= rules.total_quota as usize {
            return Err(self.elsewhere(ask, 486));
        }
        Ok(())
    }

    /// 300 where there is another server of the client's family, else the code.
    fn elsewhere(&self, ask: &Ask<'_>, code: u16) -> Refusal {
        let is_ipv4 = ask.client.remote.is_ipv4();
        let alternate = self.rules.alternate.iter().find(|other| other.is_ipv4() == is_ipv4);
        alternate.map_or(code.into(), |other| Refusal::instead(*other))
    }

    /// The relays, the token of a kept port, and the family that could not be had with its code.
    #[allow(clippy::type_complexity, reason = "three things that are made in one step, used once")]
    fn relays_for(
        &mut self,
        ask: &Ask<'_>,
        wish: &Wish,
        out: &mut impl Outlet,
    ) -> Result<(Vec<RelayId>, Option<[u8; 8]>, Option<(u8, u16)>), Refusal> {
        if let Some(token) = &wish.token {
            let relay = self.unreserve(token).ok_or(Refusal::from(508))?;
            return Ok((vec![relay], None, None));
        }
        let mut open = |ipv4| self.open(ask, ipv4, wish, out);
        match wish.families {
            Families::Ipv4 => open(true).map(|(relay, token)| (vec![relay], token, None)),
            Families::Ipv6 => open(false).map(|(relay, token)| (vec![relay], token, None)),
            Families::Both => match (open(true), open(false)) {
                (Ok((a, _)), Ok((b, _))) => Ok((vec![a, b], None, None)),
                (Ok((a, _)), Err(refusal)) => Ok((vec![a], None, Some((IPV6, refusal.code)))),
                (Err(refusal), Ok((b, _))) => Ok((vec![b], None, Some((IPV4, refusal.code)))),
                (Err(refusal), Err(_)) => Err(refusal),
            },
        }
    }

    fn open(
        &mut self,
        ask: &Ask<'_>,
        ipv4: bool,
        wish: &Wish,
        out: &mut impl Outlet,
    ) -> Result<(RelayId, Option<[u8; 8]>), Refusal> {
        let local: IpAddr = ask.client.local;
        let home = self.rules.policy.home(ipv4, local).ok_or(Refusal::from(440))?;
        let range = self.rules.relay_ports.clone().ok_or(Refusal::from(508))?;
        let (protocol, parity) = (wish.protocol, wish.parity);
        let relay = Relay { protocol, home, port: 0, allocation: None };
        let first = RelayId(self.relays.insert(relay));
        let next = (parity == Parity::EvenAndNext).then(|| RelayId(self.relays.insert(relay)));
        let take = |server: &mut Self, out: &mut _| {
            let drawn = server.dice.number();
            server.ports.take(&range, (ipv4, protocol), parity, drawn, |port| {
                open_both((first, next), protocol, (home.bound, port).into(), out)
            })
        };
        let port = match take(self, out) {
            None if self.make_room(ask, (ipv4, protocol), out) => take(self, out),
            port => port,
        };
        let Some(port) = port else {
            self.relays.remove(first.0);
            next.map(|next| self.relays.remove(next.0));
            return Err(self.elsewhere(ask, 508));
        };
        for (relay, port) in [(Some(first), Some(port)), (next, port.checked_add(1))] {
            if let (Some(relay), Some(port)) = (relay, port) {
                self.relays[relay.0].port = port;
                self.by_port.insert((ipv4, protocol, port), relay);
            }
        }
        Ok((first, next.map(|next| self.reserve(next, ask.now.instant))))
    }

    /// Ends an allocation for the sake of another: the one that has been silent for longest, if that is
    /// long enough, else one of a source that has more than the asker's. A browser makes one for each way
    /// that it might take and uses one: without the first the first dozen browsers would have all ports of
    /// a small range, and keep them; without the second one of them could.
    fn make_room(
        &mut self,
        ask: &Ask<'_>,
        (ipv4, protocol): (bool, Protocol),
        out: &mut impl Outlet,
    ) -> bool {
        let is_of_kind = |allocation: &Allocation| {
            let mut relays = allocation.relays.iter().map(|relay| &self.relays[relay.0]);
            allocation.protocol == protocol && relays.any(|relay| relay.is_ipv4() == ipv4)
        };
        let all = || self.allocations.iter().filter(|(_, allocation)| is_of_kind(allocation));
        let source = |allocation: &Allocation| Source::from(allocation.client.remote.ip());
        let of = |wanted: Source| all().filter(move |(_, other)| source(other) == wanted);
        let longest_silent = |(_, allocation): &(usize, &Allocation)| allocation.last_used;
        // How much goes over a TCP relay's connections nobody sees here.
        let unused = all().min_by_key(longest_silent).filter(|(_, other)| {
            protocol == Protocol::Udp && other.last_used + UNUSED <= ask.now.instant
        });
        let from_most = || {
            let mut n_of: BTreeMap<Source, usize> = BTreeMap::new();
            all().for_each(|(_, other)| *n_of.entry(source(other)).or_default() += 1);
            let own = n_of.get(&Source::from(ask.client.remote.ip())).copied().unwrap_or_default();
            let (most, n_most) = n_of.into_iter().max_by_key(|(_, n)| *n)?;
            of(most).min_by_key(longest_silent).filter(|_| n_most > own + 1)
        };
        let Some(id) = unused.or_else(from_most).map(|(id, _)| id) else { return false };
        self.end(id, out);
        true
    }

    fn reserve(&mut self, relay: RelayId, now: Instant) -> [u8; 8] {
        let token = self.dice.draw();
        let expires = now + RESERVATION_LASTS;
        self.reservations.insert(token, Reservation { relay, expires });
        self.deadlines.insert((expires, Deadline::Reservation(token)));
        token
    }

    /// The answer to an Allocate.
    fn tell(
        &mut self,
        ask: &Ask<'_>,
        caller: &Caller,
        id: usize,
        lacking: Option<(u8, u16)>,
        out: &mut impl Outlet,
    ) {
        let allocation = &self.allocations[id];
        let told: Vec<_> =
            allocation.relays.iter().map(|relay| self.relays[relay.0].told()).collect();
        let left = allocation.expires.saturating_duration_since(ask.now.instant);
        let (reservation, tickets) = (allocation.reservation, allocation.tickets);
        self.answer(ask, Some(caller), Class::Success, out, |answer| {
            for told in told {
                answer.put_xor_address(XOR_RELAYED_ADDRESS, told);
            }
            answer.put_u32(LIFETIME, left.as_secs() as u32);
            answer.put_xor_address(XOR_MAPPED_ADDRESS, ask.client.remote);
            if let Some(token) = reservation {
                answer.put(RESERVATION_TOKEN, &token);
            }
            if let Some((ticket, _)) = tickets {
                answer.put(MOBILITY_TICKET, &ticket);
            }
            if let Some((family, code)) = lacking {
                let (class, number) = ((code / 100) as u8, (code % 100) as u8);
                answer.put(ADDRESS_ERROR_CODE, &[family, 0, class, number]);
            }
        });
    }
}
