//! Tables: one behaviour a test. The random walk is in `walk`.

mod direct;
mod direct_relay;
mod direct_walk;
mod layers;
mod moderation;
mod returns;
mod speaking;
mod stale;
mod viewers;
mod walk;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    ids::Nickname,
    protocol::{
        ClientMessage, Direction, MediaFault, MediaKind, MemberKind, MemberState, PublishTrack,
        Rank, Shown, Track, TrackSource,
    },
    seams::media::{DownSeen, Observed, Path, SfuError, UpSeen},
};

struct Bench {
    room: Room,
    now: Now,
    log: Vec<Action>,
}

impl Bench {
    fn new(limit: usize) -> Self {
        let now = Now { instant: Instant::now() + Duration::from_secs(3600), unix_ms: 1_000 };
        let name = RoomName::parse("kitchen").expect("a valid name");
        let rules = RoomRules { max_participants: limit, ..RoomRules::default() };
        Self { room: Room::new(name, rules), now, log: Vec::new() }
    }

    fn arrival(id: u64, name: &str) -> Arrival {
        Arrival {
            fresh: MemberId(id),
            resume: None,
            device: None,
            author: None,
            account: None,
            source: Some(std::net::IpAddr::from([192, 0, 2, 1]).into()),
            rank: Rank::Participant,
            name: Nickname::parse(name).expect("a valid name"),
            kind: MemberKind::Person,
            mic: true,
            cam: true,
            receives: true,
            watched: true,
            by_path: false,
            label: None,
            re: Some(1),
        }
    }

    fn join(&mut self, id: u64, name: &str) -> SeatId {
        let seat = self.room.join(Self::arrival(id, name)).expect("there is room");
        self.log = self.room.take_actions();
        seat
    }

    fn handle(&mut self, input: Input) -> &[Action] {
        self.room.handle(self.now, input);
        self.log = self.room.take_actions();
        &self.log
    }

    fn ask(&mut self, seat: SeatId, message: ClientMessage) -> &[Action] {
        self.handle(Input::Request { seat, id: 9, message })
    }

    /// What a seat was written since the last step.
    fn heard(&self, seat: SeatId) -> Vec<&Outgoing> {
        let sends = self.log.iter().filter_map(|action| match action {
            Action::Send { seat: to, message } if *to == seat => Some(message),
            _ => None,
        });
        sends.collect()
    }

    fn error(&self, seat: SeatId) -> Option<ErrorCode> {
        self.heard(seat).iter().find_map(|message| match message.message {
            ServerMessage::Error { code, .. } => Some(code),
            _ => None,
        })
    }

    fn state(&self, seat: SeatId) -> Option<MemberState> {
        self.room.members().iter().find(|m| m.id == seat.member).map(|m| m.state)
    }
}

fn of_this_run(seat: SeatId) -> Return {
    Return { member: seat.member, epoch: seat.epoch, this_run: true }
}

fn publish(generation: u32, mids: &[&str]) -> ClientMessage {
    let track = |mid: &&str| PublishTrack {
        mid: mid.parse().expect("a valid mid"),
        source: TrackSource::Camera,
    };
    let tracks = mids.iter().map(track).collect();
    ClientMessage::Publish { generation, sdp: "v=0".into(), tracks }
}

fn up_seen(generation: u32, revision: u32, path: Path) -> Observed {
    let (answer, layers) = (Ok("answer".into()), Arc::default());
    let tracks = vec![];
    let up = UpSeen { generation, revision, answer, path, is_stale: false, tracks, layers };
    Observed { up: Some(up), down: None }
}

fn down_seen(generation: u32, revision: u32, shown: u64, path: Path) -> Observed {
    let mid: crate::ids::Mid = "0".parse().expect("a valid mid");
    let track = crate::ids::TrackId { member: MemberId(shown), mid: mid.clone() };
    let shown = Shown {
        member: MemberId(shown),
        track,
        kind: MediaKind::Video,
        source: TrackSource::Camera,
    };
    let offer = Some("offer".into());
    let mids = vec![(mid, shown)];
    let (is_stale, fault, answer) = (false, None, None);
    let down = DownSeen { generation, revision, offer, mids, path, is_stale, fault, answer };
    Observed { up: None, down: Some(down) }
}

