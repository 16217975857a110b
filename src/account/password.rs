//! Passwords: whether one will do, its hash, and whether another one is the same.
//!
//! Argon2id with the parameters that OWASP names, on threads for blocking work and a few at a time:
//! each takes 19 MiB. Spec: RFC 9106, NIST SP 800-63B section 5.1.1.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;
use zxcvbn::Score;

use crate::account::accounts::Accounts;
use crate::account::error::AccountError;

/// Passwords that are worked on at once, 19 MiB each.
pub(super) const AT_ONCE_MAX: usize = 4;

/// How long to wait for one's turn.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Characters of a password at most: hashing takes its time by them.
const CHARS_MAX: usize = 128;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Memory in KiB, passes and lanes of what is hashed from now on.
const COST: Cost = Cost(19_456, 2, 1);

/// What a hash costs; kept beside each, so that it may grow later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cost(u32, u32, u32);

/// The hash of a password.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasswordHash {
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
    cost: Cost,
}

impl PasswordHash {
    /// A hash that no password has, which costs as much as any other.
    const fn nobodys() -> Self {
        Self {
            salt: [0; SALT_BYTES],
            hash: [0; HASH_BYTES],
            cost: COST,
        }
    }
}

impl Accounts {
    /// The hash of a new password that is good enough; `about` are texts that it must not be made
    /// of, such as the name.
    pub(super) async fn new_password(
        &self,
        password: &str,
        about: &[&str],
    ) -> Result<PasswordHash, AccountError> {
        let chars = password.chars().count();
        if chars < self.config.password_chars_min {
            return Err(AccountError::Unusable(format!(
                "Choose a password of at least {} characters. Three or four words that do not \
                 belong together make a good one.",
                self.config.password_chars_min
            )));
        }
        if chars > CHARS_MAX {
            return Err(AccountError::Unusable(format!(
                "Choose a password of at most {CHARS_MAX} characters."
            )));
        }
        let mut salt = [0; SALT_BYTES];
        let filled = self.documents.random().fill(&mut salt);
        filled.map_err(|error| AccountError::Unavailable(error.to_string()))?;
        let password = Zeroizing::new(password.to_owned());
        let about: Vec<String> = about.iter().map(ToString::to_string).collect();
        let work = move || {
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            if zxcvbn::zxcvbn(&password, &about).score() < Score::Three {
                return Err(AccountError::Unusable(
                    "This password is too easy to guess. Three or four words that do not belong \
                     together make a good one."
                        .to_owned(),
                ));
            }
            let hash = hash(&password, &salt, COST)?;
            Ok(PasswordHash {
                salt,
                hash,
                cost: COST,
            })
        };
        self.aside(work).await
    }

    /// Whether a password is the one that was hashed; without a hash it is not, and that takes as
    /// long.
    pub(super) async fn is_password(
        &self,
        password: &str,
        known: Option<PasswordHash>,
    ) -> Result<bool, AccountError> {
        let is_known = known.is_some();
        let known = known.unwrap_or_else(PasswordHash::nobodys);
        // What is too long is no password, and takes as long as one.
        let password: String = password.chars().take(CHARS_MAX + 1).collect();
        let password = Zeroizing::new(password);
        let work = move || {
            let hash = hash(&password, &known.salt, known.cost)?;
            Ok(constant_time::verify_slices_are_equal(&hash, &known.hash).is_ok())
        };
        Ok(self.aside(work).await? && is_known)
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let turn = Arc::clone(&self.hashing).acquire_owned();
        let turn = tokio::time::timeout(WAIT_MAX, turn).await;
        let Ok(Ok(turn)) = turn else {
            return Err(AccountError::Busy);
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Who no longer waits for the answer has its place until the work is done.
            drop(turn);
            done
        });
        // What a panic says may quote the password.
        done.await
            .map_err(|_panicked| AccountError::Unavailable("hashing broke off".to_owned()))?
    }
}

fn hash(password: &str, salt: &[u8], cost: Cost) -> Result<[u8; HASH_BYTES], AccountError> {
    let failed = |error: argon2::Error| AccountError::Unavailable(error.to_string());
    let Cost(memory, passes, lanes) = cost;
    let params = Params::new(memory, passes, lanes, Some(HASH_BYTES)).map_err(failed)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut out = [0; HASH_BYTES];
    argon
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .map_err(failed)?;
    Ok(out)
}
