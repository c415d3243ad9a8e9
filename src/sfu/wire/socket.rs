//! A worker's UDP port: batches in by GRO, messages out by GSO and `sendmmsg`.
//!
//! Owns the socket, its options and all of `sfu`'s unsafe code. It knows nothing of what it carries.
//! Receiving is `quinn-udp`'s; that crate sends one message a system call, a frame for fifty viewers
//! is fifty messages, so sending is our own: `sendmmsg(2)` with `UDP_SEGMENT` (`udp(7)`).
//!
//! Linux only, like the rest of parlor.

use std::{
    io::{self, IoSliceMut},
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
    os::fd::{AsRawFd, RawFd},
    sync::Arc,
    time::Instant,
};

use quinn_udp::{RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

mod pressed;

use self::pressed::Pressed;
use super::{
    outbox::{Message, Sink},
    patience::Patience,
};

/// What is asked of the kernel for each direction; it gives what `net.core.*mem_max` allows. A burst
/// of keyframes to fifty viewers is about 2 MB.
const BUFFER_LEN: usize = 4 * 1024 * 1024;
/// Messages of one `recvmmsg`. Each may be 64 KB of datagrams of one sender.
const RECV_BATCH: usize = 16;
/// Largest GRO message.
const RECV_LEN: usize = 64 * 1024;
/// Messages of one `sendmmsg`.
const SEND_BATCH: usize = 64;

/// Binds `port` on all addresses: `[::]` for both families, `0.0.0.0` where IPv6 is off. The socket
/// does not block.
pub(crate) fn bind(port: u16) -> io::Result<UdpSocket> {
    let socket = match bind_to((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if ipv6_missing(&error) => bind_to((Ipv4Addr::UNSPECIFIED, port).into()),
        other => other,
    }?;
    // All are wishes: a smaller buffer drops more under bursts, and that is counted.
    let _ = socket.set_recv_buffer_size(BUFFER_LEN);
    let _ = socket.set_send_buffer_size(BUFFER_LEN);
    for name in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
        // Beyond what the system allows to all, where we may administer it.
        set_option(socket.as_raw_fd(), libc::SOL_SOCKET, name, BUFFER_LEN as libc::c_int);
    }
    Ok(socket.into())
}

/// Bytes that the kernel keeps for a socket, for datagrams in and out, where that is less than was
/// asked for.
pub(crate) fn small_buffers(socket: &UdpSocket) -> Option<(usize, usize)> {
    let socket = socket2::SockRef::from(socket);
    // The kernel doubles what is asked for, for its own needs (socket(7)).
    let (recv, send) = (socket.recv_buffer_size().ok()? / 2, socket.send_buffer_size().ok()? / 2);
    (recv.min(send) < BUFFER_LEN).then_some((recv, send))
}

fn bind_to(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

pub(super) fn ipv6_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// Reads batches.
pub(crate) struct Receiver {
    socket: Arc<UdpSocket>,
    state: UdpSocketState,
    buffer: Vec<u8>,
    meta: [RecvMeta; RECV_BATCH],
}

impl Receiver {
    /// Sets the socket's options for receiving.
    pub(crate) fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        let state = UdpSocketState::new((&*socket).into())?;
        set_options(socket.as_raw_fd(), socket.local_addr()?.is_ipv6());
        let buffer = vec![0; RECV_BATCH * RECV_LEN];
        Ok(Self { socket, state, buffer, meta: [RecvMeta::default(); RECV_BATCH] })
    }

    /// Takes one batch from the socket and calls `each` with source, our address it came to, and
    /// contents of each datagram. True if there may be more.
    pub(crate) fn receive(
        &mut self,
        mut each: impl FnMut(SocketAddr, Option<IpAddr>, &[u8]),
    ) -> io::Result<bool> {
        let Self { socket, state, buffer, meta } = self;
        let mut chunks = buffer.chunks_exact_mut(RECV_LEN);
        let mut slices: [IoSliceMut<'_>; RECV_BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let n_messages = match state.recv((&**socket).into(), &mut slices, meta) {
            Ok(n_messages) => n_messages,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        for (meta, message) in meta.iter().zip(buffer.chunks_exact(RECV_LEN)).take(n_messages) {
            let from = canonical(meta.addr);
            let local = meta.dst_ip.map(|ip| ip.to_canonical());
            for datagram in message[..meta.len].chunks(meta.stride.max(1)) {
                each(from, local, datagram);
            }
        }
        // Fewer than asked for: the socket was empty. Whatever has come since wakes again.
        Ok(n_messages == RECV_BATCH)
    }
}

/// What `quinn-udp` has set as QUIC wants it, and media does not. Media through a tunnel with a small
/// MTU is better fragmented than lost; congestion marks are not read, and our address comes once: each
/// control message costs a twentieth of receiving a datagram.
fn set_options(fd: RawFd, ipv6: bool) {
    let set = |level, name, value| set_option(fd, level, name, value);
    set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT);
    set(libc::IPPROTO_IP, libc::IP_RECVTOS, 0);
    if ipv6 {
        // IPv4 peers' packets have theirs as an IPv4-mapped one by IPV6_PKTINFO (ipv6(7)).
        set(libc::IPPROTO_IP, libc::IP_PKTINFO, 0);
        set(libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 0);
        set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT);
        set(libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0);
    }
}

