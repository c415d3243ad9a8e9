//! The registry with real rooms: who may make one, who makes way, how much chat is kept.

use std::net::IpAddr;

use super::*;
use crate::{
    config::{Direct, NoFiles, RoomAhead, Sources},
    protocol::{ClientMessage, MemberState, ServerMessage},
    room::CHAT_HISTORY_BYTES,
    seams::Addresses,
};

mod restart;

struct Rooms {
    handle: RoomsHandle,
    settings: watch::Sender<Arc<Settings>>,
    sfu: SfuHandle,
    _addresses: watch::Sender<Arc<Addresses>>,
}

struct Guest {
    seat: Seat,
    outbox: mpsc::Receiver<Outgoing>,
}

impl Rooms {
    fn open() -> Self {
        Self::with_store(None)
    }

    fn with_store(store: Option<StoreHandle>) -> Self {
        // Nothing is written there: rooms keep nothing on disk.
        let sources = Sources { data: Some("/nowhere".into()), ..Sources::default() };
        let mut settings = sources.understand([], &NoFiles).expect("defaults are valid").settings;
        settings.media.ports = 0..=0;
        let (addresses, seen) = watch::channel(Arc::new(Addresses::loopback()));
        let sfu = SfuHandle::start(&settings.media, seen).expect("a free port");
        let (settings, receiver) = watch::channel(Arc::new(settings));
        let handle = RoomsHandle::start(receiver, sfu.clone(), store);
        Self { handle, settings, sfu, _addresses: addresses }
    }

    async fn join(&self, room: &str, host: u8) -> Result<Guest, JoinError> {
        self.join_by(room, host, None).await
    }

    async fn join_by(
        &self,
        room: &str,
        host: u8,
        device: Option<&str>,
    ) -> Result<Guest, JoinError> {
        self.join_as(room, host, ("Ana", device), Liveness::Watched).await
    }

    async fn join_as(
        &self,
        room: &str,
        host: u8,
        (name, device): (&str, Option<&str>),
        liveness: Liveness,
    ) -> Result<Guest, JoinError> {
        let (sender, outbox) = mpsc::channel(OUTBOX_LEN);
        let request = JoinRequest {
            room: RoomName::parse(room).expect("a room name"),
            name: Nickname::parse(name).expect("a name"),
            kind: match liveness {
                Liveness::MediaPath => MemberKind::Stream,
                _ => MemberKind::Person,
            },
            role: Role::Guest,
            rank: Rank::Participant,
            mic: true,
            cam: true,
            receives: false,
            resume: None,
            device: device.map(|device| device.parse().expect("a device")),
            account: None,
            source: Some(IpAddr::from([192, 0, 2, host]).into()),
            re: Some(1),
            outbox: sender,
            liveness,
            label: None,
        };
        let seat = self.handle.join(request).await?;
        Ok(Guest { seat, outbox })
    }

    /// Lines of 16 kB said in a room, and nobody there any more.
    async fn fill(&self, room: &str, host: u8, n_lines: u32) {
        let mut guest = self.join(room, host).await.expect("a place");
        for id in 0..n_lines {
            let message = ClientMessage::Chat { text: "\u{1f3e0}".repeat(4_000) };
            guest.seat.request(Request { id, message }).await.expect("the room is there");
            while !matches!(guest.hear().await, ServerMessage::Chat { .. }) {}
        }
        guest.seat.leave().await;
        // The room has let go of whoever left: the order in which rooms became empty is certain.
        while guest.outbox.recv().await.is_some() {}
    }
}

impl Guest {
    async fn hear(&mut self) -> ServerMessage {
        self.outbox.recv().await.expect("the room is there").message
    }

