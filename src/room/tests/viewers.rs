//! Who watches without being a member.

use super::*;
use crate::protocol::Viewer;
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
        self.look_from(viewer, target, 1, LIMIT)
    }

    fn look_from(
        &mut self,
        viewer: u64,
        target: Target,
        host: u8,
        limit: usize,
    ) -> Result<(), NoView> {
        let looker = Looker {
            viewer: MemberId(viewer),
            target,
            name: Nickname::parse("VLC").expect("a valid name"),
            source: std::net::IpAddr::from([192, 0, 2, host]).into(),
            offer: Some("offer".into()),
            limit,
        };
        let looked = self.room.look(self.now, looker);
        self.log = self.room.take_actions();
        looked
    }

    fn connect(&mut self, viewer: u64) {
        let observed = answered(1, Path::Connected);
        self.handle(Input::Observed { member: MemberId(viewer), observed });
    }

    /// Whom the media plane was last told to show a viewer, in the last step.
    fn wanted(&self, viewer: u64) -> Option<DownWant> {
        self.log.iter().rev().find_map(|action| match action {
            Action::Desire { member, want } if member.0 == viewer => want.down.clone(),
            _ => None,
        })
    }

    /// Whose voice in place of theirs.
    fn voice(&self, viewer: u64) -> Option<Option<u64>> {
        Some(self.wanted(viewer)?.hear.map(|member| member.0))
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
    for viewer in [101, 102] {
        bench.connect(viewer);
    }
    assert_eq!(bench.look(103, Target::Room), Err(NoView::Full { limit: LIMIT }));
    bench.handle(Input::ViewerGone { viewer: MemberId(101) });
    let gone = Action::Remove { member: MemberId(101) };
    assert!(bench.log.contains(&gone), "{:?}", bench.log);
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
    let cyd = bench.arrive(3, MemberKind::Person, true);
    assert_eq!(bench.shown(101), None, "as before");
    let camera = bench.arrive(4, MemberKind::Camera, true);
    assert_eq!(bench.shown(101), Some(vec![4]));
    bench.handle(Input::Leave { seat: ada });
    assert_eq!(bench.shown(101), None);
    bench.handle(Input::Leave { seat: camera });
    assert_eq!(bench.shown(101), Some(vec![3]));
    bench.handle(Input::Leave { seat: cyd });
    assert_eq!(bench.shown(101), Some(vec![]), "it waits");
    assert!(bench.told(101).is_empty() && !bench.room.is_empty());
}

