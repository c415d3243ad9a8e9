//! The doors of the media plane: [`SfuHandle`] and [`SfuRoom`].
//!
//! Owns the worker threads' beginning and end. Everything a handle does is leaving a wish in a
//! worker's mailbox or taking news out of it: neither ever waits for a packet.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Instant,
};

use tokio::sync::watch;

#[cfg(test)]
use crate::sfu::worker::Fault;
use crate::{
    config::MediaSettings,
    seams::{Addresses, media::SfuError, restarts::Restarts},
    sfu::{
        down::DownShared,
        router::context::RoomId,
        up::UpShared,
        wire::socket,
        worker::{Mailbox, Worker, load::Load},
    },
};

mod placement;
mod ports;
mod room;

use ports::Port;
pub use room::SfuRoom;

/// Why the media plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The first worker's port, or all that were left for another worker.
    #[error("media.ports: {} port {port} is in use", .protocol.to_uppercase())]
    PortInUse {
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// Which.
        port: u16,
    },
    /// The port could not be bound for another reason.
    #[error("media.ports: {} port {port} cannot be bound: {source}", .protocol.to_uppercase())]
    Bind {
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// Which.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// Fewer ports than workers.
    #[error("media.ports: {wanted} workers need a port each, and there are {found}")]
    TooFewPorts {
        /// Workers.
        wanted: usize,
        /// Ports.
        found: usize,
    },
    /// A certificate could not be made.
    #[error("the media plane's certificate could not be made: {0}")]
    Certificate(#[from] SfuError),
    /// No thread, or no event queue for one.
    #[error("a media thread could not be started: {0}")]
    Thread(io::Error),
}

/// A worker's thread has ended by a fault of ours, and will not begin anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} has ended")]
pub struct ThreadEnded(String);

/// Speaks to the workers.
#[derive(Clone)]
pub struct SfuHandle {
    workers: Arc<Workers>,
}

impl fmt::Debug for SfuHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SfuHandle").field("ports", &self.ports()).finish_non_exhaustive()
    }
}

struct Workers {
    list: Vec<(u16, Arc<Mailbox>)>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    next_room: AtomicU64,
    /// Viewers of one room on one worker before others take new ones.
    max_viewers: usize,
    /// How many threads have ended and will not begin anew.
    n_ended: watch::Receiver<usize>,
}

impl Workers {
    fn next_room(&self) -> RoomId {
        self.next_room.fetch_add(1, Ordering::Relaxed)
    }

    fn loads(&self) -> Vec<Load> {
        self.list.iter().map(|(_, mailbox)| mailbox.load()).collect()
    }

    fn mailbox(&self, worker: usize) -> &Arc<Mailbox> {
        &self.list[worker].1
    }

    fn take_threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Nobody is left to wish anything: the threads end by themselves.
        self.list.iter().for_each(|(_, mailbox)| mailbox.stop());
    }
}

