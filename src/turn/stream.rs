//! Clients that come by a stream, TCP or TLS: frames in, bytes out, or a peer's connection carried.
//!
//! Both ways at once: a client that takes nothing for a while is heard all the same.

use std::{io, mem, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, copy_bidirectional, split},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    frame,
    outlet::{Client, StreamId, Via},
    socket::canonical,
    worker::{Command, Commands},
    world::{Outbound, Splice, StreamEnd},
};
use crate::seams::{
    places::Place,
    turn::{ByteStream, Wire},
};

/// Connections of peers that may wait to be carried: a stream carries one.
const MAX_SPLICES: usize = 4;
/// Read at once.
const READ_LEN: usize = 16 * 1024;
/// The first message has to arrive within.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// The same for whoever has shown no password: it asks for its address, or is about to sign.
pub(super) const STRANGER: Duration = Duration::from_secs(30);
/// Silence after which a client is gone: its allocation lasts ten minutes (`server::allocate`), so it
/// would have refreshed that; and browsers check their path every few seconds.
pub(super) const IDLE: Duration = Duration::from_secs(11 * 60);
/// A client that takes nothing for so long is not there.
const SLOW: Duration = Duration::from_secs(30);

type Stream = Box<dyn ByteStream>;

/// Serves a stream to its end.
pub(super) async fn serve(
    stream: Stream,
    wire: Wire,
    place: Arc<Place>,
    (remote, local): (SocketAddr, SocketAddr),
    commands: Commands,
) {
    let id = StreamId(place.id());
    let via = Via::Stream(id);
    let client = Client { via, remote: canonical(remote), local: canonical(local).ip() };
    let (sender, splices) = mpsc::channel(MAX_SPLICES);
    let outbound = Arc::new(Outbound::default());
    let end =
        StreamEnd { sender, outbound: outbound.clone(), pending: Vec::new(), place: place.clone() };
    if !commands.tell(Command::Opened(id, end)).await {
        return;
    }
    let (mut reader, mut writer) = split(stream);
    let out = Out { wire, bytes: Vec::new(), at: 0, piece_end: 0, is_flushed: true };
    let read = Vec::new();
    let mut session = Session { client, read, splices, outbound, out, commands, place };
    let splice = session.talk(&mut reader, &mut writer).await;
    session.commands.tell(Command::Closed(client)).await;
    if let Ok(Some(splice)) = splice {
        carry(reader.unsplit(writer), session.read, splice, session.commands).await;
    }
}

/// What is being written.
struct Out {
    wire: Wire,
    bytes: Vec<u8>,
    at: usize,
    /// Where what is written at once ends.
    piece_end: usize,
    is_flushed: bool,
}

impl Out {
    fn is_done(&self) -> bool {
        self.at == self.bytes.len() && self.is_flushed
    }

    /// Writes a piece of it, or flushes. May be dropped at any point and called again.
    async fn go_on(&mut self, writer: &mut WriteHalf<Stream>) -> io::Result<()> {
        if self.at == self.bytes.len() {
            writer.flush().await?;
            self.is_flushed = true;
            return Ok(());
        }
        if self.at == self.piece_end {
            let rest = &self.bytes[self.at..];
            self.piece_end += match self.wire {
                Wire::Plain => rest.len(),
                // One message, one record: there are clients that take a record for a message
                // (coturn's does).
                Wire::Tls => frame::len_of(rest).ok().flatten().unwrap_or(rest.len()),
            };
            self.piece_end = self.piece_end.min(self.bytes.len());
        }
        let n_written = writer.write(&self.bytes[self.at..self.piece_end]).await?;
        if n_written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.at += n_written;
        self.is_flushed = false;
        Ok(())
    }

    /// Goes on with what waits, if there is something.
    fn load(&mut self, outbound: &Outbound) {
        outbound.written(self.bytes.len());
        self.bytes.clear();
        outbound.take(&mut self.bytes);
        (self.at, self.piece_end) = (0, 0);
    }
}

struct Session {
    client: Client,
    /// What is there and is no whole frame yet.
    read: Vec<u8>,
    splices: mpsc::Receiver<Option<Splice>>,
    outbound: Arc<Outbound>,
    out: Out,
    commands: Commands,
    place: Arc<Place>,
}

impl Session {
    /// How long it may say nothing.
    fn patience(&self) -> Duration {
        if self.place.is_finished() { IDLE } else { STRANGER }
    }

    /// Until it ends, or carries a peer's connection.
    async fn talk(
        &mut self,
        reader: &mut ReadHalf<Stream>,
        writer: &mut WriteHalf<Stream>,
    ) -> io::Result<Option<Splice>> {
        let first_within = Instant::now() + FIRST_WITHIN;
        let mut heard = None;
        let mut slow = first_within;
        // It has asked for a peer's connection: what follows may be for the peer.
        let mut waits = false;
        // What has come of that; first the answer goes out.
        let mut decided = None;
        loop {
            if !waits {
                let (len, binds) = frame::cut(&self.read).map_err(io::Error::other)?;
                if len > 0 {
                    heard = Some(Instant::now());
                    waits = binds;
                    let rest = self.read.split_off(len);
                    let frames = mem::replace(&mut self.read, rest);
                    self.commands.tell(Command::Frames(self.client, frames)).await;
                }
            }
            if self.out.is_done() {
                self.out.load(&self.outbound);
                slow = Instant::now() + SLOW;
            }
            if self.out.is_done() {
                match decided.take() {
                    None => {}
                    Some(None) => {
                        waits = false;
                        continue;
                    }
                    Some(splice) => return Ok(splice),
                }
            }
            self.read.reserve(READ_LEN);
            // Its password is looked at by the worker, whose answer wakes us.
            let deadline = heard.map_or(first_within, |heard| heard + self.patience());
            tokio::select! {
                n_read = reader.read_buf(&mut self.read), if !waits => {
                    if n_read? == 0 {
                        return Ok(None);
                    }
                }
                written = self.out.go_on(writer), if !self.out.is_done() => {
                    written?;
                    slow = Instant::now() + SLOW;
                }
                () = self.outbound.rung(), if self.out.is_done() => {}
                splice = self.splices.recv(), if decided.is_none() => match splice {
                    None => return Ok(None),
                    Some(splice) => decided = Some(splice),
                },
                () = sleep_until(slow), if !self.out.is_done() => return Ok(None),
                () = sleep_until(deadline) => return Ok(None),
                () = self.place.evicted() => return Ok(None),
            }
        }
    }
}

/// Carries bytes both ways until one side or the allocation ends.
async fn carry(mut stream: Stream, read: Vec<u8>, splice: Splice, commands: Commands) {
    let Splice { id, mut peer, closed } = splice;
    let copy = async {
        peer.write_all(&read).await?;
        copy_bidirectional(&mut stream, &mut peer).await
    };
    tokio::select! {
        _ = copy => {}
        _ = closed => {}
    }
    commands.tell(Command::Disconnected(id)).await;
}
