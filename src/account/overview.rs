//! What somebody signs in with, as they are shown it: nothing that opens anything.

use crate::access::person::Person;
use crate::account::accounts::Accounts;
use crate::account::error::AccountError;
use crate::account::passkey::KeptPasskey;

/// What somebody signs in with.
pub struct Factors {
    /// The name; absent where it means nothing to people.
    pub sign_in_name: Option<String>,
    /// Whether there is a password.
    pub has_password: bool,
    /// Whether there is an authenticator app.
    pub has_app: bool,
    /// Recovery codes that were not used.
    pub recovery_left: usize,
    /// The passkeys.
    pub passkeys: Vec<KeptPasskey>,
}

impl Factors {
    /// Whether there is a second factor.
    pub fn has_factor(&self) -> bool {
        self.has_app || !self.passkeys.is_empty()
    }
}

impl Accounts {
    /// What somebody signs in with.
    pub async fn factors(&self, person: &Person) -> Result<Factors, AccountError> {
        let found = self.by_id(&person.id).await?;
        let (_, credential) = found.ok_or(AccountError::Unknown)?;
        Ok(Factors {
            has_password: credential.password.is_some(),
            has_app: credential.totp.is_some(),
            recovery_left: credential.recovery.len(),
            passkeys: credential.passkeys,
            sign_in_name: (!credential.is_outside).then_some(credential.sign_in_name),
        })
    }
}
