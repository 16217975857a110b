//! What an administrator does with accounts: `vesta user`, and the pages for it.

use serde::{Deserialize, Serialize};

use crate::access::person::{self, Person, Role};
use crate::account::accounts::Accounts;
use crate::account::credential::Credential;
use crate::account::error::AccountError;
use crate::account::join::{CONNECT_PATH, INVITATION_PATH, RESET_PATH};
use crate::account::link::Purpose;
use crate::account::mail::{self, Mail};
use crate::audit::event::{Act, Agent, Event};
use crate::fhir::id;

/// Bytes of the id of a person.
pub(super) const ID_BYTES: usize = 16;

/// Characters of the name that pages show.
const NAME_CHARS_MAX: usize = 100;

/// Patients for whom one proxy acts.
const ACTS_FOR_MAX: usize = 50;

/// A new person.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewPerson {
    /// What they sign in with.
    pub sign_in_name: String,
    /// What they are called on pages.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// Where mail goes; the sign-in name when that is an address.
    pub email: Option<String>,
    /// The resource that describes them.
    pub fhir_user: Option<String>,
    /// Ids of the patients for whom a proxy acts.
    pub acts_for: Vec<String>,
    /// Their password, where they do not choose it by an invitation.
    pub password: Option<String>,
}

/// What an operator may do with people; each is named by what they sign in with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Make an account; without a password there is an invitation to choose one.
    Add(NewPerson),
    /// Show all.
    List,
    /// Shut somebody out, with every session and token they have.
    Disable(String),
    /// Let somebody in again.
    Enable(String),
    /// Make a link by which somebody chooses another password, and forget their second factors if
    /// those are lost.
    Reset {
        /// Who.
        sign_in_name: String,
        /// Whether the second factors are forgotten too.
        with_factors: bool,
    },
    /// Give somebody another role.
    SetRole {
        /// Who.
        sign_in_name: String,
        /// The role.
        role: Role,
        /// The resource that describes them in that role.
        fhir_user: Option<String>,
        /// The patients for whom a proxy acts.
        acts_for: Vec<String>,
    },
    /// Confirm which resource describes somebody.
    Confirm {
        /// Who.
        sign_in_name: String,
        /// The resource.
        fhir_user: String,
    },
    /// Make a link by which a patient connects their own account with a record.
    Invite {
        /// `Patient/` and its id.
        fhir_user: String,
    },
}

/// Somebody as they are listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What they sign in with.
    pub sign_in_name: String,
    /// Who it is.
    pub person: Person,
    /// Whether they have a password, or an outside provider to sign in with.
    pub has_joined: bool,
    /// Whether they have a second factor.
    pub has_factor: bool,
}

impl Accounts {
    /// Does what an operator asks for; the lines that tell them.
    pub async fn carry_out(&self, command: Command) -> Result<Vec<String>, AccountError> {
        let agent = &Agent::system();
        match command {
            Command::Add(new) => {
                let (person, link) = self.add(new, agent).await?;
                let link = link.map(|link| format!("invitation: {link}"));
                Ok(std::iter::once(format!("person: {}", person.id))
                    .chain(link)
                    .collect())
            }
            Command::List => {
                let all = self.everybody().await?;
                Ok(all.iter().map(Listed::line).collect())
            }
            Command::Disable(name) => {
                let person = self.set_disabled(&name, true, agent).await?;
                Ok(vec![format!("disabled {}", person.id)])
            }
            Command::Enable(name) => {
                let person = self.set_disabled(&name, false, agent).await?;
                Ok(vec![format!("enabled {}", person.id)])
            }
            Command::Reset {
                sign_in_name,
                with_factors,
            } => {
                let link = self.reset(&sign_in_name, with_factors, agent).await?;
                Ok(vec![format!("link: {link}")])
            }
            Command::SetRole {
                sign_in_name,
                role,
                fhir_user,
                acts_for,
            } => {
                let person = self
                    .set_role((&sign_in_name, role), (fhir_user, acts_for), agent)
                    .await?;
                Ok(vec![format!("{} is {role}", person.id)])
            }
            Command::Confirm {
                sign_in_name,
                fhir_user,
            } => {
                let person = self.confirm(&sign_in_name, &fhir_user, agent).await?;
                Ok(vec![format!("{} is {fhir_user}", person.id)])
            }
            Command::Invite { fhir_user } => {
                let link = self.invite_patient(&fhir_user, agent).await?;
                Ok(vec![format!("invitation: {link}")])
            }
        }
    }

