//! The store as others use it: what it keeps, and what it says when it cannot.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::config::Role;

const NOW: u64 = 1_800_000_000;

fn folder() -> TempDir {
    tempfile::tempdir().expect("the folder for temporary files is writable")
}

fn open(folder: &TempDir) -> StoreHandle {
    StoreHandle::open(folder.path()).expect("a store")
}

fn new_person(name: &str, role: Role) -> NewPerson {
    NewPerson { name: name.into(), folded: name.to_lowercase(), role, password: "$x".into() }
}

fn new_invite(bits: u64, by: PersonId, uses: Option<u32>) -> NewInvite {
    NewInvite {
        id: InviteId::new(bits),
        room: "Kitchen".into(),
        role: "user".into(),
        name: None,
        created_by: by,
        starts_at: NOW,
        expires_at: NOW + 100,
        uses,
    }
}

async fn owner(store: &StoreHandle) -> Person {
    let code = store.setup_code("AAAA-BBBB".into()).await.expect("works").expect("no owner yet");
    let made = store.make_owner(code, new_person("Ada", Role::Owner), NOW).await;
    made.expect("works").expect("the first")
}

#[tokio::test]
async fn the_first_owner_is_made_by_the_code_and_by_nothing_else() {
    let folder = folder();
    let store = open(&folder);
    assert_eq!(store.setup_code("AAAA-BBBB".into()).await, Ok(Some("AAAA-BBBB".into())));
    assert_eq!(store.setup_code("CCCC-DDDD".into()).await, Ok(Some("AAAA-BBBB".into())));
    let new = || new_person("Ada", Role::Owner);
    assert_eq!(store.make_owner("CCCC-DDDD".into(), new(), NOW).await, Ok(None));
    let ada = owner(&store).await;
    assert_eq!((ada.role, ada.has_password), (Role::Owner, true));
    assert_eq!(store.setup_code("CCCC-DDDD".into()).await, Ok(None));
    assert_eq!(store.make_owner("AAAA-BBBB".into(), new(), NOW).await, Ok(None), "once");
}

#[tokio::test]
async fn a_reset_ends_the_owners_sessions_and_takes_nobody_else_along() {
    let folder = folder();
    let store = open(&folder);
    let ada = owner(&store).await;
    let bob = store.add_person(new_person("Bob", Role::User), NOW).await.expect("added");
    for (token, person) in [([1; 32], ada.id), ([2; 32], bob.id)] {
        store.begin_session(token, person, NOW, NOW + 10).await.expect("works");
    }
    store.reset_owner("CCCC-DDDD".into()).await.expect("works");
    assert_eq!(store.session([1; 32], NOW).await, Ok(None));
    assert!(store.session([2; 32], NOW).await.expect("works").is_some());
    let (ada, password) = store.person_named("ada".into()).await.expect("works").expect("is there");
    assert_eq!((ada.has_password, password), (false, None));
    assert_eq!(store.setup_code("x".into()).await, Ok(Some("CCCC-DDDD".into())));
    // Under another name: the old owner is gone, and is not the new one's neighbour for ever.
    let eve = new_person("Eve", Role::Owner);
    let eve = store.make_owner("CCCC-DDDD".into(), eve, NOW).await.expect("works").expect("made");
    let names: Vec<String> =
        store.people().await.expect("works").into_iter().map(|person| person.name).collect();
    assert_eq!(names, ["Bob", "Eve"]);
    // Under the same name: the same account.
    store.reset_owner("EEEE-FFFF".into()).await.expect("works");
    let again = new_person("EVE", Role::Owner);
    let again = store.make_owner("EEEE-FFFF".into(), again, NOW).await.expect("works");
    let again = again.expect("made");
    assert_eq!((again.id, again.name.as_str()), (eve.id, "EVE"));
    // Whoever is called like a user does not get that account.
    store.reset_owner("GGGG-HHHH".into()).await.expect("works");
    let bob = new_person("bob", Role::Owner);
    assert_eq!(store.make_owner("GGGG-HHHH".into(), bob, NOW).await, Err(StoreError::Taken));
}

