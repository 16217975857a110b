//! What somebody signs in with, kept by the id of the person, and found by the sign-in name.
//!
//! A name is claimed first and the person is written last: a name that leads to nobody is free.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::access::documents::{Before, DocumentError, Kept};
use crate::access::person::{self, Person};
use crate::account::accounts::Accounts;
use crate::account::error::AccountError;
use crate::account::factor::TotpSecret;
use crate::account::passkey::KeptPasskey;
use crate::account::password::PasswordHash;

/// The collection of what people sign in with, by their id.
const CREDENTIALS: &str = "credential";

/// The collection of names, each with the id of a person.
const NAMES: &str = "sign-in-name";

/// Characters of a sign-in name or of an address for mail.
const NAME_CHARS_MAX: usize = 200;

/// How often a change that somebody else overtook is tried again.
const ATTEMPTS_MAX: usize = 8;

/// What somebody signs in with.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    /// The name as it was chosen; it is compared without case.
    pub sign_in_name: String,
    /// Where mail goes.
    pub email: Option<String>,
    /// The password; absent until an invitation was accepted, or with an outside provider.
    pub password: Option<PasswordHash>,
    /// How often the password was changed: what was made for an earlier one counts no more.
    #[serde(default)]
    pub password_changes: u32,
    /// Whether they sign in with the outside provider, and never with a password of ours.
    #[serde(default)]
    pub is_outside: bool,
    /// The authenticator app.
    #[serde(default)]
    pub totp: Option<TotpSecret>,
    /// Hashes of the recovery codes that were not used.
    #[serde(default)]
    pub recovery: Vec<String>,
    /// The passkeys.
    #[serde(default)]
    pub passkeys: Vec<KeptPasskey>,
}

impl Credential {
    /// Nothing to sign in with yet.
    pub(super) fn new(sign_in_name: String, email: Option<String>) -> Self {
        Self {
            sign_in_name,
            email,
            password: None,
            password_changes: 0,
            is_outside: false,
            totp: None,
            recovery: Vec::new(),
            passkeys: Vec::new(),
        }
    }

    /// Whether there is something to sign in with.
    pub fn has_joined(&self) -> bool {
        self.password.is_some() || self.is_outside
    }

    /// Whether there is a second factor.
    pub fn has_factor(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }

    /// Sets the password, and ends what was made for the former one.
    pub(super) fn set_password(&mut self, password: PasswordHash) {
        self.password = Some(password);
        self.password_changes = self.password_changes.saturating_add(1);
    }

    /// Forgets the password.
    pub(super) fn forget_password(&mut self) {
        self.password = None;
        self.password_changes = self.password_changes.saturating_add(1);
    }

    /// Forgets all second factors.
    pub(super) fn forget_factors(&mut self) {
        self.totp = None;
        self.recovery.clear();
        self.passkeys.clear();
    }
}

/// The form in which names are compared; `None` when it is no name.
pub(super) fn folded(name: &str) -> Option<String> {
    let folded: String = name.trim().nfkc().flat_map(char::to_lowercase).collect();
    let chars = folded.chars().count();
    let is_name = chars > 0
        && chars <= NAME_CHARS_MAX
        && !folded.chars().any(|c| c.is_control() || c.is_whitespace());
    is_name.then_some(folded)
}

impl Accounts {
    /// What the person with an id signs in with.
    pub(super) async fn credential(
        &self,
        person_id: &str,
    ) -> Result<Option<Kept<Credential>>, AccountError> {
        Ok(self.documents.get(CREDENTIALS, person_id).await?)
    }

    /// The person with a sign-in name, disabled or not.
    pub async fn find(
        &self,
        sign_in_name: &str,
    ) -> Result<Option<(Person, Credential)>, AccountError> {
        let Some(name) = folded(sign_in_name) else {
            return Ok(None);
        };
        let id: Option<Kept<String>> = self.documents.get(NAMES, &name).await?;
        let Some(Kept { content: id, .. }) = id else {
            return Ok(None);
        };
        self.by_id(&id).await
    }

    /// The person with an id, and what they sign in with.
    pub(super) async fn by_id(
        &self,
        person_id: &str,
    ) -> Result<Option<(Person, Credential)>, AccountError> {
        let person = person::find(&self.documents, person_id).await?;
        let credential = self.credential(person_id).await?;
        Ok(person
            .zip(credential)
            .map(|(person, credential)| (person.content, credential.content)))
    }

    /// Writes a new person with what they sign in with; refused when the name is taken.
    pub(super) async fn create(
        &self,
        person: &Person,
        credential: &Credential,
    ) -> Result<(), AccountError> {
        let taken = || AccountError::Unusable("this sign-in name is taken".to_owned());
        let name = folded(&credential.sign_in_name).ok_or_else(|| {
            AccountError::Unusable("a sign-in name has no spaces and at most 200 characters".into())
        })?;
        if self.find(&name).await?.is_some() {
            return Err(taken());
        }
        let known: Option<Kept<String>> = self.documents.get(NAMES, &name).await?;
        let before = known.map_or(Before::Nothing, |kept| Before::Revision(kept.revision));
        let claimed = self.documents.put((NAMES, &name), &person.id, before, None);
        match claimed.await {
            Err(DocumentError::Changed) => return Err(taken()),
            done => done?,
        }
        let place = (CREDENTIALS, person.id.as_str());
        self.documents
            .put(place, credential, Before::Nothing, None)
            .await?;
        Ok(person::put(&self.documents, person, Before::Nothing).await?)
    }

    /// Changes what somebody signs in with; started again when somebody else was faster.
    pub(super) async fn change_credential<T>(
        &self,
        person_id: &str,
        mut change: impl FnMut(&mut Credential) -> Result<T, AccountError>,
    ) -> Result<T, AccountError> {
        for _ in 0..ATTEMPTS_MAX {
            let found = self.credential(person_id).await?;
            let mut kept = found.ok_or(AccountError::Unknown)?;
            let done = change(&mut kept.content)?;
            let place = (CREDENTIALS, person_id);
            let before = Before::Revision(kept.revision);
            let put = self.documents.put(place, &kept.content, before, None);
            match put.await {
                Err(DocumentError::Changed) => {}
                other => {
                    other?;
                    return Ok(done);
                }
            }
        }
        Err(DocumentError::Changed.into())
    }

    /// Changes a person; started again when somebody else was faster.
    pub(super) async fn change_person(
        &self,
        person_id: &str,
        mut change: impl FnMut(&mut Person) -> Result<(), AccountError>,
    ) -> Result<Person, AccountError> {
        for _ in 0..ATTEMPTS_MAX {
            let found = person::find(&self.documents, person_id).await?;
            let mut kept = found.ok_or(AccountError::Unknown)?;
            change(&mut kept.content)?;
            let before = Before::Revision(kept.revision);
            match person::put(&self.documents, &kept.content, before).await {
                Err(DocumentError::Changed) => {}
                other => {
                    other?;
                    return Ok(kept.content);
                }
            }
        }
        Err(DocumentError::Changed.into())
    }
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn names_are_compared_without_case_and_width() {
        assert_eq!(
            folded(" Ada@Example.org ").as_deref(),
            Some("ada@example.org")
        );
        assert_eq!(folded("\u{ff21}da").as_deref(), Some("ada"));
        for wrong in ["", "  ", "a b", "a\nb", &"a".repeat(201)] {
            assert_eq!(folded(wrong), None, "{wrong:?}");
        }
    }
}
