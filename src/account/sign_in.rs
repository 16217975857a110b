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

/// From where somebody acts.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The address at the other end.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub agent: String,
    /// The session that the browser had, which ends.
    pub former: Option<String>,
}

impl Accounts {
    /// Signs in with a name and a password; what is begun may still need a second factor.
    pub async fn sign_in(
        &self,
        sign_in_name: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<Begun, AccountError> {
        self.count_try(Counted::Address(origin.address)).await?;
        let name = folded(sign_in_name).unwrap_or_default();
        self.count_try(Counted::Name(&name)).await?;
        let found = self.find(&name).await?;
        let known = found.as_ref();
        let known = known.and_then(|(_, credential)| credential.password.clone());
        let is_right = self.is_password(password, known).await?;
        let Some((person, credential)) = found.filter(|_| is_right) else {
            return Err(AccountError::Refused);
        };
        if person.is_disabled {
            return Err(AccountError::Refused);
        }
        self.forget_tries(Counted::Name(&name)).await?;
        self.forgive_address(origin.address).await?;
        let stage = stage_after_password(&person, &credential);
        let from = (origin.agent.as_str(), origin.former.as_deref());
        self.begin_session(person, stage, from).await
    }
}

/// What is still missing once the password was right.
fn stage_after_password(person: &Person, _credential: &Credential) -> Stage {
    if person.role.needs_second_factor() {
        Stage::NeedsEnrolment
    } else {
        Stage::Full
    }
}