#[test]
fn a_member_that_leaves_ends_its_viewers_and_a_camera_is_waited_for() {
    let mut bench = Bench::new(0);
    let camera = bench.arrive(1, MemberKind::Camera, true);
    bench.look(101, Target::Member(camera.member)).expect("it is there");
    bench.look(102, Target::Label("door".parse().expect("an id"))).expect("it is there");
    bench.handle(Input::Leave { seat: camera });
    assert!(matches!(bench.told(101)[..], [ViewerNews::Ended(_)]));
    assert!(bench.told(102).is_empty());
    assert_eq!(bench.shown(102), Some(vec![]));
    let camera = bench.arrive(2, MemberKind::Camera, false);
    let again = bench.room.labels();
    assert_eq!(again, [("door".parse().expect("an id"), MemberId(2))]);
    bench.ask(camera, publish(1, &["0"]));
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

#[test]
fn whoever_is_watched_sees_who_watches_as_soon_as_it_can_see() {
    let mut bench = Bench::new(0);
    let ada = bench.arrive(1, MemberKind::Person, true);
    bench.look(101, Target::Room).expect("somebody publishes");
    assert!(bench.heard(ada).is_empty(), "it sees nothing yet");
    bench.connect(101);
    let viewer = |watches| Viewer {
        id: MemberId(101),
        name: "VLC".into(),
        watches: Some(MemberId(watches)),
    };
    assert_eq!(bench.heard(ada)[0].message, ServerMessage::ViewerJoined { viewer: viewer(1) });
    bench.connect(101);
    assert!(bench.heard(ada).is_empty(), "once");
    let door = bench.arrive(2, MemberKind::Camera, true);
    let ServerMessage::ViewerChanged { viewer: now } = &bench.heard(ada)[0].message else {
        panic!("{:?}", bench.log)
    };
    assert_eq!(*now, viewer(2));
    let ben = bench.join(3, "Ben");
    let ServerMessage::Joined { viewers, .. } = &bench.heard(ben)[0].message else { panic!() };
    assert_eq!(*viewers, [viewer(2)]);
    bench.handle(Input::ViewerGone { viewer: MemberId(101) });
    let left = ServerMessage::ViewerLeft { id: MemberId(101) };
    assert!([ada, ben, door].iter().all(|seat| bench.heard(*seat)[0].message == left));
    bench.look(102, Target::Room).expect("somebody publishes");
    bench.handle(Input::ViewerGone { viewer: MemberId(102) });
    assert!(bench.heard(ada).is_empty(), "nobody saw it come");
}

#[test]
fn viewers_that_do_not_connect_have_10_s_and_make_way_their_own_first() {
    let mut bench = Bench::new(0);
    bench.arrive(1, MemberKind::Person, true);
    let many = WAITING_PER_SOURCE as u64;
    // A flood of one source takes its own places; a viewer from elsewhere stays.
    bench.look_from(900, Target::Room, 2, 200).expect("somebody publishes");
    for viewer in 0..1_000 {
        bench.look_from(1_000 + viewer, Target::Room, 1, 200).expect("there is always a place");
        assert!(bench.room.n_viewers() as u64 <= many + 1);
    }
    bench.now.instant = bench.room.next_deadline().expect("they are waited for");
    bench.handle(Input::Tick);
    assert!(matches!(bench.told(900)[..], [ViewerNews::Ended(_)]));
    assert_eq!(bench.room.n_viewers(), 0, "all came at that moment");
    // Whoever is connected is never pushed out, and one source cannot take all there is.
    for viewer in 0..20 {
        let host = 10 + viewer as u8 / 5;
        bench.look_from(2_000 + viewer, Target::Room, host, 20).expect("there is a place");
        bench.connect(2_000 + viewer);
    }
    assert_eq!(bench.look_from(3_000, Target::Room, 1, 20), Err(NoView::Full { limit: 20 }));
    bench.handle(Input::ViewerGone { viewer: MemberId(2_000) });
    bench.look_from(3_000, Target::Room, 1, 20).expect("there is a place");
    bench.look_from(3_001, Target::Room, 2, 20).expect("the one that waits makes way");
    assert!(matches!(bench.told(3_000)[..], [ViewerNews::Ended(_)]));
    let mut bench = Bench::new(0);
    bench.arrive(1, MemberKind::Person, true);
    for viewer in 0..10 {
        bench.look_from(viewer + 100, Target::Room, 1, 20).expect("there is a place");
        bench.connect(viewer + 100);
    }
    let refused = bench.look_from(300, Target::Room, 1, 20);
    assert_eq!(refused, Err(NoView::SourceFull { share: 10 }));
    bench.look_from(300, Target::Room, 2, 20).expect("for others there is");
}

#[test]
fn a_room_is_watched_by_its_picture() {
    let mut bench = Bench::new(0);
    let seen = |member: u64, path, video: bool| {
        let mut observed = up_seen(1, 1, path);
        if let Some(up) = &mut observed.up {
            let (kind, source) = if video {
                (MediaKind::Video, TrackSource::Camera)
            } else {
                (MediaKind::Audio, TrackSource::Microphone)
            };
            let id = crate::ids::TrackId {
                member: MemberId(member),
                mid: "0".parse().expect("a valid mid"),
            };
            up.tracks = vec![Track { id, kind, source, codec: None }];
        }
        Input::Observed { member: MemberId(member), observed }
    };
    let ada = bench.arrive(1, MemberKind::Person, true);
    bench.arrive(2, MemberKind::Person, true);
    bench.handle(seen(1, Path::Connected, false));
    bench.handle(seen(2, Path::Connected, true));
    bench.look_from(101, Target::Room, 1, 0).expect("somebody publishes");
    assert_eq!(bench.shown(101), Some(vec![2]), "the one with a picture");
    let speaking = |member: u64| {
        let member = MemberId(member);
        Input::Speaking(Speaking { active: Some(member), members: [member].into() })
    };
    assert_eq!(bench.voice(101), Some(None), "and its sound");
    bench.handle(speaking(1));
    assert_eq!(bench.shown(101), Some(vec![2]), "a voice has no picture");
    assert_eq!(bench.voice(101), Some(Some(1)), "but is heard");
    let told = bench.log.iter().any(|action| {
        matches!(action, Action::Send { message, .. }
            if matches!(message.message, ServerMessage::ViewerChanged { .. }))
    });
    assert!(!told, "it watches whom it watched");
    bench.handle(speaking(2));
    assert_eq!((bench.shown(101), bench.voice(101)), (Some(vec![2]), Some(None)));
    bench.handle(speaking(1));
    bench.handle(seen(1, Path::Connected, true));
    assert_eq!(bench.shown(101), Some(vec![1]), "now it has, and speaks");
    assert_eq!(bench.voice(101), Some(None));
    bench.ask(ada, ClientMessage::State { mic: true, cam: false });
    assert_eq!(bench.shown(101), Some(vec![2]), "its camera is off");
    bench.ask(ada, ClientMessage::State { mic: true, cam: true });
    assert_eq!(bench.shown(101), Some(vec![1]));
    bench.handle(Input::SocketLost { seat: ada, slow: false });
    assert_eq!(bench.shown(101), Some(vec![2]), "live before lost");
    // A publisher that died without a word comes back under its name.
    let mut bench = Bench::new(0);
    let stream = |id| Arrival {
        kind: MemberKind::Stream,
        receives: false,
        by_path: true,
        ..Bench::arrival(id, "OBS")
    };
    let died = bench.room.join(stream(1)).expect("there is room");
    bench.ask(died, publish(1, &["0"]));
    bench.handle(seen(1, Path::Connected, true));
    bench.look_from(101, Target::Room, 1, 0).expect("somebody publishes");
    let back = bench.room.join(stream(2)).expect("there is room");
    bench.ask(back, publish(1, &["0"]));
    assert_eq!(bench.shown(101), Some(vec![2]), "at once");
}
