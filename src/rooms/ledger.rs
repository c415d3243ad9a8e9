//! What is said, on its way to the store and back: all that is written goes through one task, in order.
//!
//! Owns the queue to the store and how much stays there (`rooms.history_days`, `rooms.history_lines`).
//! Decides nothing about lines: that is the room's. A store that does not work costs the lines of that
//! time after a restart, and nothing else: rooms have the newest ones themselves.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, warn};

use super::task::{Command, RoomTask};
use crate::{
    config::Settings,
    ids::{Device, MemberId, RoomName},
    protocol::ChatLine,
    room::{Author, CHAT_HISTORY, Input, Kept, SeatId},
    store::{self, ChatChange, StoreError, StoreHandle},
};

/// Changes that wait for the store.
const QUEUE_LEN: usize = 1024;

/// Of these, so many are written in one transaction.
const BATCH: usize = 64;

/// A room begins without what was said before where the store has not answered by then.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lines that are too old, or too many, are looked for this often.
const TRIM_EVERY: Duration = Duration::from_secs(60 * 60);

/// Bytes of lines in the store, of all rooms: a household has a few millions. What is said is limited where
/// it comes in (64 KiB at once and 1 KiB a second of one source), so that within [`TRIM_EVERY`] some 4 MB
/// of each source come to it.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

enum Item {
    Change(String, ChatChange),
    /// Answered when all before it is in the store.
    Flush(oneshot::Sender<()>),
}

/// Where rooms keep what is said. Without a store they keep what they have in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger(Option<Open>);

#[derive(Debug, Clone)]
struct Open {
    store: StoreHandle,
    settings: watch::Receiver<Arc<Settings>>,
    items: mpsc::Sender<Item>,
}

/// By what a browser's lines are known as its own; its secret cannot be had from that.
pub(super) fn author_of(device: &Device) -> Author {
    let text = format!("parlor chat author\0{device}");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut author = Author::default();
    author.copy_from_slice(&hash.as_ref()[..size_of::<Author>()]);
    author
}

fn to_store(Kept { line, author }: Kept) -> store::ChatLine {
    let ChatLine { seq, from, name, text, at_ms } = line;
    store::ChatLine { seq, at_ms, member: from.0, name, author, text }
}

fn from_store(line: store::ChatLine) -> Kept {
    let store::ChatLine { seq, at_ms, member, name, author, text } = line;
    Kept { line: ChatLine { seq, from: MemberId(member), name, text, at_ms }, author }
}

impl Ledger {
    /// Begins to write into a store.
    pub(super) fn open(store: StoreHandle, settings: watch::Receiver<Arc<Settings>>) -> Self {
        let (items, receiver) = mpsc::channel(QUEUE_LEN);
        tokio::spawn(write(store.clone(), receiver, settings.clone()));
        Self(Some(Open { store, settings, items }))
    }

    fn keep(&self, room: &RoomName, change: ChatChange) {
        let Some(open) = &self.0 else { return };
        if matches!(change, ChatChange::Said(_)) && open.most_lines() == 0 {
            return;
        }
        // overflow: DROPS the line from the store, with a warning; nobody in a room waits for a disk.
        if open.items.try_send(Item::Change(room.folded().to_owned(), change)).is_err() {
            warn!(%room, "the store is too slow: a line of chat will not outlast a restart");
        }
    }

    /// The last lines of a room, oldest first.
    async fn last(&self, room: &RoomName) -> Vec<Kept> {
        let Some(open) = &self.0 else { return Vec::new() };
        let lines = async {
            open.settle().await;
            open.page(room, None).await
        };
        match tokio::time::timeout(PATIENCE, lines).await {
            Ok(Ok((lines, _))) => lines,
            Ok(Err(fault)) => {
                warn!(%room, %fault, "the room begins without what was said before");
                Vec::new()
            }
            Err(_) => {
                warn!(%room, "the store did not answer; the room begins without what was said before");
                Vec::new()
            }
        }
    }

    /// All that was said until now is in the store, or the store has not answered for a while.
    pub(super) async fn settle(&self) {
        if let Some(open) = &self.0
            && tokio::time::timeout(PATIENCE, open.settle()).await.is_err()
        {
            warn!("the store did not answer; what was said last may be lost");
        }
    }

    async fn older(&self, room: &RoomName, before: u64) -> (Vec<Kept>, bool) {
        let Some(open) = &self.0 else { return (Vec::new(), false) };
        open.settle().await;
        open.page(room, Some(before)).await.unwrap_or_default()
    }

    async fn line(&self, room: &RoomName, seq: u64) -> Option<Kept> {
        let open = self.0.as_ref()?;
        open.settle().await;
        let found = open.store.chat_line(room.folded().to_owned(), seq).await;
        found.ok().flatten().map(from_store)
    }
}

