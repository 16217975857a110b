//! How people come to an account and a password: registration, invitation, and a password that was
//! forgotten.
//!
//! Who asks learns nothing of who has an account: what differs is told by mail alone.
//! Spec: OWASP Forgot Password.

use crate::access::person::{Person, Role};
use crate::account::accounts::Accounts;
use crate::account::administration::{ID_BYTES, checked_name};
use crate::account::credential::{Credential, folded};
use crate::account::error::AccountError;
use crate::account::link::Purpose;
use crate::account::lockout::Counted;
use crate::account::mail::{self, Mail};
use crate::account::password::PasswordHash;
use crate::account::session::Begun;
use crate::account::sign_in::{Origin, stage_after_password};
use crate::audit::event::Act;

/// The page where a registration goes on.
pub const REGISTRATION_PATH: &str = "/register/finish";
/// The page where somebody who was invited chooses a password.
pub const INVITATION_PATH: &str = "/welcome";
/// The page where a password is set anew.
pub const RESET_PATH: &str = "/new-password";
/// The page where an account is connected with a record.
pub const CONNECT_PATH: &str = "/connect";

impl Accounts {
    /// Sends a mail by which a patient may go on to register. Whether there is an account already
    /// is told by the mail alone.
    pub async fn ask_to_register(
        &self,
        name: &str,
        email: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let name = checked_name(name)?;
        let email = checked_address(email)?;
        if !self.may_mail(&email, origin).await? {
            return Ok(());
        }
        let is_known = self.find(&email).await?.is_some();
        let to = email.clone();
        let purpose = Purpose::Register { email, name };
        // Made for a known address as well, so that it takes as long; that one is never sent.
        let token = self.make_link(purpose, self.config.link_seconds).await?;
        self.mailer.send(if is_known {
            Mail {
                to,
                subject: "You already have a Vesta account",
                text: "Somebody, most likely you, wanted to register with this e-mail address. \
                       There is an account with it already: sign in with this address. If you do \
                       not know the password any more, choose \"Forgot your password?\" there. If \
                       this was not you, there is nothing to do.",
                link: format!("{}/sign-in", self.base_url()),
            }
        } else {
            Mail {
                to,
                subject: "Finish your Vesta registration",
                text: "Somebody, most likely you, wants to register with this e-mail address. \
                       Open this link to go on; it works once. If this was not you, there is \
                       nothing to do.",
                link: self.link_url(REGISTRATION_PATH, &token),
            }
        });
        Ok(())
    }

    /// Sends a mail by which a forgotten password is set anew, if there is an account with this
    /// name and an address; takes as long if there is none.
    pub async fn ask_to_reset(&self, name: &str, origin: &Origin) -> Result<(), AccountError> {
        if !self.may_mail(name, origin).await? {
            return Ok(());
        }
        let found = self.find(name).await?;
        let found = found.filter(|(person, credential)| {
            // Whoever signs in elsewhere has no password here, and comes to none this way.
            !person.is_disabled && !credential.is_outside
        });
        let (person_id, to, changes) = match found {
            Some((person, credential)) => {
                (person.id, credential.email, credential.password_changes)
            }
            None => (String::new(), None, 0),
        };
        let purpose = Purpose::Reset { person_id, changes };
        // Made for nobody as well, so that it takes as long; one without a person opens nothing.
        let token = self.make_link(purpose, self.config.link_seconds).await?;
        if let Some(to) = to {
            self.mailer.send(Mail {
                to,
                subject: "Choose a new Vesta password",
                text: "Somebody, most likely you, asked for a new password. Open this link to \
                       choose one; it works once. If this was not you, there is nothing to do: \
                       your password stays as it is.",
                link: self.link_url(RESET_PATH, &token),
            });
        }
        Ok(())
    }

