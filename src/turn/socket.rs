//! UDP sockets of the server and of its relays: batches in by GRO, messages out by GSO.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use super::outbox::Message;

/// What is asked of the kernel for the server's own sockets, each way: all clients come by them.
const LISTENER_BUFFER: usize = 4 * 1024 * 1024;
/// The same for a relay: a keyframe of one browser.
const RELAY_BUFFER: usize = 512 * 1024;
/// Messages of one `recvmmsg`; each may be 64 KB of datagrams of one sender.
const RECV_BATCH: usize = 16;
/// Largest GRO message.
const RECV_LEN: usize = 64 * 1024;

/// A bound socket that does not block.
pub(super) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    is_ipv6: bool,
}

/// Where datagrams are received into, for all sockets in turn.
pub(super) struct Room {
    buffer: Vec<u8>,
    meta: [RecvMeta; RECV_BATCH],
    n_messages: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; RECV_BATCH * RECV_LEN],
            meta: [RecvMeta::default(); RECV_BATCH],
            n_messages: 0,
        }
    }

    /// Source, our address it came to, and contents of each datagram received last.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>, &[u8])> {
        let messages = self.meta.iter().zip(self.buffer.chunks_exact(RECV_LEN));
        messages.take(self.n_messages).flat_map(|(meta, message)| {
            let from = canonical(meta.addr);
            let local = meta.dst_ip.map(|ip| ip.to_canonical());
            // One without contents is one all the same.
            let n_datagrams = meta.len.div_ceil(meta.stride.max(1)).max(1);
            let mut datagrams = message[..meta.len].chunks(meta.stride.max(1));
            (0..n_datagrams).map(move |_| (from, local, datagrams.next().unwrap_or_default()))
        })
    }
}

impl Udp {
    /// Where clients come to. `[::]` takes IPv4 as well, unless that has an entry of its own.
    pub(super) fn listener(at: SocketAddr, only_v6: bool) -> io::Result<Self> {
        let bound = Self::bind(at, only_v6, LISTENER_BUFFER);
        match bound {
            // A kernel without IPv6: what is meant by "all addresses" is all of IPv4.
            Err(error)
                if at.ip().is_unspecified()
                    && at.is_ipv6()
                    && error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
            {
                Self::bind((Ipv4Addr::UNSPECIFIED, at.port()).into(), false, LISTENER_BUFFER)
            }
            bound => bound,
        }
    }

    pub(super) fn relay(at: SocketAddr) -> io::Result<Self> {
        Self::bind(at, true, RELAY_BUFFER)
    }

    fn bind(at: SocketAddr, only_v6: bool, buffer: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
        if at.is_ipv6() {
            socket.set_only_v6(only_v6)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        // Wishes: a smaller buffer drops more under bursts.
        let _ = socket.set_recv_buffer_size(buffer);
        let _ = socket.set_send_buffer_size(buffer);
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        let udp = Self { socket, state, is_ipv6: at.is_ipv6() };
        udp.set_options();
        Ok(udp)
    }

    /// What `quinn-udp` has set as QUIC wants it, and a relay does not: what is too large for the path
    /// is better cut up than lost, and nobody reads congestion marks.
    fn set_options(&self) {
        self.set(libc::IPPROTO_IP, libc::IP_RECVTOS, 0);
        if self.is_ipv6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 0);
            self.set(libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0);
        }
        self.fragment(true);
    }

    fn fragment(&self, may: bool) {
        let (v4, v6) = match may {
            true => (libc::IP_PMTUDISC_DONT, libc::IPV6_PMTUDISC_DONT),
            false => (libc::IP_PMTUDISC_DO, libc::IPV6_PMTUDISC_DO),
        };
        self.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, v4);
        if self.is_ipv6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, v6);
        }
    }

    fn set(&self, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
        // SAFETY: the descriptor is our open socket's; the value is a c_int that lives through the
        // call, and its length is given. A kernel that does not know an option says so, and no more.
        unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                name,
                (&raw const value).cast(),
                size_of_val(&value) as libc::socklen_t,
            );
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes one batch into the room. True if there may be more.
    pub(super) fn receive(&self, room: &mut Room) -> io::Result<bool> {
        let Room { buffer, meta, n_messages } = room;
        *n_messages = 0;
        let mut chunks = buffer.chunks_exact_mut(RECV_LEN);
        let mut slices: [IoSliceMut<'_>; RECV_BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        match self.state.recv((&self.socket).into(), &mut slices, meta) {
            Ok(n_received) => *n_messages = n_received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        // Fewer than asked for: the socket was empty. Whatever has come since wakes again.
        Ok(*n_messages == RECV_BATCH)
    }

    /// Sends a message's datagrams; how many could not be sent.
    pub(super) fn send(&self, message: &Message, bytes: &[u8]) -> usize {
        if message.whole {
            self.fragment(false);
        }
        let n_lost = self.send_all(message, bytes);
        if message.whole {
            self.fragment(true);
        }
        n_lost
    }

    fn send_all(&self, message: &Message, bytes: &[u8]) -> usize {
        let n_segments = bytes.len().div_ceil(message.segment.max(1)).max(1);
        if n_segments > 1 && n_segments <= self.state.max_gso_segments() {
            match self.send_once(message, bytes, Some(message.segment)) {
                Ok(()) => return 0,
                // overflow: DROPS; late packets are worth less than the next ones.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return n_segments,
                // The path cannot cut them apart, or they are larger than its MTU: singly.
                Err(_) => {}
            }
        }
        if bytes.is_empty() {
            return usize::from(self.send_once(message, bytes, None).is_err());
        }
        let datagrams = bytes.chunks(message.segment.max(1));
        datagrams.filter(|datagram| self.send_once(message, datagram, None).is_err()).count()
    }

    fn send_once(&self, message: &Message, bytes: &[u8], segment: Option<usize>) -> io::Result<()> {
        let destination = match message.to {
            SocketAddr::V4(to) if self.is_ipv6 => {
                SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0).into()
            }
            to => to,
        };
        let src_ip = message.source;
        let transmit =
            Transmit { destination, ecn: None, contents: bytes, segment_size: segment, src_ip };
        // overflow: DROPS, as UDP does; the caller counts it.
        self.state.try_send((&self.socket).into(), &transmit)
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An IPv4 peer of a dual-stack socket is known by its IPv4 address.
pub(super) fn canonical(from: SocketAddr) -> SocketAddr {
    match from.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, from.port()).into(),
        IpAddr::V6(_) => from,
    }
}
