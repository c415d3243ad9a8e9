//! A random walk of people who talk directly now and then: never is anybody without a path to another
//! whom it had one to.

use super::{walk::Dice, *};
use crate::protocol::{DirectPhase, DirectPolicy, DirectState};

/// What a client would know.
#[derive(Debug, Default, Clone)]
struct Client {
    peer: Option<MemberId>,
    newest: (u32, u32),
    phase: Option<DirectPhase>,
    /// It has said that it sees the other directly, of this generation.
    connected: BTreeSet<u32>,
    /// It has said that it sees what is forwarded, of this word.
    forwarded: BTreeSet<(u32, u32)>,
    /// It, or the other, has said that the direct path is gone.
    failed: BTreeSet<u32>,
}

#[derive(Default)]
struct Walk {
    seats: BTreeMap<MemberId, SeatId>,
    clients: BTreeMap<MemberId, Client>,
    n_direct: usize,
    n_returned: usize,
}

impl Walk {
    fn step(&mut self, bench: &mut Bench, dice: &mut Dice, policies: &[DirectPolicy]) {
        bench.now.instant += Duration::from_millis(dice.roll(1500));
        let member = MemberId(1 + dice.roll(3));
        let Some(seat) = self.seats.get(&member).copied() else {
            // A third is rarer than two.
            if member.0 < 3 || dice.roll(8) == 0 {
                self.join(bench, Bench::arrival(member.0, "Guest"));
            }
            return;
        };
        let client = self.clients.entry(member).or_default();
        let (generation, revision) = if dice.roll(6) == 0 {
            (dice.roll(9) as u32, dice.roll(5) as u32)
        } else {
            client.newest
        };
        let says = |state| ClientMessage::DirectState { generation, revision, state };
        let message = match dice.roll(24) {
            0 => return self.leave(bench, member, seat),
            1 => return self.drop_and_resume(bench, seat),
            2 if dice.roll(3) == 0 => {
                let direct = policies[dice.roll(policies.len() as u64) as usize];
                return bench
                    .room
                    .handle(bench.now, Input::Rules(RoomRules { direct, ..RoomRules::default() }));
            }
            3 | 4 => {
                let path = [Path::New, Path::Connected][dice.roll(2) as usize];
                let observed = down_seen(1, 1, 9, path);
                return bench.room.handle(bench.now, Input::Observed { member, observed });
            }
            5 if dice.roll(4) == 0 => {
                client.failed.insert(generation);
                if let Some(other) = client.peer {
                    self.clients.entry(other).or_default().failed.insert(generation);
                }
                says(DirectState::Failed)
            }
            6..=11 if client.phase == Some(DirectPhase::Prepare) => {
                client.connected.insert(generation);
                says(DirectState::Connected)
            }
            12..=17 => {
                client.forwarded.insert((generation, revision));
                says(DirectState::Forwarded)
            }
            _ => says(DirectState::Ready),
        };
        bench.room.handle(bench.now, Input::Request { seat, id: 3, message });
    }

    fn join(&mut self, bench: &mut Bench, arrival: Arrival) {
        if let Ok(seat) = bench.room.join(arrival) {
            self.seats.insert(seat.member, seat);
        }
        bench.room.handle(bench.now, Input::Tick);
    }

    fn leave(&mut self, bench: &mut Bench, member: MemberId, seat: SeatId) {
        bench.room.handle(bench.now, Input::Leave { seat });
        self.seats.remove(&member);
        self.clients.remove(&member);
    }

    fn drop_and_resume(&mut self, bench: &mut Bench, seat: SeatId) {
        bench.room.handle(bench.now, Input::SocketLost { seat, slow: false });
        let arrival =
            Arrival { resume: Some(of_this_run(seat)), ..Bench::arrival(seat.member.0, "Guest") };
        self.join(bench, arrival);
    }

    fn hear(&mut self, seat: SeatId, message: &ServerMessage, is_only: bool) {
        let ServerMessage::Direct { generation, revision, peer, phase, .. } = message else {
            return;
        };
        let is_here = self.seats.contains_key(peer);
        let client = self.clients.entry(seat.member).or_default();
        if *phase == DirectPhase::Over && client.phase == Some(DirectPhase::Return) {
            let agreed = client.forwarded.contains(&client.newest);
            let dead = client.failed.contains(generation) || !is_here;
            assert!(agreed || dead || is_only, "{seat:?} is cut off: {client:?}");
            self.n_returned += usize::from(agreed);
        }
        if *phase == DirectPhase::Direct && client.phase == Some(DirectPhase::Prepare) {
            assert!(client.connected.contains(generation), "{seat:?}: {client:?}");
            self.n_direct += 1;
        }
        client.peer = Some(*peer);
        client.newest = (*generation, *revision);
        client.phase = Some(*phase);
    }

    /// Whom somebody sees, by the box or directly.
    fn check(&self, bench: &Bench) {
        for (member, seat) in &self.seats {
            for (other, from) in self.seats.iter().filter(|(other, _)| *other != member) {
                if bench.forwards(*from, *seat) {
                    continue;
                }
                let client = &self.clients[member];
                assert_eq!(
                    client.phase,
                    Some(DirectPhase::Direct),
                    "{member} does not see {other}"
                );
                assert_eq!(client.peer, Some(*other));
                assert!(client.connected.contains(&client.newest.0));
            }
        }
    }
}

fn walk(seed: u64, policies: &[DirectPolicy]) -> Walk {
    let (mut dice, mut bench, mut walk) = (Dice(seed), Bench::new(0), Walk::default());
    let is_only = policies.contains(&DirectPolicy::Only);
    if is_only {
        let rules = RoomRules { direct: DirectPolicy::Only, ..RoomRules::default() };
        bench.handle(Input::Rules(rules));
    }
    for _ in 0..600 {
        walk.step(&mut bench, &mut dice, policies);
        for action in bench.room.take_actions() {
            if let Action::Send { seat, message } = action {
                walk.hear(seat, &message.message, is_only);
            }
        }
        // What is due is done: nothing is due at this moment over and over.
        if bench.room.next_deadline().is_some_and(|at| at <= bench.now.instant) {
            bench.room.handle(bench.now, Input::Tick);
            for action in bench.room.take_actions() {
                if let Action::Send { seat, message } = action {
                    walk.hear(seat, &message.message, is_only);
                }
            }
            assert!(bench.room.next_deadline().is_none_or(|at| at > bench.now.instant), "{seed}");
        }
        if is_only {
            let all: Vec<&SeatId> = walk.seats.values().collect();
            assert!(all.len() <= 2);
            if let [one, other] = all[..] {
                assert_eq!(bench.forwards_both(*one, *other), (false, false), "seed {seed}");
            }
        } else {
            walk.check(&bench);
        }
    }
    walk
}

#[test]
fn nobody_is_ever_without_a_path_that_it_has_seen() {
    let (mut n_direct, mut n_returned) = (0, 0);
    for seed in 1..120 {
        let walk = walk(seed, &[DirectPolicy::Auto, DirectPolicy::Auto, DirectPolicy::Never]);
        n_direct += walk.n_direct;
        n_returned += walk.n_returned;
    }
    assert!(n_direct > 200 && n_returned > 50, "{n_direct} direct, {n_returned} back");
}

#[test]
fn where_the_policy_is_only_the_box_never_forwards_between_the_two() {
    let n_direct: usize = (1..40).map(|seed| walk(seed, &[DirectPolicy::Only]).n_direct).sum();
    assert!(n_direct > 50, "{n_direct} direct");
}
