//! The task of one room: takes inputs one by one, lets the pure [`Room`] decide, does what it says.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use super::{
    JoinRequest, RoomView, Seat, history,
    ledger::Ledger,
    registry::{self, JoinReply},
    viewers::{Owners, WatchReply, WatchRequest},
};
use crate::{
    ids::{MemberId, RoomName},
    protocol::{Outgoing, RoomRules},
    room::{Action, Input, Now, Room, SeatId, Target},
    seams::media::News,
    sfu::SfuRoom,
    telemetry::metrics::metrics,
};

/// An empty room keeps its chat for that long.
const EMPTY_ROOM_KEPT: Duration = Duration::from_secs(30 * 60);

pub(super) fn now() -> Now {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), unix_ms: unix.as_millis() as u64 }
}

/// All that can happen to a room.
#[derive(Debug)]
pub(super) enum Command {
    Join(Box<JoinRequest>, JoinReply),
    /// Somebody wants to watch: whom, among how many.
    Watch(WatchRequest, Target, usize, WatchReply),
    Input(Input),
    /// The place is needed: end, if nobody is here. Tells whether it does.
    MakeWay(oneshot::Sender<bool>),
    /// Others are configured.
    Rules(RoomRules),
    Stop,
}

enum Event {
    Command(Option<Command>),
    News(News),
    OutboxClosed(SeatId),
    ViewerClosed(MemberId),
    Deadline,
    Nothing,
}

/// Resolves to the seat when its owner has dropped the outbox's receiver, to nothing when the room
/// has dropped the outbox.
type Closed = Pin<Box<dyn Future<Output = Option<SeatId>> + Send>>;

struct Outbox {
    sender: mpsc::Sender<Outgoing>,
    /// Dropping it ends the [`Closed`] future, which holds a sender too.
    _watched: oneshot::Sender<()>,
}

pub(super) struct RoomTask {
    pub(super) room: Room,
    sfu: SfuRoom,
    pub(super) own: mpsc::WeakSender<Command>,
    registry: mpsc::WeakSender<registry::Command>,
    outboxes: HashMap<SeatId, Outbox>,
    closed: FuturesUnordered<Closed>,
    pub(super) owners: Owners,
    view: watch::Sender<RoomView>,
    /// Which of the rooms that ever had this name.
    number: u64,
    pulse: watch::Sender<Pulse>,
    history: history::Part,
    pub(super) ledger: Ledger,
    /// Since when nobody is here.
    empty_since: Option<Instant>,
    /// Seats whose owners have dropped their outboxes: what they said before comes first.
    dropped: VecDeque<SeatId>,
}

/// What the registry sees of a room without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pulse {
    /// Since when nobody is here.
    pub(super) empty_since: Option<Instant>,
    /// Bytes of its chat.
    pub(super) history_bytes: usize,
}

/// What a room's task is given at its start.
pub(super) struct Birth {
    pub(super) name: RoomName,
    pub(super) number: u64,
    pub(super) rules: RoomRules,
    pub(super) sfu: SfuRoom,
    pub(super) own: mpsc::WeakSender<Command>,
    pub(super) registry: mpsc::WeakSender<registry::Command>,
    pub(super) view: watch::Sender<RoomView>,
    pub(super) pulse: watch::Sender<Pulse>,
    pub(super) history: history::Total,
    pub(super) ledger: Ledger,
}

