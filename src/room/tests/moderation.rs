//! The door and what moderators do.

use super::{returns::device, *};
use crate::{
    ids::AccountId,
    protocol::{Knock, Reaction},
};

impl Bench {
    fn join_as(&mut self, id: u64, name: &str, rank: Rank) -> SeatId {
        let arrival = Arrival { rank, device: Some(device(id)), ..Self::arrival(id, name) };
        let seat = self.room.join(arrival).expect("there is room");
        self.log = self.room.take_actions();
        seat
    }

    /// Joins as a participant with a device; the answer that the seat hears, if there is a seat.
    fn knock(&mut self, id: u64, name: &str) -> Result<SeatId, NoSeat> {
        let arrival = Arrival { device: Some(device(id)), ..Self::arrival(id, name) };
        let seat = self.room.join(arrival);
        self.log = self.room.take_actions();
        seat
    }

    /// The error that a request is answered by; nothing if it is done.
    fn outcome(&mut self, seat: SeatId, message: ClientMessage) -> Option<ErrorCode> {
        self.ask(seat, message);
        let error = self.error(seat);
        let is_done = self.heard(seat).iter().any(|m| m.message == ServerMessage::Done);
        assert_eq!(error.is_none(), is_done, "{:?}", self.log);
        error
    }

    fn hears(&self, seat: SeatId, wanted: &ServerMessage) -> bool {
        self.heard(seat).iter().any(|heard| heard.message == *wanted)
    }

    fn here(&self) -> Vec<u64> {
        self.room.members().iter().map(|member| member.id.0).collect()
    }
}

/// Everything a moderator may ask, about a member.
fn all_of(member: MemberId) -> [ClientMessage; 7] {
    [
        ClientMessage::Admit { member },
        ClientMessage::Refuse { member },
        ClientMessage::Mute { member },
        ClientMessage::Moderator { member, on: true },
        ClientMessage::Lock { on: true },
        ClientMessage::Lobby { on: true },
        ClientMessage::Remove { member },
    ]
}

#[test]
fn participants_may_do_nothing_of_that_and_nobody_touches_the_owner() {
    let mut bench = Bench::new(0);
    let ana = bench.join_as(1, "Ana", Rank::Participant);
    let owner = bench.join_as(2, "Olga", Rank::Owner);
    let moderator = bench.join_as(3, "Max", Rank::Moderator);
    let before = bench.room.members();
    for message in all_of(owner.member) {
        assert_eq!(bench.outcome(ana, message), Some(ErrorCode::Forbidden));
    }
    for message in [
        ClientMessage::Mute { member: owner.member },
        ClientMessage::Remove { member: owner.member },
        ClientMessage::Moderator { member: owner.member, on: false },
    ] {
        assert_eq!(bench.outcome(moderator, message), Some(ErrorCode::Forbidden));
    }
    assert_eq!(bench.room.members(), before);
    let stranger = MemberId(77);
    for message in [
        ClientMessage::Admit { member: stranger },
        ClientMessage::Refuse { member: ana.member },
        ClientMessage::Mute { member: stranger },
        ClientMessage::Remove { member: stranger },
        ClientMessage::Moderator { member: stranger, on: true },
    ] {
        assert_eq!(bench.outcome(owner, message), Some(ErrorCode::MemberUnknown));
    }
}

#[test]
fn whoever_is_muted_is_asked_to_and_seen_so() {
    let mut bench = Bench::new(0);
    let moderator = bench.join_as(1, "Max", Rank::Moderator);
    let ana = bench.join_as(2, "Ana", Rank::Participant);
    assert_eq!(bench.outcome(moderator, ClientMessage::Mute { member: ana.member }), None);
    assert!(bench.hears(ana, &ServerMessage::Muted { by: moderator.member }));
    assert!(bench.heard(moderator).iter().any(|heard| matches!(&heard.message,
        ServerMessage::MemberChanged { member } if member.id == ana.member && !member.mic)));
    let door = Arrival { kind: MemberKind::Stream, ..Bench::arrival(3, "OBS") };
    let stream = bench.room.join(door).expect("there is room");
    let refused = bench.outcome(moderator, ClientMessage::Mute { member: stream.member });
    assert_eq!(refused, Some(ErrorCode::Forbidden));
}

