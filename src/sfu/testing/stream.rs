//! A TCP connection in memory: the worker's queue, and a path that takes so many bytes in each step.

use std::{net::SocketAddr, time::Instant};

use crate::sfu::wire::{
    outbox::{Message, ViewerKey},
    tcp::{
        frame::Deframer,
        queue::{MAX_QUEUED, Queue},
    },
};

/// One connection, and who is at its other end.
pub(super) struct Stream {
    pub(super) to: SocketAddr,
    /// So many bytes are taken in a step of the world.
    pub(super) takes: usize,
    queue: Queue,
    deframer: Deframer,
    losses: Vec<ViewerKey>,
}

impl Stream {
    pub(super) fn new(to: SocketAddr) -> Self {
        Self {
            to,
            takes: usize::MAX,
            queue: Queue::default(),
            deframer: Deframer::default(),
            losses: Vec::new(),
        }
    }

    /// False if not all of the message found room.
    pub(super) fn send(&mut self, now: Instant, arena: &[u8], message: &Message) -> bool {
        let bytes = &arena[message.start..message.start + message.len];
        let mut is_taken = true;
        for datagram in bytes.chunks(message.segment) {
            is_taken &= self.queue.push(now, message.owner(), datagram);
        }
        self.expire(now);
        is_taken
    }

    fn expire(&mut self, now: Instant) {
        self.losses.extend(self.queue.expire(now).viewers);
        assert!(self.queue.n_bytes() <= MAX_QUEUED, "{} bytes are held", self.queue.n_bytes());
    }

    pub(super) fn take_losses(&mut self) -> Vec<ViewerKey> {
        std::mem::take(&mut self.losses)
    }

    /// What arrives in this step.
    pub(super) fn carry(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.takes > 0 {
            self.expire(now);
        }
        let bytes: Vec<u8> =
            self.queue.slices().flat_map(|slice| slice.to_vec()).take(self.takes).collect();
        self.queue.wrote(bytes.len());
        let mut frames = Vec::new();
        let taken = self.deframer.take(&bytes, |frame| {
            frames.push(frame.to_vec());
            Ok(())
        });
        taken.expect("it keeps its place");
        frames
    }
}
