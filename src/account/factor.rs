//! Second factors that are typed: codes of an authenticator app, and recovery codes.
//!
//! A code works once: the step that it belongs to is kept, and earlier ones never count again.
//! Spec: RFC 6238, RFC 4226 section 7.

use aws_lc_rs::constant_time;
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Totp};

use crate::access::documents::{Before, Kept};
use crate::access::person::Person;
use crate::account::accounts::{Accounts, ms};
use crate::account::credential::Credential;
use crate::account::error::AccountError;
use crate::account::lockout::Counted;
use crate::account::session::{Begun, Stage};
use crate::account::sign_in::Origin;
use crate::audit::event::Act;
use crate::seal::hex;

/// The collection of secrets that are shown and not confirmed yet, by the id of the person.
const ENROLMENTS: &str = "totp-enrolment";

/// Seconds for which a secret that was shown can be confirmed.
const ENROLMENT_SECONDS_MAX: u64 = 900;

/// What an authenticator app lists the code under.
const ISSUER: &str = "Vesta";

const SECRET_BYTES: usize = 20;

/// Recovery codes made at once, and the characters of each: 60 bits.
const RECOVERY_CODES: usize = 10;
const RECOVERY_CHARS: usize = 12;

/// Letters and digits that are not mistaken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstvwxyz0123456789";

/// The secret of an authenticator app.
#[derive(Clone, Serialize, Deserialize)]
pub struct TotpSecret {
    secret: [u8; SECRET_BYTES],
    /// The last step whose code was used.
    last_step: u64,
}

/// A secret that is shown, to be put into an app.
pub struct Enrolment {
    /// To be typed.
    pub secret: String,
    /// To be scanned, as a code.
    pub url: String,
}

/// Which second factor was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A code of the app, or a passkey.
    Usual,
    /// A recovery code.
    Recovery,
}

impl Accounts {
    /// The secret to put into an app: the one that was shown lately, or a fresh one.
    pub async fn begin_totp(&self, person: &Person) -> Result<Enrolment, AccountError> {
        let secret = if let Some(shown) = self.enrolment(person).await? {
            shown
        } else {
            let mut secret = [0; SECRET_BYTES];
            let filled = self.documents.random().fill(&mut secret);
            filled.map_err(|error| AccountError::Unavailable(error.to_string()))?;
            let expires_ms = self.now_ms().saturating_add(ms(ENROLMENT_SECONDS_MAX));
            let place = (ENROLMENTS, person.id.as_str());
            let put = self
                .documents
                .put(place, &secret, Before::Anything, Some(expires_ms));
            put.await?;
            secret
        };
        let (_, credential) = self.by_id(&person.id).await?.ok_or(AccountError::Unknown)?;
        let totp = totp(&secret, &credential.sign_in_name)?;
        let failed = |error: totp_rs::TotpError| AccountError::Unavailable(error.to_string());
        Ok(Enrolment {
            secret: grouped(&totp_rs::Secret::from(secret).to_base32()),
            url: totp.to_url().map_err(failed)?,
        })
    }

    async fn enrolment(&self, person: &Person) -> Result<Option<[u8; SECRET_BYTES]>, AccountError> {
        let kept: Option<Kept<[u8; SECRET_BYTES]>> =
            self.documents.get(ENROLMENTS, &person.id).await?;
        Ok(kept.map(|kept| kept.content))
    }

    /// Takes the secret that was shown when a code shows that the app has it. Gives back recovery
    /// codes, when there were none.
    pub async fn confirm_totp(
        &self,
        person: &Person,
        code: &str,
        origin: &Origin,
    ) -> Result<Vec<String>, AccountError> {
        self.count_try(Counted::Factor(&person.id)).await?;
        let secret = self.enrolment(person).await?.ok_or(AccountError::Refused)?;
        let step = matching_step(&totp(&secret, "")?, code, self.now_ms());
        let last_step = step.ok_or(AccountError::Refused)?;
        let fresh = self.fresh_recovery_codes()?;
        let codes = self
            .change_credential(&person.id, |credential| {
                credential.totp = Some(TotpSecret { secret, last_step });
                Ok(give_recovery_codes(credential, &fresh))
            })
            .await?;
        self.documents.delete(ENROLMENTS, &person.id).await?;
        self.forget_tries(Counted::Factor(&person.id)).await?;
        self.note_own((Act::Credential, origin), person).await?;
        Ok(codes)
    }

