//! Passkeys: kept by the device, shown with a finger or a PIN, as the second step of signing in.
//!
//! Browsers want a name for that, not an address of numbers: a server whose base URL has none
//! offers no passkeys. Spec: Web Authentication Level 3.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{
    Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::access::documents::{Before, Kept};
use crate::access::person::Person;
use crate::account::accounts::{Accounts, ms};
use crate::account::error::AccountError;
use crate::account::factor::{give_recovery_codes, keep_one};
use crate::account::lockout::Counted;
use crate::account::sign_in::Origin;
use crate::audit::event::Act;
use crate::seal::hex;

/// The collection of challenges, by the id of the person and what each is for.
const CHALLENGES: &str = "passkey-challenge";

/// Seconds for which a challenge can be answered.
const CHALLENGE_SECONDS_MAX: u64 = 300;

/// Passkeys of one person.
const PASSKEYS_MAX: usize = 10;

const ID_BYTES: usize = 8;

/// What devices show beside the key.
const NAME: &str = "Vesta";

/// A passkey as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeptPasskey {
    /// What it is called where it is listed; opens nothing.
    pub id: String,
    /// What its owner knows it by.
    pub name: String,
    /// When it was set up, in ms since the epoch.
    pub created_ms: i64,
    passkey: Passkey,
}

/// What passkeys are checked with; `None` under a base URL without a name.
pub(super) fn checker(base_url: &str) -> Option<Webauthn> {
    let origin = Url::parse(base_url).ok()?;
    let host = origin.domain()?.to_owned();
    let builder = WebauthnBuilder::new(&host, &origin).ok()?;
    builder.rp_name(NAME).build().ok()
}

fn failed(error: &dyn std::fmt::Display) -> AccountError {
    AccountError::Unavailable(error.to_string())
}

/// What came from the browser is not what was asked for.
fn refused(error: &dyn std::fmt::Display) -> AccountError {
    tracing::debug!(%error, "a passkey was refused");
    AccountError::Refused
}

impl Accounts {
    /// What a browser needs to make a passkey, as JSON; `None` where there are none.
    pub async fn begin_passkey(&self, person: &Person) -> Result<Option<String>, AccountError> {
        let Some(checker) = &self.passkeys else {
            return Ok(None);
        };
        let found = self.by_id(&person.id).await?;
        let (_, credential) = found.ok_or(AccountError::Unknown)?;
        let known = credential.passkeys.iter();
        let known = known.map(|kept| kept.passkey.cred_id().clone()).collect();
        let id = hex::decode::<16>(&person.id).unwrap_or_default();
        let begun = checker.start_passkey_registration(
            Uuid::from_bytes(id),
            &credential.sign_in_name,
            &person.name,
            Some(known),
        );
        let (options, state) = begun.map_err(|error| failed(&error))?;
        self.keep_challenge(&format!("new {}", person.id), &state)
            .await?;
        let options = serde_json::to_string(&options);
        Ok(Some(options.map_err(|error| failed(&error))?))
    }

    /// Keeps the passkey that a browser made. Gives back recovery codes, when there were none.
    pub async fn finish_passkey(
        &self,
        person: &Person,
        credential: &str,
        (name, origin): (&str, &Origin),
    ) -> Result<Vec<String>, AccountError> {
        let checker = self.passkeys.as_ref().ok_or(AccountError::Refused)?;
        let state: PasskeyRegistration = self.take_challenge(&format!("new {}", person.id)).await?;
        let made: RegisterPublicKeyCredential =
            serde_json::from_str(credential).map_err(|error| refused(&error))?;
        let passkey = checker.finish_passkey_registration(&made, &state);
        let kept = KeptPasskey {
            id: self.fresh::<ID_BYTES>()?,
            name: name.to_owned(),
            created_ms: self.now_ms(),
            passkey: passkey.map_err(|error| refused(&error))?,
        };
        let fresh = self.fresh_recovery_codes()?;
        self.note_own((Act::Credential, origin), person).await?;
        self.change_credential(&person.id, |credential| {
            if credential.passkeys.len() >= PASSKEYS_MAX {
                return Err(AccountError::Unusable(
                    "There are ten passkeys already. Remove one first.".to_owned(),
                ));
            }
            credential.passkeys.push(kept.clone());
            Ok(give_recovery_codes(credential, &fresh))
        })
        .await
    }

