//! Clients that come by a stream, TCP or TLS: frames in, bytes out, or a peer's connection carried.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    frame,
    outlet::{Client, StreamId, Via},
    socket::canonical,
    worker::{Command, Commands},
    world::{Outgoing, Splice, StreamEnd},
};
use crate::seams::turn::ByteStream;

/// Chunks that may wait for a stream's client; bytes are bounded besides.
const MAX_CHUNKS: usize = 64;
/// Read at once.
const READ_LEN: usize = 16 * 1024;
/// The first message has to arrive within.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// Silence after which a client is gone: an allocation that nobody refreshes for so long has ended,
/// and browsers check their path every few seconds.
const IDLE: Duration = Duration::from_secs(11 * 60);
/// A client that takes nothing for so long is not there.
const SLOW: Duration = Duration::from_secs(30);

/// Serves a stream to its end; `read` was read from it already.
pub(super) async fn serve(
    mut stream: Box<dyn ByteStream>,
    read: Vec<u8>,
    id: StreamId,
    (remote, local): (SocketAddr, SocketAddr),
    commands: Commands,
) {
    let via = Via::Stream(id);
    let client = Client { via, remote: canonical(remote), local: canonical(local).ip() };
    let (sender, outgoing) = mpsc::channel(MAX_CHUNKS);
    let waiting = Arc::new(AtomicUsize::new(0));
    let end = StreamEnd { sender, waiting: waiting.clone(), pending: Vec::new() };
    if !commands.tell(Command::Opened(id, end)).await {
        return;
    }
    let mut session = Session { client, read, outgoing, waiting, commands };
    let splice = session.talk(&mut stream).await;
    session.commands.tell(Command::Closed(client)).await;
    if let Ok(Some(splice)) = splice {
        carry(stream, session.read, splice, session.commands).await;
    }
}

struct Session {
    client: Client,
    /// What is there and is no whole frame yet.
    read: Vec<u8>,
    outgoing: mpsc::Receiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
    commands: Commands,
}

impl Session {
    /// Until it ends, or carries a peer's connection.
    async fn talk(&mut self, stream: &mut Box<dyn ByteStream>) -> io::Result<Option<Splice>> {
        let mut deadline = Instant::now() + FIRST_WITHIN;
        // It has asked for a peer's connection: what follows may be for the peer.
        let mut waits = false;
        loop {
            if !waits {
                let (len, binds) = frame::cut(&self.read).map_err(io::Error::other)?;
                if len > 0 {
                    deadline = Instant::now() + IDLE;
                    waits = binds;
                    let rest = self.read.split_off(len);
                    let frames = std::mem::replace(&mut self.read, rest);
                    self.commands.tell(Command::Frames(self.client, frames)).await;
                }
            }
            self.read.reserve(READ_LEN);
            tokio::select! {
                n_read = stream.read_buf(&mut self.read), if !waits => {
                    if n_read? == 0 {
                        return Ok(None);
                    }
                }
                outgoing = self.outgoing.recv() => match outgoing {
                    None => return Ok(None),
                    Some(Outgoing::Bytes(bytes)) => {
                        timeout(SLOW, stream.write_all(&bytes)).await??;
                        timeout(SLOW, stream.flush()).await??;
                        self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
                    }
                    Some(Outgoing::Splice(None)) => waits = false,
                    Some(Outgoing::Splice(Some(splice))) => return Ok(Some(splice)),
                },
                () = sleep_until(deadline) => return Ok(None),
            }
        }
    }
}

/// Carries bytes both ways until one side or the allocation ends.
async fn carry(mut stream: Box<dyn ByteStream>, read: Vec<u8>, splice: Splice, commands: Commands) {
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