    /// Looks at a code of the app, or a recovery code; each works once.
    pub async fn show_factor(
        &self,
        person: &Person,
        code: &str,
        origin: &Origin,
    ) -> Result<Shown, AccountError> {
        match self.try_code(person, code).await {
            Ok(shown) => Ok(shown),
            Err(error) => Err(self.note_refused(origin, Some(person), error).await),
        }
    }

    async fn try_code(&self, person: &Person, code: &str) -> Result<Shown, AccountError> {
        self.count_try(Counted::Factor(&person.id)).await?;
        let now_ms = self.now_ms();
        let shown = self
            .change_credential(&person.id, |credential| use_code(credential, code, now_ms))
            .await?;
        self.forget_tries(Counted::Factor(&person.id)).await?;
        Ok(shown)
    }

    /// Fresh recovery codes; those from before no longer work.
    pub async fn renew_recovery_codes(
        &self,
        person: &Person,
        origin: &Origin,
    ) -> Result<Vec<String>, AccountError> {
        self.note_own((Act::Credential, origin), person).await?;
        let fresh = self.fresh_recovery_codes()?;
        self.change_credential(&person.id, |credential| {
            credential.recovery.clear();
            Ok(give_recovery_codes(credential, &fresh))
        })
        .await
    }

    /// Takes the app away; refused when the role needs a second factor and this is the last.
    pub async fn remove_totp(&self, person: &Person, origin: &Origin) -> Result<(), AccountError> {
        self.change_credential(&person.id, |credential| {
            credential.totp = None;
            keep_one(person, credential)
        })
        .await?;
        self.note_own((Act::Credential, origin), person).await
    }

    /// Completes a sign-in whose second factor was shown or has just been set up.
    pub async fn complete(&self, person: Person, origin: &Origin) -> Result<Begun, AccountError> {
        self.begin(person, Stage::Full, origin).await
    }

    pub(super) fn fresh_recovery_codes(&self) -> Result<Vec<String>, AccountError> {
        let code = || {
            let mut bytes = [0; RECOVERY_CHARS];
            let filled = self.documents.random().fill(&mut bytes);
            filled.map_err(|error| AccountError::Unavailable(error.to_string()))?;
            let letters = bytes.iter().map(|byte| {
                let letter = ALPHABET.get(usize::from(byte % 32)).copied();
                char::from(letter.unwrap_or(b'a'))
            });
            Ok(grouped(&letters.collect::<String>()))
        };
        (0..RECOVERY_CODES).map(|_| code()).collect()
    }
}

/// Whoever needs a second factor must not be left without one; who has none needs no way around it.
pub(super) fn keep_one(person: &Person, credential: &mut Credential) -> Result<(), AccountError> {
    if credential.has_factor() {
        return Ok(());
    }
    if person.role.needs_second_factor() {
        return Err(AccountError::Unusable(
            "Your role needs a second step when you sign in. Set up another one first.".to_owned(),
        ));
    }
    credential.recovery.clear();
    Ok(())
}

/// Keeps fresh recovery codes when there are none left; the codes, to be shown once.
pub(super) fn give_recovery_codes(credential: &mut Credential, fresh: &[String]) -> Vec<String> {
    if !credential.recovery.is_empty() {
        return Vec::new();
    }
    credential.recovery = fresh.iter().map(|code| digest(&plain(code))).collect();
    fresh.to_vec()
}

