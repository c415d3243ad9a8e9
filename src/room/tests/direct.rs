//! Two who are alone talk directly, and what ends that.

use super::*;
use crate::protocol::{DirectPhase, DirectPolicy, DirectReason, DirectState};
use crate::room::direct::{FIRST_PAUSE, MOST_TRIES, PREPARE_WITHIN, RETURN_WITHIN, SETTLE};

/// What somebody was told of a direct path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Heard {
    pub(super) generation: u32,
    revision: u32,
    peer: u64,
    offers: bool,
    phase: DirectPhase,
    reason: Option<DirectReason>,
}

impl Bench {
    fn with_policy(direct: DirectPolicy) -> Self {
        let mut bench = Self::new(0);
        bench.handle(Input::Rules(RoomRules { direct, ..RoomRules::default() }));
        bench
    }

    fn rules(&mut self, direct: DirectPolicy) {
        self.handle(Input::Rules(RoomRules { direct, ..RoomRules::default() }));
    }

    /// As the room's task does it: a join, then a tick.
    fn come(&mut self, id: u64, name: &str) -> SeatId {
        let seat = self.join(id, name);
        let joined = std::mem::take(&mut self.log);
        self.handle(Input::Tick);
        self.log = [joined, std::mem::take(&mut self.log)].concat();
        seat
    }

    fn say(&mut self, seat: SeatId, of: (u32, u32), state: DirectState) {
        let (generation, revision) = of;
        self.ask(seat, ClientMessage::DirectState { generation, revision, state });
    }

    /// The newest word of a direct path in the last step.
    pub(super) fn direct(&self, seat: SeatId) -> Option<Heard> {
        self.heard(seat).into_iter().rev().find_map(|message| match message.message {
            ServerMessage::Direct { generation, revision, peer, offerer, phase, reason } => {
                let offers = offerer == seat.member;
                Some(Heard { generation, revision, peer: peer.0, offers, phase, reason })
            }
            _ => None,
        })
    }

    fn phase(&self, seat: SeatId) -> Option<DirectPhase> {
        self.direct(seat).map(|heard| heard.phase)
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.handle(Input::Tick);
    }

    /// Whether the media plane is to send one member's pictures to another.
    pub(super) fn forwards(&self, from: SeatId, to: SeatId) -> bool {
        let desired = &self.room.places[&to.member].desired;
        desired.down.as_ref().is_some_and(|down| down.watch.contains(&from.member))
    }

    pub(super) fn forwards_both(&self, one: SeatId, other: SeatId) -> (bool, bool) {
        (self.forwards(one, other), self.forwards(other, one))
    }

    /// Two who see each other by way of the box and can talk directly.
    pub(super) fn couple(&mut self) -> [SeatId; 2] {
        let seats = [self.come(1, "Ana"), self.come(2, "Ben")];
        for seat in seats {
            let observed = down_seen(1, 1, 3, Path::Connected);
            self.handle(Input::Observed { member: seat.member, observed });
            self.say(seat, (0, 0), DirectState::Ready);
        }
        seats
    }

    /// What the first of two hears when they are tried, if they are.
    fn tried(&mut self, seats: [SeatId; 2]) -> Option<Heard> {
        let is_asked = |heard: &Heard| heard.phase == DirectPhase::Prepare;
        self.pass(Duration::from_secs(60));
        let at_once = self.direct(seats[0]).filter(is_asked);
        self.pass(SETTLE);
        at_once.or(self.direct(seats[0]).filter(is_asked))
    }

    /// Both say something of the newest word that they have heard.
    fn both_say(&mut self, seats: [SeatId; 2], of: (u32, u32), state: DirectState) {
        for seat in seats {
            self.say(seat, of, state);
        }
    }

    /// Two who talk directly, and of which generation.
    fn direct_couple(&mut self) -> ([SeatId; 2], u32) {
        let seats = self.couple();
        self.pass(SETTLE);
        let heard = self.direct(seats[0]).expect("they are asked to prepare");
        self.both_say(seats, (heard.generation, heard.revision), DirectState::Connected);
        assert_eq!(self.phase(seats[1]), Some(DirectPhase::Direct));
        (seats, heard.generation)
    }
}

