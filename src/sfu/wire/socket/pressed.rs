//! A sender whose buffer was full: one message at a time, and waiting for room.
//!
//! Owns nothing; what is tried, and how long it is worth to wait, is `patience`'s affair.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Sender;
use crate::sfu::wire::{
    outbox::Message,
    patience::{Raw, Tried},
};

/// A sender with what it sends.
pub(super) struct Pressed<'a> {
    pub(super) sender: &'a mut Sender,
    pub(super) arena: &'a [u8],
}

impl Raw for Pressed<'_> {
    fn try_send(&mut self, message: &Message) -> Tried {
        self.sender.prepare(self.arena, std::slice::from_ref(message));
        let tried = loop {
            match self.sender.send_from(0) {
                Ok(_) => return Tried::Sent,
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(error) => break error.raw_os_error(),
            }
        };
        match tried {
            Some(libc::EAGAIN | libc::ENOBUFS) => Tried::Full,
            Some(libc::EIO | libc::EINVAL) if message.n_segments() > 1 => {
                match self.sender.send_singly(self.arena, message) {
                    Ok(()) => Tried::Sent,
                    Err(_) => Tried::Failed,
                }
            }
            _ => Tried::Failed,
        }
    }

    fn wait(&mut self, at_most: Duration) -> Duration {
        let begin = Instant::now();
        let mut fds = [PollFd::new(&self.sender.socket, PollFlags::OUT)];
        // Whatever ends it, the socket is asked again.
        let _ = poll(&mut fds, Timespec::try_from(at_most).ok().as_ref());
        begin.elapsed()
    }
}
