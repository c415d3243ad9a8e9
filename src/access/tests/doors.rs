//! The doors, with a real store behind them.

use std::time::Duration;

use tempfile::TempDir;

use super::{networks, room, rules};
use crate::{access::*, config::Role, seams::Networks, store::StoreHandle};

const PASSWORD: &str = "correct horse battery";

/// A box with its store, and whoever knocks.
struct House {
    access: Access,
    networks: Networks,
    rules: Rules,
    _data: TempDir,
}

impl House {
    fn new() -> Self {
        let data = tempfile::tempdir().expect("the folder for temporary files is writable");
        let store = StoreHandle::open(data.path()).expect("a store");
        let access = Access::new(store, Keys::new([7; 32]));
        Self { access, networks: networks(), rules: rules(), _data: data }
    }

    async fn who(&self, peer: &str, cookie: &str, bearer: Option<&str>) -> Visitor {
        let facts = Facts {
            peer: Some(peer.parse().expect("an address")),
            cookies: vec![cookie],
            bearer,
            ..Facts::default()
        };
        self.access.who(&facts, &self.networks, &self.rules).await
    }

    async fn set_up(&self) -> String {
        let code = self.access.setup_code().await.expect("works").expect("no owner");
        let from = self.who("203.0.113.9", "", None).await;
        let made = self.access.set_up(&from, &code, "Ada", PASSWORD.into()).await.expect("made");
        cookie(&made)
    }

    async fn invite(&self, owner: &str, json: &str) -> (ShownInvite, String) {
        let owner = self.who("203.0.113.9", owner, None).await;
        let wanted = serde_json::from_str(json).expect("JSON");
        self.access.invite(&owner, wanted).await.expect("made")
    }
}

fn cookie(session: &NewSession) -> String {
    format!("x=1; {}={}", session.cookie, session.token)
}

const FAR: &str = "203.0.113.9";

#[tokio::test]
async fn the_owner_is_made_once_and_known_everywhere() {
    let house = House::new();
    let code = house.access.setup_code().await.expect("works").expect("no owner");
    let from = house.who(FAR, "", None).await;
    let set_up = async |code: &str, name: &str, password: &str| {
        house.access.set_up(&from, code, name, password.into()).await
    };
    assert_eq!(set_up("0000-0000", "Ada", PASSWORD).await, Err(Refusal::SetupCodeWrong));
    assert!(matches!(set_up(&code, "Ada", "short").await, Err(Refusal::Unfit(_))));
    assert!(matches!(set_up(&code, " ", PASSWORD).await, Err(Refusal::Unfit(_))));
    let typed = code.to_lowercase().replace('-', " ");
    let made = set_up(&typed, " Ada ", PASSWORD).await.expect("made");
    assert!(!format!("{made:?}").contains(&made.token));
    let known = house.who(FAR, &cookie(&made), None).await;
    assert_eq!((known.principal.word(), known.principal.name()), ("owner", Some("Ada")));
    assert_eq!(set_up(&code, "Eve", PASSWORD).await, Err(Refusal::AlreadySetUp));
    assert_eq!(house.access.setup_code().await, Ok(None));
    // As a bearer token, too, for programs.
    let program = house.who(FAR, "", Some(&made.token)).await;
    assert_eq!(program.principal.word(), "owner");
}

#[tokio::test]
async fn signing_in_makes_a_new_token_and_signing_out_ends_it() {
    let house = House::new();
    let first = house.set_up().await;
    let from = house.who(FAR, &first, None).await;
    let again = house.access.sign_in(&from, "ADA", PASSWORD.into()).await.expect("signed in");
    let second = cookie(&again);
    assert_ne!(first, second, "a planted token is never taken over");
    for (name, password) in [("Ada", "wrong password"), ("Eve", PASSWORD), ("", PASSWORD)] {
        let refused = house.access.sign_in(&from, name, password.into()).await;
        assert_eq!(refused, Err(Refusal::PasswordWrong), "{name}");
    }
    let facts = Facts { cookies: vec![&first], ..Facts::default() };
    house.access.sign_out(&facts).await.expect("works");
    assert_eq!(house.who(FAR, &first, None).await.principal.word(), "stranger");
    assert_eq!(house.who("192.168.1.9", &first, None).await.principal.word(), "guest");
    let known = house.who(FAR, &second, None).await;
    house.access.sign_out_everywhere(&known).await.expect("works");
    assert_eq!(house.who(FAR, &second, None).await.principal.word(), "stranger");
}

#[tokio::test]
async fn a_reset_takes_the_owners_password_and_sessions() {
    let house = House::new();
    let owner = house.set_up().await;
    let code = house.access.reset_owner().await.expect("works");
    let from = house.who(FAR, &owner, None).await;
    assert_eq!(from.principal.word(), "stranger");
    let refused = house.access.sign_in(&from, "Ada", PASSWORD.into()).await;
    assert_eq!(refused, Err(Refusal::PasswordWrong));
    let made = house.access.set_up(&from, code.as_str(), "Ada", "another password".into()).await;
    assert_eq!(made.expect("made").principal.word(), "owner");
}

