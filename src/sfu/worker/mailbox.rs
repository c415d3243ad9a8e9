//! What a worker's thread shares with the handles of its rooms.
//!
//! Owns maps under locks that are held for a swap or an insert, never while packets are handled and
//! never across an await.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, oneshot};

use super::load::Load;
use crate::{
    ids::MemberId,
    seams::media::{Desired, Observed, Speaking},
    sfu::{
        relay::{lock, pipe::Pipe},
        router::context::RoomId,
        wire::bell::Bell,
    },
};

/// The workers' end of a room: what they have made of the wishes. A room that several workers share
/// has one, in which each part of it goes by its own number.
#[derive(Default)]
pub(crate) struct Outcome {
    changed: Mutex<Changed>,
    wake: Notify,
}

/// What the room's task has not yet taken.
#[derive(Default)]
pub(crate) struct Changed {
    pub(crate) members: BTreeMap<(RoomId, MemberId), Observed>,
    pub(crate) speaking: Option<Speaking>,
    /// Parts that their worker has lost: its thread panicked, or has ended though nobody told it to.
    pub(crate) gone: BTreeSet<RoomId>,
}

impl Outcome {
    fn change(&self, change: impl FnOnce(&mut Changed)) {
        change(&mut lock(&self.changed));
        // overflow: nudge; one is as good as many.
        self.wake.notify_one();
    }

    pub(crate) fn put(&self, part: RoomId, member: MemberId, observed: Observed) {
        // overflow: the newest state of a member replaces the one before; at most one a member.
        self.change(|changed| {
            changed.members.insert((part, member), observed);
        });
    }

    pub(crate) fn put_speaking(&self, speaking: Speaking) {
        // overflow: who speaks now replaces who spoke before.
        self.change(|changed| changed.speaking = Some(speaking));
    }

    fn put_gone(&self, part: RoomId) {
        self.change(|changed| {
            changed.gone.insert(part);
        });
    }

    /// Has whoever waits look again.
    pub(crate) fn nudge(&self) {
        self.change(|_| {});
    }

    /// What has changed since the last time.
    pub(crate) fn take(&self) -> Changed {
        std::mem::take(&mut *lock(&self.changed))
    }

    /// Waits until something may have changed. Dropping the future loses nothing.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }
}

/// What a worker is to make of a room.
pub(crate) enum Opened {
    /// Its home, with how many voices are forwarded at a time.
    Home(usize),
    /// A part of it, fed by its home.
    Annex(Arc<Pipe>),
}

/// Wishes that the worker has not yet seen.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) opened: Vec<(RoomId, Arc<Outcome>, Opened)>,
    pub(crate) links: Vec<(RoomId, Arc<Pipe>)>,
    pub(crate) wants: HashMap<RoomId, BTreeMap<MemberId, Option<Desired>>>,
    pub(crate) closed: Vec<RoomId>,
    pub(crate) stop: bool,
    /// Who asks whether the thread turns.
    pub(crate) asked: Vec<oneshot::Sender<()>>,
    #[cfg(test)]
    pub(crate) fault: Option<Fault>,
}

/// A fault that a test wants.
#[cfg(test)]
pub(crate) enum Fault {
    /// The thread panics, as it would by a fault of ours.
    Panic,
    /// It hangs until the other end is dropped.
    Hang(std::sync::mpsc::Receiver<()>),
}

#[cfg(test)]
impl Fault {
    pub(crate) fn happen(self) {
        match self {
            Self::Panic => panic!("the fault that a test wants"),
            Self::Hang(until) => drop(until.recv()),
        }
    }
}