#[test]
fn two_who_are_alone_are_forwarded_until_both_see_each_other_directly() {
    let mut bench = Bench::new(0);
    let [ana, ben] = bench.couple();
    assert_eq!(bench.direct(ana), None, "their pictures come first");
    assert_eq!(bench.room.next_deadline(), Some(bench.now.instant + SETTLE));
    bench.pass(SETTLE);
    let (at_ana, at_ben) = (bench.direct(ana).expect("a word"), bench.direct(ben).expect("a word"));
    assert_eq!((at_ana.phase, at_ana.peer, at_ana.offers), (DirectPhase::Prepare, 2, true));
    assert_eq!((at_ben.phase, at_ben.peer, at_ben.offers), (DirectPhase::Prepare, 1, false));
    assert_eq!((at_ana.generation, at_ana.revision), (at_ben.generation, at_ben.revision));
    let of = (at_ana.generation, at_ana.revision);
    bench.say(ana, of, DirectState::Connected);
    assert_eq!(bench.direct(ana), None);
    assert_eq!(bench.forwards_both(ana, ben), (true, true), "Ben does not see her yet");
    bench.say(ben, of, DirectState::Connected);
    for seat in [ana, ben] {
        assert_eq!(bench.phase(seat), Some(DirectPhase::Direct));
    }
    assert_eq!(bench.forwards_both(ana, ben), (false, false));
    assert_eq!(bench.room.next_deadline(), None);
}

#[test]
fn a_third_is_forwarded_at_once_and_the_pair_when_both_see_it() {
    let mut bench = Bench::new(0);
    let ([ana, ben], generation) = bench.direct_couple();
    let cleo = bench.come(3, "Cleo");
    let heard = bench.direct(ana).expect("she is asked to return");
    assert_eq!(heard.phase, DirectPhase::Return);
    assert_eq!((heard.generation, heard.reason), (generation, Some(DirectReason::ThirdPerson)));
    for seat in [ana, ben] {
        assert_eq!(bench.forwards_both(cleo, seat), (true, true));
    }
    assert_eq!(bench.forwards_both(ana, ben), (true, true), "so that there is something to see");
    bench.say(ana, (generation, heard.revision), DirectState::Forwarded);
    assert_eq!(bench.direct(ben), None, "Ben still looks at the direct picture");
    bench.say(ben, (generation, heard.revision), DirectState::Forwarded);
    for seat in [ana, ben] {
        assert_eq!(bench.phase(seat), Some(DirectPhase::Over));
    }
    bench.handle(Input::Leave { seat: cleo });
    bench.pass(SETTLE);
    let again = bench.direct(ben).expect("they are alone again");
    assert_eq!((again.phase, again.generation), (DirectPhase::Prepare, generation + 1));
}

#[test]
fn a_third_who_goes_at_once_changes_nothing_and_old_words_do_not_count() {
    let mut bench = Bench::new(0);
    let (seats, generation) = bench.direct_couple();
    let [ana, ben] = seats;
    let cleo = bench.come(3, "Cleo");
    let first = bench.direct(ana).expect("a word").revision;
    bench.handle(Input::Leave { seat: cleo });
    assert_eq!(bench.phase(ana), Some(DirectPhase::Direct));
    assert_eq!(bench.forwards_both(ana, ben), (false, false));
    bench.come(4, "Cleo");
    bench.both_say(seats, (generation, first), DirectState::Forwarded);
    assert_eq!(bench.direct(ana), None, "that was said of the first return");
    assert_eq!(bench.forwards_both(ana, ben), (true, true));
}

#[test]
fn a_third_is_told_why_where_the_pair_does_not_return_in_time() {
    let mut bench = Bench::new(0);
    let (seats, generation) = bench.direct_couple();
    let cleo = bench.come(3, "Cleo");
    let revision = bench.direct(seats[0]).expect("a word").revision;
    bench.pass(RETURN_WITHIN);
    assert_eq!(bench.error(cleo), Some(ErrorCode::DirectKept));
    for seat in seats {
        assert_eq!((bench.error(seat), bench.direct(seat)), (None, None), "it stays as it is");
    }
    assert_eq!(bench.room.next_deadline(), None);
    bench.pass(RETURN_WITHIN);
    assert_eq!(bench.error(cleo), None, "once");
    bench.both_say(seats, (generation, revision), DirectState::Forwarded);
    assert_eq!(bench.phase(seats[0]), Some(DirectPhase::Over));
}

