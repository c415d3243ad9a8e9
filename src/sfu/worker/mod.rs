//! One thread, one port by UDP and TCP, its rooms: the loop.
//!
//! Owns the thread and what it waits for: its sockets, its timers, its rooms' wishes, and nothing
//! else, ever; it waits without a runtime (`wire::bell`). What it does then is [`core::WorkerCore`]'s affair,
//! which knows no socket and no clock.
//!
//! ```text
//!  rooms --Inbox (newest wish a member)--> thread: wishes -> sockets (bounded) -> timers -> flush
//!        <--Outcome (newest state a member)--  news                                       |
//!                         another worker of a room <--Pipe (a batch a wake-up, bounded)--'
//! ```
//! Inbox and outcome are maps under a lock that is held for a swap or an insert, never while packets
//! are handled and never across an await.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

pub(crate) mod core;
pub(crate) mod load;
mod mailbox;
mod moderation;
mod sockets;

#[cfg(test)]
pub(crate) use self::mailbox::Fault;
pub(crate) use self::mailbox::{Mailbox, Opened, Outcome};
use self::{
    core::WorkerCore, load::BusyMeter, mailbox::Outcomes, moderation::Moderation, sockets::Sockets,
};
use crate::{
    seams::Addresses,
    sfu::{
        down::DownShared,
        up::UpShared,
        wire::candidates::{Sockets as Spoken, host_candidates},
    },
};

/// Drops are reported once in this time.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What a worker's thread begins with.
pub(crate) struct Worker {
    /// Its number; the first has forwarded ports announced as its own.
    pub(crate) index: usize,
    /// It is not the only one: how busy it is decides what others take over.
    pub(crate) has_others: bool,
    pub(crate) socket: UdpSocket,
    /// The same port number by TCP; none where `media.tcp` says no.
    pub(crate) listener: Option<TcpListener>,
    pub(crate) port: u16,
    pub(crate) addresses: watch::Receiver<Arc<Addresses>>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) up: Arc<UpShared>,
    pub(crate) down: Arc<DownShared>,
}

impl Worker {
    /// Where the box is, what it announces, and its first address.
    fn announced(&mut self, ipv6: bool) -> (Arc<Addresses>, Arc<[String]>, SocketAddr) {
        let addresses = Arc::clone(&self.addresses.borrow_and_update());
        let spoken = Spoken { ipv6, tcp: self.listener.is_some() };
        let lines = host_candidates(&addresses, self.port, self.index == 0, spoken);
        let ip = addresses.ips().next().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        (addresses, lines.into(), SocketAddr::new(ip, self.port))
    }

    /// Runs until it is told to stop; then says goodbye to all connections, as it does when it panics.
    /// After a panic it may run again: what it had is gone, and its rooms were told.
    pub(crate) fn run(&mut self) -> std::io::Result<()> {
        let ipv6 = self.socket.local_addr()?.is_ipv6();
        let mut sockets = Sockets::new(&self.socket, self.listener.as_ref())?;
        let (addresses, candidates, local) = self.announced(ipv6);
        let (up, down) = (Arc::clone(&self.up), Arc::clone(&self.down));
        let mut core = WorkerCore::new(up, down, candidates, local, rand::random());
        core.set_near(addresses.networks.on_link.as_slice().into());
        let mut outcomes = Outcomes::new(Arc::clone(&self.mailbox));
        let going = AssertUnwindSafe(|| self.go_on(ipv6, &mut sockets, &mut core, &mut outcomes));
        catch_unwind(going).unwrap_or_else(|panic| {
            // Else its clients would go on sending for half a minute to whom nobody is behind.
            core.abandon(Instant::now(), &mut sockets);
            resume_unwind(panic)
        })
    }

