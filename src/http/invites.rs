//! Invites: made, listed and voided by the owner.

use hyper::Method;
use serde::Serialize;

use super::{
    account::{done, json, made, shown},
    handler::{Ask, foreign, not_found},
    reply::Reply,
    routes::{Route, room_path},
};
use crate::{
    access::{InviteWanted, ShownInvite},
    ids::RoomName,
};

/// An invite and its URL, which is shown this once.
#[derive(Serialize)]
struct Made {
    url: String,
    #[serde(flatten)]
    invite: ShownInvite,
}

/// `/api/v1/invites`, `/api/v1/invites/ID`
pub(super) async fn answer(ask: Ask<'_>, route: &Route) -> Reply {
    let (visit, visitor) = (ask.visit, ask.visitor.clone());
    let access = &visit.house.access;
    match route {
        Route::Invites if ask.request.method() == Method::POST => {
            let wanted = "{\"room\": ROOM, \"role\": \"guest\", \"user\" or \"moderator\", \
                          \"expires_in_s\": SECONDS, \"uses\": NUMBER, \"name\": NAME}";
            let wanted: InviteWanted = match json(ask, wanted).await {
                Ok(wanted) => wanted,
                Err(refused) => return refused,
            };
            let invited = access.invite(&visitor, wanted).await;
            made(invited.map(|(invite, token)| {
                let place = format!("/api/v1/invites/{}", invite.id);
                (Made { url: url(&invite, &token), invite }, place)
            }))
        }
        Route::Invites => shown(access.invites().await),
        Route::Invite(id) => match foreign(ask.settings, ask.host, ask.headers()) {
            Some(refused) => refused,
            None => done(access.void_invite(&visitor, id).await),
        },
        _ => not_found(),
    }
}

/// The token is in the fragment, which no browser sends: no log of any server has it.
fn url(invite: &ShownInvite, token: &str) -> String {
    // It was a room's name when the invite was made.
    let path = RoomName::parse(&invite.room).map(|room| room_path(&room, ""));
    format!("{}#invite={token}", path.unwrap_or_else(|_| "/".into()))
}