    /// Makes an account; the link of the invitation when it has no password yet, which is mailed
    /// as well where mail can be sent.
    pub async fn add(
        &self,
        new: NewPerson,
        agent: &Agent,
    ) -> Result<(Person, Option<String>), AccountError> {
        let person = Person {
            id: self.fresh::<ID_BYTES>()?,
            name: checked_name(&new.name)?,
            role: new.role,
            fhir_user: checked_reference(new.role, new.fhir_user)?,
            acts_for: checked_patients(new.role, new.acts_for)?,
            is_disabled: false,
            created_ms: self.now_ms(),
        };
        let own = Some(&new.sign_in_name).filter(|name| mail::is_address(name));
        let email = new.email.as_ref().or(own).cloned();
        if email.as_ref().is_some_and(|email| !mail::is_address(email)) {
            return unusable("this is not an e-mail address");
        }
        let mut credential = Credential::new(new.sign_in_name, email.clone());
        if let Some(password) = &new.password {
            let about = [person.name.as_str(), &credential.sign_in_name];
            credential.set_password(self.new_password(password, &about).await?);
        }
        self.create(&person, &credential).await?;
        self.note_act((Act::Registration, agent), &person).await?;
        if new.password.is_some() {
            return Ok((person, None));
        }
        let purpose = Purpose::Accept {
            person_id: person.id.clone(),
        };
        let seconds = self.config.invitation_seconds;
        let token = self.make_link(purpose, seconds).await?;
        let link = self.link_url(INVITATION_PATH, &token);
        if let Some(to) = email {
            self.mailer.send(Mail {
                to,
                subject: "Your invitation to Vesta",
                text: "An account was made for you. Open this link to choose your password; it \
                       works once.",
                link: link.clone(),
            });
        }
        Ok((person, Some(link)))
    }

    /// Everybody, by sign-in name.
    pub async fn everybody(&self) -> Result<Vec<Listed>, AccountError> {
        let mut all = Vec::new();
        for kept in person::list(&self.documents).await? {
            let person = kept.content;
            let Some(credential) = self.credential(&person.id).await? else {
                continue;
            };
            let credential = credential.content;
            all.push(Listed {
                has_joined: credential.has_joined(),
                has_factor: credential.has_factor(),
                sign_in_name: credential.sign_in_name,
                person,
            });
        }
        all.sort_by(|a, b| a.sign_in_name.cmp(&b.sign_in_name));
        Ok(all)
    }

    /// Shuts somebody out, or lets them in again.
    pub async fn set_disabled(
        &self,
        sign_in_name: &str,
        is_disabled: bool,
        agent: &Agent,
    ) -> Result<Person, AccountError> {
        let (person, _) = self.named(sign_in_name).await?;
        let person = self
            .change_person(&person.id, |person| {
                person.is_disabled = is_disabled;
                Ok(())
            })
            .await?;
        // They stand on the person already; what has ended must not begin again with it.
        self.revoke_sessions(&person.id, None).await?;
        self.note_act((Act::Account, agent), &person).await?;
        Ok(person)
    }

    /// A link by which somebody chooses another password; the present one and all sessions end.
    pub async fn reset(
        &self,
        sign_in_name: &str,
        with_factors: bool,
        agent: &Agent,
    ) -> Result<String, AccountError> {
        let (person, _) = self.named(sign_in_name).await?;
        let changes = self
            .change_credential(&person.id, |credential| {
                if credential.is_outside {
                    return unusable("They sign in with the outside provider.");
                }
                if with_factors {
                    credential.forget_factors();
                }
                credential.forget_password();
                Ok(credential.password_changes)
            })
            .await?;
        self.revoke_sessions(&person.id, None).await?;
        self.note_act((Act::Credential, agent), &person).await?;
        let purpose = Purpose::Reset {
            person_id: person.id,
            changes,
        };
        let token = self.make_link(purpose, self.config.link_seconds).await?;
        Ok(self.link_url(RESET_PATH, &token))
    }

    /// Gives somebody another role; every session of the former one ends.
    pub async fn set_role(
        &self,
        (sign_in_name, role): (&str, Role),
        (fhir_user, acts_for): (Option<String>, Vec<String>),
        agent: &Agent,
    ) -> Result<Person, AccountError> {
        let fhir_user = checked_reference(role, fhir_user)?;
        let acts_for = checked_patients(role, acts_for)?;
        let (person, _) = self.named(sign_in_name).await?;
        let person = self
            .change_person(&person.id, |person| {
                person.role = role;
                person.fhir_user.clone_from(&fhir_user);
                person.acts_for.clone_from(&acts_for);
                Ok(())
            })
            .await?;
        self.revoke_sessions(&person.id, None).await?;
        self.note_act((Act::Account, agent), &person).await?;
        Ok(person)
    }

