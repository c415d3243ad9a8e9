//! One TCP connection: its socket, the front of what comes, the rest of what goes.

use std::{
    io::{self, IoSlice, Read as _},
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::OwnedFd,
};

use rustix::event::epoll;
use socket2::SockRef;

use super::{
    frame::{Deframer, NoFrame},
    queue::{MAX_SLICES, Queue},
};
use crate::sfu::wire::transmit::{Peer, Protocol, Route, StreamId};

/// What the kernel may hold that is not on its way yet. A picture's packets of one wake-up fit; at a
/// megabit a second it is a quarter of a second.
const UNSENT: u32 = 32 * 1024;

/// What reading has brought.
pub(super) enum Read {
    Nothing,
    Some,
    /// This is no stream of ours.
    Strange(NoFrame),
    /// The other end has closed it, or it is broken.
    Over,
}

pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) route: Route,
    /// Somebody who knows a password has spoken by it.
    pub(super) is_known: bool,
    pub(super) queue: Queue,
    socket: TcpStream,
    deframer: Deframer,
    /// It is to be told when it takes more.
    is_full: bool,
}

impl Stream {
    pub(super) fn new(
        id: StreamId,
        socket: TcpStream,
        (address, local): (SocketAddr, IpAddr),
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        // A wish: without it late pictures lie in the kernel.
        let _ = SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT);
        let peer = Peer { protocol: Protocol::Tcp(id), address };
        Ok(Self {
            id,
            route: Route { peer, local: Some(local) },
            is_known: false,
            queue: Queue::default(),
            socket,
            deframer: Deframer::default(),
            is_full: false,
        })
    }

    /// Has it watched from now on.
    pub(super) fn watch(&self, epoll: &OwnedFd) -> io::Result<()> {
        let (number, flags) = self.event();
        Ok(epoll::add(epoll, &self.socket, number, flags)?)
    }

    /// Its name, and what it waits for.
    fn event(&self) -> (epoll::EventData, epoll::EventFlags) {
        let number = u64::from(self.id.nth) << 32 | u64::from(self.id.slot);
        let out = if self.is_full { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
        (epoll::EventData::new_u64(number), epoll::EventFlags::IN | out)
    }

    /// Reads once, and calls `each` with each frame that is whole by that.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        each: impl FnMut(&[u8]) -> Result<(), NoFrame>,
    ) -> Read {
        match self.socket.read(buffer) {
            Ok(0) => Read::Over,
            Ok(len) => match self.deframer.take(&buffer[..len], each) {
                Ok(()) => Read::Some,
                Err(reason) => Read::Strange(reason),
            },
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Read::Nothing,
                _ => Read::Over,
            },
        }
    }

    /// Writes what the socket takes; the rest when it takes more. A socket that is broken says so when
    /// it is read.
    pub(super) fn write(&mut self, epoll: &OwnedFd) {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut n_slices = 0;
            for (place, slice) in slices.iter_mut().zip(self.queue.slices()) {
                *place = slice;
                n_slices += 1;
            }
            let socket = SockRef::from(&self.socket);
            match socket.send_vectored_with_flags(&slices[..n_slices], libc::MSG_NOSIGNAL) {
                Ok(n_bytes) => self.queue.wrote(n_bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let is_full = !self.queue.is_empty();
        if std::mem::replace(&mut self.is_full, is_full) != is_full {
            let (number, flags) = self.event();
            // It fails for no reason that would not have failed to add it.
            let _ = epoll::modify(epoll, &self.socket, number, flags);
        }
    }
}