#[test]
fn whoever_joins_hears_joined_first_and_the_others_hear_of_it() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    assert!(matches!(bench.heard(ana)[0].message, ServerMessage::Joined { resumed: false, .. }));
    assert_eq!(bench.heard(ana)[0].re, Some(1));
    let ben = bench.join(2, "Ana");
    let ServerMessage::Joined { members, .. } = &bench.heard(ben)[0].message else {
        panic!("joined comes first")
    };
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["Ana", "Ana (2)"]);
    assert!(matches!(&bench.heard(ana)[0].message, ServerMessage::MemberJoined { member }
        if member.name == "Ana (2)"));
}

#[test]
fn a_full_room_counts_persons_only() {
    let mut bench = Bench::new(2);
    let mut camera = Bench::arrival(9, "Door");
    camera.kind = MemberKind::Camera;
    bench.room.join(camera.clone()).expect("cameras do not count");
    bench.join(1, "Ana");
    bench.join(2, "Ben");
    let full = bench.room.join(Bench::arrival(3, "Cyd"));
    assert_eq!(full, Err(NoSeat::Full { limit: 2 }));
    camera.fresh = MemberId(10);
    assert!(bench.room.join(camera).is_ok());
}

#[test]
fn chat_reaches_everybody_and_whoever_comes_later_up_to_200_lines() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    let ben = bench.join(2, "Ben");
    for n in 0..250 {
        bench.ask(ana, ClientMessage::Chat { text: format!(" line {n} ") });
        assert_eq!(bench.heard(ana)[0].message, ServerMessage::Done);
        assert!(matches!(&bench.heard(ben)[0].message, ServerMessage::Chat { line }
            if line.text == format!("line {n}") && line.name == "Ana"));
    }
    let late = bench.join(3, "Cyd");
    let ServerMessage::Joined { chat, .. } = &bench.heard(late)[0].message else { panic!() };
    assert_eq!((chat.len(), chat[0].text.as_str()), (200, "line 50"));
    let tall = "x".repeat(4_001);
    for bad in [
        "",
        "   ",
        &tall,
        "\u{7}",
        "a\u{202e}b",
        "\u{200b}",
        "a\u{300}\u{300}\u{300}\u{300}\u{300}",
    ] {
        bench.ask(ana, ClientMessage::Chat { text: bad.into() });
        assert_eq!(bench.error(ana), Some(ErrorCode::ChatInvalid), "{} characters", bad.len());
        assert!(bench.heard(ben).is_empty());
    }
}

#[test]
fn history_is_bounded_in_bytes_and_can_be_cut_down() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    for _ in 0..CHAT_HISTORY {
        bench.ask(ana, ClientMessage::Chat { text: "\u{1f3e0}".repeat(4_000) });
        assert!(bench.room.history_bytes() <= CHAT_HISTORY_BYTES);
    }
    let late = bench.join(2, "Ben");
    let joined = serde_json::to_string(bench.heard(late)[0]).expect("JSON");
    assert!(joined.len() < 512 * 1024, "{} bytes", joined.len());
    assert!(bench.room.history_bytes() > CHAT_HISTORY_BYTES / 2, "what fits is kept");
    bench.handle(Input::TrimChat { max_bytes: 40_000 });
    assert!((16_000..=40_000).contains(&bench.room.history_bytes()));
    bench.handle(Input::TrimChat { max_bytes: 0 });
    assert_eq!(bench.room.history_bytes(), 0);
}