/// Whether it was taken is nobody's affair: all of these are wishes.
fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
    // SAFETY: `fd` is the caller's open socket; the option value is a c_int that lives through the
    // call, and its length is given.
    unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        );
    }
}

/// Room for an `in6_pktinfo` and a `u16` as control messages, aligned like a `cmsghdr`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Sends batches. It stays on its thread: between calls its pointers mean nothing.
pub(crate) struct Sender {
    socket: Arc<UdpSocket>,
    ipv6: bool,
    addresses: Vec<SockAddr>,
    slices: Vec<libc::iovec>,
    controls: Vec<Control>,
    headers: Vec<libc::mmsghdr>,
    patience: Patience,
}

impl Sender {
    pub(crate) fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        let ipv6 = socket.local_addr()?.is_ipv6();
        Ok(Self {
            socket,
            ipv6,
            addresses: Vec::with_capacity(SEND_BATCH),
            slices: Vec::with_capacity(SEND_BATCH),
            controls: Vec::with_capacity(SEND_BATCH),
            headers: Vec::with_capacity(SEND_BATCH),
            patience: Patience::default(),
        })
    }

    /// Fills the headers for at most [`SEND_BATCH`] messages.
    fn prepare(&mut self, arena: &[u8], messages: &[Message]) {
        self.addresses.clear();
        self.slices.clear();
        self.controls.clear();
        self.headers.clear();
        for message in messages {
            self.addresses.push(peer_address(message.route.peer.address, self.ipv6).into());
            let bytes = &arena[message.start..message.start + message.len];
            let base = bytes.as_ptr().cast_mut().cast();
            self.slices.push(libc::iovec { iov_base: base, iov_len: bytes.len() });
            self.controls.push(Control([0; 64]));
        }
        for (index, message) in messages.iter().enumerate() {
            // SAFETY: all-zero bytes are a valid mmsghdr (null pointers and zero lengths).
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_name = self.addresses[index].as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = self.addresses[index].len();
            header.msg_hdr.msg_iov = &raw mut self.slices[index];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = self.controls[index].0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = self.controls[index].0.len();
            let segment = (message.n_segments() > 1).then_some(message.segment as u16);
            fill_control(&mut header.msg_hdr, message.route.local, self.ipv6, segment);
            self.headers.push(header);
        }
    }

    /// One `sendmmsg` from `first` on: how many went, at least one, or why the first did not.
    fn send_from(&mut self, first: usize) -> io::Result<usize> {
        let headers = &mut self.headers[first..];
        // SAFETY: each header points to an address, an iovec and a control buffer in our vectors,
        // which hold them unmoved since `prepare`; the iovecs point into the arena, which the caller
        // of `send` borrows for as long; the length is that of the slice.
        let n_sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        if n_sent < 1 { Err(io::Error::last_os_error()) } else { Ok(n_sent as usize) }
    }

    /// Sends what can be sent of the messages from `first` on, after the buffer was full.
    #[cold]
    fn send_rest(
        &mut self,
        arena: &[u8],
        messages: &[Message],
        first: usize,
        dropped: &mut Vec<usize>,
    ) {
        let mut patience = mem::take(&mut self.patience);
        let n_dropped = dropped.len();
        let mut pressed = Pressed { sender: self, arena };
        patience.send_rest(Instant::now(), &mut pressed, &messages[first..], dropped);
        self.patience = patience;
        dropped[n_dropped..].iter_mut().for_each(|place| *place += first);
    }

    /// Sends a message's datagrams one by one, where the path refuses to cut them (`EIO`: the device
    /// has no checksum offload; `EINVAL`: they are larger than its MTU).
    fn send_singly(&mut self, arena: &[u8], message: &Message) -> io::Result<()> {
        for datagram in arena[message.start..message.start + message.len].chunks(message.segment) {
            let start = datagram.as_ptr() as usize - arena.as_ptr() as usize;
            let single = message.single(start, datagram.len());
            self.prepare(arena, std::slice::from_ref(&single));
            self.send_from(0)?;
        }
        Ok(())
    }
}