    /// Confirms which resource describes somebody.
    pub async fn confirm(
        &self,
        sign_in_name: &str,
        fhir_user: &str,
        agent: &Agent,
    ) -> Result<Person, AccountError> {
        let (person, _) = self.named(sign_in_name).await?;
        let person = self
            .change_person(&person.id, |person| {
                person.fhir_user = checked_reference(person.role, Some(fhir_user.to_owned()))?;
                Ok(())
            })
            .await?;
        self.note_act((Act::Registration, agent), &person).await?;
        Ok(person)
    }

    /// A link by which a patient connects their own account with a record.
    pub async fn invite_patient(
        &self,
        fhir_user: &str,
        agent: &Agent,
    ) -> Result<String, AccountError> {
        let checked = checked_reference(Role::Patient, Some(fhir_user.to_owned()))?;
        let fhir_user = checked.unwrap_or_default();
        let event = Event::success(Act::Registration).by(agent.clone());
        self.note_by_operator(event.about(&fhir_user)).await?;
        let purpose = Purpose::Connect { fhir_user };
        let seconds = self.config.invitation_seconds;
        let token = self.make_link(purpose, seconds).await?;
        Ok(self.link_url(CONNECT_PATH, &token))
    }

    async fn note_act(
        &self,
        (act, agent): (Act, &Agent),
        person: &Person,
    ) -> Result<(), AccountError> {
        let event = Event::success(act).by(agent.clone()).about(&person.id);
        self.note_by_operator(event).await
    }

    async fn named(&self, sign_in_name: &str) -> Result<(Person, Credential), AccountError> {
        let found = self.find(sign_in_name).await?;
        found.ok_or(AccountError::Unknown)
    }
}

impl Listed {
    fn line(&self) -> String {
        let person = &self.person;
        let state = match (person.is_disabled, self.has_joined) {
            (true, _) => "disabled",
            (false, true) => "active",
            (false, false) => "invited",
        };
        let described = person.fhir_user.as_deref().unwrap_or("-");
        format!(
            "{} {state} {} {described} {:?}",
            self.sign_in_name, person.role, person.name
        )
    }
}

/// A name that pages can show.
pub(super) fn checked_name(name: &str) -> Result<String, AccountError> {
    let name = name.trim();
    let chars = name.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return unusable("A name has 1 to 100 characters.");
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
    let is_right =
        parts.is_some_and(|(type_name, id)| fits.contains(&type_name) && id::is_valid(id));
    if !is_right {
        return Err(AccountError::Unusable(format!(
            "Somebody in the role {role} is described by {}/ and an id.",
            fits.join("/ or ")
        )));
    }
    Ok(Some(reference))
}

fn checked_patients(role: Role, ids: Vec<String>) -> Result<Vec<String>, AccountError> {
    if role != Role::Proxy && !ids.is_empty() {
        return unusable("Only a proxy acts for patients.");
    }
    if ids.len() > ACTS_FOR_MAX || !ids.iter().all(|id| id::is_valid(id)) {
        return unusable("A proxy acts for up to 50 patients, each named by its id.");
    }
    Ok(ids)
}

fn unusable<T>(text: &str) -> Result<T, AccountError> {
    Err(AccountError::Unusable(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{checked_name, checked_patients, checked_reference};
    use crate::access::person::Role;

    #[test]
    fn what_describes_somebody_fits_their_role() {
        let check = |role, text: &str| checked_reference(role, Some(text.to_owned())).is_ok();
        assert!(check(Role::Patient, "Patient/1"));
        assert!(check(Role::Practitioner, "Practitioner/a-1.b"));
        assert!(check(Role::Proxy, "RelatedPerson/1"));
        for wrong in [
            "Practitioner/1",
            "Patient",
            "Patient/",
            "Patient/a b",
            "Patient/1/2",
            "",
        ] {
            assert!(!check(Role::Patient, wrong), "{wrong:?}");
        }
        assert!(!check(Role::Practitioner, "Patient/1"));
        assert!(checked_patients(Role::Patient, vec!["1".to_owned()]).is_err());
        assert!(checked_patients(Role::Proxy, vec!["1 2".to_owned()]).is_err());
        assert!(checked_name("  ").is_err());
        assert_eq!(checked_name(" Ada ").unwrap(), "Ada");
    }
}