fn use_code(credential: &mut Credential, code: &str, now_ms: i64) -> Result<Shown, AccountError> {
    let code = plain(code);
    if let Some(kept) = &mut credential.totp
        && let Some(step) = matching_step(&totp(&kept.secret, "")?, &code, now_ms)
    {
        if step <= kept.last_step {
            return Err(AccountError::Refused);
        }
        kept.last_step = step;
        return Ok(Shown::Usual);
    }
    let hash = digest(&code);
    let before = credential.recovery.len();
    credential.recovery.retain(|kept| {
        constant_time::verify_slices_are_equal(kept.as_bytes(), hash.as_bytes()).is_err()
    });
    if credential.recovery.len() == before {
        return Err(AccountError::Refused);
    }
    Ok(Shown::Recovery)
}

fn totp(secret: &[u8; SECRET_BYTES], name: &str) -> Result<Totp, AccountError> {
    // A colon would part issuer and name.
    let name = name.replace(':', " ");
    let built = Builder::new()
        .with_secret(*secret)
        .with_issuer(Some(ISSUER))
        .with_account_name(name)
        .build();
    built.map_err(|error| AccountError::Unavailable(error.to_string()))
}

fn matching_step(totp: &Totp, code: &str, now_ms: i64) -> Option<u64> {
    let seconds = u64::try_from(now_ms / 1_000).ok()?;
    totp.check(&plain(code), seconds)
}

/// A code as it is compared: without the spaces and lines that make it readable.
fn plain(code: &str) -> String {
    let kept = code.chars().filter(char::is_ascii_alphanumeric);
    kept.take(64).map(|c| c.to_ascii_lowercase()).collect()
}

/// In groups of four, to be read.
fn grouped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            out.push(' ');
        }
        out.push(letter);
    }
    out
}

fn digest(code: &str) -> String {
    hex::encode(blake3::hash(code.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Shown, TotpSecret, digest, grouped, plain, totp, use_code};
    use crate::account::credential::Credential;

    const SECRET: [u8; 20] = *b"12345678901234567890";

    fn credential() -> Credential {
        let mut credential = Credential::new("ada".to_owned(), None);
        credential.totp = Some(TotpSecret {
            secret: SECRET,
            last_step: 0,
        });
        credential.recovery = vec![digest("abcd23456789"), digest("efgh23456789")];
        credential
    }

    #[test]
    fn the_codes_of_rfc_6238_are_taken_once() {
        // Appendix B of the RFC, cut to six digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (2_000_000_000, "279037"),
        ] {
            let mut credential = credential();
            assert!(use_code(&mut credential, "000000", seconds * 1_000).is_err());
            let shown = use_code(&mut credential, code, seconds * 1_000);
            assert_eq!(shown.unwrap(), Shown::Usual);
            assert!(use_code(&mut credential, code, seconds * 1_000).is_err());
        }
    }

    #[test]
    fn a_code_before_one_that_was_used_is_none() {
        let mut credential = credential();
        let generate = |at: u64| totp(&SECRET, "").unwrap().generate(at).to_string();
        assert!(use_code(&mut credential, &generate(990), 1_000_000).is_ok());
        assert!(use_code(&mut credential, &generate(960), 1_000_000).is_err());
        assert!(use_code(&mut credential, &generate(900), 1_000_000).is_err());
        assert!(use_code(&mut credential, &generate(1_020), 1_000_000).is_ok());
        assert!(use_code(&mut credential, &generate(990), 1_000_000).is_err());
    }

    #[test]
    fn a_recovery_code_works_once_however_it_is_written() {
        let mut credential = credential();
        let shown = use_code(&mut credential, " ABCD-2345 6789", 0).unwrap();
        assert_eq!(shown, Shown::Recovery);
        assert_eq!(credential.recovery.len(), 1);
        assert!(use_code(&mut credential, "abcd23456789", 0).is_err());
        assert!(use_code(&mut credential, "", 0).is_err());
    }

    #[test]
    fn codes_are_read_as_they_are_shown() {
        assert_eq!(grouped("abcdefghij"), "abcd efgh ij");
        assert_eq!(plain(&grouped("abcdefghij")), "abcdefghij");
    }
}
