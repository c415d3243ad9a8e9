//! Joining: who this client is in the room that it wants, and the seat that it gets there.

use std::time::SystemTime;

use tokio::sync::mpsc;

use super::{Seated, Session};
use crate::{
    access::{Answer, Principal},
    config::Role,
    http::{denied, transport::Transport},
    ids::{AccountId, Device, Nickname, RoomName},
    protocol::{ErrorCode, MemberKind, Rank},
    rooms::{JoinRequest, Liveness, OUTBOX_LEN, ResumeClaims},
    telemetry::metrics::metrics,
    trust::PlaceClaims,
};

impl<T: Transport> Session<T> {
    /// A program's invite is used once by its first join.
    async fn spend_invite(&mut self) -> Result<(), (ErrorCode, String)> {
        let spent = self.house.access.spend(&self.visitor).await;
        spent.map_err(|refusal| (denied::code(&refusal).1, refusal.to_string()))?;
        self.visitor.by_bearer = false;
        Ok(())
    }

    /// Whether this source may join once more.
    fn may_join(&self) -> Result<(), (ErrorCode, String)> {
        let limit = self.house.settings().http.joins_per_minute;
        if self.house.rates.allow_join(self.source(), limit) {
            return Ok(());
        }
        metrics().http_refused.inc();
        let sentence = format!("{limit} joins a minute from one address are allowed; wait");
        Err((ErrorCode::RateLimited, sentence))
    }

    /// Whether this source may return once more to places that are kept.
    fn may_return(&self) -> Result<(), (ErrorCode, String)> {
        let limit = self.house.settings().http.joins_per_minute;
        if self.house.rates.allow_return(self.source(), limit) {
            return Ok(());
        }
        metrics().http_refused.inc();
        let sentence = "this address returns to its places all the time; wait".to_owned();
        Err((ErrorCode::RateLimited, sentence))
    }

    pub(super) async fn join(
        &mut self,
        id: u32,
        wanted: Wanted,
    ) -> Result<(), (ErrorCode, String)> {
        // Whoever returns to its place takes nothing from its neighbours behind the same address: 60 of
        // them come back at once after a restart.
        let token = wanted.resume.as_deref().map(|token| self.verify(token));
        let returns = matches!(token, Some(Ok(_)));
        if returns {
            self.may_return()?
        } else {
            self.may_join()?
        }
        let joined = self.join_with(id, wanted, token.transpose()).await;
        if returns && joined.is_err() {
            self.may_join()?;
        }
        joined
    }

    async fn join_with(
        &mut self,
        id: u32,
        wanted: Wanted,
        resume: Result<Option<ResumeClaims>, (ErrorCode, String)>,
    ) -> Result<(), (ErrorCode, String)> {
        let room = RoomName::parse(&wanted.room).map_err(|fault| {
            (ErrorCode::RoomNameInvalid, format!("the room name cannot be used: {fault}"))
        })?;
        let name = Nickname::parse(&wanted.name).map_err(|fault| {
            (ErrorCode::NameInvalid, format!("the name cannot be used: {fault}"))
        })?;
        let resume = resume?;
        if let Some(claims) = resume.as_ref().filter(|claims| claims.room != room) {
            let fault = format!("the token is for the room {:?}", claims.room.as_str());
            return Err(resume_invalid(&fault));
        }
        let role = self.role_in(&room, wanted.password.as_deref(), resume.as_ref()).await;
        let role = role.map_err(|refusal| (denied::code(&refusal).1, refusal.to_string()))?;
        let rank = rank_of(&self.visitor.principal, &room);
        self.spend_invite().await?;
        let (sender, outbox) = mpsc::channel(OUTBOX_LEN);
        let request = JoinRequest {
            room,
            name: name.clone(),
            kind: MemberKind::Person,
            role,
            rank,
            mic: wanted.mic,
            cam: wanted.cam,
            receives: true,
            resume,
            device: wanted.device,
            account: account_of(&self.visitor.principal),
            source: Some(self.source()),
            re: Some(id),
            outbox: sender,
            liveness: Liveness::Watched,
            label: None,
        };
        let seat =
            self.house.rooms.join(request).await.map_err(|error| (error.code, error.message))?;
        tracing::debug!(room = %seat.room, member = %seat.member, peer = %self.visitor.whence.ip(), "seated");
        let by_password =
            role == Role::User && self.visitor.principal.is_asked_for_password(&seat.room);
        self.busy.know();
        self.place = Some(Seated { seat, outbox, name, by_password });
        Ok(())
    }

    fn verify(&self, token: &str) -> Result<ResumeClaims, (ErrorCode, String)> {
        let claims = self.house.trust.tokens().verify(token, SystemTime::now());
        claims.map(claims_of_seat).map_err(|error| resume_invalid(&error))
    }

    /// The role of this client in a room. Whoever returns by a token that says that they gave the room's
    /// password is not asked for it again.
    async fn role_in(
        &mut self,
        room: &RoomName,
        given: Option<&str>,
        resume: Option<&ResumeClaims>,
    ) -> Answer<Role> {
        let settings = self.house.settings();
        let password = settings.room_password(room);
        if password.is_some() && resume.is_some_and(|claims| claims.role >= Role::User) {
            return Ok(Role::User);
        }
        self.house.access.role_in(&self.visitor, room, password, given).await
    }
}

/// By which somebody who was removed stays out, whatever browser they come by.
fn account_of(principal: &Principal) -> Option<AccountId> {
    match principal {
        Principal::Account { person, .. } => Some(AccountId(person.0)),
        _ => None,
    }
}

/// What somebody may do to others in a room from the start.
fn rank_of(principal: &Principal, room: &RoomName) -> Rank {
    match principal {
        Principal::Account { role: Role::Owner, .. } => Rank::Owner,
        _ if principal.moderates(room) => Rank::Moderator,
        _ => Rank::Participant,
    }
}

fn resume_invalid(fault: &dyn std::fmt::Display) -> (ErrorCode, String) {
    (ErrorCode::ResumeInvalid, format!("{fault}; join without `resume`"))
}

/// What a token says, as rooms understand it.
pub(in crate::http) fn claims_of_seat(claims: PlaceClaims) -> ResumeClaims {
    let PlaceClaims { room, member, name, role, epoch, this_run } = claims;
    ResumeClaims { room, member, name, role, epoch, this_run }
}

/// What a `join` asks for, as typed.
pub(super) struct Wanted {
    pub(super) room: String,
    pub(super) name: String,
    pub(super) mic: bool,
    pub(super) cam: bool,
    pub(super) resume: Option<String>,
    pub(super) password: Option<String>,
    pub(super) device: Option<Device>,
}