#[tokio::test]
async fn an_invite_lets_somebody_into_its_room_as_often_as_it_says() {
    let house = House::new();
    let owner = house.set_up().await;
    let json = r#"{"room":"Kitchen","role":"moderator","uses":1,"name":"Bob"}"#;
    let (invite, token) = house.invite(&owner, json).await;
    let stranger = house.who(FAR, "", None).await;
    let session = house.access.come_in(&stranger, &token).await.expect("in").expect("a session");
    let bob = house.who(FAR, &cookie(&session), None).await;
    assert_eq!((bob.principal.word(), bob.principal.name()), ("invited", Some("Bob")));
    assert_eq!(bob.principal.role_in(&room("Kitchen")), Ok(Role::User));
    assert!(bob.principal.moderates(&room("Kitchen")));
    let other = bob.principal.role_in(&room("Attic"));
    assert_eq!(other, Err(Refusal::OtherRoom("Kitchen".into())));
    // The page opened again is no second use; somebody else is, and so is a program.
    assert_eq!(house.access.come_in(&bob, &token).await, Ok(None));
    assert_eq!(house.access.come_in(&stranger, &token).await, Err(Refusal::InviteUsedUp));
    let program = house.who(FAR, "", Some(&token)).await;
    assert_eq!(program.principal, Principal::Stranger(Refusal::InviteUsedUp));
    let mut forged = token.clone();
    forged.replace_range(..1, if token.starts_with('A') { "B" } else { "A" });
    assert_eq!(house.access.come_in(&stranger, &forged).await, Err(Refusal::InviteForged));
    // From the LAN they are no less than a guest elsewhere.
    let near = house.who("192.168.1.9", &cookie(&session), None).await;
    assert_eq!(near.principal.role_in(&room("Attic")), Ok(Role::Guest));
    let owner = house.who(FAR, &owner, None).await;
    house.access.void_invite(&owner, &invite.id).await.expect("voided");
    assert_eq!(house.who(FAR, &cookie(&session), None).await.principal.word(), "stranger");
    assert_eq!(house.access.come_in(&stranger, &token).await, Err(Refusal::InviteVoid));
    assert_eq!(house.access.void_invite(&owner, &invite.id).await, Err(Refusal::Unknown));
}

