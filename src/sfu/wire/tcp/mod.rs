//! A worker's TCP port, for clients that UDP does not reach (RFC 6544, passive): frames in and out
//! (RFC 4571).
//!
//! Owns the listening socket, the connections and what those have not taken yet. It knows neither rooms
//! nor passwords: an [`Intake`] takes the frames, and says whose peer is a member's. The thread is the
//! worker's: one `epoll(7)` instance stands for all connections in what it sleeps on (`bell`).
//!
//! ```text
//!  epoll -> accept (crowd: is there a place?) -> read -> frame -> Intake
//!  Sink::send -> queue (lanes, bounded) -> one sendmsg a connection and wake-up -> the rest when it can
//! ```
//! What the kernel holds unsent of a connection is little (`TCP_NOTSENT_LOWAT`): what lies with us can
//! still be thrown away.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::event::{Timespec, epoll};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

pub(crate) mod frame;
pub(crate) mod queue;
mod stream;

use self::{
    frame::NoFrame,
    stream::{Read, Stream},
};
use super::{
    demux::{Class, classify},
    outbox::{Message, ViewerKey},
    transmit::{Peer, Route, StreamId},
};
use crate::{
    seams::crowd::{Admission, Crowd, Limits},
    telemetry::metrics::metrics,
};

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 256;
/// So many are accepted in a wake-up; more wait as long as [`REST`].
const MAX_ACCEPTS: usize = 16;
/// How long nobody is accepted after that, or where there are no descriptors left.
const REST: Duration = Duration::from_millis(20);
/// Events of one `epoll_wait`.
const MAX_EVENTS: usize = 64;
/// Bytes of one `read`.
const READ_LEN: usize = 64 * 1024;
/// Two for each of [`crate::config::MediaSettings`]' 400 viewers, and some that try. A browser checks the
/// way that it uses every few seconds, others every 25 s; one is finished by a check that is believed.
pub(crate) const LIMITS: Limits = Limits {
    all: 1024,
    of_source: 512,
    unfinished: Duration::from_secs(10),
    silent: Duration::from_secs(60),
};
/// How often it is looked whose time is over.
const SWEEP: Duration = Duration::from_secs(1);
/// Bytes that all connections of a worker may hold: beyond that pictures are dropped.
const MAX_HELD: usize = 32 * 1024 * 1024;
/// What stands for the listening socket among connections.
const LISTENER: u64 = u64::MAX;

