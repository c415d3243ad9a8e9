//! Who watches without being a member.

use super::*;
use crate::seams::media::{Desired, DownWant, UpWant};

const LIMIT: usize = 2;

impl Bench {
    fn arrive(&mut self, id: u64, kind: MemberKind, publishes: bool) -> SeatId {
        let label = (kind == MemberKind::Camera).then(|| "door".parse().expect("an id"));
        let arrival = Arrival { kind, label, ..Self::arrival(id, "Someone") };
        let seat = self.room.join(arrival).expect("there is room");
        self.log = self.room.take_actions();
        if publishes {
            self.ask(seat, publish(1, &["0"]));
        }
        seat
    }

    fn look(&mut self, viewer: u64, target: Target) -> Result<(), NoView> {
        let looker =
            Looker { viewer: MemberId(viewer), target, offer: "offer".into(), limit: LIMIT };
        let looked = self.room.look(looker);
        self.log = self.room.take_actions();
        looked
    }

    /// Whom the media plane was last told to show a viewer, in the last step.
    fn wanted(&self, viewer: u64) -> Option<DownWant> {
        self.log.iter().rev().find_map(|action| match action {
            Action::Desire { member, want } if member.0 == viewer => want.down.clone(),
            _ => None,
        })
    }

    fn shown(&self, viewer: u64) -> Option<Vec<u64>> {
        Some(self.wanted(viewer)?.watch.iter().map(|member| member.0).collect())
    }

    fn told(&self, viewer: u64) -> Vec<&ViewerNews> {
        let told = self.log.iter().filter_map(|action| match action {
            Action::Tell { viewer: to, news } if to.0 == viewer => Some(news),
            _ => None,
        });
        told.collect()
    }
}

fn answered(revision: u32, path: Path) -> Observed {
    let mut observed = down_seen(1, 0, 1, path);
    if let Some(down) = &mut observed.down {
        down.answer = Some((revision, Ok("answer".into())));
    }
    observed
}

#[test]
fn a_viewer_is_no_member_and_is_counted_and_limited() {
    let mut bench = Bench::new(0);
    let ada = bench.arrive(1, MemberKind::Person, true);
    assert_eq!(bench.look(101, Target::Member(ada.member)), Ok(()));
    assert!(bench.heard(ada).is_empty(), "nobody is told");
    let want = bench.wanted(101).expect("a wish");
    assert_eq!(want.offer, Some((1, "offer".into())));
    assert_eq!((bench.room.members().len(), bench.room.n_viewers()), (1, 1));
    assert_eq!(bench.look(102, Target::Room), Ok(()));
    assert_eq!(bench.look(103, Target::Room), Err(NoView::Full { limit: LIMIT }));
    bench.handle(Input::ViewerGone { viewer: MemberId(101) });
    assert_eq!(bench.log.last(), Some(&Action::Remove { member: MemberId(101) }));
    assert_eq!(bench.look(103, Target::Room), Ok(()));
    let unknown = Target::Member(MemberId(77));
    assert_eq!(bench.look(104, unknown), Err(NoView::Unknown));
    assert_eq!(
        bench.look(104, Target::Label("yard".parse().expect("an id"))),
        Err(NoView::Unknown)
    );
}

#[test]
fn a_room_is_its_first_camera_else_its_first_publisher() {
    let mut bench = Bench::new(0);
    let _silent = bench.arrive(1, MemberKind::Person, false);
    assert_eq!(bench.look(101, Target::Room), Err(NoView::Nothing));
    let ada = bench.arrive(2, MemberKind::Person, true);
    bench.look(101, Target::Room).expect("somebody publishes");
    assert_eq!(bench.shown(101), Some(vec![2]));
    bench.arrive(3, MemberKind::Person, true);
    assert_eq!(bench.shown(101), None, "as before");
    let camera = bench.arrive(4, MemberKind::Camera, true);
    assert_eq!(bench.shown(101), Some(vec![4]));
    bench.handle(Input::Leave { member: ada.member });
    assert_eq!(bench.shown(101), None);
    bench.handle(Input::Leave { member: camera.member });
    assert_eq!(bench.shown(101), Some(vec![3]));
    bench.handle(Input::Leave { member: MemberId(3) });
    assert_eq!(bench.shown(101), Some(vec![]), "it waits");
    assert!(bench.told(101).is_empty() && !bench.room.is_empty());
}

