//! Who speaks: told to everybody, and who watches the room sees it.

use super::*;
use crate::seams::media::{DownWant, Speaking};

fn speaking(active: Option<u64>, members: &[u64]) -> Input {
    let members = members.iter().copied().map(MemberId).collect();
    Input::Speaking(Speaking { active: active.map(MemberId), members })
}

/// What a seat was told of it in the last step: the active speaker, and all.
fn told(bench: &Bench, seat: SeatId) -> Vec<(Option<u64>, Vec<u64>)> {
    let heard = bench.heard(seat).into_iter().filter_map(|message| match &message.message {
        ServerMessage::Speakers { active, speaking } => {
            Some((active.map(|id| id.0), speaking.iter().map(|id| id.0).collect()))
        }
        _ => None,
    });
    heard.collect()
}

#[test]
fn everybody_is_told_who_speaks_and_once() {
    let mut bench = Bench::new(0);
    let (ada, ben) = (bench.join(1, "Ada"), bench.join(2, "Ben"));
    assert_eq!(told(&bench, ben), [], "nobody has spoken yet");
    bench.handle(speaking(Some(2), &[2, 1]));
    for seat in [ada, ben] {
        assert_eq!(told(&bench, seat), [(Some(2), vec![1, 2])]);
    }
    assert!(bench.handle(speaking(Some(2), &[1, 2])).is_empty(), "no news");
    let cleo = bench.join(3, "Cleo");
    let heard = bench.heard(cleo);
    assert!(matches!(heard[0].message, ServerMessage::Joined { .. }), "that comes first");
    assert_eq!(told(&bench, cleo), [(Some(2), vec![1, 2])]);
    assert_eq!(told(&bench, ada), []);
}

#[test]
fn who_has_left_speaks_no_more() {
    let mut bench = Bench::new(0);
    let (ada, ben) = (bench.join(1, "Ada"), bench.join(2, "Ben"));
    bench.handle(speaking(Some(2), &[1, 2]));
    bench.handle(Input::Leave { seat: ben });
    assert_eq!(told(&bench, ada), [], "member-left says it");
    assert!(bench.handle(speaking(None, &[1])).is_empty(), "the media plane says the same");
    assert!(bench.handle(speaking(Some(2), &[1, 2])).is_empty(), "a late word of it");
    let cleo = bench.join(3, "Cleo");
    assert_eq!(told(&bench, cleo), [(None, vec![1])]);
}

#[test]
fn who_watches_a_room_without_a_camera_sees_its_active_speaker() {
    let mut bench = Bench::new(0);
    let seats: Vec<SeatId> = (1..=3).map(|id| bench.join(id, "Someone")).collect();
    for seat in &seats[..2] {
        bench.ask(*seat, publish(1, &["0"]));
    }
    let looker = Looker {
        viewer: MemberId(101),
        target: Target::Room,
        name: Nickname::parse("VLC").expect("a valid name"),
        source: std::net::IpAddr::from([192, 0, 2, 1]).into(),
        offer: Some("offer".into()),
        limit: 0,
    };
    bench.room.look(bench.now, looker).expect("somebody publishes");
    bench.log = bench.room.take_actions();
    let wanted = |bench: &Bench| -> Option<DownWant> {
        bench.log.iter().find_map(|action| match action {
            Action::Desire { member: MemberId(101), want } => want.down.clone(),
            _ => None,
        })
    };
    let shown = |bench: &Bench| Some(wanted(bench)?.watch.iter().map(|id| id.0).collect());
    assert_eq!(shown(&bench), Some(vec![1]), "the first publisher, before anybody has spoken");
    bench.handle(speaking(Some(2), &[2]));
    assert_eq!(shown(&bench), Some(vec![2]));
    assert_eq!(wanted(&bench).and_then(|want| want.offer), Some((1, "offer".into())));
    bench.handle(speaking(Some(2), &[1]));
    assert_eq!(shown(&bench), None, "speaking is not dominating");
    bench.handle(speaking(Some(1), &[1]));
    assert_eq!(shown(&bench), Some(vec![1]));
    bench.handle(speaking(Some(3), &[3]));
    assert_eq!(
        shown(&bench),
        None,
        "who publishes nothing cannot be shown, though it cannot speak"
    );
    bench.handle(speaking(Some(2), &[]));
    assert_eq!(shown(&bench), Some(vec![2]), "in silence too");
    bench.handle(Input::Leave { seat: seats[1] });
    assert_eq!(shown(&bench), Some(vec![1]));

    let camera = Arrival { kind: MemberKind::Camera, ..Bench::arrival(4, "Door") };
    let camera = bench.room.join(camera).expect("there is room");
    bench.ask(camera, publish(1, &["0"]));
    assert_eq!(shown(&bench), Some(vec![4]), "a camera comes before everybody");
    bench.handle(speaking(Some(1), &[1]));
    assert_eq!(shown(&bench), None);
}
