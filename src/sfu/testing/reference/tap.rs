//! Where decrypted packets leave the library, and RTCP of ours goes in.
//!
//! An interceptor is the one place at which the library shows packets of streams that no SDP has
//! declared. It takes all of them; nothing goes on to the library's own sorting.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use rtc::{
    interceptor::{Interceptor, StreamInfo, TaggedPacket},
    sansio::Protocol,
    shared::error::Error,
};

use super::media::Media;

/// The connection's media, shared with the library's chain. Both ends are called by the one thread
/// that owns the connection, so the lock is never waited for; the library's trait asks for `Sync`.
pub(super) struct Tap {
    media: Arc<Mutex<Media>>,
    writes: VecDeque<TaggedPacket>,
}

/// Another end of the same media.
impl Clone for Tap {
    fn clone(&self) -> Self {
        Self { media: self.media.clone(), writes: VecDeque::new() }
    }
}

impl Tap {
    pub(super) fn new(media: Media) -> Self {
        Self { media: Arc::new(Mutex::new(media)), writes: VecDeque::new() }
    }

    /// The media, from outside the library.
    pub(super) fn media(&self) -> MutexGuard<'_, Media> {
        self.media.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.media().take(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        None
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front().or_else(|| self.media().poll_write())
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
