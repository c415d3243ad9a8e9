//! The registry: which rooms there are, and who may make one.
//!
//! Rooms are few and made by whoever comes first, so one source has a share of them, and an empty one
//! makes way for the next: of that source where its share is used up, else the one that is empty for
//! longest.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::info;

use super::{
    JoinError, JoinRequest, QUEUE_LEN, ResumeClaims, RoomView, Seat,
    history::{HISTORY_BYTES, Total},
    ledger::Ledger,
    task::{self, Birth, Pulse, RoomTask},
    viewers::{Watch, WatchError, WatchReply, WatchRequest},
};
use crate::{
    config::{Direct, Settings},
    ids::RoomName,
    protocol::{DirectPolicy, ErrorCode, RoomRules},
    room::{Input, NoSeat, SeatId, Target},
    seams::Source,
    sfu::SfuHandle,
    telemetry::metrics::metrics,
};

/// Rooms that exist at once, empty ones with history included. A home has a handful; a script that
/// walks through names shall not fill the memory.
const MAX_ROOMS: usize = 1_000;

/// Of these, how many one source may have made.
const ROOMS_PER_SOURCE: usize = 50;

pub(super) type JoinReply = oneshot::Sender<Result<Seat, JoinError>>;

/// All that can happen to the registry.
#[derive(Debug)]
pub(super) enum Command {
    Join(Box<JoinRequest>, JoinReply),
    Watch(WatchRequest, WatchReply),
    Leave(ResumeClaims),
    List(oneshot::Sender<Vec<RoomView>>),
    View(RoomName, oneshot::Sender<Option<watch::Receiver<RoomView>>>),
    /// A room has been empty for long and asks to end. It ends once the reply is there.
    Idle(RoomName, u64, oneshot::Sender<()>),
    /// The rooms' chat is too large in all.
    Crowded,
    Stop(oneshot::Sender<()>),
}

struct Entry {
    number: u64,
    made_by: Option<Source>,
    commands: mpsc::Sender<task::Command>,
    view: watch::Receiver<RoomView>,
    pulse: watch::Receiver<Pulse>,
}

pub(super) struct Registry {
    settings: watch::Receiver<Arc<Settings>>,
    sfu: SfuHandle,
    own: mpsc::WeakSender<Command>,
    rooms: HashMap<RoomName, Entry>,
    tasks: JoinSet<()>,
    history: Total,
    ledger: Ledger,
    /// Rooms ever made.
    n_made: u64,
}