#[tokio::test]
async fn a_program_uses_an_invite_where_it_begins_something() {
    let house = House::new();
    let owner = house.set_up().await;
    let (_, token) = house.invite(&owner, r#"{"room":"Kitchen","uses":2}"#).await;
    for _ in 0..2 {
        let program = house.who(FAR, "", Some(&token)).await;
        assert_eq!(program.principal.role_in(&room("kitchen")), Ok(Role::User));
        house.access.spend(&program).await.expect("a use");
    }
    let late = house.who(FAR, "", Some(&token)).await;
    assert_eq!(late.principal, Principal::Stranger(Refusal::InviteUsedUp));
    // On the LAN a token that is none is as good as none.
    assert_eq!(house.who("192.168.1.9", "", Some("abc")).await.principal.word(), "guest");
    let refused = house.who(FAR, "", Some("abc")).await.principal;
    assert_eq!(refused, Principal::Stranger(Refusal::InviteForged));
    let (_, early) = house.invite(&owner, r#"{"room":"a","starts_in_s":600}"#).await;
    let refused = house.who(FAR, "", Some(&early)).await.principal;
    assert!(matches!(refused, Principal::Stranger(Refusal::InviteEarly(9 | 10))), "{refused:?}");
}

#[tokio::test]
async fn a_browser_on_the_box_shows_the_local_token() {
    let house = House::new();
    let token = house.access.local_token();
    let here = house.who("127.0.0.1", "", None).await;
    assert_eq!((here.principal.word(), here.is_machine), ("stranger", false));
    let wrong = house.access.come_in_locally(&here, "x").await;
    assert_eq!(wrong, Err(Refusal::LocalTokenWrong));
    let local = house.access.come_in_locally(&here, &token).await.expect("in");
    let at_box = house.who("::1", &cookie(&local), None).await;
    assert_eq!((at_box.principal.word(), at_box.is_machine), ("guest", true));
    let scraper = house.who("127.0.0.1", "", Some(&token)).await;
    assert!(scraper.may(&Need::Metrics).is_ok() && here.may(&Need::Metrics).is_err());
    // It is worth nothing anywhere else.
    for peer in [FAR, "172.17.0.2"] {
        let elsewhere = house.who(peer, &cookie(&local), Some(&token)).await;
        assert_eq!((elsewhere.principal.word(), elsewhere.is_machine), ("stranger", false));
        let refused = house.access.come_in_locally(&elsewhere, &token).await;
        assert!(matches!(refused, Err(Refusal::NotLan(_))), "{peer}");
    }
}

#[tokio::test]
async fn twenty_wrong_passwords_lock_no_owner_out() {
    let house = House::new();
    house.set_up().await;
    let far = house.who(FAR, "", None).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        let answer = house.access.sign_in(&far, "Ada", "wrong password".into()).await;
        answers.push(answer.expect_err("wrong"));
    }
    assert_eq!(answers[0], Refusal::PasswordWrong);
    let Refusal::Guessing(wait) = answers[19].clone() else { panic!("{:?}", answers[19]) };
    assert!(wait <= Duration::from_secs(15 * 60));
    assert!(matches!(
        house.access.sign_in(&far, "Ada", PASSWORD.into()).await,
        Err(Refusal::Guessing(_))
    ));
    let near = house.who("192.168.1.9", "", None).await;
    house.access.sign_in(&near, "Ada", PASSWORD.into()).await.expect("the LAN is still in");
}

#[tokio::test]
async fn the_owner_makes_a_second_owner_and_people() {
    let house = House::new();
    let ada = house.set_up().await;
    let ada = house.who(FAR, &ada, None).await;
    let eve = house.access.add_person(&ada, "Eve", PASSWORD.into(), Role::Owner).await;
    let eve = eve.expect("added");
    let twin = house.access.add_person(&ada, "\u{ff25}ve", PASSWORD.into(), Role::User).await;
    assert!(matches!(twin, Err(Refusal::Unfit(_))), "a name that looks the same is the same");
    let people = house.access.people().await.expect("works");
    assert_eq!(people.iter().map(|one| one.role).collect::<Vec<_>>(), ["owner", "owner"]);
    let signed = house.access.sign_in(&ada, "Eve", PASSWORD.into()).await.expect("signed in");
    house.access.set_password(&ada, eve.id, "another password".into()).await.expect("set");
    assert_eq!(house.who(FAR, &cookie(&signed), None).await.principal.word(), "stranger");
    house.access.remove_person(&ada, people[0].id).await.expect("another is left");
    assert_eq!(house.access.remove_person(&ada, eve.id).await, Err(Refusal::LastOwner));
    assert_eq!(house.access.remove_person(&ada, 99).await, Err(Refusal::Unknown));
    let audit = house.access.store().audit(100).await.expect("works");
    let what: Vec<&str> = audit.iter().rev().map(|entry| entry.what.as_str()).collect();
    assert_eq!(what, ["set up", "person added", "sign-in", "password set", "person removed"]);
}

#[tokio::test]
async fn without_a_store_the_lan_is_still_in() {
    let data = tempfile::tempdir().expect("the folder for temporary files is writable");
    std::fs::write(data.path().join(crate::store::FILE), "no database".repeat(99))
        .expect("written");
    let store = StoreHandle::open(data.path()).expect("a handle all the same");
    let access = Access::new(store, Keys::new([7; 32]));
    let house = House { access, networks: networks(), rules: rules(), _data: data };
    let near = house.who("192.168.1.9", "__Host-parlor-session=abc", None).await;
    assert_eq!(near.principal, Principal::Guest);
    let far = house.who(FAR, "__Host-parlor-session=abc", None).await;
    assert!(matches!(far.principal, Principal::Stranger(Refusal::Store(_))));
    let refused = house.access.sign_in(&near, "Ada", PASSWORD.into()).await;
    assert!(matches!(refused, Err(Refusal::Store(_))));
}

#[tokio::test]
async fn however_many_cookies_strangers_send_whoever_has_a_good_one_is_known() {
    let house = House::new();
    let owner = house.set_up().await;
    let forged = |n: usize| format!("{SESSION_COOKIE}={n:043}");
    let forged: Vec<String> = (0..1_000).map(forged).collect();
    let mut crowd: Vec<_> = forged.iter().map(|cookie| house.who(FAR, cookie, None)).collect();
    crowd.push(house.who(FAR, &owner, None));
    let visitors = futures_util::future::join_all(crowd).await;
    let words: Vec<_> = visitors.iter().map(|visitor| visitor.principal.word()).collect();
    assert_eq!(words[1_000], "owner");
    let busy = visitors
        .iter()
        .filter(|visitor| matches!(visitor.principal, Principal::Stranger(Refusal::Store(_))));
    assert_eq!(busy.count(), 0, "the store is asked no more than it takes");
}

#[tokio::test]
async fn a_stranger_who_signs_out_disturbs_nobody() {
    let house = House::new();
    let owner = house.set_up().await;
    let mut endings = house.access.endings().subscribe();
    let sign_out = async |cookie: &str| {
        let facts = Facts { cookies: vec![cookie], ..Facts::default() };
        house.access.sign_out(&facts).await.expect("works");
    };
    sign_out(&format!("{SESSION_COOKIE}=nobody")).await;
    assert!(!endings.has_changed().expect("it is there"));
    sign_out(&owner).await;
    assert!(endings.has_changed().expect("it is there"));
    endings.mark_unchanged();
}
