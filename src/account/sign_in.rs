//! Signing in with name and password, and signing out.
//!
//! Unknown names, wrong passwords and disabled people are answered alike and take as long.
//! The session that a browser had before never becomes a signed-in one: each step begins another.

use std::net::IpAddr;

use crate::access::person::Person;
use crate::account::accounts::Accounts;
use crate::account::credential::{Credential, folded};
use crate::account::error::AccountError;
use crate::account::lockout::Counted;
use crate::account::session::{Begun, Stage};
use crate::audit::event::Act;

/// From where somebody acts.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The address at the other end.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub agent: String,
    /// The session that the browser had, which ends.
    pub former: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl Accounts {
    /// Signs in with a name and a password; what is begun may still need a second factor.
    pub async fn sign_in(
        &self,
        sign_in_name: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<Begun, AccountError> {
        let name = folded(sign_in_name).unwrap_or_default();
        let found = self.find(&name).await?;
        let person = found.as_ref().map(|(person, _)| person.clone());
        match self.try_password(&name, found, (password, origin)).await {
            Ok((person, credential)) => {
                let stage = stage_after_password(&person, &credential);
                self.begin(person, stage, origin).await
            }
            Err(error) => Err(self.note_refused(origin, person.as_ref(), error).await),
        }
    }

    async fn try_password(
        &self,
        name: &str,
        found: Option<(Person, Credential)>,
        (password, origin): (&str, &Origin),
    ) -> Result<(Person, Credential), AccountError> {
        self.count_try(Counted::Address(origin.address)).await?;
        self.count_try(Counted::Name(name)).await?;
        let known = found.as_ref();
        let known = known.and_then(|(_, credential)| credential.password.clone());
        let is_right = self.is_password(password, known).await?;
        let right = found.filter(|(person, _)| is_right && !person.is_disabled);
        let right = right.ok_or(AccountError::Refused)?;
        self.forget_tries(Counted::Name(name)).await?;
        self.forgive_address(origin.address).await?;
        Ok(right)
    }

    /// Begins the session of somebody who has shown who they are, as far as they have; once they
    /// are in, that is written down.
    pub(super) async fn begin(
        &self,
        person: Person,
        stage: Stage,
        origin: &Origin,
    ) -> Result<Begun, AccountError> {
        if stage == Stage::Full {
            self.note_own((Act::SignIn, origin), &person).await?;
        }
        let from = (origin.agent.as_str(), origin.former.as_deref());
        self.begin_session(person, stage, from).await
    }

    /// Signs out.
    pub async fn sign_out(&self, person: &Person, origin: &Origin) -> Result<(), AccountError> {
        if let Some(token) = &origin.former {
            self.end_session(token).await?;
        }
        self.note_own((Act::SignOut, origin), person).await
    }
}

/// What is still missing once the password was right.
pub(super) fn stage_after_password(person: &Person, credential: &Credential) -> Stage {
    if credential.has_factor() {
        Stage::NeedsFactor
    } else if person.role.needs_second_factor() {
        Stage::NeedsEnrolment
    } else {
        Stage::Full
    }
}