#[tokio::test]
async fn people_have_different_names_and_the_last_owner_stays() {
    let folder = folder();
    let store = open(&folder);
    let ada = owner(&store).await;
    let twin = store.add_person(new_person("ADA", Role::User), NOW).await;
    assert_eq!(twin, Err(StoreError::Taken));
    assert_eq!(store.remove_person(ada.id).await, Ok(Some(false)));
    let eve = store.add_person(new_person("Eve", Role::Owner), NOW).await.expect("added");
    store.begin_session([3; 32], ada.id, NOW, NOW + 10).await.expect("works");
    assert_eq!(store.remove_person(ada.id).await, Ok(Some(true)));
    assert_eq!(store.session([3; 32], NOW).await, Ok(None), "its sessions are gone, too");
    assert_eq!(store.remove_person(ada.id).await, Ok(None));
    assert_eq!(store.remove_person(eve.id).await, Ok(Some(false)));
    store.begin_session([4; 32], eve.id, NOW, NOW + 10).await.expect("works");
    assert_eq!(store.set_password(eve.id, "$y".into()).await, Ok(true));
    assert_eq!(store.session([4; 32], NOW).await, Ok(None), "another password ends sessions");
}

#[tokio::test]
async fn an_invite_is_good_for_its_time_and_its_uses() {
    let folder = folder();
    let store = open(&folder);
    let ada = owner(&store).await;
    let id = InviteId::new(7);
    assert_eq!(store.spend_invite(id, NOW).await, Ok(Spent::Void));
    let made = store.add_invite(new_invite(7, ada.id, Some(2)), NOW).await.expect("works");
    assert_eq!(made.id.to_string().parse(), Ok(id));
    assert!(matches!(store.spend_invite(id, NOW - 1).await, Ok(Spent::NotYet(_))));
    for left in [1, 0] {
        let Ok(Spent::Good(invite)) = store.spend_invite(id, NOW).await else { panic!("good") };
        assert_eq!(invite.uses_left, Some(left));
    }
    assert_eq!(store.spend_invite(id, NOW).await, Ok(Spent::UsedUp));
    assert_eq!(store.look_at_invite(id, NOW).await, Ok(Spent::UsedUp));
    assert_eq!(store.spend_invite(id, NOW + 100).await, Ok(Spent::Expired));
    store.add_invite(new_invite(8, ada.id, None), NOW).await.expect("works");
    assert_eq!(store.invites().await.expect("works").len(), 2);
    assert_eq!(store.void_invite(id).await, Ok(true));
    assert_eq!(store.void_invite(id).await, Ok(false));
}

#[tokio::test]
async fn who_came_by_an_invite_stays_until_it_is_voided() {
    let folder = folder();
    let store = open(&folder);
    let ada = owner(&store).await;
    let invite = store.add_invite(new_invite(9, ada.id, Some(1)), NOW).await.expect("works");
    let began = store.begin_invited([5; 32], invite.id, NOW, 500).await.expect("works");
    assert_eq!(began.1, NOW + 500, "a meeting goes on after the invite's end");
    assert_eq!(store.begin_invited([6; 32], invite.id, NOW, 500).await, Ok((Spent::UsedUp, 0)));
    assert_eq!(store.session([6; 32], NOW).await, Ok(None));
    let session = store.session([5; 32], NOW + 499).await.expect("works").expect("in force");
    assert!(matches!(session.bearer, Bearer::Invited(found) if found.id == invite.id));
    assert_eq!(store.session([5; 32], NOW + 500).await, Ok(None));
    store.void_invite(invite.id).await.expect("works");
    assert_eq!(store.session([5; 32], NOW).await, Ok(None));
}

#[tokio::test]
async fn sessions_are_few_a_person_and_the_oldest_goes() {
    let folder = folder();
    let store = open(&folder);
    let ada = owner(&store).await;
    for at in 0..60 {
        store.begin_session([at; 32], ada.id, NOW + u64::from(at), NOW + 999).await.expect("works");
    }
    assert_eq!(store.session([9; 32], NOW + 60).await, Ok(None));
    assert!(store.session([10; 32], NOW + 60).await.expect("works").is_some());
    assert_eq!(store.end_session([10; 32]).await, Ok(true));
    assert_eq!(store.end_session([10; 32]).await, Ok(false));
    assert_eq!(store.end_sessions_of(ada.id).await, Ok(49));
}