    /// The chat that `joined` brings.
    async fn history(&mut self) -> usize {
        let ServerMessage::Joined { chat, .. } = self.hear().await else { panic!("no joined") };
        chat.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_walks_through_names_takes_nothing_from_others() {
    let rooms = Rooms::open();
    // Rooms that were entered and left are no more: four times as many as one source may have.
    for n in 0..200 {
        let guest = rooms.join(&format!("walk {n}"), 1).await.expect("a place");
        guest.seat.leave().await;
    }
    // Rooms that are held are limited by source; others have theirs.
    let mut held = Vec::new();
    let refused = loop {
        match rooms.join(&format!("held {}", held.len()), 1).await {
            Ok(guest) => held.push(guest),
            Err(refused) => break refused,
        }
    };
    assert_eq!((held.len(), refused.code), (50, ErrorCode::RoomCreateRefused));
    assert!(refused.message.contains("from this address"), "{refused}");
    rooms.join("others", 2).await.expect("others have a share of their own");
    rooms.join("held 7", 1).await.expect("a room that is there may be entered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_room_with_history_makes_way_the_longest_empty_first() {
    let rooms = Rooms::open();
    for n in 0..50 {
        rooms.fill(&format!("full {n}"), 1, 2).await;
    }
    let mut more = rooms.join("one more", 1).await.expect("an empty one makes way");
    assert_eq!(more.history().await, 0);
    let mut second = rooms.join("full 1", 2).await.expect("it is there");
    assert!(second.history().await > 0, "only the first had to go");
    let mut first = rooms.join("full 0", 2).await.expect("a new one");
    assert_eq!(first.history().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_is_bounded_in_all_rooms_together() {
    let rooms = Rooms::open();
    let most = history::HISTORY_BYTES / CHAT_HISTORY_BYTES;
    let mut kept = 0;
    for n in 0..most + 20 {
        rooms.fill(&format!("full {n}"), (n / 40) as u8, 20).await;
    }
    for n in 0..most + 20 {
        let mut guest =
            rooms.join(&format!("full {n}"), 200 + (n / 40) as u8).await.expect("a place");
        kept += usize::from(guest.history().await > 0);
        assert!(n >= 8 || kept == 0, "the longest empty go first");
    }
    assert!((most / 2..=most + most / 8).contains(&kept), "{kept} of {most}");
}

#[tokio::test]
async fn a_room_that_lives_has_its_new_limit_at_once() {
    let rooms = Rooms::open();
    let _first = rooms.join("r", 1).await.expect("no limit");
    let mut limited = Settings::clone(&rooms.settings.borrow());
    limited.rooms.max_participants = 1;
    rooms.settings.send_replace(Arc::new(limited));
    // The registry hears of it before or after this: whoever comes in between leaves again.
    let refused = loop {
        match rooms.join("r", 1).await {
            Err(refused) => break refused,
            Ok(guest) => guest.seat.leave().await,
        }
    };
    assert_eq!(refused.code, ErrorCode::RoomFull);
}

#[tokio::test]
async fn a_room_that_is_set_up_ahead_has_its_own_rules_and_is_there_for_all() {
    let rooms = Rooms::open();
    let mut settings = Settings::clone(&rooms.settings.borrow());
    settings.rooms.create = Role::Owner;
    settings.rooms_ahead = vec![RoomAhead {
        name: RoomName::parse("Parlor").expect("a room name"),
        max_participants: 1,
        password: None,
        direct: Direct::Auto,
        locked: false,
        lobby: false,
        welcome: "Shoes off".into(),
    }];
    rooms.settings.send_replace(Arc::new(settings));
    let mut guest = rooms.join("parlor", 1).await.expect("it is set up");
    let ServerMessage::Joined { rules, .. } = guest.hear().await else { panic!("no joined") };
    assert_eq!((rules.max_participants, rules.welcome.as_str()), (1, "Shoes off"));
    let refused = rooms.join("parlor", 1).await.map(|_| ()).expect_err("it is full");
    assert_eq!(refused.code, ErrorCode::RoomFull);
    let refused = rooms.join("other", 1).await.map(|_| ()).expect_err("the owner makes rooms");
    assert_eq!(refused.code, ErrorCode::RoomCreateRefused);
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_room_that_has_just_become_empty() {
    let rooms = Rooms::open();
    let guest = rooms.join("home", 1).await.expect("a place");
    // The registry is told to stop before it hears from the room.
    guest.seat.leave().await;
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(10), rooms.handle.stop());
    stopped.await.expect("it ends at once");
}

#[tokio::test]
async fn whoever_says_goodbye_and_hangs_up_in_one_breath_has_left_and_is_not_lost() {
    let rooms = Rooms::open();
    let mut other = rooms.join("hall", 1).await.expect("a place");
    while !matches!(other.hear().await, ServerMessage::Joined { .. }) {}
    // Both are there when the room's task looks: which it takes first would be chance.
    for _ in 0..30 {
        let guest = rooms.join("hall", 2).await.expect("a place");
        let member = guest.seat.member;
        guest.seat.leave().await;
        drop(guest.outbox);
        loop {
            match other.hear().await {
                ServerMessage::MemberLeft { id, .. } if id == member => break,
                ServerMessage::MemberChanged { member: changed } => {
                    assert_ne!(changed.state, MemberState::Lost, "it had said goodbye");
                }
                _ => {}
            }
        }
    }
}

/// Asks, and gives the answer; what comes meanwhile is passed over.
async fn ask(guest: &mut Guest, id: u32, message: ClientMessage) -> ServerMessage {
    guest.seat.request(Request { id, message }).await.expect("the room is there");
    loop {
        let heard = guest.outbox.recv().await.expect("the room is there");
        if heard.re == Some(id) {
            return heard.message;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_outlasts_the_box_and_its_author_is_known_by_the_browser() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = StoreHandle::open(folder.path()).expect("a store");
    let first = Rooms::with_store(Some(store.clone()));
    let mut ana = first.join_by("Küche", 1, Some("anas-own-secret-0")).await.expect("a place");
    let mut ben = first.join_by("küche", 2, None).await.expect("a place");
    let say = |text: String| ClientMessage::Chat { text };
    for id in 0..250 {
        let by = if id % 2 == 0 { &mut ana } else { &mut ben };
        // 1 and 2 were the requests to join.
        assert_eq!(ask(by, 10 + id, say(id.to_string())).await, ServerMessage::Done);
    }
    let taken_back = ask(&mut ana, 900, ClientMessage::ChatDelete { seq: 249 }).await;
    assert_eq!(taken_back, ServerMessage::Done);
    first.handle.stop().await;

    let second = Rooms::with_store(Some(store));
    let mut ana = second.join_by("KÜCHE", 1, Some("anas-own-secret-0")).await.expect("a place");
    let ServerMessage::Joined { chat, you, .. } = ana.hear().await else { panic!("no joined") };
    let seqs: Vec<u64> = chat.iter().map(|line| line.seq).collect();
    let expected: Vec<u64> = (50..=250).filter(|seq| *seq != 249).collect();
    assert_eq!(seqs, expected, "the last 200 of those that are kept");
    // Ana said the odd ones: 1, 3, ...
    assert!(chat.iter().all(|line| (line.from == you) == (line.seq % 2 == 1)), "{chat:?}");
    // Older ones come page by page, and the numbers go on.
    let page = ask(&mut ana, 1, ClientMessage::History { before: 50 }).await;
    let ServerMessage::History { lines, more } = page else { panic!("{page:?}") };
    assert_eq!((lines.len(), lines[0].seq, lines[0].text.as_str(), more), (49, 1, "0", false));
    assert_eq!(lines[0].from, you);
    let page = ask(&mut ana, 2, ClientMessage::History { before: 250 }).await;
    assert!(matches!(page, ServerMessage::History { lines, more: true } if lines.len() == 200));
    // Her own line of before, which the room itself does not have any more; not Ben's.
    let own = ask(&mut ana, 3, ClientMessage::ChatDelete { seq: 1 }).await;
    assert_eq!(own, ServerMessage::Done);
    let again = ask(&mut ana, 4, ClientMessage::ChatDelete { seq: 1 }).await;
    assert!(
        matches!(again, ServerMessage::Error { code: ErrorCode::LineUnknown, .. }),
        "{again:?}"
    );
    for seq in [2, 250] {
        let other = ask(&mut ana, 5, ClientMessage::ChatDelete { seq }).await;
        assert!(matches!(other, ServerMessage::Error { code: ErrorCode::Forbidden, .. }), "{seq}");
    }
    assert_eq!(ask(&mut ana, 6, say("on".into())).await, ServerMessage::Done);
    let page = ask(&mut ana, 7, ClientMessage::History { before: 252 }).await;
    let ServerMessage::History { lines, .. } = page else { panic!("{page:?}") };
    assert_eq!(lines.last().map(|line| line.seq), Some(251), "the numbers go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_kept_than_the_settings_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = StoreHandle::open(folder.path()).expect("a store");
    let rooms = Rooms::with_store(Some(store.clone()));
    let change = |lines: usize| {
        rooms.settings.send_modify(|settings| {
            let mut changed = settings.as_ref().clone();
            changed.rooms.history_lines = lines;
            *settings = Arc::new(changed);
        });
    };
    let mut ana = rooms.join("hall", 1).await.expect("a place");
    for id in 0..20 {
        ask(&mut ana, id, ClientMessage::Chat { text: id.to_string() }).await;
    }
    // All are in the store when this is answered.
    ask(&mut ana, 50, ClientMessage::History { before: 999 }).await;
    // The writer hears of it, and trims at once.
    change(5);
    let kept = async || store.chat("hall".into(), None, 100).await.expect("works").len();
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while kept().await != 5 {
        assert!(tokio::time::Instant::now() < end, "{} lines", kept().await);
        tokio::task::yield_now().await;
    }
    change(0);
    while kept().await != 0 {
        assert!(tokio::time::Instant::now() < end, "{} lines", kept().await);
        tokio::task::yield_now().await;
    }
    ask(&mut ana, 99, ClientMessage::Chat { text: "no more".into() }).await;
    let page = ask(&mut ana, 100, ClientMessage::History { before: 99 }).await;
    assert_eq!(page, ServerMessage::History { lines: vec![], more: false });
}
