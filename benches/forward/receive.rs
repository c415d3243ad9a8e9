//! Many datagrams of one socket in one system call, each with the time at which the kernel had it:
//! what the clients do afterwards is no delay of the server's.

use std::{mem, net::UdpSocket, os::fd::AsRawFd};

const BATCH: usize = 64;
/// A datagram's room.
const LEN: usize = 1600;
const CONTROL_LEN: usize = 64;
/// Enough for a keyframe that comes while other viewers are served.
const SOCKET_BUFFER: libc::c_int = 4 << 20;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// Room for one batch, used again for every socket.
pub(crate) struct Batch {
    buffers: Box<[[u8; LEN]; BATCH]>,
    controls: Box<[Control; BATCH]>,
}

fn set(socket: &UdpSocket, name: libc::c_int, value: libc::c_int) {
    let len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the socket is open, and the value is a c_int that lives through the call.
    unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, len);
    }
}

/// A socket of a client, which never blocks.
pub(crate) fn open(any: &str) -> UdpSocket {
    let socket = UdpSocket::bind(any).expect("a free port");
    socket.set_nonblocking(true).expect("a socket");
    set(&socket, libc::SO_TIMESTAMPNS, 1);
    set(&socket, libc::SO_RCVBUF, SOCKET_BUFFER);
    // Root may have more than `rmem_max`.
    set(&socket, libc::SO_RCVBUFFORCE, SOCKET_BUFFER);
    socket
}

/// Nanoseconds of the clock that the kernel stamps datagrams with.
pub(crate) fn realtime_ns() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::CLOCK_REALTIME).expect("Linux has it");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { buffers: Box::new([[0; LEN]; BATCH]), controls: Box::new([Control([0; 64]); BATCH]) }
    }

    /// Takes one batch and passes each datagram on with its time. True if there may be more.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, mut each: impl FnMut(u64, &[u8])) -> bool {
        let mut slices: [libc::iovec; BATCH] = std::array::from_fn(|at| libc::iovec {
            iov_base: self.buffers[at].as_mut_ptr().cast(),
            iov_len: LEN,
        });
        let mut headers: [libc::mmsghdr; BATCH] = std::array::from_fn(|at| {
            // SAFETY: all-zero bytes are a valid mmsghdr.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_iov = &raw mut slices[at];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = self.controls[at].0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_LEN as _;
            header
        });
        // SAFETY: every header points to an iovec and a control buffer that outlive the call.
        let n = unsafe {
            let (fd, flags) = (socket.as_raw_fd(), libc::MSG_DONTWAIT);
            let none = std::ptr::null_mut();
            libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH as libc::c_uint, flags, none)
        };
        let n = usize::try_from(n).unwrap_or(0);
        for (header, buffer) in headers.iter().zip(self.buffers.iter()).take(n) {
            each(stamp_ns(&header.msg_hdr), &buffer[..header.msg_len as usize]);
        }
        n == BATCH
    }
}

fn stamp_ns(header: &libc::msghdr) -> u64 {
    // SAFETY: the kernel has filled the control buffer and its length; a message of this type holds
    // a timespec, which may lie unaligned.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while !next.is_null() {
            let control = &*next;
            if (control.cmsg_level, control.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS)
            {
                let time: libc::timespec =
                    libc::CMSG_DATA(next).cast::<libc::timespec>().read_unaligned();
                return time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
            }
            next = libc::CMSG_NXTHDR(header, next);
        }
    }
    realtime_ns()
}
