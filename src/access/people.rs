//! Accounts as the owner sees and makes them.

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::{Access, Answer, Refusal, Visitor, password};
use crate::{
    config::Role,
    ids::Nickname,
    store::{NewPerson, Person, PersonId},
};

/// An account as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownPerson {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// `user` or `owner`.
    pub role: &'static str,
    /// Seconds since 1970.
    pub created_at: u64,
}

impl From<Person> for ShownPerson {
    fn from(person: Person) -> Self {
        let role = if person.role == Role::Owner { "owner" } else { "user" };
        Self { id: person.id.0, name: person.name, role, created_at: person.created_at }
    }
}

/// A name in the form by which accounts are told apart: compatibility forms and case do not count.
pub(super) fn folded(name: &str) -> String {
    let folded: String = name.nfkc().collect();
    caseless::default_case_fold_str(&folded).nfkc().collect()
}

/// A name that somebody may have.
pub(super) fn check_name(name: &str) -> Answer<String> {
    let name = Nickname::parse(name)
        .map_err(|fault| Refusal::Unfit(format!("The name cannot be used: {fault}.")))?;
    Ok(name.as_str().to_owned())
}

impl Access {
    /// Everybody with an account.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn people(&self) -> Answer<Vec<ShownPerson>> {
        Ok(self.store().people().await?.into_iter().map(ShownPerson::from).collect())
    }

    /// A further account, by the owner.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn add_person(
        &self,
        by: &Visitor,
        name: &str,
        password: String,
        role: Role,
    ) -> Answer<ShownPerson> {
        let name = check_name(name)?;
        password::check_new(&name, &password)?;
        let password = self.hash(password, true).await?;
        let new = NewPerson { folded: folded(&name), name, role, password };
        let person = self.store().add_person(new, self.now()).await?;
        self.note(by, "person added", &person.name).await;
        Ok(person.into())
    }

    /// Removes an account, with its sessions and invites.
    ///
    /// # Errors
    /// See [`Refusal`]: the last owner stays.
    pub async fn remove_person(&self, by: &Visitor, id: i64) -> Answer<()> {
        match self.store().remove_person(PersonId(id)).await? {
            None => Err(Refusal::Unknown),
            Some(false) => Err(Refusal::LastOwner),
            Some(true) => {
                self.has_ended();
                self.note(by, "person removed", &id.to_string()).await;
                Ok(())
            }
        }
    }

    /// Another password for somebody, whose sessions end.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn set_password(&self, by: &Visitor, id: i64, password: String) -> Answer<()> {
        let people = self.store().people().await?;
        let person = people.iter().find(|person| person.id.0 == id).ok_or(Refusal::Unknown)?;
        password::check_new(&person.name, &password)?;
        let hash = self.hash(password, true).await?;
        if !self.store().set_password(PersonId(id), hash).await? {
            return Err(Refusal::Unknown);
        }
        self.has_ended();
        self.note(by, "password set", &person.name).await;
        Ok(())
    }
}
