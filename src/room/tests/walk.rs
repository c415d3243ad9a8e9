//! A random walk over everything that can happen to a room.

use std::collections::BTreeMap;

use super::returns::device;
use super::*;
use crate::protocol::ClientMessage;

/// xorshift64*: the walk is the same on every machine.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

/// One thing that may happen among so many members.
fn step(bench: &mut Bench, dice: &mut Dice, seats: &mut Vec<SeatId>, n_members: u64) {
    let member = MemberId(1 + dice.roll(n_members));
    let seat = seats.iter().rev().find(|seat| seat.member == member).copied();
    let (Some(seat), false) = (seat, dice.roll(6) == 0) else {
        let mut arrival = Bench::arrival(member.0, "Guest");
        let is_here = bench.room.places.contains_key(&member)
            || seat.is_some_and(|s| bench.room.waiting.has(s));
        // Now and then by a token that is good for nothing any more.
        arrival.resume = seat.filter(|_| is_here || dice.roll(4) == 0).map(of_this_run);
        arrival.rank = [Rank::Participant, Rank::Moderator, Rank::Owner][dice.roll(3) as usize];
        arrival.device = (dice.roll(2) == 0).then(|| device(member.0 % 3));
        if let Ok(seat) = bench.room.join(arrival) {
            seats.push(seat);
        }
        return;
    };
    let generation = 1 + dice.roll(3) as u32;
    let path = [Path::New, Path::Connected, Path::Quiet, Path::Closed][dice.roll(4) as usize];
    let revision = 1 + dice.roll(4) as u32;
    let mut observed = down_seen(generation, revision, 1 + dice.roll(5), path);
    observed.up = up_seen(generation, revision, path).up;
    let input = match dice.roll(12) {
        0 => Input::SocketLost { seat, slow: dice.roll(2) == 0 },
        1 => Input::Leave { seat },
        2 => Input::Tick,
        3 | 4 => Input::Observed { member, observed },
        5 => Input::Request { seat, id: 2, message: publish(generation, &["0"]) },
        6 => {
            let members = (dice.roll(2) == 0).then(|| vec![MemberId(1 + dice.roll(5))]);
            Input::Request { seat, id: 3, message: ClientMessage::Watch { members } }
        }
        7 | 8 => Input::Request { seat, id: 6, message: moderation(dice) },
        9 => {
            let message = ClientMessage::Rename { name: "Guest".into() };
            Input::Request { seat, id: 4, message }
        }
        _ => {
            let sdp = "answer".into();
            let message = ClientMessage::Answer { generation, revision, sdp };
            Input::Request { seat, id: 5, message }
        }
    };
    bench.room.handle(bench.now, input);
}

/// Something that only moderators may ask.
fn moderation(dice: &mut Dice) -> ClientMessage {
    let member = MemberId(1 + dice.roll(5));
    let on = dice.roll(2) == 0;
    match dice.roll(12) {
        0 | 1 => ClientMessage::Lobby { on },
        2 => ClientMessage::Lock { on },
        3 => ClientMessage::Moderator { member, on },
        4 => ClientMessage::Mute { member },
        5 => ClientMessage::Refuse { member },
        6 if dice.roll(30) == 0 => ClientMessage::Remove { member },
        7 | 8 => ClientMessage::Chat { text: "hello".into() },
        9 => ClientMessage::ChatDelete { seq: dice.roll(20) },
        _ => ClientMessage::Admit { member },
    }
}

/// Whatever happens: everybody in the room hears the same list of members as the room has, nobody
/// watches itself or somebody gone, and names are unique.
#[test]
fn a_random_walk_keeps_every_client_in_step_with_the_room() {
    for seed in 1..60 {
        let (mut dice, mut bench) = (Dice(seed), Bench::new(4));
        let mut seats = Vec::new();
        let mut watching: BTreeMap<MemberId, BTreeSet<MemberId>> = BTreeMap::new();
        let mut clients: BTreeMap<SeatId, BTreeMap<MemberId, Member>> = BTreeMap::new();
        for _ in 0..400 {
            bench.now.instant += Duration::from_secs(dice.roll(4));
            step(&mut bench, &mut dice, &mut seats, 5);
            for action in bench.room.take_actions() {
                match action {
                    Action::Close { seat } => drop(clients.remove(&seat)),
                    Action::Send { seat, message } => follow(&mut clients, seat, message.message),
                    Action::Desire { member, want } => {
                        watching.insert(member, want.down.map(|d| d.watch).unwrap_or_default());
                    }
                    Action::Remove { member } => drop(watching.remove(&member)),
                    Action::Tell { .. }
                    | Action::Keep(_)
                    | Action::TakenBack { .. }
                    | Action::Older { .. }
                    | Action::Recall { .. } => {}
                }
            }
            for (member, watch) in &watching {
                let here = |id: &MemberId| id != member && bench.room.places.contains_key(id);
                assert!(watch.iter().all(here), "seed {seed}");
            }
            let members: BTreeMap<MemberId, Member> =
                bench.room.members().into_iter().map(|member| (member.id, member)).collect();
            let names: BTreeSet<&String> = members.values().map(|member| &member.name).collect();
            assert_eq!(names.len(), members.len(), "seed {seed}");
            for (seat, known) in &clients {
                assert_eq!(known, &members, "seed {seed}, {seat:?}");
            }
        }
    }
}

/// Twenty clients that say whatever is well-formed, for long: nothing grows beyond its bound, and
/// nobody who is not a member hears what members say.
#[test]
fn ten_thousand_messages_leave_nothing_behind() {
    let (mut dice, mut bench) = (Dice(7), Bench::new(0));
    let (mut seats, mut joined) = (Vec::new(), BTreeSet::new());
    let (mut n_joined, mut n_lines) = (0, 0);
    for _ in 0..10_000 {
        bench.now.instant += Duration::from_millis(dice.roll(500));
        step(&mut bench, &mut dice, &mut seats, 20);
        for action in bench.room.take_actions() {
            match action {
                Action::Send { seat, message } => match message.message {
                    ServerMessage::Joined { .. } => {
                        joined.insert(seat);
                        n_joined += 1;
                    }
                    ServerMessage::Chat { .. } | ServerMessage::Offer { .. } => {
                        assert!(joined.contains(&seat), "{seat:?} has not been let in");
                        n_lines += 1;
                    }
                    _ => {}
                },
                Action::Close { seat } => drop(joined.remove(&seat)),
                _ => {}
            }
        }
        assert!(joined.len() <= 20 && bench.room.members().len() <= 20);
        assert!(bench.room.history_bytes() <= CHAT_HISTORY_BYTES);
        let newest = seats.len().saturating_sub(200);
        seats.drain(..newest);
    }
    assert!(n_joined > 500 && n_lines > 500, "{n_joined} joined, {n_lines} lines heard");
    bench.handle(Input::Stop);
}

fn follow(
    clients: &mut BTreeMap<SeatId, BTreeMap<MemberId, Member>>,
    seat: SeatId,
    message: ServerMessage,
) {
    match message {
        ServerMessage::Joined { members, .. } => {
            clients.insert(seat, members.into_iter().map(|member| (member.id, member)).collect());
        }
        ServerMessage::MemberJoined { member } | ServerMessage::MemberChanged { member } => {
            if let Some(known) = clients.get_mut(&seat) {
                known.insert(member.id, member);
            }
        }
        ServerMessage::MemberLeft { id, .. } => {
            if let Some(known) = clients.get_mut(&seat) {
                known.remove(&id);
            }
        }
        _ => {}
    }
}
