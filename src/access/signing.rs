//! Signing in and out: by the set-up code, a password, an invite, the local URL.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Access, Answer, Facts, LOCAL_COOKIE, Principal, Refusal, SESSION_COOKIE, SetupCode, Visitor,
    Whence, cookies,
    door::{account, good, hash_of, invited, random},
    password, people,
};
use crate::{
    config::Role,
    store::{NewPerson, Person},
};

/// Somebody who signed in does so again after this time.
const SESSION_S: u64 = 30 * 24 * 60 * 60;

/// Whoever came by an invite may come back for this long at least: a meeting outlasts its invite.
const INVITED_S: u64 = 12 * 60 * 60;

/// A browser keeps the local token this long.
const LOCAL_S: u64 = 365 * 24 * 60 * 60;

/// What a browser gets that has signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSession {
    /// The cookie's name.
    pub cookie: &'static str,
    /// Its value. Never log it.
    pub token: String,
    /// Seconds that it is good.
    pub max_age_s: u64,
    /// Who it is from now on.
    pub principal: Principal,
}

impl std::fmt::Debug for NewSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSession").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Access {
    /// Makes the first owner, and signs them in.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn set_up(
        &self,
        from: &Visitor,
        code: &str,
        name: &str,
        password: String,
    ) -> Answer<NewSession> {
        let stored = self.setup_code().await?.ok_or(Refusal::AlreadySetUp)?;
        let name = people::check_name(name)?;
        password::check_new(&name, &password)?;
        self.may_guess(from, None).await?;
        if !SetupCode::is(&stored, code) {
            return Err(Refusal::SetupCodeWrong);
        }
        self.was_right(from, None);
        let password = self.hash(password, true).await?;
        let folded = people::folded(&name);
        let new = NewPerson { name, folded, role: Role::Owner, password };
        let made = self.store().make_owner(stored, new, self.now()).await?;
        let owner = made.ok_or(Refusal::AlreadySetUp)?;
        self.note(from, "set up", &owner.name).await;
        self.begin(owner).await
    }

    /// Signs somebody in by a password.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn sign_in(
        &self,
        from: &Visitor,
        name: &str,
        password: String,
    ) -> Answer<NewSession> {
        // A name that nobody can have counts as one guess of the source, and fills no table.
        let folded = people::check_name(name).ok().map(|name| people::folded(&name));
        self.may_guess(from, folded.as_deref()).await?;
        let found = match &folded {
            Some(folded) => self.store().person_named(folded.clone()).await?,
            None => None,
        };
        let (person, phc) = found.map_or((None, None), |(person, phc)| (Some(person), phc));
        let is_right = self.verify(password, phc, self.is_near(from)).await?;
        let person = person.filter(|_| is_right).ok_or(Refusal::PasswordWrong)?;
        self.was_right(from, folded.as_deref());
        self.note(from, "sign-in", &person.name).await;
        self.begin(person).await
    }

    async fn begin(&self, person: Person) -> Answer<NewSession> {
        let token = URL_SAFE_NO_PAD.encode(random::<32>());
        let now = self.now();
        self.store().begin_session(hash_of(&token), person.id, now, now + SESSION_S).await?;
        let (cookie, principal) = (SESSION_COOKIE, account(person));
        Ok(NewSession { cookie, token, max_age_s: SESSION_S, principal })
    }

    /// Comes in by an invite: uses it once. Whoever came by it before and still has the session does
    /// not use it again.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn come_in(&self, from: &Visitor, token: &str) -> Answer<Option<NewSession>> {
        // What this box has made is no guess: it opens the door however many guess at it.
        let Some(id) = self.keys().read_invite(token) else {
            self.may_guess(from, None).await?;
            return Err(Refusal::InviteForged);
        };
        match &from.principal {
            Principal::Invited { invite, .. } if *invite == id && !from.by_bearer => {
                return Ok(None);
            }
            // An account is more than any invite, and is not given up for one.
            Principal::Account { .. } => return Ok(None),
            _ => {}
        }
        let token = URL_SAFE_NO_PAD.encode(random::<32>());
        let now = self.now();
        let (spent, until) =
            self.store().begin_invited(hash_of(&token), id, now, INVITED_S).await?;
        let guest = match &from.principal {
            Principal::Stranger(why) => Err(why.clone()),
            Principal::Invited { elsewhere: Some(why), .. } => Err(why.clone()),
            _ => Ok(()),
        };
        let principal = invited(good(spent, now)?, guest)?;
        let max_age_s = until.saturating_sub(now);
        Ok(Some(NewSession { cookie: SESSION_COOKIE, token, max_age_s, principal }))
    }

    /// A browser on the box shows the token of the URL that was printed, and keeps it.
    ///
    /// # Errors
    /// The token is wrong, or this is not the box.
    pub async fn come_in_locally(&self, from: &Visitor, token: &str) -> Answer<NewSession> {
        if !self.keys().is_local(token) {
            self.may_guess(from, None).await?;
            return Err(Refusal::LocalTokenWrong);
        }
        match &from.whence {
            Whence::Machine(_) => {}
            elsewhere => return Err(Refusal::NotLan(elsewhere.to_string())),
        }
        let (cookie, token) = (LOCAL_COOKIE, self.keys().local());
        Ok(NewSession { cookie, token, max_age_s: LOCAL_S, principal: Principal::Guest })
    }

    /// Signs out, by the cookies of the request.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn sign_out(&self, facts: &Facts<'_>) -> Answer<()> {
        let tokens = facts.cookies.iter().flat_map(|header| cookies(header, SESSION_COOKIE));
        let mut any = false;
        for token in tokens.take(4).chain(facts.bearer) {
            any |= self.store().end_session(hash_of(token)).await?;
        }
        // What strangers send ends nothing, and nobody looks for that.
        if any {
            self.has_ended();
        }
        Ok(())
    }

    /// Signs out everywhere.
    ///
    /// # Errors
    /// Nobody is signed in, or the store cannot be written.
    pub async fn sign_out_everywhere(&self, from: &Visitor) -> Answer<()> {
        let Principal::Account { person, .. } = &from.principal else {
            return Err(Refusal::SignInNeeded);
        };
        self.store().end_sessions_of(*person).await?;
        self.has_ended();
        self.note(from, "signed out everywhere", "").await;
        Ok(())
    }
}