#[test]
fn whoever_is_removed_hears_so_and_stays_out_by_device_source_and_token() {
    let mut bench = Bench::new(0);
    let moderator = bench.join_as(1, "Max", Rank::Moderator);
    let ana = bench.join_as(2, "Ana", Rank::Participant);
    assert_eq!(bench.outcome(moderator, ClientMessage::Remove { member: ana.member }), None);
    assert!(bench.hears(ana, &ServerMessage::Bye { reason: ByeReason::Removed }));
    let left = ServerMessage::MemberLeft { id: ana.member, reason: LeaveReason::Removed };
    assert!(bench.hears(moderator, &left));
    assert_eq!(bench.knock(2, "Another name"), Err(NoSeat::Removed));
    let token = Arrival { resume: Some(of_this_run(ana)), ..Bench::arrival(9, "Ana") };
    assert_eq!(bench.room.join(token), Err(NoSeat::NotKept));
    bench.knock(3, "Ben").expect("others behind the same address are not meant");

    // Another browser is of no use to whoever has an account; its streams are another matter.
    let by_account = |id, browser: u64| Arrival {
        account: Some(AccountId(7)),
        device: Some(device(browser)),
        ..Bench::arrival(id, "Uma")
    };
    let uma = bench.room.join(by_account(20, 20)).expect("a place");
    assert_eq!(bench.outcome(moderator, ClientMessage::Remove { member: uma.member }), None);
    assert_eq!(bench.room.join(by_account(21, 21)), Err(NoSeat::Removed));
    let stream = Arrival { kind: MemberKind::Stream, ..by_account(22, 22) };
    bench.room.join(stream).expect("it was not removed");

    let program = bench.join(4, "Bot");
    assert_eq!(bench.outcome(moderator, ClientMessage::Remove { member: program.member }), None);
    assert_eq!(bench.room.join(Bench::arrival(5, "Bot 2")), Err(NoSeat::Removed));
    let elsewhere = Arrival {
        source: Some(std::net::IpAddr::from([192, 0, 2, 2]).into()),
        ..Bench::arrival(6, "Bot 3")
    };
    bench.room.join(elsewhere).expect("another source");

    let own = Arrival { source: None, kind: MemberKind::Camera, ..Bench::arrival(7, "Door") };
    let own = bench.room.join(own).expect("this process is let in");
    let refused = bench.outcome(moderator, ClientMessage::Remove { member: own.member });
    assert_eq!(refused, Some(ErrorCode::Forbidden), "settings remove what is the box's");
    let olga = Arrival { rank: Rank::Owner, ..Bench::arrival(8, "Olga") };
    bench.room.join(olga).expect("the owner is never kept out");
    assert!(bench.room.is_worth_keeping(), "who stays out is remembered while it is empty");
}

#[test]
fn a_moderator_is_made_and_unmade() {
    let mut bench = Bench::new(0);
    let owner = bench.join_as(1, "Olga", Rank::Owner);
    let ana = bench.join_as(2, "Ana", Rank::Participant);
    let ben = bench.join_as(3, "Ben", Rank::Participant);
    let make = |seat: SeatId, on| ClientMessage::Moderator { member: seat.member, on };
    assert_eq!(bench.outcome(owner, make(ana, true)), None);
    assert_eq!(bench.room.members()[1].rank, Rank::Moderator);
    assert_eq!(bench.outcome(ana, make(ben, true)), None);
    assert_eq!(bench.outcome(ana, make(ben, false)), Some(ErrorCode::Forbidden));
    assert_eq!(bench.outcome(ben, make(ben, false)), None, "one may step down");
    assert_eq!(bench.outcome(owner, make(ana, false)), None);
    assert!(bench.room.members()[1..].iter().all(|member| member.rank == Rank::Participant));
}