impl Open {
    /// What was said or taken back until now is in the store.
    async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        // overflow: awaited; nobody but the one who asked for lines waits here.
        let _ = self.items.send(Item::Flush(done)).await;
        let _ = settled.await;
    }

    fn most_lines(&self) -> usize {
        self.settings.borrow().rooms.history_lines
    }

    /// A page of lines, and whether there are older ones.
    async fn page(
        &self,
        room: &RoomName,
        before: Option<u64>,
    ) -> Result<(Vec<Kept>, bool), StoreError> {
        let most = CHAT_HISTORY.min(self.most_lines());
        let limit = u32::try_from(most + 1).unwrap_or(u32::MAX);
        let mut lines = self.store.chat(room.folded().to_owned(), before, limit).await?;
        let more = lines.len() > most;
        if more {
            lines.remove(0);
        }
        Ok((lines.into_iter().map(from_store).collect(), more))
    }
}

async fn write(
    store: StoreHandle,
    mut items: mpsc::Receiver<Item>,
    mut settings: watch::Receiver<Arc<Settings>>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut due = tokio::time::interval(TRIM_EVERY);
    let mut may_change = true;
    loop {
        tokio::select! {
            n_items = items.recv_many(&mut batch, BATCH) => {
                if n_items == 0 {
                    return;
                }
                write_batch(&store, &mut batch).await;
            }
            _ = due.tick() => trim(&store, &settings).await,
            changed = settings.changed(), if may_change => {
                may_change = changed.is_ok();
                trim(&store, &settings).await;
            }
        }
    }
}

async fn write_batch(store: &StoreHandle, batch: &mut Vec<Item>) {
    let (mut changes, mut waiting) = (Vec::with_capacity(batch.len()), Vec::new());
    for item in batch.drain(..) {
        match item {
            Item::Change(room, change) => changes.push((room, change)),
            Item::Flush(done) => waiting.push(done),
        }
    }
    if !changes.is_empty()
        && let Err(fault) = store.change_chat(changes).await
    {
        // Said aloud by the store itself.
        debug!(%fault, "lines of chat are not kept");
    }
    for done in waiting {
        // overflow: none, because it is a oneshot.
        let _ = done.send(());
    }
}

async fn trim(store: &StoreHandle, settings: &watch::Receiver<Arc<Settings>>) {
    let (days, lines) = {
        let rooms = &settings.borrow().rooms;
        (u64::from(rooms.history_days), u32::try_from(rooms.history_lines).unwrap_or(u32::MAX))
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    // No days are no limit.
    let before_ms = if days == 0 { 0 } else { now_ms.saturating_sub(days * DAY_MS) };
    match store.trim_chat(before_ms, lines, MAX_BYTES).await {
        Ok(0) => {}
        Ok(n_lines) => debug!(n_lines, "chat forgotten"),
        Err(fault) => debug!(%fault, "chat is not trimmed"),
    }
}

impl RoomTask {
    /// What was said before this run of the box, or before the room was last empty for long.
    pub(super) async fn remember(&mut self) {
        let lines = self.ledger.last(self.room.name()).await;
        self.room.restore(lines);
    }

    pub(super) fn keep_line(&self, kept: Kept) {
        self.ledger.keep(self.room.name(), ChatChange::Said(to_store(kept)));
    }

    pub(super) fn forget_line(&self, seq: u64) {
        self.ledger.keep(self.room.name(), ChatChange::TakenBack(seq));
    }

    /// Reads beside the room, which goes on meanwhile, and hands in what came.
    pub(super) fn fetch_older(&self, seat: SeatId, id: u32, before: u64) {
        let (ledger, room) = (self.ledger.clone(), self.room.name().clone());
        self.hand_in(async move {
            let (lines, more) = ledger.older(&room, before).await;
            Input::Older { seat, id, lines, more }
        });
    }

    /// Likewise for one line.
    pub(super) fn recall(&self, seat: SeatId, id: u32, seq: u64) {
        let (ledger, room) = (self.ledger.clone(), self.room.name().clone());
        self.hand_in(async move {
            let found = ledger.line(&room, seq).await;
            Input::Recalled { seat, id, seq, found }
        });
    }

    fn hand_in(&self, input: impl Future<Output = Input> + Send + 'static) {
        let own = self.own.clone();
        tokio::spawn(async move {
            let input = input.await;
            if let Some(own) = own.upgrade() {
                // overflow: awaited; a room's task never waits for anybody.
                let _ = own.send(Command::Input(input)).await;
            }
        });
    }
}
