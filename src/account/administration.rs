//! What an administrator does with accounts: `vesta user`, and the pages for it.

use serde::{Deserialize, Serialize};

use crate::access::person::{self, Person, Role};
use crate::account::accounts::Accounts;
use crate::account::credential::Credential;
use crate::account::error::AccountError;

/// Bytes of the id of a person.
const ID_BYTES: usize = 16;

/// Characters of the name that pages show.
const NAME_CHARS_MAX: usize = 100;

/// A new person.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewPerson {
    /// What they sign in with.
    pub sign_in_name: String,
    /// What they are called on pages.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// Where mail goes.
    pub email: Option<String>,
    /// The resource that describes them.
    pub fhir_user: Option<String>,
    /// Ids of the patients for whom a proxy acts.
    pub acts_for: Vec<String>,
    /// Their password, where they do not choose it by an invitation.
    pub password: Option<String>,
}

/// What an operator may do with people.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Make an account.
    Add(NewPerson),
    /// Show all.
    List,
    /// Shut somebody out, with every session and token they have.
    Disable(String),
    /// Let somebody in again.
    Enable(String),
}

impl Accounts {
    /// Does what an operator asks for; the lines that tell them.
    pub async fn carry_out(&self, command: Command) -> Result<Vec<String>, AccountError> {
        match command {
            Command::Add(new) => {
                let person = self.add(new).await?;
                Ok(vec![format!("person: {}", person.id)])
            }
            Command::List => self.list().await,
            Command::Disable(name) => {
                let person = self.set_disabled(&name, true).await?;
                Ok(vec![format!("disabled {}", person.name)])
            }
            Command::Enable(name) => {
                let person = self.set_disabled(&name, false).await?;
                Ok(vec![format!("enabled {}", person.name)])
            }
        }
    }

    /// Makes an account.
    pub async fn add(&self, new: NewPerson) -> Result<Person, AccountError> {
        let person = Person {
            id: self.fresh::<ID_BYTES>()?,
            name: checked_name(&new.name)?,
            role: new.role,
            fhir_user: checked_reference(new.role, new.fhir_user)?,
            acts_for: new.acts_for,
            is_disabled: false,
            created_ms: self.now_ms(),
        };
        if person.role != Role::Proxy && !person.acts_for.is_empty() {
            return unusable("only a proxy acts for patients");
        }
        let mut credential = Credential::new(new.sign_in_name, new.email);
        if let Some(password) = new.password {
            let about = [person.name.as_str(), &credential.sign_in_name];
            credential.password = Some(self.new_password(&password, &about).await?);
        }
        self.create(&person, &credential).await?;
        Ok(person)
    }

    async fn list(&self) -> Result<Vec<String>, AccountError> {
        let mut lines = Vec::new();
        for kept in person::list(&self.documents).await? {
            let person = kept.content;
            let credential = self.credential(&person.id).await?;
            let name = credential.map_or(String::new(), |kept| kept.content.sign_in_name);
            let state = if person.is_disabled {
                "disabled"
            } else {
                "active"
            };
            let described = person.fhir_user.as_deref().unwrap_or("-");
            lines.push(format!(
                "{name} {state} {} {described} {:?}",
                person.role, person.name
            ));
        }
        lines.sort();
        Ok(lines)
    }

    async fn set_disabled(
        &self,
        sign_in_name: &str,
        is_disabled: bool,
    ) -> Result<Person, AccountError> {
        let found = self.find(sign_in_name).await?;
        let (person, _) = found.ok_or(AccountError::Unknown)?;
        let person = self
            .change_person(&person.id, |person| {
                person.is_disabled = is_disabled;
                Ok(())
            })
            .await?;
        // They stand on the person already; what has ended must not begin again with it.
        self.revoke_sessions(&person.id, None).await?;
        Ok(person)
    }
}

/// A name that pages can show.
pub(super) fn checked_name(name: &str) -> Result<String, AccountError> {
    let name = name.trim();
    let chars = name.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return unusable("a name has 1 to 100 characters");
    }
    Ok(name.to_owned())
}

/// A reference to a resource of a type that fits the role.
pub(super) fn checked_reference(
    role: Role,
    reference: Option<String>,
) -> Result<Option<String>, AccountError> {
    let Some(reference) = reference else {
        return Ok(None);
    };
    let fits = match role {
        Role::Patient => &["Patient"][..],
        Role::Proxy => &["RelatedPerson", "Patient", "Person"],
        Role::Practitioner => &["Practitioner", "PractitionerRole"],
        Role::Administrator | Role::Auditor => &["Practitioner", "Person"],
    };
    let parts = reference.split_once('/');
    let is_right = parts.is_some_and(|(type_name, id)| {
        let is_id = (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        fits.contains(&type_name) && is_id
    });
    if !is_right {
        return Err(AccountError::Unusable(format!(
            "a {role} is described by a resource such as {}/1",
            fits.join("/1 or ")
        )));
    }
    Ok(Some(reference))
}

fn unusable<T>(text: &str) -> Result<T, AccountError> {
    Err(AccountError::Unusable(text.to_owned()))
}
