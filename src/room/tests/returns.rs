//! Coming back: by a token, by the same device, after a restart of the box; and late words of those who
//! are replaced.

use super::*;

pub(super) fn device(number: u64) -> crate::ids::Device {
    format!("device-of-{number:016}").parse().expect("a device")
}

fn back(resume: Return) -> Arrival {
    Arrival { resume: Some(resume), ..Bench::arrival(70, "Ana") }
}

#[test]
fn only_the_newest_token_of_a_stay_that_lasts_is_good_for_anything() {
    let mut bench = Bench::new(0);
    let first = bench.join(1, "Ana");
    let second = bench.room.join(back(of_this_run(first))).expect("its place is there");
    assert_eq!(bench.room.join(back(of_this_run(first))), Err(NoSeat::NotKept), "superseded");
    bench.handle(Input::Leave { seat: first });
    assert_eq!(bench.room.members().len(), 1, "nor can it end the stay of the newer one");
    bench.ask(second, ClientMessage::Leave);
    assert_eq!(bench.room.join(back(of_this_run(second))), Err(NoSeat::NotKept), "it has left");
    let lost = bench.join(2, "Ben");
    bench.handle(Input::SocketLost { seat: lost, slow: false });
    bench.now.instant = bench.room.next_deadline().expect("a place is kept");
    bench.handle(Input::Tick);
    assert_eq!(bench.room.join(back(of_this_run(lost))), Err(NoSeat::NotKept), "too late");
}

#[test]
fn after_a_restart_of_the_box_each_id_comes_back_once() {
    let mut bench = Bench::new(0);
    let of = Return { member: MemberId(42), epoch: 7, this_run: false };
    let seat = bench.room.join(back(of)).expect("there is room");
    assert_eq!(seat.member, MemberId(42));
    bench.log = bench.room.take_actions();
    assert!(matches!(bench.heard(seat)[0].message, ServerMessage::Joined { resumed: false, .. }));
    assert_eq!(bench.room.join(back(of)), Err(NoSeat::NotKept));
    bench.ask(seat, ClientMessage::Leave);
    assert_eq!(bench.room.join(back(of)), Err(NoSeat::NotKept), "that stay is over");
}

#[test]
fn late_words_of_a_seat_never_reach_whoever_has_its_place_or_its_id_later() {
    let mut bench = Bench::new(0);
    let mut seats = vec![bench.join(1, "Ana")];
    for turn in 0..20 {
        let newest = *seats.last().expect("one is there");
        let next = if turn % 2 == 0 {
            bench.room.join(back(of_this_run(newest))).expect("its place is there")
        } else {
            bench.ask(newest, ClientMessage::Leave);
            bench.join(1, "Ana")
        };
        bench.room.take_actions();
        for old in &seats {
            assert_ne!(old.epoch, next.epoch);
            assert!(bench.handle(Input::SocketLost { seat: *old, slow: false }).is_empty());
            bench.ask(*old, ClientMessage::Leave);
            bench.handle(Input::Leave { seat: *old });
            assert_eq!(bench.state(next), Some(MemberState::Live));
        }
        seats.push(next);
    }
}

#[test]
fn a_new_tab_finds_the_place_that_a_crashed_one_lost_and_no_other() {
    let mut bench = Bench::new(0);
    let by = |id, device| Arrival { device: Some(device), ..Bench::arrival(id, "Ana") };
    let first = bench.room.join(by(1, device(1))).expect("there is room");
    let second = bench.room.join(by(2, device(1))).expect("there is room");
    assert_ne!(first.member, second.member, "two tabs side by side are two members");
    bench.handle(Input::SocketLost { seat: first, slow: false });
    let other = bench.room.join(by(3, device(2))).expect("there is room");
    assert_eq!(other.member, MemberId(3), "another device");
    let back = Arrival { name: Nickname::parse("Anna").expect("a name"), ..by(4, device(1)) };
    let again = bench.room.join(back).expect("its place is there");
    bench.log = bench.room.take_actions();
    assert_eq!(again.member, first.member);
    let ServerMessage::Joined { resumed: true, members, .. } = &bench.heard(again)[0].message
    else {
        panic!("{:?}", bench.log)
    };
    assert_eq!((members.len(), members[0].name.as_str()), (3, "Anna"));
}

#[test]
fn the_number_after_a_name_goes_when_the_name_is_free() {
    let mut bench = Bench::new(0);
    let first = bench.join(1, "Ana");
    let second = bench.join(2, "Ana");
    let third = bench.join(3, "Ana");
    let names = |bench: &Bench| -> Vec<String> {
        bench.room.members().into_iter().map(|member| member.name).collect()
    };
    assert_eq!(names(&bench), ["Ana", "Ana (2)", "Ana (3)"]);
    bench.ask(first, ClientMessage::Leave);
    assert_eq!(names(&bench), ["Ana", "Ana (3)"]);
    assert!(bench.heard(third).iter().any(|heard| matches!(&heard.message,
        ServerMessage::MemberChanged { member } if member.id == second.member)));
    bench.ask(second, ClientMessage::Rename { name: "Ben".into() });
    assert_eq!(names(&bench), ["Ben", "Ana"]);
    bench.ask(third, ClientMessage::Rename { name: "Ben".into() });
    assert_eq!(names(&bench), ["Ben", "Ben (2)"]);
}