/// What a worker's thread shares with handles.
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    bell: Arc<Bell>,
    n_rooms: AtomicUsize,
    n_connections: AtomicUsize,
    /// Per mille of the last second.
    busy: AtomicU16,
    is_gone: AtomicBool,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            inbox: Mutex::default(),
            bell: Arc::new(Bell::new()?),
            n_rooms: AtomicUsize::new(0),
            n_connections: AtomicUsize::new(0),
            busy: AtomicU16::new(0),
            is_gone: AtomicBool::new(false),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut lock(&self.inbox));
        // overflow: nudge; the inbox holds the newest of everything.
        self.bell.ring();
    }

    /// What rooms and their viewers are dealt out by.
    pub(crate) fn load(&self) -> Load {
        Load {
            n_connections: self.n_connections.load(Ordering::Relaxed),
            n_rooms: self.n_rooms.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed),
            is_gone: self.is_gone.load(Ordering::Relaxed),
        }
    }

    /// Wakes the worker.
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    pub(crate) fn open(&self, room: RoomId, outcome: &Arc<Outcome>, opened: Opened) {
        self.n_rooms.fetch_add(1, Ordering::Relaxed);
        self.change(|inbox| inbox.opened.push((room, Arc::clone(outcome), opened)));
        // Whichever of this and `Outcomes::drop` comes second sees the other.
        if self.is_gone.load(Ordering::SeqCst) {
            outcome.put_gone(room);
        }
    }

    /// The room has viewers on another worker.
    pub(crate) fn link(&self, room: RoomId, pipe: Arc<Pipe>) {
        self.change(|inbox| inbox.links.push((room, pipe)));
    }

    pub(crate) fn want(&self, room: RoomId, member: MemberId, want: Option<Desired>) {
        self.change(|inbox| {
            // overflow: the newest wish for a member replaces the one before; at most one a member.
            inbox.wants.entry(room).or_default().insert(member, want);
        });
    }

    pub(crate) fn close(&self, room: RoomId) {
        self.n_rooms.fetch_sub(1, Ordering::Relaxed);
        self.change(|inbox| {
            inbox.wants.remove(&room);
            inbox.closed.push(room);
        });
    }

    pub(crate) fn stop(&self) {
        self.change(|inbox| inbox.stop = true);
    }

    /// Resolves when the thread has gone once through all it does; `None`: it will not any more.
    pub(crate) async fn turn(&self) -> Option<()> {
        while !self.is_gone.load(Ordering::SeqCst) {
            let (reply, answer) = oneshot::channel();
            self.change(|inbox| {
                // overflow: as many as wait; whoever has given up is forgotten with the next.
                inbox.asked.retain(|reply| !reply.is_closed());
                inbox.asked.push(reply);
            });
            // Whichever of this and `give_up` comes second sees the other.
            if self.is_gone.load(Ordering::SeqCst) {
                break;
            }
            // Dropped without an answer: the thread has panicked, and may begin anew.
            if answer.await.is_ok() {
                return Some(());
            }
        }
        None
    }

    #[cfg(test)]
    pub(crate) fn suffer(&self, fault: Fault) {
        self.change(|inbox| inbox.fault = Some(fault));
    }

    pub(crate) fn take(&self) -> Inbox {
        std::mem::take(&mut *lock(&self.inbox))
    }

    /// The thread will not begin anew: whoever comes, or is here, has to go elsewhere.
    pub(crate) fn give_up(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
        for (room, outcome, _) in self.take().opened {
            outcome.put_gone(room);
        }
    }

    pub(crate) fn set_connections(&self, n_connections: usize) {
        self.n_connections.store(n_connections, Ordering::Relaxed);
    }

    pub(crate) fn set_busy(&self, busy: u16) {
        self.busy.store(busy, Ordering::Relaxed);
    }
}

/// The rooms of a worker, as their tasks hear of them. If it goes while the thread was not told to
/// stop, they are told that. By a panic the thread does not end: it begins anew, with the wishes that
/// have come meanwhile.
pub(crate) struct Outcomes {
    mailbox: Arc<Mailbox>,
    map: HashMap<RoomId, Arc<Outcome>>,
    /// The thread ends since it was told to.
    pub(crate) is_stopped: bool,
}

impl Outcomes {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, map: HashMap::new(), is_stopped: false }
    }

    pub(crate) fn insert(&mut self, room: RoomId, outcome: Arc<Outcome>) {
        self.map.insert(room, outcome);
    }

    pub(crate) fn remove(&mut self, room: RoomId) {
        self.map.remove(&room);
    }

    /// What the worker had of this room is lost.
    pub(crate) fn fall(&mut self, room: RoomId) {
        if let Some(outcome) = self.map.remove(&room) {
            outcome.put_gone(room);
        }
    }

    pub(crate) fn of(&self, room: RoomId) -> Option<&Outcome> {
        self.map.get(&room).map(|outcome| &**outcome)
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        self.mailbox.set_connections(0);
        let mut unseen = Vec::new();
        if !std::thread::panicking() {
            self.mailbox.is_gone.store(true, Ordering::SeqCst);
            unseen = self.mailbox.take().opened;
        }
        if self.is_stopped {
            return;
        }
        let unseen = unseen.into_iter().map(|(room, outcome, _)| (room, outcome));
        for (room, outcome) in self.map.drain().chain(unseen) {
            outcome.put_gone(room);
        }
    }
}
