//! A random walk over everything that can happen to a room.

use std::collections::BTreeMap;

use super::returns::device;
use super::*;
use crate::protocol::ClientMessage;

/// xorshift64*: the walk is the same on every machine.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

fn step(bench: &mut Bench, dice: &mut Dice, seats: &mut Vec<SeatId>) {
    let member = MemberId(1 + dice.roll(5));
    let seat = seats.iter().rev().find(|seat| seat.member == member).copied();
    let (Some(seat), false) = (seat, dice.roll(6) == 0) else {
        let mut arrival = Bench::arrival(member.0, "Guest");
        arrival.resume = seat.map(of_this_run);
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
    let input = match dice.roll(9) {
        0 => Input::SocketLost { seat, slow: dice.roll(2) == 0 },
        1 => Input::Leave { seat },
        2 => Input::Tick,
        3 | 4 => Input::Observed { member, observed },
        5 => Input::Request { seat, id: 2, message: publish(generation, &["0"]) },
        6 => {
            let members = (dice.roll(2) == 0).then(|| vec![MemberId(1 + dice.roll(5))]);
            Input::Request { seat, id: 3, message: ClientMessage::Watch { members } }
        }
        7 => {
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
            step(&mut bench, &mut dice, &mut seats);
            for action in bench.room.take_actions() {
                match action {
                    Action::Close { seat } => drop(clients.remove(&seat)),
                    Action::Send { seat, message } => follow(&mut clients, seat, message.message),
                    Action::Desire { member, want } => {
                        watching.insert(member, want.down.map(|d| d.watch).unwrap_or_default());
                    }
                    Action::Remove { member } => drop(watching.remove(&member)),
                    Action::Tell { .. } => {}
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
