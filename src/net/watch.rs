//! The netlink socket and the task that reads it.
//!
//! Owns the socket (nix), the debouncing and the recovery from lost messages. What the bytes mean
//! is `parse`'s, what is to be asked is `table`'s, what is announced is `policy`'s.
//!
//! The groups are joined before the first dump is asked for, so that nothing falls between the two.
//! When the kernel says that it dropped messages (`ENOBUFS`, netlink(7)), what is known may be wrong:
//! a new socket begins anew, and the last published value stands until that is complete.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, sendto,
        socket,
    },
};
use tokio::{
    io::unix::AsyncFd,
    sync::watch::{Receiver, Sender, channel},
    time::{Instant, sleep, sleep_until},
};
use tracing::{info, warn};

use super::{
    NetError, Survey,
    container::{self, Container},
    policy,
    table::{Conversation, Step},
};
use crate::{config::NetworkSettings, seams::Addresses};

/// Changes within this time are published as one: an interface that comes up brings several.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Between two attempts to get a whole dump after the kernel lost messages or was busy.
const RETRY: Duration = Duration::from_millis(200);

/// How often the first dump is tried before `start` gives up.
const N_FIRST_TRIES: usize = 5;

/// The kernel fills at most 32 KiB of a dump into one datagram (netlink_dump, since Linux 4.4).
const DATAGRAM_LEN: usize = 64 * 1024;

/// linux/rtnetlink.h: links, and addresses and routes of both families. DHCPv6 gives an address of
/// 128 bits, so what is on the link only the routes tell, and a router announces it when it likes.
const GROUPS: u32 = (libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE)
    .cast_unsigned();

/// See [`super::start`].
pub(super) async fn start(
    settings: Receiver<NetworkSettings>,
) -> Result<Receiver<Arc<Addresses>>, NetError> {
    let mut watcher = Watcher { settings, container: container::detect() };
    watcher.settings.mark_unchanged();
    let listener = first_whole().await?;
    let addresses = watcher.judge(&listener);
    report(&addresses);
    let (sender, receiver) = channel(Arc::new(addresses));
    tokio::spawn(watcher.run(listener, sender));
    Ok(receiver)
}

/// See [`super::survey`].
pub(super) async fn survey(settings: &NetworkSettings) -> Result<Survey, NetError> {
    let listener = first_whole().await?;
    let (table, container) = (listener.conversation.table(), container::detect());
    Ok(Survey {
        addresses: policy::addresses(table, settings, &hostname(), container),
        judged: policy::judged(table, settings),
        gateways: table.gateways.iter().copied().collect(),
        container,
    })
}

/// A conversation whose dumps are complete.
async fn first_whole() -> Result<Listener, NetError> {
    let mut errno = 0;
    for _ in 0..N_FIRST_TRIES {
        let mut listener = Listener::open()?;
        match listener.complete().await? {
            Outcome::Whole => return Ok(listener),
            Outcome::Lost(said) => errno = said,
        }
        sleep(RETRY).await;
    }
    Err(NetError::Incomplete { n_tries: N_FIRST_TRIES, errno })
}

fn hostname() -> String {
    nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned()
}

struct Watcher {
    settings: Receiver<NetworkSettings>,
    container: Container,
}

impl Watcher {
    /// Follows the kernel until nobody listens any more.
    async fn run(mut self, mut listener: Listener, sender: Sender<Arc<Addresses>>) {
        loop {
            let ended = tokio::select! {
                () = sender.closed() => return,
                ended = self.follow(&mut listener, &sender) => ended,
            };
            warn!(error = %ended, "lost track of the network's changes; listing anew");
            listener = tokio::select! {
                () = sender.closed() => return,
                listener = relist() => listener,
            };
            self.publish(&listener, &sender);
        }
    }

    /// Publishes what notifications bring; returns when the socket's word is no longer good.
    async fn follow(
        &mut self,
        listener: &mut Listener,
        sender: &Sender<Arc<Addresses>>,
    ) -> NetError {
        let mut due: Option<Instant> = None;
        let mut may_change = true;
        loop {
            // Without anything due the timer's arm is switched off.
            let timer = sleep_until(due.unwrap_or_else(Instant::now));
            tokio::select! {
                step = listener.step() => match step {
                    Ok(Step::Lost(errno)) => return NetError::Incomplete { n_tries: 1, errno },
                    Ok(_) => due = due.or_else(|| Some(Instant::now() + DEBOUNCE)),
                    Err(error) => return error,
                },
                () = timer, if due.is_some() => {
                    due = None;
                    self.publish(listener, sender);
                }
                changed = self.settings.changed(), if may_change => {
                    // Whoever could change them is gone, and these stay.
                    may_change = changed.is_ok();
                    self.publish(listener, sender);
                }
            }
        }
    }

