//! The worker's two sockets as one: what its heart sends goes by UDP or by a stream, and what streams
//! bring goes to the heart.
//!
//! Owns nothing that lives longer than a wake-up but the sockets themselves.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Instant,
};

use super::core::WorkerCore;
use crate::sfu::wire::{
    outbox::{Message, Sink, ViewerKey},
    socket::{Receiver, Sender},
    tcp::{Intake, Streams},
    transmit::{Peer, Route},
};

/// Batches taken from the UDP socket before timers and wishes have their turn: up to 16 messages each.
const MAX_BATCHES: usize = 8;

/// A worker's port, by UDP and by TCP.
pub(super) struct Sockets {
    udp: Arc<UdpSocket>,
    receiver: Receiver,
    sender: Sender,
    streams: Option<Streams>,
}

/// Takes frames for the worker's heart.
struct Heart<'a> {
    now: Instant,
    core: &'a mut WorkerCore,
}

impl Intake for Heart<'_> {
    fn take(&mut self, from: Route, frame: &[u8]) {
        self.core.handle_datagram(self.now, from, frame);
    }

    fn knows(&self, peer: Peer) -> bool {
        self.core.knows(peer)
    }

    fn gone(&mut self, peer: Peer) {
        self.core.peer_gone(self.now, peer);
    }
}

impl Sockets {
    /// The worker keeps its own handles of both: it may begin anew.
    pub(super) fn new(udp: &UdpSocket, tcp: Option<&TcpListener>) -> io::Result<Self> {
        let udp = Arc::new(udp.try_clone()?);
        let streams = tcp.map(|tcp| Streams::new(tcp.try_clone()?)).transpose()?;
        let receiver = Receiver::new(Arc::clone(&udp))?;
        let sender = Sender::new(Arc::clone(&udp))?;
        Ok(Self { udp, receiver, sender, streams })
    }

    /// What to sleep on: readable where something has come.
    pub(super) fn fds(&self) -> (BorrowedFd<'_>, Option<BorrowedFd<'_>>) {
        (self.udp.as_fd(), self.streams.as_ref().map(Streams::as_fd))
    }

    /// When [`Sockets::handle_timeout`] is to be called, at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.streams.as_ref()?.poll_timeout()
    }

    /// Does what is due by time.
    pub(super) fn handle_timeout(&mut self, now: Instant, core: &mut WorkerCore) {
        if let Some(streams) = &mut self.streams {
            streams.handle_timeout(now, &mut Heart { now, core });
        }
    }

    /// Takes what both have, up to a bound. False if they had nothing.
    pub(super) fn receive(&mut self, core: &mut WorkerCore) -> bool {
        let by_udp = self.receive_datagrams(core);
        let now = Instant::now();
        let streams = self.streams.as_mut();
        streams.is_some_and(|streams| streams.receive(now, &mut Heart { now, core })) || by_udp
    }

    fn receive_datagrams(&mut self, core: &mut WorkerCore) -> bool {
        let mut received = false;
        for _ in 0..MAX_BATCHES {
            let now = Instant::now();
            let each = |from, local, data: &[u8]| {
                received = true;
                core.handle_datagram(now, (from, local).into(), data);
            };
            match self.receiver.receive(each) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // ICMP errors of unconnected sockets do not come here; whatever does is passing.
                    tracing::debug!(%error, "receiving failed");
                    break;
                }
            }
        }
        received
    }
}

impl Sink for Sockets {
    fn send(&mut self, arena: &[u8], messages: &[Message], dropped: &mut Vec<usize>) {
        let Some(streams) = self.streams.as_mut().filter(|streams| !streams.is_empty()) else {
            // overflow: DROPS, listed in `dropped`, here and below.
            return self.sender.send(arena, messages, dropped);
        };
        let now = Instant::now();
        let is_stream = |message: &Message| message.route.peer.stream().is_some();
        let mut first = 0;
        for run in messages.chunk_by(|one, next| is_stream(one) == is_stream(next)) {
            let n_before = dropped.len();
            match is_stream(&run[0]) {
                // overflow: DROPS, listed in `dropped`.
                true => streams.send(now, arena, run, dropped),
                false => self.sender.send(arena, run, dropped),
            }
            dropped[n_before..].iter_mut().for_each(|place| *place += first);
            first += run.len();
        }
        streams.flush(now);
    }

    fn take_losses(&mut self) -> Vec<ViewerKey> {
        self.streams.as_mut().map(Streams::take_losses).unwrap_or_default()
    }
}