#[test]
fn a_path_that_goes_bad_is_given_up_when_the_forwarded_one_is_seen() {
    let mut bench = Bench::new(0);
    let (seats, generation) = bench.direct_couple();
    bench.say(seats[0], (generation, 0), DirectState::Failed);
    let heard = bench.direct(seats[1]).expect("a word");
    assert_eq!((heard.phase, heard.reason), (DirectPhase::Return, Some(DirectReason::Path)));
    assert_eq!(bench.forwards_both(seats[0], seats[1]), (true, true));
    bench.both_say(seats, (generation, heard.revision), DirectState::Forwarded);
    assert_eq!(bench.phase(seats[0]), Some(DirectPhase::Over));
    bench.pass(FIRST_PAUSE);
    bench.pass(SETTLE);
    assert_eq!(bench.phase(seats[0]), Some(DirectPhase::Prepare), "once more");
}

#[test]
fn a_pair_that_does_not_connect_is_tried_again_when_a_network_is_another_one_and_not_for_ever() {
    let mut bench = Bench::new(0);
    let seats = bench.couple();
    let mut n_tries = 0;
    for _ in 0..3 * MOST_TRIES {
        if bench.tried(seats).is_some() {
            n_tries += 1;
            bench.pass(PREPARE_WITHIN);
            let heard = bench.direct(seats[1]).expect("it is over");
            assert_eq!((heard.phase, heard.reason), (DirectPhase::Over, Some(DirectReason::Path)));
            assert_eq!(bench.forwards_both(seats[0], seats[1]), (true, true));
        } else if n_tries > 1 {
            bench.say(seats[1], (0, 0), DirectState::Ready);
        }
    }
    assert_eq!(n_tries, MOST_TRIES);
    assert_eq!(bench.room.next_deadline(), None);
}

#[test]
fn two_failures_are_enough_as_long_as_the_networks_are_the_same() {
    let mut bench = Bench::new(0);
    let seats = bench.couple();
    let mut n_tries = 0;
    for _ in 0..10 {
        if let Some(heard) = bench.tried(seats) {
            n_tries += 1;
            bench.say(seats[0], (heard.generation, heard.revision), DirectState::Failed);
        }
    }
    assert_eq!(n_tries, 2);
}

#[test]
fn cameras_do_not_end_it_but_whoever_watches_one_of_the_two_does() {
    let mut bench = Bench::new(0);
    let ([ana, ben], _) = bench.direct_couple();
    let camera = Arrival { kind: MemberKind::Camera, ..Bench::arrival(7, "Door") };
    let camera = bench.room.join(camera).expect("cameras do not count");
    bench.handle(Input::Tick);
    assert_eq!(bench.direct(ana), None);
    assert!(bench.forwards(camera, ana), "it is forwarded beside that");
    assert_eq!(bench.forwards_both(ana, ben), (false, false));
    bench.ask(ana, publish(1, &["0"]));
    let looker = Looker {
        viewer: MemberId(9),
        target: Target::Member(ana.member),
        name: Nickname::parse("VLC").expect("a valid name"),
        source: std::net::IpAddr::from([192, 0, 2, 9]).into(),
        offer: Some("offer".into()),
        limit: 0,
    };
    bench.room.look(bench.now, looker).expect("she may be watched");
    bench.log = bench.room.take_actions();
    let heard = bench.direct(ben).expect("a word");
    assert_eq!((heard.phase, heard.reason), (DirectPhase::Return, Some(DirectReason::Viewer)));
    bench.handle(Input::ViewerGone { viewer: MemberId(9) });
    assert_eq!(bench.phase(ben), Some(DirectPhase::Direct), "nobody watches any more");
}