    fn judge(&self, listener: &Listener) -> Addresses {
        let table = listener.conversation.table();
        policy::addresses(table, &self.settings.borrow(), &hostname(), self.container)
    }

    fn publish(&self, listener: &Listener, sender: &Sender<Arc<Addresses>>) {
        let addresses = self.judge(listener);
        // overflow: none, a watch channel holds the newest value only; readers see that one.
        let changed = sender.send_if_modified(|current| {
            let changed = **current != addresses;
            if changed {
                *current = Arc::new(addresses.clone());
            }
            changed
        });
        if changed {
            report(&addresses);
        }
    }
}

fn report(addresses: &Addresses) {
    let announced: Vec<_> = addresses.ips().map(|ip| ip.to_string()).collect();
    info!(
        announced = announced.join(" "),
        n_containers = addresses.networks.containers.len(),
        "addresses"
    );
}

/// Lists anew until that succeeds: whoever reads the published value has the last good one so long.
async fn relist() -> Listener {
    loop {
        let fault = match Listener::open() {
            Ok(mut listener) => match listener.complete().await {
                Ok(Outcome::Whole) => return listener,
                Ok(Outcome::Lost(errno)) => NetError::Incomplete { n_tries: 1, errno },
                Err(error) => error,
            },
            Err(error) => error,
        };
        warn!(error = %fault, "cannot list addresses; trying again");
        sleep(RETRY).await;
    }
}

/// How an attempt at a dump ended.
enum Outcome {
    Whole,
    Lost(i32),
}

/// A netlink socket and the conversation over it.
struct Listener {
    socket: AsyncFd<OwnedFd>,
    conversation: Conversation,
    buffer: Box<[u8]>,
}

impl Listener {
    /// Joins the groups and asks for the first dump.
    fn open() -> Result<Self, NetError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)
            .map_err(|errno| fault("open a netlink socket", errno))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))
            .map_err(|errno| fault("join the netlink groups", errno))?;
        // SAFETY: an `OwnedFd` gives the same descriptor all its life and keeps it open; it is moved in
        // here and never taken out again.
        let registered = unsafe { AsyncFd::register(socket) };
        let socket = registered.map_err(|error| NetError::Socket {
            attempt: "watch a netlink socket",
            source: error.into(),
        })?;
        let (conversation, request) = Conversation::begin();
        let listener =
            Self { socket, conversation, buffer: vec![0; DATAGRAM_LEN].into_boxed_slice() };
        listener.ask(&request)?;
        Ok(listener)
    }

    /// Reads until all dumps are complete.
    async fn complete(&mut self) -> Result<Outcome, NetError> {
        loop {
            match self.step().await? {
                Step::Complete => return Ok(Outcome::Whole),
                Step::Lost(errno) => return Ok(Outcome::Lost(errno)),
                Step::Ask(_) | Step::Read => {}
            }
        }
    }

    /// Reads one datagram, takes it in, and asks for what comes next. Cancel safe.
    async fn step(&mut self) -> Result<Step, NetError> {
        let step = loop {
            let mut ready = self
                .socket
                .readable()
                .await
                .map_err(|source| NetError::Socket { attempt: "wait for netlink", source })?;
            let buffer = &mut self.buffer;
            let received =
                ready.try_io(|socket| recv(socket.get_ref(), buffer).map_err(io::Error::from));
            let (len, from_kernel) = match received {
                Err(_would_block) => continue,
                Ok(Ok(received)) => received,
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    break Step::Lost(libc::ENOBUFS);
                }
                Ok(Err(source)) => {
                    return Err(NetError::Socket { attempt: "read netlink", source });
                }
            };
            if !from_kernel {
                continue; // another process may send to any netlink port
            }
            // A datagram that fills the buffer may have been cut off.
            break match self.buffer.get(..len) {
                Some(datagram) if len < self.buffer.len() => {
                    self.conversation.handle_datagram(datagram)
                }
                _ => Step::Lost(libc::EMSGSIZE),
            };
        };
        if let Step::Ask(request) = &step {
            self.ask(request)?;
        }
        Ok(step)
    }

    fn ask(&self, request: &[u8]) -> Result<(), NetError> {
        let kernel = NetlinkAddr::new(0, 0);
        // overflow: none, the kernel takes a request in at once; an error ends this conversation.
        sendto(self.socket.get_ref().as_raw_fd(), request, &kernel, MsgFlags::empty())
            .map(|_| ())
            .map_err(|errno| fault("ask for addresses", errno))
    }
}

fn recv(socket: &OwnedFd, buffer: &mut [u8]) -> Result<(usize, bool), Errno> {
    let (len, from) = nix::sys::socket::recvfrom::<NetlinkAddr>(socket.as_raw_fd(), buffer)?;
    Ok((len, from.is_some_and(|from| from.pid() == 0)))
}

fn fault(attempt: &'static str, errno: Errno) -> NetError {
    NetError::Socket { attempt, source: errno.into() }
}