#[tokio::test]
async fn all_is_there_after_a_restart_and_nobody_else_may_read_it() {
    let folder = folder();
    let store = open(&folder);
    let changes = vec![
        ("network.announce".to_owned(), Some("[\"203.0.113.7\"]".to_owned())),
        ("log.filter".to_owned(), Some("\"debug\"".to_owned())),
    ];
    store.set_page_settings(changes, "Ada".into(), NOW).await.expect("works");
    let back = vec![("log.filter".to_owned(), None)];
    store.set_page_settings(back, "Ada".into(), NOW + 1).await.expect("works");
    let said =
        (1..=2).map(|seq| ("kitchen".to_owned(), ChatChange::Said(chat_line(seq)))).collect();
    store.change_chat(said).await.expect("works");
    drop(store);
    let again = open(&folder);
    let settings = again.page_settings().await.expect("works");
    assert_eq!(settings.len(), 1);
    assert_eq!(settings[0].value, "[\"203.0.113.7\"]");
    assert_eq!(again.chat("kitchen".into(), None, 10).await.expect("works").len(), 2);
    assert_eq!(again.audit(10).await.expect("works").len(), 3);
    for file in [FILE, "parlor.db-wal", "parlor.db-shm"] {
        let mode = fs::metadata(folder.path().join(file)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

fn chat_line(seq: u64) -> ChatLine {
    ChatLine {
        seq,
        at_ms: seq * 1000,
        // Ids are 64 random bits.
        member: u64::MAX - seq,
        name: "Ada".into(),
        author: seq.is_multiple_of(2).then_some([7; 16]),
        text: seq.to_string(),
    }
}

#[tokio::test]
async fn chat_is_read_backwards_taken_back_and_forgotten() {
    let folder = folder();
    let store = open(&folder);
    let said = |room: &str, seq| (room.to_owned(), ChatChange::Said(chat_line(seq)));
    let mut changes: Vec<_> = (0..10).map(|seq| said("kitchen", seq)).collect();
    changes.push(said("attic", 9));
    store.change_chat(changes).await.expect("works");
    let seqs = |lines: Vec<ChatLine>| lines.into_iter().map(|line| line.seq).collect::<Vec<_>>();
    let last = store.chat("kitchen".into(), None, 2).await.expect("works");
    assert_eq!(last, [chat_line(8), chat_line(9)]);
    let before = store.chat("kitchen".into(), Some(8), 2).await.expect("works");
    assert_eq!(seqs(before), [6, 7]);
    // Said and taken back in one breath, in that order.
    let changes = vec![
        said("kitchen", 10),
        ("kitchen".to_owned(), ChatChange::TakenBack(10)),
        ("kitchen".to_owned(), ChatChange::TakenBack(9)),
    ];
    store.change_chat(changes).await.expect("works");
    assert_eq!(store.chat_line("kitchen".into(), 9).await, Ok(None));
    assert_eq!(store.chat_line("attic".into(), 9).await, Ok(Some(chat_line(9))), "of another room");
    assert_eq!(store.trim_chat(3000, 4, u64::MAX).await, Ok(5));
    assert_eq!(seqs(store.chat("kitchen".into(), None, 100).await.expect("works")), [5, 6, 7, 8]);
}

#[tokio::test]
async fn chat_of_all_rooms_is_bounded_and_who_says_little_keeps_it() {
    let folder = folder();
    let store = open(&folder);
    let loud = |seq| {
        let line = ChatLine { text: "x".repeat(10_000), ..chat_line(seq) };
        ("kitchen".to_owned(), ChatChange::Said(line))
    };
    let mut changes: Vec<_> = (0..200).map(loud).collect();
    changes.extend((0..20).map(|seq| ("attic".to_owned(), ChatChange::Said(chat_line(seq)))));
    store.change_chat(changes).await.expect("works");
    assert_eq!(store.trim_chat(0, 1000, 100_000_000).await, Ok(0), "the file is small");
    assert!(store.trim_chat(0, 1000, 100_000).await.expect("works") >= 190);
    let left = async |room: &str| store.chat(room.into(), None, 1000).await.expect("works");
    let kitchen = left("kitchen").await;
    assert!((8..10).contains(&kitchen.len()), "{} lines", kitchen.len());
    assert_eq!(kitchen.last().map(|line| line.seq), Some(199), "the oldest go");
    assert_eq!(left("attic").await.len(), 20);
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let folder = folder();
    drop(open(&folder));
    // The thread takes the log into the file as it closes it.
    wait_closed(folder.path()).await;
    let connection = rusqlite::Connection::open(folder.path().join(FILE)).expect("opens");
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).expect("written");
    drop(connection);
    let before = fs::read(folder.path().join(FILE)).expect("readable");
    let refused = StoreHandle::open(folder.path()).expect_err("newer");
    assert!(refused.to_string().contains("newer parlor"), "{refused}");
    let after = fs::read(folder.path().join(FILE)).expect("readable");
    assert!(after == before, "the file was written to");
}

#[tokio::test]
async fn a_damaged_file_is_said_and_kept() {
    let garbage = folder();
    fs::write(garbage.path().join(FILE), "no database at all, ".repeat(1000)).expect("written");
    let torn = folder();
    let store = open(&torn);
    owner(&store).await;
    drop(store);
    // The thread closes the file, which takes the log into it; then its middle is overwritten.
    let path = torn.path().join(FILE);
    wait_closed(torn.path()).await;
    let mut bytes = fs::read(&path).expect("readable");
    let len = bytes.len();
    bytes[4096..len / 2].fill(0xa5);
    fs::write(&path, &bytes).expect("written");
    for folder in [garbage, torn] {
        let before = fs::read(folder.path().join(FILE)).expect("readable");
        let store = open(&folder);
        let Health::Failing(fault) = store.health().borrow().clone() else { panic!("not well") };
        assert!(fault.contains("is damaged") && fault.contains(FILE), "{fault}");
        assert!(matches!(store.people().await, Err(StoreError::Corrupt(_))));
        assert!(matches!(store.setup_code("x".into()).await, Err(StoreError::Corrupt(_))));
        assert_eq!(fs::read(folder.path().join(FILE)).expect("readable"), before);
    }
}

/// The write-ahead log is gone when the last connection is.
async fn wait_closed(folder: &Path) {
    let log = folder.join("parlor.db-wal");
    tokio::time::timeout(Duration::from_secs(20), async {
        while log.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the thread ends with its last handle");
}

#[test]
fn a_full_disk_is_said_changes_nothing_and_is_got_over() {
    let folder = folder();
    let mut database = database::Database::open(&folder.path().join(FILE)).expect("opens");
    let n_pages: u32 = database
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .expect("works");
    // What the disk cannot hold, for SQLite: the same error by the same way.
    let cap = |database: &database::Database, pages: u32| {
        let text = format!("PRAGMA max_page_count = {pages}");
        let _: u32 = database.connection.query_row(&text, [], |row| row.get(0)).expect("works");
    };
    cap(&database, n_pages);
    let fill = |connection: &rusqlite::Connection| {
        let text = "INSERT INTO meta (key, value) VALUES ('big', ?1)";
        connection.execute(text, ["x".repeat(100_000)])?;
        Ok(())
    };
    assert_eq!(database.transaction(false, fill), Err(StoreError::Full));
    let n_kept: u32 = database
        .connection
        .query_row("SELECT count(*) FROM meta", [], |row| row.get(0))
        .expect("reads go on");
    assert_eq!(n_kept, 0);
    cap(&database, 1000);
    assert_eq!(database.transaction(false, fill), Ok(()));
    assert_eq!(database.sync(), Ok(()));
}

#[tokio::test]
async fn a_closed_camera_stays_closed_over_a_restart_and_it_is_noted_who_did_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = StoreHandle::open(folder.path()).expect("a store");
    store.close_camera("door".into(), true, "Ana".into(), 7).await.expect("kept");
    store.close_camera("hall".into(), true, "Ana".into(), 8).await.expect("kept");
    store.close_camera("hall".into(), false, "Ben".into(), 9).await.expect("kept");
    drop(store);
    let store = StoreHandle::open(folder.path()).expect("a store");
    let closed = store.closed_cameras().await.expect("they are read");
    assert_eq!(closed, [ClosedCamera { id: "door".into(), who: "Ana".into(), since: 7 }]);
    let audit = store.audit(10).await.expect("it is read");
    let noted: Vec<_> = audit.iter().map(|entry| (&*entry.who, &*entry.detail)).collect();
    assert_eq!(noted, [("Ben", "hall opened"), ("Ana", "hall closed"), ("Ana", "door closed")]);
}

#[tokio::test]
async fn that_it_cannot_be_written_is_found_out_without_anybody_writing() {
    let folder = folder();
    let store = open(&folder);
    store.refuse_writes(true).await;
    let Ok(Health::Failing(fault)) = store.try_write().await else {
        panic!("it cannot be written")
    };
    assert!(fault.contains("read-only") && fault.contains(FILE), "{fault}");
    assert!(matches!(*store.health().borrow(), Health::Failing(_)), "all are told");
    // What is done by hand finds out that it works again before the next trial does.
    store.refuse_writes(false).await;
    owner(&store).await;
    assert_eq!(store.try_write().await, Ok(Health::Well));
    // Not again at once: it was written just now.
    store.refuse_writes(true).await;
    assert_eq!(store.try_write().await, Ok(Health::Well));
    drop(store);
}
