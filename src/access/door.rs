//! Asking who somebody is: cookies and bearer tokens against what the store keeps.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::{
    Answer, Credential, InviteRole, Keys, LOCAL_COOKIE, Principal, Refusal, Rules, SESSION_COOKIE,
    SetupCode, Visitor, Whence, cookies,
    guesses::{Guesses, Verdict},
    password, whence,
};
use crate::{
    config::Loopback,
    ids::RoomName,
    seams::Networks,
    store::{Bearer, Invite, Person, Spent, StoreError, StoreHandle, TokenHash},
};

/// Those who wait for a password to be hashed, near and elsewhere each. Further ones come again.
const HASHING_QUEUE: usize = 16;

/// Those who are looked up in the store at once; others wait. Its mailbox has room for more: however many
/// cookies strangers send, whoever has one that is good is not told that the store is busy.
const LOOKUPS: usize = 64;

/// What is known of a request.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// The other end of the connection; without one, nobody is known to come from anywhere.
    pub peer: Option<IpAddr>,
    /// The interface's number where the peer is link-local, else 0.
    pub scope: u32,
    /// Values of `X-Forwarded-For`, in their order.
    pub forwarded: Vec<&'a str>,
    /// Values of `Cookie`.
    pub cookies: Vec<&'a str>,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<&'a str>,
}

/// Decides who is who. One of it in a box.
#[derive(Debug)]
pub struct Access {
    store: StoreHandle,
    keys: Keys,
    guesses: Mutex<Guesses>,
    hashing: [Hashing; 2],
    /// Turns at asking the store who somebody is.
    lookups: Semaphore,
    /// That something has ended by which somebody may be here.
    endings: watch::Sender<()>,
}

/// One password at a time.
#[derive(Debug)]
struct Hashing {
    queue: Semaphore,
    turn: Semaphore,
}

impl Hashing {
    fn new() -> Self {
        Self { queue: Semaphore::new(HASHING_QUEUE), turn: Semaphore::new(1) }
    }
}

/// Random bytes. The system's generator does not fail once it has begun.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random numbers");
    bytes
}