impl RoomTask {
    pub(super) fn new(birth: Birth) -> Self {
        let Birth { name, number, rules, sfu, own, registry, view, pulse, history, ledger } = birth;
        Self {
            room: Room::new(name, rules),
            sfu,
            own,
            registry,
            outboxes: HashMap::new(),
            closed: FuturesUnordered::new(),
            owners: Owners::default(),
            view,
            number,
            pulse,
            history: history::Part::of(history),
            ledger,
            empty_since: Some(Instant::now()),
            dropped: VecDeque::new(),
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.remember().await;
        loop {
            let event = self.next_event(&mut commands).await;
            match event {
                Event::Command(None) => break,
                Event::Command(Some(Command::Stop)) => {
                    self.handle_input(Input::Stop);
                    break;
                }
                Event::Command(Some(Command::Join(request, reply))) => self.join(*request, reply),
                Event::Command(Some(Command::Watch(request, target, limit, reply))) => {
                    self.watch(request, target, limit, reply);
                }
                Event::Command(Some(Command::MakeWay(reply))) => {
                    let is_empty = self.room.is_empty();
                    // The registry has forgotten the room when it hears this.
                    let _ = reply.send(is_empty);
                    if is_empty {
                        break;
                    }
                }
                Event::Command(Some(Command::Rules(rules))) => {
                    self.handle_input(Input::Rules(rules));
                }
                Event::Command(Some(Command::Input(input))) => self.handle_input(input),
                Event::News(News { members, speaking }) => {
                    for (member, observed) in members {
                        self.handle_input(Input::Observed { member, observed });
                    }
                    if let Some(speaking) = speaking {
                        self.handle_input(Input::Speaking(speaking));
                    }
                }
                Event::OutboxClosed(seat) => {
                    self.handle_input(Input::SocketLost { seat, slow: false });
                }
                Event::ViewerClosed(viewer) => self.handle_input(Input::ViewerGone { viewer }),
                Event::Nothing => {}
                Event::Deadline => self.handle_input(Input::Tick),
            }
            if self.is_over() {
                return self.end(commands).await;
            }
        }
        metrics().members.dec_by(self.view.borrow().members.len() as i64);
    }

    async fn next_event(&mut self, commands: &mut mpsc::Receiver<Command>) -> Event {
        if commands.is_empty()
            && let Some(seat) = self.dropped.pop_front()
        {
            return Event::OutboxClosed(seat);
        }
        let room_empty = self.empty_since.map(|since| since + EMPTY_ROOM_KEPT);
        let deadline = self.room.next_deadline().into_iter().chain(room_empty).min();
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = commands.recv() => Event::Command(command),
            news = self.sfu.changed() => Event::News(news),
            Some(seat) = self.closed.next(), if !self.closed.is_empty() => {
                // A farewell may be in the queue: whoever left is not lost.
                self.dropped.extend(seat);
                Event::Nothing
            }
            viewer = self.owners.next_closed() => Event::ViewerClosed(viewer),
            () = timer => Event::Deadline,
        }
    }

    fn join(&mut self, request: JoinRequest, reply: JoinReply) {
        let seat = match self.room.join(request.arrival()) {
            Ok(seat) => seat,
            Err(no_seat) => {
                let _ = reply.send(Err(no_seat.into()));
                return;
            }
        };
        metrics().joins.inc();
        info!(room = %self.room.name(), member = %seat.member, kind = ?request.kind, "joined");
        let (watched, dropped) = oneshot::channel();
        let sender = request.outbox.clone();
        self.closed.push(Box::pin(async move {
            tokio::select! {
                () = sender.closed() => Some(seat),
                _ = dropped => None,
            }
        }));
        self.outboxes.insert(seat, Outbox { sender: request.outbox, _watched: watched });
        self.perform();
        // Whoever came may end what two were about; that has deadlines, and a join has no clock.
        self.handle_input(Input::Tick);
        let Some(commands) = self.own.upgrade() else { return };
        let seat = Seat { member: seat.member, room: self.room.name().clone(), seat, commands };
        // Whoever asked may be gone by now; its outbox is closed then, which makes it lost.
        let _ = reply.send(Ok(seat));
    }

    fn handle_input(&mut self, input: Input) {
        debug!(room = %self.room.name(), ?input, "input");
        self.room.handle(now(), input);
        self.perform();
    }

    /// Does what the room says until it says no more.
    pub(super) fn perform(&mut self) {
        loop {
            let actions = self.room.take_actions();
            if actions.is_empty() {
                break;
            }
            let (mut slow, mut deaf) = (Vec::new(), Vec::new());
            for action in actions {
                match action {
                    Action::Send { seat, message } => self.send(seat, message, &mut slow),
                    Action::Desire { member, want } => self.sfu.desire(member, want),
                    Action::Remove { member } => {
                        info!(room = %self.room.name(), %member, "left");
                        self.sfu.remove(member);
                    }
                    Action::Keep(kept) => self.keep_line(kept),
                    Action::TakenBack { seq } => self.forget_line(seq),
                    Action::Older { seat, id, before } => self.fetch_older(seat, id, before),
                    Action::Recall { seat, id, seq } => self.recall(seat, id, seq),
                    Action::Tell { viewer, news } => deaf.extend(self.tell_viewer(viewer, news)),
                    Action::Close { seat } => {
                        self.outboxes.remove(&seat);
                    }
                }
            }
            for seat in slow {
                self.room.handle(now(), Input::SocketLost { seat, slow: true });
            }
            for input in deaf {
                self.room.handle(now(), input);
            }
        }
        self.publish_view();
    }