    /// What a browser needs to show a passkey, as JSON; `None` when there is none to show.
    pub async fn begin_passkey_sign_in(
        &self,
        person: &Person,
    ) -> Result<Option<String>, AccountError> {
        let Some(checker) = &self.passkeys else {
            return Ok(None);
        };
        let found = self.by_id(&person.id).await?;
        let (_, credential) = found.ok_or(AccountError::Unknown)?;
        let keys = credential.passkeys.into_iter().map(|kept| kept.passkey);
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return Ok(None);
        }
        let begun = checker.start_passkey_authentication(&keys);
        let (options, state) = begun.map_err(|error| failed(&error))?;
        self.keep_challenge(&format!("show {}", person.id), &state)
            .await?;
        let options = serde_json::to_string(&options);
        Ok(Some(options.map_err(|error| failed(&error))?))
    }

    /// Looks at the passkey that a browser shows.
    pub async fn finish_passkey_sign_in(
        &self,
        person: &Person,
        credential: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        match self.try_passkey(person, credential).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.note_refused(origin, Some(person), error).await),
        }
    }

    async fn try_passkey(&self, person: &Person, credential: &str) -> Result<(), AccountError> {
        self.count_try(Counted::Factor(&person.id)).await?;
        let checker = self.passkeys.as_ref().ok_or(AccountError::Refused)?;
        let state: PasskeyAuthentication =
            self.take_challenge(&format!("show {}", person.id)).await?;
        let shown: PublicKeyCredential =
            serde_json::from_str(credential).map_err(|error| refused(&error))?;
        let result = checker.finish_passkey_authentication(&shown, &state);
        let result = result.map_err(|error| refused(&error))?;
        self.change_credential(&person.id, |credential| {
            let mut keys = credential.passkeys.iter_mut();
            // It may have been removed in the meantime.
            let used = keys.find(|kept| kept.passkey.cred_id() == result.cred_id());
            let used = used.ok_or(AccountError::Refused)?;
            used.passkey.update_credential(&result);
            Ok(())
        })
        .await?;
        self.forget_tries(Counted::Factor(&person.id)).await
    }

    /// Takes a passkey away; refused when the role needs a second factor and this is the last.
    pub async fn remove_passkey(
        &self,
        person: &Person,
        id: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        self.change_credential(&person.id, |credential| {
            credential.passkeys.retain(|kept| kept.id != id);
            keep_one(person, credential)
        })
        .await?;
        self.note_own((Act::Credential, origin), person).await
    }

    async fn keep_challenge<T: Serialize>(&self, id: &str, state: &T) -> Result<(), AccountError> {
        let expires_ms = self.now_ms().saturating_add(ms(CHALLENGE_SECONDS_MAX));
        let place = (CHALLENGES, id);
        let put = self
            .documents
            .put(place, state, Before::Anything, Some(expires_ms));
        Ok(put.await?)
    }

    /// A challenge is answered once, rightly or not.
    async fn take_challenge<T: DeserializeOwned>(&self, id: &str) -> Result<T, AccountError> {
        let kept: Option<Kept<T>> = self.documents.get(CHALLENGES, id).await?;
        let kept = kept.ok_or(AccountError::Refused)?;
        self.documents.delete(CHALLENGES, id).await?;
        Ok(kept.content)
    }
}

#[cfg(test)]
mod tests {
    use super::checker;

    #[test]
    fn passkeys_need_a_name() {
        assert!(checker("https://vesta.example").is_some());
        assert!(checker("http://localhost:8080").is_some());
        assert!(checker("http://127.0.0.1:8080").is_none());
        assert!(checker("http://[::1]:8080").is_none());
    }
}
