//! The registry with real rooms: who may make one, who makes way, how much chat is kept.

use std::net::IpAddr;

use super::*;
use crate::{
    config::{Direct, NoFiles, RoomAhead, Sources},
    protocol::{ClientMessage, ServerMessage},
    room::CHAT_HISTORY_BYTES,
    seams::Addresses,
};

struct Rooms {
    handle: RoomsHandle,
    settings: watch::Sender<Arc<Settings>>,
    _addresses: watch::Sender<Arc<Addresses>>,
}

struct Guest {
    seat: Seat,
    outbox: mpsc::Receiver<Outgoing>,
}

impl Rooms {
    fn open() -> Self {
        // Nothing is written there: rooms keep nothing on disk.
        let sources = Sources { data: Some("/nowhere".into()), ..Sources::default() };
        let mut settings = sources.understand([], &NoFiles).expect("defaults are valid").settings;
        settings.media.ports = 0..=0;
        let (addresses, seen) = watch::channel(Arc::new(Addresses::loopback()));
        let sfu = SfuHandle::start(&settings.media, seen).expect("a free port");
        let (settings, receiver) = watch::channel(Arc::new(settings));
        Self { handle: RoomsHandle::start(receiver, sfu), settings, _addresses: addresses }
    }

    async fn join(&self, room: &str, host: u8) -> Result<Guest, JoinError> {
        let (sender, outbox) = mpsc::channel(OUTBOX_LEN);
        let request = JoinRequest {
            room: RoomName::parse(room).expect("a room name"),
            name: Nickname::parse("Ana").expect("a name"),
            kind: MemberKind::Person,
            role: Role::Guest,
            rank: Rank::Participant,
            mic: true,
            cam: true,
            receives: false,
            resume: None,
            device: None,
            source: Some(IpAddr::from([192, 0, 2, host]).into()),
            re: Some(1),
            outbox: sender,
            liveness: Liveness::Watched,
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
