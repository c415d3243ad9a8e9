//! The registry: which rooms there are, and who may make one.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::info;

use super::{
    JoinError, JoinRequest, QUEUE_LEN, RoomView, Seat,
    task::{self, RoomTask},
    viewers::{Watch, WatchError, WatchReply},
};
use crate::{
    config::RoomSettings,
    ids::{MemberId, RoomName},
    protocol::ErrorCode,
    room::Target,
    sfu::SfuHandle,
    telemetry::metrics::metrics,
};

/// Rooms that exist at once, empty ones with history included. A home has a handful; a script that
/// walks through names shall not fill the memory.
const MAX_ROOMS: usize = 1_000;

pub(super) type JoinReply = oneshot::Sender<Result<Seat, JoinError>>;

/// All that can happen to the registry.
#[derive(Debug)]
pub(super) enum Command {
    Join(Box<JoinRequest>, JoinReply),
    Watch(Watch, Arc<str>, WatchReply),
    Leave(RoomName, MemberId),
    List(oneshot::Sender<Vec<RoomView>>),
    /// A room has been empty for long and asks to end. It ends once the reply is there.
    Idle(RoomName, oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

struct Entry {
    commands: mpsc::Sender<task::Command>,
    view: watch::Receiver<RoomView>,
}

pub(super) struct Registry {
    settings: watch::Receiver<Arc<RoomSettings>>,
    sfu: SfuHandle,
    own: mpsc::WeakSender<Command>,
    rooms: HashMap<RoomName, Entry>,
    tasks: JoinSet<()>,
}

impl Registry {
    pub(super) fn new(
        settings: watch::Receiver<Arc<RoomSettings>>,
        sfu: SfuHandle,
        own: mpsc::WeakSender<Command>,
    ) -> Self {
        Self { settings, sfu, own, rooms: HashMap::new(), tasks: JoinSet::new() }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    Some(Command::Stop(done)) => return self.stop(done).await,
                    Some(command) => self.handle(command).await,
                },
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.forget_dead(ended);
                }
            }
        }
    }

    async fn handle(&mut self, command: Command) {
        match command {
            Command::Join(request, reply) => self.join(request, reply).await,
            Command::Watch(watch, offer, reply) => self.watch(watch, offer, reply).await,
            Command::Leave(room, member) => {
                if let Some(entry) = self.rooms.get(&room) {
                    let input = crate::room::Input::Leave { member };
                    // overflow: awaited; a room's task never waits for anybody.
                    let _ = entry.commands.send(task::Command::Input(input)).await;
                }
            }
            Command::List(reply) => {
                let mut views: Vec<RoomView> =
                    self.rooms.values().map(|entry| entry.view.borrow().clone()).collect();
                views.retain(|view| !view.members.is_empty());
                views.sort_by(|a, b| a.name.cmp(&b.name));
                let _ = reply.send(views);
            }
            Command::Idle(room, reply) => {
                self.rooms.remove(&room);
                self.count();
                let _ = reply.send(());
            }
            Command::Stop(_) => unreachable!("run() takes it"),
        }
    }

    async fn join(&mut self, request: Box<JoinRequest>, reply: JoinReply) {
        if !self.rooms.contains_key(&request.room)
            && let Err(error) = self.make(&request)
        {
            let _ = reply.send(Err(error));
            return;
        }
        let entry = &self.rooms[&request.room];
        // overflow: awaited; a room's task never waits for anybody. If it died its reply is dropped,
        // and with it the joining one's wait.
        let _ = entry.commands.send(task::Command::Join(request, reply)).await;
    }

    async fn watch(&mut self, watch: Watch, offer: Arc<str>, reply: WatchReply) {
        let limit = self.settings.borrow().max_viewers;
        let (entry, target) = match watch {
            Watch::Member(room, member) => (self.rooms.get(&room), Target::Member(member)),
            Watch::Room(room) => (self.rooms.get(&room), Target::Room),
            Watch::Label(label) => {
                let has = |entry: &&Entry| {
                    entry.view.borrow().labels.iter().any(|(known, _)| *known == label)
                };
                (self.rooms.values().find(has), Target::Label(label))
            }
        };
        let Some(entry) = entry else {
            let message = match target {
                Target::Label(label) => format!("there is no camera {label}"),
                _ => "there is no such room".to_owned(),
            };
            let _ = reply.send(Err(WatchError::new(ErrorCode::NotFound, message)));
            return;
        };
        // overflow: awaited; a room's task never waits for anybody.
        let _ = entry.commands.send(task::Command::Watch(target, offer, limit, reply)).await;
    }

    fn make(&mut self, request: &JoinRequest) -> Result<(), JoinError> {
        let settings = self.settings.borrow().clone();
        let refused = |message: String| JoinError { code: ErrorCode::RoomCreateRefused, message };
        if request.role < settings.create {
            return Err(refused(format!(
                "there is no room {:?}, and you may not make one here",
                request.room.as_str()
            )));
        }
        if self.rooms.len() >= MAX_ROOMS {
            return Err(refused(format!("there are {MAX_ROOMS} rooms already; enter one of them")));
        }
        let (commands, receiver) = mpsc::channel(QUEUE_LEN);
        let name = request.room.clone();
        let (view_sender, view) = watch::channel(RoomView {
            name: name.clone(),
            members: Vec::new(),
            labels: Vec::new(),
        });
        info!(room = %name, "room made");
        let room = RoomTask::new(
            name.clone(),
            settings.max_participants,
            self.sfu.open_room(settings.max_speakers),
            commands.downgrade(),
            self.own.clone(),
            view_sender,
        );
        self.tasks.spawn(room.run(receiver));
        self.rooms.insert(name, Entry { commands, view });
        self.count();
        Ok(())
    }

    /// A panic in a room ends that room, not the house.
    fn forget_dead(&mut self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            tracing::error!(%error, "a room ended by a fault of ours; its members may join again");
        }
        self.rooms.retain(|_, entry| !entry.commands.is_closed());
        self.count();
    }

    fn count(&self) {
        metrics().rooms.set(i64::try_from(self.rooms.len()).unwrap_or(i64::MAX));
    }

    async fn stop(mut self, done: oneshot::Sender<()>) {
        for entry in self.rooms.values() {
            // overflow: awaited; a room's task never waits for anybody.
            let _ = entry.commands.send(task::Command::Stop).await;
        }
        self.rooms.clear();
        while self.tasks.join_next().await.is_some() {}
        let _ = done.send(());
    }
}
