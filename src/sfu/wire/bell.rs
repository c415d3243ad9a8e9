//! What a worker's thread sleeps on: its sockets, its bell and its next deadline, by `ppoll(2)`.
//!
//! No runtime: an event loop for many tasks has costs for each wake-up that a thread with two things
//! to wait for does not need (`docs/decisions/2026-11-27-a-worker-waits-by-itself.md`).

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};

/// Wakes a worker's thread from any other. One ring is as good as many.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
    /// Rung and not yet answered: another ring needs no system call.
    rung: AtomicBool,
}

impl Bell {
    /// An `eventfd(2)`.
    pub(crate) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd, rung: AtomicBool::new(false) })
    }

    /// The worker looks at what was left for it, now or when it is next awake.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It cannot fail: the counter would have to be full, and then the bell rings as well.
            let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
        }
    }

    /// Whether it was rung since the last answer. What was left before the ring is seen after this.
    pub(crate) fn answer(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }

    /// Sleeps until the socket may have datagrams, or the other one, if there is one, something to do
    /// (true), the bell rings, or this time is over; `None` is for ever.
    pub(crate) fn wait(
        &self,
        socket: impl AsFd,
        other: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        // What overflows a timespec is as good as for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [
            PollFd::new(&socket, PollFlags::IN),
            PollFd::new(&self.fd, PollFlags::IN),
            PollFd::from_borrowed_fd(other.unwrap_or(socket.as_fd()), PollFlags::IN),
        ];
        let n_fds = if other.is_some() { 3 } else { 2 };
        match poll(&mut fds[..n_fds], timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let [socket, bell, other] = fds.map(|fd| !fd.revents().is_empty());
        if bell {
            let _ = rustix::io::read(&self.fd, &mut [0_u8; 8]);
        }
        Ok(socket || other)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, sync::Arc};

    use super::*;

    const LONG: Option<Duration> = Some(Duration::from_secs(20));

    fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").expect("a free port")
    }

    #[test]
    fn a_ring_wakes_once_whether_before_the_wait_or_in_it() {
        let (bell, socket) = (Arc::new(Bell::new().expect("a bell")), socket());
        bell.ring();
        bell.ring();
        assert!(!bell.wait(&socket, None, LONG).expect("it waits"));
        assert!(bell.answer() && !bell.answer(), "two rings, one answer");
        let none = Some(Duration::ZERO);
        assert!(!bell.wait(&socket, None, none).expect("it waits") && !bell.answer());

        let ringer = std::thread::spawn({
            let bell = Arc::clone(&bell);
            move || bell.ring()
        });
        let begin = std::time::Instant::now();
        while !bell.answer() {
            bell.wait(&socket, None, LONG).expect("it waits");
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "woken, not waited out");
        ringer.join().expect("it has rung");
    }

    #[test]
    fn a_datagram_wakes_until_it_is_taken_and_a_deadline_ends_the_wait() {
        let (bell, socket) = (Bell::new().expect("a bell"), socket());
        socket.send_to(b"x", socket.local_addr().expect("bound")).expect("loopback");
        for _ in 0..2 {
            assert!(bell.wait(&socket, None, LONG).expect("it waits"));
        }
        socket.recv(&mut [0; 8]).expect("it is there");
        assert!(!bell.wait(&socket, None, Some(Duration::from_micros(1))).expect("it waits"));
        assert!(!bell.answer());
    }
}