pub(super) fn hash_of(token: &str) -> TokenHash {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// What an invite makes of whoever has it.
pub(super) fn invited(invite: Invite, guest: Result<(), Refusal>) -> Answer<Principal> {
    // Both were checked when the invite was made.
    let room = RoomName::parse(&invite.room).map_err(|_| Refusal::InviteVoid)?;
    let role = InviteRole::parse(&invite.role).ok_or(Refusal::InviteVoid)?;
    let (invite, name) = (invite.id, invite.name);
    Ok(Principal::Invited { invite, room, role, name, elsewhere: guest.err() })
}

pub(super) fn account(person: Person) -> Principal {
    Principal::Account { person: person.id, name: person.name, role: person.role }
}

pub(super) fn good(spent: Spent, now: u64) -> Answer<Invite> {
    match spent {
        Spent::Good(invite) => Ok(invite),
        Spent::Void => Err(Refusal::InviteVoid),
        Spent::NotYet(invite) => {
            Err(Refusal::InviteEarly(invite.starts_at.saturating_sub(now).div_ceil(60)))
        }
        Spent::Expired => Err(Refusal::InviteExpired),
        Spent::UsedUp => Err(Refusal::InviteUsedUp),
    }
}

impl Access {
    /// By what the store keeps, and keys that only this box has.
    pub fn new(store: StoreHandle, keys: Keys) -> Self {
        let hashing = [Hashing::new(), Hashing::new()];
        let (endings, _) = watch::channel(());
        let lookups = Semaphore::new(LOOKUPS);
        Self { store, keys, guesses: Mutex::default(), hashing, lookups, endings }
    }

    /// What is kept.
    pub fn store(&self) -> &StoreHandle {
        &self.store
    }

    pub(super) fn endings(&self) -> &watch::Sender<()> {
        &self.endings
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The token of the URL for a browser on the box. Printed at the start and nowhere else.
    pub fn local_token(&self) -> String {
        self.keys.local()
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        // Counting survives a panic elsewhere.
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The set-up code while the box has no owner: made at the first look, the same until it is used.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn setup_code(&self) -> Result<Option<String>, StoreError> {
        self.store.setup_code(SetupCode::new(random()).as_str().to_owned()).await
    }

    /// Takes all owners' passwords and sessions; the new set-up code.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn reset_owner(&self) -> Result<SetupCode, StoreError> {
        let code = SetupCode::new(random());
        self.store.reset_owner(code.as_str().to_owned()).await?;
        let _ = self.store.note(self.now(), "console".into(), "owner reset", String::new()).await;
        Ok(code)
    }

    /// Who a request is from. Never fails: whoever is nobody is a stranger, with the reason.
    pub async fn who(&self, facts: &Facts<'_>, networks: &Networks, rules: &Rules) -> Visitor {
        let whence = match facts.peer {
            Some(peer) => {
                let forwarded = facts.forwarded.iter().copied();
                whence(peer, facts.scope, forwarded, networks, rules)
            }
            None => Whence::Outside(IpAddr::from([0, 0, 0, 0])),
        };
        let at_box = matches!(whence, Whence::Machine(_));
        let mut local = facts.cookies.iter().flat_map(|header| cookies(header, LOCAL_COOKIE));
        let local = local.any(|token| self.keys.is_local(token))
            || facts.bearer.is_some_and(|token| self.keys.is_local(token));
        let guest = match whence.guest(rules) {
            Err(Refusal::NotLan(_)) if at_box && local => Ok(()),
            verdict => verdict,
        };
        let is_machine = at_box && (local || rules.loopback == Loopback::Guest);
        let (principal, by) = match self.known(facts, &guest).await {
            Ok(Some((principal, by))) => (principal, Some(by)),
            // A program on the LAN may send any token, and is what it would be without.
            Ok(None) | Err(_) if guest.is_ok() => (Principal::Guest, None),
            Ok(None) => (Principal::Stranger(guest.err().unwrap_or(Refusal::NoGuests)), None),
            Err(why) => (Principal::Stranger(why), None),
        };
        let by_bearer = matches!(by, Some(Credential::Invite(_)));
        Visitor { principal, whence, is_machine, by_bearer, by }
    }

    /// Held while the store is asked.
    pub(super) async fn turn_to_look(&self) -> SemaphorePermit<'_> {
        self.lookups.acquire().await.expect("it is never closed")
    }

    /// Whoever a cookie or a bearer token says it is.
    async fn known(
        &self,
        facts: &Facts<'_>,
        guest: &Result<(), Refusal>,
    ) -> Answer<Option<(Principal, Credential)>> {
        let now = self.now();
        let _turn = match facts.cookies.is_empty() && facts.bearer.is_none() {
            true => None,
            false => Some(self.turn_to_look().await),
        };
        let kept = facts.cookies.iter().flat_map(|header| cookies(header, SESSION_COOKIE));
        for token in kept.take(4).chain(facts.bearer) {
            let hash = hash_of(token);
            let by = Credential::Session(hash);
            match self.store.session(hash, now).await?.map(|session| session.bearer) {
                Some(Bearer::Person(person)) => return Ok(Some((account(person), by))),
                Some(Bearer::Invited(invite)) => {
                    return Ok(Some((invited(invite, guest.clone())?, by)));
                }
                None => {}
            }
        }
        let Some(token) = facts.bearer.filter(|token| !self.keys.is_local(token)) else {
            return Ok(None);
        };
        let id = self.keys.read_invite(token).ok_or(Refusal::InviteForged)?;
        let invite = good(self.store.look_at_invite(id, now).await?, now)?;
        Ok(Some((invited(invite, guest.clone())?, Credential::Invite(id))))
    }

    /// Uses the invite that came as a bearer token once: called where something is begun by it.
    ///
    /// # Errors
    /// It has been used up, voided or has expired meanwhile.
    pub async fn spend(&self, visitor: &Visitor) -> Answer<()> {
        let Principal::Invited { invite, .. } = &visitor.principal else { return Ok(()) };
        if !visitor.by_bearer {
            return Ok(());
        }
        let now = self.now();
        good(self.store.spend_invite(*invite, now).await?, now).map(drop)
    }

    /// Notes a change; that it cannot be noted stops nobody.
    pub async fn note(&self, by: &Visitor, what: &'static str, detail: &str) {
        if let Err(fault) = self.store.note(self.now(), by.who(), what, detail.to_owned()).await {
            tracing::debug!(%fault, what, "not noted");
        }
    }

    pub(super) fn is_near(&self, from: &Visitor) -> bool {
        from.whence.is_lan() || from.is_machine
    }

    pub(super) async fn may_guess(&self, from: &Visitor, account: Option<&str>) -> Answer<()> {
        let near = self.is_near(from);
        let verdict = self.guesses().begin(from.whence.ip().into(), near, account, Instant::now());
        match verdict {
            Verdict::Go(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Verdict::Refused(wait) => Err(Refusal::Guessing(wait)),
        }
    }

    pub(super) fn was_right(&self, from: &Visitor, account: Option<&str>) {
        let near = self.is_near(from);
        self.guesses().was_right(from.whence.ip().into(), near, account, Instant::now());
    }

    /// The PHC string of a new password.
    pub(super) async fn hash(&self, password: String, near: bool) -> Answer<String> {
        let salt = random();
        self.take_turn(near, move || password::hash(&password, salt)).await?
    }

    pub(super) async fn verify(
        &self,
        password: String,
        phc: Option<String>,
        near: bool,
    ) -> Answer<bool> {
        self.take_turn(near, move || password::verify(&password, phc.as_deref())).await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        near: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Answer<T> {
        let busy = || Refusal::Guessing(std::time::Duration::from_secs(1));
        let hashing = &self.hashing[usize::from(near)];
        let _queued = hashing.queue.try_acquire().map_err(|_| busy())?;
        let _turn = hashing.turn.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| busy())
    }
}