#[test]
fn where_the_policy_is_never_nobody_is_asked_and_a_change_is_in_force_at_once() {
    let mut bench = Bench::with_policy(DirectPolicy::Never);
    let [ana, ben] = bench.couple();
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.direct(ana), None);
    bench.rules(DirectPolicy::Auto);
    bench.pass(SETTLE);
    let heard = bench.direct(ana).expect("now they are");
    let of = (heard.generation, heard.revision);
    bench.both_say([ana, ben], of, DirectState::Connected);
    bench.rules(DirectPolicy::Never);
    let heard = bench.direct(ben).expect("a word");
    assert_eq!((heard.phase, heard.reason), (DirectPhase::Return, Some(DirectReason::Policy)));
}

#[test]
fn only_is_for_two_and_nothing_is_forwarded_between_them() {
    let mut bench = Bench::with_policy(DirectPolicy::Only);
    let seats = bench.couple();
    let [ana, ben] = seats;
    assert_eq!(bench.forwards_both(ana, ben), (false, false));
    let heard = bench.direct(ben).expect("there is nothing to wait for");
    assert_eq!(heard.phase, DirectPhase::Prepare);
    let third = bench.room.join(Bench::arrival(3, "Cyd"));
    assert_eq!(third, Err(NoSeat::Full { limit: 2 }));
    let camera = Arrival { kind: MemberKind::Camera, ..Bench::arrival(7, "Door") };
    let camera = bench.room.join(camera).expect("cameras do not count");
    assert!(bench.forwards(camera, ana));
    bench.both_say(seats, (heard.generation, heard.revision), DirectState::Connected);
    bench.say(ana, (heard.generation, 0), DirectState::Failed);
    assert_eq!(bench.phase(ben), Some(DirectPhase::Over));
    assert_eq!(bench.forwards_both(ana, ben), (false, false), "there is no other path");
    for _ in 0..2 * MOST_TRIES {
        bench.pass(Duration::from_secs(60));
        assert_eq!(
            bench.phase(ben),
            Some(DirectPhase::Prepare),
            "it is tried as long as they stay"
        );
        bench.pass(PREPARE_WITHIN);
    }
    bench.ask(ana, publish(1, &["0"]));
    let looker = Looker {
        viewer: MemberId(9),
        target: Target::Member(ana.member),
        name: Nickname::parse("VLC").expect("a valid name"),
        source: std::net::IpAddr::from([192, 0, 2, 9]).into(),
        offer: Some("offer".into()),
        limit: 0,
    };
    assert_eq!(bench.room.look(bench.now, looker), Err(NoView::Nothing));
}

#[test]
fn only_does_not_break_off_what_is_forwarded_when_it_comes_into_force() {
    let mut bench = Bench::new(0);
    let seats = bench.couple();
    bench.rules(DirectPolicy::Only);
    assert_eq!(bench.forwards_both(seats[0], seats[1]), (true, true));
    bench.pass(SETTLE);
    let heard = bench.direct(seats[0]).expect("they are asked to prepare");
    let of = (heard.generation, heard.revision);
    bench.both_say(seats, of, DirectState::Connected);
    assert_eq!(bench.forwards_both(seats[0], seats[1]), (false, false));
    bench.rules(DirectPolicy::Never);
    assert_eq!(bench.phase(seats[0]), Some(DirectPhase::Return));
    assert_eq!(bench.forwards_both(seats[0], seats[1]), (true, true));
}

#[test]
fn whoever_returns_to_its_place_hears_how_far_things_are_and_who_leaves_ends_it() {
    let mut bench = Bench::new(0);
    let ([ana, ben], generation) = bench.direct_couple();
    bench.handle(Input::SocketLost { seat: ana, slow: false });
    assert_eq!(bench.direct(ben), None, "what is direct goes on without the box");
    let back = Arrival { resume: Some(of_this_run(ana)), ..Bench::arrival(8, "Ana") };
    let ana = bench.room.join(back).expect("her place is there");
    bench.log = bench.room.take_actions();
    let heard = bench.direct(ana).expect("a word");
    assert_eq!((heard.phase, heard.generation), (DirectPhase::Direct, generation));
    bench.handle(Input::Leave { seat: ben });
    let heard = bench.direct(ana).expect("a word");
    assert_eq!((heard.phase, heard.reason), (DirectPhase::Over, Some(DirectReason::Gone)));
}