/// Binds `port` as [`super::socket::bind`] does, for TCP.
pub(crate) fn bind(port: u16) -> io::Result<TcpListener> {
    match bind_to((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if super::socket::ipv6_missing(&error) => {
            bind_to((Ipv4Addr::UNSPECIFIED, port).into())
        }
        other => other,
    }
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Connections of the process before this one may linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Who takes what comes.
pub(crate) trait Intake {
    /// A frame came by this way.
    fn take(&mut self, from: Route, frame: &[u8]);
    /// Whether somebody who knows a password of ours has spoken from there.
    fn knows(&self, peer: Peer) -> bool;
    /// Nothing comes from there any more, or goes there.
    fn gone(&mut self, peer: Peer);
}

/// A worker's TCP connections.
pub(crate) struct Streams {
    listener: TcpListener,
    epoll: OwnedFd,
    streams: Slab<Stream>,
    n_accepted: u32,
    crowd: Crowd<StreamId>,
    /// Bytes that all of them hold.
    n_held: usize,
    /// Those that have something new to send.
    touched: Vec<StreamId>,
    /// Viewers whose pictures were thrown away.
    losses: Vec<ViewerKey>,
    buffer: Vec<u8>,
    /// Nobody is accepted before.
    resume_at: Option<Instant>,
    sweep_at: Option<Instant>,
}

impl Streams {
    /// Begins to accept.
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listened = epoll::EventData::new_u64(LISTENER);
        epoll::add(&epoll, &listener, listened, epoll::EventFlags::IN)?;
        Ok(Self {
            listener,
            epoll,
            streams: Slab::new(),
            n_accepted: 0,
            crowd: Crowd::new(LIMITS),
            n_held: 0,
            touched: Vec::new(),
            losses: Vec::new(),
            buffer: vec![0; READ_LEN],
            resume_at: None,
            sweep_at: None,
        })
    }

    /// Readable while there is something to do.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// When [`Streams::handle_timeout`] is to be called, at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.resume_at, self.sweep_at].into_iter().flatten().min()
    }

    /// Does what has become possible: accepts, reads, writes. False if there was nothing.
    pub(crate) fn receive(&mut self, now: Instant, intake: &mut impl Intake) -> bool {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(MAX_EVENTS);
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let waited =
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&none));
        if waited.is_err() || events.is_empty() {
            return false;
        }
        for event in &events {
            let (number, flags) = (event.data.u64(), event.flags);
            if number == LISTENER {
                self.accept(now, intake);
                continue;
            }
            let stream = StreamId { slot: number as u32, nth: (number >> 32) as u32 };
            if flags.contains(epoll::EventFlags::OUT) {
                self.write(now, stream);
            }
            if flags.intersects(!epoll::EventFlags::OUT) {
                self.read(now, stream, intake);
            }
        }
        true
    }

    fn accept(&mut self, now: Instant, intake: &mut impl Intake) {
        for _ in 0..MAX_ACCEPTS {
            match self.listener.accept() {
                Ok((socket, from)) => {
                    let from = super::socket::canonical(from);
                    match self.crowd.admit(from.ip()) {
                        Admission::Free => {}
                        Admission::Instead(other) => {
                            metrics().media_tcp_evicted.inc();
                            self.end(other, intake);
                        }
                        Admission::Full => {
                            metrics().media_tcp_refused.inc();
                            continue;
                        }
                    }
                    if let Err(error) = self.insert(now, socket, from) {
                        tracing::debug!(%error, "a TCP connection for media could not be set up");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_of_one(&error) => {}
                Err(error) => {
                    // No descriptors, or no memory: some may be free soon.
                    tracing::debug!(%error, "no TCP connection for media could be accepted");
                    metrics().media_tcp_refused.inc();
                    break;
                }
            }
        }
        self.listen(false);
        self.resume_at = Some(now + REST);
    }

    fn listen(&self, on: bool) {
        let flags = if on { epoll::EventFlags::IN } else { epoll::EventFlags::empty() };
        let listened = epoll::EventData::new_u64(LISTENER);
        // It fails for no reason that would not have failed `new`.
        let _ = epoll::modify(&self.epoll, &self.listener, listened, flags);
    }

    fn insert(
        &mut self,
        now: Instant,
        socket: std::net::TcpStream,
        from: SocketAddr,
    ) -> io::Result<()> {
        let local: IpAddr = socket.local_addr()?.ip().to_canonical();
        let entry = self.streams.vacant_entry();
        let id = StreamId { slot: entry.key() as u32, nth: self.n_accepted };
        let stream = Stream::new(id, socket, (from, local))?;
        stream.watch(&self.epoll)?;
        entry.insert(stream);
        self.n_accepted = self.n_accepted.wrapping_add(1);
        self.crowd.insert(now, id, from.ip());
        self.sweep_at = self.sweep_at.or(Some(now + SWEEP));
        metrics().media_tcp_accepted.inc();
        metrics().media_tcp_connections.inc();
        Ok(())
    }

    fn read(&mut self, now: Instant, id: StreamId, intake: &mut impl Intake) {
        let Some(stream) = find(&mut self.streams, id) else { return };
        let route = stream.route;
        let mut is_known = stream.is_known;
        let each = |frame: &[u8]| {
            match classify(frame) {
                None => return Err(NoFrame::Strange),
                Some(Class::Dtls | Class::Media) if !is_known => return Err(NoFrame::Early),
                Some(_) => intake.take(route, frame),
            }
            is_known = is_known || intake.knows(route.peer);
            Ok(())
        };
        match stream.read(&mut self.buffer, each) {
            Read::Nothing => {}
            Read::Some => {
                self.crowd.heard(now, id);
                if is_known && !std::mem::replace(&mut stream.is_known, true) {
                    self.crowd.finish(id);
                }
            }
            Read::Strange(reason) => {
                metrics().media_tcp_bad.inc();
                tracing::debug!(from = %route.peer.address, %reason, "a TCP connection for media was ended");
                self.end(id, intake);
            }
            Read::Over => self.end(id, intake),
        }
    }

    fn end(&mut self, id: StreamId, intake: &mut impl Intake) {
        if find(&mut self.streams, id).is_none() {
            return;
        }
        let stream = self.streams.remove(id.slot as usize);
        self.n_held -= stream.queue.n_bytes();
        self.crowd.remove(id);
        metrics().media_tcp_connections.dec();
        intake.gone(stream.route.peer);
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, intake: &mut impl Intake) {
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume_at = None;
            self.listen(true);
        }
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        let mut over = self.crowd.overdue(now);
        // A member that has gone leaves its connections behind.
        over.extend(self.crowd.finished().filter(|id| {
            let stream = self.streams.get(id.slot as usize);
            stream.is_some_and(|stream| !intake.knows(stream.route.peer))
        }));
        over.into_iter().for_each(|id| self.end(id, intake));
        self.sweep_at = (!self.crowd.is_empty()).then_some(now + SWEEP);
    }

    /// Takes messages for streams; [`Streams::flush`] sends them. Places of those that there is no
    /// room for, or no stream, go into `dropped`.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        arena: &[u8],
        messages: &[Message],
        dropped: &mut Vec<usize>,
    ) {
        for (place, message) in messages.iter().enumerate() {
            let id = message.route.peer.stream();
            let is_full = self.n_held >= MAX_HELD && message.is_picture();
            let streams = &mut self.streams;
            let Some(stream) = id.filter(|_| !is_full).and_then(|id| find(streams, id)) else {
                dropped.push(place);
                continue;
            };
            let (id, n_before) = (stream.id, stream.queue.n_bytes());
            let datagrams =
                arena[message.start..message.start + message.len].chunks(message.segment);
            let mut n_refused = 0;
            for datagram in datagrams {
                n_refused += u64::from(!stream.queue.push(now, message.owner(), datagram));
            }
            self.n_held += stream.queue.n_bytes() - n_before;
            if n_refused > 0 {
                // overflow: DROPS; a part of a message is as good as nothing.
                metrics().media_tcp_dropped.inc_by(n_refused);
                dropped.push(place);
            }
            if self.touched.last() != Some(&id) {
                self.touched.push(id);
            }
        }
    }

    /// Gives the streams what they take.
    pub(crate) fn flush(&mut self, now: Instant) {
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            self.write(now, id);
        }
        self.touched = touched;
    }

    fn write(&mut self, now: Instant, id: StreamId) {
        let Some(stream) = find(&mut self.streams, id) else { return };
        let n_before = stream.queue.n_bytes();
        let lost = stream.queue.expire(now);
        stream.write(&self.epoll);
        self.n_held -= n_before - stream.queue.n_bytes();
        metrics().media_tcp_dropped.inc_by(lost.n_frames as u64);
        self.losses.extend(lost.viewers);
    }

    /// Viewers whose pictures were thrown away after they had been taken.
    pub(crate) fn take_losses(&mut self) -> Vec<ViewerKey> {
        std::mem::take(&mut self.losses)
    }
}

/// A connection, unless that has gone.
fn find(streams: &mut Slab<Stream>, id: StreamId) -> Option<&mut Stream> {
    streams.get_mut(id.slot as usize).filter(|stream| stream.id == id)
}

impl Drop for Streams {
    fn drop(&mut self) {
        metrics().media_tcp_connections.dec_by(self.streams.len() as i64);
    }
}

/// Errors of `accept` that are those of the connection (accept(2)).
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted};
    const NETWORK: [i32; 8] = [
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::EOPNOTSUPP,
        libc::ENETUNREACH,
    ];
    matches!(error.kind(), ConnectionAborted | Interrupted)
        || error.raw_os_error().is_some_and(|errno| NETWORK.contains(&errno))
}

#[cfg(test)]
mod tests;
