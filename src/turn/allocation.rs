//! One allocation: whose it is, which relays it has, and which peers may be spoken to through it.
//!
//! Permissions and channels end by themselves: they are looked at when they are used, and the dead
//! ones are swept when a new one comes.
//!
//! PURE: time is an argument.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    frame::CHANNEL_NUMBERS,
    outlet::{Client, Protocol, RelayId},
    rate::Bucket,
};
use crate::stun::TransactionId;

/// RFC 8656 section 9: a permission's time.
pub(crate) const PERMISSION_LASTS: Duration = Duration::from_secs(300);
/// RFC 8656 section 12: a channel's.
pub(crate) const CHANNEL_LASTS: Duration = Duration::from_secs(600);
/// Permissions and channels of one allocation, each. A browser has one for each candidate of the
/// other side.
pub(crate) const MAX_PEERS: usize = 256;

/// A ticket of mobility (RFC 8016): letters and digits, since there are clients that take it for a text
/// which a zero ends (coturn's does).
pub(crate) type Ticket = [u8; 16];

/// What a client has of ours.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) client: Client,
    /// Whose requests it takes.
    pub(crate) username: Arc<str>,
    /// Whose quota it counts against.
    pub(crate) account: Arc<str>,
    pub(crate) protocol: Protocol,
    pub(crate) expires: Instant,
    /// The request that made it: asked again it is answered again.
    pub(crate) made_by: TransactionId,
    /// One a family at most, in the order in which they are told.
    pub(crate) relays: Vec<RelayId>,
    /// The token of the port kept beside it.
    pub(crate) reservation: Option<[u8; 8]>,
    /// The newest ticket, and the one before, whose answer may have been lost.
    pub(crate) tickets: Option<(Ticket, Option<Ticket>)>,
    /// What may still come in and go out in this second.
    pub(crate) meters: [Bucket; 2],
    /// When data last went through, either way; at first when it was made.
    pub(crate) last_used: Instant,
    permissions: HashMap<IpAddr, Instant>,
    channels: BTreeMap<u16, Channel>,
    numbers: HashMap<SocketAddr, u16>,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    peer: SocketAddr,
    expires: Instant,
}

/// Why a peer could not be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdded {
    /// The number is another peer's, or the peer has another number, or it is no number for this.
    Mismatch,
    /// [`MAX_PEERS`] are there.
    Full,
}

/// What makes an allocation.
pub(crate) struct Made {
    pub(crate) client: Client,
    pub(crate) username: Arc<str>,
    pub(crate) account: Arc<str>,
    pub(crate) protocol: Protocol,
    pub(crate) made_by: TransactionId,
    /// Bytes a second, for its meters.
    pub(crate) max_bps: u64,
}

impl Allocation {
    pub(crate) fn new(made: Made, expires: Instant, now: Instant) -> Self {
        let Made { client, username, account, protocol, made_by, max_bps } = made;
        Self {
            client,
            username,
            account,
            protocol,
            expires,
            made_by,
            relays: Vec::with_capacity(1),
            reservation: None,
            tickets: None,
            meters: [Bucket::new(max_bps, now); 2],
            last_used: now,
            permissions: HashMap::new(),
            channels: BTreeMap::new(),
            numbers: HashMap::new(),
        }
    }

    /// Lets a peer through, or lets it stay.
    pub(crate) fn permit(&mut self, peer: IpAddr, now: Instant) {
        self.permissions.insert(peer, now + PERMISSION_LASTS);
    }

    /// Whether so many more permissions have room.
    pub(crate) fn has_room(&mut self, peers: &[IpAddr], now: Instant) -> bool {
        let n_new = peers.iter().filter(|peer| !self.permissions.contains_key(peer)).count();
        if self.permissions.len() + n_new > MAX_PEERS {
            self.permissions.retain(|_, expires| *expires > now);
        }
        self.permissions.len() + n_new <= MAX_PEERS
    }

    /// Whether a peer is let through.
    pub(crate) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.get(&peer).is_some_and(|expires| *expires > now)
    }

    /// Gives a peer a number, or lets it keep it; the peer is let through.
    pub(crate) fn bind(
        &mut self,
        number: u16,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<(), NotAdded> {
        if !CHANNEL_NUMBERS.contains(&number) {
            return Err(NotAdded::Mismatch);
        }
        let (channels, numbers) = (&mut self.channels, &mut self.numbers);
        channels.retain(|_, channel| {
            let lives = channel.expires > now;
            if !lives {
                numbers.remove(&channel.peer);
            }
            lives
        });
        let same_number = channels.get(&number).is_none_or(|channel| channel.peer == peer);
        let same_peer = numbers.get(&peer).is_none_or(|bound| *bound == number);
        if !same_number || !same_peer {
            return Err(NotAdded::Mismatch);
        }
        let is_new = !channels.contains_key(&number);
        if (is_new && channels.len() >= MAX_PEERS) || !self.has_room(&[peer.ip()], now) {
            return Err(NotAdded::Full);
        }
        self.channels.insert(number, Channel { peer, expires: now + CHANNEL_LASTS });
        self.numbers.insert(peer, number);
        self.permit(peer.ip(), now);
        Ok(())
    }

    /// Who has this number.
    pub(crate) fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|channel| channel.expires > now).map(|found| found.peer)
    }

    /// Which number a peer has.
    pub(crate) fn number_of(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let number = *self.numbers.get(&peer)?;
        self.peer_of(number, now).map(|_| number)
    }

    /// Peers that new settings refuse are let through no more.
    pub(crate) fn retain(&mut self, keep: impl Fn(IpAddr) -> bool) {
        self.permissions.retain(|ip, _| keep(*ip));
        self.channels.retain(|_, channel| keep(channel.peer.ip()));
        self.numbers.retain(|peer, _| keep(peer.ip()));
    }
}