impl Registry {
    pub(super) fn new(
        settings: watch::Receiver<Arc<Settings>>,
        sfu: SfuHandle,
        own: mpsc::WeakSender<Command>,
        ledger: Ledger,
    ) -> Self {
        let (rooms, tasks) = (HashMap::new(), JoinSet::new());
        Self { settings, sfu, own, rooms, tasks, history: Total::default(), ledger, n_made: 0 }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut may_change = true;
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    Some(Command::Stop(done)) => {
                        // A room that ends by itself waits for our word: it is not to come any more.
                        drop(commands);
                        return self.stop(done).await;
                    }
                    Some(command) => self.handle(command).await,
                },
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.forget_dead(ended);
                }
                changed = self.settings.changed(), if may_change => {
                    may_change = changed.is_ok();
                    self.tell_settings().await;
                }
            }
        }
    }

    async fn handle(&mut self, command: Command) {
        match command {
            Command::Join(request, reply) => self.join(request, reply).await,
            Command::Watch(request, reply) => self.watch(request, reply).await,
            Command::Leave(ResumeClaims { room, member, epoch, .. }) => {
                if let Some(entry) = self.rooms.get(&room) {
                    let input = Input::Leave { seat: SeatId { member, epoch } };
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
            Command::View(room, reply) => {
                let _ = reply.send(self.rooms.get(&room).map(|entry| entry.view.clone()));
            }
            Command::Idle(room, number, reply) => {
                // One that made way is forgotten already, and its name may be another's.
                if self.rooms.get(&room).is_some_and(|entry| entry.number == number) {
                    self.rooms.remove(&room);
                }
                self.count();
                let _ = reply.send(());
            }
            Command::Crowded => self.thin_out().await,
            Command::Stop(_) => unreachable!("run() takes it"),
        }
    }

    async fn join(&mut self, request: Box<JoinRequest>, reply: JoinReply) {
        if !self.rooms.contains_key(&request.room)
            && let Err(error) = self.make(&request).await
        {
            let _ = reply.send(Err(error));
            return;
        }
        let entry = &self.rooms[&request.room];
        // overflow: awaited; a room's task never waits for anybody. If it died its reply is dropped,
        // and with it the joining one's wait.
        let _ = entry.commands.send(task::Command::Join(request, reply)).await;
    }

    async fn watch(&mut self, request: WatchRequest, reply: WatchReply) {
        let limit = self.settings.borrow().rooms.max_viewers;
        let (entry, target) = match &request.watch {
            Watch::Member(room, member) => (self.rooms.get(room), Target::Member(*member)),
            Watch::Room(room) => (self.rooms.get(room), Target::Room),
            Watch::Label(label) => {
                let has = |entry: &&Entry| {
                    entry.view.borrow().labels.iter().any(|(known, _)| known == label)
                };
                (self.rooms.values().find(has), Target::Label(label.clone()))
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
        let _ = entry.commands.send(task::Command::Watch(request, target, limit, reply)).await;
    }

    async fn make(&mut self, request: &JoinRequest) -> Result<(), JoinError> {
        let settings = self.settings.borrow().clone();
        let refused = |message: String| JoinError { code: ErrorCode::RoomCreateRefused, message };
        if request.resume.as_ref().is_some_and(|claims| claims.this_run) {
            return Err(NoSeat::NotKept.into());
        }
        // A room that is set up ahead is there for all, even while nobody is in it.
        let is_set_up = settings.rooms_ahead.iter().any(|room| room.name == request.room);
        if request.role < settings.rooms.create && !is_set_up {
            return Err(refused(format!(
                "there is no room {:?}, and you may not make one here",
                request.room.as_str()
            )));
        }
        self.make_way(request.source).await.map_err(refused)?;
        let (commands, receiver) = mpsc::channel(QUEUE_LEN);
        let name = request.room.clone();
        let (view_sender, view) = watch::channel(RoomView {
            name: name.clone(),
            members: Vec::new(),
            labels: Vec::new(),
            viewers: Vec::new(),
        });
        let (pulse_sender, pulse) = watch::channel(Pulse::default());
        info!(room = %name, "room made");
        self.n_made += 1;
        let number = self.n_made;
        let room = RoomTask::new(Birth {
            name: name.clone(),
            number,
            rules: rules_of(&settings, &name),
            sfu: self.sfu.open_room(settings.rooms.max_speakers),
            own: commands.downgrade(),
            registry: self.own.clone(),
            view: view_sender,
            pulse: pulse_sender,
            history: self.history.clone(),
            ledger: self.ledger.clone(),
        });
        self.tasks.spawn(room.run(receiver));
        self.rooms.insert(name, Entry { number, made_by: request.source, commands, view, pulse });
        self.count();
        Ok(())
    }

    /// Finds a place for one more room of a source.
    async fn make_way(&mut self, source: Option<Source>) -> Result<(), String> {
        let is_mine = |entry: &Entry| source.is_some() && entry.made_by == source;
        if self.rooms.values().filter(|entry| is_mine(entry)).count() >= ROOMS_PER_SOURCE
            && !self.end_an_empty_one(is_mine).await
        {
            return Err(format!(
                "{ROOMS_PER_SOURCE} rooms were made from this address already; enter one of them"
            ));
        }
        if self.rooms.len() >= MAX_ROOMS && !self.end_an_empty_one(|_| true).await {
            return Err(format!("there are {MAX_ROOMS} rooms already; enter one of them"));
        }
        Ok(())
    }

    /// Ends the room that is empty for longest; false if there is none.
    async fn end_an_empty_one(&mut self, which: impl Fn(&Entry) -> bool) -> bool {
        let mut empty: Vec<(std::time::Instant, RoomName)> = self
            .rooms
            .iter()
            .filter(|(_, entry)| which(entry))
            .filter_map(|(name, entry)| Some((entry.pulse.borrow().empty_since?, name.clone())))
            .collect();
        empty.sort();
        for (_, name) in empty {
            let Some(entry) = self.rooms.get(&name) else { continue };
            let (reply, answer) = oneshot::channel();
            // overflow: awaited; a room's task never waits for anybody but us, and answers this even
            // then. Whoever is on its way there came before: it is not empty then.
            let _ = entry.commands.send(task::Command::MakeWay(reply)).await;
            // A reply that is dropped is a room that has ended.
            if answer.await.unwrap_or(true) {
                info!(room = %name, "an empty room made way");
                self.rooms.remove(&name);
                return true;
            }
        }
        false
    }

    /// Brings the chat of all rooms back below its limit: empty rooms go first, the longest empty
    /// before others; then what is left is shared.
    async fn thin_out(&mut self) {
        let mut n_bytes: usize = self.rooms.values().map(|e| e.pulse.borrow().history_bytes).sum();
        while n_bytes > HISTORY_BYTES && self.end_an_empty_one(|_| true).await {
            n_bytes = self.rooms.values().map(|e| e.pulse.borrow().history_bytes).sum();
        }
        if n_bytes > HISTORY_BYTES {
            let max_bytes = HISTORY_BYTES / self.rooms.len().max(1);
            for entry in self.rooms.values() {
                // overflow: awaited; a room's task never waits for anybody.
                let trim = task::Command::Input(Input::TrimChat { max_bytes });
                let _ = entry.commands.send(trim).await;
            }
        }
        self.count();
    }

    /// Rooms that live get their new limits at once.
    async fn tell_settings(&self) {
        let settings = self.settings.borrow().clone();
        for (name, entry) in &self.rooms {
            let rules = task::Command::Rules(rules_of(&settings, name));
            // overflow: awaited; a room's task never waits for anybody.
            let _ = entry.commands.send(rules).await;
        }
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
        // Nobody says anything any more; what was said is there after a restart.
        self.ledger.settle().await;
        let _ = done.send(());
    }
}

/// How a room is kept as long as no moderator changes that.
fn rules_of(settings: &Settings, name: &RoomName) -> RoomRules {
    let ahead = settings.rooms_ahead.iter().find(|room| room.name == *name);
    let direct = policy(ahead.map_or(settings.rooms.direct, |room| room.direct));
    match ahead {
        Some(room) => RoomRules {
            max_participants: room.max_participants,
            locked: room.locked,
            lobby: room.lobby,
            welcome: room.welcome.clone(),
            direct,
        },
        None => {
            let max_participants = settings.rooms.max_participants;
            RoomRules { max_participants, direct, ..RoomRules::default() }
        }
    }
}

fn policy(configured: Direct) -> DirectPolicy {
    match configured {
        Direct::Auto => DirectPolicy::Auto,
        Direct::Never => DirectPolicy::Never,
        Direct::Only => DirectPolicy::Only,
    }
}
