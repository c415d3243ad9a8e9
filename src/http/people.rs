//! Accounts: made, listed, changed and removed by the owner.

use hyper::Method;
use serde::Deserialize;

use super::{
    account::{done, json, made, shown},
    handler::{Ask, foreign, not_found},
    reply::Reply,
    routes::Route,
};
use crate::config::Role;

/// An account as the owner asks for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPerson {
    name: String,
    password: String,
    #[serde(default)]
    role: Word,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum Word {
    #[default]
    User,
    Owner,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

/// `/api/v1/people`, `/api/v1/people/ID`
pub(super) async fn answer(ask: Ask<'_>, route: &Route) -> Reply {
    let (visit, visitor) = (ask.visit, ask.visitor.clone());
    let access = &visit.house.access;
    let method = ask.request.method();
    match route {
        Route::People if method == Method::POST => {
            let wanted =
                "{\"name\": NAME, \"password\": PASSWORD, \"role\": \"user\" or \"owner\"}";
            let NewPerson { name, password, role } = match json(ask, wanted).await {
                Ok(wanted) => wanted,
                Err(refused) => return refused,
            };
            let role = match role {
                Word::User => Role::User,
                Word::Owner => Role::Owner,
            };
            let added = access.add_person(&visitor, &name, password, role).await;
            made(added.map(|person| {
                let place = format!("/api/v1/people/{}", person.id);
                (person, place)
            }))
        }
        Route::People => shown(access.people().await),
        Route::Person(id) if method == Method::PATCH => {
            match json(ask, "{\"password\": PASSWORD}").await {
                Ok(NewPassword { password }) => {
                    done(access.set_password(&visitor, *id, password).await)
                }
                Err(refused) => refused,
            }
        }
        Route::Person(id) => match foreign(ask.settings, ask.host, ask.headers()) {
            Some(refused) => refused,
            None => done(access.remove_person(&visitor, *id).await),
        },
        _ => not_found(),
    }
}
