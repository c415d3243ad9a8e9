//! LAN addresses: which addresses of this box are announced, always up to date.
//!
//! Owns the one task that follows the kernel's interfaces and addresses and publishes
//! [`Addresses`]. Does not make candidates, certificates or URLs of them, and reads no settings but
//! `[network]`. DNS names in `network.announce` and the mDNS name come later.
//!
//! ```text
//!   kernel --netlink--> watch --bytes--> parse --messages--> table --> policy --> watch<Arc<Addresses>>
//!           (nix, task)         (pure)             (pure)           (pure)
//! ```

pub mod container;
pub mod networks;
pub mod parse;
pub mod policy;
pub mod table;
mod watch;

use std::{io, net::IpAddr, sync::Arc};

use tokio::sync::watch::Receiver;

use crate::{config::NetworkSettings, seams::Addresses};

/// Why addresses cannot be discovered.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A system call on the netlink socket.
    #[error("cannot {attempt} to learn this machine's addresses: {source}")]
    Socket {
        /// What was attempted.
        attempt: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel kept losing messages or refusing the dump; errno, 0 where messages were lost.
    #[error("the kernel did not list this machine's addresses in {n_tries} tries (errno {errno})")]
    Incomplete {
        /// How often it was asked.
        n_tries: usize,
        /// What it said at last.
        errno: i32,
    },
}

/// What others see of the `net` task. It ends when the last receiver is dropped.
#[derive(Debug, Clone)]
pub struct NetHandle {
    /// The addresses of the moment; a new value only when something in it has changed.
    pub addresses: Receiver<Arc<Addresses>>,
}

/// Lists the addresses once and follows them from then on, by the settings of the moment.
///
/// The first value is there when this returns. It looks at the network namespace of the calling
/// thread. Needs a tokio runtime with IO and time.
///
/// # Errors
/// Where there is no netlink, or the kernel does not answer it.
pub async fn start(settings: Receiver<NetworkSettings>) -> Result<NetHandle, NetError> {
    let addresses = watch::start(settings).await?;
    Ok(NetHandle { addresses })
}

/// What the network looks like at one moment, for whoever asks why.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// What is announced.
    pub addresses: Addresses,
    /// Every address that the kernel knows, and what became of it.
    pub judged: Vec<policy::Judged>,
    /// Gateways of default routes.
    pub gateways: Vec<IpAddr>,
    /// What parlor runs in.
    pub container: container::Container,
}

/// Looks once. It sees the network namespace of the calling thread; needs a tokio runtime with IO and
/// time.
///
/// # Errors
/// As [`start`].
pub async fn survey(settings: &NetworkSettings) -> Result<Survey, NetError> {
    watch::survey(settings).await
}