impl SfuHandle {
    /// Binds one port number for each worker, by UDP and where `settings.tcp` says so by TCP, and starts
    /// its thread: `[::]`, or `0.0.0.0` where IPv6 is off. The first worker takes the first port of
    /// `settings.ports`, the others the next free ones; port 0 is any. To be called within a runtime.
    pub fn start(
        settings: &MediaSettings,
        addresses: watch::Receiver<Arc<Addresses>>,
    ) -> Result<Self, StartError> {
        let ports = ports::bind(settings)?;
        if let Some(first) = ports.first()
            && let Some((recv_bytes, send_bytes)) = socket::small_buffers(&first.socket)
        {
            tracing::info!(
                recv_bytes,
                send_bytes,
                "the system's UDP buffers are small, bursts of pictures may be dropped; allow more by \
                 the sysctls net.core.rmem_max and net.core.wmem_max = 4194304"
            );
        }
        let up = UpShared::new()?;
        let down = DownShared::new()?;
        let (ended, n_ended) = watch::channel(0);
        let ended = Arc::new(ended);
        let mut workers = Workers {
            list: Vec::new(),
            threads: Mutex::default(),
            next_room: AtomicU64::new(0),
            max_viewers: settings.viewers_per_worker,
            n_ended,
        };
        let has_others = ports.len() > 1;
        for (index, Port { port, socket, listener }) in ports.into_iter().enumerate() {
            let mailbox = Arc::new(Mailbox::new().map_err(StartError::Thread)?);
            let worker = Worker {
                index,
                has_others,
                socket,
                listener,
                port,
                addresses: addresses.clone(),
                mailbox: Arc::clone(&mailbox),
                up: Arc::clone(&up),
                down: Arc::clone(&down),
            };
            workers.list.push((port, mailbox));
            let thread = spawn(worker, Arc::clone(&ended)).map_err(StartError::Thread)?;
            workers.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        let workers = Arc::new(workers);
        tokio::spawn(pass_on(addresses, Arc::downgrade(&workers)));
        Ok(Self { workers })
    }

    /// Each worker's port.
    pub fn ports(&self) -> Vec<u16> {
        self.workers.list.iter().map(|(port, _)| *port).collect()
    }

    /// A new room, on the worker that has least to do. Of the voices in it that tell their levels
    /// `max_speakers` are forwarded at a time, the loudest.
    pub fn open_room(&self, max_speakers: usize) -> SfuRoom {
        let home = placement::least_loaded(&self.workers.loads(), |_| true);
        let home = home.expect("start made at least one worker");
        SfuRoom::open(Arc::clone(&self.workers), home, max_speakers)
    }

    /// How a worker's thread is called: its number, from 1, and its port.
    pub fn thread_name(&self, worker: usize) -> String {
        let (n, (port, _)) = (self.workers.list.len(), &self.workers.list[worker]);
        format!("media thread {} of {n} (UDP port {port})", worker + 1)
    }

    /// Resolves when this worker's thread has gone once through all it does; one that hangs never
    /// answers. Where one has ended rooms go on on the others.
    ///
    /// # Errors
    /// The thread has ended and will not begin anew.
    pub async fn turns(&self, worker: usize) -> Result<(), ThreadEnded> {
        let turn = self.workers.mailbox(worker).turn().await;
        turn.ok_or_else(|| ThreadEnded(self.thread_name(worker)))
    }

    /// Returns when the last thread has ended by itself: nobody is seen or heard any more.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let (mut n_ended, n) = (self.workers.n_ended.clone(), self.workers.list.len());
        async move {
            let last = n_ended.wait_for(|n_ended| *n_ended >= n).await.is_ok();
            if !last {
                // The threads were told to stop.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The thread of this port panics, as it would by a fault of ours.
    #[cfg(test)]
    pub(crate) fn fail(&self, port: u16) {
        self.suffer(port, Fault::Panic);
    }

    /// The thread of this port hangs until what is returned is dropped.
    #[cfg(test)]
    pub(crate) fn hang(&self, port: u16) -> std::sync::mpsc::SyncSender<()> {
        let (go_on, until) = std::sync::mpsc::sync_channel(0);
        self.suffer(port, Fault::Hang(until));
        go_on
    }

    #[cfg(test)]
    fn suffer(&self, port: u16, fault: Fault) {
        let worker = self.workers.list.iter().find(|(known, _)| *known == port);
        worker.expect("a worker's port").1.suffer(fault);
    }

    /// Tells all peers goodbye and waits for the threads. Rooms that are still held hear nothing any
    /// more.
    pub async fn stop(self) {
        self.workers.list.iter().for_each(|(_, mailbox)| mailbox.stop());
        let threads = self.workers.take_threads();
        let join = || threads.into_iter().try_for_each(JoinHandle::join);
        if !matches!(tokio::task::spawn_blocking(join).await, Ok(Ok(()))) {
            tracing::error!("a media thread ended by a panic");
        }
    }
}

/// Has the workers look when the box's addresses change.
async fn pass_on(mut addresses: watch::Receiver<Arc<Addresses>>, workers: Weak<Workers>) {
    while addresses.changed().await.is_ok() {
        let Some(workers) = workers.upgrade() else { return };
        workers.list.iter().for_each(|(_, mailbox)| mailbox.bell().ring());
    }
}

/// A thread that panics begins anew on its port: its rooms are opened again, and their members come
/// back as after a lost path. One that panics again and again ends, and its rooms go elsewhere.
fn spawn(mut worker: Worker, ended: Arc<watch::Sender<usize>>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("sfu-{}", worker.index)).spawn(move || {
        let give_up = |mailbox: &Mailbox| {
            mailbox.give_up();
            ended.send_modify(|n_ended| *n_ended += 1);
        };
        let mut restarts = Restarts::default();
        loop {
            let run = catch_unwind(AssertUnwindSafe(|| worker.run()));
            let (mailbox, worker) = (&worker.mailbox, worker.index);
            match run {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    tracing::error!(worker, %error, "a media thread could not use its socket");
                    return give_up(mailbox);
                }
                Err(_) if !restarts.allows(Instant::now()) => {
                    tracing::error!(
                        worker,
                        "a media thread panics again and again and has ended; restart parlor, and \
                         please report this"
                    );
                    return give_up(mailbox);
                }
                Err(_) => {
                    tracing::error!(
                        worker,
                        "a media thread panicked and begins anew; please report this"
                    );
                }
            }
        }
    })
}