    fn go_on(
        &mut self,
        ipv6: bool,
        sockets: &mut Sockets,
        core: &mut WorkerCore,
        outcomes: &mut Outcomes,
    ) -> std::io::Result<()> {
        let mut busy = self.has_others.then(|| BusyMeter::new(Instant::now()));
        let mut drops = Drops::default();
        let mut moderation = Moderation::new(Instant::now());
        let mut rested = false;
        loop {
            let due = [core.poll_timeout(), sockets.poll_timeout()].into_iter().flatten().min();
            let more = rested || self.wait(sockets, due)?;
            let began = busy.as_ref().map(|_| Instant::now());
            let (mut stop, mut asked) = (false, Vec::new());
            if self.mailbox.bell().answer() {
                (stop, asked) = self.take_wishes(core, outcomes);
                self.look_at_addresses(core, ipv6);
            }
            let received = more && sockets.receive(core);
            let now = Instant::now();
            sockets.handle_timeout(now, core);
            core.handle_timeout(now);
            if stop {
                core.close(now);
            }
            core.flush(now, sockets);
            for (room, member, observed) in core.take_news() {
                outcomes.of(room).inspect(|outcome| outcome.put(room, member, observed));
            }
            for (room, speaking) in core.take_speaking() {
                outcomes.of(room).inspect(|outcome| outcome.put_speaking(speaking));
            }
            core.take_fallen().into_iter().for_each(|room| outcomes.fall(room));
            self.mailbox.set_connections(core.n_connections());
            drops.add(now, core.take_dropped(), self.index);
            // overflow: none, because each is a oneshot; whoever no longer waits has its answer.
            for reply in asked {
                let _ = reply.send(());
            }
            if stop {
                outcomes.is_stopped = true;
                return Ok(());
            }
            let share = busy.as_mut().zip(began).and_then(|(b, at)| b.add(at, Instant::now()));
            share.inspect(|share| self.mailbox.set_busy(*share));
            let n_sent = core.take_sent();
            let pause = received.then(|| moderation.pause(Instant::now(), n_sent)).flatten();
            rested = pause.inspect(|pause| rest(*pause)).is_some();
        }
    }

    /// Waits for something to do; true if something may have come.
    fn wait(&self, sockets: &Sockets, due: Option<Instant>) -> std::io::Result<bool> {
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let (udp, tcp) = sockets.fds();
        self.mailbox.bell().wait(udp, tcp, left)
    }

    fn look_at_addresses(&mut self, core: &mut WorkerCore, ipv6: bool) {
        // It errs where the sender is gone: then nothing changes any more.
        if self.addresses.has_changed().unwrap_or(false) {
            let (addresses, candidates, local) = self.announced(ipv6);
            core.set_near(addresses.networks.on_link.as_slice().into());
            core.set_candidates(candidates, local);
        }
    }

    /// Passes on what rooms want. Whether the worker is to stop, and who waits for the turn's end.
    fn take_wishes(
        &self,
        core: &mut WorkerCore,
        outcomes: &mut Outcomes,
    ) -> (bool, Vec<oneshot::Sender<()>>) {
        let inbox = self.mailbox.take();
        // First of all: they are to be told if what follows panics.
        for (room, outcome, _) in &inbox.opened {
            outcomes.insert(*room, Arc::clone(outcome));
        }
        #[cfg(test)]
        inbox.fault.into_iter().for_each(mailbox::Fault::happen);
        let now = Instant::now();
        for (room, _, opened) in inbox.opened {
            match opened {
                Opened::Home(max_speakers) => core.open_room(now, room, max_speakers),
                Opened::Annex(pipe) => core.open_annex(now, room, pipe),
            }
        }
        for (room, pipe) in inbox.links {
            core.link(room, pipe);
        }
        for (room, wants) in inbox.wants {
            for (member, want) in wants {
                core.apply(now, room, member, want);
            }
        }
        for room in inbox.closed {
            core.close_room(now, room);
            outcomes.remove(room);
        }
        (inbox.stop, inbox.asked)
    }
}

/// Leaves everything alone for a moment, see [`Moderation`].
#[expect(clippy::disallowed_methods, reason = "this is the pause itself, two milliseconds at most")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

/// What could not be sent, told once in ten seconds.
#[derive(Default)]
struct Drops {
    n_packets: u64,
    told: Option<Instant>,
}

impl Drops {
    fn add(&mut self, now: Instant, n_packets: u64, worker: usize) {
        self.n_packets += n_packets;
        let recently = self.told.is_some_and(|told| now < told + REPORT_EVERY);
        if self.n_packets > 0 && !recently {
            tracing::warn!(worker, n_packets = self.n_packets, "packets could not be sent");
            *self = Self { n_packets: 0, told: Some(now) };
        }
    }
}