#[test]
fn a_member_that_leaves_ends_its_viewers_and_a_camera_is_waited_for() {
    let mut bench = Bench::new(0);
    let camera = bench.arrive(1, MemberKind::Camera, true);
    bench.look(101, Target::Member(camera.member)).expect("it is there");
    bench.look(102, Target::Label("door".parse().expect("an id"))).expect("it is there");
    bench.handle(Input::Leave { member: camera.member });
    assert!(matches!(bench.told(101)[..], [ViewerNews::Ended(_)]));
    assert!(bench.told(102).is_empty());
    assert_eq!(bench.shown(102), Some(vec![]));
    bench.arrive(2, MemberKind::Camera, false);
    let again = bench.room.labels();
    assert_eq!(again, [("door".parse().expect("an id"), MemberId(2))]);
    bench.ask(SeatId { member: MemberId(2), epoch: 1 }, publish(1, &["0"]));
    assert_eq!(bench.room.n_viewers(), 1);
}

#[test]
fn answers_are_told_once_and_a_closed_path_ends_the_viewing() {
    let mut bench = Bench::new(0);
    let ada = bench.arrive(1, MemberKind::Person, true);
    bench.look(101, Target::Member(ada.member)).expect("it is there");
    let viewer = MemberId(101);
    let observe = |bench: &mut Bench, observed| {
        bench.handle(Input::Observed { member: viewer, observed });
        bench.told(101).len()
    };
    assert_eq!(observe(&mut bench, answered(1, Path::New)), 1);
    assert_eq!(observe(&mut bench, answered(1, Path::Connected)), 0);
    bench.handle(Input::ViewerOffer { viewer, offer: "restart".into() });
    assert_eq!(bench.wanted(101).expect("a wish").offer, Some((2, "restart".into())));
    assert_eq!(observe(&mut bench, answered(1, Path::Quiet)), 0, "that was the one before");
    assert_eq!(observe(&mut bench, answered(2, Path::Connected)), 1);
    assert_eq!(observe(&mut bench, answered(2, Path::Closed)), 1);
    assert_eq!(bench.room.n_viewers(), 0);
    bench.look(102, Target::Member(ada.member)).expect("it is there");
    bench.handle(Input::Stop);
    assert!(matches!(bench.told(102)[..], [ViewerNews::Ended(_)]));
}

#[test]
fn a_member_by_its_path_alone_goes_with_it() {
    let mut bench = Bench::new(0);
    let arrival = Arrival {
        kind: MemberKind::Stream,
        receives: false,
        by_path: true,
        ..Bench::arrival(1, "OBS")
    };
    let seat = bench.room.join(arrival).expect("there is room");
    bench.ask(seat, publish(1, &["0"]));
    let is_up = |action: &Action| {
        matches!(
            action,
            Action::Desire { want: Desired { up: Some(UpWant { .. }), down: None }, .. }
        )
    };
    assert!(bench.log.iter().any(is_up), "{:?}", bench.log);
    for path in [Path::New, Path::Connected, Path::Quiet, Path::Connected] {
        let observed = up_seen(1, 1, path);
        bench.handle(Input::Observed { member: seat.member, observed });
        assert_eq!(bench.room.members().len(), 1, "{path:?}");
    }
    bench.handle(Input::Observed { member: seat.member, observed: up_seen(1, 1, Path::Closed) });
    assert!(bench.room.members().is_empty());
}