#[test]
fn a_lost_socket_keeps_the_place_for_30_s_and_no_longer() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    let ben = bench.join(2, "Ben");
    bench.handle(Input::SocketLost { seat: ana, slow: false });
    assert_eq!(bench.state(ana), Some(MemberState::Lost));
    assert!(matches!(bench.heard(ben)[0].message, ServerMessage::MemberChanged { .. }));
    bench.now.instant = bench.room.next_deadline().expect("a place is kept");
    bench.now.instant -= Duration::from_millis(1);
    assert!(bench.handle(Input::Tick).is_empty());
    bench.now.instant += Duration::from_millis(1);
    bench.handle(Input::Tick);
    assert!(
        bench.heard(ben).iter().any(|m| m.message
            == ServerMessage::MemberLeft { id: MemberId(1), reason: LeaveReason::Lost })
    );
    assert_eq!(bench.room.members().len(), 1);
}

#[test]
fn a_return_takes_the_place_again_and_silences_the_old_socket() {
    let mut bench = Bench::new(1);
    let old = bench.join(1, "Ana");
    let mut back = Bench::arrival(7, "Ana");
    back.resume = Some(of_this_run(old));
    let new = bench.room.join(back).expect("the limit does not hold for a kept place");
    bench.log = bench.room.take_actions();
    assert_eq!((new.member, new.epoch > old.epoch), (old.member, true));
    let bye = ServerMessage::Bye { reason: ByeReason::Replaced };
    assert_eq!(bench.heard(old)[0].message, bye);
    assert!(matches!(bench.heard(new)[0].message, ServerMessage::Joined { resumed: true, .. }));
    assert!(bench.ask(old, ClientMessage::Ping).is_empty());
    assert!(bench.handle(Input::SocketLost { seat: old, slow: false }).is_empty());
}

#[test]
fn publish_is_answered_by_what_the_media_plane_made_of_it() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    bench.ask(ana, publish(1, &["0", "0"]));
    assert_eq!(bench.error(ana), Some(ErrorCode::MessageMalformed));
    bench.ask(ana, publish(1, &["0"]));
    assert!(bench.heard(ana).iter().all(|message| message.re.is_none()), "no answer yet");
    assert_eq!(bench.state(ana), Some(MemberState::Connecting));
    bench.handle(Input::Observed { member: ana.member, observed: up_seen(1, 1, Path::New) });
    let published = ServerMessage::Published { generation: 1, sdp: "answer".into() };
    assert_eq!(*bench.heard(ana)[0], Outgoing { re: Some(9), message: published });
    bench.handle(Input::Observed { member: ana.member, observed: up_seen(1, 1, Path::Connected) });
    assert_eq!(bench.state(ana), Some(MemberState::Live));
    bench.ask(ana, publish(3, &["0"]));
    let stale = Input::Observed { member: ana.member, observed: up_seen(1, 1, Path::Closed) };
    bench.handle(stale);
    assert!(bench.heard(ana).iter().all(|m| m.re.is_none()), "an older generation is dropped");
    bench.ask(ana, publish(2, &["0"]));
    assert_eq!(bench.error(ana), Some(ErrorCode::OfferUnknown));
    let mut refused = up_seen(3, 1, Path::New);
    if let Some(up) = &mut refused.up {
        up.answer = Err(SfuError::SdpInvalid("no ICE".into()));
    }
    bench.handle(Input::Observed { member: ana.member, observed: refused });
    assert_eq!(bench.error(ana), Some(ErrorCode::SdpInvalid));
}

#[test]
fn an_offer_is_told_once_and_only_its_own_answer_is_taken() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    bench.join(2, "Ben");
    let answer =
        |generation, revision| ClientMessage::Answer { generation, revision, sdp: "answer".into() };
    bench.ask(ana, answer(1, 1));
    assert_eq!(bench.error(ana), Some(ErrorCode::OfferUnknown));
    let seen = |revision, shown| Input::Observed {
        member: MemberId(1),
        observed: down_seen(1, revision, shown, Path::New),
    };
    bench.handle(seen(1, 2));
    assert!(matches!(bench.heard(ana)[0].message, ServerMessage::Offer { revision: 1, .. }));
    assert!(bench.handle(seen(1, 2)).is_empty(), "seen twice, told once");
    bench.handle(seen(1, 3));
    assert!(matches!(bench.heard(ana)[0].message, ServerMessage::Mids { generation: 1, .. }));
    bench.ask(ana, answer(1, 1));
    let wants = bench.log.iter().find_map(|action| match action {
        Action::Desire { want, .. } => want.down.as_ref().and_then(|down| down.answer.clone()),
        _ => None,
    });
    assert_eq!(wants, Some((1, "answer".into())));
    bench.ask(ana, answer(1, 2));
    assert_eq!(bench.error(ana), Some(ErrorCode::OfferUnknown));
}