    /// Counts what causes mail: from one address, and to one name. Who asks too often is told; who
    /// is written to too often is left in peace, and nobody is told.
    async fn may_mail(&self, name: &str, origin: &Origin) -> Result<bool, AccountError> {
        self.count_try(Counted::MailFrom(origin.address)).await?;
        let name = folded(name).unwrap_or_default();
        match self.count_try(Counted::MailTo(&name)).await {
            Err(AccountError::Locked { .. }) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Does what a link is good for with the password that was chosen, and begins a session. The
    /// link is used up only when the password will do.
    pub async fn join(
        &self,
        token: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<Begun, AccountError> {
        let purpose = self.link(token).await?;
        let (name, sign_in_name) = self.about(&purpose).await?;
        let hash = self.new_password(password, &[&name, &sign_in_name]).await?;
        let (person_id, act) = match self.use_link(token).await? {
            Purpose::Register { email, name } => {
                let person = self.registered(&name)?;
                let mut credential = Credential::new(email.clone(), Some(email));
                credential.set_password(hash);
                self.create(&person, &credential).await?;
                (person.id, Act::Registration)
            }
            Purpose::Accept { person_id } => {
                self.set_password(&person_id, &hash, |found| found.password.is_none())
                    .await?;
                (person_id, Act::Registration)
            }
            Purpose::Reset { person_id, changes } => {
                let is_latest = |found: &Credential| found.password_changes == changes;
                self.set_password(&person_id, &hash, is_latest).await?;
                // Whoever knew the former one is out.
                self.revoke_sessions(&person_id, None).await?;
                (person_id, Act::Credential)
            }
            Purpose::Connect { .. } => return Err(AccountError::Link),
        };
        let (person, credential) = self.by_id(&person_id).await?.ok_or(AccountError::Link)?;
        if person.is_disabled {
            return Err(AccountError::Link);
        }
        self.note_own((act, origin), &person).await?;
        let stage = stage_after_password(&person, &credential);
        self.begin(person, stage, origin).await
    }

    async fn set_password(
        &self,
        person_id: &str,
        hash: &PasswordHash,
        may: impl Fn(&Credential) -> bool,
    ) -> Result<(), AccountError> {
        self.change_credential(person_id, |credential| {
            if !may(credential) {
                return Err(AccountError::Link);
            }
            credential.set_password(hash.clone());
            Ok(())
        })
        .await
    }

    /// Name and sign-in name of the account that a link is about, which a password must not be.
    async fn about(&self, purpose: &Purpose) -> Result<(String, String), AccountError> {
        match purpose {
            Purpose::Register { email, name } => Ok((name.clone(), email.clone())),
            Purpose::Accept { person_id } | Purpose::Reset { person_id, .. } => {
                let found = self.by_id(person_id).await?;
                let (person, credential) = found.ok_or(AccountError::Link)?;
                Ok((person.name, credential.sign_in_name))
            }
            Purpose::Connect { .. } => Err(AccountError::Link),
        }
    }

    fn registered(&self, name: &str) -> Result<Person, AccountError> {
        Ok(Person {
            id: self.fresh::<ID_BYTES>()?,
            name: checked_name(name)?,
            role: Role::Patient,
            fhir_user: None,
            acts_for: Vec::new(),
            is_disabled: false,
            created_ms: self.now_ms(),
        })
    }

    /// Connects the account of a patient whom nobody has confirmed yet with the record that a link
    /// names.
    pub async fn connect(
        &self,
        person: &Person,
        token: &str,
        origin: &Origin,
    ) -> Result<Person, AccountError> {
        let fits = |person: &Person| person.role == Role::Patient && person.fhir_user.is_none();
        let refused = || {
            AccountError::Unusable(
                "This account is connected with a record already, or is not a patient's."
                    .to_owned(),
            )
        };
        let Purpose::Connect { .. } = self.link(token).await? else {
            return Err(AccountError::Link);
        };
        if !fits(person) {
            return Err(refused());
        }
        let Purpose::Connect { fhir_user } = self.use_link(token).await? else {
            return Err(AccountError::Link);
        };
        let person = self
            .change_person(&person.id, |person| {
                if !fits(person) {
                    return Err(refused());
                }
                person.fhir_user = Some(fhir_user.clone());
                Ok(())
            })
            .await?;
        self.note_own((Act::Registration, origin), &person).await?;
        Ok(person)
    }

    /// Changes the password of somebody who is signed in and knows the present one; every other
    /// session of theirs ends.
    pub async fn change_password(
        &self,
        person: &Person,
        (present, new): (&str, &str),
        (session_id, origin): (&str, &Origin),
    ) -> Result<(), AccountError> {
        self.confirm_password(person, present).await?;
        let (_, credential) = self.by_id(&person.id).await?.ok_or(AccountError::Unknown)?;
        if credential.is_outside {
            return Err(AccountError::Refused);
        }
        let about = [person.name.as_str(), &credential.sign_in_name];
        let hash = self.new_password(new, &about).await?;
        self.note_own((Act::Credential, origin), person).await?;
        self.set_password(&person.id, &hash, |_| true).await?;
        self.revoke_sessions(&person.id, Some(session_id)).await
    }

    /// Whether somebody who is signed in knows their password; tries are counted as second factors
    /// are. Who signs in elsewhere has none, and has shown it there.
    pub async fn confirm_password(
        &self,
        person: &Person,
        password: &str,
    ) -> Result<(), AccountError> {
        let (_, credential) = self.by_id(&person.id).await?.ok_or(AccountError::Unknown)?;
        if credential.is_outside {
            return Ok(());
        }
        self.count_try(Counted::Factor(&person.id)).await?;
        if !self.is_password(password, credential.password).await? {
            return Err(AccountError::Refused);
        }
        self.forget_tries(Counted::Factor(&person.id)).await
    }
}

fn checked_address(email: &str) -> Result<String, AccountError> {
    let email = email.trim();
    if mail::is_address(email) {
        return Ok(email.to_owned());
    }
    Err(AccountError::Unusable(
        "This is not an e-mail address. It should look like name@example.org.".to_owned(),
    ))
}