#[test]
fn a_locked_room_lets_in_moderators_and_who_returns_alone() {
    let mut bench = Bench::new(0);
    let moderator = bench.join_as(1, "Max", Rank::Moderator);
    let ana = bench.join_as(2, "Ana", Rank::Participant);
    assert_eq!(bench.outcome(moderator, ClientMessage::Lock { on: true }), None);
    let rules = RoomRules { locked: true, ..RoomRules::default() };
    assert!(bench.hears(ana, &ServerMessage::RoomChanged { rules: rules.clone() }));
    assert_eq!(bench.knock(3, "Ben"), Err(NoSeat::Locked));
    let stream = Arrival { kind: MemberKind::Stream, ..Bench::arrival(4, "OBS") };
    assert_eq!(bench.room.join(stream), Err(NoSeat::Locked));
    let back = Arrival { resume: Some(of_this_run(ana)), ..Bench::arrival(5, "Ana") };
    let ana = bench.room.join(back).expect("its place is there");
    bench.handle(Input::SocketLost { seat: ana, slow: false });
    let tab = bench.knock(2, "Ana").expect("its place is there");
    let ServerMessage::Joined { rules: told, .. } = &bench.heard(tab)[0].message else { panic!() };
    assert_eq!(*told, rules);
    bench.join_as(6, "Mia", Rank::Moderator);
    assert_eq!(bench.outcome(moderator, ClientMessage::Lock { on: false }), None);
    bench.knock(3, "Ben").expect("the door is open");
}

#[test]
fn who_knocks_waits_hears_nothing_and_is_let_in_or_not() {
    let mut bench = Bench::new(3);
    let moderator = bench.join_as(1, "Max", Rank::Moderator);
    let ana = bench.join_as(2, "Ana", Rank::Participant);
    assert_eq!(bench.outcome(moderator, ClientMessage::Lobby { on: true }), None);
    let ben = bench.knock(3, "Ben").expect("it may wait");
    let waiting = &bench.heard(ben)[..];
    assert!(
        matches!(waiting, [Outgoing { re: Some(1), message: ServerMessage::Waiting { .. } }]),
        "{waiting:?}"
    );
    let knocks = |names: &[(u64, &str)]| ServerMessage::Knocks {
        waiting: names
            .iter()
            .map(|(id, name)| Knock { id: MemberId(*id), name: (*name).to_owned() })
            .collect(),
    };
    assert!(bench.hears(moderator, &knocks(&[(3, "Ben")])));
    assert!(bench.heard(ana).is_empty(), "that is the moderators' business");
    assert_eq!(bench.here(), [1, 2]);
    let chat = ClientMessage::Chat { text: "hello".into() };
    assert_eq!(bench.outcome(ben, chat.clone()), Some(ErrorCode::NotAdmitted));
    assert_eq!(bench.outcome(ben, publish(1, &["0"])), Some(ErrorCode::NotAdmitted));
    bench.ask(ana, chat);
    assert!(bench.heard(ben).is_empty());

    let cyd = bench.knock(4, "Cyd").expect("it may wait");
    let dan = bench.knock(5, "Dan").expect("it may wait");
    let mia = bench.join_as(6, "Mia", Rank::Moderator);
    assert!(bench.hears(mia, &knocks(&[(3, "Ben"), (4, "Cyd"), (5, "Dan")])));
    let admit = |seat: SeatId| ClientMessage::Admit { member: seat.member };
    assert_eq!(bench.outcome(moderator, admit(ben)), Some(ErrorCode::RoomFull));
    bench.ask(mia, ClientMessage::Leave);
    assert_eq!(bench.outcome(moderator, admit(ben)), None);
    assert!(matches!(bench.heard(ben)[0].message, ServerMessage::Joined { resumed: false, .. }));
    assert_eq!(bench.here(), [1, 2, 3]);
    let refuse = ClientMessage::Refuse { member: cyd.member };
    assert_eq!(bench.outcome(moderator, refuse.clone()), None);
    assert!(bench.hears(cyd, &ServerMessage::Bye { reason: ByeReason::Refused }));
    assert_eq!(bench.outcome(moderator, refuse), Some(ErrorCode::MemberUnknown));
    bench.handle(Input::SocketLost { seat: dan, slow: false });
    assert!(bench.hears(moderator, &knocks(&[])));
    assert_eq!(bench.outcome(moderator, admit(dan)), Some(ErrorCode::MemberUnknown));
}

#[test]
fn when_the_lobby_ends_whoever_waits_comes_in_as_far_as_there_is_room() {
    let mut bench = Bench::new(2);
    let moderator = bench.join_as(1, "Max", Rank::Moderator);
    bench.ask(moderator, ClientMessage::Lobby { on: true });
    let seats = [2, 3].map(|id| bench.knock(id, "Guest").expect("it may wait"));
    bench.ask(moderator, ClientMessage::Lobby { on: false });
    assert!(matches!(bench.heard(seats[0])[0].message, ServerMessage::Joined { .. }));
    assert!(bench.hears(seats[1], &ServerMessage::Bye { reason: ByeReason::Refused }));
    // Few of one source may wait, and the box's stop is told to them too.
    bench.ask(moderator, ClientMessage::Lobby { on: true });
    let waits: Vec<_> = (10..30).map(|id| bench.knock(id, "Guest")).collect();
    assert_eq!(waits.iter().filter(|seat| seat.is_ok()).count(), 5);
    assert_eq!(waits[5], Err(NoSeat::Crowded));
    let first = waits[0].expect("it waits");
    bench.handle(Input::Stop);
    assert!(bench.hears(first, &ServerMessage::Bye { reason: ByeReason::ServerStopping }));
}

