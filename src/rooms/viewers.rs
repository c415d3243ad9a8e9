//! Who watches without being a member (WHEP, stills): asking for it, the seat, and the room task's part.
//!
//! A viewer's owner (an HTTP resource) hears by its [`ViewerSeat`] what became of its offers and when
//! it is over. It never holds a room up: one whose owner does not listen is ended.

use std::{collections::HashMap, pin::Pin, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::{
    SeatClosed,
    task::{self, RoomTask},
};
use crate::{
    ids::{Label, MemberId, Nickname, RoomName},
    protocol::ErrorCode,
    room::{Input, Looker, NoView, Target, ViewerNews},
    seams::Source,
    telemetry::metrics::metrics,
};

/// News that wait for a viewer's owner; it gets one for each offer and one at the end.
const NEWS_LEN: usize = 8;

/// Whom to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watch {
    /// One member of a room.
    Member(RoomName, MemberId),
    /// A room: its first camera, else its active speaker, else its first publisher.
    Room(RoomName),
    /// Whoever has this label, in whatever room: a camera by its id.
    Label(Label),
}

/// Somebody wants to watch.
#[derive(Debug)]
pub struct WatchRequest {
    /// Whom.
    pub watch: Watch,
    /// What the members shall call it.
    pub name: Nickname,
    /// Where it comes from.
    pub source: Source,
    /// Its offer; `None`: its pictures come by another way than the media plane's.
    pub offer: Option<Arc<str>>,
}

/// Why nobody may watch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WatchError {
    /// `not-found`, `member-unknown`, `nothing-published`, `viewers-full`, `stopping`.
    pub code: ErrorCode,
    /// A sentence.
    pub message: String,
}

impl WatchError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn stopping() -> Self {
        Self::new(ErrorCode::Stopping, "the box is stopping")
    }
}

pub(super) type WatchReply = oneshot::Sender<Result<ViewerSeat, WatchError>>;

/// A viewer's place beside a room. Dropping it ends the viewing.
#[derive(Debug)]
pub struct ViewerSeat {
    /// By which the media plane knows it.
    pub viewer: MemberId,
    /// The room as it is shown.
    pub room: RoomName,
    news: mpsc::Receiver<ViewerNews>,
    commands: mpsc::Sender<task::Command>,
}

impl ViewerSeat {
    /// What happens next; `None` once the room has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<ViewerNews> {
        self.news.recv().await
    }

    /// Brings the next offer, with new ICE credentials and all else as before. Its answer comes as
    /// news, with the next revision.
    pub async fn offer(&self, sdp: Arc<str>) -> Result<(), SeatClosed> {
        let input = Input::ViewerOffer { viewer: self.viewer, offer: sdp };
        // overflow: awaited; a viewer that asks much waits for its room.
        self.commands.send(task::Command::Input(input)).await.map_err(|_| SeatClosed)
    }

    /// Goes at once.
    pub async fn leave(self) {
        let input = Input::ViewerGone { viewer: self.viewer };
        // overflow: awaited. A room that has ended needs no farewell.
        let _ = self.commands.send(task::Command::Input(input)).await;
    }
}

/// Resolves to the viewer when its seat is dropped, to nothing when the room has ended it.
type Closed = Pin<Box<dyn Future<Output = Option<MemberId>> + Send>>;

struct Owner {
    news: mpsc::Sender<ViewerNews>,
    /// Dropping it ends the [`Closed`] future, which holds a sender too.
    _watched: oneshot::Sender<()>,
}

/// Owners of a room's viewers.
#[derive(Default)]
pub(super) struct Owners {
    all: HashMap<MemberId, Owner>,
    closed: FuturesUnordered<Closed>,
}

impl Owners {
    fn add(&mut self, viewer: MemberId) -> mpsc::Receiver<ViewerNews> {
        let (news, receiver) = mpsc::channel(NEWS_LEN);
        let (watched, dropped) = oneshot::channel();
        let sender = news.clone();
        self.closed.push(Box::pin(async move {
            tokio::select! {
                () = sender.closed() => Some(viewer),
                _ = dropped => None,
            }
        }));
        self.all.insert(viewer, Owner { news, _watched: watched });
        metrics().whep_viewers.inc();
        receiver
    }

    /// A viewer whose owner is gone; pends while there is none. Cancel-safe.
    pub(super) async fn next_closed(&mut self) -> MemberId {
        while let Some(closed) = self.closed.next().await {
            if let Some(viewer) = closed {
                return viewer;
            }
        }
        std::future::pending().await
    }

    /// False if the viewer is to be ended: its owner does not listen.
    pub(super) fn tell(&mut self, viewer: MemberId, news: ViewerNews) -> bool {
        let Some(owner) = self.all.get(&viewer) else { return true };
        let is_end = matches!(news, ViewerNews::Ended(_));
        // overflow: DROPS the viewer; eight unheard answers mean that nobody hears.
        let heard = !matches!(owner.news.try_send(news), Err(mpsc::error::TrySendError::Full(_)));
        if is_end {
            self.forget(viewer);
        }
        heard
    }

    fn forget(&mut self, viewer: MemberId) {
        if self.all.remove(&viewer).is_some() {
            metrics().whep_viewers.dec();
        }
    }
}

impl Drop for Owners {
    fn drop(&mut self) {
        metrics().whep_viewers.dec_by(self.all.len() as i64);
    }
}

impl RoomTask {
    /// Lets somebody watch, or says why not.
    pub(super) fn watch(
        &mut self,
        request: WatchRequest,
        target: Target,
        limit: usize,
        reply: WatchReply,
    ) {
        let viewer = MemberId(rand::random());
        let WatchRequest { name, source, offer, .. } = request;
        let looker = Looker { viewer, target, name, source, offer, limit };
        let looked = self.room.look(task::now(), looker);
        let room = self.room.name().clone();
        if let Err(refusal) = looked {
            let error = match refusal {
                NoView::Unknown => {
                    let message = format!("whom you want to watch is not in {:?}", room.as_str());
                    WatchError::new(ErrorCode::MemberUnknown, message)
                }
                NoView::Nothing => {
                    let message = format!("nobody publishes in {:?} yet", room.as_str());
                    WatchError::new(ErrorCode::NothingPublished, message)
                }
                NoView::Full { limit } => {
                    let message = format!("{limit} are watching already (rooms.max_viewers)");
                    WatchError::new(ErrorCode::ViewersFull, message)
                }
                NoView::SourceFull { share } => {
                    let message = format!(
                        "{share} from this address are watching already, which is its share of \
                         rooms.max_viewers"
                    );
                    WatchError::new(ErrorCode::ViewersFull, message)
                }
            };
            let _ = reply.send(Err(error));
            return;
        }
        info!(%room, %viewer, "watches");
        let news = self.owners.add(viewer);
        self.perform();
        let Some(commands) = self.own.upgrade() else { return };
        // Whoever asked may be gone by now; the seat is dropped with the reply then.
        let _ = reply.send(Ok(ViewerSeat { viewer, room, news, commands }));
    }

    /// Tells a viewer's owner; returns the input that follows if it does not listen.
    pub(super) fn tell_viewer(&mut self, viewer: MemberId, news: ViewerNews) -> Option<Input> {
        if self.owners.tell(viewer, news) {
            return None;
        }
        warn!(room = %self.room.name(), %viewer, "does not listen: ended");
        Some(Input::ViewerGone { viewer })
    }
}
