//! The registry of rooms and one task a room.
//!
//! A member's owner (a browser's session, a camera, a WHIP resource) joins by [`RoomsHandle::join`],
//! gets a [`Seat`] to speak by, and hears everything that concerns it, in order, from the outbox it
//! brought along: the answer to the join, answers to its requests, events.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    config::{Role, Settings},
    ids::{AccountId, Device, Label, MemberId, Nickname, RoomName},
    protocol::{ErrorCode, Member, MemberKind, Outgoing, Rank, Request, Viewer},
    room::{Arrival, Input, NoSeat, Return, SeatId},
    seams::Source,
    sfu::SfuHandle,
    store::StoreHandle,
};

mod history;
mod ledger;
mod registry;
mod task;
#[cfg(test)]
mod tests;
mod viewers;

pub use viewers::{ViewerSeat, Watch, WatchError, WatchRequest};

pub use crate::{
    room::{Trouble, ViewerNews},
    sfu::published_sections,
};

/// Messages a member's outbox holds. A member whose outbox is full is disconnected (it may resume):
/// a browser that cannot take 256 messages is not reading.
pub const OUTBOX_LEN: usize = 256;

/// Commands that wait for a room or for the registry; senders are held up beyond that.
const QUEUE_LEN: usize = 256;

/// Speaks to the registry of rooms.
#[derive(Debug, Clone)]
pub struct RoomsHandle {
    commands: mpsc::Sender<registry::Command>,
}

/// Somebody wants to enter a room.
#[derive(Debug)]
pub struct JoinRequest {
    /// Where to.
    pub room: RoomName,
    /// As what; the room adds " (2)" if the name is taken.
    pub name: Nickname,
    /// Who stands behind it.
    pub kind: MemberKind,
    /// Who it is to the box: whether it may make a room.
    pub role: Role,
    /// What it may do in the room.
    pub rank: Rank,
    /// The microphone is on.
    pub mic: bool,
    /// The camera is on.
    pub cam: bool,
    /// Whether it receives what the others publish. A camera does not.
    pub receives: bool,
    /// The place to return to: claims of a token that has been verified.
    pub resume: Option<ResumeClaims>,
    /// By which a browser finds the place that it lost together with its token.
    pub device: Option<Device>,
    /// Whose account it comes by.
    pub account: Option<AccountId>,
    /// Where it comes from; `None` is this process itself.
    pub source: Option<Source>,
    /// The request's id, repeated in `joined`.
    pub re: Option<u32>,
    /// Where everything for this member is written. Its length should be [`OUTBOX_LEN`]. Dropping
    /// its receiver is a lost socket: the place is kept for 30 s.
    pub outbox: mpsc::Sender<Outgoing>,
    /// How it is known to be alive.
    pub liveness: Liveness,
    /// By which id it can be watched from outside, as a camera can.
    pub label: Option<Label>,
}

impl JoinRequest {
    /// Who it is, as the room sees it.
    fn arrival(&self) -> Arrival {
        let resume = |of: &ResumeClaims| Return {
            member: of.member,
            epoch: of.epoch,
            this_run: of.this_run,
        };
        Arrival {
            fresh: MemberId(rand::random()),
            resume: self.resume.as_ref().map(resume),
            author: self.device.as_ref().map(ledger::author_of),
            device: self.device.clone(),
            account: self.account,
            source: self.source,
            rank: self.rank,
            name: self.name.clone(),
            kind: self.kind,
            mic: self.mic,
            cam: self.cam,
            receives: self.receives,
            watched: self.liveness != Liveness::InProcess,
            by_path: self.liveness == Liveness::MediaPath,
            label: self.label.clone(),
            re: self.re,
        }
    }
}

/// What a resume token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeClaims {
    /// The room of the place.
    pub room: RoomName,
    /// Whose place.
    pub member: MemberId,
    /// What it was called.
    pub name: Nickname,
    /// What it may do.
    pub role: Role,
    /// Which sitting ([`Seat::epoch`]): only the last one of a place is good for anything.
    pub epoch: u32,
    /// The seat is of this run of the box, so that its place is here or over.
    pub this_run: bool,
}

/// How a member is known to be alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// By its socket and its media path: silence makes it `lost`.
    Watched,
    /// By its media path alone: when that has ended (closed, or silent for 30 s) it goes.
    MediaPath,
    /// It lives in this process: it is there until the receiver of its outbox is dropped.
    InProcess,
}

/// Why nobody could enter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JoinError {
    /// `room-full`, `room-locked`, `removed`, `room-create-refused`, `resume-invalid`, `stopping`.
    pub code: ErrorCode,
    /// A sentence.
    pub message: String,
}

impl From<NoSeat> for JoinError {
    fn from(no_seat: NoSeat) -> Self {
        let (code, message) = match no_seat {
            NoSeat::Full { limit } => (
                ErrorCode::RoomFull,
                format!("the room has its {limit} participants; try again when somebody has left"),
            ),
            NoSeat::Locked => (
                ErrorCode::RoomLocked,
                "the room is locked; ask somebody inside to unlock it".into(),
            ),
            NoSeat::Crowded => {
                (ErrorCode::RoomFull, "too many are waiting to be let in; try again later".into())
            }
            NoSeat::Removed => (
                ErrorCode::Removed,
                "a moderator removed you from this room; you cannot come in again".into(),
            ),
            NoSeat::NotKept => (
                ErrorCode::ResumeInvalid,
                "the place is not kept any more, or a newer token has it; join without `resume`"
                    .into(),
            ),
        };
        Self { code, message }
    }
}