#[test]
fn rules_that_are_configured_anew_are_in_force_and_moderators_keep_theirs() {
    let mut bench = Bench::new(0);
    let moderator = bench.join_as(1, "Max", Rank::Moderator);
    bench.join_as(2, "Ana", Rank::Participant);
    bench.ask(moderator, ClientMessage::Lock { on: true });
    let configured =
        RoomRules { max_participants: 2, welcome: "Shoes off".into(), ..RoomRules::default() };
    bench.handle(Input::Rules(configured.clone()));
    let rules = RoomRules { locked: true, ..configured.clone() };
    assert!(bench.hears(moderator, &ServerMessage::RoomChanged { rules }));
    assert_eq!(bench.here(), [1, 2], "whoever is here stays");
    bench.ask(moderator, ClientMessage::Lock { on: false });
    assert_eq!(bench.knock(3, "Ben"), Err(NoSeat::Full { limit: 2 }));
    assert!(bench.handle(Input::Rules(configured.clone())).is_empty(), "nothing new");
    bench.handle(Input::Rules(RoomRules { max_participants: 0, locked: true, ..configured }));
    assert_eq!(bench.knock(3, "Ben"), Err(NoSeat::Locked));
}

#[test]
fn a_line_is_taken_back_by_its_author_or_whoever_moderates() {
    let mut bench = Bench::new(0);
    let ana = bench.join_as(1, "Ana", Rank::Participant);
    let moderator = bench.join_as(2, "Max", Rank::Moderator);
    let owner = bench.join_as(3, "Olga", Rank::Owner);
    for text in ["one", "two", "three"] {
        bench.ask(ana, ClientMessage::Chat { text: text.into() });
    }
    let n_bytes = bench.room.history_bytes();
    let delete = |seq| ClientMessage::ChatDelete { seq };
    let ben = bench.join(7, "Ben");
    assert_eq!(bench.outcome(ben, delete(1)), Some(ErrorCode::Forbidden));
    assert_eq!(bench.outcome(moderator, delete(2)), None);
    assert!(bench.hears(moderator, &ServerMessage::ChatDeleted { seq: 2 }));
    assert_eq!(bench.outcome(ana, delete(2)), Some(ErrorCode::LineUnknown));
    assert_eq!(bench.outcome(owner, delete(1)), None);
    bench.ask(ana, ClientMessage::Chat { text: "four".into() });
    assert!(bench.room.history_bytes() < n_bytes);
    let late = bench.join(4, "Late");
    let ServerMessage::Joined { chat, .. } = &bench.heard(late)[0].message else { panic!() };
    let left: Vec<(u64, &str)> = chat.iter().map(|line| (line.seq, line.text.as_str())).collect();
    assert_eq!(left, [(3, "three"), (4, "four")]);
}

#[test]
fn a_hand_stays_up_and_a_reaction_passes() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    let ben = bench.join(2, "Ben");
    assert_eq!(bench.outcome(ana, ClientMessage::Hand { on: true }), None);
    assert!(bench.heard(ben).iter().any(|heard| matches!(&heard.message,
        ServerMessage::MemberChanged { member } if member.id == ana.member && member.hand)));
    assert_eq!(bench.outcome(ana, ClientMessage::Hand { on: true }), None);
    assert!(bench.heard(ben).is_empty(), "no news");
    let late = bench.join(3, "Cleo");
    let ServerMessage::Joined { members, .. } = &bench.heard(late)[0].message else { panic!() };
    assert!(members[0].hand && !members[1].hand);
    let reaction = Reaction::Heart;
    assert_eq!(bench.outcome(ben, ClientMessage::React { reaction }), None);
    for seat in [ana, ben] {
        assert!(bench.hears(seat, &ServerMessage::Reaction { from: ben.member, reaction }));
    }
}