#[test]
fn a_closed_down_connection_begins_anew_but_not_at_once_again() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    let generation = |bench: &Bench| {
        bench.room.places[&MemberId(1)].desired.down.as_ref().map(|down| down.generation)
    };
    let closed = |generation| Input::Observed {
        member: MemberId(1),
        observed: down_seen(generation, 1, 2, Path::Closed),
    };
    bench.handle(closed(1));
    assert_eq!(generation(&bench), Some(2));
    bench.handle(closed(2));
    assert_eq!(generation(&bench), Some(2), "not within 5 s");
    bench.now.instant = bench.room.next_deadline().expect("the restart is due later");
    bench.handle(Input::Tick);
    assert_eq!(generation(&bench), Some(3));
    bench.now.instant += Duration::from_secs(6);
    bench.ask(ana, ClientMessage::Restart { direction: Direction::Down });
    assert_eq!(generation(&bench), Some(4));
}

#[test]
fn silence_on_every_path_is_lost_and_members_of_this_process_are_exempt() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    bench.ask(ana, publish(1, &["0"]));
    let mut both = down_seen(1, 1, 2, Path::Quiet);
    both.up = up_seen(1, 1, Path::Connected).up;
    bench.handle(Input::Observed { member: ana.member, observed: both.clone() });
    assert_eq!(bench.state(ana), Some(MemberState::Live), "one path is life enough");
    both.up = up_seen(1, 1, Path::Quiet).up;
    bench.handle(Input::Observed { member: ana.member, observed: both });
    assert_eq!(bench.state(ana), Some(MemberState::Lost));
    let mut arrival = Bench::arrival(5, "Door");
    arrival.watched = false;
    let door = bench.room.join(arrival).expect("there is room");
    bench.ask(door, publish(1, &["0"]));
    bench.handle(Input::Observed { member: door.member, observed: up_seen(1, 1, Path::Quiet) });
    assert_eq!(bench.state(door), Some(MemberState::Live));
    bench.handle(Input::Fault { seat: door, trouble: Some(unplugged()) });
    assert_eq!(bench.state(door), Some(MemberState::Lost));
    bench.handle(Input::SocketLost { seat: door, slow: false });
    assert_eq!(bench.state(door), None, "its owner is gone");
}

/// What a camera says of itself.
fn unplugged() -> Trouble {
    let fault = MediaFault { code: "unplugged".into(), detail: None, since_ms: 1 };
    Trouble { reason: "unplugged".into(), fault, by_choice: false }
}

#[test]
fn tracks_are_shown_to_everybody_as_they_come_and_go() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    let ben = bench.join(2, "Ben");
    bench.ask(ana, publish(1, &["0"]));
    let mut observed = up_seen(1, 1, Path::Connected);
    if let Some(up) = &mut observed.up {
        up.tracks = vec![Track {
            id: crate::ids::TrackId { member: MemberId(1), mid: "0".parse().expect("a mid") },
            kind: MediaKind::Video,
            source: TrackSource::Camera,
            codec: Some("VP8".into()),
        }];
    }
    bench.handle(Input::Observed { member: MemberId(1), observed });
    let told = |bench: &Bench, n| {
        bench.heard(ben).iter().any(|message| {
            matches!(&message.message, ServerMessage::MemberChanged { member }
                if member.id == MemberId(1) && member.tracks.len() == n)
        })
    };
    assert!(told(&bench, 1));
    bench.handle(Input::Observed { member: MemberId(1), observed: up_seen(1, 1, Path::Connected) });
    assert!(told(&bench, 0));
}