/// A member's place in a room.
#[derive(Debug)]
pub struct Seat {
    /// Who sits here.
    pub member: MemberId,
    /// The room as it is shown.
    pub room: RoomName,
    seat: SeatId,
    commands: mpsc::Sender<task::Command>,
}

/// The room has ended this seat: its outbox holds the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the room has ended this seat")]
pub struct SeatClosed;

/// A room from outside, for the API.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomView {
    /// As it is shown.
    pub name: RoomName,
    /// Who is there.
    pub members: Vec<Member>,
    /// By which ids some of them can be watched.
    pub labels: Vec<(Label, MemberId)>,
    /// Who watches without being one of them.
    pub viewers: Vec<Viewer>,
}

impl RoomsHandle {
    /// Starts the registry. `settings` may change while it runs. What is said is kept in the store;
    /// without one, as long as its room lasts.
    pub fn start(
        settings: watch::Receiver<Arc<Settings>>,
        sfu: SfuHandle,
        store: Option<StoreHandle>,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(QUEUE_LEN);
        let ledger = store.map_or_else(ledger::Ledger::default, |store| {
            ledger::Ledger::open(store, settings.clone())
        });
        let registry = registry::Registry::new(settings, sfu, commands.downgrade(), ledger);
        tokio::spawn(registry.run(receiver));
        Self { commands }
    }

    /// Enters a room. The outbox gets `joined` before this returns.
    pub async fn join(&self, request: JoinRequest) -> Result<Seat, JoinError> {
        let stopping =
            || JoinError { code: ErrorCode::Stopping, message: "the box is stopping".into() };
        let (reply, answer) = oneshot::channel();
        let command = registry::Command::Join(Box::new(request), reply);
        // overflow: awaited; whoever joins may wait its turn.
        self.commands.send(command).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Lets somebody watch who is no member, by its own offer. The answer is the seat's first news.
    ///
    /// # Errors
    /// See [`WatchError`]. A room that is not there is not made.
    pub async fn watch(&self, request: WatchRequest) -> Result<ViewerSeat, WatchError> {
        let (reply, answer) = oneshot::channel();
        let command = registry::Command::Watch(request, reply);
        // overflow: awaited; whoever wants to watch may wait its turn.
        self.commands.send(command).await.map_err(|_| WatchError::stopping())?;
        answer.await.map_err(|_| WatchError::stopping())?
    }

    /// A room as it is and will be; `None`: it is not there.
    pub async fn view(&self, room: RoomName) -> Option<watch::Receiver<RoomView>> {
        let (reply, answer) = oneshot::channel();
        // overflow: awaited.
        self.commands.send(registry::Command::View(room, reply)).await.ok()?;
        answer.await.ok().flatten()
    }

    /// All rooms with somebody in them, by name.
    pub async fn list(&self) -> Vec<RoomView> {
        let (reply, answer) = oneshot::channel();
        // overflow: awaited.
        if self.commands.send(registry::Command::List(reply)).await.is_err() {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }

    /// Ends a seat at once, as its token says: a browser's farewell outside its socket. One that was
    /// superseded ends nothing.
    pub async fn leave(&self, claims: ResumeClaims) {
        if claims.this_run {
            // overflow: awaited. A registry that has ended needs no farewell.
            let _ = self.commands.send(registry::Command::Leave(claims)).await;
        }
    }

    /// Returns when the registry has ended: stopped, or by a fault of ours.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let commands = self.commands.clone();
        async move { commands.closed().await }
    }

    /// Says `bye` to everybody and ends all rooms. Returns when every outbox has its last message.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        // overflow: awaited. A registry that has ended is stopped.
        if self.commands.send(registry::Command::Stop(reply)).await.is_ok() {
            let _ = done.await;
        }
    }
}

impl Seat {
    /// Which sitting of its member this is.
    pub fn epoch(&self) -> u32 {
        self.seat.epoch
    }

    /// Passes a request on. Its answer comes by the outbox.
    pub async fn request(&self, request: Request) -> Result<(), SeatClosed> {
        let Request { id, message } = request;
        self.send(Input::Request { seat: self.seat, id, message }).await
    }

    /// Tells viewers why there is no picture (`Some`), or that there is one again (`None`).
    pub async fn fault(&self, trouble: Option<Trouble>) -> Result<(), SeatClosed> {
        self.send(Input::Fault { seat: self.seat, trouble }).await
    }

    /// Goes at once, without the 30 s of a lost socket.
    pub async fn leave(self) {
        // A room that has ended needs no farewell.
        let _ = self.send(Input::Leave { seat: self.seat }).await;
    }

    async fn send(&self, input: Input) -> Result<(), SeatClosed> {
        // overflow: awaited; a member that asks much waits for its room.
        self.commands.send(task::Command::Input(input)).await.map_err(|_| SeatClosed)
    }
}
