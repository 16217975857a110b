//! A master key from values: of environment variables, or of a secret that is mounted for us.
//!
//! The values come in as arguments; only `config` reads the environment.

use std::sync::Arc;

use base64::Engine;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::seal::data_key::Secret;
use crate::seal::hex;
use crate::seal::master_key::{Generation, KeySet, MasterKey, MasterKeyError, Member, Wrapped};
use crate::seal::random::Random;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// A master key that does not change while the process runs.
pub struct EnvMasterKey {
    keys: KeySet,
    random: Arc<dyn Random>,
}

impl EnvMasterKey {
    /// `current` wraps; `others` only unwrap: earlier ones, and the next one while not all
    /// processes have it yet.
    pub fn new(
        current: &str,
        others: &[impl AsRef<str>],
        random: Arc<dyn Random>,
    ) -> Result<Self, MasterKeyError> {
        let mut secrets = others
            .iter()
            .map(|value| parse(value.as_ref(), "one of the previous master keys"))
            .collect::<Result<Vec<_>, _>>()?;
        let current = parse(current, "the master key")?;
        secrets.retain(|secret| *secret != current);
        secrets.push(current);
        Ok(Self {
            keys: KeySet::new(secrets.iter()),
            random,
        })
    }

    fn current(&self) -> Result<&Member, MasterKeyError> {
        let missing = MasterKeyError::Malformed("the master key");
        self.keys.current().ok_or(missing)
    }
}

impl MasterKey for EnvMasterKey {
    fn generation(&self) -> Result<Generation, MasterKeyError> {
        self.current().map(|member| member.generation)
    }

    fn wrap(&self, secret: &Secret, context: &[u8]) -> Result<Wrapped, MasterKeyError> {
        self.current()?.wrap(&*self.random, secret, context)
    }

    fn unwrap(&self, wrapped: &Wrapped, context: &[u8]) -> Result<Secret, MasterKeyError> {
        let unknown = MasterKeyError::UnknownGeneration(wrapped.generation);
        let member = self.keys.find(wrapped.generation).ok_or(unknown)?;
        member.unwrap(wrapped, context)
    }
}

/// A key from hexadecimal or base64; refuses what is obviously not random.
fn parse(value: &str, what: &'static str) -> Result<Secret, MasterKeyError> {
    let value = value.trim();
    let from_base64 = || {
        let decoded = STANDARD.decode(value).or_else(|_| URL_SAFE.decode(value));
        let bytes = Zeroizing::new(decoded.ok()?);
        bytes.as_slice().try_into().ok().map(Secret::new)
    };
    let secret = hex::decode(value).map(Secret::new).or_else(from_base64);
    secret
        .filter(|secret| secret.windows(2).any(|pair| pair.first() != pair.last()))
        .ok_or(MasterKeyError::Malformed(what))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::EnvMasterKey;
    use crate::seal::data_key::Secret;
    use crate::seal::master_key::{MasterKey, MasterKeyError};
    use crate::seal::random::SystemRandom;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const OLD_BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn master(current: &str, others: &[&str]) -> Result<EnvMasterKey, MasterKeyError> {
        EnvMasterKey::new(current, others, Arc::new(SystemRandom))
    }

    #[test]
    fn a_previous_key_unwraps_and_the_current_one_wraps() {
        let wrapped = master(OLD, &[])
            .unwrap()
            .wrap(&Secret::new([5; 32]), b"x")
            .unwrap();
        let rotated = master(NEW, &[OLD_BASE64, NEW]).unwrap();
        assert_eq!(*rotated.unwrap(&wrapped, b"x").unwrap(), [5; 32]);
        assert_ne!(rotated.generation().unwrap(), wrapped.generation);
        assert!(matches!(
            master(NEW, &[]).unwrap().unwrap(&wrapped, b"x"),
            Err(MasterKeyError::UnknownGeneration(generation)) if generation == wrapped.generation
        ));
    }

    #[test]
    fn all_forms_of_a_key_are_the_same_key() {
        let generation = |value: &str| master(value, &[]).unwrap().generation().unwrap();
        assert_eq!(generation(OLD), generation(OLD_BASE64));
        assert_eq!(
            generation(OLD),
            generation(OLD_BASE64.trim_end_matches('='))
        );
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for wrong in [
            "",
            "secret",
            OLD.trim_end_matches("1f"),
            &"00".repeat(32),
            &"A".repeat(43),
        ] {
            let Err(error) = master(wrong, &[]) else {
                panic!("{wrong} was taken");
            };
            assert!(error.to_string().contains("64 hexadecimal digits"));
            assert!(wrong.is_empty() || !error.to_string().contains(wrong));
        }
        assert!(master(OLD, &["rubbish"]).is_err());
    }
}