impl Sink for Sender {
    fn send(&mut self, arena: &[u8], messages: &[Message], dropped: &mut Vec<usize>) {
        let mut next = 0;
        while next < messages.len() {
            let batch = &messages[next..(next + SEND_BATCH).min(messages.len())];
            self.prepare(arena, batch);
            let mut done = 0;
            while done < batch.len() {
                let error = match self.send_from(done) {
                    Ok(n_sent) => {
                        done += n_sent;
                        continue;
                    }
                    Err(error) => error,
                };
                match error.raw_os_error() {
                    Some(libc::EINTR) => continue,
                    Some(libc::EAGAIN | libc::ENOBUFS) => {
                        // The one buffer of all is full.
                        return self.send_rest(arena, messages, next + done, dropped);
                    }
                    Some(libc::EIO | libc::EINVAL) if batch[done].n_segments() > 1 => {
                        if self.send_singly(arena, &batch[done]).is_err() {
                            dropped.push(next + done);
                        }
                        self.prepare(arena, batch);
                    }
                    _ => dropped.push(next + done),
                }
                done += 1;
            }
            next += batch.len();
        }
    }
}

/// An IPv4 peer of a dual-stack socket is known by its IPv4 address.
pub(super) fn canonical(from: SocketAddr) -> SocketAddr {
    match from.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, from.port()).into(),
        IpAddr::V6(_) => from,
    }
}

fn peer_address(to: SocketAddr, ipv6: bool) -> SocketAddr {
    match to {
        SocketAddr::V4(to) if ipv6 => {
            SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0).into()
        }
        other => other,
    }
}

/// Writes the control messages: which of our addresses to send from (`ipv6(7)`, `ip(7)`), and the
/// size of the segments. Shrinks `msg_controllen` to what was written.
fn fill_control(
    header: &mut libc::msghdr,
    source: Option<IpAddr>,
    ipv6: bool,
    segment: Option<u16>,
) {
    let mut control_len = 0;
    // SAFETY: `msg_control` points to a `Control`: 64 zeroed bytes, aligned for cmsghdr, and
    // `msg_controllen` says so. At most CMSG_SPACE(20) + CMSG_SPACE(2) = 40 + 24 bytes are written,
    // which is all of it; CMSG_NXTHDR is asked only while `msg_controllen` is still 64.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        let mut put = |level, kind, value: *const u8, len: usize| {
            (*next).cmsg_level = level;
            (*next).cmsg_type = kind;
            (*next).cmsg_len = libc::CMSG_LEN(len as libc::c_uint) as _;
            std::ptr::copy_nonoverlapping(value, libc::CMSG_DATA(next), len);
            control_len += libc::CMSG_SPACE(len as libc::c_uint) as usize;
            next = libc::CMSG_NXTHDR(header, next);
        };
        match source {
            Some(ip) if ipv6 => {
                let ip = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                    ipi6_ifindex: 0,
                };
                let len = mem::size_of_val(&info);
                put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, (&raw const info).cast(), len);
            }
            Some(IpAddr::V4(ip)) => {
                let address = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
                let any = libc::in_addr { s_addr: 0 };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: any };
                let len = mem::size_of_val(&info);
                put(libc::IPPROTO_IP, libc::IP_PKTINFO, (&raw const info).cast(), len);
            }
            _ => {}
        }
        if let Some(segment) = segment {
            put(libc::SOL_UDP, libc::UDP_SEGMENT, (&raw const segment).cast(), 2);
        }
    }
    header.msg_controllen = control_len as _;
    if control_len == 0 {
        header.msg_control = std::ptr::null_mut();
    }
}

#[cfg(test)]
mod tests;
