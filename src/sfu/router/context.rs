//! What a room needs of its worker: it is lent for a call, and belongs to the worker.

use std::{net::SocketAddr, sync::Arc};

use ipnet::IpNet;
use rand::{Rng, rngs::StdRng};

use super::{ConnectionKey, timers::Timers};
use crate::{
    seams::media::Path,
    sfu::{
        down::DownShared,
        link::credentials::IceCredentials,
        up::UpShared,
        wire::{demux::Demux, outbox::Outbox},
    },
};

/// How a connection ends that nobody says more of.
pub(super) const GOODBYE: &str = "its client has said goodbye";

/// How one ends that has not noticed it yet.
pub(super) const SILENCE: &str = "nothing came from its client for 30 s";

/// A room in this process; never used again.
pub(crate) type RoomId = u64;

/// What a worker's connections are made of.
pub(crate) struct Shared {
    pub(crate) up: Arc<UpShared>,
    pub(crate) down: Arc<DownShared>,
    pub(crate) candidates: Arc<[String]>,
    pub(crate) local: SocketAddr,
    /// IPv6 prefixes on the box's links.
    pub(crate) near: Arc<[IpNet]>,
    pub(crate) rng: StdRng,
}

impl Shared {
    pub(crate) fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn credentials(&mut self) -> IceCredentials {
        IceCredentials::from_random(self.random())
    }
}

/// What a room needs of its worker.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) demux: &'a mut Demux<ConnectionKey>,
    pub(crate) timers: &'a mut Timers,
    pub(crate) outbox: &'a mut Outbox,
}

/// 1 for a connection that counts as connected, for gauges.
pub(crate) fn live(path: Path) -> i64 {
    i64::from(matches!(path, Path::Connected | Path::Quiet))
}