    fn send(&mut self, seat: SeatId, message: Outgoing, slow: &mut Vec<SeatId>) {
        let Some(outbox) = self.outboxes.get(&seat) else { return };
        // overflow: DROPS the member, not the message: a gap in its stream could not be noticed,
        // while a new socket gets the whole state again.
        match outbox.sender.try_send(message) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                warn!(room = %self.room.name(), member = %seat.member, "too slow: disconnected");
                metrics().slow_members.inc();
                self.outboxes.remove(&seat);
                slow.push(seat);
            }
        }
    }

    fn publish_view(&mut self) {
        let members = self.room.members();
        self.empty_since = match (self.room.is_empty(), self.empty_since) {
            (false, _) => None,
            (true, None) => Some(Instant::now()),
            (true, since) => since,
        };
        let n_before = self.view.borrow().members.len() as i64;
        metrics().members.inc_by(members.len() as i64 - n_before);
        self.view.send_if_modified(|view| {
            let (labels, viewers) = (self.room.labels(), self.room.viewers_shown());
            let changed =
                view.members != members || view.labels != labels || view.viewers != viewers;
            if changed {
                view.members = members;
                view.labels = labels;
                view.viewers = viewers;
            }
            changed
        });
        self.tell_pulse();
    }

    fn tell_pulse(&mut self) {
        let history_bytes = self.room.history_bytes();
        let pulse = Pulse { empty_since: self.empty_since, history_bytes };
        // overflow: none, because the newest is all there is.
        self.pulse.send_if_modified(|told| std::mem::replace(told, pulse) != pulse);
        self.history.set(history_bytes);
        if self.history.total().is_over()
            && let Some(registry) = self.registry.upgrade()
        {
            // overflow: nudge; a registry that is busy hears of it at the next line.
            let _ = registry.try_send(registry::Command::Crowded);
        }
    }

    /// Nobody is here, and what is left is not worth keeping.
    fn is_over(&self) -> bool {
        let kept = if self.room.is_worth_keeping() { EMPTY_ROOM_KEPT } else { Duration::ZERO };
        self.room.is_empty() && self.empty_since.is_some_and(|since| since.elapsed() >= kept)
    }

    /// The registry forgets the room first, so that nobody new is sent here; who was already on the
    /// way is sent back to it.
    async fn end(self, mut commands: mpsc::Receiver<Command>) {
        let Some(registry) = self.registry.upgrade() else { return };
        let (reply, forgotten) = oneshot::channel();
        let idle = registry::Command::Idle(self.room.name().clone(), self.number, reply);
        // overflow: awaited. The registry may be waiting for room in our queue: drain it meanwhile.
        let tell = async {
            let _ = registry.send(idle).await;
            let _ = forgotten.await;
        };
        tokio::pin!(tell);
        let mut sent_back = Vec::new();
        loop {
            tokio::select! {
                () = &mut tell => break,
                Some(command) = commands.recv() => sent_back.extend(not_for_an_end(command)),
            }
        }
        commands.close();
        while let Some(command) = commands.recv().await {
            sent_back.extend(not_for_an_end(command));
        }
        for command in sent_back {
            // Whoever wanted to watch an empty room is told so by its reply's end.
            if let Command::Join(request, reply) = command {
                // overflow: awaited.
                let _ = registry.send(registry::Command::Join(request, reply)).await;
            }
        }
    }
}

/// What a room that ends cannot do itself. The registry waits for the answer to `MakeWay`.
fn not_for_an_end(command: Command) -> Option<Command> {
    match command {
        Command::MakeWay(reply) => {
            let _ = reply.send(true);
            None
        }
        command => Some(command),
    }
}
